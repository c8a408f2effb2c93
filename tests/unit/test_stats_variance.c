/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Analysis of variance on NIST's certified sets, omega squared, and nested random effects. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/nested.h"
#include "harness/stats/variance.h"
#include "tests/stats/nist/anova.h"
#include "tests/stats/simulate.h"

/* Decimal digits that found and certified share. */
static double digits(double found, double certified)
{
	return found == certified ? 15 : -log10(fabs(found - certified) / fabs(certified));
}

static double *nist_data(const struct nist_anova *set)
{
	const int centre[] = {4, 3, 5, 3, 5, 3, 5, 3, 5};
	size_t n = set->treatments * set->replicates;
	double *y = malloc(n * sizeof *y);

	assert_non_null(y);
	for (size_t i = 0; i < n; i++) {
		size_t treatment = i / set->replicates, place = i % set->replicates;
		int tenths = place == 0 ? 0 : place % 2 ? -1 : 1;

		if (set->offset > 0)
			y[i] = (set->offset * 10 + centre[treatment] + tenths) / 10;
		else
			y[i] = n == 25 ? nist_sirstv[i] : nist_atmwtag[i];
	}
	return y;
}

static void certified_values_are_reached(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof nist_anova / sizeof *nist_anova; i++) {
		const struct nist_anova *set = &nist_anova[i];
		double *y = nist_data(set);
		struct ct_anova a;
		size_t sizes[9];

		for (size_t g = 0; g < set->treatments; g++)
			sizes[g] = set->replicates;
		assert_true(ct_anova_one_way(y, sizes, set->treatments, 0.95, &a));
		print_message("%-8s digits: F %.1f, between %.1f, within %.1f, R2 %.1f, sd %.1f; "
			      "of exact F %.1f\n",
			      set->name, digits(a.f, set->f), digits(a.between_ms, set->between_ms),
			      digits(a.within_ms, set->within_ms),
			      digits(a.r_squared, set->r_squared),
			      digits(a.residual_sd, set->residual_sd), digits(a.f, set->exact));
		assert_true(digits(a.f, set->f) >= set->digits);
		assert_true(digits(a.between_ms, set->between_ms) >= set->digits);
		assert_true(digits(a.within_ms, set->within_ms) >= set->digits);
		assert_true(digits(a.r_squared, set->r_squared) >= set->digits);
		assert_true(digits(a.residual_sd, set->residual_sd) >= set->digits);
		assert_true(digits(a.f, set->exact) >= 13);
		free(y);
	}
}

static void what_has_no_anova_is_refused(void **state)
{
	const double y[] = {1, 2, 3, 4}, flat[] = {1, 1, 2, 2}, bad[] = {1, 2, NAN, 4};
	const size_t pair[] = {2, 2}, single[] = {1, 1}, hole[] = {4, 0};
	struct ct_anova a;

	(void)state;
	assert_false(ct_anova_one_way(y, pair, 1, 0.95, &a));
	assert_false(ct_anova_one_way(y, single, 2, 0.95, &a));
	assert_false(ct_anova_one_way(y, hole, 2, 0.95, &a));
	assert_false(ct_anova_one_way(flat, pair, 2, 0.95, &a));
	assert_false(ct_anova_one_way(bad, pair, 2, 0.95, &a));
	assert_true(isnan(a.f) && isnan(a.omega_squared.value));
}

static void omega_squared_is_unbiased_enough_and_covered(void **state)
{
	/* Three groups at -1, 0, 1 with unit noise: effect variance 2/3, so omega squared is 0.4.
	 */
	int n = campaigns(500), hits = 0, null_hits = 0;
	double sum = 0, r_squared = 0;
	const size_t sizes[] = {10, 10, 10};
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 31);
	for (int i = 0; i < n; i++) {
		double y[30];
		struct ct_anova a;

		for (size_t k = 0; k < 30; k++)
			y[k] = (double)(k / 10) - 1 + normal(&rng);
		assert_true(ct_anova_one_way(y, sizes, 3, 0.95, &a));
		sum += a.omega_squared.value;
		r_squared += a.r_squared;
		hits += a.omega_squared.lo <= 0.4 && 0.4 <= a.omega_squared.hi;
		for (size_t k = 0; k < 30; k++)
			y[k] = normal(&rng);
		assert_true(ct_anova_one_way(y, sizes, 3, 0.95, &a));
		null_hits += a.omega_squared.lo == 0;
	}
	assert_near(sum / n, 0.4, 0.03);
	assert_true(r_squared / n > 0.42);
	assert_rate(hits, n, 0.95, 0.95);
	assert_rate(null_hits, n, 0.975, 0.975); /* only the lower side can miss zero */
}

enum { NESTED_BLOCKS = 10, PHASES = 4, EPOCHS = 8 };

struct truth {
	double epoch, phase, block, effect; /* standard deviations; difference of the two states */
	double within;                      /* variance of a sample inside an epoch */
};

