/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Victims: descriptors are complete; each runs with its defaults and leaves nothing behind; each
 * measures what it says (counted faults, a planted delay, a kept period); and the timed path of
 * those that are not about the kernel makes no system call, which a seccomp filter enforces.
 */
#include "tests/unit/victim_bench.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- descriptors ---- */

static void every_victim_is_listed_once_and_found_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; ct_victims[i]; i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(ct_victims[i]->name, ct_victims[j]->name);
		assert_ptr_equal(ct_victim_find(ct_victims[i]->name), ct_victims[i]);
	}
	assert_null(ct_victim_find("no_such_victim"));
}

static void check_params(const struct ct_victim_ops *ops)
{
	void *options = calloc(1, ops->options_size + 1);
	struct ct_error err = {0};

	assert_non_null(options);
	ct_params_init(ops->params, options);
	for (const struct ct_param *param = ops->params; param->name; param++) {
		assert_non_null(param->help);
		assert_true(strlen(param->help) > 0 && param->help[strlen(param->help) - 1] != '.');
		assert_non_null(param->fallback);
		assert_ptr_equal(ct_param_find(ops->params, param->name), param);
		assert_true(ct_param_set(param, options, param->fallback, &err));
		if (param->min)
			assert_true(ct_param_set(param, options, param->min, &err));
		if (param->max)
			assert_true(ct_param_set(param, options, param->max, &err));
	}
	ct_params_free(ops->params, options);
	free(options);
}

static void descriptors_are_complete_and_their_defaults_and_bounds_parse(void **state)
{
	(void)state;
	for (size_t i = 0; ct_victims[i]; i++) {
		const struct ct_victim_ops *ops = ct_victims[i];

		assert_string_equal(ops->unit, "ns");
		assert_true(strlen(ops->sample) > 0);
		assert_true(strlen(ops->summary) > 0 &&
			    ops->summary[strlen(ops->summary) - 1] != '.');
		assert_true((ops->operate != NULL) != (ops->operate_timed != NULL));
		assert_non_null(ops->setup);
		assert_non_null(ops->teardown);
		assert_true(ops->stresses < CT_RES_END);
		check_params(ops);
	}
}

static void every_victim_that_needs_no_peer_runs_with_its_defaults(void **state)
{
	(void)state;
	for (size_t i = 0; ct_victims[i]; i++) {
		struct bench bench;
		char why[256];

		/* OpenMP in a process that forks later is no good company: see test_gemm.c. */
		if (ct_victims[i]->peer || ct_victims[i] == &ct_bench_gemm_cpu)
			continue;
		if (ct_victims[i]->available && !ct_victims[i]->available(why, sizeof why)) {
			assert_true(strlen(why) > 0);
			continue;
		}
		open_bench(&bench, ct_victims[i], NO_OPTIONS);
		for (int n = 0; n < 20; n++)
			sample(&bench);
		close_bench(&bench);
	}
}

/* ---- no system call in the timed path ---- */

/* From here on this process may only exit; any other system call ends it with SIGSYS. */
static bool forbid_system_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum child_end { CHILD_GOOD = 0, CHILD_FAILED = 1, CHILD_NO_SECCOMP = 2 };

static bool operate_samples(struct bench *bench)
{
	for (int i = 0; i < 50; i++) {
		uint64_t ticks;
		bool good = bench->ops->operate_timed
				    ? bench->ops->operate_timed(bench->state, &ticks)
				    : bench->ops->operate(bench->state);

		if (!good)
			return false;
	}
	return true;
}

static void operate_under_seccomp(const struct ct_victim_ops *ops, const char *const *words)
{
	struct bench bench;
	int status;
	pid_t child = fork();

	if (child == 0) {
		prepare(&bench, ops, words);
		if (!set_up(&bench))
			_exit(CHILD_FAILED);
		if (!forbid_system_calls())
			_exit(CHILD_NO_SECCOMP);
		syscall(SYS_exit_group, operate_samples(&bench) ? CHILD_GOOD : CHILD_FAILED);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_NO_SECCOMP)
		skip();
	if (WIFSIGNALED(status))
		fail_msg("%s %s: ended by signal %d: it made a system call", ops->name,
			 words[0] ? words[0] : "", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), CHILD_GOOD);
}

/* The vDSO answers without the kernel only for clock sources that it can read itself. */
static bool clock_is_read_without_the_kernel(void)
{
	char line[64] = "";
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
	bool known;

	if (!file)
		return false;
	known = fgets(line, sizeof line, file) &&
		(!strncmp(line, "tsc", 3) || !strncmp(line, "kvm-clock", 9) ||
		 !strncmp(line, "arch_sys", 8) || !strncmp(line, "hyperv", 6));
	fclose(file);
	return known;
}

