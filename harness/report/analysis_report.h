/* SPDX-License-Identifier: Apache-2.0 */
/* The analysis in words, for the terminal, and as JSON (results-schema/analysis.schema.json). */
#ifndef COTENANT_REPORT_ANALYSIS_REPORT_H
#define COTENANT_REPORT_ANALYSIS_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/decide/analysis.h"
#include "harness/decide/strategy.h"
#include "harness/report/table.h"

/* `slo` may be NULL: configs are then not ranked. */
bool ct_analysis_print(const struct ct_analysis *analysis, const struct ct_slo *slo, FILE *out,
		       const struct ct_style *style, struct ct_error *err);

/* A new reference; NULL when memory ran out. */
json_t *ct_analysis_json(const struct ct_analysis *analysis, const struct ct_slo *slo);

#endif
