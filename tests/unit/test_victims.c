/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Victims: each can be set up, operated and torn down without a leak; each measures what it says
 * (a full ring, counted faults, a product that is right, a planted delay); and the timed path of
 * those that are not about the kernel makes no system call, which a seccomp filter enforces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/gemm.h"
#include "bench/victims.h"
#include "harness/core/rng.h"

static const char token[] = "0123456789abcdef0123456789abcdef";

/* A victim that has been set up, and all that it needs; lives on the test's stack. */
struct bench {
	const struct ct_victim_ops *ops;
	struct ct_victim_env env;
	struct ct_clock clock;
	struct ct_place place;
	atomic_bool stop;
	void *options;
	void *state;
	struct ct_error err;
};

/* All CPUs that this process may use. */
static void find_place(struct ct_place *place)
{
	cpu_set_t allowed;
	struct ct_error err = {0};

	assert_true(ct_place_init(place, &err));
	assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			hwloc_bitmap_set(place->cpus, (unsigned)cpu);
	}
}

/* Options are words "key=value". */
static void set_options(struct bench *bench, const char *const *words)
{
	bench->options = calloc(1, bench->ops->options_size + 1);
	assert_non_null(bench->options);
	ct_params_init(bench->ops->params, bench->options);
	for (; *words; words++) {
		const char *equals = strchr(*words, '=');
		char key[64];
		const struct ct_param *param;

		snprintf(key, sizeof key, "%.*s", (int)(equals - *words), *words);
		param = ct_param_find(bench->ops->params, key);
		assert_non_null(param);
		if (!ct_param_set(param, bench->options, equals + 1, &bench->err))
			fail_msg("%s: %s", *words, bench->err.text);
	}
}

static void prepare(struct bench *bench, const struct ct_victim_ops *ops, const char *const *words)
{
	memset(bench, 0, sizeof *bench);
	bench->ops = ops;
	assert_true(ct_clock_init(&bench->clock, 5, &bench->err));
	find_place(&bench->place);
	bench->env = (struct ct_victim_env){.clock = &bench->clock,
					    .place = &bench->place,
					    .token = token,
					    .seed = 42,
					    .stop = &bench->stop};
	set_options(bench, words);
}

/* Ends what prepare began, for a victim that is not set up. */
static void discard(struct bench *bench)
{
	ct_params_free(bench->ops->params, bench->options);
	free(bench->options);
	ct_place_free(&bench->place);
}

static bool set_up(struct bench *bench)
{
	return bench->ops->setup(&bench->env, bench->options, &bench->state, &bench->err);
}

#define NO_OPTIONS   ((const char *const[]){NULL})
#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void open_bench(struct bench *bench, const struct ct_victim_ops *ops,
		       const char *const *words)
{
	prepare(bench, ops, words);
	if (!set_up(bench))
		fail_msg("%s: %s", ops->name, bench->err.text);
	if (bench->env.operations_per_sample == 0)
		bench->env.operations_per_sample = 1;
	if (ops->phase_begin)
		ops->phase_begin(bench->state);
}

static void close_bench(struct bench *bench)
{
	atomic_store(&bench->stop, true);
	bench->ops->teardown(bench->state);
	discard(bench);
}

