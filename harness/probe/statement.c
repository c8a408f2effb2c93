/* SPDX-License-Identifier: Apache-2.0 */
/* Making statements and reading them back. See statement.h. */
#include "harness/probe/statement.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096, EVIDENCE_MAX = 1024 };

static json_t *__attribute__((format(printf, 2, 0)))
statement(json_t *value, const char *evidence, va_list args)
{
	char text[EVIDENCE_MAX];

	vsnprintf(text, sizeof text, evidence, args);
	return json_pack("{s:o, s:s}", "value", value ? value : json_null(), "evidence", text);
}

json_t *ct_statement(json_t *value, const char *evidence, ...)
{
	json_t *made;
	va_list args;

	va_start(args, evidence);
	made = statement(value, evidence, args);
	va_end(args);
	return made;
}

void ct_say(json_t *section, const char *key, json_t *value, const char *evidence, ...)
{
	va_list args;

	va_start(args, evidence);
	json_object_set_new(section, key, statement(value, evidence, args));
	va_end(args);
}

static bool read_line(const struct ct_probe_source *source, char line[LINE_MAX_BYTES],
		      const char *path)
{
	if (!ct_source_text(source, line, LINE_MAX_BYTES, "%s", path))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return line[0] != '\0';
}

void ct_say_line(json_t *section, const char *key, const struct ct_probe_source *source,
		 const char *path)
{
	char line[LINE_MAX_BYTES];

	if (read_line(source, line, path))
		ct_say(section, key, json_string(line), "%s", path);
	else
		ct_say(section, key, NULL, "%s: missing or empty", path);
}

void ct_say_number(json_t *section, const char *key, const struct ct_probe_source *source,
		   const char *path)
{
	int64_t number;

	if (ct_source_number(source, &number, "%s", path))
		ct_say(section, key, json_integer(number), "%s", path);
	else
		ct_say(section, key, NULL, "%s: missing or not a number", path);
}

void ct_choose_bracketed(char *text)
{
	char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

	if (!close)
		return;
	*close = '\0';
	memmove(text, open + 1, strlen(open + 1) + 1);
}

void ct_say_choice(json_t *section, const char *key, const struct ct_probe_source *source,
		   const char *path)
{
	char line[LINE_MAX_BYTES], chosen[LINE_MAX_BYTES];

	if (!read_line(source, line, path)) {
		ct_say(section, key, NULL, "%s: missing or empty", path);
		return;
	}
	memcpy(chosen, line, sizeof chosen);
	ct_choose_bracketed(chosen);
	ct_say(section, key, json_string(chosen), "%s: %s", path, line);
}

static const json_t *find(const json_t *probe, const char *section, const char *key)
{
	return json_object_get(section ? json_object_get(probe, section) : probe, key);
}

const json_t *ct_said(const json_t *probe, const char *section, const char *key)
{
	const json_t *value = json_object_get(find(probe, section, key), "value");

	return json_is_null(value) ? NULL : value;
}

const char *ct_said_text(const json_t *probe, const char *section, const char *key)
{
	return json_string_value(ct_said(probe, section, key));
}

bool ct_said_number(const json_t *probe, const char *section, const char *key, double *number)
{
	const json_t *value = ct_said(probe, section, key);

	*number = json_number_value(value);
	return json_is_number(value);
}

bool ct_said_has(const json_t *probe, const char *section, const char *key, const char *text)
{
	const json_t *list = ct_said(probe, section, key), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *have = json_string_value(one);

		if (have && strcmp(have, text) == 0)
			return true;
	}
	return false;
}

const char *ct_evidence(const json_t *probe, const char *section, const char *key)
{
	const char *text =
		json_string_value(json_object_get(find(probe, section, key), "evidence"));

	return text ? text : "";
}

/* The path of an entry's file; false when it is too long to exist. */
static bool __attribute__((format(printf, 2, 0)))
entry_path(char path[CT_SOURCE_PATH], const char *format, va_list args)
{
	return vsnprintf(path, CT_SOURCE_PATH, format, args) < CT_SOURCE_PATH;
}

void ct_entry_line(json_t *entry, const char *key, const struct ct_probe_source *source,
		   const char *path, ...)
{
	char full[CT_SOURCE_PATH], line[LINE_MAX_BYTES];
	va_list args;
	bool good;

	va_start(args, path);
	good = entry_path(full, path, args);
	va_end(args);
	if (good && read_line(source, line, full))
		json_object_set_new(entry, key, json_string(line));
}

void ct_entry_number(json_t *entry, const char *key, const struct ct_probe_source *source,
		     const char *path, ...)
{
	char full[CT_SOURCE_PATH];
	int64_t number;
	va_list args;
	bool good;

	va_start(args, path);
	good = entry_path(full, path, args);
	va_end(args);
	if (good && ct_source_number(source, &number, "%s", full))
		json_object_set_new(entry, key, json_integer(number));
}

void ct_entry_link(json_t *entry, const char *key, const struct ct_probe_source *source,
		   const char *path, ...)
{
	char full[CT_SOURCE_PATH], target[256];
	va_list args;
	bool good;

	va_start(args, path);
	good = entry_path(full, path, args);
	va_end(args);
	if (good && ct_source_link(source, target, sizeof target, "%s", full))
		json_object_set_new(entry, key, json_string(target));
}
