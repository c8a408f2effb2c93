/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Paired ratios, TOST and Benjamini-Hochberg: arithmetic, refusals, and rates over campaigns. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/fdr.h"
#include "harness/stats/paired.h"
#include "harness/stats/quantile.h"
#include "harness/stats/tost.h"
#include "tests/stats/simulate.h"

enum { BLOCKS = 10, SAMPLES = 500 };

static void a_constant_slowdown_is_found_exactly(void **state)
{
	const double base[] = {100, 250, 80}, treat[] = {150, 375, 120};
	struct ct_interval slowdown;

	(void)state;
	assert_true(ct_paired_log_ratio(base, treat, 3, 0.95, &slowdown));
	assert_near(slowdown.value, 1.5, 1e-15);
	assert_near(slowdown.lo, 1.5, 1e-15);
	assert_near(slowdown.hi, 1.5, 1e-15);
}

static void swapping_the_sides_inverts_the_answer(void **state)
{
	const double base[] = {3, 5, 4, 7}, treat[] = {4, 5, 6, 8};
	struct ct_interval there, back;

	(void)state;
	assert_true(ct_paired_log_ratio(base, treat, 4, 0.9, &there));
	assert_true(ct_paired_log_ratio(treat, base, 4, 0.9, &back));
	assert_near(there.value * back.value, 1, 1e-14);
	assert_near(there.lo * back.hi, 1, 1e-14);
	assert_near(there.hi * back.lo, 1, 1e-14);
}

static void a_speedup_is_not_clamped(void **state)
{
	const double base[] = {10, 11, 12}, treat[] = {9, 9.7, 10.9};
	struct ct_interval slowdown;

	(void)state;
	assert_true(ct_paired_log_ratio(base, treat, 3, 0.95, &slowdown));
	assert_true(slowdown.hi < 1);
}

static void what_has_no_ratio_is_refused(void **state)
{
	const double good[] = {1, 2, 3}, zero[] = {1, 0, 3}, nan_value[] = {1, NAN, 3};
	const double negative[] = {1, -2, 3}, infinite[] = {1, INFINITY, 3};
	const double *const bad[] = {zero, nan_value, negative, infinite};
	struct ct_interval out;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_false(ct_paired_log_ratio(good, bad[i], 3, 0.95, &out));
		assert_true(isnan(out.value) && isnan(out.lo) && isnan(out.hi));
		assert_false(ct_paired_log_ratio(bad[i], good, 3, 0.95, &out));
	}
	assert_false(ct_paired_log_ratio(good, good, 0, 0.95, &out));
	assert_false(ct_paired_log_ratio(good, good, 1, 0.95, &out));
	assert_false(ct_paired_log_ratio(good, good, 3, 1, &out));
	assert_false(ct_paired_log_ratio(good, good, 3, NAN, &out));
	assert_true(ct_paired_log_ratio(good, good, 2, 0.95, &out));
	assert_near(out.hi - out.lo, 0, 0);
}

static void tost_agrees_with_its_interval(void **state)
{
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 3);
	for (int i = 0; i < 500; i++) {
		double logs[6], shift = 0.03 * normal(&rng);
		struct ct_paired paired;
		struct ct_tost tost;
		bool inside;

		for (size_t k = 0; k < 6; k++)
			logs[k] = shift + 0.02 * normal(&rng);
		assert_true(ct_paired_summary_of_logs(logs, 6, &paired));
		assert_true(ct_tost_paired(&paired, 0.03, 0.05, &tost));
		inside = tost.interval.lo > 1 / 1.03 && tost.interval.hi < 1.03;
		assert_int_equal(inside, tost.p_equivalent < 0.05);
		assert_near(tost.p_worse + tost.p_below_high, 1, 1e-12);
		assert_near(tost.p_better + tost.p_above_low, 1, 1e-12);
	}
}

static void tost_refuses_what_is_no_margin(void **state)
{
	struct ct_paired paired = {.n = 4, .mean = 0, .sd = 0.1, .standard_error = 0.05};
	struct ct_tost tost;

	(void)state;
	assert_false(ct_tost_paired(&paired, 0, 0.05, &tost));
	assert_false(ct_tost_paired(&paired, NAN, 0.05, &tost));
	assert_false(ct_tost_paired(&paired, 0.03, 0.5, &tost));
	paired.n = 1;
	assert_false(ct_tost_paired(&paired, 0.03, 0.05, &tost));
	assert_true(isnan(tost.p_equivalent) && isnan(tost.interval.lo));
}

/* At the margin itself equivalence is false: it may be claimed in 5 % of the cases at most. */
static void equivalence_is_claimed_at_the_margin_at_the_nominal_rate(void **state)
{
	int n = campaigns(4000), claimed = 0;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 4);
	for (int i = 0; i < n; i++) {
		double logs[BLOCKS];
		struct ct_paired paired;
		struct ct_tost tost;

		for (size_t k = 0; k < BLOCKS; k++)
			logs[k] = log(1.03) + 0.01 * normal(&rng);
		ct_paired_summary_of_logs(logs, BLOCKS, &paired);
		ct_tost_paired(&paired, 0.03, 0.05, &tost);
		claimed += tost.p_equivalent < 0.05;
	}
	assert_rate(claimed, n, 0.05, 0.05);
}

