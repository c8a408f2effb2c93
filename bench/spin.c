/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that never sleeps and asks how much of its CPU it really gets. Two classic questions,
 * and a third that lets the answers be compared:
 *
 *   quantum  how long does a fixed amount of work take? (FWQ, Sottile and Minnich 2004) Whatever
 *            takes the core away or slows it down shows: interrupts, other tasks, the hypervisor,
 *            a busy sibling thread, a lower clock.
 *   gap      how far apart are two reads of the counter that follow each other? (oslat, sysjitter)
 *            Only what takes the core away shows; every nanosecond of the phase lies in one gap.
 *   memmove  gap with a copy of `memory` bytes between the reads, as oslat -w memmove. oslat counts
 *            in whole microseconds: a long copy gives it a median that can be laid beside ours.
 */
#include "bench/victims.h"

#include <stdlib.h>
#include <string.h>

enum mode { MODE_QUANTUM, MODE_GAP, MODE_MEMMOVE };
static const char *const mode_names[] = {"quantum", "gap", "memmove", NULL};

struct spin_options {
	int mode;
	uint64_t quantum_ns;
	uint64_t memory;
};

struct spin_state {
	const struct ct_clock *clock;
	enum mode mode;
	uint64_t iterations; /* of the quantum's loop */
	uint64_t last;       /* tick at which the gap under way began */
	char *from, *to;
	size_t bytes;
	struct ct_memory buffers;
};

/*
 * Each step needs the result of the one before (a multiplication and an addition: four to five
 * cycles), so the time is latency times count whatever the width of the core. The empty asm makes
 * every value one that the compiler can't foresee: it can't drop, fold or vectorise the loop.
 */
static uint64_t work(uint64_t iterations)
{
	uint64_t x = iterations;

	for (uint64_t i = iterations; i > 0; i--) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

/*
 * Iterations that fill the quantum when nothing disturbs it: from the fastest of many short runs,
 * over long enough that the core has reached its clock.
 */
static uint64_t calibrate(const struct ct_clock *clock, uint64_t quantum_ns)
{
	enum { RUN = 4096 };
	const uint64_t end = ct_ticks(clock) + ct_ns_to_ticks(clock, 20000000);
	uint64_t fastest = UINT64_MAX;
	double iterations;

	for (;;) {
		uint64_t begin = ct_ticks(clock);
		uint64_t now;

		work(RUN);
		now = ct_ticks(clock);
		if (now - begin < fastest)
			fastest = now - begin;
		if (now >= end)
			break;
	}
	iterations = (double)ct_ns_to_ticks(clock, quantum_ns) * RUN / (double)fastest;
	return iterations < 1 ? 1 : (uint64_t)(iterations + 0.5);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct spin_options *asked = options;
	struct spin_state *spin = calloc(1, sizeof *spin);

	if (!spin)
		return ct_broken_errno(err, "spin: no memory for its state");
	spin->clock = env->clock;
	spin->mode = (enum mode)asked->mode;
	if (spin->mode == MODE_QUANTUM)
		spin->iterations = calibrate(env->clock, asked->quantum_ns);
	if (spin->mode == MODE_MEMMOVE) {
		if (!ct_memory_map(&spin->buffers, env->place, 2 * asked->memory, CT_PAGES_BASE,
				   err)) {
			free(spin);
			return ct_error_in(err, "spin: memory");
		}
		spin->from = spin->buffers.base;
		spin->to = spin->from + asked->memory;
		spin->bytes = asked->memory;
	}
	spin->last = ct_ticks(env->clock);
	*state = spin;
	return true;
}

/* The pause between two phases is no gap. */
static void phase_begin(void *state)
{
	struct spin_state *spin = state;

	spin->last = ct_ticks(spin->clock);
}

/* From the end of the previous gap: also what happens while a sample is recorded is seen. */
static uint64_t gap(struct spin_state *spin)
{
	uint64_t now = ct_ticks(spin->clock);
	uint64_t ticks = now - spin->last;

	spin->last = now;
	return ticks;
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct spin_state *spin = state;
	uint64_t begin;

	switch (spin->mode) {
	case MODE_QUANTUM:
		begin = ct_ticks(spin->clock);
		work(spin->iterations);
		*ticks = ct_ticks(spin->clock) - begin;
		break;
	case MODE_MEMMOVE:
		memmove(spin->to, spin->from, spin->bytes);
		__asm__ volatile("" ::: "memory");
		*ticks = gap(spin);
		break;
	case MODE_GAP:
		*ticks = gap(spin);
		break;
	}
	return true;
}

static void teardown(void *state)
{
	struct spin_state *spin = state;

	if (spin->mode == MODE_MEMMOVE)
		ct_memory_unmap(&spin->buffers);
	free(spin);
}

static const struct ct_param params[] = {
	{.name = "mode",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct spin_options, mode),
	 .fallback = "quantum",
	 .choices = mode_names,
	 .help = "quantum: fixed work, as FWQ; gap: between clock reads, as oslat; memmove: as "
		 "oslat -w memmove"},
	{.name = "quantum",
	 .type = CT_PARAM_TIME,
	 .offset = offsetof(struct spin_options, quantum_ns),
	 .fallback = "10us",
	 .min = "100ns",
	 .max = "1s",
	 .help = "mode quantum: how long the work takes on the undisturbed core"},
	{.name = "memory",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct spin_options, memory),
	 .fallback = "4K",
	 .min = "64",
	 .max = "1G",
	 .help = "mode memmove: bytes copied between two clock reads, as oslat -m"},
	{0},
};

const struct ct_victim_ops ct_bench_spin = {
	.name = "spin",
	.summary = "a busy loop that notices when its core is taken away or slowed down",
	.unit = "ns",
	.sample = "one quantum of fixed work, or the gap between two clock reads (mode)",
	.stresses = CT_RES_CORE | CT_RES_SCHEDULER | CT_RES_INTERRUPT | CT_RES_HYPERVISOR |
		    CT_RES_POWER,
	.params = params,
	.options_size = sizeof(struct spin_options),
	.setup = setup,
	.operate_timed = operate_timed,
	.teardown = teardown,
	.phase_begin = phase_begin,
};
