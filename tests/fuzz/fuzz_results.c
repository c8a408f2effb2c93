/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: a result file whose values, sizes and members are anything at all is refused in one
 * line or read; then all of it can be read, validated and exported in every format, and the JSON is
 * JSON. HDF5's own structures stay whole: on raw garbage HDF5 1.10 itself crashes, which is why
 * the program reads files in a process of its own (harness/store/guard.h, tests/unit/test_results).
 *
 * Input: steps of 12 bytes that change a good file: what to do (1 byte), to which member (1), at
 * which row (2), with which value (8). Corpus: tests/fuzz/corpus/results/.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hdf5.h>
#include <jansson.h>

#include "harness/report/export.h"
#include "harness/store/column.h"
#include "harness/store/results.h"
#include "tests/unit/sample_campaign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP = 12, MOST_STEPS = 16, MOST_ROWS = 1 << 20 };

static unsigned char *good;
static size_t good_size;

/* Says which one failed: all of them end in the same abort(). */
#define require(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))

static _Noreturn void fail(const char *condition, int line)
{
	fprintf(stderr, "fuzz_results.c:%d: %s\n", line, condition);
	abort();
}

/* The good file, made once and kept in memory. */
static void make_good(void)
{
	char folder[64], path[96];
	struct ct_error err = {0};
	FILE *file;

	sample_directory(folder);
	snprintf(path, sizeof path, "%s/good.h5", folder);
	require(sample_write(path, 3, 100, 0.01, true, &err));
	file = fopen(path, "rb");
	require(file && fseek(file, 0, SEEK_END) == 0);
	good_size = (size_t)ftell(file);
	rewind(file);
	good = malloc(good_size);
	require(good && fread(good, 1, good_size, file) == good_size);
	fclose(file);
	sample_remove(folder);
}

/* Table and column of the n-th column of the format. */
static bool nth_column(unsigned n, char path[128], const struct ct_column **column)
{
	for (size_t t = 0; ct_layouts[t]; t++) {
		if (n < ct_layouts[t]->n_columns) {
			*column = &ct_layouts[t]->columns[n];
			snprintf(path, 128, "/%s/%s", ct_layouts[t]->name, (*column)->name);
			return true;
		}
		n -= (unsigned)ct_layouts[t]->n_columns;
	}
	return false;
}

static void set_value(hid_t set, hid_t space, hsize_t row, uint64_t value)
{
	const hsize_t one = 1;
	hid_t memory = H5Screate_simple(1, &one, NULL), type = H5Dget_type(set);

	/* Texts are pointers in memory: only numbers are set. */
	if (H5Tget_class(type) != H5T_STRING && H5Tget_size(type) <= sizeof value &&
	    H5Sselect_hyperslab(space, H5S_SELECT_SET, &row, NULL, &one, NULL) >= 0)
		H5Dwrite(set, type, memory, space, H5P_DEFAULT, &value);
	H5Tclose(type);
	H5Sclose(memory);
}

static void change_column(hid_t file, const char *path, unsigned what, unsigned row, uint64_t value)
{
	hid_t set = H5Dopen2(file, path, H5P_DEFAULT), space;
	hsize_t rows = 0;

	if (set < 0)
		return;
	space = H5Dget_space(set);
	H5Sget_simple_extent_dims(space, &rows, NULL);
	if (what == 1) {
		rows = value % MOST_ROWS;
		H5Dset_extent(set, &rows);
	} else if (rows > 0) {
		set_value(set, space, row % rows, value);
	}
	H5Sclose(space);
	H5Dclose(set);
}

static void change(hid_t file, const uint8_t step[STEP])
{
	static const char *const attributes[] = {"seed", "complete", "replicates", "measure_ns",
						 "epoch_ns"};
	const struct ct_column *column;
	char path[128];
	uint64_t value;
	hid_t attribute;

	memcpy(&value, step + 4, sizeof value);
	if ((step[0] & 3) == 3) {
		attribute = H5Aopen(file, attributes[step[1] % 5], H5P_DEFAULT);
		if (attribute >= 0) {
			H5Awrite(attribute, H5T_NATIVE_UINT64, &value);
			H5Aclose(attribute);
		}
	} else if (nth_column(step[1], path, &column)) {
		if ((step[0] & 3) == 2)
			H5Ldelete(file, path, H5P_DEFAULT);
		else
			change_column(file, path, step[0] & 3, step[2] | step[3] << 8, value);
	}
}

/*
 * The good file with the changes, as a file of its own. In memory, but with a name: HDF5 asks for
 * the real path of what it opens, and a memfd has none.
 */
static void make_file(const uint8_t *data, size_t size, char path[64])
{
	int fd;
	hid_t file;

	snprintf(path, 64, "/dev/shm/cotenant-fuzz-XXXXXX");
	fd = mkstemp(path);
	require(fd >= 0 && write(fd, good, good_size) == (ssize_t)good_size);
	close(fd);
	file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
	require(file >= 0);
	for (size_t i = 0; i < MOST_STEPS && (i + 1) * STEP <= size; i++)
		change(file, data + i * STEP);
	H5Fclose(file);
}

static void check_message(const struct ct_error *err)
{
	require(err->text[0] && !strchr(err->text, '\n'));
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

	if (!good)
		make_good();
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	make_file(data, size, path);
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
