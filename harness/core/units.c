/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Lists of units end with {NULL, 0}. Names match exactly: "mHz" is not "MHz", "Gb/s" not "GB/s". */
struct unit {
	const char *name;
	uint64_t scale;
};

/* What a text should have been, with an example. */
struct quantity {
	const char *what;
	const struct unit *units;
};

static bool refuse(const char *text, const struct quantity *quantity, struct ct_error *err)
{
	return ct_usage(err, "'%s' is not %s", text, quantity->what);
}

/* "DIGITS" or "DIGITS.DIGITS" at the start; its length, 0 when there is none. */
static size_t number_length(const char *text)
{
	size_t whole = strspn(text, "0123456789"), fraction;

	if (whole == 0 || text[whole] != '.')
		return whole;
	fraction = strspn(text + whole + 1, "0123456789");
	return fraction ? whole + 1 + fraction : 0;
}

/* The unit behind a number, which a blank may set off; NULL: none of ours. */
static const struct unit *find_unit(const struct unit *units, const char *name)
{
	while (name[0] == ' ' && name[1] != '\0')
		name++;
	for (; units->name; units++) {
		if (strcmp(units->name, name) == 0)
			return units;
	}
	return NULL;
}

enum scaling { SCALED, TOO_LARGE, NOT_WHOLE };

/* number * scale in integers, so that no digit is lost; at most what JSON integers hold. */
static enum scaling scale_whole(const char *number, size_t length, uint64_t scale, uint64_t *out)
{
	enum { MOST_DECIMALS = 18 };
	const char *point = memchr(number, '.', length);
	const size_t whole = point ? (size_t)(point - number) : length;
	unsigned __int128 value = 0, fraction = 0, power = 1;

	for (size_t i = 0; i < whole; i++) {
		value = value * 10 + (unsigned)(number[i] - '0');
		if (value * scale > INT64_MAX)
			return TOO_LARGE;
	}
	while (point && number[length - 1] == '0')
		length--;
	if (length > whole + 1 + MOST_DECIMALS)
		return NOT_WHOLE;
	for (size_t i = whole + 1; i < length; i++) {
		fraction = fraction * 10 + (unsigned)(number[i] - '0');
		power *= 10;
	}
	if (fraction * scale % power != 0)
		return NOT_WHOLE;
	value = value * scale + fraction * scale / power;
	if (value > INT64_MAX)
		return TOO_LARGE;
	*out = (uint64_t)value;
	return SCALED;
}

static bool read_whole(const char *text, const struct quantity *quantity, const char *smallest,
		       uint64_t *out, struct ct_error *err)
{
	const size_t length = number_length(text);
	const struct unit *unit = length ? find_unit(quantity->units, text + length) : NULL;

	if (!unit)
		return refuse(text, quantity, err);
	switch (scale_whole(text, length, unit->scale, out)) {
	case SCALED:
		return true;
	case TOO_LARGE:
		return ct_usage(err, "'%s' is too large for %s", text, quantity->what);
	case NOT_WHOLE:
		break;
	}
	return ct_usage(err, "'%s' is not a whole number of %s: write %s", text, smallest,
			quantity->what);
}

static bool read_real(const char *text, const struct quantity *quantity, double *out,
		      struct ct_error *err)
{
	const size_t length = number_length(text);
	const struct unit *unit = length ? find_unit(quantity->units, text + length) : NULL;
	double value;

	if (!unit)
		return refuse(text, quantity, err);
	value = strtod(text, NULL) * (double)unit->scale;
	if (!(value <= 1e18))
		return ct_usage(err, "'%s' is too large for %s", text, quantity->what);
	*out = value;
	return true;
}

bool ct_parse_size(const char *text, uint64_t *bytes, struct ct_error *err)
{
	/* Small letters too, as fio takes them: nobody means bits or thousandths here. */
	static const struct unit units[] = {
		{"", 1},
		{"B", 1},
		{"b", 1},
		{"K", UINT64_C(1) << 10},
		{"k", UINT64_C(1) << 10},
		{"KB", UINT64_C(1) << 10},
		{"kB", UINT64_C(1) << 10},
		{"kb", UINT64_C(1) << 10},
		{"KiB", UINT64_C(1) << 10},
		{"M", UINT64_C(1) << 20},
		{"m", UINT64_C(1) << 20},
		{"MB", UINT64_C(1) << 20},
		{"mb", UINT64_C(1) << 20},
		{"MiB", UINT64_C(1) << 20},
		{"G", UINT64_C(1) << 30},
		{"g", UINT64_C(1) << 30},
		{"GB", UINT64_C(1) << 30},
		{"gb", UINT64_C(1) << 30},
		{"GiB", UINT64_C(1) << 30},
		{"T", UINT64_C(1) << 40},
		{"t", UINT64_C(1) << 40},
		{"TB", UINT64_C(1) << 40},
		{"tb", UINT64_C(1) << 40},
		{"TiB", UINT64_C(1) << 40},
		{NULL, 0},
	};
	static const struct quantity size = {"a size such as 64M", units};

	return read_whole(text, &size, "bytes", bytes, err);
}

