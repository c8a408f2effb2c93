/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GPU's clock (%globaltimer, nominally nanoseconds) and how it lies to the host's. Its real
 * step depends on the device and the driver, from 32 ns to a microsecond and more, so it is
 * measured; and the two clocks are tied by the tightest of many readings that the host brackets.
 */
#ifndef COTENANT_GPU_TIMER_H
#define COTENANT_GPU_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "harness/core/clock.h"
#include "harness/core/error.h"
#include "harness/gpu/kernel.h"

/* %globaltimer was `device_ns` somewhere within `bracket` ticks around tick `ticks` of the host. */
struct ct_gpu_tie {
	uint64_t ticks, device_ns, bracket;
};

struct ct_gpu_timer {
	uint64_t step_ns; /* smallest difference of two readings that differ */
	struct ct_gpu_tie tie;
};

/* Both, at setup; allocates and gives back. Takes some milliseconds. */
bool ct_gpu_timer_measure(struct ct_gpu *gpu, const struct ct_clock *clock,
			  struct ct_gpu_timer *timer, struct ct_error *err);
/* Adds "globaltimer_step_ns" and "clock_bracket_ns" to what describes the device. */
void ct_gpu_timer_json(const struct ct_gpu_timer *timer, const struct ct_clock *clock,
		       json_t *device);

/* For ties at both ends of every phase: what it needs is made once. */
struct ct_gpu_tier {
	struct ct_gpu *gpu;
	const struct ct_clock *clock;
	struct ct_gpu_kernel kernel;
	struct ct_arg_timer argument;
	volatile uint64_t *readings;
};
bool ct_gpu_tier_open(struct ct_gpu_tier *tier, struct ct_gpu *gpu, const struct ct_clock *clock,
		      struct ct_error *err);
void ct_gpu_tier_close(struct ct_gpu_tier *tier); /* zero is fine */
bool ct_gpu_tier_tie(struct ct_gpu_tier *tier, struct ct_gpu_tie *tie, struct ct_error *err);

/* A time of the device as a tick of the host. */
static inline double ct_gpu_tie_ticks(const struct ct_gpu_tie *tie, const struct ct_clock *clock,
				      uint64_t device_ns)
{
	return (double)tie->ticks +
	       ((double)device_ns - (double)tie->device_ns) / 1e9 * clock->ticks_per_s;
}

#endif
