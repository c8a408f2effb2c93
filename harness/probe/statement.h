/* SPDX-License-Identifier: Apache-2.0 */
/* Statements: a value and where it comes from. Shared by the sections of the probe. */
#ifndef COTENANT_PROBE_STATEMENT_H
#define COTENANT_PROBE_STATEMENT_H

#include <stdbool.h>

#include <jansson.h>

#include "harness/probe/source.h"

/* {"value", "evidence"}; takes over `value`, NULL becomes null. */
json_t *ct_statement(json_t *value, const char *evidence, ...)
	__attribute__((format(printf, 2, 3)));
/* section[key] = such a statement. */
void ct_say(json_t *section, const char *key, json_t *value, const char *evidence, ...)
	__attribute__((format(printf, 4, 5)));
/* The first line of a file, or its number; null when it is missing or nonsense. */
void ct_say_line(json_t *section, const char *key, const struct ct_probe_source *source,
		 const char *path);
void ct_say_number(json_t *section, const char *key, const struct ct_probe_source *source,
		   const char *path);
/* The word in brackets of "always [madvise] never"; a line without brackets as it is. */
void ct_say_choice(json_t *section, const char *key, const struct ct_probe_source *source,
		   const char *path);
/* Cuts `text` down to the word in brackets, if there is one. */
void ct_choose_bracketed(char *text);

/* Reading statements back; `section` NULL: the statement lies at the top. NULL: not there, or
 * null, or of another type. */
const json_t *ct_said(const json_t *probe, const char *section, const char *key);
const char *ct_said_text(const json_t *probe, const char *section, const char *key);
bool ct_said_number(const json_t *probe, const char *section, const char *key, double *number);
/* Whether a list of texts has this one. */
bool ct_said_has(const json_t *probe, const char *section, const char *key, const char *text);
/* "" when there is no such statement. */
const char *ct_evidence(const json_t *probe, const char *section, const char *key);

/* Members of list entries: like json_object_set_new, but nothing for what could not be read. */
void ct_entry_line(json_t *entry, const char *key, const struct ct_probe_source *source,
		   const char *path, ...) __attribute__((format(printf, 4, 5)));
void ct_entry_number(json_t *entry, const char *key, const struct ct_probe_source *source,
		     const char *path, ...) __attribute__((format(printf, 4, 5)));
void ct_entry_link(json_t *entry, const char *key, const struct ct_probe_source *source,
		   const char *path, ...) __attribute__((format(printf, 4, 5)));

#endif