static void simulate_nested(const struct truth *t, struct ct_rng *rng, double *epochs,
			    struct ct_nested_phase *phases)
{
	for (uint32_t b = 0, p = 0; b < NESTED_BLOCKS; b++) {
		double of_block = t->block * normal(rng);

		for (uint32_t k = 0; k < PHASES; k++, p++) {
			uint32_t co_tenant = k == 1 || k == 2; /* ABBA */
			double of_phase =
				of_block + t->phase * normal(rng) + (co_tenant ? t->effect : 0);

			for (size_t e = 0; e < EPOCHS; e++)
				epochs[p * EPOCHS + e] = of_phase + t->epoch * normal(rng) +
							 sqrt(t->within / 100) * normal(rng);
			phases[p] = (struct ct_nested_phase){b,      co_tenant, epochs + p * EPOCHS,
							     EPOCHS, t->within, 100};
		}
	}
}

/* Balanced data without negative components: REML is the classical analysis of variance. */
static void balanced_reml_is_the_classical_analysis(void **state)
{
	const struct truth t = {0.1, 0.2, 0.5, 0.3, 0.01};
	double epochs[NESTED_BLOCKS * PHASES * EPOCHS], epoch_ms = 0, phase_ms = 0, block_ms = 0;
	double phase_mean[NESTED_BLOCKS][PHASES], block_mean[NESTED_BLOCKS] = {0}, grand = 0;
	double state_mean[2] = {0};
	struct ct_nested_phase phases[NESTED_BLOCKS * PHASES];
	struct ct_nested out;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 32);
	simulate_nested(&t, &rng, epochs, phases);
	for (size_t b = 0; b < NESTED_BLOCKS; b++) {
		for (size_t k = 0; k < PHASES; k++) {
			const double *y = epochs + (b * PHASES + k) * EPOCHS;

			phase_mean[b][k] = 0;
			for (size_t e = 0; e < EPOCHS; e++)
				phase_mean[b][k] += y[e] / EPOCHS;
			for (size_t e = 0; e < EPOCHS; e++)
				epoch_ms += pow(y[e] - phase_mean[b][k], 2);
			block_mean[b] += phase_mean[b][k] / PHASES;
			state_mean[k == 1 || k == 2] += phase_mean[b][k] / (NESTED_BLOCKS * 2);
		}
		grand += block_mean[b] / NESTED_BLOCKS;
	}
	for (size_t b = 0; b < NESTED_BLOCKS; b++) {
		block_ms += pow(block_mean[b] - grand, 2);
		for (size_t k = 0; k < PHASES; k++)
			phase_ms += pow(phase_mean[b][k] - block_mean[b] -
						(state_mean[k == 1 || k == 2] - grand),
					2);
	}
	epoch_ms /= NESTED_BLOCKS * PHASES * (EPOCHS - 1);
	phase_ms /= NESTED_BLOCKS * (PHASES - 1) - 1;
	block_ms /= NESTED_BLOCKS - 1;
	assert_true(ct_nested_components(phases, NESTED_BLOCKS * PHASES, 0.95, 2000, &rng, &out));
	assert_near(out.between_epoch.value / (epoch_ms - 0.0001), 1, 1e-6);
	assert_near(out.between_phase.value / (phase_ms - epoch_ms / EPOCHS), 1, 1e-6);
	assert_near(out.between_block.value / (block_ms - phase_ms / PHASES), 1, 1e-6);
	assert_near(out.state_mean[0], state_mean[0], 1e-9);
	assert_near(out.state_mean[1], state_mean[1], 1e-9);
	assert_near(out.within_epoch.value, 0.01, 1e-15);
	assert_true(out.phase_estimated && out.block_estimated && !out.phase_truncated);
}

struct hits {
	int epoch, phase, block, cotenant, omega, n;
};

static bool inside(const struct ct_interval *interval, double truth)
{
	return interval->lo <= truth && truth <= interval->hi;
}

static struct hits nested_coverage(const struct truth *t, uint64_t seed)
{
	double cotenant = t->effect * t->effect / 4;
	double epoch = t->epoch * t->epoch, phase = t->phase * t->phase,
	       block = t->block * t->block;
	double omega = cotenant / (cotenant + epoch + phase + block + t->within);
	struct hits hits = {.n = campaigns(200)};
	struct ct_rng rng;

	ct_rng_seed(&rng, seed);
	for (int i = 0; i < hits.n; i++) {
		double epochs[NESTED_BLOCKS * PHASES * EPOCHS];
		struct ct_nested_phase phases[NESTED_BLOCKS * PHASES];
		struct ct_nested out;

		simulate_nested(t, &rng, epochs, phases);
		assert_true(ct_nested_components(phases, NESTED_BLOCKS * PHASES, 0.95, 500, &rng,
						 &out));
		hits.epoch += inside(&out.between_epoch, epoch);
		hits.phase += inside(&out.between_phase, phase);
		hits.block += inside(&out.between_block, block);
		hits.cotenant += inside(&out.cotenant, cotenant);
		hits.omega += inside(&out.omega_squared, omega);
	}
	return hits;
}

