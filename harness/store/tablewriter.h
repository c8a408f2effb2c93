/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a table of a result file: a group of columns, filled a chunk at a time as rows come. */
#ifndef COTENANT_STORE_TABLEWRITER_H
#define COTENANT_STORE_TABLEWRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hdf5.h>

#include "harness/core/error.h"
#include "harness/store/column.h"

struct ct_table_writer {
	const struct ct_layout *layout;
	hid_t group;
	hid_t columns[CT_MAX_COLUMNS];
	hid_t types[CT_MAX_COLUMNS]; /* in memory */
	void *buffers[CT_MAX_COLUMNS];
	uint64_t rows; /* that the table will have */
	uint64_t written;
	size_t buffered, capacity;
};

/* Makes the group, its columns for exactly `rows` rows, their attributes and dimension scales. */
bool ct_table_create(struct ct_table_writer *writer, hid_t file, const struct ct_layout *layout,
		     uint64_t rows, struct ct_error *err);
/* Copies `n` rows (texts as well). More rows than announced are an error. */
bool ct_table_append(struct ct_table_writer *writer, const void *rows, size_t n,
		     struct ct_error *err);
uint64_t ct_table_position(const struct ct_table_writer *writer); /* row that comes next */
/* Writes what is buffered; fewer rows than announced are an error. */
bool ct_table_finish(struct ct_table_writer *writer, struct ct_error *err);
/* Closes in every case; does nothing to a zeroed writer. */
void ct_table_writer_free(struct ct_table_writer *writer);

#endif
