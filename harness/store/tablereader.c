/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/tablereader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/text.h"
#include "harness/store/h5.h"
#include "harness/store/h5text.h"

enum { MAX_CHUNK_BYTES = 16 << 20, SCRATCH_VALUES = 8192, CACHE_SLOTS = 11 };

static bool hdf5_failed(const char *table, const char *column, struct ct_error *err)
{
	char reason[CT_H5_REASON];

	return ct_usage(err, "/%s/%s can't be read: %s", table, column, ct_h5_reason(reason));
}

static bool type_fits(const struct ct_column *column, hid_t type)
{
	H5T_class_t class = H5Tget_class(type);
	size_t size = H5Tget_size(type);
	bool scalar = size == 1 || size == 2 || size == 4 || size == 8;

	switch (column->type) {
	case CT_COLUMN_TEXT:
		return class == H5T_STRING;
	case CT_COLUMN_F64:
		return scalar && (class == H5T_FLOAT || class == H5T_INTEGER);
	case CT_COLUMN_U32:
	case CT_COLUMN_U64:
	case CT_COLUMN_I64:
	case CT_COLUMN_CHOICE:
		break;
	}
	return scalar && (class == H5T_INTEGER || class == H5T_ENUM);
}

static const char *type_word(enum ct_column_type type)
{
	switch (type) {
	case CT_COLUMN_TEXT:
		return "strings";
	case CT_COLUMN_F64:
		return "numbers of at most 64 bits";
	case CT_COLUMN_CHOICE:
		return "an enumeration or integers";
	case CT_COLUMN_U32:
	case CT_COLUMN_U64:
	case CT_COLUMN_I64:
		break;
	}
	return "integers of at most 64 bits";
}

/* Bytes of a chunk; 0 when not chunked. False when the data are not plainly in this file. */
static bool storage_fits(hid_t dataset, hid_t type, size_t *chunk_bytes)
{
	hid_t list = H5Dget_create_plist(dataset);
	H5D_layout_t layout = H5Pget_layout(list);
	bool ok = layout == H5D_COMPACT || layout == H5D_CONTIGUOUS || layout == H5D_CHUNKED;
	hsize_t chunk = 0;

	*chunk_bytes = 0;
	if (ok && layout == H5D_CONTIGUOUS)
		ok = H5Pget_external_count(list) == 0;
	if (ok && layout == H5D_CHUNKED) {
		ok = H5Pget_chunk(list, 1, &chunk) == 1 &&
		     chunk <= MAX_CHUNK_BYTES / H5Tget_size(type);
		*chunk_bytes = (size_t)chunk * H5Tget_size(type);
	}
	ct_h5_close(list);
	return ok;
}

static hid_t open_dataset(hid_t group, const char *name, size_t cache_bytes)
{
	hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
	hid_t dataset;

	/* One chunk is enough: a phase's rows lie together. */
	H5Pset_chunk_cache(access, CACHE_SLOTS, cache_bytes, 1.0);
	dataset = H5Dopen2(group, name, access);
	ct_h5_close(access);
	return dataset;
}

static hid_t reading_type(const struct ct_column *column, hid_t file_type)
{
	if (column->type == CT_COLUMN_TEXT)
		return H5Tcopy(file_type);
	/* Enumerations are matched by name, plain integers by value. */
	if (column->type == CT_COLUMN_CHOICE && H5Tget_class(file_type) != H5T_ENUM)
		return H5Tcopy(H5T_NATIVE_INT32);
	return ct_h5_memory_type(column);
}

static bool check_units(const struct ct_table_reader *reader, size_t c, struct ct_error *err)
{
	const struct ct_column *column = &reader->layout->columns[c];
	char *units;
	bool ok;

	if (column->type == CT_COLUMN_TEXT)
		return true;
	if (!ct_h5_get_text_attribute(reader->columns[c], "units", &units, err))
		return ct_error_in(err, "/%s/%s", reader->layout->name, column->name);
	ok = !units || strcmp(units, column->units) == 0 ||
	     ct_usage(err, "/%s/%s is in \"%s\" and has to be in \"%s\"", reader->layout->name,
		      column->name, units, column->units);
	free(units);
	return ok;
}

