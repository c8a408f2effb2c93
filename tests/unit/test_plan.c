/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* The schedule: complete, balanced, random where it should be, and the same for the same seed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/campaign/plan.h"

static const char nine_cells[] =
	"[suite]\nwarmup = 100ms\nmeasure = 400ms\nrecovery = 200ms\n"
	"[tenant t]\n"
	"[victim mem_latency]\n[victim null]\n[victim third]\nkind = null\n"
	"[aggressor membw]\nintensity = 50,100\n[aggressor null]\n";
enum { CELLS = 9 };

static struct ct_job job_of(const char *text, unsigned replicates)
{
	struct ct_error err = {0};
	struct ct_job job;
	char set[64];
	const char *const sets[] = {set};

	snprintf(set, sizeof set, "suite.replicates=%u", replicates);
	if (!ct_job_parse(&job, "plan.ini", text, sets, 1, &err))
		fail_msg("%s", err.text);
	return job;
}

static struct ct_plan plan_of(const struct ct_job *job, uint64_t seed, uint64_t budget_ns)
{
	struct ct_error err = {0};
	struct ct_plan plan;

	if (!ct_plan_make(&plan, job, seed, budget_ns, &err))
		fail_msg("%s", err.text);
	return plan;
}

static void cells_are_all_combinations(void **state)
{
	(void)state;
	struct ct_job job = job_of("[tenant t]\n[victim null]\n[victim mem_latency]\n"
				   "[aggressor membw]\nintensity=25,50,100\n[aggressor null]\n"
				   "[config a]\n[config b]\n",
				   2);
	struct ct_plan plan = plan_of(&job, 1, 0);

	assert_int_equal(plan.n_cells, 2 * 2 * (3 + 1));
	for (size_t i = 0; i < plan.n_cells; i++) {
		const struct ct_cell *cell = &plan.cells[i];
		unsigned same = 0;

		assert_true(cell->config < 2 && cell->victim < 2 && cell->aggressor < 2);
		assert_true(cell->aggressor == 0 || cell->intensity == 100);
		for (size_t k = 0; k < plan.n_cells; k++)
			same += memcmp(cell, &plan.cells[k], sizeof *cell) == 0;
		assert_int_equal(same, 1);
	}
	ct_plan_free(&plan);
	ct_job_free(&job);
}

static void each_replicate_visits_each_cell_once(void **state)
{
	(void)state;
	struct ct_job job = job_of(nine_cells, 7);
	struct ct_plan plan = plan_of(&job, 5, 0);

	assert_int_equal(plan.n_cells, CELLS);
	assert_int_equal(plan.n_visits, 7 * CELLS);
	for (size_t r = 0; r < 7; r++) {
		unsigned seen[CELLS] = {0};

		for (size_t i = 0; i < CELLS; i++) {
			const struct ct_visit *visit = &plan.visits[r * CELLS + i];

			assert_int_equal(visit->block, r);
			seen[visit->cell]++;
		}
		for (size_t cell = 0; cell < CELLS; cell++)
			assert_int_equal(seen[cell], 1);
	}
	ct_plan_free(&plan);
	ct_job_free(&job);
}

static void a_block_is_abba_or_baab_with_recovery_after_the_last_b(void **state)
{
	(void)state;
	struct ct_job job = job_of(nine_cells, 20);
	struct ct_plan plan = plan_of(&job, 6, 0);
	unsigned abba = 0;

	for (size_t i = 0; i < plan.n_visits; i++) {
		char text[CT_PHASES_PER_BLOCK + 1];

		ct_visit_text(&plan.visits[i], text);
		if (strcmp(text, "ABBRA") != 0)
			assert_string_equal(text, "BAABR");
		abba += text[0] == 'A';
	}
	assert_int_equal(abba, plan.n_visits / 2);
	ct_plan_free(&plan);
	ct_job_free(&job);
}

/* With an odd number of blocks one is left over, and which way it goes is random. */
static void half_of_a_cells_blocks_begin_with_the_baseline(void **state)
{
	(void)state;
	for (unsigned replicates = 2; replicates <= 9; replicates++) {
		struct ct_job job = job_of(nine_cells, replicates);
		unsigned more = 0, less = 0;

		for (uint64_t seed = 0; seed < 20; seed++) {
			struct ct_plan plan = plan_of(&job, seed, 0);
			unsigned first[CELLS] = {0};

			for (size_t i = 0; i < plan.n_visits; i++)
				first[plan.visits[i].cell] +=
					plan.visits[i].order[0] == CT_ROLE_BASELINE;
			for (size_t cell = 0; cell < CELLS; cell++) {
				assert_in_range(first[cell], replicates / 2, (replicates + 1) / 2);
				more += 2 * first[cell] > replicates;
				less += 2 * first[cell] < replicates;
			}
			ct_plan_free(&plan);
		}
		/* 180 coins: 90 +- 6.7, six standard deviations allowed. */
		if (replicates % 2 == 1)
			assert_true(abs((int)more - (int)less) < 2 * 6 * 6.7);
		ct_job_free(&job);
	}
}

