/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Samples in blocks: what a pool is worth; two groups of blocks against each other. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/clusters.h"
#include "harness/stats/tost.h"
#include "harness/stats/welch.h"
#include "tests/stats/simulate.h"

enum { BLOCKS = 40, SAMPLES = 4000 };

/* Shares of samples below zero of AR(1) blocks, each moved by a normal of its own. */
static void simulate_shares(struct ct_rng *rng, double r, double block_sd, uint64_t *below,
			    uint64_t *samples)
{
	static double x[SAMPLES];

	for (size_t b = 0; b < BLOCKS; b++) {
		const double level = block_sd * normal(rng);

		ar1(rng, r, x, SAMPLES);
		below[b] = 0;
		samples[b] = SAMPLES;
		for (size_t i = 0; i < SAMPLES; i++)
			below[b] += x[i] + level <= 0;
	}
}

static void the_error_of_a_pooled_share_is_that_of_its_blocks(void **state)
{
	const uint64_t below[] = {40, 60, 50, 50}, samples[] = {100, 100, 100, 100};

	(void)state;
	/* Four block means 0.4 0.6 0.5 0.5: standard deviation 0.0816, over the root of four. */
	assert_near(ct_clusters_error(below, samples, 4), sqrt(0.02 / 3 / 4), 1e-12);
}

static void blocks_that_agree_too_well_are_worth_their_samples(void **state)
{
	const uint64_t below[] = {50, 50, 50}, samples[] = {100, 100, 100};

	(void)state;
	assert_near(ct_clusters_error(below, samples, 3), sqrt(0.25 / 300), 1e-12);
	assert_true(ct_clusters_effective(below, samples, 3, 0.95) <= 300);
}

static void what_blocks_can_not_tell_is_not_a_number(void **state)
{
	const uint64_t below[] = {5, 5}, samples[] = {10, 0};

	(void)state;
	assert_true(isnan(ct_clusters_error(below, samples, 1)));
	assert_true(isnan(ct_clusters_error(below, samples, 2)));
	assert_true(isnan(ct_clusters_effective(below, samples, 1, 0.95)));
	assert_true(isnan(ct_clusters_effective(below, samples, 2, 0.95)));
}

static double mean_effective(double r, double block_sd)
{
	const int n = campaigns(40);
	uint64_t below[BLOCKS], samples[BLOCKS];
	struct ct_rng rng;
	double sum = 0;

	ct_rng_seed(&rng, 11);
	for (int i = 0; i < n; i++) {
		simulate_shares(&rng, r, block_sd, below, samples);
		sum += ct_clusters_effective(below, samples, BLOCKS, 0.95);
	}
	return sum / n;
}

static void dependence_shrinks_the_effective_size(void **state)
{
	const double all = (double)BLOCKS * SAMPLES;
	/* Sign of an AR(1) series: correlation 2/pi asin(r^k), summed (Sheppard 1899). */
	double time = 1;

	(void)state;
	for (int k = 1; k < 400; k++)
		time += 2 * 2 / M_PI * asin(pow(0.9, k));
	assert_in_range((uint64_t)mean_effective(0.9, 0), (uint64_t)(0.8 * all / time),
			(uint64_t)(1.15 * all / time));
	/* Independent samples: nearly all of them, less the correction for 39 degrees of freedom.
	 */
	assert_true(mean_effective(0, 0) > 0.75 * all);
	/* Blocks of different level: little more than the blocks themselves. */
	assert_true(mean_effective(0, 2) < 3 * BLOCKS);
}

/* scipy.stats.ttest_ind(treat, base, equal_var=False) of scipy 1.10. */
static void two_groups_agree_with_welch(void **state)
{
	const double base[] = {0.10, 0.12, 0.08, 0.11, 0.09}, treat[] = {0.20, 0.10, 0.25, 0.15};
	const struct ct_group from = {base, 5, 1, 0}, to = {treat, 4, 1, 0};
	struct ct_paired summary;

	(void)state;
	assert_true(ct_welch_summary(&from, &to, &summary));
	assert_near(summary.mean, 0.075, 1e-15);
	assert_near(summary.standard_error, 0.03304037933599835, 1e-15);
	assert_near(summary.df, 3.2892282136468176, 1e-12);
	assert_near(ct_paired_p_two_sided(&summary, 1), 0.1001372712022205, 1e-12);
}

static void slow_wandering_widens_the_interval(void **state)
{
	const double base[] = {0.1, 0.2, 0.1, 0.3, 0.2, 0.1},
		     treat[] = {0.2, 0.1, 0.2, 0.4, 0.1, 0.3};
	const struct ct_group from = {base, 6, 1, 0}, to = {treat, 6, 1, 0},
			      slow = {treat, 6, 3, 0};
	struct ct_paired plain, wide;

	(void)state;
	assert_true(ct_welch_summary(&from, &to, &plain));
	assert_true(ct_welch_summary(&from, &slow, &wide));
	assert_true(wide.standard_error > plain.standard_error);
	assert_true(wide.df < plain.df);
	assert_near(wide.mean, plain.mean, 0);
}

static void groups_without_spread_or_blocks_are_refused(void **state)
{
	const double one[] = {0.1}, bad[] = {0.1, NAN}, good[] = {0.1, 0.2};
	const struct ct_group lone = {one, 1, 1, 0}, broken = {bad, 2, 1, 0},
			      fine = {good, 2, 1, 0}, odd = {good, 2, 0.5, 0};
	struct ct_paired summary;

	(void)state;
	assert_false(ct_welch_summary(&lone, &fine, &summary));
	assert_false(ct_welch_summary(&fine, &broken, &summary));
	assert_false(ct_welch_summary(&odd, &fine, &summary));
	assert_true(isnan(summary.mean));
}

/* Two groups of ten blocks without a difference: the test must reject at its level. */
static void equal_groups_differ_at_the_nominal_rate(void **state)
{
	const int n = campaigns(4000);
	double base[10], treat[10];
	const struct ct_group from = {base, 10, 1, 0}, to = {treat, 10, 1, 0};
	struct ct_rng rng;
	int alarms = 0;

	(void)state;
	ct_rng_seed(&rng, 5);
	for (int i = 0; i < n; i++) {
		struct ct_paired summary;

		for (size_t b = 0; b < 10; b++) {
			base[b] = 0.02 * normal(&rng);
			treat[b] = 0.05 * normal(&rng);
		}
		assert_true(ct_welch_summary(&from, &to, &summary));
		alarms += ct_paired_p_two_sided(&summary, 1) < 0.05;
	}
	assert_rate(alarms, n, 0.05, 0.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_error_of_a_pooled_share_is_that_of_its_blocks),
		cmocka_unit_test(blocks_that_agree_too_well_are_worth_their_samples),
		cmocka_unit_test(what_blocks_can_not_tell_is_not_a_number),
		cmocka_unit_test(dependence_shrinks_the_effective_size),
		cmocka_unit_test(two_groups_agree_with_welch),
		cmocka_unit_test(slow_wandering_widens_the_interval),
		cmocka_unit_test(groups_without_spread_or_blocks_are_refused),
		cmocka_unit_test(equal_groups_differ_at_the_nominal_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
