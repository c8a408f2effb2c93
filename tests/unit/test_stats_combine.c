/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Several loads at once: each rule in closed form, and weights that find the rule of a world. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/core/rng.h"
#include "harness/stats/combine.h"
#include "harness/stats/distributions.h"

enum { BINS = 20000, CELLS = 40 };

/* A lognormal of which `share` is slowed down by `factor`. */
static void lognormal(struct ct_profile *profile, double share, double factor)
{
	static struct ct_bin bins[BINS];
	const double sigma = 0.2;
	double x = exp(-8 * sigma), step = exp(16 * sigma / BINS) * pow(factor, 1.0 / BINS);

	for (size_t i = 0; i < BINS; i++, x *= step) {
		double below[2];

		for (size_t k = 0; k < 2; k++) {
			const double edge = log(k ? x * step : x);

			below[k] = (1 - share) * ct_normal_cdf(edge / sigma) +
				   share * ct_normal_cdf((edge - log(factor)) / sigma);
		}
		bins[i] = (struct ct_bin){x, (uint64_t)llround(1e12 * (below[1] - below[0])) + 1};
	}
	assert_true(ct_profile_make(profile, bins, BINS, 1));
}

static void profiles_give_quantiles_and_shares_back(void **state)
{
	struct ct_profile profile;

	(void)state;
	lognormal(&profile, 0, 1);
	for (double q = 0.01; q < 0.995; q += 0.01) {
		const double log_x = 0.2 * ct_normal_quantile(q);

		assert_true(fabs(ct_profile_quantile(&profile, q) - log_x) < 1e-3);
		assert_true(fabs(ct_profile_above(&profile, log_x) - (1 - q)) < 3e-3);
	}
	assert_true(ct_profile_above(&profile, -10) == 1);
	assert_true(ct_profile_above(&profile, 10) == 0);
	assert_false(ct_profile_make(&profile, NULL, 0, 1));
}

static void rules_are_what_they_say(void **state)
{
	static struct ct_profile flat;
	const struct ct_alone two[] = {{log(1.5), &flat, &flat}, {log(1.25), &flat, &flat}};
	double worlds[CT_WORLDS];

	(void)state;
	lognormal(&flat, 0, 1);
	ct_combine(two, 2, 0.5, worlds);
	assert_true(fabs(exp(worlds[CT_WORLD_LARGER]) - 1.5) < 1e-12);
	assert_true(fabs(exp(worlds[CT_WORLD_SUM]) - 1.75) < 1e-12);
	assert_true(fabs(exp(worlds[CT_WORLD_PRODUCT]) - 1.875) < 1e-12);
	/* Utilisations 1/3 and 1/5. */
	assert_true(fabs(exp(worlds[CT_WORLD_QUEUE]) - 15.0 / 7) < 1e-12);
	/* One load is itself by every rule. */
	ct_combine(two, 1, 0.5, worlds);
	for (size_t w = 0; w < CT_WORLDS; w++)
		assert_true(fabs(worlds[w] - log(1.5)) < 1e-6);
}

static void no_rule_leaves_the_finite(void **state)
{
	static struct ct_profile flat;
	double slowdowns[] = {-3, -0.5, 0, 0.5, 3};

	(void)state;
	lognormal(&flat, 0, 1);
	for (size_t i = 0; i < 5; i++) {
		for (size_t j = 0; j < 5; j++) {
			const struct ct_alone two[] = {{slowdowns[i], &flat, &flat},
						       {slowdowns[j], &flat, &flat}};
			double worlds[CT_WORLDS];

			ct_combine(two, 2, 0.99, worlds);
			for (size_t w = 0; w < CT_WORLDS; w++)
				assert_true(isfinite(worlds[w]));
			/* Loads that delay wait for each other as well. */
			if (slowdowns[i] >= 0 && slowdowns[j] >= 0)
				assert_true(worlds[CT_WORLD_QUEUE] >=
					    worlds[CT_WORLD_PRODUCT] - 1e-9);
		}
	}
}

