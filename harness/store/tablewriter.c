/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/tablewriter.h"

#include <stdlib.h>
#include <string.h>

#include <hdf5_hl.h>

#include "harness/store/h5.h"

enum { DEFLATE_LEVEL = 4 };

static bool hdf5_failed(const struct ct_layout *layout, const char *column, struct ct_error *err)
{
	char reason[CT_H5_REASON];

	return ct_broken(err, "writing /%s/%s: %s", layout->name, column, ct_h5_reason(reason));
}

static hid_t creation_list(const struct ct_layout *layout, bool text, uint64_t rows)
{
	hid_t list = H5Pcreate(H5P_DATASET_CREATE);
	hsize_t chunk = rows < layout->chunk_rows ? rows : layout->chunk_rows;

	H5Pset_attr_phase_change(list, 16, 12);
	/* Texts lie outside the chunks, so there would be nothing to compress or to check. */
	if (text || rows == 0)
		return list;
	H5Pset_chunk(list, 1, &chunk);
	H5Pset_shuffle(list);
	H5Pset_deflate(list, DEFLATE_LEVEL);
	H5Pset_fletcher32(list);
	return list;
}

static hid_t create_dataset(hid_t group, const struct ct_layout *layout, const char *name,
			    hid_t type, bool text, uint64_t rows)
{
	hsize_t extent = rows;
	hid_t space = H5Screate_simple(1, &extent, NULL);
	hid_t creation = creation_list(layout, text, rows);
	hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
	hid_t dataset;

	/* Only whole chunks are written, so a cache would only cost memory: a MiB a column. */
	H5Pset_chunk_cache(access, 1, 0, 1.0);
	dataset = H5Dcreate2(group, name, type, space, H5P_DEFAULT, creation, access);
	ct_h5_close(access);
	ct_h5_close(creation);
	ct_h5_close(space);
	return dataset;
}

static bool write_range(hid_t dataset, hid_t type, uint64_t first, size_t n, const void *values)
{
	hsize_t start = first, count = n;
	hid_t file = H5Dget_space(dataset);
	hid_t memory = H5Screate_simple(1, &count, NULL);
	bool ok = H5Sselect_hyperslab(file, H5S_SELECT_SET, &start, NULL, &count, NULL) >= 0 &&
		  H5Dwrite(dataset, type, memory, file, H5P_DEFAULT, values) >= 0;

	ct_h5_close(memory);
	ct_h5_close(file);
	return ok;
}

/* 0, 1, 2, ...: the dimension scale of tables that have no natural one. */
static hid_t create_index(struct ct_table_writer *writer)
{
	const struct ct_layout *layout = writer->layout;
	hid_t dataset =
		create_dataset(writer->group, layout, "index", H5T_STD_U32LE, false, writer->rows);
	uint32_t *values = calloc(layout->chunk_rows, sizeof *values);
	bool ok = dataset >= 0 && values && ct_h5_set_text(dataset, "units", "1") &&
		  ct_h5_set_text(dataset, "long_name", "row");

	for (uint64_t at = 0; ok && at < writer->rows; at += layout->chunk_rows) {
		uint64_t left = writer->rows - at;
		size_t n = left < layout->chunk_rows ? left : layout->chunk_rows;

		for (size_t i = 0; i < n; i++)
			values[i] = (uint32_t)(at + i);
		ok = write_range(dataset, H5T_NATIVE_UINT32, at, n, values);
	}
	free(values);
	if (ok)
		return dataset;
	ct_h5_close(dataset);
	return H5I_INVALID_HID;
}

static bool create_column(struct ct_table_writer *writer, size_t c, struct ct_error *err)
{
	const struct ct_column *column = &writer->layout->columns[c];
	hid_t type = ct_h5_file_type(column);

	writer->types[c] = ct_h5_memory_type(column);
	writer->columns[c] = create_dataset(writer->group, writer->layout, column->name, type,
					    column->type == CT_COLUMN_TEXT, writer->rows);
	ct_h5_close(type);
	if (writer->columns[c] < 0 || !ct_h5_set_text(writer->columns[c], "units", column->units) ||
	    !ct_h5_set_text(writer->columns[c], "long_name", column->long_name))
		return hdf5_failed(writer->layout, column->name, err);
	writer->buffers[c] = calloc(writer->capacity, ct_column_size(column->type));
	return writer->buffers[c] || ct_broken_errno(err, "memory for /%s", writer->layout->name);
}

