/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log-linear bucketing of latencies, in picoseconds.
 *
 * Values below 2048 ps have a bucket each; above, every power of two is cut into 1024 buckets of
 * equal width, so a bucket is never wider than 1/1024 of its lower edge (relative error of the
 * midpoint at most 1/2048). Range 0..140 s, which holds the promised 1 ns..100 s; larger values
 * land in the last bucket and are counted as overflow by the recorder. Counts are integers, so
 * merging loses nothing. The idea is HdrHistogram's (Gil Tene); the unit is picoseconds because a
 * cache hit takes about 1 ns and has to be resolved to 1/1024 as well.
 */
#ifndef COTENANT_CORE_HIST_H
#define COTENANT_CORE_HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"

#define CT_HIST_SUB_BITS 10u                       /* 1024 buckets an octave */
#define CT_HIST_MAX_PS   ((UINT64_C(1) << 47) - 1) /* 140.7 s */
#define CT_HIST_BUCKETS  ((46u - CT_HIST_SUB_BITS + 2u) << CT_HIST_SUB_BITS)
/* Relative: what is closer together may be the same value in two buckets. */
#define CT_HIST_RESOLUTION (1.0 / (1u << CT_HIST_SUB_BITS))

/* Index of the bucket that holds `ps`; clamped to the last bucket. About 2 ns. */
static inline uint32_t ct_hist_index(uint64_t ps)
{
	uint32_t shift;

	if (ps > CT_HIST_MAX_PS)
		ps = CT_HIST_MAX_PS;
	/* Setting bit 10 makes values below 1024 land in shift 0 without a branch. */
	shift = 63u - (uint32_t)__builtin_clzll(ps | (UINT64_C(1) << CT_HIST_SUB_BITS)) -
		CT_HIST_SUB_BITS;
	return (shift << CT_HIST_SUB_BITS) + (uint32_t)(ps >> shift);
}

/* Smallest value of a bucket; ct_hist_low(CT_HIST_BUCKETS) is the end of the last one. */
uint64_t ct_hist_low(uint32_t index);
/* The value that stands for a bucket: its midpoint (the value itself where the width is 1 ps). */
double ct_hist_mid(uint32_t index);

/* One non-empty bucket. Sparse histograms are arrays of these, ascending by index. */
struct ct_bucket {
	uint32_t index;
	uint64_t count;
};

/* A dense histogram that owns its memory: for merging and for quantiles, not for recording. */
struct ct_hist {
	uint64_t *counts; /* CT_HIST_BUCKETS of them: change them by the functions below only */
	uint64_t total;
	uint32_t begin, end; /* no bucket outside of [begin, end) holds anything */
};

bool ct_hist_init(struct ct_hist *hist, struct ct_error *err);
void ct_hist_free(struct ct_hist *hist);
void ct_hist_clear(struct ct_hist *hist);
void ct_hist_add(struct ct_hist *hist, uint64_t ps, uint64_t count);
void ct_hist_merge(struct ct_hist *into, const struct ct_hist *from);
/* Adds a sparse histogram. Refuses an index out of range (a file or a peer may hold anything). */
bool ct_hist_merge_sparse(struct ct_hist *into, const struct ct_bucket *buckets, size_t n,
			  struct ct_error *err);
/* Writes the non-empty buckets to `out` (room for `max`); returns how many there are in all. */
size_t ct_hist_to_sparse(const struct ct_hist *hist, struct ct_bucket *out, size_t max);

/*
 * Rank of the q-quantile among n sorted samples, 1 being the smallest: ceil(q * n) with q meant as
 * the decimal it is written as, within 1..n. (0.07 * 100 is 7, whatever binary makes of it.)
 */
uint64_t ct_quantile_rank(uint64_t n, double q);

/*
 * The q-quantile in picoseconds (0 <= q <= 1): midpoint of the bucket that holds the sample of rank
 * ct_quantile_rank (inverse of the empirical distribution, Hyndman & Fan type 1). NaN when the
 * histogram is empty.
 */
double ct_hist_quantile(const struct ct_hist *hist, double q);
/*
 * Whether the samples carry the q-quantile: at least one of them must lie beyond its rank, or the
 * "quantile" would be the maximum under another name.
 */
static inline bool ct_hist_carries(const struct ct_hist *hist, double q)
{
	return (double)hist->total * (1 - q) >= 1 - 1e-9;
}
/* Mean of the bucket midpoints, in picoseconds; NaN when empty. */
double ct_hist_mean(const struct ct_hist *hist);

#endif
