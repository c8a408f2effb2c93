/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-way analysis of variance with omega squared.
 *
 * Sums are formed in two passes about a shifted origin in long double, so the digits that the data
 * themselves carry are kept: on NIST's StRD sets the result equals exact rational arithmetic on the
 * same doubles to 13 digits or better.
 */
#ifndef COTENANT_STATS_VARIANCE_H
#define COTENANT_STATS_VARIANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/stats/interval.h"

struct ct_anova {
	size_t n, groups;
	double between_df, within_df;
	double between_ss, within_ss;
	double between_ms, within_ms;
	double f, p;
	double r_squared;
	double residual_sd;
	/*
	 * Share of the variance that belongs to the groups, without the upward bias of R squared
	 * (Hays 1963, Statistics for Psychologists). Negative estimates are set to zero and said to
	 * be. Interval by inverting the noncentral F distribution (Steiger 2004, Psychological
	 * Methods 9:164).
	 */
	struct ct_interval omega_squared;
	bool truncated;
};

/*
 * y holds the groups one after the other, group i having sizes[i] >= 1 values. False, with NaN, for
 * fewer than two groups, no group with two values, values that are not finite, or no spread within
 * the groups.
 */
bool ct_anova_one_way(const double *y, const size_t *sizes, size_t groups, double confidence,
		      struct ct_anova *out);

#endif
