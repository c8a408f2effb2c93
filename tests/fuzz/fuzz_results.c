/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: a result file whose values, sizes, members and texts are anything at all is refused in
 * one line or read; then all of it can be read, validated and exported in every format. What is
 * exported holds no control characters, and the JSON is JSON. What is made of a file beyond that:
 * fuzz_answers.
 *
 * Input: changes of a good file (changed_result.h). Corpus: tests/fuzz/corpus/results/.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hdf5.h>
#include <jansson.h>

#include "harness/report/export.h"
#include "harness/store/results.h"
#include "tests/fuzz/changed_result.h"
#include "tests/unit/sample_campaign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)
{
	return change_mutate(data, size, room, seed);
}

static struct good_result good;

/* Made once and kept in memory. */
static void make_good(void)
{
	char folder[64], path[96];
	struct ct_error err = {0};

	sample_directory(folder);
	snprintf(path, sizeof path, "%s/good.h5", folder);
	require(sample_write(path, 3, 100, 0.01, true, &err));
	good_result_keep(&good, path);
	sample_remove(folder);
}

static void read_phases(struct ct_results *results)
{
	const struct ct_results_tables *tables = ct_results_tables(results);

	for (size_t phase = 0; phase < tables->n_phases; phase++) {
		struct ct_error err = {0};
		struct ct_epoch_row *epochs = NULL;
		struct ct_noise_row *noise = NULL;
		struct ct_slow_sample *slowest = NULL;
		size_t n;

		if (!ct_results_epochs(results, phase, &epochs, &n, &err) ||
		    !ct_results_noise(results, phase, &noise, &n, &err) ||
		    !ct_results_slowest(results, phase, &slowest, &n, &err))
			check_message(&err);
		free(epochs);
		free(noise);
		free(slowest);
	}
}

/* One format for each input: all five of them would take most of the time of a run. */
static void export_one(struct ct_results *results, unsigned which)
{
	static bool (*const formats[])(struct ct_results *, const struct ct_selection *, FILE *,
				       struct ct_error *) = {ct_export_json, ct_export_csv,
							     ct_export_hgrm, ct_export_openmetrics,
							     ct_export_markdown};
	const struct ct_selection all = {.intensity = -1, .role = -1};
	const unsigned format = which % (sizeof formats / sizeof formats[0]);
	struct ct_error err = {0};
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	bool done;

	require(out != NULL);
	done = formats[format](results, &all, out, &err);
	fclose(out);
	if (!done)
		check_message(&err);
	check_printed(text, length);
	if (done && formats[format] == ct_export_json) {
		json_t *json = json_loadb(text, length, 0, NULL);

		require(json_is_object(json));
		json_decref(json);
	}
	free(text);
}

static void take_violation(void *context, const char *text)
{
	(void)context;
	require(text[0] && !strchr(text, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ct_results *results;
	struct ct_error err = {0};
	char path[64];
	size_t n;

	if (!good.bytes)
		make_good();
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	changed_result(&good, data, size, path);
	if (!ct_results_validate(path, take_violation, NULL, &n, &err))
		check_message(&err);
	err = (struct ct_error){0};
	if (ct_results_open(&results, path, &err)) {
		read_phases(results);
		export_one(results, size ? data[size - 1] : 0);
		ct_results_close(results);
	} else {
		check_message(&err);
	}
	unlink(path);
	return 0;
}
