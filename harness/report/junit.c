/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/junit.h"

static void escape(FILE *out, const char *text)
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
		default:
			/* XML 1.0 has no control characters but tab and line ends. */
			if ((unsigned char)*text >= 0x20 || *text == '\t' || *text == '\n')
				fputc(*text, out);
		}
	}
}

static void attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	escape(out, value);
	fputc('"', out);
}

static void write_case(FILE *out, const struct ct_junit_case *one)
{
	static const char *const elements[] = {"system-out", "failure", "skipped"};
	const char *element = elements[one->outcome];

	fputs("    <testcase", out);
	attribute(out, "classname", one->classname);
	attribute(out, "name", one->name);
	fprintf(out, ">\n      <%s", element);
	if (one->outcome != CT_JUNIT_PASS)
		attribute(out, "message", one->message);
	fputc('>', out);
	if (one->outcome == CT_JUNIT_PASS)
		escape(out, one->message);
	if (one->detail)
		escape(out, one->detail);
	fprintf(out, "</%s>\n    </testcase>\n", element);
}

bool ct_junit_write(FILE *out, const char *suite, const struct ct_junit_case *cases, size_t n)
{
	size_t count[3] = {0};

	for (size_t i = 0; i < n; i++)
		count[cases[i].outcome]++;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite", out);
	attribute(out, "name", suite);
	fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\">\n", n,
		count[CT_JUNIT_FAIL], count[CT_JUNIT_SKIP]);
	for (size_t i = 0; i < n; i++)
		write_case(out, &cases[i]);
	fputs("  </testsuite>\n</testsuites>\n", out);
	return true;
}
