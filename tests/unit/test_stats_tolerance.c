/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Guarantees and planning: Wilks's numbers, kept promises, and plans that deliver their power. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/paired.h"
#include "harness/stats/tolerance.h"
#include "harness/stats/tost.h"
#include "tests/stats/simulate.h"

/* Wilks 1941: draws for the maximum to bound a quantile at 95 % confidence. */
static void published_sample_sizes_are_reproduced(void **state)
{
	const struct {
		double p;
		uint64_t needs;
	} table[] = {{0.9, 29}, {0.95, 59}, {0.99, 299}, {0.999, 2995}, {0.9999, 29956}};
	struct ct_tolerance t;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_true(ct_tolerance_upper(table[i].needs, table[i].p, 0.95, &t));
		assert_int_equal(t.needs, table[i].needs);
		assert_int_equal(t.rank, table[i].needs);
		assert_int_equal(t.needs_more, 0);
		assert_true(t.achieved >= 0.95);
		assert_true(ct_tolerance_upper(table[i].needs - 1, table[i].p, 0.95, &t));
		assert_int_equal(t.rank, 0);
		assert_int_equal(t.needs_more, 1);
		assert_true(t.achieved < 0.95);
	}
	/* Half the draws at 50 %: a quotient that is exactly whole. */
	assert_true(ct_tolerance_upper(0, 0.5, 0.5, &t));
	assert_int_equal(t.needs, 1);
	assert_int_equal(t.needs_more, 1);
	assert_near(t.achieved, 0, 0);
}

static void more_draws_allow_a_lower_rank(void **state)
{
	struct ct_tolerance t;

	(void)state;
	/* With 93 draws the second largest does for p95 (the next step of Wilks's table). */
	assert_true(ct_tolerance_upper(92, 0.95, 0.95, &t));
	assert_int_equal(t.rank, 92);
	assert_true(ct_tolerance_upper(93, 0.95, 0.95, &t));
	assert_int_equal(t.rank, 92);
	assert_true(ct_tolerance_upper(1000000000, 0.9999, 0.95, &t));
	assert_true(t.rank > 999900000 && t.rank < 999901000);
	assert_true(t.achieved >= 0.95 && t.achieved < 0.952);
	assert_false(ct_tolerance_upper(10, 1, 0.95, &t));
	assert_false(ct_tolerance_upper(10, 0.9, 0, &t));
}

static void the_guarantee_is_kept(void **state)
{
	int n = campaigns(4000), kept = 0;
	struct ct_tolerance t;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 61);
	assert_true(ct_tolerance_upper(150, 0.95, 0.95, &t));
	for (int i = 0; i < n; i++) {
		double x[150];

		for (size_t k = 0; k < 150; k++)
			x[k] = ct_rng_uniform(&rng);
		qsort(x, 150, sizeof *x, ascending_doubles);
		kept += x[t.rank - 1] >= 0.95;
	}
	assert_true(t.achieved >= 0.95);
	assert_rate(kept, n, t.achieved, t.achieved);
}

static void planned_blocks_deliver_their_power(void **state)
{
	size_t blocks = ct_blocks_for_difference(0.05, 1.05, 0.05, 0.9);
	double power = ct_power_difference(blocks, 0.05, 1.05, 0.05);
	int n = campaigns(4000), found = 0;
	struct ct_rng rng;

	(void)state;
	assert_true(power >= 0.9 && ct_power_difference(blocks - 1, 0.05, 1.05, 0.05) < 0.9);
	ct_rng_seed(&rng, 62);
	for (int i = 0; i < n; i++) {
		struct ct_paired paired;
		double logs[64];

		for (size_t k = 0; k < blocks; k++)
			logs[k] = log(1.05) + 0.05 * normal(&rng);
		assert_true(ct_paired_summary_of_logs(logs, blocks, &paired));
		found += ct_paired_p_two_sided(&paired, 1) < 0.05;
	}
	assert_rate(found, n, power, power);
}

