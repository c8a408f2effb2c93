/* SPDX-License-Identifier: Apache-2.0 */
/* Aggressors that take locks and interrupt other CPUs: what they count happens there. */
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/aggressor_trial.h"

/* Locks */

static void contended_lock_needs_somebody_to_contend_with(void **state)
{
	struct trial trial;

	(void)state;
	trial_begin(&trial, "lock", 1, 1);
	trial_set(&trial, "mode", "contended");
	assert_refused(&trial, CT_ERR_USAGE, "two threads on two CPUs");
	trial_end(&trial);
	trial_begin(&trial, "lock", 2, 1);
	trial_set(&trial, "mode", "contended");
	assert_refused(&trial, CT_ERR_USAGE, "two threads on two CPUs");
	trial_end(&trial);
}

static void contended_lock_counts_every_addition(void **state)
{
	const struct setting settings[] = {{"mode", "contended"}, {NULL, NULL}};

	(void)state;
	if (cpus_allowed() < 2)
		skip();
	assert_int_equal(live_with("lock", 2, settings), 2 * 8 * 2048);
}

static void split_lock_works_or_says_why_not(void **state)
{
	struct ct_error err = {0};
	struct trial trial;
	uint64_t units;

	(void)state;
	trial_begin(&trial, "lock", 1, 1);
	trial_set(&trial, "mode", "split");
	if (trial_setup(&trial, &err)) {
		assert_true(trial_run(&trial, &units, &err));
		assert_int_equal(units, 8 * 64);
		trial_teardown(&trial);
	} else {
		assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
		assert_non_null(strstr(err.text, "split"));
	}
	trial_end(&trial);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Interrupts */

/* Sum over all CPUs of a line of /proc/interrupts; -1 where there is no such line. */
static long long interrupts(const char *label)
{
	FILE *stream = fopen("/proc/interrupts", "re");
	long long sum = -1;
	char line[16384];

	while (stream && fgets(line, sizeof line, stream)) {
		char *at = line + strspn(line, " ");

		if (strncmp(at, label, strlen(label)) != 0)
			continue;
		sum = 0;
		for (at += strlen(label); at[strspn(at, " ")] >= '0' && at[strspn(at, " ")] <= '9';)
			sum += strtoll(at, &at, 10);
	}
	if (stream)
		fclose(stream);
	return sum;
}

/* The partner gets none while it is not yet awake or another process has its CPU: so more is asked
 * for until it has had its share. */
static void membarrier_interrupts_the_partner(void **state)
{
	const long long before = interrupts("CAL:");
	uint64_t asked = 0;

	(void)state;
	if (cpus_allowed() < 2 || before < 0)
		skip();
	for (int i = 0; i < 20 && interrupts("CAL:") - before < 5000; i++) {
		struct trial trial;

		trial_begin(&trial, "ipi", 1, 2);
		trial_set(&trial, "mode", "membarrier");
		trial.bursts = 5000;
		asked += live(&trial);
		trial_end(&trial);
	}
	assert_int_equal(asked % UINT64_C(40000), 0);
	assert_true(interrupts("CAL:") - before >= 5000);
}

static void shootdowns_are_counted(void **state)
{
	(void)state;
	if (cpus_allowed() < 2)
		skip();
	for (unsigned threads = 1; threads <= 2; threads++) {
		struct trial trial;

		trial_begin(&trial, "ipi", threads, 2);
		assert_int_equal(live(&trial), threads * 8 * 8);
		trial_end(&trial);
	}
}

static void shootdown_on_one_cpu_is_refused(void **state)
{
	struct trial trial;

	(void)state;
	if (cpus_allowed() < 2)
		skip();
	trial_begin(&trial, "ipi", 1, 1);
	assert_refused(&trial, CT_ERR_USAGE, "mode = call");
	trial_end(&trial);
}

static void calls_interrupt_other_cpus_or_say_what_right_is_missing(void **state)
{
	struct ct_error err = {0};
	struct trial trial;
	uint64_t units;

	(void)state;
	if (cpus_allowed() < 2)
		skip();
	trial_begin(&trial, "ipi", 1, 1);
	trial_set(&trial, "mode", "call");
	assert_true(trial_setup(&trial, &err));
	if (trial_run(&trial, &units, &err))
		assert_int_equal(units, 8 * 8);
	else
		assert_non_null(strstr(err.text, "CAP_PERFMON"));
	trial_teardown(&trial);
	trial_set(&trial, "target", "zero");
	assert_refused(&trial, CT_ERR_USAGE, "target");
	trial_end(&trial);
}

static uint64_t process_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void an_idle_partner_uses_no_cpu(void **state)
{
	struct ct_error err = {0};
	struct trial trial;
	uint64_t units, before;

	(void)state;
	if (cpus_allowed() < 2)
		skip();
	trial_begin(&trial, "ipi", 1, 2);
	assert_true(trial_setup(&trial, &err));
	assert_true(trial_run(&trial, &units, &err));
	usleep(200000);
	before = process_cpu_ns();
	usleep(300000);
	assert_true(process_cpu_ns() - before < 100000000u);
	trial_teardown(&trial);
	trial_end(&trial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contended_lock_needs_somebody_to_contend_with),
		cmocka_unit_test(contended_lock_counts_every_addition),
		cmocka_unit_test(split_lock_works_or_says_why_not),
		cmocka_unit_test(membarrier_interrupts_the_partner),
		cmocka_unit_test(shootdowns_are_counted),
		cmocka_unit_test(shootdown_on_one_cpu_is_refused),
		cmocka_unit_test(calls_interrupt_other_cpus_or_say_what_right_is_missing),
		cmocka_unit_test(an_idle_partner_uses_no_cpu),
	};

	return cmocka_run_group_tests_name("aggressors_locks", tests, NULL, NULL);
}
