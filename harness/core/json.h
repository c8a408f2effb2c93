/* SPDX-License-Identifier: Apache-2.0 */
/* What all JSON of ours shares. It has neither NaN nor infinity: what is not known is null. */
#ifndef COTENANT_CORE_JSON_H
#define COTENANT_CORE_JSON_H

#include <math.h>

#include <jansson.h>

static inline json_t *ct_json_number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

#endif
