/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that somebody else wrote, and texts that a buffer has cut: made safe to print and to put
 * into JSON, in place. Control characters (a terminal obeys them) become spaces; bytes that are not
 * UTF-8 (RFC 3629) become question marks, and so does what is left of a character that was cut.
 */
#ifndef COTENANT_CORE_TEXT_H
#define COTENANT_CORE_TEXT_H

#include <stddef.h>

/* snprintf, and ct_text_clean of what came out. Returns `out`. */
char *ct_text_print(char *out, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* One line. */
void ct_text_clean(char *text);
/* Lines stay lines, and tabs stay. */
void ct_lines_clean(char *text);
/* A JSON text, in whose strings control characters may stand as escapes: these become spaces too,
 * so that what is decoded from it is as safe. */
void ct_json_text_clean(char *text);

#endif
