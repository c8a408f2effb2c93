/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/*
 * Looking after every block: the error rate stays what it was promised to be, and campaigns that
 * stop when they are decided come to the verdicts of a fixed plan in less than half of its time.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/paired.h"
#include "harness/stats/sequential.h"
#include "tests/stats/simulate.h"

static void intervals_begin_wide_and_narrow(void **state)
{
	double before = INFINITY;

	(void)state;
	assert_true(isnan(ct_sequential_t(1, 0.95)));
	assert_true(isnan(ct_sequential_t(5, 1)));
	assert_true(isinf(ct_sequential_t(2, 0.95)));
	for (size_t n = 4; n < 1000; n++) {
		double radius = ct_sequential_t(n, 0.95) / sqrt((double)n);

		assert_true(radius < before);
		before = radius;
	}
	/* Never narrower than what one look at n allows. */
	for (size_t n = 4; n < 200; n++)
		assert_true(ct_sequential_t(n, 0.95) > ct_t_quantile(0.975, (double)n - 1));
}

static void equal_ratios_decide_as_soon_as_there_is_an_interval(void **state)
{
	struct ct_sequential_cell cells[2] = {{0}};
	struct ct_sequential sequential = {.margin = log(1.02),
					   .confidence = 0.95,
					   .cells = cells,
					   .n_cells = 2,
					   .budget = 20};

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(cells[0].verdict, CT_SEQUENTIAL_OPEN);
		ct_sequential_add(&sequential, 0, 0.1);
		ct_sequential_add(&sequential, 1, -0.1);
	}
	assert_int_equal(cells[0].verdict, CT_SEQUENTIAL_ABOVE);
	assert_int_equal(cells[1].verdict, CT_SEQUENTIAL_BELOW);
	assert_false(ct_sequential_wants(&sequential, 0, true));
	assert_int_equal(sequential.spent, 8);
}

static void a_block_without_a_ratio_is_spent_and_decides_nothing(void **state)
{
	struct ct_sequential_cell cells[1] = {{0}};
	struct ct_sequential sequential = {
		.margin = 0.02, .confidence = 0.95, .cells = cells, .n_cells = 1, .budget = 3};

	(void)state;
	ct_sequential_add(&sequential, 0, NAN);
	assert_int_equal(cells[0].n, 0);
	assert_true(isnan(ct_sequential_interval(&cells[0], 0.95).value));
	assert_true(ct_sequential_wants(&sequential, 0, true));
	ct_sequential_add(&sequential, 0, 0.5);
	ct_sequential_add(&sequential, 0, 0.5);
	assert_false(ct_sequential_wants(&sequential, 0, true)); /* the budget is spent */
	sequential.budget = 100;
	ct_sequential_close(&sequential, 0);
	assert_false(ct_sequential_wants(&sequential, 0, true));
}

/* A cell that sits on the margin can't be decided: it waits until the others are. */
static void what_can_not_be_decided_comes_last(void **state)
{
	struct ct_sequential_cell cells[2] = {{0}};
	struct ct_sequential sequential = {
		.margin = 0.02, .confidence = 0.95, .cells = cells, .n_cells = 2, .budget = 60};

	(void)state;
	for (int i = 0; i < 6; i++) {
		ct_sequential_add(&sequential, 0, 0.02 + (i % 2 ? 0.01 : -0.01));
		ct_sequential_add(&sequential, 1, 0.00 + (i % 2 ? 0.012 : -0.012));
	}
	assert_int_equal(ct_sequential_need(&sequential, 0), SIZE_MAX);
	assert_in_range(ct_sequential_need(&sequential, 1), 7, 20);
	assert_false(ct_sequential_wants(&sequential, 0, false));
	assert_true(ct_sequential_wants(&sequential, 0, true));
	assert_true(ct_sequential_wants(&sequential, 1, false));
}

/* Over 60 looks; a single look at n is wrong in 5 %, sixty of them in more than 20 %. */
static void sixty_looks_are_wrong_as_rarely_as_one(void **state)
{
	int n = campaigns(3000), ever = 0, naive = 0;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 21);
	for (int i = 0; i < n; i++) {
		struct ct_sequential_cell cell = {0};
		struct ct_sequential sequential = {.margin = INFINITY,
						   .confidence = 0.95,
						   .cells = &cell,
						   .n_cells = 1,
						   .budget = 60};
		bool missed = false, fooled = false;

		for (int k = 0; k < 60; k++) {
			struct ct_interval interval;

			ct_sequential_add(&sequential, 0, 0.03 * normal(&rng));
			cell.verdict = CT_SEQUENTIAL_OPEN;
			interval = ct_sequential_interval(&cell, 0.95);
			missed |= interval.lo > 0 || interval.hi < 0;
			if (cell.n >= 4)
				fooled |= fabs(cell.mean) *
						  sqrt((double)cell.n * (double)(cell.n - 1) /
						       cell.squares) >
					  ct_t_quantile(0.975, (double)cell.n - 1);
		}
		ever += missed;
		naive += fooled;
	}
	assert_rate(ever, n, 0, 0.05);
	assert_rate(naive, n, 0.15, 0.4);
}