/* One sample in nanoseconds per operation, as the harness's loop takes it. */
static double sample(struct bench *bench)
{
	uint64_t begin = ct_ticks(&bench->clock), ticks;
	bool good;

	if (bench->ops->operate_timed) {
		good = bench->ops->operate_timed(bench->state, &ticks);
	} else {
		good = bench->ops->operate(bench->state);
		ticks = ct_ticks(&bench->clock) - begin;
	}
	assert_true(good);
	return (double)ct_ticks_to_ns(&bench->clock, ticks) /
	       (double)bench->env.operations_per_sample;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

enum { SAMPLES = 201 };

static double median_sample(struct bench *bench)
{
	double values[SAMPLES];

	for (int i = 0; i < SAMPLES; i++)
		values[i] = sample(bench);
	qsort(values, SAMPLES, sizeof values[0], compare_double);
	return values[SAMPLES / 2];
}

static void expect_refusal(const struct ct_victim_ops *ops, const char *const *words,
			   const char *reason)
{
	struct bench bench;

	prepare(&bench, ops, words);
	assert_false(set_up(&bench));
	if (!strstr(bench.err.text, reason))
		fail_msg("'%s' does not say '%s'", bench.err.text, reason);
	discard(&bench);
}

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

		if (ct_victims[i]->peer)
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

/* ---- null ---- */

static void null_takes_the_planted_delay(void **state)
{
	struct bench bench;
	double ns;

	(void)state;
	open_bench(&bench, &ct_bench_null, OPTIONS("delay=100us"));
	ns = median_sample(&bench);
	close_bench(&bench);
	/* Two independent clocks: 1 % is the harness's own bound, on the median. */
	assert_true(ns > 99000 && ns < 105000);
}

static void null_without_delay_costs_next_to_nothing(void **state)
{
	struct bench bench;

	(void)state;
	open_bench(&bench, &ct_bench_null, NO_OPTIONS);
	assert_true(median_sample(&bench) < 5000);
	close_bench(&bench);
}

/* ---- mem_latency ---- */

/* The state begins with the address at which the next sample goes on. */
static void **ring_of(const struct bench *bench)
{
	return *(void ***)bench->state;
}

static uint64_t ring_length(void **begin, uint64_t limit)
{
	uint64_t n = 1;

	for (void **p = *begin; p != begin && n <= limit; p = *p)
		n++;
	return n;
}

static void the_chase_visits_every_line_once_before_it_repeats(void **state)
{
	static const struct {
		const char *working_set, *stride;
		uint64_t nodes;
	} cases[] = {{"4K", "64", 64},
		     {"1M", "64", 16384},
		     {"1000K", "192", 5333},
		     {"4M", "4K", 1024},
		     {"8K", "4K", 2}};
	struct bench bench;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char working_set[32], stride[32];

		snprintf(working_set, sizeof working_set, "working_set=%s", cases[i].working_set);
		snprintf(stride, sizeof stride, "stride=%s", cases[i].stride);
		open_bench(&bench, &ct_bench_mem_latency, OPTIONS(working_set, stride));
		assert_int_equal(ring_length(ring_of(&bench), cases[i].nodes), cases[i].nodes);
		close_bench(&bench);
	}
}

static void samples_walk_the_ring_on_and_on(void **state)
{
	struct bench bench;
	void **begin, **expected;

	(void)state;
	open_bench(&bench, &ct_bench_mem_latency, OPTIONS("working_set=64K", "accesses=37"));
	assert_int_equal(bench.env.operations_per_sample, 37);
	begin = expected = ring_of(&bench);
	for (int i = 0; i < 2 * 37; i++)
		expected = *expected;
	sample(&bench);
	sample(&bench);
	assert_ptr_equal(ring_of(&bench), expected);
	assert_ptr_not_equal(ring_of(&bench), begin);
	close_bench(&bench);
}

/* A walk that a prefetcher could follow has one step far more often than a random one. */
static void no_step_of_the_ring_is_common(void **state)
{
	enum { NODES = 4096 };
	unsigned *seen = calloc(2 * NODES, sizeof *seen), most = 0;
	struct bench bench;
	void **p;

	(void)state;
	assert_non_null(seen);
	open_bench(&bench, &ct_bench_mem_latency, OPTIONS("working_set=256K"));
	p = ring_of(&bench);
	for (int i = 0; i < NODES; i++) {
		ptrdiff_t step = ((char *)*p - (char *)p) / 64;
		unsigned count = ++seen[step + NODES];

		if (count > most)
			most = count;
		p = *p;
	}
	close_bench(&bench);
	free(seen);
	assert_true(most < 16);
}

