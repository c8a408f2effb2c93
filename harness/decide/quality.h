/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quality of a measurement: what a reader has to know before believing a number of it. Taken from
 * the file's self-calibration and from its blocks and epochs.
 */
#ifndef COTENANT_DECIDE_QUALITY_H
#define COTENANT_DECIDE_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/decide/coupling.h"
#include "harness/store/results.h"

enum { CT_MAX_WARNINGS = 8, CT_WARNING_TEXT = 256 };

struct ct_quality {
	char clock_source[32];                        /* "" when the file does not say */
	double clock_resolution_ns, clock_cost_ns;    /* NaN when not said */
	double null_p50_ns, null_p99_ns, null_max_ns; /* NaN when not said */
	double planted_delay_ns, planted_recovered_ns, planted_error; /* NaN when not said */
	size_t blocks, used, failed, not_loaded;
	uint64_t planned;   /* blocks; 0: the file does not say */
	uint64_t elsewhere; /* blocks of the plan that belong to other machines' parts of it */
	uint64_t epochs, counted_epochs; /* of treatments */
	/* What looks bad, one sentence each, with what to do. */
	char warnings[CT_MAX_WARNINGS][CT_WARNING_TEXT];
	size_t n_warnings;
};

/* False when the file can't be read. */
bool ct_quality_make(struct ct_quality *quality, struct ct_results *results,
		     const struct ct_coupling *coupling, struct ct_error *err);

#endif
