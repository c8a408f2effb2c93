/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* The store: what is written is read, once, and nothing that is there is overwritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/sample_store.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER 0
#endif

static void assert_same_number(double a, double b)
{
	assert_true(a == b || (isnan(a) && isnan(b)));
}

static void assert_readings(struct ct_results *results, size_t row,
			    const struct ct_phase_record *expected)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	struct ct_reading *readings;
	size_t n;

	assert_true(ct_results_readings(results, row, &readings, &n, NULL));
	assert_int_equal(n, expected->n_readings);
	for (size_t i = 0; i < n; i++) {
		const struct ct_counter_info *wanted =
			&expected->counters[expected->readings[i].counter];

		assert_true(readings[i].counter < tables->n_counters);
		assert_int_equal(readings[i].epoch, expected->readings[i].epoch);
		assert_true(readings[i].value == expected->readings[i].value);
		assert_string_equal(tables->counters[readings[i].counter].name, wanted->name);
		assert_string_equal(tables->counters[readings[i].counter].source, wanted->source);
		assert_string_equal(tables->counters[readings[i].counter].units, wanted->units);
		assert_string_equal(tables->counters[readings[i].counter].what, wanted->what);
	}
	free(readings);
}

static void assert_phase(struct ct_results *results, size_t row,
			 const struct ct_phase_record *expected)
{
	const struct ct_phase_info *phase = &ct_results_tables(results)->phases[row];
	struct ct_bucket *buckets = calloc(expected->n_buckets + 1, sizeof *buckets);
	struct ct_epoch_row *epochs;
	struct ct_noise_row *noise;
	struct ct_slow_sample *slowest;
	size_t n;

	assert_int_equal(phase->order, expected->order);
	assert_int_equal(phase->role, expected->role);
	assert_int_equal(phase->load, expected->load);
	assert_int_equal(phase->start_ns, expected->start_ns);
	assert_int_equal(phase->end_ns, expected->end_ns);
	assert_int_equal(phase->count, expected->count);
	assert_same_number(phase->asked_rate, expected->asked_rate);
	assert_same_number(phase->achieved_rate, expected->achieved_rate);
	assert_same_number(phase->min_ns, expected->min_ns);
	assert_same_number(phase->mean_ns, expected->mean_ns);
	assert_same_number(phase->max_ns, expected->max_ns);

	assert_int_equal(phase->hist_rows, expected->n_buckets);
	assert_true(ct_results_buckets(results, row, 0, expected->n_buckets, buckets, NULL));
	for (size_t i = 0; i < expected->n_buckets; i++) {
		assert_int_equal(buckets[i].index, expected->buckets[i].index);
		assert_int_equal(buckets[i].count, expected->buckets[i].count);
	}
	free(buckets);

	assert_true(ct_results_epochs(results, row, &epochs, &n, NULL));
	assert_int_equal(n, expected->n_epochs);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(epochs[i].start_ns, expected->epochs[i].start_ns);
		assert_int_equal(epochs[i].count, expected->epochs[i].count);
		assert_same_number(epochs[i].steal_ns, expected->epochs[i].steal_ns);
		assert_same_number(epochs[i].frequency_hz, expected->epochs[i].frequency_hz);
		assert_same_number(epochs[i].aggressor_share, expected->epochs[i].aggressor_share);
		assert_int_equal(epochs[i].counted, expected->epochs[i].counted);
	}
	free(epochs);

	assert_true(ct_results_noise(results, row, &noise, &n, NULL));
	assert_int_equal(n, expected->n_noise);
	if (n > 0)
		assert_memory_equal(noise, expected->noise, n * sizeof *noise);
	free(noise);

	assert_true(ct_results_slowest(results, row, &slowest, &n, NULL));
	assert_int_equal(n, expected->n_slowest);
	assert_memory_equal(slowest, expected->slowest, n * sizeof *slowest);
	free(slowest);
	assert_readings(results, row, expected);
}

