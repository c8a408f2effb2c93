/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JUnit XML, as CI servers render it: one suite with one case for each decision. Negative verdicts
 * are failures, undecided ones are skipped.
 */
#ifndef COTENANT_REPORT_JUNIT_H
#define COTENANT_REPORT_JUNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum ct_junit_outcome { CT_JUNIT_PASS, CT_JUNIT_FAIL, CT_JUNIT_SKIP };

struct ct_junit_case {
	const char *classname, *name;
	enum ct_junit_outcome outcome;
	const char *message; /* one line: the verdict in a sentence */
	const char *detail;  /* may be NULL */
};

/* Text is escaped, and what XML can't hold is left out. True; errors of `out` are seen at close. */
bool ct_junit_write(FILE *out, const char *suite, const struct ct_junit_case *cases, size_t n);

#endif
