/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of overlap: what an aggressor's rows say about one epoch of the victim. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/campaign/load.h"

static const uint64_t MS = 1000000;

static struct ct_noise_row row(uint64_t from_ms, uint64_t to_ms, double units, double busy,
			       double runnable)
{
	return (struct ct_noise_row){.start_ns = from_ms * MS,
				     .end_ns = to_ms * MS,
				     .units = units,
				     .asked_units = (double)(to_ms - from_ms),
				     .busy = busy,
				     .on_cpu = runnable,
				     .runnable = runnable};
}

static enum ct_load judge(const struct ct_noise_row *rows, size_t n, bool blocks, double *share)
{
	const struct ct_load_span span = {
		.start_ns = 100 * MS, .end_ns = 200 * MS, .blocks = blocks};
	double rate;

	return ct_judge_load(rows, n, &span, share, &rate);
}

/* Half a CPU by quota: 50 ms of work, 50 ms of nothing, and the asked rate is the mean. */
static void a_quota_is_judged_over_its_periods(void **state)
{
	(void)state;
	const struct ct_noise_row rows[] = {row(0, 50, 100, 1, 1),     row(50, 100, 0, 1, 0),
					    row(100, 150, 25, 1, 0.5), row(150, 200, 50, 1, 0.5),
					    row(200, 250, 75, 1, 1),   row(250, 300, 50, 1, 0.5)};
	struct ct_load_span span = {.start_ns = 100 * MS, .end_ns = 200 * MS};
	double share, rate;

	assert_int_equal(ct_judge_load(rows, 6, &span, &share, &rate), CT_LOAD_ABSENT);
	span.smoothing_ns = 100 * MS;
	assert_int_equal(ct_judge_load(rows, 6, &span, &share, &rate), CT_LOAD_HELD);
	assert_true(fabs(share - 1) < 1e-12);
	/* Rows around it are no substitute for rows in it. */
	assert_int_equal(ct_judge_load(rows, 2, &span, &share, &rate), CT_LOAD_ABSENT);
}

static void a_held_rate_counts(void **state)
{
	(void)state;
	const struct ct_noise_row rows[] = {row(50, 120, 70, 0.3, 0.3),
					    row(120, 210, 85, 0.3, 0.3)};
	double share;

	assert_int_equal(judge(rows, 2, false, &share), CT_LOAD_HELD);
	assert_true(fabs(share - 155.0 / 160) < 1e-12);
}

static void an_aggressor_that_idles_below_its_rate_did_not_load(void **state)
{
	(void)state;
	const struct ct_noise_row rows[] = {row(50, 250, 170, 0.3, 0.3)};
	double share;

	assert_int_equal(judge(rows, 1, false, &share), CT_LOAD_ABSENT);
}

static void contention_is_told_from_absence_by_a_thread_that_never_pauses(void **state)
{
	(void)state;
	const struct ct_noise_row wanting[] = {row(50, 250, 100, 1.0, 0.98)};
	/* Stopped or throttled: it never paused by itself, but it was not runnable either. */
	const struct ct_noise_row stopped[] = {row(50, 250, 100, 1.0, 0.5)};
	double share;

	assert_int_equal(judge(wanting, 1, false, &share), CT_LOAD_CONTENDED);
	assert_int_equal(judge(stopped, 1, false, &share), CT_LOAD_ABSENT);
}

static void threads_that_block_in_the_kernel_can_not_plead_contention(void **state)
{
	(void)state;
	const struct ct_noise_row rows[] = {row(50, 250, 100, 1.0, 0.98)};
	double share;

	assert_int_equal(judge(rows, 1, true, &share), CT_LOAD_ABSENT);
}

static void time_without_rows_is_time_without_load(void **state)
{
	(void)state;
	const struct ct_noise_row late[] = {row(110, 250, 140, 1, 1)};
	const struct ct_noise_row early[] = {row(50, 190, 140, 1, 1)};
	double share;

	assert_int_equal(judge(late, 1, false, &share), CT_LOAD_ABSENT);
	assert_int_equal(judge(early, 1, false, &share), CT_LOAD_ABSENT);
	assert_int_equal(judge(NULL, 0, false, &share), CT_LOAD_ABSENT);
}

static void a_pause_of_the_pattern_is_not_a_failure(void **state)
{
	(void)state;
	struct ct_noise_row off = row(50, 250, 0, 0, 0);
	double share;

	off.asked_units = 0;
	assert_int_equal(judge(&off, 1, false, &share), CT_LOAD_HELD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_held_rate_counts),
		cmocka_unit_test(a_quota_is_judged_over_its_periods),
		cmocka_unit_test(an_aggressor_that_idles_below_its_rate_did_not_load),
		cmocka_unit_test(contention_is_told_from_absence_by_a_thread_that_never_pauses),
		cmocka_unit_test(threads_that_block_in_the_kernel_can_not_plead_contention),
		cmocka_unit_test(time_without_rows_is_time_without_load),
		cmocka_unit_test(a_pause_of_the_pattern_is_not_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
