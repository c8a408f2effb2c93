/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much load is due when: the integral of an aggressor's pattern. Pure arithmetic, so that the
 * threads that make the load and the thread that accounts for it agree to the nanosecond.
 */
#ifndef COTENANT_TENANT_PACER_H
#define COTENANT_TENANT_PACER_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/tenant/common.h"
#include "harness/core/rng.h"

struct ct_pacer {
	enum ct_pattern pattern;
	double units_per_ns; /* at full level */
	double period_ns, on_ns;
	/* Poisson bursts: where the walk over on and off intervals stands. */
	struct ct_rng rng;
	bool on;
	double interval_start, interval_end, on_before;
};

/* `units_per_s` is the rate at full level: intensity times solo maximum. Same seed, same bursts. */
void ct_pacer_init(struct ct_pacer *pacer, const struct ct_aggressor_common *common,
		   double units_per_s, uint64_t seed);
/* Units due from 0 to t_ns. For Poisson bursts t_ns must not decrease from call to call. */
double ct_pacer_due(struct ct_pacer *pacer, uint64_t t_ns);
/* How long a square wave stays off from t_ns on; 0 when it is on, and for other patterns. */
uint64_t ct_pacer_off_ns(const struct ct_pacer *pacer, uint64_t t_ns);

#endif
