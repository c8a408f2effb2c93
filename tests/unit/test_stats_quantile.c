/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Quantiles, their order-statistic intervals, summaries: histogram and array are one thing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/quantile.h"
#include "harness/stats/summary.h"
#include "tests/stats/simulate.h"

static void type1_takes_a_value_that_was_measured(void **state)
{
	const double x[] = {10, 20, 30, 40};

	(void)state;
	assert_near(ct_quantile_type1(x, 4, 0), 10, 0);
	assert_near(ct_quantile_type1(x, 4, 0.25), 10, 0);
	assert_near(ct_quantile_type1(x, 4, 0.2500001), 20, 0);
	assert_near(ct_quantile_type1(x, 4, 1), 40, 0);
	assert_near(ct_quantile_type7(x, 4, 0.5), 25, 0);
	assert_true(isnan(ct_quantile_type1(x, 0, 0.5)) && isnan(ct_quantile_type1(x, 4, 1.1)));
	assert_true(isnan(ct_quantile_type7(x, 4, NAN)) && isnan(ct_harrell_davis(x, 0, 0.5)));
	assert_near(ct_harrell_davis(x, 1, 0.9), 10, 0);
}

/* 0.99 * 300 is 297.00000000000006 or 296.99999999999994 in binary, and means 297. */
static void whole_ranks_are_not_lost_to_binary_fractions(void **state)
{
	double x[1000];

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		x[i] = (double)(i + 1);
	for (size_t n = 100; n <= 1000; n += 100) {
		assert_near(ct_quantile_type1(x, n, 0.99), (double)(n / 100 * 99), 0);
		assert_near(ct_quantile_type1(x, n, 0.07), (double)(n / 100 * 7), 0);
	}
}

static void a_billion_samples_are_a_few_bins(void **state)
{
	const struct ct_bin bins[] = {{1, 500000000}, {2, 499000000}, {3, 999000}, {50, 1000}};
	struct ct_interval interval;
	struct ct_summary summary;

	(void)state;
	assert_int_equal(ct_bins_total(bins, 4), 1000000000);
	assert_near(ct_bins_quantile_type1(bins, 4, 0.5), 1, 0);
	assert_near(ct_bins_quantile_type1(bins, 4, 0.50000001), 2, 0);
	assert_near(ct_bins_quantile_type1(bins, 4, 0.9999995), 50, 0);
	assert_near(ct_bins_harrell_davis(bins, 4, 0.7), 2, 1e-9);
	assert_true(ct_bins_quantile_interval(bins, 4, 0.9995, 0.95, 1e9, &interval));
	assert_near(interval.lo, 3, 0);
	assert_near(interval.hi, 3, 0);
	assert_true(ct_summarise_bins(bins, 4, &summary));
	assert_near(summary.mean, 0.5 + 0.998 + 0.002997 + 0.00005, 1e-12);
	assert_near(summary.median, 1, 0);
	assert_near(summary.mad, 0, 0);
}

/* Le Boudec, Performance Evaluation, appendix: the ranks that enclose a median at 95 %. */
static void ranks_agree_with_the_published_table(void **state)
{
	const struct {
		uint64_t n, lower, upper;
	} table[] = {{6, 1, 6}, {10, 2, 9}, {20, 6, 15}, {30, 10, 21}, {50, 18, 33}, {70, 27, 44}};
	uint64_t lower, upper;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		assert_true(ct_quantile_ranks(table[i].n, 0.5, 0.95, &lower, &upper));
		assert_int_equal(lower, table[i].lower);
		assert_int_equal(upper, table[i].upper);
	}
	assert_false(ct_quantile_ranks(5, 0.5, 0.95, &lower, &upper));
	assert_int_equal(lower, 0);
	assert_int_equal(upper, 6);
}

static void a_quantile_the_data_cannot_carry_is_unbounded(void **state)
{
	struct ct_interval out;
	double x[1000];

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		x[i] = (double)i;
	assert_false(ct_quantile_interval(x, 1000, 0.9999, 0.95, 1000, &out));
	assert_true(isfinite(out.lo) && out.hi == INFINITY);
	assert_true(ct_quantile_interval(x, 1000, 0.99, 0.95, 1000, &out));
	/* The same thousand, when only fifty of them are independent. */
	assert_false(ct_quantile_interval(x, 1000, 0.99, 0.95, 50, &out));
	assert_false(ct_quantile_interval(x, 0, 0.5, 0.95, 1, &out));
	assert_false(ct_quantile_interval(x, 1000, 0.5, 0.95, NAN, &out));
}