static double latency_of(const char *working_set)
{
	struct bench bench;
	double ns;

	open_bench(&bench, &ct_bench_mem_latency, OPTIONS(working_set));
	ns = median_sample(&bench);
	close_bench(&bench);
	return ns;
}

static void latency_grows_with_the_working_set(void **state)
{
	(void)state;
	assert_true(latency_of("working_set=64M") > 2 * latency_of("working_set=16K"));
}

static void a_ring_needs_two_nodes_on_whole_lines(void **state)
{
	(void)state;
	expect_refusal(&ct_bench_mem_latency, OPTIONS("working_set=4K", "stride=4K"),
		       "fewer than two nodes");
	expect_refusal(&ct_bench_mem_latency, OPTIONS("stride=100"), "multiple of 64");
}

/* ---- mem_bandwidth ---- */

static void bandwidth_counts_the_bytes_of_every_array(void **state)
{
	static const struct {
		const char *op;
		uint64_t bytes;
	} cases[] = {{"op=read", 393216},  {"op=write", 393216}, {"op=copy", 393216},
		     {"op=scale", 393216}, {"op=add", 393216},   {"op=triad", 393216}};
	struct bench bench;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		/* Three passes over the arrays: the position has to wrap. */
		open_bench(&bench, &ct_bench_mem_bandwidth,
			   OPTIONS(cases[i].op, "working_set=1200K", "chunk=384K"));
		assert_int_equal(bench.env.bytes_per_operation, cases[i].bytes);
		for (int n = 0; n < 9; n++)
			assert_true(sample(&bench) > 0);
		close_bench(&bench);
	}
}

static void bandwidth_is_what_memory_can_give(void **state)
{
	struct bench bench;
	double bytes_per_ns;

	(void)state;
	open_bench(&bench, &ct_bench_mem_bandwidth, OPTIONS("op=read", "working_set=64M"));
	bytes_per_ns = (double)bench.env.bytes_per_operation / median_sample(&bench);
	close_bench(&bench);
	/* No core reads faster than a terabyte a second: the loop must not have been dropped. */
	assert_true(bytes_per_ns > 0.01 && bytes_per_ns < 1000);
}

static void bandwidth_refuses_a_working_set_below_a_chunk(void **state)
{
	(void)state;
	expect_refusal(&ct_bench_mem_bandwidth, OPTIONS("working_set=64K", "chunk=1M"),
		       "smaller than one chunk");
}

/* ---- gemm_cpu ---- */

static double element_of(const void *matrix, bool is_double, size_t i)
{
	return is_double ? ((const double *)matrix)[i] : (double)((const float *)matrix)[i];
}

static void set_element(void *matrix, bool is_double, size_t i, double value)
{
	if (is_double)
		((double *)matrix)[i] = value;
	else
		((float *)matrix)[i] = (float)value;
}

/* One product by a kernel on its own, compared with the definition. */
static void compare_with_definition(gemm_kernel kernel, bool is_double, size_t n)
{
	const size_t size = is_double ? sizeof(double) : sizeof(float);
	void *a = calloc(n * n, size), *b = calloc(n * n, size), *c = calloc(n * n, size);
	void *packed_b = calloc(gemm_packed_b_elements(n), size);
	void *packed_a = calloc((size_t)GEMM_MC * GEMM_KC, size);
	const struct gemm gemm = {.a = a,
				  .b = b,
				  .c = c,
				  .n = n,
				  .threads = 1,
				  .packed_b = packed_b,
				  .packed_a = packed_a};
	struct ct_rng rng;

	assert_true(a && b && c && packed_a && packed_b);
	ct_rng_seed(&rng, n);
	for (size_t i = 0; i < n * n; i++) {
		set_element(a, is_double, i, ct_rng_uniform(&rng) - 0.5);
		set_element(b, is_double, i, ct_rng_uniform(&rng) - 0.5);
		set_element(c, is_double, i, NAN);
	}
	kernel(&gemm, 0);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			double sum = 0;

			for (size_t k = 0; k < n; k++)
				sum += element_of(a, is_double, i * n + k) *
				       element_of(b, is_double, k * n + j);
			assert_true(fabs(element_of(c, is_double, i * n + j) - sum) <=
				    (is_double ? 1e-12 : 1e-4));
		}
	}
	free(a);
	free(b);
	free(c);
	free(packed_b);
	free(packed_a);
}