static void everything_written_is_read_back(void **state)
{
	const struct place *place = *state;
	struct ct_store *store = store_create(place, 2);
	struct ct_error err = {0};
	struct ct_results *results;
	const struct ct_results_tables *tables;
	struct ct_log_row *log;
	size_t n;

	assert_true(ct_store_log(store, "warning", "it is warm \xc3\xbc", &err));
	for (uint32_t block = 0; block < 2; block++) {
		for (uint32_t cell = 0; cell < SAMPLE_CELLS; cell++)
			assert_true(store_put_block(store, cell, block, 300, 5, &err));
	}
	store_finish(store, true);
	assert_false(file_is_there(place->journal));
	assert_false(file_is_there(place->temporary));
	assert_valid_result(place->path);

	assert_true(ct_results_open(&results, place->path, &err));
	tables = ct_results_tables(results);
	assert_string_equal(tables->suite, "sample");
	assert_string_equal(tables->created, "2026-01-02T03:04:05Z");
	assert_string_equal(tables->job_text, "[suite]\nname = sample\n");
	assert_string_equal(tables->hwloc_xml, "<topology/>");
	assert_int_equal(tables->seed, 42);
	assert_int_equal(tables->replicates, 2);
	assert_int_equal(tables->epoch_ns, 500000);
	assert_true(tables->complete);
	assert_int_equal(tables->n_victims, 1);
	assert_string_equal(tables->victims[0].kind, "mem_latency");
	assert_string_equal(tables->victims[0].params, "{\"working_set\":\"64M\"}");
	assert_int_equal(tables->n_aggressors, 2);
	assert_string_equal(tables->aggressors[1].name, "idle");
	assert_int_equal(tables->n_cells, SAMPLE_CELLS);
	assert_true(tables->cells[0].intensity == 50);
	assert_int_equal(tables->n_blocks, 6);
	assert_int_equal(tables->blocks[4].cell, 1);
	assert_int_equal(tables->blocks[4].block, 1);
	assert_int_equal(tables->blocks[4].seed, 1001);
	assert_int_equal(tables->blocks[4].started_unix_ns, 1700000000000000001);
	assert_true(tables->blocks[4].solo_rate == 1e10);
	for (size_t b = 0; b < tables->n_blocks; b++) {
		const struct ct_block_info *block = &tables->blocks[b];
		struct ct_block_record expected;

		sample_block(&expected, block->cell, block->block, sample_slowdown[block->cell], 0,
			     300);
		assert_int_equal(block->n_phases, expected.n_phases);
		for (uint32_t k = 0; k < block->n_phases; k++) {
			struct ct_raw_sample raw[10];

			assert_phase(results, block->first_phase + k, &expected.phases[k]);
			assert_int_equal(tables->phases[block->first_phase + k].raw_rows, 10);
			assert_true(
				ct_results_raw(results, block->first_phase + k, 0, 10, raw, &err));
			assert_int_equal(raw[7].ps, 1000000 * block->block + 10000 * k + 102);
			assert_false(
				ct_results_raw(results, block->first_phase + k, 5, 6, raw, &err));
		}
		ct_block_record_free(&expected);
	}
	assert_true(ct_results_log(results, &log, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(log[0].level, "warning");
	assert_string_equal(log[0].text, "it is warm \xc3\xbc");
	ct_log_rows_free(log, n);
	ct_results_close(results);
}

static void failed_blocks_are_kept_with_their_reason(void **state)
{
	const struct place *place = *state;
	struct ct_store *store = store_create(place, 2);
	struct ct_block_record record = {.cell = 2,
					 .block = 1,
					 .status = CT_BLOCK_FAILED,
					 .message = "the victim died",
					 .solo_rate = NAN};
	struct ct_error err = {0};
	struct ct_results *results;

	assert_true(ct_store_block(store, &record, &err));
	assert_true(ct_store_block(
		store,
		&(struct ct_block_record){
			.cell = 1, .block = 1, .status = CT_BLOCK_NOT_LOADED, .message = "lazy"},
		&err));
	assert_false(ct_store_block(store, &record, &err));
	assert_non_null(strstr(err.text, "already"));
	store_finish(store, true);
	assert_valid_result(place->path);
	assert_true(ct_results_open(&results, place->path, &err));
	assert_int_equal(ct_results_tables(results)->blocks[0].status, CT_BLOCK_FAILED);
	assert_string_equal(ct_results_tables(results)->blocks[0].message, "the victim died");
	assert_int_equal(ct_results_tables(results)->blocks[0].n_phases, 0);
	assert_int_equal(ct_results_tables(results)->blocks[1].status, CT_BLOCK_NOT_LOADED);
	ct_results_close(results);
}

/* Raw samples come before it is known that their epoch does not count. */
static void raw_samples_that_do_not_count_are_nobodys(void **state)
{
	const struct place *place = *state;
	struct ct_store *store = store_create(place, 2);
	struct ct_block_record record;
	struct ct_phase_record *phase;
	struct ct_results *results;
	struct ct_error err = {0};
	struct ct_hist hist;

	sample_block(&record, 0, 0, 1, 0, 100);
	record.status = CT_BLOCK_NOT_LOADED;
	strcpy(record.message, "the aggressor did not load");
	phase = &record.phases[1];
	phase->load = CT_LOAD_ABSENT;
	phase->count = phase->n_buckets = 0;
	phase->min_ns = phase->mean_ns = phase->max_ns = NAN;
	phase->epochs[0].counted = phase->epochs[1].counted = 0;
	assert_true(ct_store_raw(store, 0, 0, 1, 0, (struct ct_raw_sample[3]){{1, 2}}, 3, &err));
	assert_true(ct_store_block(store, &record, &err));
	ct_block_record_free(&record);
	store_finish(store, true);
	assert_valid_result(place->path);
	assert_true(ct_results_open(&results, place->path, &err));
	assert_true(ct_hist_init(&hist, NULL));
	assert_true(ct_results_add_hist(results, 1, &hist, &err));
	assert_int_equal(hist.total, 0);
	ct_hist_free(&hist);
	ct_results_close(results);
}

static void a_resumed_campaign_holds_every_block_once(void **state)
{
	const struct place *place = *state;
	struct ct_store *store = store_create(place, 2);
	const struct ct_results_tables *tables;
	struct ct_error err = {0};
	struct ct_results *results;

	/* Interrupted with the raw samples of a block already there, and half a frame behind them.
	 */
	assert_true(store_put_block(store, 0, 0, 50, 4, &err));
	assert_true(ct_store_raw(store, 1, 0, 0, 0, (struct ct_raw_sample[3]){{1, 2}}, 3, &err));
	ct_store_abandon(store);
	assert_int_equal(truncate(place->journal, (off_t)file_size(place->journal) - 5), 0);

	store = store_resume(place, 2);
	assert_true(ct_store_has(store, 0, 0));
	assert_false(ct_store_has(store, 1, 0));
	assert_true(store_put_block(store, 1, 0, 50, 4, &err));
	store_finish(store, false);
	assert_true(file_is_there(place->journal));
	assert_valid_result(place->path);
	assert_true(ct_results_open(&results, place->path, &err));
	assert_false(ct_results_tables(results)->complete);
	ct_results_close(results);

	/* And once more, over the incomplete result. */
	store = store_resume(place, 2);
	assert_true(store_put_block(store, 2, 0, 50, 4, &err));
	store_finish(store, true);
	assert_false(file_is_there(place->journal));
	assert_valid_result(place->path);
	assert_true(ct_results_open(&results, place->path, &err));
	tables = ct_results_tables(results);
	assert_true(tables->complete);
	assert_int_equal(tables->n_blocks, 3);
	assert_int_equal(tables->n_phases, 15);
	assert_int_equal(tables->n_raw, 3 * 5 * 2 * 4);
	for (size_t i = 0; i < tables->n_phases; i++)
		assert_int_equal(tables->phases[i].raw_rows, 8);
	ct_results_close(results);
}

static void another_plan_is_refused_and_the_difference_is_named(void **state)
{
	const struct place *place = *state;
	struct ct_error err = {0};
	struct ct_store *store = store_create(place, 2);
	json_t *header = sample_header(3, 42);

	ct_store_abandon(store);
	assert_false(ct_store_resume(&store, place->path, header, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "replicates: 2 before, 3 now"));
	json_decref(header);

	header = sample_header(2, 42);
	json_object_set_new(
		json_array_get(json_object_get(json_object_get(header, "plan"), "cells"), 1),
		"intensity", json_real(75));
	assert_false(ct_store_resume(&store, place->path, header, &err));
	assert_non_null(strstr(err.text, "cells[1].intensity: 100.0 before, 75.0 now"));
	json_decref(header);
}

static void what_is_there_is_never_overwritten(void **state)
{
	const struct place *place = *state;
	json_t *header = sample_header(2, 42);
	struct ct_error err = {0};
	struct ct_store *store, *second;
	struct ct_store_plan planned;

	assert_true(ct_store_check(place->path, false, &err));
	assert_false(ct_store_check(place->path, true, &err));
	assert_non_null(strstr(err.text, "nothing to resume"));
	store = store_create(place, 2);
	assert_false(ct_store_create(&second, place->path, header, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "--resume"));
	assert_true(file_is_there(place->journal));
	assert_false(ct_store_resume(&second, place->path, header, &err));
	assert_non_null(strstr(err.text, "in use"));
	ct_store_abandon(store);
	assert_true(ct_store_planned(place->path, &planned, &err));
	assert_int_equal(planned.seed, 42);
	assert_int_equal(planned.replicates, 2);
	assert_string_equal(planned.until, "");
	store_finish(store_resume(place, 2), true);

	assert_false(ct_store_create(&second, place->path, header, &err));
	assert_non_null(strstr(err.text, "exists"));
	assert_false(ct_store_check(place->path, false, &err));
	assert_false(ct_store_resume(&second, place->path, header, &err));
	assert_non_null(strstr(err.text, "finished"));
	json_decref(header);
}

static void a_place_that_cannot_be_written_is_named_at_once(void **state)
{
	const struct place *place = *state;
	json_t *header = sample_header(2, 42);
	struct ct_error err = {0};
	struct ct_store *store;
	char path[128];

	snprintf(path, sizeof path, "%s/nowhere/out.h5", place->directory);
	assert_false(ct_store_create(&store, path, header, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "nowhere/out.h5"));
	assert_false(ct_store_check(path, false, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	json_decref(header);
}

/* Of a campaign of ours there are none; `merge` takes the plan out of a file of anybody. */
static void numbers_that_no_reader_takes_are_refused_before_measuring(void **state)
{
	const struct place *place = *state;
	struct ct_error err = {0};
	struct ct_store *store;

	for (size_t i = 0; i < 3; i++) {
		json_t *header = sample_header(2, 42), *plan = json_object_get(header, "plan");
		json_t *cell = json_array_get(json_object_get(plan, "cells"), 1);
		static const char *const words[] = {"plan.replicates", "plan.seed",
						    "intensity of plan.cells[1] is 101"};

		if (i == 0)
			json_object_set_new(plan, "replicates", json_integer(INT64_MIN));
		else if (i == 1)
			json_object_set_new(plan, "seed", json_real(0.5));
		else
			json_object_set_new(cell, "intensity", json_real(101));
		assert_false(ct_store_create(&store, place->path, header, &err));
		assert_non_null(strstr(err.text, words[i]));
		assert_false(file_is_there(place->journal));
		json_decref(header);
	}
}

static void a_header_without_cells_is_refused_before_measuring(void **state)
{
	const struct place *place = *state;
	json_t *header = sample_header(2, 42);
	struct ct_error err = {0};
	struct ct_store *store;

	json_object_del(json_object_get(header, "plan"), "cells");
	assert_false(ct_store_create(&store, place->path, header, &err));
	assert_non_null(strstr(err.text, "plan.cells"));
	assert_false(file_is_there(place->journal));
	json_decref(header);
}

static long peak_rss_kib_of_child(const struct place *place, int blocks)
{
	struct rusage usage;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		json_t *header = sample_header(blocks, 42);
		struct ct_error err = {0};
		struct ct_store *store;
		bool ok = ct_store_create(&store, place->path, header, &err);

		for (int block = 0; ok && block < blocks; block++)
			ok = store_put_block(store, 0, (uint32_t)block, 2000, 5000, &err);
		_exit(ok && ct_store_finish(store, true, &err) ? 0 : 1);
	}
	assert_int_equal(wait4(pid, &status, 0, &usage), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	unlink(place->path);
	return usage.ru_maxrss;
}

/* 10 MiB of journal or 100: the campaign's memory is the same, and under 64 MiB. */
static void memory_does_not_grow_with_the_campaign(void **state)
{
	const struct place *place = *state;
	long small, large;

	if (WITH_SANITIZER)
		skip();
	small = peak_rss_kib_of_child(place, 12);
	large = peak_rss_kib_of_child(place, 120);
	print_message("peak memory %ld KiB with 12 blocks, %ld KiB with 120\n", small, large);
	assert_true(large < 48 << 10);
	assert_true(large < small + (4 << 10));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(everything_written_is_read_back),
		TEST(failed_blocks_are_kept_with_their_reason),
		TEST(raw_samples_that_do_not_count_are_nobodys),
		TEST(a_resumed_campaign_holds_every_block_once),
		TEST(another_plan_is_refused_and_the_difference_is_named),
		TEST(what_is_there_is_never_overwritten),
		TEST(a_place_that_cannot_be_written_is_named_at_once),
		TEST(a_header_without_cells_is_refused_before_measuring),
		TEST(numbers_that_no_reader_takes_are_refused_before_measuring),
		TEST(memory_does_not_grow_with_the_campaign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
