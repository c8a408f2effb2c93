/* SPDX-License-Identifier: Apache-2.0 */
/* The clock: ticks against the kernel's clock, its stated step and cost, and the fallback. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/core/clock.h"

static struct ct_clock clock_of_this_machine(void)
{
	struct ct_clock clock;
	struct ct_error err = {0};

	if (!ct_clock_init(&clock, 20, &err))
		fail_msg("%s", err.text);
	return clock;
}

static const struct ct_clock fallback = {
	.source = CT_CLOCK_GETTIME, .ticks_per_s = 1e9, .ps_mult = UINT64_C(1000) << 32};

static void says_what_it_is(void **state)
{
	(void)state;
	const struct ct_clock clock = clock_of_this_machine();

	assert_string_equal(ct_clock_source_name(CT_CLOCK_TSC), "tsc");
	assert_string_equal(ct_clock_source_name(CT_CLOCK_CNTVCT), "cntvct");
	assert_string_equal(ct_clock_source_name(CT_CLOCK_GETTIME), "clock_gettime");
	assert_in_range(clock.source, CT_CLOCK_TSC, CT_CLOCK_GETTIME);
	assert_true(clock.ticks_per_s >= 1e6 && clock.ticks_per_s < 1e11);
	assert_true(clock.resolution_ns > 0 && clock.resolution_ns < 1e6);
	assert_true(clock.cost_ns >= 0 && clock.cost_ns < 1e6);
}

static void never_runs_backwards(void **state)
{
	(void)state;
	const struct ct_clock clock = clock_of_this_machine();
	uint64_t before = ct_ticks(&clock);

	for (int i = 0; i < 100000; i++) {
		uint64_t now = ct_ticks(&clock);

		assert_true(now >= before);
		before = now;
	}
}

/* Ticks over a span of the kernel's clock; the tightest of a few, as this thread may be preempted.
 */
static double rate_error(const struct ct_clock *clock)
{
	double best = INFINITY;

	for (int i = 0; i < 20 && best > 1e-3; i++) {
		struct ct_anchor begin = ct_clock_anchor(clock), end;
		double measured, error;

		while (ct_monotonic_ns() - begin.ns < 20000000) {
		}
		end = ct_clock_anchor(clock);
		measured = (double)ct_ticks_to_ns(clock, end.ticks - begin.ticks);
		error = fabs(measured / (double)(end.ns - begin.ns) - 1);
		if (error < best)
			best = error;
	}
	return best;
}

static void agrees_with_the_kernel(void **state)
{
	(void)state;
	const struct ct_clock clock = clock_of_this_machine();

	assert_true(rate_error(&clock) < 1e-3);
	assert_true(rate_error(&fallback) < 1e-3);
}

static void converts_there_and_back(void **state)
{
	(void)state;
	static const uint64_t spans[] = {1000, 50000, 1000000, 1000000000, UINT64_C(3600000000000)};
	const struct ct_clock clock = clock_of_this_machine();

	for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
		double back = (double)ct_ticks_to_ns(&clock, ct_ns_to_ticks(&clock, spans[i]));
		double step = 1e9 / clock.ticks_per_s;

		assert_true(fabs(back - (double)spans[i]) <= 1e-6 * (double)spans[i] + step + 1);
	}
}

/* 64-bit arithmetic would overflow after milliseconds at this scale. */
static void scaling_keeps_all_its_bits(void **state)
{
	(void)state;
	assert_int_equal(ct_scale(0, UINT64_MAX), 0);
	assert_int_equal(ct_scale(1, UINT64_C(1) << 32), 1);
	assert_int_equal(ct_scale(UINT64_C(1) << 40, UINT64_C(333) << 32), UINT64_C(333) << 40);
	assert_int_equal(ct_scale(3, UINT64_C(1) << 31), 1);
	assert_int_equal(ct_ticks_to_ns(&fallback, UINT64_C(86400000000000)),
			 UINT64_C(86400000000000));
}

static void an_anchor_ties_ticks_to_the_time_line(void **state)
{
	(void)state;
	const struct ct_clock clocks[] = {clock_of_this_machine(), fallback};

	for (size_t i = 0; i < 2; i++) {
		const struct ct_clock *clock = &clocks[i];
		const uint64_t before = ct_monotonic_ns();
		const struct ct_anchor anchor = ct_clock_anchor(clock);
		const uint64_t after = ct_monotonic_ns();
		const uint64_t second = ct_ns_to_ticks(clock, 1000000000);

		assert_in_range(anchor.ns, before, after);
		assert_int_equal(ct_anchor_ns(clock, &anchor, anchor.ticks), anchor.ns);
		assert_in_range(ct_anchor_ns(clock, &anchor, anchor.ticks + second),
				anchor.ns + 999999000, anchor.ns + 1000001000);
		assert_in_range(ct_anchor_ns(clock, &anchor, anchor.ticks - second),
				anchor.ns - 1000001000, anchor.ns - 999999000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_it_is),
		cmocka_unit_test(never_runs_backwards),
		cmocka_unit_test(agrees_with_the_kernel),
		cmocka_unit_test(converts_there_and_back),
		cmocka_unit_test(scaling_keeps_all_its_bits),
		cmocka_unit_test(an_anchor_ties_ticks_to_the_time_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
