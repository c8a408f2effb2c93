/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A good result file and copies of it that differ in values, sizes, members, texts and the JSON
 * documents, as bytes say. HDF5's own structures stay whole: on raw garbage HDF5 1.10 itself
 * crashes, which is why the program reads files in a process of its own (harness/store/guard.h,
 * tests/unit/test_results).
 *
 * The bytes are steps of 12: what to do (1 byte, the lower three bits), to which member (1), at
 * which row or node (2), with which value (8).
 */
#ifndef COTENANT_TESTS_CHANGED_RESULT_H
#define COTENANT_TESTS_CHANGED_RESULT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hdf5.h>
#include <jansson.h>

#include "harness/core/error.h"
#include "harness/store/column.h"
#include "harness/store/h5text.h"

enum { CHANGE_STEP = 12, MOST_CHANGES = 16, MOST_ROWS = 1 << 20, LONG_TEXT = 5001 };

/* Of libFuzzer, which has no header for C. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

enum change {
	CHANGE_VALUE,
	CHANGE_EXTENT,
	CHANGE_DELETE,
	CHANGE_ATTRIBUTE,
	CHANGE_TEXT,
	CHANGE_DOCUMENT,
	CHANGE_PARAMS,
	CHANGE_TITLE
};

/* Says which one failed: all of them end in the same abort(). */
#define require(condition) ((condition) ? (void)0 : fail(__FILE__, #condition, __LINE__))

static _Noreturn void fail(const char *file, const char *condition, int line)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, condition);
	abort();
}

struct good_result {
	unsigned char *bytes;
	size_t size;
};

static inline void good_result_keep(struct good_result *good, const char *path)
{
	FILE *file = fopen(path, "rb");

	require(file && fseek(file, 0, SEEK_END) == 0);
	good->size = (size_t)ftell(file);
	rewind(file);
	good->bytes = malloc(good->size);
	require(good->bytes && fread(good->bytes, 1, good->size, file) == good->size);
	fclose(file);
}

/* ---- values ---- */

struct change_step {
	enum change what;
	uint8_t member;
	uint16_t at;
	uint64_t value;
};

static inline struct change_step change_step_read(const uint8_t bytes[CHANGE_STEP])
{
	struct change_step step = {.what = bytes[0] & 7,
				   .member = bytes[1],
				   .at = (uint16_t)(bytes[2] | bytes[3] << 8)};

	memcpy(&step.value, bytes + 4, sizeof step.value);
	return step;
}

/*
 * A text that somebody may put where a name is wanted; the first byte of the value chooses, the
 * others may be the text. `out` has room for LONG_TEXT and one.
 */
static inline const char *hostile_text(uint64_t value, char *out)
{
	static const char *const texts[] = {"",
					    "none",
					    "null",
					    "mix",
					    "</script><script>alert(1)</script>",
					    "\"'><img src=x onerror=alert(1)>",
					    "\x1b]0;title\x07\x1b[31m",
					    "\302\23331m\177",
					    "%s%n%100000d",
					    "two\nlines\tand a tab",
					    "\xff\xc3(\xed\xa0\x80",
					    "-1",
					    "nan",
					    "1e400",
					    "p50:5%",
					    "0-4294967295",
					    "apart",
					    "ssh host --"};
	const size_t n = sizeof texts / sizeof texts[0];
	const uint8_t which = value & 0xff;

	if (which < n)
		return texts[which];
	if (which < 0x80) {
		memcpy(out, (const uint8_t *)&value + 1, 7);
		out[7] = '\0';
		return out;
	}
	/* Longer than any buffer, and cut by most of them in the middle of a character. */
	memset(out, 'x', LONG_TEXT);
	for (size_t i = which & 1; i + 1 < LONG_TEXT; i += 2)
		memcpy(out + i, "\xc3\xa9", 2);
	out[LONG_TEXT] = '\0';
	return out;
}