static void the_timed_path_makes_no_system_call(void **state)
{
	(void)state;
	operate_under_seccomp(&ct_bench_null, NO_OPTIONS);
	operate_under_seccomp(&ct_bench_mem_latency, OPTIONS("working_set=1M"));
	operate_under_seccomp(&ct_bench_mem_bandwidth, OPTIONS("op=triad", "working_set=4M"));
	operate_under_seccomp(&ct_bench_mem_bandwidth, OPTIONS("op=copy", "working_set=4M"));
	operate_under_seccomp(&ct_bench_gemm_cpu, OPTIONS("threads=1", "n=100"));
#if defined(__x86_64__)
	operate_under_seccomp(&ct_bench_vmexit, NO_OPTIONS);
#endif
	if (!clock_is_read_without_the_kernel())
		return;
	operate_under_seccomp(&ct_bench_null, OPTIONS("delay=10us"));
	operate_under_seccomp(&ct_bench_spin, NO_OPTIONS);
	operate_under_seccomp(&ct_bench_spin, OPTIONS("mode=gap"));
	operate_under_seccomp(&ct_bench_spin, OPTIONS("mode=memmove"));
}

/* The filter itself works: a victim that is about system calls does not survive it. */
static void the_filter_would_notice(void **state)
{
	struct bench bench;
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		const struct rlimit no_core = {0, 0};

		setrlimit(RLIMIT_CORE, &no_core);
		prepare(&bench, &ct_bench_syscall, NO_OPTIONS);
		if (!set_up(&bench))
			_exit(CHILD_FAILED);
		if (!forbid_system_calls())
			_exit(CHILD_NO_SECCOMP);
		syscall(SYS_exit_group, operate_samples(&bench) ? CHILD_GOOD : CHILD_FAILED);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_NO_SECCOMP)
		skip();
	assert_true(WIFSIGNALED(status));
}

/* ---- null ---- */

static void null_takes_the_planted_delay(void **state)
{
	struct bench bench;
	double ns;

	(void)state;
	open_bench(&bench, &ct_bench_null, OPTIONS("delay=100us"));
	ns = median_sample(&bench);
	close_bench(&bench);
	/* Two independent clocks; on top come one read of the raw clock and the call. */
	assert_true(ns > 99000 && ns < 101500);
}

static void null_without_delay_costs_next_to_nothing(void **state)
{
	struct bench bench;

	(void)state;
	open_bench(&bench, &ct_bench_null, NO_OPTIONS);
	assert_true(median_sample(&bench) < 5000);
	close_bench(&bench);
}

/* ---- spin ---- */

static void the_quantum_takes_as_long_as_asked(void **state)
{
	struct bench bench;
	double ns;

	(void)state;
	open_bench(&bench, &ct_bench_spin, OPTIONS("quantum=100us"));
	ns = median_sample(&bench);
	close_bench(&bench);
	assert_true(ns > 80000 && ns < 300000);
}

static void gaps_cover_the_whole_time(void **state)
{
	static const char *const modes[] = {"mode=gap", "mode=memmove", NULL};
	struct bench bench;

	(void)state;
	for (int i = 0; modes[i]; i++) {
		uint64_t begin, end, sum = 0;

		open_bench(&bench, &ct_bench_spin, OPTIONS(modes[i]));
		begin = ct_ticks(&bench.clock);
		bench.ops->phase_begin(bench.state);
		for (int n = 0; n < 10000; n++) {
			uint64_t ticks;

			assert_true(bench.ops->operate_timed(bench.state, &ticks));
			sum += ticks;
		}
		end = ct_ticks(&bench.clock);
		close_bench(&bench);
		assert_true(sum <= end - begin);
		/* Only the calls before the first and behind the last gap are outside. */
		assert_true((double)sum > 0.5 * (double)(end - begin));
	}
}

static void the_pause_between_two_phases_is_no_gap(void **state)
{
	struct bench bench;

	(void)state;
	open_bench(&bench, &ct_bench_spin, OPTIONS("mode=gap"));
	sample(&bench);
	for (int attempt = 0; attempt < 10; attempt++) {
		usleep(200000);
		bench.ops->phase_begin(bench.state);
		if (sample(&bench) < 100000000)
			break;
		assert_true(attempt < 9);
	}
	close_bench(&bench);
}

/* ---- wakeup ---- */

