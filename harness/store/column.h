/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a result file, each described once: the writer, the reader, the journal and
 * `validate` all work from these descriptions, and a test holds results-schema/SCHEMA.md to them.
 */
#ifndef COTENANT_STORE_COLUMN_H
#define COTENANT_STORE_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ct_column_type {                   /* C type at `offset`, type in the file */
		      CT_COLUMN_U32,    /* uint32_t */
		      CT_COLUMN_U64,    /* uint64_t */
		      CT_COLUMN_I64,    /* int64_t */
		      CT_COLUMN_F64,    /* double */
		      CT_COLUMN_CHOICE, /* an enum, stored as an HDF5 enumeration of uint8 */
		      CT_COLUMN_TEXT    /* char *, owned by the row, never NULL; UTF-8 */
};

enum ct_column_absent {                 /* what a reader takes when a foreign writer left it out */
			CT_ABSENT_NO,   /* it must be there */
			CT_ABSENT_ZERO, /* 0, the first name of a choice, "" */
			CT_ABSENT_NAN
};

struct ct_column {
	const char *name;
	enum ct_column_type type;
	size_t offset;
	enum ct_column_absent absent;
	const char *units; /* as UDUNITS writes them; "1" for counts and indexes, "" for text */
	const char *long_name;
	const char *const *names; /* CT_COLUMN_CHOICE: names by value, NULL-terminated */
};

enum { CT_MAX_COLUMNS = 32 };

struct ct_layout {
	const char *name; /* group in the file */
	const char *long_name;
	size_t row_size;
	const struct ct_column *columns;
	size_t n_columns;
	const char *scale;   /* the column that is the dimension scale; NULL: a column `index` */
	uint32_t chunk_rows; /* rows of a chunk, and rows buffered while writing */
};

/* A row of /buckets: where a histogram bucket lies, so that nobody needs the formula. */
struct ct_bucket_edge {
	uint64_t low_ps;
	double mid_ps;
};

extern const struct ct_layout ct_layout_victims, ct_layout_aggressors, ct_layout_cells,
	ct_layout_blocks, ct_layout_phases, ct_layout_histogram, ct_layout_epochs, ct_layout_noise,
	ct_layout_slowest, ct_layout_counters, ct_layout_readings, ct_layout_raw, ct_layout_log,
	ct_layout_buckets;
extern const struct ct_layout *const ct_layouts[]; /* all of them, NULL-terminated */

extern const char *const ct_role_names[];   /* enum ct_role */
extern const char *const ct_load_names[];   /* enum ct_load */
extern const char *const ct_status_names[]; /* enum ct_block_status */

/* Row of the column called `name`, or n_columns. */
size_t ct_column_find(const struct ct_layout *layout, const char *name);
/* Bytes of one value in memory (of the pointer, for text). */
size_t ct_column_size(enum ct_column_type type);
/* Whether a CT_COLUMN_CHOICE has a name for `value`. */
bool ct_choice_valid(const struct ct_column *column, int32_t value);
/* Frees the texts of `n` rows, not the rows. */
void ct_rows_free_text(const struct ct_layout *layout, void *rows, size_t n);

#endif
