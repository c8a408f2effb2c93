/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters that every victim and every aggressor takes besides its own: the harness's part.
 */
#ifndef COTENANT_TENANT_COMMON_H
#define COTENANT_TENANT_COMMON_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/core/param.h"

enum ct_arrival { CT_ARRIVAL_CONSTANT, CT_ARRIVAL_POISSON };
/* What every victim takes besides its own parameters (ct_victim_common). */
struct ct_victim_common {
	double rate_hz;     /* 0: closed loop */
	int arrival;        /* enum ct_arrival */
	uint64_t raw;       /* raw samples kept per epoch; 0: none */
	double duty;        /* percent of the time it measures; it rests in between */
	bool host_counters; /* kept with each epoch (source_host.c) */
};
extern const struct ct_param ct_victim_common_params[];

enum ct_pattern { CT_PATTERN_CONSTANT, CT_PATTERN_SQUARE, CT_PATTERN_POISSON, CT_PATTERN_RAMP };
/* What every aggressor takes besides its own parameters. `intensity` of a job file is a list and
 * lives in ct_aggressor_entry. */
struct ct_aggressor_common {
	uint64_t threads;    /* 0: one per CPU of the tenant */
	double intensity;    /* percent of the solo maximum */
	int pattern;         /* enum ct_pattern */
	double frequency_hz; /* of square and ramp; mean burst rate of poisson */
	double duty;         /* percent of the period that square is on */
};
extern const struct ct_param ct_aggressor_common_params[];

#endif