static void every_kernel_that_this_cpu_runs_multiplies_right(void **state)
{
	static const size_t sizes[] = {1, 2, 5, 16, 31, 97, 257, 300};
	const struct gemm_instance *instance = gemm_widest();
	bool last;

	(void)state;
	do {
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			compare_with_definition(instance->multiply_float, false, sizes[i]);
			compare_with_definition(instance->multiply_double, true, sizes[i]);
		}
		last = strcmp(instance->isa, "base") == 0;
		instance++;
	} while (!last);
}

static void products_of_odd_sizes_are_right(void **state)
{
	static const char *const sizes[] = {"n=1", "n=5", "n=17", "n=97", "n=259", "n=263", NULL};
	static const char *const precisions[] = {"precision=float", "precision=double", NULL};
	static const char *const threads[] = {"threads=1", "threads=0", NULL};
	struct bench bench;

	(void)state;
	/* Setup multiplies once and checks the product; a wrong one is refused there. */
	for (int p = 0; precisions[p]; p++) {
		for (int t = 0; threads[t]; t++) {
			for (int n = 0; sizes[n]; n++) {
				open_bench(&bench, &ct_bench_gemm_cpu,
					   OPTIONS(sizes[n], precisions[p], threads[t]));
				sample(&bench);
				close_bench(&bench);
			}
		}
	}
}

static void the_blas_backend_multiplies_or_says_why_not(void **state)
{
	struct bench bench;

	(void)state;
	prepare(&bench, &ct_bench_gemm_cpu, OPTIONS("backend=blas", "n=100", "threads=1"));
	if (set_up(&bench)) {
		sample(&bench);
		bench.ops->teardown(bench.state);
	} else {
		assert_non_null(strstr(bench.err.text, "backend = blas"));
		assert_non_null(strstr(bench.err.text, "backend = own"));
	}
	discard(&bench);
}