/* What a latency is made of: the marginal of the campaign by its quantile function. */
static double lognormal(double z)
{
	return exp(z);
}

static double pareto(double z)
{
	return pow(ct_normal_cdf(-z), -1 / 2.5);
}

/*
 * One block: an AR(1) series (rho 0.9) through the marginal, times the machine's mood in this
 * block. Quantiles go through monotone maps, so only the ranked normal value is transformed.
 */
static double block_quantile(struct ct_rng *rng, double (*marginal)(double), double p)
{
	double x[SAMPLES];

	ar1(rng, 0.9, x, SAMPLES);
	qsort(x, SAMPLES, sizeof *x, ascending_doubles);
	return marginal(ct_quantile_type1(x, SAMPLES, p));
}

static void coverage(double (*marginal)(double), uint64_t seed, int *hits, int n)
{
	struct ct_rng rng;

	ct_rng_seed(&rng, seed);
	for (int i = 0; i < n; i++) {
		double base[BLOCKS], treat[BLOCKS];
		struct ct_interval slowdown;

		for (size_t b = 0; b < BLOCKS; b++) {
			double mood = exp(0.3 * normal(&rng));

			base[b] = mood * block_quantile(&rng, marginal, 0.95);
			treat[b] = 1.1 * mood * block_quantile(&rng, marginal, 0.95);
		}
		assert_true(ct_paired_log_ratio(base, treat, BLOCKS, 0.95, &slowdown));
		*hits += slowdown.lo <= 1.1 && 1.1 <= slowdown.hi;
	}
}

static void intervals_cover_with_lognormal_dependent_samples(void **state)
{
	int n = campaigns(1000), hits = 0;

	(void)state;
	coverage(lognormal, 5, &hits, n);
	assert_rate(hits, n, 0.94, 0.96);
}

static void intervals_cover_with_pareto_dependent_samples(void **state)
{
	int n = campaigns(1000), hits = 0;

	(void)state;
	coverage(pareto, 6, &hits, n);
	assert_rate(hits, n, 0.93, 0.97);
}

static void adjusted_p_follow_the_textbook(void **state)
{
	/* Benjamini & Hochberg 1995, section 3.2: four hypotheses are rejected at 0.05. */
	const double p[] = {0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
			    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000};
	double adjusted[15];
	int rejected = 0;

	(void)state;
	assert_true(ct_benjamini_hochberg(p, 15, adjusted));
	for (size_t i = 0; i < 15; i++)
		rejected += adjusted[i] <= 0.05;
	assert_int_equal(rejected, 4);
	assert_near(adjusted[3], 0.0095 * 15 / 4, 1e-15);
	assert_near(adjusted[14], 1, 0);
}

static void cells_without_a_test_do_not_count(void **state)
{
	double p[] = {0.03, NAN, 0.01};

	(void)state;
	assert_true(ct_benjamini_hochberg(p, 3, p));
	assert_near(p[0], 0.03, 1e-15);
	assert_near(p[2], 0.02, 1e-15);
	assert_true(isnan(p[1]));
	assert_true(ct_benjamini_hochberg(NULL, 0, NULL));
	p[0] = 1.5;
	assert_false(ct_benjamini_hochberg(p, 3, p));
}

static void false_discoveries_stay_at_the_asked_rate(void **state)
{
	int n = campaigns(4000);
	double share = 0;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 7);
	for (int i = 0; i < n; i++) {
		double p[20], adjusted[20], alarms = 0, wrong = 0;

		for (size_t k = 0; k < 20; k++)
			p[k] = k < 5 ? ct_normal_cdf(-3 + normal(&rng)) : ct_rng_uniform(&rng);
		assert_true(ct_benjamini_hochberg(p, 20, adjusted));
		for (size_t k = 0; k < 20; k++) {
			alarms += adjusted[k] <= 0.1;
			wrong += adjusted[k] <= 0.1 && k >= 5;
		}
		share += alarms > 0 ? wrong / alarms : 0;
	}
	/* The theory says 0.1 * 15 / 20 exactly; the mean of n shares has an error below
	 * 0.2/sqrt(n). */
	assert_near(share / n, 0.075, 0.6 / sqrt(n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_constant_slowdown_is_found_exactly),
		cmocka_unit_test(swapping_the_sides_inverts_the_answer),
		cmocka_unit_test(a_speedup_is_not_clamped),
		cmocka_unit_test(what_has_no_ratio_is_refused),
		cmocka_unit_test(tost_agrees_with_its_interval),
		cmocka_unit_test(tost_refuses_what_is_no_margin),
		cmocka_unit_test(equivalence_is_claimed_at_the_margin_at_the_nominal_rate),
		cmocka_unit_test(intervals_cover_with_lognormal_dependent_samples),
		cmocka_unit_test(intervals_cover_with_pareto_dependent_samples),
		cmocka_unit_test(adjusted_p_follow_the_textbook),
		cmocka_unit_test(cells_without_a_test_do_not_count),
		cmocka_unit_test(false_discoveries_stay_at_the_asked_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
