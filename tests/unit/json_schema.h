/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of JSON Schema as the schemas of results-schema/ use: type, const, enum, required,
 * properties, additionalProperties (a schema), items, minimum, maximum, exclusive bounds and
 * local $ref. An unknown keyword fails, so that a schema can't promise what is not checked.
 */
#ifndef COTENANT_TESTS_JSON_SCHEMA_H
#define COTENANT_TESTS_JSON_SCHEMA_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

struct schema_check {
	json_t *root;
	char path[256];
	char fault[512]; /* "" while everything fits */
};

static inline bool schema_fault(struct schema_check *check, const char *what, const char *detail)
{
	if (!check->fault[0])
		snprintf(check->fault, sizeof check->fault, "%.200s: %s %.200s", check->path, what,
			 detail);
	return false;
}

static inline bool schema_is_type(const json_t *value, const char *type)
{
	return (strcmp(type, "object") == 0 && json_is_object(value)) ||
	       (strcmp(type, "array") == 0 && json_is_array(value)) ||
	       (strcmp(type, "string") == 0 && json_is_string(value)) ||
	       (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
	       (strcmp(type, "number") == 0 && json_is_number(value)) ||
	       (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
	       (strcmp(type, "null") == 0 && json_is_null(value));
}

static inline json_t *schema_resolve(struct schema_check *check, const char *reference)
{
	const char *prefix = "#/$defs/";

	if (strncmp(reference, prefix, strlen(prefix)) != 0)
		return NULL;
	return json_object_get(json_object_get(check->root, "$defs"), reference + strlen(prefix));
}

static inline bool schema_fits(struct schema_check *check, json_t *schema, json_t *value);

static inline bool schema_below(struct schema_check *check, json_t *schema, json_t *value,
				const char *name)
{
	size_t n = strlen(check->path);
	bool ok;

	snprintf(check->path + n, sizeof check->path - n, "/%s", name);
	ok = schema_fits(check, schema, value);
	check->path[n] = '\0';
	return ok;
}

static inline bool schema_members(struct schema_check *check, json_t *schema, json_t *value)
{
	json_t *properties = json_object_get(schema, "properties");
	json_t *others = json_object_get(schema, "additionalProperties");
	json_t *required = json_object_get(schema, "required"), *item;
	const char *key;
	size_t i;

	json_array_foreach(required, i, item)
	{
		if (!json_object_get(value, json_string_value(item)))
			return schema_fault(check, "lacks", json_string_value(item));
	}
	json_object_foreach(value, key, item)
	{
		json_t *member = json_object_get(properties, key);

		if (!member)
			member = others;
		if (member && !schema_below(check, member, item, key))
			return false;
	}
	return true;
}

static inline bool schema_keyword(struct schema_check *check, json_t *schema, const char *keyword,
				  json_t *rule, json_t *value)
{
	static const char *const silent[] = {"$schema",
					     "$defs",
					     "title",
					     "description",
					     "required",
					     "properties",
					     "additionalProperties",
					     NULL};
	json_t *item;
	size_t i;

	for (i = 0; silent[i]; i++) {
		if (strcmp(silent[i], keyword) == 0)
			return true; /* members are looked at once, by schema_members */
	}
	(void)schema;
	if (strcmp(keyword, "$ref") == 0) {
		json_t *target = schema_resolve(check, json_string_value(rule));

		return target ? schema_fits(check, target, value)
			      : schema_fault(check, "bad $ref", json_string_value(rule));
	}
	if (strcmp(keyword, "const") == 0)
		return json_equal(rule, value) || schema_fault(check, "is not the", "const");
	if (strcmp(keyword, "enum") == 0) {
		json_array_foreach(rule, i, item)
		{
			if (json_equal(item, value))
				return true;
		}
		return schema_fault(check, "is none of its", "enum");
	}
	if (strcmp(keyword, "type") == 0) {
		if (json_is_string(rule))
			return schema_is_type(value, json_string_value(rule)) ||
			       schema_fault(check, "is not of type", json_string_value(rule));
		json_array_foreach(rule, i, item)
		{
			if (schema_is_type(value, json_string_value(item)))
				return true;
		}
		return schema_fault(check, "is none of its", "types");
	}
	if (strcmp(keyword, "items") == 0) {
		json_array_foreach(value, i, item)
		{
			char name[24];

			snprintf(name, sizeof name, "%zu", i);
			if (!schema_below(check, rule, item, name))
				return false;
		}
		return true;
	}
	if (!json_is_number(value) && strstr(keyword, "imum"))
		return true;
	if (strcmp(keyword, "minimum") == 0)
		return json_number_value(value) >= json_number_value(rule) ||
		       schema_fault(check, "is below its", keyword);
	if (strcmp(keyword, "maximum") == 0)
		return json_number_value(value) <= json_number_value(rule) ||
		       schema_fault(check, "is above its", keyword);
	if (strcmp(keyword, "exclusiveMinimum") == 0)
		return json_number_value(value) > json_number_value(rule) ||
		       schema_fault(check, "is not above its", keyword);
	if (strcmp(keyword, "exclusiveMaximum") == 0)
		return json_number_value(value) < json_number_value(rule) ||
		       schema_fault(check, "is not below its", keyword);
	return schema_fault(check, "schema uses an unknown keyword", keyword);
}

static inline bool schema_fits(struct schema_check *check, json_t *schema, json_t *value)
{
	const char *keyword;
	json_t *rule;

	json_object_foreach(schema, keyword, rule)
	{
		if (!schema_keyword(check, schema, keyword, rule, value))
			return false;
	}
	return !json_is_object(value) || schema_members(check, schema, value);
}

#endif
