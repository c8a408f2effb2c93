/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	double scale;
};

/* A number without sign, exponent or blanks in front; *rest is what follows it, blanks skipped. */
static bool read_number(const char *text, double *value, const char **rest)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	/* strtod also reads hexadecimal and exponents, which nobody means here. */
	if (text[strspn(text, "0123456789.")] != '\0' &&
	    strchr("xXeEpP", text[strspn(text, "0123456789.")]) != NULL)
		return false;
	errno = 0;
	*value = strtod(text, &end);
	if (errno != 0 || end != text + strspn(text, "0123456789."))
		return false;
	while (*end == ' ')
		end++;
	*rest = end;
	return true;
}

static const struct unit *find_unit(const struct unit *units, const char *name, bool any_case)
{
	for (; units->name; units++) {
		if (any_case ? strcasecmp(units->name, name) == 0 : strcmp(units->name, name) == 0)
			return units;
	}
	return NULL;
}

static bool read_quantity(const char *text, const struct unit *units, bool any_case,
			  const char *what, double *value, struct ct_error *err)
{
	const struct unit *unit;
	const char *rest;

	if (!read_number(text, value, &rest))
		return ct_usage(err, "'%s' is not %s", text, what);
	unit = find_unit(units, rest, any_case);
	if (!unit)
		return ct_usage(err, "'%s' is not %s", text, what);
	*value *= unit->scale;
	return true;
}

/* Whole numbers only, and none that a uint64_t or the arithmetic on the way can't hold exactly. */
static bool to_whole(const char *text, double value, const char *what, uint64_t *out,
		     struct ct_error *err)
{
	if (!(value >= 0) || value > 9.2e18)
		return ct_usage(err, "'%s' is too large for %s", text, what);
	if (value != floor(value))
		return ct_usage(err, "'%s' is not a whole number of %s", text, what);
	*out = (uint64_t)value;
	return true;
}

/* Digits alone are read as an integer, so that large values keep all of them. */
static bool read_integer(const char *text, uint64_t *out)
{
	char *end;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0;
}

bool ct_parse_size(const char *text, uint64_t *bytes, struct ct_error *err)
{
	static const struct unit units[] = {
		{"", 1},         {"B", 1},       {"K", 0x1p10},   {"KB", 0x1p10},  {"KiB", 0x1p10},
		{"M", 0x1p20},   {"MB", 0x1p20}, {"MiB", 0x1p20}, {"G", 0x1p30},   {"GB", 0x1p30},
		{"GiB", 0x1p30}, {"T", 0x1p40},  {"TB", 0x1p40},  {"TiB", 0x1p40}, {NULL, 0}};
	double value;

	if (read_integer(text, bytes))
		return true;
	return read_quantity(text, units, true, "a size such as 64M", &value, err) &&
	       to_whole(text, value, "bytes", bytes, err);
}

bool ct_parse_time(const char *text, uint64_t *ns, struct ct_error *err)
{
	static const struct unit units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},    {"s", 1e9},
					    {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {NULL, 0}};
	double value;

	return read_quantity(text, units, false, "a time with its unit, such as 300ms", &value,
			     err) &&
	       to_whole(text, nearbyint(value * 1e3) / 1e3, "nanoseconds", ns, err);
}

bool ct_parse_bitrate(const char *text, double *bits_per_s, struct ct_error *err)
{
	static const struct unit units[] = {
		{"bit/s", 1}, {"kbit/s", 1e3}, {"Mbit/s", 1e6}, {"Gbit/s", 1e9}, {"Tbit/s", 1e12},
		{"B/s", 8},   {"kB/s", 8e3},   {"MB/s", 8e6},   {"GB/s", 8e9},   {NULL, 0}};

	return read_quantity(text, units, true, "a rate such as 10Gbit/s", bits_per_s, err);
}

bool ct_parse_frequency(const char *text, double *hz, struct ct_error *err)
{
	static const struct unit units[] = {{"Hz", 1},    {"kHz", 1e3}, {"MHz", 1e6},
					    {"GHz", 1e9}, {"/s", 1},    {NULL, 0}};
	const char *rest;

	/* 0 switches off and needs no unit. */
	if (read_number(text, hz, &rest) && *hz == 0 && *rest == '\0')
		return true;
	return read_quantity(text, units, true, "a frequency such as 10kHz", hz, err);
}

bool ct_parse_percent(const char *text, double *percent, struct ct_error *err)
{
	static const struct unit units[] = {{"%", 1}, {NULL, 0}};

	return read_quantity(text, units, false, "a percentage such as 50%", percent, err);
}

bool ct_parse_count(const char *text, uint64_t *count, struct ct_error *err)
{
	return read_integer(text, count) || ct_usage(err, "'%s' is not a number such as 8", text);
}

bool ct_parse_bool(const char *text, bool *value, struct ct_error *err)
{
	static const struct unit words[] = {{"yes", 1}, {"true", 1}, {"on", 1},
					    {"1", 1},   {"no", 0},   {"false", 0},
					    {"off", 0}, {"0", 0},    {NULL, 0}};
	const struct unit *word = find_unit(words, text, true);

	if (!word)
		return ct_usage(err, "'%s' is neither yes nor no", text);
	*value = word->scale != 0;
	return true;
}

/* Three significant digits, the fewest that still show a change of 1 %. */
static void three_digits(double value, char *out, size_t size)
{
	int decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;

	snprintf(out, size, "%.*f", decimals, value);
}

static const char *with_prefix(double value, double step, const char *const *prefixes, size_t n,
			       const char *unit, char *out)
{
	char digits[16];
	size_t i = 0;

	if (!isfinite(value)) {
		snprintf(out, CT_UNIT_TEXT, "-");
		return out;
	}
	/* 999.5 would be printed as 1000 of the smaller unit. */
	for (; i + 1 < n && fabs(value) >= 0.9995 * step; i++)
		value /= step;
	if (fabs(value) >= 1e6) {
		snprintf(out, CT_UNIT_TEXT, "%.3g %s%.8s", value, prefixes[i], unit);
		return out;
	}
	three_digits(value, digits, sizeof digits);
	snprintf(out, CT_UNIT_TEXT, "%s %s%.12s", digits, prefixes[i], unit);
	return out;
}

const char *ct_format_ns(double ns, char out[CT_UNIT_TEXT])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};

	return with_prefix(ns, 1000, units, 4, "", out);
}

const char *ct_format_size(double bytes, char out[CT_UNIT_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};

	return with_prefix(bytes, 1024, units, 5, "", out);
}

const char *ct_format_rate(double per_s, const char *unit, char out[CT_UNIT_TEXT])
{
	static const char *const prefixes[] = {"", "k", "M", "G", "T"};
	char per_second[16];

	snprintf(per_second, sizeof per_second, "%.12s/s", unit);
	return with_prefix(per_s, 1000, prefixes, 5, per_second, out);
}

/* Optimal string alignment distance: a swap of neighbours is one slip of the finger, not two. */
static size_t edit_distance(const char *a, const char *b)
{
	enum { LONGEST = 48 };
	size_t rows[3][LONGEST + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > LONGEST || m > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3],
		       *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[j - 1]);
			size_t best = above[j - 1] + !same;

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two_above[j - 2] + 1 < best)
				best = two_above[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[n % 3][m];
}

const char *ct_nearest(const char *word, const char *const *names, size_t n)
{
	/* A third of the letters wrong is still a slip; more is another word. */
	size_t best = strlen(word) / 3 + 2;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t distance = edit_distance(word, names[i]);

		if (distance < best) {
			best = distance;
			nearest = names[i];
		}
	}
	return nearest;
}
