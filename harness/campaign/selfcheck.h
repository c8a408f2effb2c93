/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instrument measures itself first, so that every file proves it: the clock's step and cost, a
 * victim that does nothing, and a victim with a planted delay, timed by the kernel's clock, that
 * the recorder has to recover within 1 %.
 */
#ifndef COTENANT_CAMPAIGN_SELFCHECK_H
#define COTENANT_CAMPAIGN_SELFCHECK_H

#include <stdbool.h>

#include <jansson.h>

#include "harness/campaign/ground.h"
#include "harness/core/error.h"

#define CT_PLANTED_TOLERANCE 0.01

/*
 * On the tenant of the first victim of the first config:
 * {"clock":{"source","resolution_ns","cost_ns","ticks_per_s"},
 *  "null":{"count","min_ns","p50_ns","p99_ns","p999_ns","max_ns"},
 *  "planted":{"delay_ns","recovered_ns","error","good"}}. NULL on failure.
 */
json_t *ct_selfcheck(struct ct_links *links, const struct ct_ground *ground, struct ct_error *err);

#endif
