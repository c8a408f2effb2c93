/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/redact.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In this order: what a rule has replaced is not looked at by its own pattern again. Group 1 is
 * kept, so that a rule can ask for what stands before. */
static const struct {
	const char *pattern, *word;
} rules[] = {
	{"(via[ \t]*=[ \t]*[A-Za-z0-9_.-]+)[ \t]+[^\n;]*", " [command]"},
	{"()[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "[uuid]"},
	{"(^|[^0-9a-zA-Z:])([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", "[mac]"},
	{"(^|[^0-9.])([0-9]{1,3}\\.){3}[0-9]{1,3}(/[0-9]{1,2})?", "[ip]"},
	{"(^|[^0-9a-zA-Z:])([0-9a-fA-F]{1,4}:){3,7}(:?[0-9a-fA-F]{1,4})", "[ip]"},
	{"(^|[^0-9a-zA-Z_/.%])/[A-Za-z0-9_.+@-]+(/[A-Za-z0-9_.+@:*-]+)*/?", "[path]"},
};
enum { N_RULES = sizeof rules / sizeof rules[0], SHORTEST_HOST = 2 };

struct ct_redaction {
	regex_t compiled[N_RULES];
	size_t n;
	regex_t host;
	bool has_host;
};

/* The value of <info name="HostName" value="..."/>; the caller frees. */
static char *host_name(const char *hwloc_xml)
{
	static const char mark[] = "name=\"HostName\" value=\"";
	const char *at = strstr(hwloc_xml, mark), *end;

	if (!at)
		return NULL;
	at += sizeof mark - 1;
	end = strchr(at, '"');
	return end ? strndup(at, (size_t)(end - at)) : NULL;
}

/* A whole word, whatever characters it has. */
static bool compile_host(struct ct_redaction *redaction, const char *host)
{
	const size_t length = strlen(host);
	char *pattern = malloc(2 * length + 64), *at = pattern;

	if (!pattern)
		return false;
	at = stpcpy(at, "(^|[^0-9A-Za-z_-])");
	for (size_t i = 0; i < length; i++) {
		if (strchr("\\.[]{}()*+?|^$", host[i]))
			*at++ = '\\';
		*at++ = host[i];
	}
	*at = '\0';
	redaction->has_host = regcomp(&redaction->host, pattern, REG_EXTENDED) == 0;
	free(pattern);
	return redaction->has_host;
}

struct ct_redaction *ct_redaction_new(const struct ct_results_tables *tables)
{
	struct ct_redaction *redaction = calloc(1, sizeof *redaction);
	char *host = host_name(tables->hwloc_xml);
	bool ok = redaction != NULL;

	for (size_t i = 0; ok && i < N_RULES; i++) {
		ok = regcomp(&redaction->compiled[i], rules[i].pattern, REG_EXTENDED) == 0;
		redaction->n += ok;
	}
	if (ok && host && strlen(host) >= SHORTEST_HOST && strcmp(host, "localhost") != 0)
		ok = compile_host(redaction, host);
	free(host);
	if (ok)
		return redaction;
	ct_redaction_free(redaction);
	return NULL;
}

void ct_redaction_free(struct ct_redaction *redaction)
{
	if (!redaction)
		return;
	for (size_t i = 0; i < redaction->n; i++)
		regfree(&redaction->compiled[i]);
	if (redaction->has_host)
		regfree(&redaction->host);
	free(redaction);
}

/* Whether a match of the host's name ends where the word does. */
static bool ends_word(const char *text, regoff_t end)
{
	const char next = text[end];

	return !((next >= '0' && next <= '9') || (next >= 'a' && next <= 'z') ||
		 (next >= 'A' && next <= 'Z') || next == '_' || next == '-');
}

/* Every match but its group 1 replaced; takes over `text`. */
static char *replace(const regex_t *compiled, const char *word, bool whole_word, char *text)
{
	char *out = NULL;
	size_t size;
	FILE *stream = text ? open_memstream(&out, &size) : NULL;
	const char *at = text;
	regmatch_t match[2];
	int flags = 0;

	if (!stream) {
		free(text);
		return NULL;
	}
	while (*at && regexec(compiled, at, 2, match, flags) == 0 && match[0].rm_eo > 0) {
		const bool good = !whole_word || ends_word(at, match[0].rm_eo);

		fwrite(at, 1, (size_t)(good ? match[1].rm_eo : match[0].rm_eo), stream);
		if (good)
			fputs(word, stream);
		at += match[0].rm_eo;
		flags = REG_NOTBOL;
	}
	fputs(at, stream);
	free(text);
	if (fclose(stream) != 0) {
		free(out);
		return NULL;
	}
	return out;
}

char *ct_redact(const struct ct_redaction *redaction, const char *text)
{
	char *out = strdup(text);

	for (size_t i = 0; out && i < N_RULES; i++)
		out = replace(&redaction->compiled[i], rules[i].word, false, out);
	if (out && redaction->has_host)
		out = replace(&redaction->host, "[host]", true, out);
	return out;
}

static bool redact_string(const struct ct_redaction *redaction, json_t *value)
{
	char *text = ct_redact(redaction, json_string_value(value));
	const bool ok = text && json_string_set(value, text) == 0;

	free(text);
	return ok;
}

bool ct_redact_json(const struct ct_redaction *redaction, json_t *value)
{
	const char *name;
	json_t *member;
	size_t i;

	if (json_is_string(value))
		return redact_string(redaction, value);
	json_object_foreach(value, name, member)
	{
		if (!ct_redact_json(redaction, member))
			return false;
	}
	json_array_foreach(value, i, member)
	{
		if (!ct_redact_json(redaction, member))
			return false;
	}
	return true;
}
