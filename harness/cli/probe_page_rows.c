/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the page. See probe_page_rows.h. */
#include "harness/cli/probe_page_rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/probe/statement.h"

enum { LABEL_WIDTH = 14 };

void ct_page_heading(const char *text)
{
	printf("%s\n", text);
}

void ct_page_row(const char *label, const char *format, ...)
{
	va_list args;

	printf("  %-*s ", LABEL_WIDTH, label);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* Adds to a line of parts "a, b, c" in a fixed room. */
void ct_page_part(char line[CT_PAGE_TEXT], const char *format, ...)
{
	size_t used = strlen(line);
	va_list args;

	if (used > 0 && used + 2 < CT_PAGE_TEXT) {
		memcpy(line + used, ", ", 3);
		used += 2;
	}
	va_start(args, format);
	vsnprintf(line + used, CT_PAGE_TEXT - used, format, args);
	va_end(args);
}

const char *ct_page_text(const json_t *probe, const char *section, const char *key,
			 const char *otherwise)
{
	const char *text = ct_said_text(probe, section, key);

	return text && text[0] ? text : otherwise;
}

/* A list of CPUs: an empty one is an answer, a missing one is none. */
const char *ct_page_cpus(const json_t *probe, const char *section, const char *key)
{
	const char *text = ct_said_text(probe, section, key);

	return !text ? "unknown" : text[0] ? text : "none";
}

/* A whole number as text, "?" when it is not known. */
const char *ct_page_number(const json_t *probe, const char *section, const char *key,
			   char out[CT_UNIT_TEXT])
{
	double value;

	if (ct_said_number(probe, section, key, &value))
		snprintf(out, CT_UNIT_TEXT, "%.0f", value);
	else
		snprintf(out, CT_UNIT_TEXT, "?");
	return out;
}

const char *ct_page_size(const json_t *probe, const char *section, const char *key,
			 char out[CT_UNIT_TEXT])
{
	double value;

	if (ct_said_number(probe, section, key, &value))
		return ct_format_size(value, out);
	snprintf(out, CT_UNIT_TEXT, "?");
	return out;
}

const char *ct_page_yes_no(const json_t *value)
{
	return json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "unknown";
}

/* Members of a list entry. */
const char *ct_page_member(const json_t *entry, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(entry, key));

	return text ? text : otherwise;
}