/* A third of the samples each, doubled: no median moves much alone, and two thirds move it. */
static void loads_in_turns_add_in_shares(void **state)
{
	static struct ct_profile baseline, treatment, both;
	double alone, worlds[CT_WORLDS], truth;

	(void)state;
	lognormal(&baseline, 0, 1);
	lognormal(&treatment, 0.33, 2);
	lognormal(&both, 0.66, 2);
	alone = ct_profile_quantile(&treatment, 0.5) - ct_profile_quantile(&baseline, 0.5);
	truth = ct_profile_quantile(&both, 0.5) - ct_profile_quantile(&baseline, 0.5);
	const struct ct_alone two[] = {{alone, &baseline, &treatment},
				       {alone, &baseline, &treatment}};

	ct_combine(two, 2, 0.5, worlds);
	assert_true(truth > 2.5 * alone);
	assert_true(fabs(worlds[CT_WORLD_TURNS] - truth) < 0.01);
}

/* Weights learn the rule of a world, and say of new cells what it would. */
static void weights_find_the_rule(void **state)
{
	static struct ct_profile flat;
	struct ct_rng rng;

	(void)state;
	lognormal(&flat, 0, 1);
	ct_rng_seed(&rng, 7);
	for (size_t world = 0; world < CT_WORLDS; world++) {
		struct ct_stack stack = {0};
		double weights[CT_WORLDS], sum = 0, worlds[CT_WORLDS];

		for (size_t i = 0; i < CELLS; i++) {
			const struct ct_alone two[] = {{0.5 * ct_rng_uniform(&rng), &flat, &flat},
						       {0.5 * ct_rng_uniform(&rng), &flat, &flat}};

			ct_combine(two, 2, 0.5, worlds);
			ct_stack_add(&stack, worlds, worlds[world], 1e-5, 1);
		}
		ct_stack_weights(&stack, ct_world_prior, weights);
		for (size_t w = 0; w < CT_WORLDS; w++) {
			assert_true(weights[w] >= 0);
			sum += weights[w];
		}
		assert_true(fabs(sum - 1) < 1e-9);
		const struct ct_alone two[] = {{0.3, &flat, &flat}, {0.3, &flat, &flat}};

		ct_combine(two, 2, 0.5, worlds);
		assert_true(fabs(ct_worlds_mean(worlds, weights) - worlds[world]) <
			    0.1 * ct_worlds_spread(worlds));
	}
}

static void without_data_the_prior_stands_and_what_is_taken_away_is_gone(void **state)
{
	static struct ct_profile flat;
	const struct ct_alone two[] = {{0.4, &flat, &flat}, {0.2, &flat, &flat}};
	struct ct_stack stack = {0};
	double weights[CT_WORLDS], worlds[CT_WORLDS];

	(void)state;
	lognormal(&flat, 0, 1);
	ct_combine(two, 2, 0.5, worlds);
	for (size_t i = 0; i < CELLS; i++)
		ct_stack_add(&stack, worlds, worlds[CT_WORLD_LARGER], 1e-5, 1);
	ct_stack_weights(&stack, ct_world_prior, weights);
	assert_true(weights[CT_WORLD_LARGER] > 2 * ct_world_prior[CT_WORLD_LARGER]);
	for (size_t i = 0; i < CELLS; i++)
		ct_stack_add(&stack, worlds, worlds[CT_WORLD_LARGER], 1e-5, -1);
	ct_stack_weights(&stack, ct_world_prior, weights);
	for (size_t w = 0; w < CT_WORLDS; w++)
		assert_true(fabs(weights[w] - ct_world_prior[w]) < 1e-9);
}

/* A cell whose measurement is all noise can't move the weights. */
static void noise_does_not_teach(void **state)
{
	static struct ct_profile flat;
	const struct ct_alone two[] = {{0.4, &flat, &flat}, {0.2, &flat, &flat}};
	struct ct_stack stack = {0};
	double weights[CT_WORLDS], worlds[CT_WORLDS];

	(void)state;
	lognormal(&flat, 0, 1);
	ct_combine(two, 2, 0.5, worlds);
	ct_stack_add(&stack, worlds, 2, 1e4, 1);
	ct_stack_weights(&stack, ct_world_prior, weights);
	for (size_t w = 0; w < CT_WORLDS; w++)
		assert_true(fabs(weights[w] - ct_world_prior[w]) < 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_give_quantiles_and_shares_back),
		cmocka_unit_test(rules_are_what_they_say),
		cmocka_unit_test(no_rule_leaves_the_finite),
		cmocka_unit_test(loads_in_turns_add_in_shares),
		cmocka_unit_test(weights_find_the_rule),
		cmocka_unit_test(without_data_the_prior_stands_and_what_is_taken_away_is_gone),
		cmocka_unit_test(noise_does_not_teach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
