/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/recorder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void slot_reset(struct ct_epoch_slot *slot)
{
	if (slot->count) {
		uint32_t low = ct_hist_index(slot->min_ps), high = ct_hist_index(slot->max_ps);

		memset(slot->counts + low, 0, (high - low + 1) * sizeof *slot->counts);
	}
	slot->count = slot->sum_ps = slot->max_ps = slot->overflow = 0;
	slot->min_ps = UINT64_MAX;
	slot->slow_count = 0;
	slot->raw_count = slot->raw_dropped = 0;
}

bool ct_recorder_init(struct ct_recorder *recorder, uint64_t raw_capacity, struct ct_error *err)
{
	memset(recorder, 0, sizeof *recorder);
	recorder->raw_capacity = raw_capacity;
	for (int i = 0; i < CT_RECORDER_SLOTS; i++) {
		struct ct_epoch_slot *slot = &recorder->slots[i];
		size_t bytes = CT_HIST_BUCKETS * sizeof *slot->counts;

		slot->counts = malloc(bytes);
		if (raw_capacity && slot->counts)
			slot->raw = malloc(raw_capacity * sizeof *slot->raw);
		if (!slot->counts || (raw_capacity && !slot->raw)) {
			ct_recorder_free(recorder);
			return ct_broken_errno(err, "memory for the recorder");
		}
		/* Touched now, so that no page fault falls into a phase. */
		memset(slot->counts, 0, bytes);
		if (slot->raw)
			memset(slot->raw, 0, raw_capacity * sizeof *slot->raw);
		slot_reset(slot);
	}
	return true;
}

void ct_recorder_free(struct ct_recorder *recorder)
{
	for (int i = 0; i < CT_RECORDER_SLOTS; i++) {
		free(recorder->slots[i].counts);
		free(recorder->slots[i].raw);
		recorder->slots[i].counts = NULL;
		recorder->slots[i].raw = NULL;
	}
}

void ct_recorder_begin(struct ct_recorder *recorder, const struct ct_clock *clock,
		       uint64_t begin_tick, uint64_t epoch_ns, uint64_t operations_per_sample)
{
	for (int i = 0; i < CT_RECORDER_SLOTS; i++)
		slot_reset(&recorder->slots[i]);
	atomic_store_explicit(&recorder->closed, 0, memory_order_relaxed);
	atomic_store_explicit(&recorder->taken, 0, memory_order_release);
	recorder->mult = clock->ps_mult / operations_per_sample;
	recorder->epoch_ticks = ct_ns_to_ticks(clock, epoch_ns);
	recorder->epoch_end = begin_tick + recorder->epoch_ticks;
	recorder->slow_floor = 0;
	recorder->slot = &recorder->slots[0];
	recorder->n_pending = 0;
	recorder->slot->begin_tick = begin_tick;
}

static bool next_slot_is_free(struct ct_recorder *recorder, unsigned closed)
{
	unsigned taken = atomic_load_explicit(&recorder->taken, memory_order_acquire);

	return closed + 1 - taken < CT_RECORDER_SLOTS;
}

static void close_slot(struct ct_recorder *recorder, uint64_t tick)
{
	recorder->slot->end_tick = tick;
	if (recorder->at_close)
		recorder->at_close(recorder->close_context, recorder->slot->counters);
}

static void roll(struct ct_recorder *recorder, uint64_t tick)
{
	unsigned closed = atomic_load_explicit(&recorder->closed, memory_order_relaxed);
	uint64_t past = tick - recorder->epoch_end;

	/* Boundaries stay on the grid of the phase, whatever one long sample did. */
	recorder->epoch_end += recorder->epoch_ticks * (past / recorder->epoch_ticks + 1);
	if (!next_slot_is_free(recorder, closed))
		return;
	close_slot(recorder, tick);
	recorder->slot = &recorder->slots[(closed + 1) % CT_RECORDER_SLOTS];
	recorder->slot->begin_tick = tick;
	recorder->slow_floor = 0;
	atomic_store_explicit(&recorder->closed, closed + 1, memory_order_release);
}

static void sift_down(struct ct_sample *heap, uint32_t n)
{
	for (uint32_t i = 0;;) {
		uint32_t least = i, left = 2 * i + 1, right = left + 1;
		struct ct_sample swap = heap[i];

		if (left < n && heap[left].ps < heap[least].ps)
			least = left;
		if (right < n && heap[right].ps < heap[least].ps)
			least = right;
		if (least == i)
			return;
		heap[i] = heap[least];
		heap[least] = swap;
		i = least;
	}
}

