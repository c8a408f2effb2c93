/* SPDX-License-Identifier: Apache-2.0 */
/* What all JSON exports share beyond harness/core/json.h. */
#ifndef COTENANT_REPORT_JSON_H
#define COTENANT_REPORT_JSON_H

#include "harness/core/json.h"
#include "harness/stats/interval.h"

static inline json_t *ct_json_interval(const struct ct_interval *value)
{
	return json_pack("{s:o, s:o, s:o}", "value", ct_json_number(value->value), "lo",
			 ct_json_number(value->lo), "hi", ct_json_number(value->hi));
}

#endif
