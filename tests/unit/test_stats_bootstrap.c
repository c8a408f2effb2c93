/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Bootstrap: seeds, blocks kept whole, coverage, and what it refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/bootstrap.h"
#include "tests/stats/simulate.h"

enum { BLOCKS = 12, UNITS = 30 };

/* Blocks of units; the statistic is the mean of the block means. */
struct campaign {
	double unit[BLOCKS][UNITS];
};

static double mean_of_units(const void *data, const struct ct_resample *r)
{
	const struct campaign *c = data;
	double sum = 0, n = 0;

	for (size_t i = 0; i < r->n_blocks; i++) {
		for (size_t u = r->first[i]; u < r->first[i + 1]; u++) {
			assert_in_range(r->units[u], 0, UNITS - 1);
			sum += c->unit[r->blocks[i]][r->units[u]];
			n++;
		}
	}
	return sum / n;
}

static double mean_of_blocks(const void *data, const struct ct_resample *r)
{
	const double *x = data;
	double sum = 0;

	assert_null(r->units);
	for (size_t i = 0; i < r->n_blocks; i++)
		sum += x[r->blocks[i]];
	return sum / (double)r->n_blocks;
}

static double log_sd(const void *data, const struct ct_resample *r)
{
	const double *x = data;
	double mean = mean_of_blocks(data, r), squares = 0;

	for (size_t i = 0; i < r->n_blocks; i++)
		squares += pow(x[r->blocks[i]] - mean, 2);
	return log(squares / (double)(r->n_blocks - 1)) / 2;
}

static struct ct_bootstrap plan_of(const double *x, size_t n, enum ct_bootstrap_method method)
{
	return (struct ct_bootstrap){.n_blocks = n,
				     .replicates = 1000,
				     .method = method,
				     .confidence = 0.95,
				     .statistic = mean_of_blocks,
				     .data = x};
}

static void the_same_seed_gives_the_same_interval(void **state)
{
	const double x[] = {1, 4, 2, 8, 5, 7, 1, 3};
	struct ct_interval first, second, other;
	struct ct_rng rng;

	(void)state;
	for (int method = CT_BOOTSTRAP_PERCENTILE; method <= CT_BOOTSTRAP_STUDENTISED; method++) {
		struct ct_bootstrap plan = plan_of(x, 8, (enum ct_bootstrap_method)method);

		ct_rng_seed(&rng, 11);
		assert_true(ct_bootstrap_interval(&plan, &rng, &first));
		assert_true(ct_bootstrap_interval(&plan, &rng, &other));
		ct_rng_seed(&rng, 11);
		assert_true(ct_bootstrap_interval(&plan, &rng, &second));
		assert_memory_equal(&first, &second, sizeof first);
		assert_memory_not_equal(&first, &other, sizeof first);
		assert_near(first.value, 31.0 / 8, 1e-15);
		assert_true(first.lo < first.value && first.value < first.hi);
	}
}

/* Forty alike samples in each block are worth one: the width must be that of the block means. */
static void blocks_kept_whole_give_the_width_of_blocks(void **state)
{
	const size_t units[BLOCKS] = {UNITS, UNITS, UNITS, UNITS, UNITS, UNITS,
				      UNITS, UNITS, UNITS, UNITS, UNITS, UNITS};
	struct ct_interval two_stage, whole;
	struct ct_bootstrap plan;
	struct campaign c;
	struct ct_rng rng;
	double means[BLOCKS];

	(void)state;
	ct_rng_seed(&rng, 12);
	for (size_t b = 0; b < BLOCKS; b++) {
		double mood = normal(&rng);

		means[b] = 0;
		for (size_t u = 0; u < UNITS; u++) {
			c.unit[b][u] = mood + 0.1 * normal(&rng);
			means[b] += c.unit[b][u] / UNITS;
		}
	}
	plan = plan_of(means, BLOCKS, CT_BOOTSTRAP_PERCENTILE);
	plan.replicates = 4000;
	assert_true(ct_bootstrap_interval(&plan, &rng, &whole));
	plan.units = units;
	plan.statistic = mean_of_units;
	plan.data = &c;
	assert_true(ct_bootstrap_interval(&plan, &rng, &two_stage));
	assert_near(two_stage.value, whole.value, 1e-12);
	assert_near((two_stage.hi - two_stage.lo) / (whole.hi - whole.lo), 1, 0.1);
	plan.method = CT_BOOTSTRAP_STUDENTISED;
	plan.replicates = 500;
	assert_true(ct_bootstrap_interval(&plan, &rng, &two_stage));
	assert_true(two_stage.lo < two_stage.value && two_stage.value < two_stage.hi);
}

