/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions in the terminal and as JSON (results-schema/predict.schema.json). */
#ifndef COTENANT_REPORT_PREDICT_REPORT_H
#define COTENANT_REPORT_PREDICT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/decide/predict.h"
#include "harness/report/table.h"

bool ct_predictions_print(const struct ct_predictions *predictions, FILE *out,
			  const struct ct_style *style, struct ct_error *err);
/* A new reference; NULL when memory ran out. */
json_t *ct_predictions_json(const struct ct_predictions *predictions);

#endif
