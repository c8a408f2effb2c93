/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 character at `s`, 0 when it is none (RFC 3629: no overlong, no surrogate). */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80                   ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* Of the control characters those in `kept` stay. */
static void clean(char *text, const char *kept)
{
	for (unsigned char *s = (unsigned char *)text; *s;) {
		size_t n = utf8_length(s);

		if (n == 0)
			*s = '?';
		else if ((*s < 0x20 || *s == 0x7f) && !strchr(kept, *s))
			*s = ' ';
		/* C1 controls, which some terminals obey, are two bytes in UTF-8. */
		else if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
			s[0] = s[1] = '?';
		s += n > 0 ? n : 1;
	}
}

void ct_text_clean(char *text)
{
	clean(text, "");
}

char *ct_text_print(char *out, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out, size, format, args);
	va_end(args);
	ct_text_clean(out);
	return out;
}

void ct_lines_clean(char *text)
{
	clean(text, "\n\t");
}

/* Bytes of the escape at `s` that stands for a control character, 0 when it stands for another. */
static size_t control_escape(const char *s)
{
	char digits[5] = "";
	unsigned long code;

	if (s[1] && strchr("bfnrt", s[1]))
		return 2;
	if (s[1] != 'u')
		return 0;
	for (size_t i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)s[2 + i]))
			return 0;
		digits[i] = s[2 + i];
	}
	code = strtoul(digits, NULL, 16);
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 6 : 0;
}

void ct_json_text_clean(char *text)
{
	ct_text_clean(text);
	for (char *s = text; (s = strchr(s, '\\'));) {
		const size_t n = control_escape(s);

		memset(s, ' ', n);
		/* What is escaped may be a backslash itself. */
		s += n > 0 ? n : s[1] ? 2 : 1;
	}
}