static void gemm_refuses_more_threads_than_cpus(void **state)
{
	(void)state;
	expect_refusal(&ct_bench_gemm_cpu, OPTIONS("threads=1024"), "threads = 1024");
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

/* ---- ipc ---- */

static void the_ball_comes_back_every_time(void **state)
{
	static const char *const modes[] = {"mode=futex", "mode=spin", NULL};
	struct bench bench;

	(void)state;
	for (int i = 0; modes[i]; i++) {
		prepare(&bench, &ct_bench_ipc, OPTIONS(modes[i]));
		if (!set_up(&bench)) {
			assert_non_null(strstr(bench.err.text, "two CPUs"));
			discard(&bench);
			continue;
		}
		for (int n = 0; n < 200; n++)
			assert_true(bench.ops->operate(bench.state));
		close_bench(&bench);
	}
}

static void one_cpu_is_enough_for_futex_and_too_little_for_spin(void **state)
{
	struct bench bench;
	int first;

	(void)state;
	prepare(&bench, &ct_bench_ipc, NO_OPTIONS);
	first = hwloc_bitmap_first(bench.place.cpus);
	hwloc_bitmap_only(bench.place.cpus, (unsigned)first);
	assert_true(set_up(&bench));
	for (int n = 0; n < 100; n++)
		assert_true(bench.ops->operate(bench.state));
	close_bench(&bench);

	prepare(&bench, &ct_bench_ipc, OPTIONS("mode=spin"));
	hwloc_bitmap_only(bench.place.cpus, (unsigned)first);
	assert_false(set_up(&bench));
	assert_non_null(strstr(bench.err.text, "needs two CPUs"));
	discard(&bench);
}

/* A partner that ends hands the ball back: the victim fails with words and does not wait. */
static void a_partner_that_ends_is_a_failure_and_no_hang(void **state)
{
	struct bench bench;
	struct ct_error err = {0};
	int tries = 0;

	(void)state;
	open_bench(&bench, &ct_bench_ipc, NO_OPTIONS);
	atomic_store(&bench.stop, true);
	alarm(20);
	while (bench.ops->operate(bench.state) && tries < 1000)
		tries++;
	alarm(0);
	assert_true(tries < 1000);
	bench.ops->failure(bench.state, &err);
	assert_non_null(strstr(err.text, "partner"));
	close_bench(&bench);
}

/* ---- tcp_rr ---- */

struct echo {
	pthread_t thread;
	atomic_bool stop;
	struct ct_place place;
	struct ct_peer_env env;
	void *options;
	void *state;
	char endpoint[CT_ENDPOINT_MAX];
	bool good;
	struct ct_error err;
};

static void *serve(void *argument)
{
	struct echo *echo = argument;

	echo->good = ct_bench_tcp_rr.peer->serve(echo->state, &echo->err);
	return NULL;
}

/* With the options of `bench`, as the harness does. */
static void start_echo(struct echo *echo, const struct bench *bench, const char *address)
{
	memset(echo, 0, sizeof *echo);
	echo->env = (struct ct_peer_env){
		.place = &bench->place, .address = address, .token = token, .stop = &echo->stop};
	if (!ct_bench_tcp_rr.peer->setup(&echo->env, bench->options, &echo->state, echo->endpoint,
					 &echo->err))
		fail_msg("%s", echo->err.text);
	assert_int_equal(pthread_create(&echo->thread, NULL, serve, echo), 0);
}

static void stop_echo(struct echo *echo)
{
	atomic_store(&echo->stop, true);
	pthread_join(echo->thread, NULL);
	ct_bench_tcp_rr.peer->teardown(echo->state);
	if (!echo->good)
		fail_msg("%s", echo->err.text);
}

static void requests_of_any_size_are_answered(void **state)
{
	static const char *const sizes[][3] = {{"request=1", "response=1", NULL},
					       {"request=64", "response=64", NULL},
					       {"request=1", "response=1M", NULL},
					       {"request=3M", "response=7", NULL}};
	struct bench bench;
	struct echo echo;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		prepare(&bench, &ct_bench_tcp_rr, sizes[i]);
		start_echo(&echo, &bench, "127.0.0.1");
		bench.env.endpoint = echo.endpoint;
		if (!set_up(&bench))
			fail_msg("%s", bench.err.text);
		for (int n = 0; n < 20; n++)
			assert_true(bench.ops->operate(bench.state));
		close_bench(&bench);
		stop_echo(&echo);
	}
}

static void the_echo_server_takes_one_victim_after_another(void **state)
{
	struct bench bench;
	struct echo echo;

	(void)state;
	prepare(&bench, &ct_bench_tcp_rr, NO_OPTIONS);
	start_echo(&echo, &bench, "127.0.0.1");
	bench.env.endpoint = echo.endpoint;
	for (int i = 0; i < 3; i++) {
		if (!set_up(&bench))
			fail_msg("%s", bench.err.text);
		assert_true(bench.ops->operate(bench.state));
		bench.ops->teardown(bench.state);
	}
	stop_echo(&echo);
	discard(&bench);
}

static void a_victim_of_another_campaign_gets_no_answer(void **state)
{
	struct bench bench;
	struct echo echo;

	(void)state;
	prepare(&bench, &ct_bench_tcp_rr, NO_OPTIONS);
	start_echo(&echo, &bench, "127.0.0.1");
	bench.env.endpoint = echo.endpoint;
	bench.env.token = "ffffffffffffffffffffffffffffffff";
	assert_false(set_up(&bench));
	assert_non_null(strstr(bench.err.text, "token"));
	/* And the server lives on for who knows it. */
	bench.env.token = token;
	assert_true(set_up(&bench));
	close_bench(&bench);
	stop_echo(&echo);
}