/* A column that is there: checks all that can be known without reading its values. */
static bool open_column(struct ct_table_reader *reader, hid_t group, size_t c, struct ct_error *err)
{
	const struct ct_layout *layout = reader->layout;
	const struct ct_column *column = &layout->columns[c];
	H5O_info_t object;
	hid_t dataset = H5I_INVALID_HID, type = H5I_INVALID_HID, space = H5I_INVALID_HID;
	size_t chunk_bytes = 0;
	hsize_t extent = 0;
	bool ok = false;

	if (H5Oget_info_by_name1(group, column->name, &object, H5P_DEFAULT) < 0 ||
	    object.type != H5O_TYPE_DATASET)
		return ct_usage(err, "/%s/%s is not a dataset", layout->name, column->name);
	dataset = open_dataset(group, column->name, 0);
	type = dataset >= 0 ? H5Dget_type(dataset) : H5I_INVALID_HID;
	space = dataset >= 0 ? H5Dget_space(dataset) : H5I_INVALID_HID;
	if (type < 0 || space < 0)
		hdf5_failed(layout->name, column->name, err);
	else if (H5Sget_simple_extent_ndims(space) != 1 ||
		 H5Sget_simple_extent_dims(space, &extent, NULL) != 1)
		ct_usage(err, "/%s/%s does not have one dimension", layout->name, column->name);
	else if (!type_fits(column, type))
		ct_usage(err, "/%s/%s does not hold %s", layout->name, column->name,
			 type_word(column->type));
	else if (!storage_fits(dataset, type, &chunk_bytes))
		ct_usage(err,
			 "/%s/%s: external or virtual storage, or chunks above %d MiB, are not "
			 "allowed",
			 layout->name, column->name, MAX_CHUNK_BYTES >> 20);
	else if (reader->rows != UINT64_MAX && extent != reader->rows)
		ct_usage(err, "/%s/%s has %llu rows, the columns before it have %llu", layout->name,
			 column->name, (unsigned long long)extent,
			 (unsigned long long)reader->rows);
	else
		ok = true;
	if (ok && chunk_bytes > 0) {
		ct_h5_close(dataset);
		dataset = open_dataset(group, column->name, chunk_bytes);
		ok = dataset >= 0 || hdf5_failed(layout->name, column->name, err);
	}
	reader->columns[c] = dataset;
	reader->types[c] = ok ? reading_type(column, type) : H5I_INVALID_HID;
	reader->rows = extent;
	ct_h5_close(type);
	ct_h5_close(space);
	return ok && check_units(reader, c, err);
}

bool ct_table_open(struct ct_table_reader *reader, hid_t file, const struct ct_layout *layout,
		   struct ct_error *err)
{
	hid_t group;
	bool ok = true;

	*reader = (struct ct_table_reader){.layout = layout, .rows = UINT64_MAX};
	for (size_t c = 0; c < layout->n_columns; c++)
		reader->columns[c] = reader->types[c] = H5I_INVALID_HID;
	reader->present = ct_h5_is_here(file, layout->name);
	if (!reader->present) {
		reader->rows = 0;
		return true;
	}
	group = H5Gopen2(file, layout->name, H5P_DEFAULT);
	if (group < 0)
		return ct_usage(err, "/%s is not a group", layout->name);
	for (size_t c = 0; ok && c < layout->n_columns; c++) {
		const struct ct_column *column = &layout->columns[c];

		if (ct_h5_is_here(group, column->name))
			ok = open_column(reader, group, c, err);
		else if (column->absent == CT_ABSENT_NO)
			ok = ct_usage(err, "/%s/%s is missing", layout->name, column->name);
	}
	ct_h5_close(group);
	if (!ok)
		ct_table_reader_free(reader);
	return ok;
}

void ct_table_reader_free(struct ct_table_reader *reader)
{
	if (!reader->layout)
		return;
	for (size_t c = 0; c < reader->layout->n_columns; c++) {
		ct_h5_close(reader->columns[c]);
		ct_h5_close(reader->types[c]);
	}
	*reader = (struct ct_table_reader){0};
}

bool ct_table_has(const struct ct_table_reader *reader, const char *column)
{
	size_t c = ct_column_find(reader->layout, column);

	return reader->present && c < reader->layout->n_columns && reader->columns[c] >= 0;
}

/* HDF5 clips what does not fit (-1 becomes 0); here that is an error. */
static H5T_conv_ret_t refuse_clipping(H5T_conv_except_t what, hid_t from, hid_t to, void *source,
				      void *target, void *context)
{
	(void)from;
	(void)to;
	(void)source;
	(void)target;
	(void)context;
	if (what == H5T_CONV_EXCEPT_RANGE_HI || what == H5T_CONV_EXCEPT_RANGE_LOW)
		return H5T_CONV_ABORT;
	return H5T_CONV_UNHANDLED;
}

static bool read_range(hid_t dataset, hid_t type, uint64_t first, size_t n, void *values)
{
	hsize_t start = first, count = n;
	hid_t file = H5Dget_space(dataset);
	hid_t memory = H5Screate_simple(1, &count, NULL);
	hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
	bool ok = H5Pset_type_conv_cb(transfer, refuse_clipping, NULL) >= 0 &&
		  H5Sselect_hyperslab(file, H5S_SELECT_SET, &start, NULL, &count, NULL) >= 0 &&
		  H5Dread(dataset, type, memory, file, transfer, values) >= 0;

	ct_h5_close(transfer);
	ct_h5_close(memory);
	ct_h5_close(file);
	return ok;
}

