/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/document.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>
#include <jansson.h>

#include "harness/core/units.h"

/* inih's own limits, which it does not tell about: it would cut longer lines and section names. */
enum { LONGEST_LINE = 197, LONGEST_SECTION = 49 };

/* What the line reader and the key handler share while inih runs. */
struct parser {
	struct ct_document *document;
	const char *at;
	unsigned line;
	bool failed;
	struct ct_error *err;
};

static bool fail_at_line(struct parser *parser)
{
	if (!parser->failed)
		ct_error_in(parser->err, "%s:%u", parser->document->path, parser->line);
	parser->failed = true;
	return false;
}

static bool is_name(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)text[i]) && text[i] != '_' && text[i] != '-')
			return false;
	}
	return true;
}

/* Goes into JSON and onto terminals: UTF-8 without control characters. */
static bool is_text(const char *text, size_t length)
{
	json_t *string;
	bool accepted;

	for (size_t i = 0; i < length; i++) {
		if (iscntrl((unsigned char)text[i]) && text[i] != '\t')
			return false;
		/* C1 controls, which some terminals obey, are two bytes in UTF-8. */
		if (i + 1 < length && (unsigned char)text[i] == 0xc2 &&
		    (unsigned char)text[i + 1] < 0xa0)
			return false;
	}
	string = json_stringn(text, length);
	accepted = string != NULL;
	json_decref(string);
	return accepted;
}

struct ct_section *ct_document_find(const struct ct_document *document, const char *type,
				    const char *name)
{
	for (size_t i = 0; i < document->n_sections; i++) {
		struct ct_section *section = &document->sections[i];

		if (strcmp(section->type, type) == 0 && strcmp(section->name, name) == 0)
			return section;
	}
	return NULL;
}

static struct ct_section *add_section(struct ct_document *document, const char *type,
				      size_t type_length, const char *name, size_t name_length,
				      struct ct_error *err)
{
	struct ct_section *all = realloc(document->sections,
					 (document->n_sections + 1) * sizeof *document->sections);
	struct ct_section *section;

	if (!all) {
		ct_broken_errno(err, "memory for the job file");
		return NULL;
	}
	document->sections = all;
	section = &all[document->n_sections];
	*section = (struct ct_section){.type = strndup(type, type_length),
				       .name = strndup(name, name_length)};
	document->n_sections++;
	if (section->type && section->name)
		return section;
	ct_broken_errno(err, "memory for the job file");
	return NULL;
}

/* inih ignores what follows a ']', also a key that somebody put there. */
static bool only_comment(const char *from, const char *end)
{
	while (from < end && isspace((unsigned char)*from))
		from++;
	return from == end || *from == ';' || *from == '#';
}

/* "[victim dram]": one word for the type, one for the name. */
static bool open_section(struct parser *parser, const char *line, size_t length)
{
	const char *end = memchr(line, ']', length);
	const char *type = line + 1, *name;
	struct ct_section *section, *same;
	size_t type_length, name_length;

	if (!end)
		return ct_usage(parser->err, "'%.*s': the ']' is missing", (int)length, line);
	if (end - line > LONGEST_SECTION)
		return ct_usage(parser->err, "a section name of more than %d characters",
				LONGEST_SECTION);
	type += strspn(type, " \t");
	type_length = strcspn(type, " \t]");
	name = type + type_length + strspn(type + type_length, " \t");
	name_length = strcspn(name, " \t]");
	if (name[name_length + strspn(name + name_length, " \t")] != ']' || type_length == 0)
		return ct_usage(parser->err, "'%.*s' is not [suite] or [TYPE NAME]",
				(int)(end + 1 - line), line);
	if (!is_name(name, name_length))
		return ct_usage(parser->err, "'%.*s' is no name: letters, digits, '_' and '-' only",
				(int)name_length, name);
	if (!only_comment(end + 1, line + length))
		return ct_usage(parser->err, "'%.*s': nothing but a comment may follow the ']'",
				(int)length, line);
	section = add_section(parser->document, type, type_length, name, name_length, parser->err);
	if (!section)
		return false;
	section->line = parser->line;
	same = ct_document_find(parser->document, section->type, section->name);
	return same == section ||
	       ct_usage(parser->err, "[%s%s%s] is there already, in line %u", section->type,
			section->name[0] ? " " : "", section->name, same->line);
}

static bool check_line(struct parser *parser, size_t length, size_t room)
{
	const char *line = parser->at;
	const size_t blanks = strspn(line, " \t");
	const size_t written = length > 0 && line[length - 1] == '\r' ? length - 1 : length;

	if (length > LONGEST_LINE || length + 2 > room)
		return ct_usage(parser->err, "a line of %zu characters; at most %d", length,
				LONGEST_LINE);
	if (!is_text(line, written))
		return ct_usage(parser->err,
				"not text: a job file is UTF-8 without control characters");
	return line[blanks] != '[' || open_section(parser, line + blanks, written - blanks);
}