static void planned_equivalence_delivers_its_power(void **state)
{
	size_t blocks = ct_blocks_for_equivalence(0.02, 1.005, 0.03, 0.05, 0.8);
	double power = ct_power_equivalence(blocks, 0.02, 1.005, 0.03, 0.05);
	int n = campaigns(4000), found = 0;
	struct ct_rng rng;

	(void)state;
	assert_true(power >= 0.8);
	assert_true(ct_power_equivalence(blocks - 1, 0.02, 1.005, 0.03, 0.05) < 0.8);
	ct_rng_seed(&rng, 63);
	for (int i = 0; i < n; i++) {
		struct ct_paired paired;
		struct ct_tost tost;
		double logs[64];

		for (size_t k = 0; k < blocks; k++)
			logs[k] = log(1.005) + 0.02 * normal(&rng);
		assert_true(ct_paired_summary_of_logs(logs, blocks, &paired));
		assert_true(ct_tost_paired(&paired, 0.03, 0.05, &tost));
		found += tost.p_equivalent < 0.05;
	}
	assert_rate(found, n, power, power);
}

static void the_detectable_effect_inverts_the_plan(void **state)
{
	double ratio = ct_minimum_detectable_ratio(10, 0.03, 0.05, 0.9);

	(void)state;
	assert_near(ct_power_difference(10, 0.03, ratio, 0.05), 0.9, 1e-7);
	assert_near(ct_power_difference(10, 0.03, 1 / ratio, 0.05), 0.9, 1e-7);
	assert_near(ct_power_difference(10, 0.03, 1, 0.05), 0.05, 1e-9);
	assert_true(ct_minimum_detectable_ratio(2, 20, 0.05, 0.9) == INFINITY);
	assert_true(ct_blocks_for_width(0.05, 0.02, 0.95) > ct_blocks_for_width(0.05, 0.05, 0.95));
}

/* Numbers of blocks that share a slot take it from each other, and nothing else. */
static void what_is_kept_of_a_detectable_effect_changes_no_answer(void **state)
{
	struct ct_detectable known = {.alpha = 0.05, .power = 0.8};

	(void)state;
	for (int times = 0; times < 2; times++) {
		for (size_t blocks = 2; blocks < 8; blocks++) {
			for (size_t far = 0; far < 2; far++) {
				size_t n = blocks + far * CT_DETECTABLE_SLOTS;
				double sd = 0.01 * (double)n;

				assert_near(ct_detectable_ratio(&known, n, sd),
					    ct_minimum_detectable_ratio(n, sd, 0.05, 0.8), 0);
			}
		}
	}
	assert_true(isnan(ct_detectable_ratio(&known, 1, 0.1)));
	assert_true(isnan(ct_detectable_ratio(&known, 5, NAN)));
	known.power = known.alpha;
	assert_true(isnan(ct_detectable_ratio(&known, 5, 0.1)));
}

static void plans_that_cannot_work_say_so(void **state)
{
	(void)state;
	assert_int_equal(ct_blocks_for_equivalence(0.02, 1.03, 0.03, 0.05, 0.8), 0);
	assert_int_equal(ct_blocks_for_equivalence(0.02, 0.9, 0.03, 0.05, 0.8), 0);
	assert_int_equal(ct_blocks_for_difference(0.02, 1, 0.05, 0.8), 0);
	assert_int_equal(ct_blocks_for_difference(100, 1.0001, 0.05, 0.8), 0);
	assert_int_equal(ct_blocks_for_difference(NAN, 1.1, 0.05, 0.8), 0);
	assert_int_equal(ct_blocks_for_width(0.02, 0, 0.95), 0);
	assert_true(isnan(ct_power_difference(1, 0.02, 1.1, 0.05)));
	assert_true(isnan(ct_power_equivalence(5, 0.02, 1.1, 0, 0.05)));
	assert_true(isnan(ct_minimum_detectable_ratio(5, 0, 0.05, 0.9)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_sample_sizes_are_reproduced),
		cmocka_unit_test(more_draws_allow_a_lower_rank),
		cmocka_unit_test(the_guarantee_is_kept),
		cmocka_unit_test(planned_blocks_deliver_their_power),
		cmocka_unit_test(planned_equivalence_delivers_its_power),
		cmocka_unit_test(the_detectable_effect_inverts_the_plan),
		cmocka_unit_test(what_is_kept_of_a_detectable_effect_changes_no_answer),
		cmocka_unit_test(plans_that_cannot_work_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
