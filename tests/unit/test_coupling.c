/* SPDX-License-Identifier: Apache-2.0 */
/* Coupling and quality from campaigns with known truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/decide/coupling.h"
#include "harness/decide/quality.h"
#include "tests/unit/sample_campaign.h"

struct place {
	char directory[64], path[96];
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	sample_directory(place->directory);
	snprintf(place->path, sizeof place->path, "%s/out.h5", place->directory);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	sample_remove(place->directory);
	free(place);
	return 0;
}

static struct ct_results *open_results(const struct place *place)
{
	struct ct_error err = {0};
	struct ct_results *results;

	if (!ct_results_open(&results, place->path, &err))
		fail_msg("%s", err.text);
	return results;
}

static struct ct_results *sample(const struct place *place, uint32_t blocks, unsigned samples,
				 double scatter)
{
	struct ct_error err = {0};

	if (!sample_write(place->path, blocks, samples, scatter, true, &err))
		fail_msg("%s", err.text);
	return open_results(place);
}

static void make(struct ct_coupling *coupling, struct ct_results *results)
{
	struct ct_error err = {0};

	if (!ct_coupling_make(coupling, results, 0.95, &err))
		fail_msg("%s", err.text);
}

/* Blocks drift by 1 % each; pairing cancels that, so the known ratios come back to a bucket. */
static void known_slowdowns_come_back(void **state)
{
	struct ct_results *results = sample(*state, 8, 1000, 0.02);
	struct ct_coupling coupling;

	make(&coupling, results);
	assert_int_equal(coupling.n_cells, SAMPLE_CELLS);
	for (size_t c = 0; c < SAMPLE_CELLS; c++) {
		const struct ct_cell_coupling *cell = &coupling.cells[c];

		assert_int_equal(cell->blocks, 8);
		assert_int_equal(cell->used, 8);
		assert_int_equal(cell->load, CT_LOAD_HELD);
		assert_true(fabs(cell->achieved_percent - 49) < 0.01);
		assert_int_equal(cell->counted_epochs, 32);
		for (size_t k = 0; k < CT_COUPLING_QUANTILES; k++) {
			const struct ct_effect *effect = &cell->effects[k];

			assert_int_equal(effect->carry, CT_CARRY_OK);
			assert_true(fabs(effect->slowdown.value / sample_slowdown[c] - 1) < 1e-3);
			assert_true(effect->slowdown.lo < sample_slowdown[c]);
			assert_true(effect->slowdown.hi > sample_slowdown[c]);
			assert_true(fabs(effect->recovery.value - 1) < 1e-3);
			assert_true(fabs(effect->treatment_ns / effect->baseline_ns /
						 effect->slowdown.value -
					 1) < 1e-9);
		}
	}
	assert_int_equal(ct_effect_clear(&coupling.cells[0].effects[1]), 1);
	assert_int_equal(ct_effect_clear(&coupling.cells[2].effects[1]), 0);
	assert_int_equal(ct_coupling_worst(&coupling, 1), 1);
	ct_coupling_free(&coupling);
	ct_results_close(results);
}

/* A p99.9 of 2 x 499 samples would be their maximum: it is said that they are too few. */
static void quantiles_that_the_data_cannot_carry_are_not_given(void **state)
{
	struct ct_results *results = sample(*state, 3, 499, 0.01);
	struct ct_coupling coupling;
	const struct ct_effect *effect;

	make(&coupling, results);
	effect = &coupling.cells[0].effects[2];
	assert_int_equal(effect->carry, CT_CARRY_FEW_SAMPLES);
	assert_int_equal(effect->needed, 1000);
	assert_int_equal(effect->fewest, 998);
	assert_true(isnan(effect->slowdown.value));
	assert_int_equal(coupling.cells[0].effects[1].carry, CT_CARRY_OK);
	ct_coupling_free(&coupling);
	ct_results_close(results);
	assert_int_equal(ct_samples_needed(0.5), 2);
	assert_int_equal(ct_samples_needed(0.99), 100);
	assert_int_equal(ct_samples_needed(0.9999), 10000);
}

static void one_block_has_a_ratio_but_no_interval(void **state)
{
	struct ct_results *results = sample(*state, 1, 1000, 0);
	struct ct_coupling coupling;
	const struct ct_effect *effect;

	make(&coupling, results);
	effect = &coupling.cells[1].effects[0];
	assert_true(fabs(effect->slowdown.value - 3) < 0.01);
	assert_true(isnan(effect->slowdown.lo));
	assert_int_equal(ct_effect_clear(effect), 0);
	assert_int_equal(ct_coupling_worst(&coupling, 0), coupling.n_cells);
	ct_coupling_free(&coupling);
	ct_results_close(results);
}