/*
 * Gives inih one line after the other. It has no notion of a line number, of a section without
 * keys, or of a line that is too long; all three are seen here.
 */
static char *read_line(char *out, int size, void *stream)
{
	struct parser *parser = stream;
	size_t length, blanks;

	if (*parser->at == '\0' || parser->failed)
		return NULL;
	parser->line++;
	length = strcspn(parser->at, "\n");
	if (!check_line(parser, length, (size_t)size)) {
		fail_at_line(parser);
		return NULL;
	}
	blanks = strspn(parser->at, " \t");
	memcpy(out, parser->at, length);
	/* inih would read an indented key as more of the line before. */
	memmove(out, out + blanks, length - blanks);
	length -= blanks;
	parser->at += length + blanks;
	if (*parser->at == '\n') {
		out[length++] = '\n';
		parser->at++;
	}
	out[length] = '\0';
	return out;
}

struct ct_entry *ct_section_take(struct ct_section *section, const char *key)
{
	for (size_t i = 0; i < section->n_entries; i++) {
		if (strcmp(section->entries[i].key, key) == 0) {
			section->entries[i].used = true;
			return &section->entries[i];
		}
	}
	return NULL;
}

static struct ct_entry *find_entry(struct ct_section *section, const char *key)
{
	for (size_t i = 0; i < section->n_entries; i++) {
		if (strcmp(section->entries[i].key, key) == 0)
			return &section->entries[i];
	}
	return NULL;
}

static struct ct_entry *add_entry(struct ct_section *section, const char *key, const char *value,
				  struct ct_error *err)
{
	struct ct_entry *all =
		realloc(section->entries, (section->n_entries + 1) * sizeof *section->entries);
	struct ct_entry *entry;

	if (!all) {
		ct_broken_errno(err, "memory for the job file");
		return NULL;
	}
	section->entries = all;
	entry = &all[section->n_entries++];
	*entry = (struct ct_entry){.key = strdup(key), .value = strdup(value)};
	if (entry->key && entry->value)
		return entry;
	ct_broken_errno(err, "memory for the job file");
	return NULL;
}

static int take_key(void *user, const char *section_name, const char *key, const char *value)
{
	struct parser *parser = user;
	struct ct_document *document = parser->document;
	struct ct_section *section;
	struct ct_entry *entry, *same;

	(void)section_name; /* read_line has seen it, with its line */
	if (parser->failed)
		return 0;
	if (document->n_sections == 0) {
		ct_usage(parser->err, "'%s' stands before the first section", key);
		return fail_at_line(parser);
	}
	section = &document->sections[document->n_sections - 1];
	same = find_entry(section, key);
	if (same) {
		ct_usage(parser->err, "'%s' is there already, in line %u", key, same->line);
		return fail_at_line(parser);
	}
	entry = add_entry(section, key, value, parser->err);
	if (!entry)
		return fail_at_line(parser);
	entry->line = parser->line;
	return 1;
}

bool ct_document_parse(struct ct_document *document, const char *path, const char *text,
		       struct ct_error *err)
{
	struct parser parser = {.document = document, .at = text, .err = err};
	int first_bad;

	*document = (struct ct_document){.path = path};
	/* The mark that some editors put at the beginning of UTF-8. */
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		parser.at += 3;
	first_bad = ini_parse_stream(read_line, &parser, take_key, &parser);
	if (parser.failed)
		return false;
	if (first_bad > 0)
		return ct_usage(err, "%s:%d: neither a [section] nor key = value", path, first_bad);
	return first_bad == 0 || ct_broken(err, "%s: memory for the job file", path);
}

/* "victim.dram.KEY" or "suite.KEY", spelt out; *key is what follows the section. */
static struct ct_section *spelt_out(const struct ct_document *document, const char *word,
				    size_t type_length, const char **key)
{
	const char *rest = word + type_length + 1;

	for (size_t i = 0; i < document->n_sections; i++) {
		struct ct_section *section = &document->sections[i];
		const size_t name = strlen(section->name);

		if (strlen(section->type) != type_length ||
		    strncmp(word, section->type, type_length) != 0)
			continue;
		if (name > 0 && (strncmp(rest, section->name, name) != 0 || rest[name] != '.'))
			continue;
		*key = name > 0 ? rest + name + 1 : rest;
		return section;
	}
	return NULL;
}

/* "dram.KEY": the sections called so. Only a config has keys with a '.' in them. */
static struct ct_section *called(const struct ct_document *document, const char *word,
				 size_t name_length, size_t *matches)
{
	const bool dotted =
		strcspn(word + name_length + 1, ".") < strcspn(word + name_length + 1, "=");
	struct ct_section *found = NULL;

	*matches = 0;
	for (size_t i = 0; i < document->n_sections; i++) {
		struct ct_section *section = &document->sections[i];

		if (name_length == 0 || strlen(section->name) != name_length ||
		    strncmp(word, section->name, name_length) != 0 ||
		    (dotted && strcmp(section->type, "config") != 0))
			continue;
		found = section;
		++*matches;
	}
	return found;
}

