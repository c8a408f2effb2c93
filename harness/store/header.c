/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/header.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/store/column.h"

static char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return strdup(text ? text : "");
}

static bool parse_workload(struct ct_workload_info *info, const json_t *value)
{
	const json_t *params = json_object_get(value, "params");

	if (!json_is_string(json_object_get(value, "name")) ||
	    !json_is_string(json_object_get(value, "kind")))
		return false;
	info->name = text_of(value, "name");
	info->kind = text_of(value, "kind");
	info->tenant = text_of(value, "tenant");
	info->unit = text_of(value, "unit");
	info->summary = text_of(value, "summary");
	info->bytes_per_operation =
		json_number_value(json_object_get(value, "bytes_per_operation"));
	info->params = params ? json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS) : strdup("{}");
	return info->name && info->kind && info->tenant && info->unit && info->summary &&
	       info->params;
}

static bool parse_workloads(struct ct_workload_info **rows, size_t *n, const json_t *array,
			    const char *what, struct ct_error *err)
{
	size_t count = json_array_size(array);

	if (!json_is_array(array) || count == 0 || count > UINT32_MAX)
		return ct_broken(err, "campaign header: plan.%s is not a list of workloads", what);
	*rows = calloc(count, sizeof **rows);
	if (!*rows)
		return ct_broken_errno(err, "memory for %s", what);
	for (*n = 0; *n < count; (*n)++) {
		if (!parse_workload(&(*rows)[*n], json_array_get(array, *n))) {
			(*n)++;
			return ct_broken(err, "campaign header: plan.%s[%zu] has no name or kind",
					 what, *n - 1);
		}
	}
	return true;
}

static bool index_of(const json_t *cell, const char *key, size_t n, uint32_t *row)
{
	json_t *value = json_object_get(cell, key);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || (uint64_t)number >= n)
		return false;
	*row = (uint32_t)number;
	return true;
}

static bool parse_cells(struct ct_header *header, const json_t *array, struct ct_error *err)
{
	size_t n = json_array_size(array);

	if (!json_is_array(array) || n == 0 || n > UINT32_MAX)
		return ct_broken(err, "campaign header: plan.cells is not a list of cells");
	header->cells = calloc(n, sizeof *header->cells);
	if (!header->cells)
		return ct_broken_errno(err, "memory for cells");
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_array_get(array, i);
		struct ct_cell_info *cell = &header->cells[i];

		header->n_cells = i + 1;
		cell->config = text_of(value, "config");
		cell->intensity = json_number_value(json_object_get(value, "intensity"));
		if (!cell->config || !index_of(value, "victim", header->n_victims, &cell->victim) ||
		    !index_of(value, "aggressor", header->n_aggressors, &cell->aggressor))
			return ct_broken(err,
					 "campaign header: plan.cells[%zu] names no victim or "
					 "aggressor of the plan",
					 i);
		/* What the reader of the result would refuse. */
		if (!(cell->intensity >= 0 && cell->intensity <= 100))
			return ct_broken(err,
					 "campaign header: the intensity of plan.cells[%zu] is "
					 "%g, not 0..100",
					 i, cell->intensity);
	}
	return true;
}

const char *const ct_header_numbers[] = {"seed",        "replicates", "warmup_ns", "measure_ns",
					 "recovery_ns", "epoch_ns",   NULL};

/* What the reader of the result would refuse. A number that is not there is 0. */
static bool check_numbers(const json_t *plan, struct ct_error *err)
{
	for (size_t i = 0; ct_header_numbers[i]; i++) {
		const json_t *value = json_object_get(plan, ct_header_numbers[i]);

		if (value && !(json_is_integer(value) && json_integer_value(value) >= 0))
			return ct_broken(err, "campaign header: plan.%s is no whole number from 0",
					 ct_header_numbers[i]);
	}
	return true;
}

bool ct_header_parse(struct ct_header *header, const json_t *root, struct ct_error *err)
{
	const char *schema = json_string_value(json_object_get(root, "schema"));
	const json_t *plan = json_object_get(root, "plan");

	*header = (struct ct_header){0};
	if (!schema || strcmp(schema, CT_SCHEMA) != 0)
		return ct_broken(err, "campaign header: schema is \"%s\", not \"" CT_SCHEMA "\"",
				 schema ? schema : "");
	if (check_numbers(plan, err) &&
	    parse_workloads(&header->victims, &header->n_victims, json_object_get(plan, "victims"),
			    "victims", err) &&
	    parse_workloads(&header->aggressors, &header->n_aggressors,
			    json_object_get(plan, "aggressors"), "aggressors", err) &&
	    parse_cells(header, json_object_get(plan, "cells"), err))
		return true;
	ct_header_free(header);
	return false;
}

static void free_rows(const struct ct_layout *layout, void *rows, size_t n)
{
	if (rows)
		ct_rows_free_text(layout, rows, n);
	free(rows);
}

void ct_header_free(struct ct_header *header)
{
	free_rows(&ct_layout_victims, header->victims, header->n_victims);
	free_rows(&ct_layout_aggressors, header->aggressors, header->n_aggressors);
	free_rows(&ct_layout_cells, header->cells, header->n_cells);
	*header = (struct ct_header){0};
}

/* A value as a message shows it: long ones are cut. */
static void shorten(const json_t *value, char *out, size_t size)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (!value)
		snprintf(out, size, "nothing");
	else if (text && strlen(text) < size)
		snprintf(out, size, "%s", text);
	else
		snprintf(out, size, "%.*s...", (int)size - 4, text ? text : "?");
	free(text);
}

struct difference {
	char *out;
	size_t size;
	char path[256];
};

static bool differ(struct difference *found, const json_t *before, const json_t *now);

static bool differ_below(struct difference *found, const char *format, const char *key,
			 const json_t *before, const json_t *now)
{
	size_t n = strlen(found->path);
	bool result;

	snprintf(found->path + n, sizeof found->path - n, "%s%s%s", n > 0 ? format : "", key,
		 strcmp(format, "[") == 0 ? "]" : "");
	result = differ(found, before, now);
	found->path[n] = '\0';
	return result;
}

static bool differ_objects(struct difference *found, const json_t *before, const json_t *now)
{
	const json_t *sides[2] = {before, now};

	for (int side = 0; side < 2; side++) {
		/* jansson's iterators take a pointer to non-const, but do not write. */
		json_t *object = (json_t *)(uintptr_t)sides[side];
		const char *key;
		json_t *value;

		json_object_foreach(object, key, value)
		{
			if (differ_below(found, ".", key, json_object_get(before, key),
					 json_object_get(now, key)))
				return true;
		}
	}
	return false;
}

static bool differ(struct difference *found, const json_t *before, const json_t *now)
{
	char old_text[64], new_text[64];

	if (before && now && json_equal(before, now))
		return false;
	if (json_is_object(before) && json_is_object(now))
		return differ_objects(found, before, now);
	if (json_is_array(before) && json_is_array(now) &&
	    json_array_size(before) == json_array_size(now)) {
		for (size_t i = 0; i < json_array_size(now); i++) {
			char key[32];

			snprintf(key, sizeof key, "%zu", i);
			if (differ_below(found, "[", key, json_array_get(before, i),
					 json_array_get(now, i)))
				return true;
		}
	}
	shorten(before, old_text, sizeof old_text);
	shorten(now, new_text, sizeof new_text);
	snprintf(found->out, found->size, "%s: %s before, %s now", found->path, old_text, new_text);
	return true;
}

bool ct_json_difference(const json_t *before, const json_t *now, char *out, size_t size)
{
	struct difference found = {.out = out, .size = size};

	return differ(&found, before, now);
}
