/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantiles of one sample, exact or as a sparse histogram, with distribution-free intervals.
 *
 * A sparse histogram is an array of (value, count), values strictly ascending, counts positive: a
 * billion samples of one phase are a few thousand bins. Every function on a histogram gives what it
 * would give on the sorted array that the bins stand for. A sorted array of n values can be turned
 * into bins by ct_bins_from_sorted.
 *
 * Estimators return NaN for an empty sample, a p outside 0..1 or NaN.
 * p is the probability below: 0.99 for p99.
 */
#ifndef COTENANT_STATS_QUANTILE_H
#define COTENANT_STATS_QUANTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/stats/interval.h"

struct ct_bin {
	double value;
	uint64_t count;
};

/* Fills bins (room for n) from ascending values without NaN; returns how many there are. */
size_t ct_bins_from_sorted(const double *sorted, size_t n, struct ct_bin *bins);
uint64_t ct_bins_total(const struct ct_bin *bins, size_t n_bins);
/* The value of rank `rank`, 1 for the smallest; NaN when there is no such rank. O(n_bins). */
double ct_bins_at_rank(const struct ct_bin *bins, size_t n_bins, uint64_t rank);

/* Hyndman & Fan 1996 (The American Statistician 50:361), type 1: the value of rank ceil(n p). */
double ct_quantile_type1(const double *sorted, size_t n, double p);
/* Type 7: linear between ranks around (n - 1) p + 1; what R and numpy give by default. */
double ct_quantile_type7(const double *sorted, size_t n, double p);
double ct_bins_quantile_type1(const struct ct_bin *bins, size_t n_bins, double p);
double ct_bins_quantile_type7(const struct ct_bin *bins, size_t n_bins, double p);

/*
 * Harrell & Davis 1982 (Biometrika 69:635): the expected order statistic of rank (n + 1) p, a
 * weighted mean of all values. Smoother than one order statistic; near p = 1 its weights lean on
 * the largest values, so it is only as good as they are.
 */
double ct_harrell_davis(const double *sorted, size_t n, double p);
double ct_bins_harrell_davis(const struct ct_bin *bins, size_t n_bins, double p);

/*
 * Ranks l <= u with P(l <= B < u) >= confidence for B ~ Bin(n, p), at most half of the rest beyond
 * either end: the l-th and u-th smallest of n independent values enclose the p-quantile of any
 * distribution with at least that confidence (David & Nagaraja, Order Statistics, 7.1; Le Boudec,
 * Performance Evaluation, 2.2). *lower = 0 means 'no lower bound', *upper = n + 1 'no upper bound':
 * n is then too small for that side and the function returns false.
 */
bool ct_quantile_ranks(uint64_t n, double p, double confidence, uint64_t *lower, uint64_t *upper);

/*
 * The type 1 quantile and the order statistics that enclose it. `effective` is how many independent
 * samples the data are worth (n / autocorrelation time, 1 <= effective <= n; pass n when they are
 * independent): the ranks are found for that many and stretched outwards onto the n values. A side
 * that the data can't bound is infinite and the function returns false with the value still filled.
 */
bool ct_quantile_interval(const double *sorted, size_t n, double p, double confidence,
			  double effective, struct ct_interval *out);
bool ct_bins_quantile_interval(const struct ct_bin *bins, size_t n_bins, double p,
			       double confidence, double effective, struct ct_interval *out);

/* The smallest n for which ct_quantile_ranks bounds the p-quantile on both sides; 0 if p is 0 or 1.
 */
uint64_t ct_quantile_needs(double p, double confidence);

#endif
