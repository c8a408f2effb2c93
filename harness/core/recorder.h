/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder takes every sample of a victim and hands out closed epochs.
 *
 * One measuring thread records; one other thread takes closed epochs away, sends them and gives
 * them back. The measuring thread never allocates, never calls the kernel and never waits: at an
 * epoch's end it only moves to the next free slot of a small ring. When the other side is late and
 * no slot is free, the epoch goes on a little longer; no sample is lost for that.
 */
#ifndef COTENANT_CORE_RECORDER_H
#define COTENANT_CORE_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/clock.h"
#include "harness/core/counter.h"
#include "harness/core/error.h"
#include "harness/core/hist.h"

enum { CT_SLOWEST = 32, CT_RECORDER_SLOTS = 8, CT_PENDING = 128 };

/* `tick` is the counter when the sample ended. */
struct ct_sample {
	uint64_t tick;
	uint64_t ps;
};

struct ct_epoch_slot {
	uint64_t begin_tick, end_tick;
	uint64_t count;
	uint64_t sum_ps, min_ps, max_ps; /* min_ps is UINT64_MAX while count is 0 */
	uint64_t overflow; /* samples above CT_HIST_MAX_PS, counted in the last bucket */
	uint32_t *counts;  /* CT_HIST_BUCKETS; buckets outside min..max are zero */
	struct ct_sample slowest[CT_SLOWEST]; /* a min-heap by ps; `slow_count` of them */
	uint32_t slow_count;
	struct ct_sample *raw; /* NULL unless raw samples were asked for */
	uint64_t raw_count, raw_dropped;
	double counters[CT_COUNTERS_MAX]; /* what `at_close` filled in */
};

/* A sample as the clock gave it: the counter at its end and its length, both in ticks. */
struct ct_pending {
	uint64_t tick, ticks;
};

struct ct_recorder {
	/* Written by the measuring thread alone while a phase runs. */
	struct ct_pending pending[CT_PENDING];
	uint32_t n_pending;
	struct ct_epoch_slot *slot;
	uint64_t mult;       /* ct_scale multiplier: ps per tick over operations per sample */
	uint64_t epoch_end;  /* tick */
	uint64_t slow_floor; /* smallest value that enters `slowest` */
	uint64_t raw_capacity;
	uint64_t epoch_ticks;
	/* Called on the measuring thread when an epoch closes, between two samples; NULL: nobody
	 * asked. Set after init, before the first phase. */
	void (*at_close)(void *context, double counters[CT_COUNTERS_MAX]);
	void *close_context;
	struct ct_epoch_slot slots[CT_RECORDER_SLOTS];
	/* Slots [taken, closed) wait for the other thread; slot closed % N is the open one. */
	_Alignas(64) atomic_uint closed;
	_Alignas(64) atomic_uint taken;
};

/*
 * `raw_capacity`: raw samples kept per epoch (0: none); what does not fit is counted as dropped.
 * Memory is allocated and touched here. Free with ct_recorder_free.
 */
bool ct_recorder_init(struct ct_recorder *recorder, uint64_t raw_capacity, struct ct_error *err);
void ct_recorder_free(struct ct_recorder *recorder);

/* Starts a phase: drops what is there and opens the first epoch at `begin_tick`. Neither thread may
 * be using it. */
void ct_recorder_begin(struct ct_recorder *recorder, const struct ct_clock *clock,
		       uint64_t begin_tick, uint64_t epoch_ns, uint64_t operations_per_sample);
/* Closes the open epoch at `end_tick`, complete or not. Called once, by the measuring thread. */
void ct_recorder_end(struct ct_recorder *recorder, uint64_t end_tick);

/* The oldest closed epoch or NULL; give it back when done, which clears it for reuse. */
struct ct_epoch_slot *ct_recorder_take(struct ct_recorder *recorder);
void ct_recorder_give_back(struct ct_recorder *recorder, struct ct_epoch_slot *slot);

/* q-quantile of one epoch in ps (definition of ct_hist_quantile); NaN when empty. */
double ct_epoch_quantile(const struct ct_epoch_slot *slot, double q);

/* Puts the pending samples into the open epoch, and closes it when `tick` is past its end. */
void ct_recorder_flush(struct ct_recorder *recorder, uint64_t tick);

/*
 * Records one sample that ended at `tick` and took `ticks`.
 *
 * It is only noted here, and put into the histogram with 127 others. The clock reads around a
 * sample wait for everything before them, so work done between two samples costs its whole latency:
 * scaling, bucket search and increment one after the other take about 10 ns. Done in a batch they
 * overlap.
 */
static inline void ct_record(struct ct_recorder *recorder, uint64_t tick, uint64_t ticks)
{
	uint32_t n = recorder->n_pending;

	recorder->pending[n] = (struct ct_pending){tick, ticks};
	recorder->n_pending = n + 1;
	if (__builtin_expect(n + 1 == CT_PENDING || tick >= recorder->epoch_end, 0))
		ct_recorder_flush(recorder, tick);
}

#endif
