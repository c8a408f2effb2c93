/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regime changes in a series: PELT (Killick, Fearnhead & Eckley 2012, JASA 107:1590) on normal
 * scores of the ranks.
 *
 * Ranks make it robust: a stall a thousand times the median is one high rank, not a regime. The
 * cost of a segment is the sum of squares of its scores about their mean, so a change is a change
 * of level. The penalty of one change is calibrated instead of chosen: it is the 1 - alpha quantile
 * of the largest gain of a single split over simulated steady series of the same length and the
 * same lag-1 autocorrelation (AR(1), normal, as the scores are). That autocorrelation is the median
 * over eighths of the series, which a few changes of level do not move. On a steady series,
 * independent or AR(1), a change is reported in at most about a share alpha of the series as long
 * as it is worth 40 independent values (series.h); the tests hold it to that. With a quarter as
 * many the share may be twice alpha. Slower wandering than AR(1) explains is reported as changes,
 * which it is.
 */
#ifndef COTENANT_STATS_CHANGEPOINT_H
#define COTENANT_STATS_CHANGEPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/rng.h"

struct ct_changes {
	size_t n;          /* changes found; 0 for a steady series */
	size_t *at;        /* at[i] is the first index of the new regime, ascending */
	double *level;     /* medians of the n + 1 segments, in the unit of x */
	double penalty;    /* in squared scores, for one change */
	double dependence; /* lag-1 autocorrelation that the penalty allows for, 0 .. 0.98 */
};

/*
 * x[n] without NaN; min_segment values at least in each regime (>= 2); alpha in (0, 1) such that
 * 19 / alpha simulated series are affordable: 0.05 and 0.01 are usual. The cost is O(n^2) for
 * a steady series and O(n) for one with many changes; thin series of more than some 20,000 values
 * first. False, with nothing to free, for n < 4 min_segment, arguments out of range, or no memory.
 */
bool ct_change_points(const double *x, size_t n, size_t min_segment, double alpha,
		      struct ct_rng *rng, struct ct_changes *out);
void ct_changes_free(struct ct_changes *changes); /* then all zero; fine on a zeroed one */

#endif