static void wakeups_keep_their_period_and_are_never_early(void **state)
{
	enum { WAKEUPS = 50 };
	struct bench bench;
	uint64_t begin, took;

	(void)state;
	open_bench(&bench, &ct_bench_wakeup, OPTIONS("period=1ms"));
	begin = ct_monotonic_ns();
	for (int i = 0; i < WAKEUPS; i++)
		sample(&bench);
	took = ct_monotonic_ns() - begin;
	close_bench(&bench);
	assert_true(took >= (WAKEUPS - 1) * UINT64_C(1000000));
}

static void after_a_pause_the_next_wakeup_lies_ahead(void **state)
{
	struct bench bench;
	double ns = 0;

	(void)state;
	open_bench(&bench, &ct_bench_wakeup, OPTIONS("period=1ms"));
	sample(&bench);
	for (int attempt = 0; attempt < 10; attempt++) {
		usleep(300000);
		ns = sample(&bench);
		if (ns < 100e6)
			break;
	}
	close_bench(&bench);
	assert_true(ns < 100e6);
}

/* In a child, since what is given up here can't be had back. */
static void real_time_without_the_right_is_refused_in_words(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		const struct rlimit none = {0, 0};
		struct bench bench;
		bool refused;

		setrlimit(RLIMIT_RTPRIO, &none);
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(2);
		prepare(&bench, &ct_bench_wakeup, OPTIONS("priority=50"));
		refused = !set_up(&bench);
		_exit(refused && strstr(bench.err.text, "CAP_SYS_NICE") ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_thread_gets_its_scheduling_policy_back(void **state)
{
	struct bench bench;
	int slack = prctl(PR_GET_TIMERSLACK);

	(void)state;
	prepare(&bench, &ct_bench_wakeup, OPTIONS("priority=1", "slack=1us"));
	if (set_up(&bench)) {
		assert_int_equal(sched_getscheduler(0), SCHED_FIFO);
		sample(&bench);
		bench.ops->teardown(bench.state);
	} else {
		assert_non_null(strstr(bench.err.text, "priority = 1"));
	}
	discard(&bench);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	assert_int_equal(prctl(PR_GET_TIMERSLACK), slack);
}

/* ---- syscall ---- */

static void every_call_succeeds(void **state)
{
	static const char *const calls[] = {"call=getppid", "call=read", "call=sched_yield", NULL};
	struct bench bench;

	(void)state;
	for (int i = 0; calls[i]; i++) {
		open_bench(&bench, &ct_bench_syscall, OPTIONS(calls[i]));
		sample(&bench);
		close_bench(&bench);
	}
}

/* ---- pagefault ---- */

static long minor_faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_minflt;
}

static void every_sample_is_one_minor_fault(void **state)
{
	enum { FAULTS = 100 };
	struct bench bench;
	long before, faults;

	(void)state;
	/* Sixteen pages: the region is given back six times on the way. */
	open_bench(&bench, &ct_bench_pagefault, OPTIONS("region=64K"));
	for (int i = 0; i < 17; i++)
		sample(&bench);
	before = minor_faults();
	for (int i = 0; i < FAULTS; i++)
		sample(&bench);
	faults = minor_faults() - before;
	close_bench(&bench);
	assert_true(faults >= FAULTS && faults <= FAULTS + 2);
}

static void huge_faults_need_room_for_one_page(void **state)
{
	struct bench bench;

	(void)state;
	prepare(&bench, &ct_bench_pagefault, OPTIONS("region=1M", "pages=thp"));
	assert_false(set_up(&bench));
	assert_non_null(strstr(bench.err.text, "thp"));
	discard(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_victim_is_listed_once_and_found_by_name),
		cmocka_unit_test(descriptors_are_complete_and_their_defaults_and_bounds_parse),
		cmocka_unit_test(the_timed_path_makes_no_system_call),
		cmocka_unit_test(the_filter_would_notice),
		cmocka_unit_test(real_time_without_the_right_is_refused_in_words),
		cmocka_unit_test(every_victim_that_needs_no_peer_runs_with_its_defaults),
		cmocka_unit_test(null_takes_the_planted_delay),
		cmocka_unit_test(null_without_delay_costs_next_to_nothing),
		cmocka_unit_test(the_quantum_takes_as_long_as_asked),
		cmocka_unit_test(gaps_cover_the_whole_time),
		cmocka_unit_test(the_pause_between_two_phases_is_no_gap),
		cmocka_unit_test(wakeups_keep_their_period_and_are_never_early),
		cmocka_unit_test(after_a_pause_the_next_wakeup_lies_ahead),
		cmocka_unit_test(the_thread_gets_its_scheduling_policy_back),
		cmocka_unit_test(every_call_succeeds),
		cmocka_unit_test(every_sample_is_one_minor_fault),
		cmocka_unit_test(huge_faults_need_room_for_one_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
