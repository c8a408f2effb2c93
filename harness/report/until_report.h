/* SPDX-License-Identifier: Apache-2.0 */
/* What `run --until` has decided, in words and as JSON (analysis.schema.json, "until"). */
#ifndef COTENANT_REPORT_UNTIL_REPORT_H
#define COTENANT_REPORT_UNTIL_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/decide/analysis.h"
#include "harness/report/table.h"

/* Prints nothing for a campaign of a fixed plan. */
bool ct_until_print(const struct ct_analysis *analysis, FILE *out, const struct ct_style *style,
		    struct ct_error *err);
/* NULL for a campaign of a fixed plan. */
json_t *ct_until_json(const struct ct_analysis *analysis);

#endif