static void component_intervals_cover(void **state)
{
	const struct truth t = {0.1, 0.2, 0.3, 0.4, 0.02};
	struct hits hits = nested_coverage(&t, 33);

	(void)state;
	assert_rate(hits.epoch, hits.n, 0.94, 0.97);
	assert_rate(hits.phase, hits.n, 0.94, 0.97);
	assert_rate(hits.block, hits.n, 0.94, 0.97);
	assert_rate(hits.cotenant, hits.n, 0.94, 0.97);
	assert_rate(hits.omega, hits.n, 0.94, 0.98);
}

/* Nothing of the co-tenant, nothing of the phases: the intervals must reach zero. */
static void component_intervals_reach_zero(void **state)
{
	const struct truth t = {0.1, 0, 0.05, 0, 0.01};
	struct hits hits = nested_coverage(&t, 34);

	(void)state;
	assert_rate(hits.phase, hits.n, 0.95, 0.995);
	assert_rate(hits.cotenant, hits.n, 0.95, 0.99);
	assert_rate(hits.omega, hits.n, 0.95, 0.99);
}

static void a_lost_phase_and_short_phases_are_no_obstacle(void **state)
{
	const struct truth t = {0.1, 0.1, 0.3, 1, 0.01};
	double epochs[NESTED_BLOCKS * PHASES * EPOCHS];
	struct ct_nested_phase phases[NESTED_BLOCKS * PHASES];
	struct ct_nested out;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 35);
	simulate_nested(&t, &rng, epochs, phases);
	phases[3] = phases[NESTED_BLOCKS * PHASES - 1]; /* out of order, one lost */
	phases[5].n_epochs = 1;
	phases[7].n_epochs = 3;
	assert_true(
		ct_nested_components(phases, NESTED_BLOCKS * PHASES - 1, 0.95, 1000, &rng, &out));
	assert_near(out.state_mean[1] - out.state_mean[0], 1, 0.2);
	assert_true(inside(&out.cotenant, 0.25) && inside(&out.between_epoch, 0.01));
}

static void designs_without_replication_say_so(void **state)
{
	const double quiet[] = {1, 1.2, 0.9, 1.1}, loud[] = {2, 2.1, 1.8, 2.2};
	struct ct_nested_phase phases[] = {{0, 0, quiet, 4, 0, 1}, {0, 1, loud, 4, 0, 1}};
	const double broken[] = {1, NAN};
	struct ct_nested out;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 36);
	/* One block, one phase a state: the difference stands against the epochs only. */
	assert_true(ct_nested_components(phases, 2, 0.95, 500, &rng, &out));
	assert_false(out.phase_estimated || out.block_estimated);
	assert_near(out.between_phase.value, 0, 0);
	assert_near(out.between_block.value, 0, 0);
	assert_near(out.state_mean[1] - out.state_mean[0], 0.975, 1e-12);
	assert_false(ct_nested_components(phases, 1, 0.95, 500, &rng, &out));
	assert_true(isnan(out.omega_squared.value));
	phases[1].block = 2; /* block 1 does not exist */
	assert_false(ct_nested_components(phases, 2, 0.95, 500, &rng, &out));
	phases[1].block = 0;
	phases[1].state = CT_NESTED_STATES;
	assert_false(ct_nested_components(phases, 2, 0.95, 500, &rng, &out));
	phases[1] = (struct ct_nested_phase){0, 1, broken, 2, 0, 1};
	assert_false(ct_nested_components(phases, 2, 0.95, 500, &rng, &out));
}

/* Many states at once, as in a matrix of aggressors: the share is right for more than two means. */
static void many_states_share_the_variance(void **state)
{
	enum { STATES = 6, BLOCKS = 12 };
	double epochs[STATES * BLOCKS][4];
	struct ct_nested_phase phases[STATES * BLOCKS];
	int n = campaigns(100), hits = 0;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 37);
	for (int i = 0; i < n; i++) {
		struct ct_nested out;

		for (uint32_t p = 0; p < STATES * BLOCKS; p++) {
			double of_phase = 0.3 * (p % STATES) + 0.2 * normal(&rng);

			for (size_t e = 0; e < 4; e++)
				epochs[p][e] = of_phase + 0.1 * normal(&rng);
			phases[p] = (struct ct_nested_phase){p / STATES, p % STATES, epochs[p],
							     4,          0,          1};
		}
		assert_true(ct_nested_components(phases, STATES * BLOCKS, 0.95, 300, &rng, &out));
		/* Variance of 0, 0.3 .. 1.5 is 0.09 * 35/12; phase 0.04, epoch 0.01, block 0. */
		hits += inside(&out.omega_squared, 0.2625 / (0.2625 + 0.05));
	}
	assert_rate(hits, n, 0.93, 0.98);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certified_values_are_reached),
		cmocka_unit_test(what_has_no_anova_is_refused),
		cmocka_unit_test(omega_squared_is_unbiased_enough_and_covered),
		cmocka_unit_test(balanced_reml_is_the_classical_analysis),
		cmocka_unit_test(component_intervals_cover),
		cmocka_unit_test(component_intervals_reach_zero),
		cmocka_unit_test(a_lost_phase_and_short_phases_are_no_obstacle),
		cmocka_unit_test(designs_without_replication_say_so),
		cmocka_unit_test(many_states_share_the_variance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