static void sift_up(struct ct_sample *heap, uint32_t i)
{
	while (i > 0 && heap[i].ps < heap[(i - 1) / 2].ps) {
		struct ct_sample swap = heap[i];

		heap[i] = heap[(i - 1) / 2];
		heap[(i - 1) / 2] = swap;
		i = (i - 1) / 2;
	}
}

/* Samples that overflow come here always, however slow the slowest are: they are counted. */
static uint64_t floor_above(uint64_t ps)
{
	return ps < CT_HIST_MAX_PS ? ps + 1 : CT_HIST_MAX_PS + 1;
}

/* Every sample that sets a new maximum comes here too, because the floor never exceeds it. */
static void record_slow(struct ct_recorder *recorder, uint64_t tick, uint64_t ps)
{
	struct ct_epoch_slot *slot = recorder->slot;

	if (ps > slot->max_ps)
		slot->max_ps = ps;
	if (ps > CT_HIST_MAX_PS)
		slot->overflow++;
	if (slot->slow_count < CT_SLOWEST) {
		slot->slowest[slot->slow_count] = (struct ct_sample){tick, ps};
		sift_up(slot->slowest, slot->slow_count++);
	} else if (ps > slot->slowest[0].ps) {
		slot->slowest[0] = (struct ct_sample){tick, ps};
		sift_down(slot->slowest, CT_SLOWEST);
	}
	if (slot->slow_count == CT_SLOWEST)
		recorder->slow_floor = floor_above(slot->slowest[0].ps);
}

static void keep_raw(struct ct_recorder *recorder, struct ct_epoch_slot *slot, uint64_t tick,
		     uint64_t ps)
{
	if (slot->raw_count < recorder->raw_capacity)
		slot->raw[slot->raw_count++] = (struct ct_sample){tick, ps};
	else
		slot->raw_dropped++;
}

static void put_pending(struct ct_recorder *recorder)
{
	struct ct_epoch_slot *slot = recorder->slot;
	const uint32_t n = recorder->n_pending;
	const uint64_t mult = recorder->mult;
	uint64_t sum = 0, min = slot->min_ps;

	for (uint32_t i = 0; i < n; i++) {
		const struct ct_pending *pending = &recorder->pending[i];
		uint64_t ps = ct_scale(pending->ticks, mult);

		slot->counts[ct_hist_index(ps)]++;
		sum += ps;
		if (ps < min)
			min = ps;
		if (__builtin_expect(ps >= recorder->slow_floor, 0))
			record_slow(recorder, pending->tick, ps);
		if (__builtin_expect(slot->raw != NULL, 0))
			keep_raw(recorder, slot, pending->tick, ps);
	}
	slot->count += n;
	slot->sum_ps += sum;
	slot->min_ps = min;
	recorder->n_pending = 0;
}

void ct_recorder_flush(struct ct_recorder *recorder, uint64_t tick)
{
	put_pending(recorder);
	if (tick >= recorder->epoch_end)
		roll(recorder, tick);
}

void ct_recorder_end(struct ct_recorder *recorder, uint64_t end_tick)
{
	unsigned closed = atomic_load_explicit(&recorder->closed, memory_order_relaxed);

	put_pending(recorder);
	close_slot(recorder, end_tick);
	atomic_store_explicit(&recorder->closed, closed + 1, memory_order_release);
}

struct ct_epoch_slot *ct_recorder_take(struct ct_recorder *recorder)
{
	unsigned taken = atomic_load_explicit(&recorder->taken, memory_order_relaxed);

	if (atomic_load_explicit(&recorder->closed, memory_order_acquire) == taken)
		return NULL;
	return &recorder->slots[taken % CT_RECORDER_SLOTS];
}

void ct_recorder_give_back(struct ct_recorder *recorder, struct ct_epoch_slot *slot)
{
	slot_reset(slot);
	atomic_fetch_add_explicit(&recorder->taken, 1, memory_order_release);
}

double ct_epoch_quantile(const struct ct_epoch_slot *slot, double q)
{
	uint64_t rank, seen = 0;

	if (slot->count == 0)
		return NAN;
	rank = ct_quantile_rank(slot->count, q);
	for (uint32_t i = ct_hist_index(slot->min_ps); i <= ct_hist_index(slot->max_ps); i++) {
		seen += slot->counts[i];
		if (seen >= rank)
			return ct_hist_mid(i);
	}
	return (double)slot->max_ps;
}
