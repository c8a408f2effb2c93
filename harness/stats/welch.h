/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ratio of two independent groups of blocks, of two campaigns or two configs, on the log scale
 * (Welch 1947, Biometrika 34:28): nothing is paired and the spreads may differ. The summary is that
 * of paired.h, so its interval, its p values and TOST (tost.h) serve here as well.
 */
#ifndef COTENANT_STATS_WELCH_H
#define COTENANT_STATS_WELCH_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/stats/paired.h"

struct ct_group {
	const double *logs; /* one value a block */
	size_t n;
	/*
	 * How many blocks one independent block is worth, at least 1: above it when the level
	 * wanders slowly over the blocks (series.h). The error grows by its square root, and its
	 * degrees of freedom shrink to n / dependence - 1, at least 1.
	 */
	double dependence;
	/*
	 * Variance of the group's level beyond what its blocks show, 0 where there is none: a level
	 * that drifts is one draw of a slow process, and no number of blocks averages that out.
	 */
	double level_variance;
};

/*
 * out->mean is mean(treat) - mean(base), so the interval is of the ratio treat over base; out->n is
 * the smaller group, out->sd the root mean square of the groups' spreads. False, with NaN, for
 * groups of fewer than two blocks, values that are not finite, a dependence below 1 or a
 * negative variance.
 */
bool ct_welch_summary(const struct ct_group *base, const struct ct_group *treat,
		      struct ct_paired *out);

#endif
