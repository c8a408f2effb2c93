/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of every latency: the time stamp counter where it is invariant (x86: CPUID
 * 0x80000007 EDX bit 8; arm64: CNTVCT_EL0, which always is), calibrated against
 * CLOCK_MONOTONIC_RAW, else clock_gettime. Which one is in use, its resolution and its own cost
 * are measured and stored in every result.
 *
 * Sources: Intel SDM vol. 2 (RDTSC, RDTSCP ordering), AMD APM vol. 3; G. Paoloni, "How to benchmark
 * code execution times", Intel 324264. RDTSCP waits for all earlier instructions; the LFENCE
 * behind it keeps later ones from starting before the counter is read.
 */
#ifndef COTENANT_CORE_CLOCK_H
#define COTENANT_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "harness/core/error.h"

enum ct_clock_source { CT_CLOCK_TSC, CT_CLOCK_CNTVCT, CT_CLOCK_GETTIME };

/* Immutable after ct_clock_init; passed by pointer, one per worker. */
struct ct_clock {
	enum ct_clock_source source;
	double ticks_per_s;
	uint64_t ps_mult;     /* picoseconds per tick, 2^32 fixed point */
	double resolution_ns; /* smallest non-zero step seen */
	double cost_ns;       /* median cost of one begin/end pair around nothing */
};

/* Measures the clock for about `calibrate_ms` milliseconds; 20 gives a few parts per million. */
bool ct_clock_init(struct ct_clock *clock, unsigned calibrate_ms, struct ct_error *err);
const char *ct_clock_source_name(enum ct_clock_source source); /* "tsc", "cntvct", ... */

/* CLOCK_MONOTONIC in nanoseconds: the common time line of a host's workers. */
static inline uint64_t ct_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t ct_raw_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A time stamp; nothing before it is still running, nothing after it has begun. */
static inline uint64_t ct_ticks(const struct ct_clock *clock)
{
#if defined(__x86_64__)
	if (__builtin_expect(clock->source == CT_CLOCK_TSC, 1)) {
		unsigned aux;
		uint64_t now = __rdtscp(&aux);

		_mm_lfence();
		return now;
	}
#elif defined(__aarch64__)
	if (__builtin_expect(clock->source == CT_CLOCK_CNTVCT, 1)) {
		uint64_t now;

		__asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(now)::"memory");
		return now;
	}
#endif
	(void)clock;
	return ct_raw_ns();
}

/*
 * The stamp that ends a sample: nothing before it is still running. What follows may begin while
 * the counter is read, so recording hides in the read's own time; the next ct_ticks waits for it.
 */
static inline uint64_t ct_ticks_end(const struct ct_clock *clock)
{
#if defined(__x86_64__)
	if (__builtin_expect(clock->source == CT_CLOCK_TSC, 1)) {
		unsigned aux;

		return __rdtscp(&aux);
	}
#endif
	return ct_ticks(clock);
}

/* ticks -> picoseconds, with a multiplier that a caller may have scaled (see recorder.h). */
static inline uint64_t ct_scale(uint64_t ticks, uint64_t mult)
{
	return (uint64_t)(((unsigned __int128)ticks * mult) >> 32);
}

static inline uint64_t ct_ticks_to_ns(const struct ct_clock *clock, uint64_t ticks)
{
	return ct_scale(ticks, clock->ps_mult) / 1000u;
}

static inline uint64_t ct_ns_to_ticks(const struct ct_clock *clock, uint64_t ns)
{
	return (uint64_t)((double)ns * clock->ticks_per_s / 1e9);
}

/* A pair (tick, CLOCK_MONOTONIC ns) read as close together as possible: ties ticks to the time
 * line. */
struct ct_anchor {
	uint64_t ticks;
	uint64_t ns;
};
struct ct_anchor ct_clock_anchor(const struct ct_clock *clock);
/*
 * Whether the kernel's clock and the counter still agree on how long ago the anchor was: both jump
 * when a machine was suspended, migrated or snapshotted, but not by the same. 0.5 % and a
 * millisecond are allowed; slewing by NTP is a tenth of that.
 */
bool ct_clock_agrees(const struct ct_clock *clock, const struct ct_anchor *anchor,
		     struct ct_error *err);
uint64_t ct_anchor_ns(const struct ct_clock *clock, const struct ct_anchor *anchor, uint64_t ticks);

#endif
