/* SPDX-License-Identifier: Apache-2.0 */
/* Where a test keeps a store, and stores of the sample campaign in it. */
#ifndef COTENANT_TESTS_SAMPLE_STORE_H
#define COTENANT_TESTS_SAMPLE_STORE_H

#include <sys/stat.h>

#include "harness/store/results.h"
#include "tests/unit/sample_campaign.h"

struct place {
	char directory[64], path[96], journal[128], temporary[128];
};

static inline int store_set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	sample_directory(place->directory);
	snprintf(place->path, sizeof place->path, "%s/out.h5", place->directory);
	snprintf(place->journal, sizeof place->journal, "%s.journal", place->path);
	snprintf(place->temporary, sizeof place->temporary, "%s.tmp", place->path);
	*state = place;
	return 0;
}

static inline int store_tear_down(void **state)
{
	struct place *place = *state;

	sample_remove(place->directory);
	free(place);
	return 0;
}

static inline bool file_is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static inline size_t file_size(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return (size_t)status.st_size;
}

static inline void print_violation(void *context, const char *text)
{
	(void)context;
	print_message("%s\n", text);
}

static inline void assert_valid_result(const char *path)
{
	struct ct_error err = {0};
	size_t n;

	if (!ct_results_validate(path, print_violation, NULL, &n, &err))
		fail_msg("%s", err.text);
	assert_int_equal(n, 0);
}

static inline struct ct_store *store_create(const struct place *place, int replicates)
{
	json_t *header = sample_header(replicates, 42);
	struct ct_error err = {0};
	struct ct_store *store;

	if (!ct_store_create(&store, place->path, header, &err))
		fail_msg("%s", err.text);
	json_decref(header);
	return store;
}

static inline struct ct_store *store_resume(const struct place *place, int replicates)
{
	json_t *header = sample_header(replicates, 42);
	struct ct_error err = {0};
	struct ct_store *store;

	if (!ct_store_resume(&store, place->path, header, &err))
		fail_msg("%s", err.text);
	json_decref(header);
	return store;
}

/* A block with `raw` raw samples in each of two epochs of each phase. */
static inline bool store_put_block(struct ct_store *store, uint32_t cell, uint32_t block,
				   unsigned samples, size_t raw, struct ct_error *err)
{
	struct ct_raw_sample *values = calloc(raw + 1, sizeof *values);
	struct ct_block_record record;
	bool ok = true;

	sample_block(&record, cell, block, sample_slowdown[cell], 0, samples);
	for (uint32_t order = 0; ok && raw > 0 && order < record.n_phases; order++) {
		for (uint32_t epoch = 0; ok && epoch < 2; epoch++) {
			for (size_t i = 0; i < raw; i++)
				values[i] = (struct ct_raw_sample){
					.time_ns = record.phases[order].start_ns + epoch * raw + i,
					.ps = 1000000ull * block + 10000 * order + 100 * epoch + i};
			ok = ct_store_raw(store, cell, block, order, epoch, values, raw, err);
		}
	}
	ok = ok && ct_store_block(store, &record, err);
	ct_block_record_free(&record);
	free(values);
	return ok;
}

static inline void store_finish(struct ct_store *store, bool complete)
{
	struct ct_error err = {0};

	if (!ct_store_finish(store, complete, &err))
		fail_msg("%s", err.text);
}

#endif
