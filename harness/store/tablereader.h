/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a table of a result file, whoever wrote it. Nothing is believed before it is checked: what
 * kind of object a name is, its rank, extent, type, chunks, and that its bytes lie in this very
 * file. Integers of any width are taken (a value that does not fit is an error, never clipped),
 * floats of any width, strings of fixed or variable length.
 */
#ifndef COTENANT_STORE_TABLEREADER_H
#define COTENANT_STORE_TABLEREADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hdf5.h>

#include "harness/core/error.h"
#include "harness/store/column.h"

struct ct_table_reader {
	const struct ct_layout *layout;
	bool present; /* the group is there */
	uint64_t rows;
	hid_t columns[CT_MAX_COLUMNS]; /* negative: absent */
	hid_t types[CT_MAX_COLUMNS];   /* in memory */
};

/* A group that is absent makes an empty table with `present` false. Usage errors. */
bool ct_table_open(struct ct_table_reader *reader, hid_t file, const struct ct_layout *layout,
		   struct ct_error *err);
void ct_table_reader_free(struct ct_table_reader *reader);
/* Whether the file has this column of an open table. */
bool ct_table_has(const struct ct_table_reader *reader, const char *column);
/* Rows [first, first + n) into an array of the layout's rows. Texts are allocated; on failure none
 * are left. */
bool ct_table_read(const struct ct_table_reader *reader, uint64_t first, size_t n, void *rows,
		   struct ct_error *err);
/* Rows [first, first + n) of one unsigned column that the file has, and nothing else of the rows.
 */
bool ct_table_read_u64(const struct ct_table_reader *reader, const char *column, uint64_t first,
		       size_t n, uint64_t *values, struct ct_error *err);

#endif