static struct ct_store *create(const struct place *place, int replicates)
{
	json_t *header = sample_header(replicates, 42);
	struct ct_error err = {0};
	struct ct_store *store;

	if (!ct_store_create(&store, place->path, header, &err))
		fail_msg("%s", err.text);
	json_decref(header);
	return store;
}

static void put(struct ct_store *store, struct ct_block_record *record)
{
	struct ct_error err = {0};

	if (!ct_store_block(store, record, &err))
		fail_msg("%s", err.text);
	ct_block_record_free(record);
}

/* 'Did not load' is a verdict of its own: never an effect of 1. */
static void blocks_that_do_not_count_are_counted_apart(void **state)
{
	const struct place *place = *state;
	struct ct_store *store = create(place, 4);
	struct ct_block_record record;
	struct ct_results *results;
	struct ct_coupling coupling;
	struct ct_quality quality;
	struct ct_error err = {0};

	for (uint32_t block = 0; block < 4; block++) {
		sample_block(&record, 0, block, 2, 0.01, 1000);
		if (block == 1) {
			record.status = CT_BLOCK_FAILED;
			strcpy(record.message, "the victim died");
		} else if (block == 2) {
			record.phases[2].load = CT_LOAD_ABSENT;
		}
		put(store, &record);
		sample_block(&record, 1, block, 1, 0, 1000);
		record.status = CT_BLOCK_NOT_LOADED;
		strcpy(record.message, "lazy");
		put(store, &record);
	}
	assert_true(ct_store_finish(store, true, &err));
	results = open_results(place);
	make(&coupling, results);
	assert_int_equal(coupling.cells[0].blocks, 4);
	assert_int_equal(coupling.cells[0].used, 2);
	assert_int_equal(coupling.cells[0].failed, 1);
	assert_int_equal(coupling.cells[0].not_loaded, 1);
	assert_true(fabs(coupling.cells[0].effects[0].slowdown.value - 2) < 0.01);
	assert_int_equal(coupling.cells[1].used, 0);
	assert_int_equal(coupling.cells[1].load, CT_LOAD_ABSENT);
	assert_int_equal(coupling.cells[1].effects[0].carry, CT_CARRY_NO_BLOCKS);
	assert_true(isnan(coupling.cells[1].effects[0].slowdown.value));
	assert_int_equal(coupling.cells[2].blocks, 0);
	assert_int_equal(coupling.cells[2].load, CT_LOAD_NONE);

	assert_true(ct_quality_make(&quality, results, &coupling, &err));
	assert_string_equal(quality.clock_source, "tsc");
	assert_true(quality.clock_cost_ns == 12.5);
	assert_true(quality.null_p50_ns == 20);
	assert_true(quality.planted_error == 0.0002);
	assert_int_equal(quality.planned, 12);
	assert_int_equal(quality.blocks, 8);
	assert_int_equal(quality.failed, 1);
	assert_int_equal(quality.not_loaded, 5);
	assert_int_equal(quality.n_warnings, 3); /* missing, failed, not loaded */
	ct_coupling_free(&coupling);
	ct_results_close(results);
}

/* The idle aggressor is a control: an effect of it is an error of the instrument, and is said. */
static void an_effect_of_the_idle_aggressor_is_a_warning(void **state)
{
	const struct place *place = *state;
	struct ct_store *store = create(place, 4);
	struct ct_block_record record;
	struct ct_results *results;
	struct ct_coupling coupling;
	struct ct_quality quality;
	struct ct_error err = {0};
	bool said = false;

	for (uint32_t block = 0; block < 4; block++) {
		sample_block(&record, 2, block, 1.2, 0.001, 1000);
		put(store, &record);
	}
	assert_true(ct_store_finish(store, false, &err));
	results = open_results(place);
	make(&coupling, results);
	assert_true(ct_quality_make(&quality, results, &coupling, &err));
	for (size_t i = 0; i < quality.n_warnings; i++)
		said |= strstr(quality.warnings[i], "Control") != NULL;
	assert_true(said);
	assert_non_null(strstr(quality.warnings[0], "not complete"));
	ct_coupling_free(&coupling);
	ct_results_close(results);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(known_slowdowns_come_back),
		TEST(quantiles_that_the_data_cannot_carry_are_not_given),
		TEST(one_block_has_a_ratio_but_no_interval),
		TEST(blocks_that_do_not_count_are_counted_apart),
		TEST(an_effect_of_the_idle_aggressor_is_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
