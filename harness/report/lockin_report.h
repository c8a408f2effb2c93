/* SPDX-License-Identifier: Apache-2.0 */
/* What lock-in found, in words for the terminal and as JSON (analysis.schema.json, "lockin"). */
#ifndef COTENANT_REPORT_LOCKIN_REPORT_H
#define COTENANT_REPORT_LOCKIN_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/decide/lockin.h"
#include "harness/report/table.h"

/* Prints nothing for an empty table. */
bool ct_lockin_print(const struct ct_lockin_table *table, const struct ct_results_tables *tables,
		     FILE *out, const struct ct_style *style, struct ct_error *err);
/* A new reference, an array with a member for each pair. */
json_t *ct_lockin_json(const struct ct_lockin_table *table, const struct ct_results_tables *tables);

#endif