/* Any JSON in place of any other. */
static inline json_t *hostile_json(uint64_t value)
{
	char text[LONG_TEXT + 1];
	double real;
	json_t *json;

	switch (value & 0xf) {
	case 0:
		return json_null();
	case 1:
		return json_true();
	case 2:
		return json_object();
	case 3:
		return json_array();
	case 4:
		return json_integer(INT64_MIN);
	case 5:
		return json_integer((json_int_t)(value >> 8));
	case 6:
		memcpy(&real, &value, sizeof real);
		json = json_real(real);
		return json ? json : json_real(-1e308);
	case 7:
		json = json_array();
		for (int i = 0; i < 300; i++)
			json_array_append_new(json, json_integer(i));
		return json;
	case 8:
		json = json_string("deep");
		for (int i = 0; i < 1000; i++)
			json = i & 1 ? json_pack("[o]", json) : json_pack("{s:o}", "value", json);
		return json;
	default:
		json = json_string(hostile_text(value >> 4, text));
		return json ? json : json_string("?");
	}
}

/* ---- columns ---- */

/* Table and column of the n-th column of the format. */
static inline bool nth_column(unsigned n, char path[128], const struct ct_column **column)
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

/* The n-th of those that hold text, around and around. */
static inline void nth_text_column(unsigned n, char path[128])
{
	const struct ct_column *column;
	unsigned texts = 0, at = 0;

	for (unsigned i = 0; nth_column(i, path, &column); i++)
		texts += column->type == CT_COLUMN_TEXT;
	for (n %= texts; nth_column(at, path, &column); at++) {
		if (column->type == CT_COLUMN_TEXT && n-- == 0)
			return;
	}
}

/* One row of a column as `memory` has it. Numbers for columns of numbers, text for those of text.
 */
static inline void write_row(hid_t set, hsize_t row, H5T_class_t class, const void *memory,
			     size_t size)
{
	const hsize_t one = 1;
	hid_t space = H5Dget_space(set), type = H5Dget_type(set);
	hid_t rows = H5Screate_simple(1, &one, NULL);

	if ((H5Tget_class(type) == H5T_STRING) == (class == H5T_STRING) &&
	    H5Tget_size(type) <= size &&
	    H5Sselect_hyperslab(space, H5S_SELECT_SET, &row, NULL, &one, NULL) >= 0)
		H5Dwrite(set, type, rows, space, H5P_DEFAULT, memory);
	H5Sclose(rows);
	H5Tclose(type);
	H5Sclose(space);
}

static inline hsize_t rows_of(hid_t set)
{
	hid_t space = H5Dget_space(set);
	hsize_t rows = 0;

	if (H5Sget_simple_extent_ndims(space) == 1)
		H5Sget_simple_extent_dims(space, &rows, NULL);
	H5Sclose(space);
	return rows;
}

static inline void change_number(hid_t file, const char *path, const struct change_step *step)
{
	hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
	hsize_t rows;

	if (set < 0)
		return;
	rows = rows_of(set);
	if (step->what == CHANGE_EXTENT) {
		rows = step->value % MOST_ROWS;
		H5Dset_extent(set, &rows);
	} else if (rows > 0) {
		write_row(set, step->at % rows, H5T_INTEGER, &step->value, sizeof step->value);
	}
	H5Dclose(set);
}

static inline void change_text(hid_t file, const struct change_step *step)
{
	char path[128], room[LONG_TEXT + 1];
	const char *text = hostile_text(step->value, room);
	hid_t set;

	nth_text_column(step->member, path);
	set = H5Dopen2(file, path, H5P_DEFAULT);
	if (set < 0)
		return;
	if (rows_of(set) > 0)
		write_row(set, step->at % rows_of(set), H5T_STRING, &text, sizeof text);
	H5Dclose(set);
}

/* ---- documents ---- */

/*
 * Puts something else where the n-th node below `parent` is; n counts down. A member may lose its
 * name instead, or be lost.
 */
static inline bool change_node(json_t *parent, unsigned *n, uint64_t value)
{
	char room[LONG_TEXT + 1];
	const char *key;
	json_t *child;
	size_t i;

	json_object_foreach(parent, key, child)
	{
		if ((*n)-- == 0) {
			json_t *kept = json_incref(child);

			if ((value & 0xff) == 0xff) {
				json_object_set(parent, hostile_text(value >> 8, room), kept);
				json_object_del(parent, key);
			} else {
				json_object_set_new(parent, key, hostile_json(value));
			}
			json_decref(kept);
			return true;
		}
		if (change_node(child, n, value))
			return true;
	}
	json_array_foreach(parent, i, child)
	{
		if ((*n)-- == 0)
			return json_array_set_new(parent, i, hostile_json(value)) == 0;
		if (change_node(child, n, value))
			return true;
	}
	return false;
}