/* ---- Campaigns: the same blocks handed to a fixed plan and to one that stops ---- */

enum { CELLS = 12, FIXED = 24, REACH = 4 * FIXED };

struct campaign {
	double truth[CELLS];
	double ratio[CELLS][REACH];
};

/* Half of the cells undisturbed, the others slowed by 0 to 12 %; blocks differ by 0.5 to 2 %. */
static void draw_campaign(struct campaign *campaign, struct ct_rng *rng)
{
	for (size_t c = 0; c < CELLS; c++) {
		double sd = 0.005 + 0.015 * ct_rng_uniform(rng);

		campaign->truth[c] = c % 2 ? log1p(0.12 * ct_rng_uniform(rng)) : 0;
		for (size_t b = 0; b < REACH; b++)
			campaign->ratio[c][b] = campaign->truth[c] + sd * normal(rng);
	}
}

static enum ct_sequential_verdict fixed_verdict(const double *ratio, double margin)
{
	struct ct_paired paired;

	assert_true(ct_paired_summary_of_logs(ratio, FIXED, &paired));
	if (ct_paired_p_greater(&paired, exp(margin)) <= 0.025)
		return CT_SEQUENTIAL_ABOVE;
	if (ct_paired_p_less(&paired, exp(margin)) <= 0.025)
		return CT_SEQUENTIAL_BELOW;
	return CT_SEQUENTIAL_OPEN;
}

/* The earliest block of the plan whose cell wants one; false: nobody does. */
static bool give_next(struct ct_sequential *sequential, const struct campaign *campaign,
		      size_t *given, bool even_hopeless)
{
	for (size_t b = 0; b < REACH; b++) {
		for (size_t c = 0; c < CELLS; c++) {
			if (given[c] != b || !ct_sequential_wants(sequential, c, even_hopeless))
				continue;
			ct_sequential_add(sequential, c, campaign->ratio[c][given[c]++]);
			return true;
		}
	}
	return false;
}

static void the_verdicts_of_a_fixed_plan_in_half_of_its_time(void **state)
{
	int n = campaigns(50), cells = 0, same = 0, wrong = 0, fixed_decided = 0;
	double spent = 0;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 22);
	for (int i = 0; i < n; i++) {
		static struct campaign campaign;
		struct ct_sequential_cell cell[CELLS] = {{0}};
		struct ct_sequential sequential = {.margin = log(1.03),
						   .confidence = 0.95,
						   .cells = cell,
						   .n_cells = CELLS,
						   .budget = CELLS * FIXED};
		size_t given[CELLS] = {0};

		draw_campaign(&campaign, &rng);
		/* As `run --until` does it: it ends when what is left can't decide anything. */
		while (give_next(&sequential, &campaign, given, false))
			;
		spent += (double)sequential.spent / (CELLS * FIXED);
		for (size_t c = 0; c < CELLS; c++) {
			enum ct_sequential_verdict fixed =
				fixed_verdict(campaign.ratio[c], sequential.margin);

			cells++;
			wrong += cell[c].verdict == (campaign.truth[c] > sequential.margin
							     ? CT_SEQUENTIAL_BELOW
							     : CT_SEQUENTIAL_ABOVE);
			if (fixed == CT_SEQUENTIAL_OPEN)
				continue;
			fixed_decided++;
			same += cell[c].verdict == fixed;
		}
	}
	print_message(
		"%.0f %% of the blocks; %d of %d verdicts of the fixed plan reached, %d of %d "
		"cells wrong\n",
		100 * spent / n, same, fixed_decided, wrong, cells);
	assert_true(spent / n <= 0.5);
	assert_rate(same, fixed_decided, 0.97, 1);
	assert_rate(wrong, cells, 0, 0.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_begin_wide_and_narrow),
		cmocka_unit_test(equal_ratios_decide_as_soon_as_there_is_an_interval),
		cmocka_unit_test(a_block_without_a_ratio_is_spent_and_decides_nothing),
		cmocka_unit_test(what_can_not_be_decided_comes_last),
		cmocka_unit_test(sixty_looks_are_wrong_as_rarely_as_one),
		cmocka_unit_test(the_verdicts_of_a_fixed_plan_in_half_of_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