static bool no_section(const struct ct_document *document, const char *word, size_t first,
		       struct ct_error *err)
{
	enum { MAX_NAMES = 256 };
	const char *second = word + first + 1;
	const size_t second_length = strcspn(second, ".=");
	const bool two = second[second_length] == '.';
	const char *names[MAX_NAMES] = {"suite"}, *near;
	char missing[64];
	size_t n = 1; /* [suite] may be set without being there */

	for (size_t i = 0; i < document->n_sections && n < MAX_NAMES; i++)
		names[n++] = document->sections[i].name;
	for (size_t i = 0; i < document->n_sections && n < MAX_NAMES; i++)
		names[n++] = document->sections[i].type;
	snprintf(missing, sizeof missing, "%.*s", (int)(two ? second_length : first),
		 two ? second : word);
	near = ct_nearest(missing, names, n);
	return ct_usage(err,
			"%s has no [%.*s%s%.*s]%s%s%s; write suite.KEY=VALUE, TYPE.NAME.KEY=VALUE "
			"or NAME.KEY=VALUE",
			document->path, (int)first, word, two ? " " : "",
			(int)(two ? second_length : 0), second, near ? " (did you mean '" : "",
			near ? near : "", near ? "'?)" : "");
}

static struct ct_section *section_of_word(const struct ct_document *document, const char *word,
					  const char **key, struct ct_error *err)
{
	const size_t first = strcspn(word, ".=");
	struct ct_section *section = spelt_out(document, word, first, key);
	size_t matches;

	if (section)
		return section;
	section = called(document, word, first, &matches);
	if (matches == 1) {
		*key = word + first + 1;
		return section;
	}
	if (matches > 1)
		ct_usage(err,
			 "several sections are called '%.*s': put tenant., victim., aggressor. or "
			 "config. in front",
			 (int)first, word);
	else
		no_section(document, word, first, err);
	return NULL;
}

static bool set_word(struct ct_document *document, const char *word, struct ct_error *err)
{
	const char *equals = strchr(word, '=');
	const char *key = NULL;
	struct ct_section *section;
	struct ct_entry *entry;
	char name[128];

	if (!equals || word[0] == '.' || !memchr(word, '.', (size_t)(equals - word)))
		return ct_usage(err, "not SECTION.KEY=VALUE, such as suite.replicates=4");
	if (!is_text(word, strlen(word)))
		return ct_usage(err, "not text: UTF-8 without control characters");
	/* There is no suite section to override when the file leaves it out: it is all defaults. */
	if (strncmp(word, "suite.", 6) == 0 && !ct_document_find(document, "suite", "") &&
	    !add_section(document, "suite", 5, "", 0, err))
		return false;
	section = section_of_word(document, word, &key, err);
	if (!section)
		return false;
	if (key >= equals || (size_t)(equals - key) >= sizeof name)
		return ct_usage(err, "not SECTION.KEY=VALUE, such as suite.replicates=4");
	snprintf(name, sizeof name, "%.*s", (int)(equals - key), key);
	entry = find_entry(section, name);
	if (entry) {
		char *value = strdup(equals + 1);

		if (!value)
			return ct_broken_errno(err, "memory for the job file");
		free(entry->value);
		entry->value = value;
	} else {
		entry = add_entry(section, name, equals + 1, err);
		if (!entry)
			return false;
	}
	entry->set_word = word;
	return true;
}

bool ct_document_set(struct ct_document *document, const char *word, struct ct_error *err)
{
	return set_word(document, word, err) || ct_error_in(err, "--set %s", word);
}

void ct_document_free(struct ct_document *document)
{
	for (size_t i = 0; i < document->n_sections; i++) {
		struct ct_section *section = &document->sections[i];

		for (size_t k = 0; k < section->n_entries; k++) {
			free(section->entries[k].key);
			free(section->entries[k].value);
		}
		free(section->entries);
		free(section->type);
		free(section->name);
	}
	free(document->sections);
	*document = (struct ct_document){0};
}

bool ct_error_at_entry(const struct ct_document *document, const struct ct_entry *entry,
		       struct ct_error *err)
{
	if (entry->set_word)
		return ct_error_in(err, "--set %s", entry->set_word);
	return ct_error_in(err, "%s:%u", document->path, entry->line);
}

bool ct_error_at_section(const struct ct_document *document, const struct ct_section *section,
			 struct ct_error *err)
{
	if (section->line == 0)
		return ct_error_in(err, "%s", document->path);
	return ct_error_in(err, "%s:%u", document->path, section->line);
}
