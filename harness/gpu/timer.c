/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/timer.h"

#include <stdlib.h>

enum { READINGS = 128, BRACKETS = 64 };

bool ct_gpu_tier_open(struct ct_gpu_tier *tier, struct ct_gpu *gpu, const struct ct_clock *clock,
		      struct ct_error *err)
{
	void *memory;

	*tier = (struct ct_gpu_tier){.gpu = gpu, .clock = clock};
	if (!ct_gpu_kernel(gpu, "timer", ct_shape_one(), &tier->kernel, err) ||
	    !ct_gpu_host_alloc(gpu, READINGS * sizeof *tier->readings, &memory, &tier->argument.out,
			       err))
		return false;
	tier->readings = memory;
	return true;
}

void ct_gpu_tier_close(struct ct_gpu_tier *tier)
{
	if (tier->gpu)
		ct_gpu_host_free(tier->gpu, (void *)(uintptr_t)tier->readings);
	*tier = (struct ct_gpu_tier){.gpu = NULL};
}

static bool read_timer(struct ct_gpu_tier *tier, uint32_t readings, struct ct_error *err)
{
	tier->argument.readings = readings;
	return ct_gpu_launch(tier->gpu, &tier->kernel, &tier->argument, err) &&
	       ct_gpu_finish(tier->gpu, err);
}

static bool measure_step(struct ct_gpu_tier *tier, uint64_t *step_ns, struct ct_error *err)
{
	*step_ns = UINT64_MAX;
	if (!read_timer(tier, READINGS, err))
		return false;
	for (int i = 1; i < READINGS; i++) {
		uint64_t step = tier->readings[i] - tier->readings[i - 1];

		*step_ns = step > 0 && step < *step_ns ? step : *step_ns;
	}
	return *step_ns < UINT64_MAX || ct_broken(err, "%%globaltimer stands still on this GPU");
}

/* The middle of the bracket stands for the reading; half its width is the largest error. */
bool ct_gpu_tier_tie(struct ct_gpu_tier *tier, struct ct_gpu_tie *tie, struct ct_error *err)
{
	tie->bracket = UINT64_MAX;
	for (int i = 0; i < BRACKETS; i++) {
		uint64_t begin = ct_ticks(tier->clock), width;

		if (!read_timer(tier, 1, err))
			return false;
		width = ct_ticks_end(tier->clock) - begin;
		if (width < tie->bracket)
			*tie = (struct ct_gpu_tie){begin + width / 2, tier->readings[0], width};
	}
	return true;
}

bool ct_gpu_timer_measure(struct ct_gpu *gpu, const struct ct_clock *clock,
			  struct ct_gpu_timer *timer, struct ct_error *err)
{
	struct ct_gpu_tier tier;
	bool good = ct_gpu_tier_open(&tier, gpu, clock, err) &&
		    measure_step(&tier, &timer->step_ns, err) &&
		    ct_gpu_tier_tie(&tier, &timer->tie, err);

	ct_gpu_tier_close(&tier);
	return good;
}

void ct_gpu_timer_json(const struct ct_gpu_timer *timer, const struct ct_clock *clock,
		       json_t *device)
{
	json_object_set_new(device, "globaltimer_step_ns",
			    json_integer((json_int_t)timer->step_ns));
	json_object_set_new(device, "clock_bracket_ns",
			    json_integer((json_int_t)ct_ticks_to_ns(clock, timer->tie.bracket)));
}