static bool read_texts(const struct ct_table_reader *reader, size_t c, uint64_t first, size_t n,
		       char *rows, struct ct_error *err)
{
	const struct ct_layout *layout = reader->layout;
	hsize_t start = first, count = n;
	hid_t space = H5Dget_space(reader->columns[c]);
	char **texts = calloc(n, sizeof *texts);
	bool ok = texts || ct_broken_errno(err, "memory for /%s", layout->name);

	if (ok && (H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &count, NULL) < 0 ||
		   !ct_h5_read_texts(reader->columns[c], reader->types[c], space, n, texts)))
		ok = hdf5_failed(layout->name, layout->columns[c].name, err);
	for (size_t i = 0; ok && i < n; i++) {
		ct_text_clean(texts[i]);
		memcpy(rows + i * layout->row_size + layout->columns[c].offset, &texts[i],
		       sizeof texts[i]);
	}
	free(texts);
	ct_h5_close(space);
	return ok;
}

static bool read_numbers(const struct ct_table_reader *reader, size_t c, uint64_t first, size_t n,
			 char *rows, struct ct_error *err)
{
	const struct ct_layout *layout = reader->layout;
	const struct ct_column *column = &layout->columns[c];
	const size_t size = ct_column_size(column->type);
	uint64_t scratch[SCRATCH_VALUES];

	for (size_t done = 0; done < n; done += SCRATCH_VALUES) {
		size_t piece = n - done < SCRATCH_VALUES ? n - done : SCRATCH_VALUES;
		const char *value = (const char *)scratch;
		char *row = rows + done * layout->row_size + column->offset;

		if (!read_range(reader->columns[c], reader->types[c], first + done, piece, scratch))
			return hdf5_failed(layout->name, column->name, err);
		for (size_t i = 0; i < piece; i++, value += size, row += layout->row_size) {
			int32_t choice;

			memcpy(row, value, size);
			if (column->type != CT_COLUMN_CHOICE)
				continue;
			memcpy(&choice, value, sizeof choice);
			if (!ct_choice_valid(column, choice))
				return ct_usage(err, "/%s/%s[%llu] is %d, which has no meaning",
						layout->name, column->name,
						(unsigned long long)(first + done + i), choice);
		}
	}
	return true;
}

static bool fill_absent(const struct ct_column *column, size_t stride, size_t n, char *rows)
{
	for (size_t i = 0; i < n; i++) {
		char *field = rows + i * stride + column->offset;
		const double nan_value = NAN;
		char *empty;

		if (column->type == CT_COLUMN_TEXT) {
			empty = strdup("");
			if (!empty)
				return false;
			memcpy(field, &empty, sizeof empty);
		} else if (column->absent == CT_ABSENT_NAN) {
			memcpy(field, &nan_value, sizeof nan_value);
		} else {
			memset(field, 0, ct_column_size(column->type));
		}
	}
	return true;
}

bool ct_table_read(const struct ct_table_reader *reader, uint64_t first, size_t n, void *rows,
		   struct ct_error *err)
{
	const struct ct_layout *layout = reader->layout;
	bool ok = true;

	if (n == 0)
		return true;
	if (first > reader->rows || n > reader->rows - first)
		return ct_usage(err, "/%s has %llu rows; row %llu was asked for", layout->name,
				(unsigned long long)reader->rows,
				(unsigned long long)(first + n - 1));
	memset(rows, 0, n * layout->row_size);
	for (size_t c = 0; ok && c < layout->n_columns; c++) {
		if (reader->columns[c] < 0)
			ok = fill_absent(&layout->columns[c], layout->row_size, n, rows) ||
			     ct_broken_errno(err, "memory for /%s", layout->name);
		else if (layout->columns[c].type == CT_COLUMN_TEXT)
			ok = read_texts(reader, c, first, n, rows, err);
		else
			ok = read_numbers(reader, c, first, n, rows, err);
	}
	if (!ok)
		ct_rows_free_text(layout, rows, n);
	return ok;
}

bool ct_table_read_u64(const struct ct_table_reader *reader, const char *column, uint64_t first,
		       size_t n, uint64_t *values, struct ct_error *err)
{
	const struct ct_layout *layout = reader->layout;
	const size_t c = ct_column_find(layout, column);

	if (n == 0)
		return true;
	if (first > reader->rows || n > reader->rows - first)
		return ct_usage(err, "/%s has %llu rows; row %llu was asked for", layout->name,
				(unsigned long long)reader->rows,
				(unsigned long long)(first + n - 1));
	if (!read_range(reader->columns[c], H5T_NATIVE_UINT64, first, n, values))
		return hdf5_failed(layout->name, column, err);
	return true;
}