static bool attach_scale(struct ct_table_writer *writer, struct ct_error *err)
{
	const struct ct_layout *layout = writer->layout;
	size_t own = layout->scale ? ct_column_find(layout, layout->scale) : layout->n_columns;
	hid_t scale = layout->scale ? writer->columns[own] : create_index(writer);
	bool ok = scale >= 0 && H5DSset_scale(scale, layout->name) >= 0;

	for (size_t c = 0; ok && c < layout->n_columns; c++) {
		if (c != own)
			ok = H5DSattach_scale(writer->columns[c], scale, 0) >= 0;
	}
	if (!ok)
		hdf5_failed(layout, "index", err);
	if (!layout->scale)
		ct_h5_close(scale);
	return ok;
}

bool ct_table_create(struct ct_table_writer *writer, hid_t file, const struct ct_layout *layout,
		     uint64_t rows, struct ct_error *err)
{
	*writer = (struct ct_table_writer){.layout = layout, .rows = rows};
	writer->capacity = rows < layout->chunk_rows ? rows + 1 : layout->chunk_rows;
	for (size_t c = 0; c < layout->n_columns; c++)
		writer->columns[c] = writer->types[c] = H5I_INVALID_HID;
	writer->group = H5Gcreate2(file, layout->name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
	if (writer->group < 0 || !ct_h5_set_text(writer->group, "long_name", layout->long_name))
		return hdf5_failed(layout, "", err);
	for (size_t c = 0; c < layout->n_columns; c++) {
		if (!create_column(writer, c, err))
			return false;
	}
	return attach_scale(writer, err);
}

static void drop_texts(struct ct_table_writer *writer, size_t c)
{
	char **texts = writer->buffers[c];

	for (size_t i = 0; i < writer->capacity; i++) {
		free(texts[i]);
		texts[i] = NULL;
	}
}

static bool flush(struct ct_table_writer *writer, struct ct_error *err)
{
	const struct ct_layout *layout = writer->layout;
	bool ok = true;

	if (writer->buffered == 0)
		return true;
	for (size_t c = 0; c < layout->n_columns; c++) {
		ok = ok && write_range(writer->columns[c], writer->types[c], writer->written,
				       writer->buffered, writer->buffers[c]);
		if (layout->columns[c].type == CT_COLUMN_TEXT)
			drop_texts(writer, c);
		if (!ok)
			return hdf5_failed(layout, layout->columns[c].name, err);
	}
	writer->written += writer->buffered;
	writer->buffered = 0;
	return true;
}

static bool buffer_row(struct ct_table_writer *writer, const char *row)
{
	const struct ct_layout *layout = writer->layout;

	for (size_t c = 0; c < layout->n_columns; c++) {
		const struct ct_column *column = &layout->columns[c];
		size_t size = ct_column_size(column->type);
		char *slot = (char *)writer->buffers[c] + writer->buffered * size;

		if (column->type == CT_COLUMN_TEXT) {
			*(char **)slot = strdup(*(char *const *)(row + column->offset));
			if (!*(char **)slot)
				return false;
		} else {
			memcpy(slot, row + column->offset, size);
		}
	}
	writer->buffered++;
	return true;
}

bool ct_table_append(struct ct_table_writer *writer, const void *rows, size_t n,
		     struct ct_error *err)
{
	const struct ct_layout *layout = writer->layout;

	if (n > writer->rows - ct_table_position(writer))
		return ct_broken(err, "/%s: more rows than its journal announced", layout->name);
	for (size_t i = 0; i < n; i++) {
		if (!buffer_row(writer, (const char *)rows + i * layout->row_size))
			return ct_broken_errno(err, "memory for /%s", layout->name);
		if (writer->buffered == writer->capacity && !flush(writer, err))
			return false;
	}
	return true;
}

uint64_t ct_table_position(const struct ct_table_writer *writer)
{
	return writer->written + writer->buffered;
}

bool ct_table_finish(struct ct_table_writer *writer, struct ct_error *err)
{
	if (ct_table_position(writer) != writer->rows)
		return ct_broken(err, "/%s: fewer rows than its journal announced",
				 writer->layout->name);
	return flush(writer, err);
}

void ct_table_writer_free(struct ct_table_writer *writer)
{
	if (!writer->layout)
		return;
	for (size_t c = 0; c < writer->layout->n_columns; c++) {
		if (writer->layout->columns[c].type == CT_COLUMN_TEXT && writer->buffers[c])
			drop_texts(writer, c);
		free(writer->buffers[c]);
		ct_h5_close(writer->types[c]);
		ct_h5_close(writer->columns[c]);
	}
	ct_h5_close(writer->group);
	*writer = (struct ct_table_writer){0};
}
