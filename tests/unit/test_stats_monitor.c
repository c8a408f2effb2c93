/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Changes of level as they come, and hidden periods, on series whose truth is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness/core/rng.h"
#include "harness/stats/distributions.h"
#include "harness/stats/monitor.h"
#include "harness/stats/spectrum.h"

static double normal(struct ct_rng *rng)
{
	return ct_normal_quantile(ct_rng_uniform(rng));
}

/* The first alarm of two channels, the second shifted by `shift` scales from value `at` on. */
static bool first_alarm(uint64_t seed, size_t n, size_t at, double shift, uint64_t *onset)
{
	struct ct_monitor *monitor = ct_monitor_new(2);
	struct ct_rng rng;
	bool found = false;

	assert_non_null(monitor);
	ct_rng_stream(&rng, seed, 1);
	for (size_t i = 0; i < n && !found; i++) {
		const double values[2] = {5 + 0.1 * normal(&rng),
					  7 + 0.1 * (normal(&rng) + (i >= at ? shift : 0))};

		found = ct_monitor_feed(monitor, values) == CT_MONITOR_ONSET;
	}
	*onset = ct_monitor_onset(monitor);
	ct_monitor_free(monitor);
	return found;
}

static void a_steady_series_raises_no_alarm(void **state)
{
	(void)state;
	unsigned alarms = 0;
	uint64_t onset;

	for (uint64_t seed = 0; seed < 20; seed++)
		alarms += first_alarm(seed, 2000, SIZE_MAX, 0, &onset);
	assert_true(alarms <= 1);
}

static void a_change_is_dated(void **state)
{
	(void)state;
	unsigned dated = 0;
	uint64_t onset;

	for (uint64_t seed = 0; seed < 50; seed++)
		dated += first_alarm(seed, 400, 300, 6, &onset) && onset >= 299 && onset <= 301;
	assert_true(dated >= 45);
}

/* As quantiles of few samples are: one value in twenty is seven times the others or more. */
static double heavy(struct ct_rng *rng)
{
	const double value = 0.1 * normal(rng);

	return ct_rng_uniform(rng) < 0.05 ? value + 2 + ct_rng_exponential(rng) : value;
}

static void a_heavy_tail_is_quiet_and_hides_no_change(void **state)
{
	(void)state;
	enum { CHANNELS = 10, N = 2000, CHANGE = 1500 };
	unsigned alarms = 0, dated = 0;

	for (uint64_t seed = 0; seed < 10; seed++) {
		struct ct_monitor *monitor = ct_monitor_new(CHANNELS);
		struct ct_rng rng;

		ct_rng_stream(&rng, seed, 6);
		for (uint64_t i = 0; i < N; i++) {
			double values[CHANNELS];
			enum ct_monitor_state now;

			for (size_t c = 0; c < CHANNELS; c++)
				values[c] = heavy(&rng) + (c < 4 && i >= CHANGE ? 0.25 : 0);
			now = ct_monitor_feed(monitor, values);
			alarms += now == CT_MONITOR_ONSET && i < CHANGE;
			if (now == CT_MONITOR_ONSET && i >= CHANGE) {
				const uint64_t onset = ct_monitor_onset(monitor);

				dated += onset + 2 >= CHANGE && onset <= CHANGE + 2;
				break;
			}
		}
		ct_monitor_free(monitor);
	}
	assert_true(alarms <= 2);
	assert_true(dated >= 9);
}

static void a_steady_disturbance_is_one(void **state)
{
	(void)state;
	enum { CHANNELS = 10, SEEDS = 20, BEGIN = 300, END = 500, N = 600 };
	unsigned onsets = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct ct_monitor *monitor = ct_monitor_new(CHANNELS);
		struct ct_rng rng;

		ct_rng_stream(&rng, seed, 9);
		for (uint64_t i = 0; i < N; i++) {
			const double more = i >= BEGIN && i < END ? 0.5 : 0;
			double values[CHANNELS];

			for (size_t c = 0; c < CHANNELS; c++)
				values[c] = heavy(&rng) + (c < 4 ? more : 0);
			onsets += ct_monitor_feed(monitor, values) == CT_MONITOR_ONSET;
		}
		ct_monitor_free(monitor);
	}
	print_message("%u onsets of %d disturbances\n", onsets, SEEDS);
	assert_in_range(onsets, SEEDS, SEEDS + SEEDS / 5);
}

/* Without a pause: the first is over where the second begins. */
static void one_neighbour_after_another_are_two(void **state)
{
	(void)state;
	enum { FIRST = 300, SECOND = 360, END = 420, N = 500 };
	static const uint64_t begins[] = {FIRST, SECOND}, ends[] = {SECOND, END};
	struct ct_monitor *monitor = ct_monitor_new(2);
	unsigned onsets = 0, overs = 0;
	struct ct_rng rng;

	ct_rng_stream(&rng, 8, 1);
	for (uint64_t i = 0; i < N; i++) {
		const bool first = i >= FIRST && i < SECOND, second = i >= SECOND && i < END;
		const double values[2] = {0.1 * normal(&rng) + (first || second ? 1 : 0),
					  0.1 * normal(&rng) + (second ? 1 : 0)};
		const enum ct_monitor_state now = ct_monitor_feed(monitor, values);

		if (now == CT_MONITOR_ONSET) {
			assert_true(onsets < 2);
			assert_in_range(ct_monitor_onset(monitor), begins[onsets] - 2,
					begins[onsets] + 2);
			onsets++;
		} else if (now == CT_MONITOR_OVER) {
			uint64_t n;

			assert_true(overs < 2);
			assert_in_range(ct_monitor_settled(monitor), ends[overs] - 2,
					ends[overs] + 2);
			assert_true(fabs(ct_monitor_shift(monitor, 1, &n) - overs) < 0.1);
			overs++;
		}
	}
	assert_int_equal(onsets, 2);
	assert_int_equal(overs, 2);
	ct_monitor_free(monitor);
}

