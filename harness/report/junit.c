/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/junit.h"

#include "harness/report/markup.h"

static void attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	ct_put_escaped(out, value);
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
		ct_put_escaped(out, one->message);
	if (one->detail)
		ct_put_escaped(out, one->detail);
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