static inline unsigned count_nodes(json_t *parent)
{
	const char *key;
	json_t *child;
	unsigned n = 0;
	size_t i;

	json_object_foreach(parent, key, child) n += 1 + count_nodes(child);
	json_array_foreach(parent, i, child) n += 1 + count_nodes(child);
	return n;
}

/* The document with the change; the caller frees it. */
static inline char *changed_document(const char *text, const struct change_step *step)
{
	json_t *document = json_loads(text, 0, NULL);
	const unsigned nodes = count_nodes(document);
	unsigned at = nodes > 0 ? step->at % nodes : 0;
	char *changed;

	if (nodes > 0)
		change_node(document, &at, step->value);
	changed = json_dumps(document, JSON_ENCODE_ANY);
	json_decref(document);
	return changed;
}

static inline void change_document(hid_t file, const struct change_step *step)
{
	static const char *const documents[][2] = {{"placement", "json"},  {"plan", "json"},
						   {"provenance", "json"}, {"calibration", "json"},
						   {"job", "text"},        {"job", "overrides"}};
	const char *const *document = documents[step->member % 6];
	char *text = NULL, *changed, path[32], room[LONG_TEXT + 1];
	struct ct_error err;
	hid_t set, type;

	if (!ct_h5_get_text(file, document[0], document[1], &text, &err) || !text)
		return;
	changed = strcmp(document[1], "json") == 0 ? changed_document(text, step)
						   : strdup(hostile_text(step->value, room));
	snprintf(path, sizeof path, "/%s/%s", document[0], document[1]);
	set = H5Dopen2(file, path, H5P_DEFAULT);
	type = H5Dget_type(set);
	if (changed)
		H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &changed);
	H5Tclose(type);
	H5Dclose(set);
	free(changed);
	free(text);
}

/* The parameters of a workload: JSON in a column. */
static inline void change_params(hid_t file, const struct change_step *step)
{
	hid_t set = H5Dopen2(file, step->member & 1 ? "/victims/params" : "/aggressors/params",
			     H5P_DEFAULT);
	hid_t space, type, memory;
	hsize_t rows, row, one = 1;
	char *text = NULL, *changed;

	if (set < 0)
		return;
	rows = rows_of(set);
	row = rows > 0 ? (step->member >> 1) % rows : 0;
	space = H5Dget_space(set);
	type = H5Dget_type(set);
	memory = H5Screate_simple(1, &one, NULL);
	if (rows > 0 && H5Tis_variable_str(type) > 0 &&
	    H5Sselect_hyperslab(space, H5S_SELECT_SET, &row, NULL, &one, NULL) >= 0 &&
	    H5Dread(set, type, memory, space, H5P_DEFAULT, &text) >= 0 && text) {
		changed = changed_document(text, step);
		if (changed)
			write_row(set, row, H5T_STRING, &changed, sizeof changed);
		free(changed);
		H5free_memory(text);
	}
	H5Sclose(memory);
	H5Tclose(type);
	H5Sclose(space);
	H5Dclose(set);
}

/* ---- the root ---- */

static inline void change_attribute(hid_t file, const char *name, hid_t memory, const void *value)
{
	hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
	hid_t type;

	if (attribute < 0)
		return;
	type = memory == H5I_INVALID_HID ? H5Aget_type(attribute) : H5Tcopy(memory);
	if (memory != H5I_INVALID_HID || H5Tis_variable_str(type) > 0)
		H5Awrite(attribute, type, value);
	H5Tclose(type);
	H5Aclose(attribute);
}

