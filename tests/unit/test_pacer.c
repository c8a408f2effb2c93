/* SPDX-License-Identifier: Apache-2.0 */
/* The pacer: what is due when, against closed forms. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/tenant/pacer.h"

enum { MS = 1000000 };

static struct ct_pacer pacer_of(enum ct_pattern pattern, double hz, double duty, uint64_t seed)
{
	struct ct_aggressor_common common = {
		.pattern = (int)pattern, .frequency_hz = hz, .duty = duty};
	struct ct_pacer pacer;

	ct_pacer_init(&pacer, &common, 1e6, seed); /* 1 unit per microsecond */
	return pacer;
}

static void assert_close(double a, double b)
{
	assert_true(fabs(a - b) <= 1e-6 * fmax(1, fabs(b)));
}

static void constant_is_rate_times_time(void **state)
{
	(void)state;
	struct ct_pacer pacer = pacer_of(CT_PATTERN_CONSTANT, 1, 50, 1);

	assert_close(ct_pacer_due(&pacer, 0), 0);
	assert_close(ct_pacer_due(&pacer, 3 * MS), 3000);
}

static void square_is_due_only_while_it_is_on(void **state)
{
	(void)state;
	struct ct_pacer pacer = pacer_of(CT_PATTERN_SQUARE, 100, 25, 1); /* 2.5 ms on, 7.5 off */

	assert_close(ct_pacer_due(&pacer, 1 * MS), 1000);
	assert_close(ct_pacer_due(&pacer, 5 * MS), 2500);
	assert_close(ct_pacer_due(&pacer, 10 * MS), 2500);
	assert_close(ct_pacer_due(&pacer, 1011 * MS), 101 * 2500 + 1000);
}

static void ramp_rises_over_a_period(void **state)
{
	(void)state;
	struct ct_pacer pacer = pacer_of(CT_PATTERN_RAMP, 10, 50, 1);

	assert_close(ct_pacer_due(&pacer, 50 * MS), 50e3 * 50 / 200);
	assert_close(ct_pacer_due(&pacer, 100 * MS), 50e3);
	assert_close(ct_pacer_due(&pacer, 250 * MS), 100e3 + 50e3 * 50 / 200);
}

static void poisson_bursts_have_their_duty_and_never_run_backwards(void **state)
{
	(void)state;
	struct ct_pacer pacer = pacer_of(CT_PATTERN_POISSON, 1000, 30, 7);
	double before = 0;
	/* 100,000 periods: the standard error of the duty is 0.3 * sqrt(2 * 0.7 / 100000) or so. */
	const uint64_t end = UINT64_C(100000) * MS;

	for (uint64_t t = 0; t <= end; t += MS / 4) {
		double due = ct_pacer_due(&pacer, t);

		assert_true(due >= before);
		assert_true(due - before <= 250.0 + 1e-6);
		before = due;
	}
	assert_true(fabs(before / ((double)end / 1e3) - 0.30) < 0.01);
}

static void threads_with_one_seed_see_the_same_bursts(void **state)
{
	(void)state;
	struct ct_pacer often = pacer_of(CT_PATTERN_POISSON, 50, 50, 3);
	struct ct_pacer seldom = pacer_of(CT_PATTERN_POISSON, 50, 50, 3);
	struct ct_pacer other = pacer_of(CT_PATTERN_POISSON, 50, 50, 4);

	for (uint64_t t = 0; t < 1000; t++)
		ct_pacer_due(&often, t * MS);
	assert_close(ct_pacer_due(&often, 1000 * MS), ct_pacer_due(&seldom, 1000 * MS));
	assert_true(ct_pacer_due(&seldom, 1000 * MS) != ct_pacer_due(&other, 1000 * MS));
}

static void a_square_wave_tells_how_long_it_is_off(void **state)
{
	(void)state;
	struct ct_pacer square = pacer_of(CT_PATTERN_SQUARE, 10, 25, 1);
	struct ct_pacer constant = pacer_of(CT_PATTERN_CONSTANT, 10, 25, 1);

	assert_int_equal(ct_pacer_off_ns(&square, 0), 0);
	assert_int_equal(ct_pacer_off_ns(&square, 24 * MS), 0);
	assert_int_equal(ct_pacer_off_ns(&square, 25 * MS), 75 * MS);
	assert_int_equal(ct_pacer_off_ns(&square, 199 * MS), 1 * MS);
	assert_int_equal(ct_pacer_off_ns(&square, 200 * MS), 0);
	assert_int_equal(ct_pacer_off_ns(&constant, 30 * MS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constant_is_rate_times_time),
		cmocka_unit_test(square_is_due_only_while_it_is_on),
		cmocka_unit_test(ramp_rises_over_a_period),
		cmocka_unit_test(poisson_bursts_have_their_duty_and_never_run_backwards),
		cmocka_unit_test(threads_with_one_seed_see_the_same_bursts),
		cmocka_unit_test(a_square_wave_tells_how_long_it_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
