/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for the terminal: columns aligned, numbers to the right. On a terminal headings are bold
 * (unless NO_COLOR is set) and underlined; in a pipe the text is plain, so that it can be cut and
 * compared.
 */
#ifndef COTENANT_REPORT_TABLE_H
#define COTENANT_REPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ct_style {
	bool bold;      /* escape sequences may be used */
	bool unicode;   /* lines and marks beyond ASCII may be used */
	unsigned width; /* columns of the terminal; 0: no limit (a pipe) */
};
/* What `stream` takes: a terminal or not, NO_COLOR (no-color.org), TERM, COLUMNS, the locale. */
struct ct_style ct_style_of(FILE *stream);

struct ct_table; /* cells are copied */

struct ct_table *ct_table_new(void);
void ct_table_free(struct ct_table *table);
/* Columns come first. Texts to the left, numbers to the right. */
void ct_table_column(struct ct_table *table, const char *heading, bool right);
/* Cells go row by row; a row is full when it has a cell for every column. */
void ct_table_cell(struct ct_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* False when memory ran out while it was filled, or nothing can be written. */
bool ct_table_print(const struct ct_table *table, FILE *out, const struct ct_style *style);

/* A heading line of its own, bold where that is possible. */
void ct_print_heading(FILE *out, const struct ct_style *style, const char *text);

/* Ratio with at least four significant digits: "1.834", "12.35", "0.9987". Returns `out`. */
enum { CT_RATIO_TEXT = 24 };
const char *ct_format_ratio(double ratio, char out[CT_RATIO_TEXT]);

/* Columns that a UTF-8 text takes on a terminal, one a character; colours (SGR) take none. */
size_t ct_text_width(const char *text);

#endif