static double covered(enum ct_bootstrap_method method, ct_statistic statistic, double truth, int n,
		      uint64_t seed)
{
	struct ct_rng rng;
	int hits = 0;

	ct_rng_seed(&rng, seed);
	for (int i = 0; i < n; i++) {
		struct ct_interval out;
		struct ct_bootstrap plan;
		double x[BLOCKS];

		for (size_t k = 0; k < BLOCKS; k++)
			x[k] = normal(&rng);
		plan = plan_of(x, BLOCKS, method);
		plan.replicates = 400;
		plan.statistic = statistic;
		assert_true(ct_bootstrap_interval(&plan, &rng, &out));
		hits += out.lo <= truth && truth <= out.hi;
	}
	return hits;
}

static void studentised_intervals_cover_with_twelve_blocks(void **state)
{
	int n = campaigns(1000);

	(void)state;
	assert_rate(covered(CT_BOOTSTRAP_STUDENTISED, mean_of_blocks, 0, n, 13), n, 0.94, 0.96);
}

/* Percentile and BCa are known to be short with few blocks: that is why they are not the default.
 */
static void percentile_and_bca_are_short_with_twelve_blocks(void **state)
{
	int n = campaigns(1000);
	double percentile = covered(CT_BOOTSTRAP_PERCENTILE, log_sd, 0, n, 14);
	double bca = covered(CT_BOOTSTRAP_BCA, log_sd, 0, n, 14);

	(void)state;
	assert_rate(covered(CT_BOOTSTRAP_BCA, mean_of_blocks, 0, n, 15), n, 0.90, 0.94);
	print_message("log sd: percentile %.3f, BCa %.3f\n", percentile / n, bca / n);
	/* The bias of a standard deviation is what BCa corrects. */
	assert_true(bca > percentile + 0.02 * n);
}

static double never(const void *data, const struct ct_resample *resample)
{
	(void)data;
	(void)resample;
	return NAN;
}

static void what_has_no_interval_is_refused(void **state)
{
	const double x[] = {1, 2, 3, 4}, same[] = {5, 5, 5, 5};
	const size_t empty_block[] = {1, 0, 1, 1};
	struct ct_bootstrap good = plan_of(x, 4, CT_BOOTSTRAP_BCA), bad;
	struct ct_interval out;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 16);
	bad = good;
	bad.n_blocks = 2;
	assert_false(ct_bootstrap_interval(&bad, &rng, &out));
	bad = good;
	bad.replicates = 10;
	assert_false(ct_bootstrap_interval(&bad, &rng, &out));
	bad = good;
	bad.units = empty_block;
	assert_false(ct_bootstrap_interval(&bad, &rng, &out));
	bad = good;
	bad.statistic = never;
	assert_false(ct_bootstrap_interval(&bad, &rng, &out));
	assert_true(isnan(out.lo) && isnan(out.hi));
	/* Blocks that agree to the last bit have an interval without width. */
	for (int method = CT_BOOTSTRAP_PERCENTILE; method <= CT_BOOTSTRAP_STUDENTISED; method++) {
		good = plan_of(same, 4, (enum ct_bootstrap_method)method);
		assert_true(ct_bootstrap_interval(&good, &rng, &out));
		assert_true(out.lo == 5 && out.hi == 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_interval),
		cmocka_unit_test(blocks_kept_whole_give_the_width_of_blocks),
		cmocka_unit_test(studentised_intervals_cover_with_twelve_blocks),
		cmocka_unit_test(percentile_and_bca_are_short_with_twelve_blocks),
		cmocka_unit_test(what_has_no_interval_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