static void a_peer_that_dies_is_named(void **state)
{
	struct bench bench;
	struct echo echo;
	struct ct_error err = {0};
	char expected[CT_ENDPOINT_MAX + 64];

	(void)state;
	prepare(&bench, &ct_bench_tcp_rr, NO_OPTIONS);
	start_echo(&echo, &bench, "127.0.0.1");
	bench.env.endpoint = echo.endpoint;
	assert_true(set_up(&bench));
	assert_true(bench.ops->operate(bench.state));
	stop_echo(&echo);
	while (bench.ops->operate(bench.state)) {
	}
	bench.ops->failure(bench.state, &err);
	snprintf(expected, sizeof expected, "the peer %s closed the connection", echo.endpoint);
	if (!strstr(err.text, expected))
		fail_msg("'%s' does not say '%s'", err.text, expected);
	close_bench(&bench);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_victim_is_listed_once_and_found_by_name),
		cmocka_unit_test(descriptors_are_complete_and_their_defaults_and_bounds_parse),
		/* Those that fork come before any that starts an OpenMP team. */
		cmocka_unit_test(the_timed_path_makes_no_system_call),
		cmocka_unit_test(the_filter_would_notice),
		cmocka_unit_test(real_time_without_the_right_is_refused_in_words),
		cmocka_unit_test(every_victim_that_needs_no_peer_runs_with_its_defaults),
		cmocka_unit_test(null_takes_the_planted_delay),
		cmocka_unit_test(null_without_delay_costs_next_to_nothing),
		cmocka_unit_test(the_chase_visits_every_line_once_before_it_repeats),
		cmocka_unit_test(samples_walk_the_ring_on_and_on),
		cmocka_unit_test(no_step_of_the_ring_is_common),
		cmocka_unit_test(latency_grows_with_the_working_set),
		cmocka_unit_test(a_ring_needs_two_nodes_on_whole_lines),
		cmocka_unit_test(bandwidth_counts_the_bytes_of_every_array),
		cmocka_unit_test(bandwidth_is_what_memory_can_give),
		cmocka_unit_test(bandwidth_refuses_a_working_set_below_a_chunk),
		cmocka_unit_test(every_kernel_that_this_cpu_runs_multiplies_right),
		cmocka_unit_test(products_of_odd_sizes_are_right),
		cmocka_unit_test(the_blas_backend_multiplies_or_says_why_not),
		cmocka_unit_test(gemm_refuses_more_threads_than_cpus),
		cmocka_unit_test(the_quantum_takes_as_long_as_asked),
		cmocka_unit_test(gaps_cover_the_whole_time),
		cmocka_unit_test(the_pause_between_two_phases_is_no_gap),
		cmocka_unit_test(wakeups_keep_their_period_and_are_never_early),
		cmocka_unit_test(after_a_pause_the_next_wakeup_lies_ahead),
		cmocka_unit_test(the_thread_gets_its_scheduling_policy_back),
		cmocka_unit_test(every_call_succeeds),
		cmocka_unit_test(every_sample_is_one_minor_fault),
		cmocka_unit_test(huge_faults_need_room_for_one_page),
		cmocka_unit_test(the_ball_comes_back_every_time),
		cmocka_unit_test(one_cpu_is_enough_for_futex_and_too_little_for_spin),
		cmocka_unit_test(a_partner_that_ends_is_a_failure_and_no_hang),
		cmocka_unit_test(requests_of_any_size_are_answered),
		cmocka_unit_test(the_echo_server_takes_one_victim_after_another),
		cmocka_unit_test(a_victim_of_another_campaign_gets_no_answer),
		cmocka_unit_test(a_peer_that_dies_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
