/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all GPU victims have in common: the opened GPU, the parameters that say how one waits and
 * whose clock is the sample's, and the one timed path through which their operations go.
 *
 * A victim submits work to the stream; the sample is the time from before the first call of the
 * driver until the host knows that the work is done. Every N-th operation (`device_every`) is done
 * between two events that lie side by side in the stream, and their distance is what the device saw
 * of it: adjacent events only, because cuEventElapsedTime returns a float of milliseconds, in which
 * the distance to an old event has lost the microseconds. With N = 1 all operations are done so,
 * and all are samples; else those with events are extra ones and no samples, so that recording two
 * events never stands in a latency that is not about it.
 */
#ifndef COTENANT_BENCH_GPU_VICTIM_H
#define COTENANT_BENCH_GPU_VICTIM_H

#include "bench/victims.h"
#include "harness/gpu/device.h"
#include "harness/gpu/kernel.h"
#include "harness/gpu/seen.h"

enum gpu_seen_by { GPU_SEEN_BY_HOST, GPU_SEEN_BY_DEVICE };

struct gpu_victim_options {
	int wait; /* index into gpu_wait_names */
	int seen; /* enum gpu_seen_by */
	uint64_t device_every;
};
extern const char *const gpu_wait_names[];
extern const char *const gpu_seen_names[];

/* For a table of parameters: `options` is the type of the victim's, which has `common` in them. */
#define GPU_PARAM_WAIT(options)                                                                    \
	{                                                                                          \
		.name = "wait", .type = CT_PARAM_CHOICE, .offset = offsetof(options, common.wait), \
		.fallback = "spin", .choices = gpu_wait_names,                                     \
		.help = "how the driver waits: spinning, yielding the CPU, or sleeping until "     \
			"an interrupt"                                                             \
	}
#define GPU_PARAM_SEEN(options)                                                                    \
	{                                                                                          \
		.name = "seen", .type = CT_PARAM_CHOICE, .offset = offsetof(options, common.seen), \
		.fallback = "host", .choices = gpu_seen_names,                                     \
		.help = "whose clock times the sample; the device's is in the counters either way" \
	}
#define GPU_PARAM_EVERY(options, every)                                                          \
	{                                                                                        \
		.name = "device_every", .type = CT_PARAM_COUNT,                                  \
		.offset = offsetof(options, common.device_every), .fallback = every, .min = "0", \
		.max = "1000000",                                                                \
		.help = "every so many operations one is timed by the device; 1: each is, "      \
			"0: none"                                                                \
	}

struct gpu_victim {
	struct ct_gpu gpu;
	const struct ct_clock *clock;
	struct ct_gpu_seen seen;
	struct ct_cu_event *begin, *end; /* side by side around an operation */
	bool device_is_sample;
	uint64_t every, left;  /* operations until the next one between events */
	struct ct_error error; /* why the last operation failed */
};

/* On failure nothing is left behind. `env->device` is set. */
bool gpu_victim_open(struct gpu_victim *victim, struct ct_victim_env *env,
		     const struct gpu_victim_options *options, struct ct_error *err);
void gpu_victim_close(struct gpu_victim *victim);

/* An operation: submits work to the stream; on failure the reason is in victim->error. */
typedef bool (*gpu_submit)(void *state);

/* One operation between events. */
bool gpu_victim_between_events(struct gpu_victim *victim, gpu_submit submit, void *state,
			       uint64_t *ticks);

/* One sample; for `operate_timed`. */
static inline __attribute__((always_inline)) bool gpu_victim_sample(struct gpu_victim *victim,
								    gpu_submit submit, void *state,
								    uint64_t *ticks)
{
	uint64_t begin, extra;

	if (victim->every == 1)
		return gpu_victim_between_events(victim, submit, state, ticks);
	begin = ct_ticks(victim->clock);
	if (!submit(state) || !ct_gpu_finish(&victim->gpu, &victim->error))
		return false;
	*ticks = ct_ticks_end(victim->clock) - begin;
	if (victim->every == 0 || --victim->left > 0)
		return true;
	victim->left = victim->every;
	return gpu_victim_between_events(victim, submit, state, &extra);
}

/* For the descriptor: `failure` and `read_counters` of a state that begins with a gpu_victim. */
void gpu_victim_failure(void *state, struct ct_error *err);
void gpu_victim_read_counters(void *state, double *values);
void gpu_victim_phase_begin(void *state); /* forgets what was seen before */
extern const struct ct_counter gpu_victim_counters[];

#endif