static void the_same_seed_makes_the_same_plan(void **state)
{
	(void)state;
	struct ct_job job = job_of(nine_cells, 4);
	struct ct_plan a = plan_of(&job, 99, 0), b = plan_of(&job, 99, 0),
		       c = plan_of(&job, 100, 0);
	unsigned same_cell = 0;

	for (size_t i = 0; i < a.n_visits; i++) {
		assert_int_equal(a.visits[i].cell, b.visits[i].cell);
		assert_int_equal(a.visits[i].seed, b.visits[i].seed);
		assert_memory_equal(a.visits[i].order, b.visits[i].order, sizeof a.visits[i].order);
		assert_true(a.visits[i].seed != c.visits[i].seed);
		same_cell += a.visits[i].cell == c.visits[i].cell;
	}
	assert_true(same_cell < a.n_visits);
	ct_plan_free(&a);
	ct_plan_free(&b);
	ct_plan_free(&c);
	ct_job_free(&job);
}

static void every_block_has_a_seed_of_its_own(void **state)
{
	(void)state;
	struct ct_job job = job_of(nine_cells, 10);
	struct ct_plan plan = plan_of(&job, 3, 0);

	for (size_t i = 0; i < plan.n_visits; i++) {
		for (size_t k = 0; k < i; k++)
			assert_true(plan.visits[i].seed != plan.visits[k].seed);
	}
	ct_plan_free(&plan);
	ct_job_free(&job);
}

/* More replicates go on where fewer end: a campaign can be made longer with its order kept. */
static void the_order_of_a_replicate_does_not_depend_on_their_number(void **state)
{
	(void)state;
	struct ct_job few = job_of(nine_cells, 2), many = job_of(nine_cells, 12);
	struct ct_plan a = plan_of(&few, 8, 0), b = plan_of(&many, 8, 0);

	for (size_t i = 0; i < a.n_visits; i++) {
		assert_int_equal(a.visits[i].cell, b.visits[i].cell);
		assert_int_equal(a.visits[i].seed, b.visits[i].seed);
	}
	ct_plan_free(&a);
	ct_plan_free(&b);
	ct_job_free(&few);
	ct_job_free(&many);
}

/* Over many seeds every cell stands at every place equally often, with either order. */
static void cells_are_spread_evenly_over_places(void **state)
{
	(void)state;
	enum { SEEDS = 3000, REPLICATES = 2 };
	const double expected = (double)SEEDS * REPLICATES / CELLS;
	struct ct_job job = job_of(nine_cells, REPLICATES);
	unsigned at[CELLS][CELLS] = {{0}}, baseline_first[CELLS] = {0};
	double places = 0, orders = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct ct_plan plan = plan_of(&job, seed, 0);

		for (size_t i = 0; i < plan.n_visits; i++) {
			at[plan.visits[i].cell][i % CELLS]++;
			baseline_first[i % CELLS] += plan.visits[i].order[0] == CT_ROLE_BASELINE;
		}
		ct_plan_free(&plan);
	}
	for (size_t cell = 0; cell < CELLS; cell++) {
		for (size_t place = 0; place < CELLS; place++)
			places += pow(at[cell][place] - expected, 2) / expected;
	}
	for (size_t place = 0; place < CELLS; place++)
		orders += pow((double)baseline_first[place] - SEEDS, 2) / (SEEDS / 2.0);
	/* 64 and 9 degrees of freedom, six standard deviations above the mean. */
	assert_true(places < 64 + 6 * sqrt(2 * 64.0));
	assert_true(orders < 9 + 6 * sqrt(2 * 9.0));
	ct_job_free(&job);
}

/* Consecutive replicates are shuffled anew: who came last is not the one who comes last again. */
static void replicates_are_shuffled_independently(void **state)
{
	(void)state;
	enum { REPLICATES = 2000 };
	struct ct_job job = job_of(nine_cells, REPLICATES);
	struct ct_plan plan = plan_of(&job, 12, 0);
	unsigned repeated = 0;

	for (size_t r = 1; r < REPLICATES; r++)
		repeated += plan.visits[r * CELLS].cell == plan.visits[(r - 1) * CELLS].cell;
	/* 1999 / 9 = 222 expected, standard deviation 14. */
	assert_in_range(repeated, 222 - 6 * 14, 222 + 6 * 14);
	ct_plan_free(&plan);
	ct_job_free(&job);
}

