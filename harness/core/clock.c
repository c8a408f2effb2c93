/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/clock.h"

#include <math.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const double MAX_JUMP_NS = 1e6, MAX_DRIFT = 0.005;
enum { COST_ROUNDS = 2001, BRACKET_ROUNDS = 32 };

static bool counter_is_invariant(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d & (1u << 8)) &&
	       __get_cpuid(0x80000001u, &a, &b, &c, &d) && (d & (1u << 27)); /* RDTSCP */
#elif defined(__aarch64__)
	return true;
#else
	return false;
#endif
}

static enum ct_clock_source best_source(void)
{
	if (!counter_is_invariant())
		return CT_CLOCK_GETTIME;
#if defined(__aarch64__)
	return CT_CLOCK_CNTVCT;
#else
	return CT_CLOCK_TSC;
#endif
}

/*
 * Reads the counter between two reads of the kernel's clock and keeps the tightest of many: what
 * remains is half of one clock_gettime, some tens of nanoseconds, even when preempted in between.
 */
static struct ct_anchor bracket(const struct ct_clock *clock, uint64_t (*now_ns)(void))
{
	struct ct_anchor best = {0};
	uint64_t best_width = UINT64_MAX;

	for (int i = 0; i < BRACKET_ROUNDS; i++) {
		uint64_t before = now_ns();
		uint64_t ticks = ct_ticks(clock);
		uint64_t after = now_ns();

		if (after - before < best_width) {
			best_width = after - before;
			best.ticks = ticks;
			best.ns = before + (after - before) / 2;
		}
	}
	return best;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void measure_cost(struct ct_clock *clock)
{
	_Static_assert(COST_ROUNDS % 2 == 1, "the median is a sample");
	uint64_t pairs[COST_ROUNDS];
	uint64_t step = UINT64_MAX, median;

	for (int i = 0; i < COST_ROUNDS; i++) {
		uint64_t begin = ct_ticks(clock);
		uint64_t end = ct_ticks_end(clock);

		pairs[i] = end - begin;
		if (pairs[i] > 0 && pairs[i] < step)
			step = pairs[i];
	}
	qsort(pairs, COST_ROUNDS, sizeof pairs[0], compare_u64);
	median = pairs[COST_ROUNDS / 2];
	clock->cost_ns = (double)median * 1e9 / clock->ticks_per_s;
	/* A counter steps by one tick; what can be told apart is the greatest common step seen. */
	for (int i = 1; i < COST_ROUNDS; i++) {
		uint64_t gap = pairs[i] - pairs[i - 1];

		if (gap > 0 && gap < step)
			step = gap;
	}
	clock->resolution_ns = step == UINT64_MAX ? 0.0 : (double)step * 1e9 / clock->ticks_per_s;
}

bool ct_clock_init(struct ct_clock *clock, unsigned calibrate_ms, struct ct_error *err)
{
	struct ct_anchor begin, end;

	*clock = (struct ct_clock){.source = best_source(), .ticks_per_s = 1e9};
	if (clock->source != CT_CLOCK_GETTIME) {
		begin = bracket(clock, ct_raw_ns);
		while (ct_raw_ns() - begin.ns < (uint64_t)calibrate_ms * 1000000u) {
		}
		end = bracket(clock, ct_raw_ns);
		if (end.ticks <= begin.ticks || end.ns <= begin.ns)
			return ct_broken(err, "the time stamp counter does not advance: boot with "
					      "a working clock source");
		clock->ticks_per_s =
			(double)(end.ticks - begin.ticks) * 1e9 / (double)(end.ns - begin.ns);
	}
	clock->ps_mult = (uint64_t)(1e12 / clock->ticks_per_s * 4294967296.0 + 0.5);
	measure_cost(clock);
	return true;
}

const char *ct_clock_source_name(enum ct_clock_source source)
{
	switch (source) {
	case CT_CLOCK_TSC:
		return "tsc";
	case CT_CLOCK_CNTVCT:
		return "cntvct";
	case CT_CLOCK_GETTIME:
		break;
	}
	return "clock_gettime";
}

struct ct_anchor ct_clock_anchor(const struct ct_clock *clock)
{
	return bracket(clock, ct_monotonic_ns);
}

bool ct_clock_agrees(const struct ct_clock *clock, const struct ct_anchor *anchor,
		     struct ct_error *err)
{
	const struct ct_anchor now = ct_clock_anchor(clock);
	const double by_kernel = (double)now.ns - (double)anchor->ns;
	const double by_counter =
		((double)now.ticks - (double)anchor->ticks) * 1e9 / clock->ticks_per_s;

	if (fabs(by_kernel - by_counter) <= MAX_JUMP_NS + MAX_DRIFT * fabs(by_counter))
		return true;
	return ct_broken(err,
			 "the clock jumped: CLOCK_MONOTONIC advanced by %.3f s while the counter "
			 "says %.3f s (suspended, migrated or snapshotted?)",
			 by_kernel / 1e9, by_counter / 1e9);
}

uint64_t ct_anchor_ns(const struct ct_clock *clock, const struct ct_anchor *anchor, uint64_t ticks)
{
	if (ticks >= anchor->ticks)
		return anchor->ns + ct_ticks_to_ns(clock, ticks - anchor->ticks);
	return anchor->ns - ct_ticks_to_ns(clock, anchor->ticks - ticks);
}
