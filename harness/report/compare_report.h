/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison in the terminal, as JSON (results-schema/compare.schema.json) and as JUnit XML. */
#ifndef COTENANT_REPORT_COMPARE_REPORT_H
#define COTENANT_REPORT_COMPARE_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/decide/compare.h"
#include "harness/report/table.h"

enum { CT_VERDICT_TEXT = 256 };

/* One sentence: the verdict, and the cell it is due to. Returns `out`. */
const char *ct_comparison_sentence(const struct ct_comparison *comparison,
				   char out[CT_VERDICT_TEXT]);
bool ct_comparison_print(const struct ct_comparison *comparison, FILE *out,
			 const struct ct_style *style, struct ct_error *err);
/* A new reference; NULL when memory ran out. */
json_t *ct_comparison_json(const struct ct_comparison *comparison);
bool ct_comparison_junit(const struct ct_comparison *comparison, FILE *out, struct ct_error *err);

#endif
