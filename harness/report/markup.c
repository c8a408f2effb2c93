/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/markup.h"

void ct_put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			if ((unsigned char)*text >= 0x20 || *text == '\t' || *text == '\n')
				fputc(*text, out);
		}
	}
}
