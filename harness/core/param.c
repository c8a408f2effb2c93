/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/param.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/units.h"

/* A parsed value of any type, before it goes to its place. */
union value {
	uint64_t whole;
	double real;
	bool flag;
	int choice;
};

static bool parse_choice(const struct ct_param *param, const char *text, int *choice,
			 struct ct_error *err)
{
	char all[256] = "";
	const char *near;
	size_t n = 0;

	for (; param->choices[n]; n++) {
		size_t used = strlen(all);

		if (strcmp(param->choices[n], text) == 0) {
			*choice = (int)n;
			return true;
		}
		snprintf(all + used, sizeof all - used, "%s%s", n ? ", " : "", param->choices[n]);
	}
	near = ct_nearest(text, param->choices, n);
	return ct_usage(err, "'%s' is not one of: %s%s%s%s", text, all,
			near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static bool parse(const struct ct_param *param, const char *text, union value *value,
		  struct ct_error *err)
{
	switch (param->type) {
	case CT_PARAM_COUNT:
		return ct_parse_count(text, &value->whole, err);
	case CT_PARAM_SIZE:
		return ct_parse_size(text, &value->whole, err);
	case CT_PARAM_TIME:
		return ct_parse_time(text, &value->whole, err);
	case CT_PARAM_BITRATE:
		return ct_parse_bitrate(text, &value->real, err);
	case CT_PARAM_FREQUENCY:
		return ct_parse_frequency(text, &value->real, err);
	case CT_PARAM_PERCENT:
		return ct_parse_percent(text, &value->real, err);
	case CT_PARAM_BOOL:
		return ct_parse_bool(text, &value->flag, err);
	case CT_PARAM_CHOICE:
		return parse_choice(param, text, &value->choice, err);
	case CT_PARAM_TEXT:
		return true;
	}
	return false;
}

static bool is_whole(const struct ct_param *param)
{
	return param->type == CT_PARAM_COUNT || param->type == CT_PARAM_SIZE ||
	       param->type == CT_PARAM_TIME;
}

static bool is_real(const struct ct_param *param)
{
	return param->type == CT_PARAM_BITRATE || param->type == CT_PARAM_FREQUENCY ||
	       param->type == CT_PARAM_PERCENT;
}

static bool below(const struct ct_param *param, const union value *a, const union value *b)
{
	return is_whole(param) ? a->whole < b->whole : a->real < b->real;
}

static bool check_range(const struct ct_param *param, const union value *value,
			struct ct_error *err)
{
	union value bound;

	if (!is_whole(param) && !is_real(param))
		return true;
	if (param->min && parse(param, param->min, &bound, err) && below(param, value, &bound))
		return ct_usage(err, "out of range");
	if (param->max && parse(param, param->max, &bound, err) && below(param, &bound, value))
		return ct_usage(err, "out of range");
	return true;
}

/* Key, value, what is wrong with it, and what would be right. */
static bool refuse(const struct ct_param *param, const char *text, const char *reason,
		   struct ct_error *err)
{
	if (param->min && param->max)
		return ct_usage(err, "%s = %s: %s; allowed: %s to %s", param->name, text, reason,
				param->min, param->max);
	if (param->min)
		return ct_usage(err, "%s = %s: %s; allowed: %s or more", param->name, text, reason,
				param->min);
	if (param->max)
		return ct_usage(err, "%s = %s: %s; allowed: at most %s", param->name, text, reason,
				param->max);
	return ct_usage(err, "%s = %s: %s", param->name, text, reason);
}

static bool store_text(char **place, const char *text, struct ct_error *err)
{
	char *copy = strdup(text);

	if (!copy)
		return ct_broken_errno(err, "memory for a parameter");
	free(*place);
	*place = copy;
	return true;
}

bool ct_param_set(const struct ct_param *param, void *options, const char *text,
		  struct ct_error *err)
{
	char *place = (char *)options + param->offset;
	struct ct_error inner = {0};
	union value value = {0};

	if (param->type == CT_PARAM_TEXT)
		return store_text((char **)(void *)place, text, err);
	if (!parse(param, text, &value, &inner) || !check_range(param, &value, &inner))
		return refuse(param, text, inner.text, err);
	if (is_whole(param))
		memcpy(place, &value.whole, sizeof value.whole);
	else if (is_real(param))
		memcpy(place, &value.real, sizeof value.real);
	else if (param->type == CT_PARAM_BOOL)
		memcpy(place, &value.flag, sizeof value.flag);
	else
		memcpy(place, &value.choice, sizeof value.choice);
	return true;
}

void ct_params_init(const struct ct_param *table, void *options)
{
	for (; table && table->name; table++) {
		struct ct_error err = {0};

		if (table->type == CT_PARAM_TEXT)
			*(char **)(void *)((char *)options + table->offset) = NULL;
		if (!ct_param_set(table, options, table->fallback, &err)) {
			fprintf(stderr, "bug: the default of %s: %s\n", table->name, err.text);
			abort();
		}
	}
}

void ct_params_free(const struct ct_param *table, void *options)
{
	for (; table && table->name; table++) {
		char **place = (char **)(void *)((char *)options + table->offset);

		if (table->type != CT_PARAM_TEXT)
			continue;
		free(*place);
		*place = NULL;
	}
}

const struct ct_param *ct_param_find(const struct ct_param *table, const char *name)
{
	for (; table && table->name; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

const char *ct_param_unit(const struct ct_param *param)
{
	switch (param->type) {
	case CT_PARAM_SIZE:
		return "B";
	case CT_PARAM_TIME:
		return "ns";
	case CT_PARAM_BITRATE:
		return "bit/s";
	case CT_PARAM_FREQUENCY:
		return "Hz";
	case CT_PARAM_PERCENT:
		return "%";
	case CT_PARAM_COUNT:
	case CT_PARAM_BOOL:
	case CT_PARAM_CHOICE:
	case CT_PARAM_TEXT:
		break;
	}
	return "";
}

/* The shortest decimal that reads back as the same number; no exponent, which no parser takes. */
static void write_real(double value, const char *unit, char *out, size_t size)
{
	enum { MOST_DECIMALS = 30 };

	for (int decimals = 0; decimals <= MOST_DECIMALS; decimals++) {
		snprintf(out, size, "%.*f%s", decimals, value, unit);
		if (strtod(out, NULL) == value)
			return;
	}
}

char *ct_param_get(const struct ct_param *param, const void *options)
{
	const char *place = (const char *)options + param->offset;
	union value value = {0};
	char text[64];

	if (param->type == CT_PARAM_TEXT)
		return strdup(*(char *const *)(const void *)place);
	if (is_whole(param)) {
		memcpy(&value.whole, place, sizeof value.whole);
		snprintf(text, sizeof text, "%llu%s", (unsigned long long)value.whole,
			 ct_param_unit(param));
	} else if (is_real(param)) {
		memcpy(&value.real, place, sizeof value.real);
		write_real(value.real, ct_param_unit(param), text, sizeof text);
	} else if (param->type == CT_PARAM_BOOL) {
		memcpy(&value.flag, place, sizeof value.flag);
		snprintf(text, sizeof text, "%s", value.flag ? "yes" : "no");
	} else {
		memcpy(&value.choice, place, sizeof value.choice);
		snprintf(text, sizeof text, "%s", param->choices[value.choice]);
	}
	return strdup(text);
}

/* A bound or default as a number in the parameter's unit; words stay words; NULL is null. */
static json_t *number_or_word(const struct ct_param *param, const char *text)
{
	union value value = {0};

	if (!text)
		return json_null();
	if (param->type == CT_PARAM_TEXT || param->type == CT_PARAM_CHOICE ||
	    !parse(param, text, &value, NULL))
		return json_string(text);
	if (param->type == CT_PARAM_BOOL)
		return json_boolean(value.flag);
	return is_whole(param) ? json_integer((json_int_t)value.whole) : json_real(value.real);
}

static json_t *describe_choices(const struct ct_param *param)
{
	json_t *list;

	if (param->type != CT_PARAM_CHOICE)
		return json_null();
	list = json_array();
	for (int i = 0; param->choices[i]; i++)
		json_array_append_new(list, json_string(param->choices[i]));
	return list;
}

json_t *ct_params_describe(const struct ct_param *table)
{
	json_t *list = json_array();

	for (; table && table->name; table++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s}", "name",
						table->name, "unit", ct_param_unit(table),
						"default", number_or_word(table, table->fallback),
						"min", number_or_word(table, table->min), "max",
						number_or_word(table, table->max), "choices",
						describe_choices(table), "help", table->help));
	return list;
}

json_t *ct_params_values(const struct ct_param *table, const void *options)
{
	json_t *values = json_object();

	for (; table && table->name; table++) {
		char *text = ct_param_get(table, options);

		json_object_set_new(values, table->name, json_string(text ? text : ""));
		free(text);
	}
	return values;
}
