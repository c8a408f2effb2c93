/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Tails: recovered parameters, coverage of extrapolated quantiles, Hill's index, refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/tail.h"
#include "tests/stats/simulate.h"

enum { SAMPLES = 2000 };

static double pareto(struct ct_rng *rng)
{
	return pow(ct_rng_uniform(rng), -1 / 2.5);
}

static size_t draw(double (*one)(struct ct_rng *), struct ct_rng *rng, struct ct_bin *bins)
{
	double x[SAMPLES];

	for (size_t i = 0; i < SAMPLES; i++)
		x[i] = one(rng);
	qsort(x, SAMPLES, sizeof *x, ascending_doubles);
	return ct_bins_from_sorted(x, SAMPLES, bins);
}

/* Excesses of a Pareto tail over u are exactly generalised Pareto: shape 1/2.5, scale u/2.5. */
static void a_pareto_tail_is_recovered(void **state)
{
	struct ct_bin bins[SAMPLES];
	struct ct_interval hill;
	struct ct_tail tail;
	struct ct_rng rng;
	size_t n;

	(void)state;
	ct_rng_seed(&rng, 51);
	n = draw(pareto, &rng, bins);
	assert_true(ct_tail_fit(bins, n, 1, 0.95, &tail));
	assert_near(tail.shape, 0.4, 0.08);
	assert_near(tail.scale, 0.4, 0.05);
	assert_true(tail.shape_interval.lo < 0.4 && 0.4 < tail.shape_interval.hi);
	assert_true(tail.distance < 1.36 / sqrt(SAMPLES));
	assert_near(tail.modified_scale, 0, 0.1); /* scale - shape u is zero for a pure Pareto */
	assert_int_equal(tail.excess, SAMPLES);
	assert_true(ct_hill(bins, n, 500, 0.95, &hill));
	assert_true(hill.lo < 0.4 && 0.4 < hill.hi && hill.hi - hill.lo < 0.1);
}

static void an_exponential_tail_has_shape_zero(void **state)
{
	struct ct_bin bins[SAMPLES];
	struct ct_tail tail;
	struct ct_rng rng;
	size_t n;

	(void)state;
	ct_rng_seed(&rng, 52);
	n = draw(ct_rng_exponential, &rng, bins);
	assert_true(ct_tail_fit(bins, n, 0.5, 0.95, &tail));
	assert_true(tail.shape_interval.lo < 0 && 0 < tail.shape_interval.hi);
	assert_near(tail.scale, 1, 0.12);
}

/* A latency in picoseconds or in seconds is the same latency. */
static void the_unit_does_not_matter(void **state)
{
	struct ct_bin bins[SAMPLES], scaled[SAMPLES];
	struct ct_interval in_units, in_thousands;
	struct ct_tail tail, scaled_tail;
	struct ct_rng rng;
	size_t n;

	(void)state;
	ct_rng_seed(&rng, 53);
	n = draw(pareto, &rng, bins);
	for (size_t i = 0; i < n; i++)
		scaled[i] = (struct ct_bin){bins[i].value * 1e12, bins[i].count};
	assert_true(ct_tail_fit(bins, n, 2, 0.95, &tail));
	assert_true(ct_tail_fit(scaled, n, 2e12, 0.95, &scaled_tail));
	assert_near(scaled_tail.shape, tail.shape, 1e-6);
	assert_near(scaled_tail.scale / tail.scale, 1e12, 1e8);
	assert_true(ct_tail_quantile(bins, n, &tail, 0.9999, 0.95, &in_units));
	assert_true(ct_tail_quantile(scaled, n, &scaled_tail, 0.9999, 0.95, &in_thousands));
	assert_near(in_thousands.hi / in_units.hi, 1e12, 1e8);
	assert_near(in_thousands.lo / in_units.lo, 1e12, 1e8);
}

/* p99.99 from 2000 samples: a fifth of one expected beyond it. */
static void extrapolated_quantiles_are_covered(void **state)
{
	int n = campaigns(300), shape_hits = 0, quantile_hits = 0;
	double truth = pow(1e-4, -1 / 2.5);
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 54);
	for (int i = 0; i < n; i++) {
		struct ct_bin bins[SAMPLES];
		struct ct_interval quantile;
		struct ct_tail tail;
		size_t used = draw(pareto, &rng, bins);
		double threshold = ct_bins_quantile_type1(bins, used, 0.9);

		assert_true(ct_tail_fit(bins, used, threshold, 0.95, &tail));
		assert_true(ct_tail_quantile(bins, used, &tail, 0.9999, 0.95, &quantile));
		assert_true(quantile.lo < quantile.value && quantile.value < quantile.hi);
		shape_hits += tail.shape_interval.lo <= 0.4 && 0.4 <= tail.shape_interval.hi;
		quantile_hits += quantile.lo <= truth && truth <= quantile.hi;
	}
	assert_rate(shape_hits, n, 0.93, 0.96);
	assert_rate(quantile_hits, n, 0.92, 0.96);
}

static void stability_shows_where_the_tail_begins(void **state)
{
	const double p[] = {0.5, 0.8, 0.9, 0.95, 0.99999};
	struct ct_bin bins[SAMPLES];
	struct ct_tail tails[5];
	struct ct_rng rng;
	size_t n;

	(void)state;
	ct_rng_seed(&rng, 55);
	n = draw(pareto, &rng, bins);
	assert_int_equal(ct_tail_stability(bins, n, p, 5, 0.95, tails), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_true(tails[i].shape_interval.lo < 0.4 && 0.4 < tails[i].shape_interval.hi);
		if (i > 0)
			assert_true(tails[i].threshold > tails[i - 1].threshold);
	}
	assert_true(isnan(tails[4].shape));
}

static void what_has_no_tail_is_refused(void **state)
{
	struct ct_bin bins[100], few[] = {{1, 1000}, {2, 1000}, {3, 1000}};
	struct ct_interval out;
	struct ct_tail tail;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		bins[i] = (struct ct_bin){(double)i, 1};
	assert_false(ct_tail_fit(bins, 100, 90, 0.95, &tail)); /* nine excesses */
	assert_true(isnan(tail.shape) && isnan(tail.shape_interval.lo));
	assert_false(ct_tail_quantile(bins, 100, &tail, 0.999, 0.95, &out));
	assert_false(ct_tail_fit(few, 3, 0, 0.95, &tail)); /* thousands, but three values */
	assert_false(ct_tail_fit(bins, 0, 0, 0.95, &tail));
	assert_false(ct_tail_fit(bins, 100, NAN, 0.95, &tail));
	assert_true(ct_tail_fit(bins, 100, 50, 0.95, &tail));
	assert_false(ct_tail_quantile(bins, 100, &tail, 0.2, 0.95, &out)); /* below the threshold */
	assert_false(ct_hill(bins, 100, 1, 0.95, &out));
	assert_false(ct_hill(bins, 100, 100, 0.95, &out));
	assert_false(ct_hill(bins, 100, 99, 0.95, &out)); /* the reference is zero */
	assert_true(isnan(out.value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pareto_tail_is_recovered),
		cmocka_unit_test(an_exponential_tail_has_shape_zero),
		cmocka_unit_test(the_unit_does_not_matter),
		cmocka_unit_test(extrapolated_quantiles_are_covered),
		cmocka_unit_test(stability_shows_where_the_tail_begins),
		cmocka_unit_test(what_has_no_tail_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