static inline void change(hid_t file, const struct change_step *step)
{
	static const char *const numbers[] = {"seed", "complete", "replicates", "measure_ns",
					      "epoch_ns"};
	static const char *const texts[] = {"suite",        "title",    "created",
					    "tool",         "version",  "build_id",
					    "command_line", "emulated", "schema"};
	const struct ct_column *column;
	char path[128], room[LONG_TEXT + 1];
	const char *text = hostile_text(step->value, room);

	switch (step->what) {
	case CHANGE_VALUE:
	case CHANGE_EXTENT:
		if (nth_column(step->member, path, &column))
			change_number(file, path, step);
		break;
	case CHANGE_DELETE:
		if (nth_column(step->member, path, &column))
			H5Ldelete(file, path, H5P_DEFAULT);
		break;
	case CHANGE_ATTRIBUTE:
		change_attribute(file, numbers[step->member % 5], H5T_NATIVE_UINT64, &step->value);
		break;
	case CHANGE_TEXT:
		change_text(file, step);
		break;
	case CHANGE_DOCUMENT:
		change_document(file, step);
		break;
	case CHANGE_PARAMS:
		change_params(file, step);
		break;
	case CHANGE_TITLE:
		change_attribute(file, texts[step->member % 9], H5I_INVALID_HID, &text);
		break;
	}
}

/*
 * The good file with the changes, as a file of its own. In memory, but with a name: HDF5 asks for
 * the real path of what it opens, and a memfd has none.
 */
static inline void changed_result(const struct good_result *good, const uint8_t *data, size_t size,
				  char path[64])
{
	int fd;
	hid_t file;

	snprintf(path, 64, "/dev/shm/cotenant-fuzz-XXXXXX");
	fd = mkstemp(path);
	require(fd >= 0 && write(fd, good->bytes, good->size) == (ssize_t)good->size);
	close(fd);
	file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
	require(file >= 0);
	for (size_t i = 0; i < MOST_CHANGES && (i + 1) * CHANGE_STEP <= size; i++) {
		const struct change_step step = change_step_read(data + i * CHANGE_STEP);

		change(file, &step);
	}
	H5Fclose(file);
}

/*
 * Mutations of whole steps, besides those of libFuzzer's own that move bytes out of their places:
 * one is put in, changed in one of its parts, or taken out.
 */
static inline size_t change_mutate(uint8_t *data, size_t size, size_t room, unsigned seed)
{
	const size_t steps = size / CHANGE_STEP;
	const size_t at = steps > 0 ? (rand_r(&seed) % steps) * CHANGE_STEP : 0;
	uint8_t *step = data + at;

	switch (rand_r(&seed) % 8) {
	case 0:
		return LLVMFuzzerMutate(data, size, room);
	case 1:
		if (steps < 2)
			break;
		memmove(step, step + CHANGE_STEP, size - at - CHANGE_STEP);
		return size - CHANGE_STEP;
	case 2:
		if (size > 0)
			data[size - 1] = (uint8_t)rand_r(&seed);
		return size;
	case 3:
		if (steps > 0)
			LLVMFuzzerMutate(step + 4, 8, 8);
		return size;
	case 4:
		if (steps > 0)
			step[1 + rand_r(&seed) % 3] = (uint8_t)rand_r(&seed);
		return size;
	default:
		break;
	}
	if (steps == MOST_CHANGES || size + CHANGE_STEP > room)
		return size;
	memmove(step + CHANGE_STEP, step, size - at);
	for (size_t i = 0; i < CHANGE_STEP; i++)
		step[i] = (uint8_t)rand_r(&seed);
	return size + CHANGE_STEP;
}

/* What is printed of a file: UTF-8 in lines, with nothing that a terminal would obey. */
static inline void check_printed(const char *text, size_t size)
{
	json_t *json = json_stringn(text, size);

	require(json != NULL);
	json_decref(json);
	for (size_t i = 0; i < size; i++) {
		const unsigned char c = (unsigned char)text[i];

		require((c >= 0x20 || c == '\n') && c != 0x7f);
		/* C1 controls are two bytes of UTF-8. */
		require(c != 0xc2 || i + 1 == size || (unsigned char)text[i + 1] >= 0xa0);
	}
}

/* What a refusal has to be: one line. */
static inline void check_message(const struct ct_error *err)
{
	require(err->text[0] && !strchr(err->text, '\n'));
}

#endif