static void the_duration_grows_with_what_is_measured(void **state)
{
	(void)state;
	struct ct_job two = job_of(nine_cells, 2), four = job_of(nine_cells, 4);
	struct ct_plan a = plan_of(&two, 1, 0), b = plan_of(&four, 1, 0);
	/* What a block measures and waits; starting its workers comes on top. */
	const uint64_t block = UINT64_C(4) * (100000000 + 400000000) + 200000000;

	assert_true(a.duration_ns > 2 * CELLS * block);
	assert_true(a.duration_ns < 2 * CELLS * (block + 1000000000) + 10000000000);
	assert_true(b.duration_ns - a.duration_ns >= 2 * CELLS * block);
	ct_plan_free(&a);
	ct_plan_free(&b);
	ct_job_free(&two);
	ct_job_free(&four);
}

static void a_budget_takes_as_many_replicates_as_fit(void **state)
{
	(void)state;
	struct ct_job job = job_of(nine_cells, 8);
	struct ct_plan whole = plan_of(&job, 1, 0);
	struct ct_plan same = plan_of(&job, 1, whole.duration_ns);
	struct ct_plan less = plan_of(&job, 1, whole.duration_ns - 1);
	struct ct_plan more = plan_of(&job, 1, 3 * whole.duration_ns);

	assert_int_equal(same.n_visits, 8 * CELLS);
	assert_int_equal(less.n_visits, 7 * CELLS);
	assert_true(less.duration_ns < whole.duration_ns);
	assert_true(more.n_visits > 16 * CELLS);
	assert_true(more.duration_ns <= 3 * whole.duration_ns);
	ct_plan_free(&whole);
	ct_plan_free(&same);
	ct_plan_free(&less);
	ct_plan_free(&more);
	ct_job_free(&job);
}

static void a_budget_below_two_replicates_says_the_least(void **state)
{
	(void)state;
	struct ct_job job = job_of(nine_cells, 8), two = job_of(nine_cells, 2);
	struct ct_plan least = plan_of(&two, 1, 0), plan;
	struct ct_error err = {0};

	assert_false(ct_plan_make(&plan, &job, 1, least.duration_ns - 1, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "2 replicates of 9 cells"));
	assert_false(ct_plan_make(&plan, &job, 1, 1, &err));
	plan = plan_of(&job, 1, least.duration_ns);
	assert_int_equal(plan.n_visits, 2 * CELLS);
	ct_plan_free(&plan);
	ct_plan_free(&least);
	ct_job_free(&job);
	ct_job_free(&two);
}

static void a_plan_without_bounds_is_refused(void **state)
{
	(void)state;
	struct ct_job job = job_of(nine_cells, 10000);
	struct ct_error err = {0};
	struct ct_plan plan;

	job.measure_ns = UINT64_C(86400000000000);
	assert_false(ct_plan_make(&plan, &job, 1, 0, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "days"));
	job.measure_ns = 1000000;
	job.replicates = 60000;
	assert_false(ct_plan_make(&plan, &job, 1, 0, &err));
	assert_non_null(strstr(err.text, "500000 blocks"));
	/* A budget is a wish for at most so much: it is cut, not refused. */
	plan = plan_of(&job, 1, UINT64_C(366) * 86400000000000);
	assert_int_equal(plan.n_visits, 10000 * CELLS);
	ct_plan_free(&plan);
	ct_job_free(&job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_are_all_combinations),
		cmocka_unit_test(each_replicate_visits_each_cell_once),
		cmocka_unit_test(a_block_is_abba_or_baab_with_recovery_after_the_last_b),
		cmocka_unit_test(half_of_a_cells_blocks_begin_with_the_baseline),
		cmocka_unit_test(the_same_seed_makes_the_same_plan),
		cmocka_unit_test(every_block_has_a_seed_of_its_own),
		cmocka_unit_test(the_order_of_a_replicate_does_not_depend_on_their_number),
		cmocka_unit_test(cells_are_spread_evenly_over_places),
		cmocka_unit_test(replicates_are_shuffled_independently),
		cmocka_unit_test(the_duration_grows_with_what_is_measured),
		cmocka_unit_test(a_budget_takes_as_many_replicates_as_fit),
		cmocka_unit_test(a_budget_below_two_replicates_says_the_least),
		cmocka_unit_test(a_plan_without_bounds_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
