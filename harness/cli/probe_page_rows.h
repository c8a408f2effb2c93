/* SPDX-License-Identifier: Apache-2.0 */
/* What the sections of the page of `cotenant probe` are written with. */
#ifndef COTENANT_CLI_PROBE_PAGE_ROWS_H
#define COTENANT_CLI_PROBE_PAGE_ROWS_H

#include <jansson.h>

#include "harness/core/units.h"

enum { CT_PAGE_TEXT = 512 };

void ct_page_heading(const char *text);
/* "  label          what follows"; an empty label continues the line above. */
void ct_page_row(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds to a line of parts "a, b, c" in a fixed room. */
void ct_page_part(char line[CT_PAGE_TEXT], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Statements as text; `section` NULL: the statement lies at the top. */
const char *ct_page_text(const json_t *probe, const char *section, const char *key,
			 const char *otherwise);
/* A list of CPUs: an empty one is an answer, a missing one is none. */
const char *ct_page_cpus(const json_t *probe, const char *section, const char *key);
/* "?" when it is not known. */
const char *ct_page_number(const json_t *probe, const char *section, const char *key,
			   char out[CT_UNIT_TEXT]);
const char *ct_page_size(const json_t *probe, const char *section, const char *key,
			 char out[CT_UNIT_TEXT]);
const char *ct_page_yes_no(const json_t *value);
/* Members of a list entry. */
const char *ct_page_member(const json_t *entry, const char *key, const char *otherwise);

#endif