static void needs_is_the_first_size_that_works(void **state)
{
	const double p[] = {0.5, 0.9, 0.99, 0.999, 0.01};
	uint64_t lower, upper;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		uint64_t n = ct_quantile_needs(p[i], 0.95);

		assert_true(ct_quantile_ranks(n, p[i], 0.95, &lower, &upper));
		assert_false(ct_quantile_ranks(n - 1, p[i], 0.95, &lower, &upper));
	}
	assert_int_equal(ct_quantile_needs(1, 0.95), 0);
}

/* Discrete ranks hold at least the nominal rate; how much more is known exactly. */
static void order_statistics_enclose_the_quantile(void **state)
{
	int n = campaigns(4000), hits = 0;
	uint64_t lower, upper;
	double exact;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 8);
	assert_true(ct_quantile_ranks(100, 0.9, 0.95, &lower, &upper));
	exact = ct_binomial_cdf(upper - 1, 100, 0.9) - ct_binomial_cdf(lower - 1, 100, 0.9);
	assert_true(exact >= 0.95 && exact < 0.98);
	for (int i = 0; i < n; i++) {
		struct ct_interval out;
		double x[100];

		for (size_t k = 0; k < 100; k++)
			x[k] = ct_rng_exponential(&rng);
		qsort(x, 100, sizeof *x, ascending_doubles);
		assert_true(ct_quantile_interval(x, 100, 0.9, 0.95, 100, &out));
		hits += out.lo <= log(10) && log(10) <= out.hi;
	}
	assert_rate(hits, n, exact, exact);
}

static void effective_size_restores_coverage_of_dependent_samples(void **state)
{
	int n = campaigns(1000), naive = 0, allowed_for = 0;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 9);
	for (int i = 0; i < n; i++) {
		struct ct_interval out;
		double x[2000];

		ar1(&rng, 0.9, x, 2000);
		qsort(x, 2000, sizeof *x, ascending_doubles);
		ct_quantile_interval(x, 2000, 0.5, 0.95, 2000, &out);
		naive += out.lo <= 0 && 0 <= out.hi;
		ct_quantile_interval(x, 2000, 0.5, 0.95, 2000.0 / 19, &out);
		allowed_for += out.lo <= 0 && 0 <= out.hi;
	}
	assert_rate(allowed_for, n, 0.95, 0.995);
	assert_true(naive < 0.7 * n);
}

static void summary_of_bins_is_that_of_the_values(void **state)
{
	const struct ct_bin bins[] = {{1e9 + 1, 2}, {1e9 + 4, 1}};
	const struct ct_bin one[] = {{7, 1}}, with_zero[] = {{0, 1}, {2, 1}};
	struct ct_summary s;

	(void)state;
	assert_true(ct_summarise_bins(bins, 2, &s));
	assert_near(s.mean, 1e9 + 2, 1e-6);
	assert_near(s.sd, sqrt(3), 1e-7);
	assert_near(s.mad, 0, 0);
	assert_near(s.log_variance / (3 / 1e18), 1, 1e-6);
	assert_true(ct_summarise_bins(one, 1, &s));
	assert_true(isnan(s.sd) && s.mean == 7);
	assert_true(ct_summarise_bins(with_zero, 2, &s));
	assert_true(isnan(s.log_mean));
	assert_false(ct_summarise_bins(NULL, 0, &s));
	assert_true(isnan(s.mean));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(type1_takes_a_value_that_was_measured),
		cmocka_unit_test(whole_ranks_are_not_lost_to_binary_fractions),
		cmocka_unit_test(a_billion_samples_are_a_few_bins),
		cmocka_unit_test(ranks_agree_with_the_published_table),
		cmocka_unit_test(a_quantile_the_data_cannot_carry_is_unbounded),
		cmocka_unit_test(needs_is_the_first_size_that_works),
		cmocka_unit_test(order_statistics_enclose_the_quantile),
		cmocka_unit_test(effective_size_restores_coverage_of_dependent_samples),
		cmocka_unit_test(summary_of_bins_is_that_of_the_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
