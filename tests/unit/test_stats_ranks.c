/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Whole distributions against each other: ranks, distances, shift functions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/ranks.h"
#include "harness/stats/shift.h"
#include "tests/stats/simulate.h"

static void complete_separation_has_the_largest_effect(void **state)
{
	const double low[] = {3, 1, 2}, high[] = {6, 4, 5, 7};
	struct ct_mann_whitney mw;
	struct ct_ks ks;
	double distance;

	(void)state;
	assert_true(ct_mann_whitney(low, 3, high, 4, &mw));
	assert_near(mw.u, 12, 0);
	assert_near(mw.a12, 1, 0);
	assert_near(mw.cliff_delta, 1, 0);
	assert_true(mw.exact);
	assert_near(mw.p, 2.0 / 35, 1e-15); /* 2 of the C(7,3) orders are as extreme */
	assert_true(ct_ks(low, 3, high, 4, &ks));
	assert_near(ks.d, 1, 0);
	assert_near(ks.p, 2.0 / 35, 1e-15);
	assert_true(ct_wasserstein(low, 3, high, 4, &distance));
	assert_near(distance, 5.5 - 2, 1e-15);
}

static void equal_samples_show_nothing(void **state)
{
	const double same[] = {2, 2, 2, 2, 2};
	struct ct_mann_whitney mw;
	struct ct_ks ks;
	double distance;

	(void)state;
	assert_true(ct_mann_whitney(same, 5, same, 4, &mw));
	assert_near(mw.p, 1, 0);
	assert_near(mw.a12, 0.5, 0);
	assert_true(ct_ks(same, 5, same, 4, &ks));
	assert_near(ks.p, 1, 1e-15);
	assert_near(ks.d, 0, 0);
	assert_true(ct_wasserstein(same, 5, same, 4, &distance));
	assert_near(distance, 0, 0);
}

static void swapping_mirrors_every_measure(void **state)
{
	const double a[] = {1, 5, 2, 9, 9, 3}, b[] = {4, 9, 1, 12};
	struct ct_mann_whitney there, back;
	struct ct_ks ks_there, ks_back;

	(void)state;
	assert_true(ct_mann_whitney(a, 6, b, 4, &there) && ct_mann_whitney(b, 4, a, 6, &back));
	assert_near(there.u + back.u, 24, 0);
	assert_near(there.cliff_delta, -back.cliff_delta, 1e-15);
	assert_near(there.p, back.p, 1e-15);
	assert_true(ct_ks(a, 6, b, 4, &ks_there) && ct_ks(b, 4, a, 6, &ks_back));
	assert_near(ks_there.d, ks_back.d, 1e-15);
	assert_near(ks_there.p, ks_back.p, 1e-14);
}

static void empty_and_nan_samples_are_refused(void **state)
{
	const double good[] = {1, 2}, bad[] = {1, NAN};
	struct ct_mann_whitney mw;
	struct ct_ks ks;
	double distance;

	(void)state;
	assert_false(ct_mann_whitney(good, 0, good, 2, &mw));
	assert_false(ct_mann_whitney(good, 2, bad, 2, &mw));
	assert_true(isnan(mw.p) && isnan(mw.a12));
	assert_false(ct_ks(good, 2, good, 0, &ks) || ct_ks(bad, 2, good, 2, &ks));
	assert_false(ct_wasserstein(bad, 2, good, 2, &distance));
	assert_true(isnan(distance));
}

static void exact_and_asymptotic_p_meet(void **state)
{
	double a[1200], b[1200];
	struct ct_bin bins_a[1200], bins_b[1200], many_a[1200], many_b[1200];
	struct ct_mann_whitney exact, normal_p;
	struct ct_ks small, large;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 21);
	for (size_t i = 0; i < 1200; i++) {
		a[i] = normal(&rng);
		b[i] = normal(&rng) + 0.05;
	}
	assert_true(ct_mann_whitney(a, 8, b, 1000, &exact));
	assert_true(ct_mann_whitney(a, 8, b, 1001, &normal_p));
	assert_true(exact.exact && !normal_p.exact);
	assert_near(exact.p, normal_p.p, 0.01);
	assert_true(ct_ks(a, 1200, b, 1200, &small));
	assert_true(small.exact);
	assert_near(small.p, ct_kolmogorov_sf(small.d * sqrt(600)), 0.02);
	/* The same shape a million times over: no longer exact, and no longer in doubt. */
	qsort(a, 1200, sizeof *a, ascending_doubles);
	qsort(b, 1200, sizeof *b, ascending_doubles);
	ct_bins_from_sorted(a, 1200, bins_a);
	ct_bins_from_sorted(b, 1200, bins_b);
	for (size_t i = 0; i < 1200; i++) {
		many_a[i] = (struct ct_bin){bins_a[i].value, 1000000};
		many_b[i] = (struct ct_bin){bins_b[i].value, 1000000};
	}
	assert_true(ct_bins_ks(many_a, 1200, many_b, 1200, &large));
	assert_near(large.d, small.d, 1e-12);
	assert_false(large.exact);
	assert_true(large.p < 1e-300);
}

