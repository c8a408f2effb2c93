/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MAX_TABLE_COLUMNS = 64, GAP = 2 };

struct ct_table {
	char *headings[MAX_TABLE_COLUMNS];
	bool right[MAX_TABLE_COLUMNS];
	size_t n_columns;
	char **cells;
	size_t n_cells, capacity;
	bool failed;
};

static bool locale_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = getenv(names[i]);

		if (value && value[0])
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

static unsigned terminal_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns && atoi(columns) > 0)
		return (unsigned)atoi(columns);
	return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 80;
}

struct ct_style ct_style_of(FILE *stream)
{
	const int fd = fileno(stream);
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct ct_style style = {0};

	if (fd < 0 || !isatty(fd))
		return style;
	style.bold = !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
	style.unicode = locale_is_utf8();
	style.width = terminal_width(fd);
	return style;
}

size_t ct_text_width(const char *text)
{
	size_t n = 0;

	while (*text) {
		if (text[0] == '\033' && text[1] == '[') {
			text += strcspn(text, "m");
			text += *text == 'm';
			continue;
		}
		n += ((unsigned char)*text & 0xc0) != 0x80;
		text++;
	}
	return n;
}

struct ct_table *ct_table_new(void)
{
	return calloc(1, sizeof(struct ct_table));
}

void ct_table_free(struct ct_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_columns; i++)
		free(table->headings[i]);
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

void ct_table_column(struct ct_table *table, const char *heading, bool right)
{
	if (!table || table->n_columns == MAX_TABLE_COLUMNS)
		return;
	table->headings[table->n_columns] = strdup(heading);
	table->failed |= !table->headings[table->n_columns];
	table->right[table->n_columns] = right;
	table->n_columns++;
}

void ct_table_cell(struct ct_table *table, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	if (!table || table->failed)
		return;
	if (table->n_cells == table->capacity) {
		size_t capacity = 2 * table->capacity + 64;
		char **cells = realloc(table->cells, capacity * sizeof *cells);

		if (!cells) {
			table->failed = true;
			return;
		}
		table->cells = cells;
		table->capacity = capacity;
	}
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		table->failed = true;
	else
		table->cells[table->n_cells++] = text;
}

static size_t column_width(const struct ct_table *table, size_t column)
{
	size_t width = ct_text_width(table->headings[column]);

	for (size_t i = column; i < table->n_cells; i += table->n_columns) {
		size_t n = ct_text_width(table->cells[i]);

		if (n > width)
			width = n;
	}
	return width;
}

/* One line; nothing is padded behind the last text, so lines end where their text does. */
static void print_line(const struct ct_table *table, char *const *cells, const size_t *widths,
		       FILE *out)
{
	for (size_t c = 0; c < table->n_columns; c++) {
		int pad = (int)(widths[c] - ct_text_width(cells[c]));
		bool last = c + 1 == table->n_columns;

		fprintf(out, "%*s%s%*s", table->right[c] ? pad : 0, "", cells[c],
			table->right[c] || last ? 0 : pad, "");
		if (!last)
			fprintf(out, "%*s", GAP, "");
	}
	fputc('\n', out);
}

bool ct_table_print(const struct ct_table *table, FILE *out, const struct ct_style *style)
{
	size_t widths[MAX_TABLE_COLUMNS], total = 0;

	if (!table || table->failed || table->n_columns == 0)
		return false;
	for (size_t c = 0; c < table->n_columns; c++) {
		widths[c] = column_width(table, c);
		total += widths[c] + (c > 0 ? GAP : 0);
	}
	if (style->bold)
		fputs("\033[1m", out);
	print_line(table, table->headings, widths, out);
	if (style->bold)
		fputs("\033[0m", out);
	for (size_t i = 0; i < total; i++)
		fputs(style->unicode ? "\u2500" : "-", out);
	fputc('\n', out);
	for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
		print_line(table, table->cells + i, widths, out);
	return !ferror(out);
}

void ct_print_heading(FILE *out, const struct ct_style *style, const char *text)
{
	fprintf(out, "%s%s%s\n", style->bold ? "\033[1m" : "", text, style->bold ? "\033[0m" : "");
}

const char *ct_format_ratio(double ratio, char out[CT_RATIO_TEXT])
{
	int decimals = 4;

	if (isnan(ratio)) {
		snprintf(out, CT_RATIO_TEXT, "-");
		return out;
	}
	/* As many decimals as leave four significant digits; rounding may add one more digit. */
	for (double limit = 1; decimals > 0 && fabs(ratio) >= limit; limit *= 10)
		decimals--;
	snprintf(out, CT_RATIO_TEXT, "%.*f", decimals, ratio);
	return out;
}
