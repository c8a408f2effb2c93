/* SPDX-License-Identifier: Apache-2.0 */
/* What all JSON exports share. JSON has neither NaN nor infinity: what is not known is null. */
#ifndef COTENANT_REPORT_JSON_H
#define COTENANT_REPORT_JSON_H

#include <jansson.h>

#include "harness/stats/interval.h"

static inline json_t *ct_json_number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static inline json_t *ct_json_interval(const struct ct_interval *value)
{
	return json_pack("{s:o, s:o, s:o}", "value", ct_json_number(value->value), "lo",
			 ct_json_number(value->lo), "hi", ct_json_number(value->hi));
}

#endif