static void tests_keep_their_level(void **state)
{
	int n = campaigns(2000), mw_alarms = 0, ks_alarms = 0;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 22);
	for (int i = 0; i < n; i++) {
		double a[40], b[25];
		struct ct_mann_whitney mw;
		struct ct_ks ks;

		for (size_t k = 0; k < 40; k++)
			a[k] = exp(2 * normal(&rng));
		for (size_t k = 0; k < 25; k++)
			b[k] = exp(2 * normal(&rng));
		ct_mann_whitney(a, 40, b, 25, &mw);
		ct_ks(a, 40, b, 25, &ks);
		mw_alarms += mw.p < 0.05;
		ks_alarms += ks.p < 0.05;
	}
	assert_rate(mw_alarms, n, 0.045, 0.05);
	assert_rate(ks_alarms, n, 0.035,
		    0.05); /* D takes few values, so the level is not reached */
}

static void a_shift_is_found_at_every_decile(void **state)
{
	struct ct_interval out[CT_DECILES];
	struct ct_bin base[1000], treat[1000];

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		base[i] = (struct ct_bin){(double)i, 3};
		treat[i] = (struct ct_bin){(double)i + 500, 2};
	}
	assert_true(ct_shift_function(base, 1000, 3000, treat, 1000, 2000, ct_deciles, CT_DECILES,
				      0.95, out));
	for (size_t i = 0; i < CT_DECILES; i++) {
		assert_near(out[i].value, 500, 1);
		assert_true(out[i].lo < 500 && out[i].hi > 500 && out[i].lo > 400);
	}
	assert_false(ct_shift_function(base, 0, 1, treat, 1000, 1, ct_deciles, 9, 0.95, out));
	assert_false(ct_shift_function(base, 1000, 0, treat, 1000, 1, ct_deciles, 9, 0.95, out));
	assert_true(isnan(out[0].value));
	/* Three independent samples a side bound nothing. */
	assert_true(ct_shift_function(base, 1000, 3, treat, 1000, 3, ct_deciles, 9, 0.95, out));
	assert_true(out[4].lo == -INFINITY && out[4].hi == INFINITY);
}

/* The band must hold for all deciles at once, on skewed data with a shift that grows. */
static void the_band_is_simultaneous(void **state)
{
	int n = campaigns(300), hits = 0;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 23);
	for (int i = 0; i < n; i++) {
		struct ct_interval out[CT_DECILES];
		struct ct_bin base[200], treat[200];
		double a[200], b[200];
		bool all = true;

		for (size_t k = 0; k < 200; k++) {
			a[k] = ct_rng_exponential(&rng);
			b[k] = 1.3 * ct_rng_exponential(&rng);
		}
		qsort(a, 200, sizeof *a, ascending_doubles);
		qsort(b, 200, sizeof *b, ascending_doubles);
		ct_bins_from_sorted(a, 200, base);
		ct_bins_from_sorted(b, 200, treat);
		assert_true(ct_shift_function(base, 200, 200, treat, 200, 200, ct_deciles,
					      CT_DECILES, 0.95, out));
		for (size_t k = 0; k < CT_DECILES; k++) {
			/* The S-band is for the shift at the observed base quantile. */
			double x = ct_bins_quantile_type1(base, 200, ct_deciles[k]);

			all = all && out[k].lo <= 0.3 * x && 0.3 * x <= out[k].hi;
		}
		hits += all;
	}
	assert_rate(hits, n, 0.95, 0.985);
}

static void bands_over_blocks_are_simultaneous(void **state)
{
	int n = campaigns(2000), hits = 0;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 24);
	for (int i = 0; i < n; i++) {
		double logs[8 * 3];
		struct ct_interval out[3];

		for (size_t k = 0; k < 8 * 3; k++)
			logs[k] = 0.2 + 0.1 * normal(&rng);
		assert_true(ct_shift_blocks(logs, 8, 3, 0.95, out));
		hits += out[0].lo <= exp(0.2) && exp(0.2) <= out[0].hi && out[1].lo <= exp(0.2) &&
			exp(0.2) <= out[1].hi && out[2].lo <= exp(0.2) && exp(0.2) <= out[2].hi;
	}
	assert_rate(hits, n, 0.95, 0.955);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete_separation_has_the_largest_effect),
		cmocka_unit_test(equal_samples_show_nothing),
		cmocka_unit_test(swapping_mirrors_every_measure),
		cmocka_unit_test(empty_and_nan_samples_are_refused),
		cmocka_unit_test(exact_and_asymptotic_p_meet),
		cmocka_unit_test(tests_keep_their_level),
		cmocka_unit_test(a_shift_is_found_at_every_decile),
		cmocka_unit_test(the_band_is_simultaneous),
		cmocka_unit_test(bands_over_blocks_are_simultaneous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