static void a_channel_without_values_is_no_obstacle(void **state)
{
	(void)state;
	struct ct_monitor *monitor = ct_monitor_new(2);
	struct ct_rng rng;
	unsigned found = 0;
	uint64_t n;

	ct_rng_stream(&rng, 7, 1);
	for (size_t i = 0; i < 400; i++) {
		const double values[2] = {NAN, 0.1 * normal(&rng) + (i < 300 ? 0 : 1)};

		found += ct_monitor_feed(monitor, values) == CT_MONITOR_ONSET;
	}
	assert_int_equal(found, 1);
	assert_true(isnan(ct_monitor_shift(monitor, 0, &n)));
	assert_int_equal(n, 0);
	ct_monitor_free(monitor);
}

static void an_outlier_is_no_change(void **state)
{
	(void)state;
	struct ct_monitor *monitor = ct_monitor_new(1);
	struct ct_rng rng;

	ct_rng_stream(&rng, 3, 1);
	for (size_t i = 0; i < 500; i++) {
		const double value = i % 50 == 49 ? 1e6 : 0.1 * normal(&rng);

		assert_int_not_equal(ct_monitor_feed(monitor, &value), CT_MONITOR_ONSET);
	}
	ct_monitor_free(monitor);
}

static void a_disturbance_ends_and_a_lasting_one_becomes_the_level(void **state)
{
	(void)state;
	struct ct_monitor *monitor = ct_monitor_new(1);
	unsigned over = 0, levels = 0;
	struct ct_rng rng;
	uint64_t n;

	ct_rng_stream(&rng, 4, 1);
	for (size_t i = 0; i < 1000; i++) {
		const bool shifted = (i >= 100 && i < 140) || i >= 300;
		const double value = 0.1 * normal(&rng) + (shifted ? 1 : 0);
		const enum ct_monitor_state at = ct_monitor_feed(monitor, &value);

		if (at == CT_MONITOR_OVER) {
			over++;
			assert_true(ct_monitor_settled(monitor) >= 139 &&
				    ct_monitor_settled(monitor) <= 141);
			assert_true(fabs(ct_monitor_shift(monitor, 0, &n) - 1) < 0.1);
		}
		levels += at == CT_MONITOR_NEW_LEVEL;
	}
	assert_int_equal(over, 1);
	assert_int_equal(levels, 1);
	assert_true(fabs(ct_monitor_level(monitor, 0) - 1) < 0.1);
	ct_monitor_free(monitor);
}

static void a_period_is_found_and_noise_has_none(void **state)
{
	(void)state;
	enum { N = 512 };
	double x[N];
	struct ct_period period;
	struct ct_rng rng;
	unsigned found = 0;

	ct_rng_stream(&rng, 5, 1);
	for (size_t i = 0; i < N; i++)
		x[i] = normal(&rng) + 0.7 * sin(2 * M_PI * (double)i / 16);
	assert_true(ct_strongest_period(x, N, &period));
	assert_true(fabs(period.steps - 16) < 1e-9 && period.p < 1e-6);
	for (size_t k = 0; k < 100; k++) {
		for (size_t i = 0; i < 128; i++)
			x[i] = normal(&rng);
		found += ct_strongest_period(x, 128, &period) && period.p < 0.05;
	}
	/* At most 12 of 100 at 5 %: less than one run in a thousand by chance. */
	assert_true(found <= 12);
	assert_false(ct_strongest_period(x, 8, &period));
}

/* Fisher 1929: the 5 % point of g for 10 ordinates is 0.4450 (Fuller 1996, table 7.1.2). */
static void fishers_test_has_its_published_points(void **state)
{
	(void)state;
	assert_true(fabs(ct_fisher_g(0.4450, 10) - 0.05) < 5e-4);
	assert_true(ct_fisher_g(1, 10) < 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_steady_series_raises_no_alarm),
		cmocka_unit_test(a_change_is_dated),
		cmocka_unit_test(a_heavy_tail_is_quiet_and_hides_no_change),
		cmocka_unit_test(a_steady_disturbance_is_one),
		cmocka_unit_test(one_neighbour_after_another_are_two),
		cmocka_unit_test(a_channel_without_values_is_no_obstacle),
		cmocka_unit_test(an_outlier_is_no_change),
		cmocka_unit_test(a_disturbance_ends_and_a_lasting_one_becomes_the_level),
		cmocka_unit_test(a_period_is_found_and_noise_has_none),
		cmocka_unit_test(fishers_test_has_its_published_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