bool ct_parse_time(const char *text, uint64_t *ns, struct ct_error *err)
{
	static const struct unit units[] = {
		{"ns", 1},
		{"us", 1000},
		{"ms", 1000000},
		{"s", 1000000000},
		{"m", UINT64_C(60000000000)},
		{"h", UINT64_C(3600000000000)},
		{"d", UINT64_C(86400000000000)},
		{NULL, 0},
	};
	static const struct quantity time = {"a time with its unit, such as 300ms", units};

	return read_whole(text, &time, "nanoseconds", ns, err);
}

bool ct_parse_bitrate(const char *text, double *bits_per_s, struct ct_error *err)
{
	/* "Gb/s" is left out: some write it for bits and some for bytes. */
	static const struct unit units[] = {
		{"bit/s", 1},
		{"kbit/s", 1000},
		{"Kbit/s", 1000},
		{"Mbit/s", 1000000},
		{"Gbit/s", 1000000000},
		{"Tbit/s", UINT64_C(1000000000000)},
		{"B/s", 8},
		{"kB/s", 8000},
		{"KB/s", 8000},
		{"MB/s", 8000000},
		{"GB/s", UINT64_C(8000000000)},
		{"TB/s", UINT64_C(8000000000000)},
		{NULL, 0},
	};
	static const struct quantity rate = {"a rate such as 10Gbit/s or 1.25GB/s", units};

	return read_real(text, &rate, bits_per_s, err);
}

bool ct_parse_frequency(const char *text, double *hz, struct ct_error *err)
{
	static const struct unit units[] = {
		{"Hz", 1},        {"kHz", 1000},       {"KHz", 1000}, {"MHz", 1000000},
		{"mhz", 1000000}, {"GHz", 1000000000}, {"hz", 1},     {"khz", 1000},
		{"/s", 1},        {NULL, 0},
	};
	static const struct quantity frequency = {"a frequency such as 10kHz", units};

	/* 0 switches off and needs no unit. */
	if (strcmp(text, "0") == 0) {
		*hz = 0;
		return true;
	}
	return read_real(text, &frequency, hz, err);
}

bool ct_parse_percent(const char *text, double *percent, struct ct_error *err)
{
	static const struct unit units[] = {{"%", 1}, {NULL, 0}};
	static const struct quantity percentage = {"a percentage such as 50%", units};

	return read_real(text, &percentage, percent, err);
}

bool ct_parse_share(const char *text, double *share, struct ct_error *err)
{
	char *end;

	*share = strtod(text, &end);
	if (end != text && strcmp(end, "%") == 0) {
		*share /= 100;
		end++;
	}
	if (end != text && *end == '\0' && *share >= 0 && *share <= 1)
		return true;
	return ct_usage(err, "'%s' is no share: write it as 95%% or 0.95", text);
}

bool ct_parse_count(const char *text, uint64_t *count, struct ct_error *err)
{
	char *end;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return ct_usage(err, "'%s' is not a whole number such as 8", text);
	errno = 0;
	*count = strtoull(text, &end, 10);
	/* Documents in JSON carry these on, and their integers have a sign. */
	return (errno == 0 && *count <= INT64_MAX) ||
	       ct_usage(err, "'%s' is too large for a whole number such as 8", text);
}

bool ct_parse_bool(const char *text, bool *value, struct ct_error *err)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcasecmp(words[i], text) == 0) {
			*value = i % 2 == 1;
			return true;
		}
	}
	return ct_usage(err, "'%s' is neither yes nor no", text);
}

static void write_digits(double value, bool binary, char *out, size_t size)
{
	const double magnitude = fabs(value);

	/* Sizes are exact as a rule: 64 MiB, not 64.0. */
	if (value == 0 || (binary && value == floor(value)))
		snprintf(out, size, "%.0f", value);
	else if (magnitude >= 1e6)
		snprintf(out, size, "%.3g", value);
	else /* Three significant digits, the fewest that still show a change of 1 %. */
		snprintf(out, size, "%.*f",
			 magnitude >= 99.95   ? 0
			 : magnitude >= 9.995 ? 1
					      : 2,
			 value);
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
	write_digits(value, step == 1024, digits, sizeof digits);
	snprintf(out, CT_UNIT_TEXT, "%s %s%.14s", digits, prefixes[i], unit);
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

enum { LONGEST_NAME = 48 };

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/*
 * Damerau-Levenshtein distance (its optimal string alignment form): a swap of neighbours is one
 * slip of the finger, not two. Both words have at most LONGEST_NAME letters.
 */
static size_t edit_distance(const char *a, const char *b)
{
	size_t rows[3][LONGEST_NAME + 1];
	const size_t n = strlen(a), m = strlen(b);

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = above[j - 1] + !same_letter(a[i - 1], b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
			    same_letter(a[i - 2], b[j - 1]) && two_above[j - 2] + 1 < best)
				best = two_above[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[n % 3][m];
}

const char *ct_nearest(const char *word, const char *const *names, size_t n)
{
	const size_t length = strlen(word);
	/* A third of the letters wrong is still a slip; more is another word. */
	const size_t slips = length < 6 ? 1 : length / 3;
	const char *nearest = NULL;
	size_t best = slips + 1;

	if (length < 2 || length > LONGEST_NAME)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t distance;

		if (strlen(names[i]) > LONGEST_NAME)
			continue;
		distance = edit_distance(word, names[i]);
		if (distance < best) {
			best = distance;
			nearest = names[i];
		}
	}
	return nearest;
}
