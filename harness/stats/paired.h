/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paired log ratio: the slowdown of a treatment over its own baseline, block by block.
 *
 * Each block gives one positive number for the baseline and one for the treatment (a quantile, or a
 * rate). The blocks are the replicates; d_i = log(treat_i / base_i) is taken as roughly normal, so
 * its mean has Student's t interval with n - 1 degrees of freedom, and the exponent of mean and
 * interval is the slowdown with its interval. Ratios are averaged by their logarithm because the
 * arithmetic mean of ratios depends on which side is called the baseline (Hoefler & Belli, SC'15).
 * Effects below 1 are reported as they are, never clamped.
 *
 * All functions return false, and leave NaN in *out, when n < 2, when any value is not positive and
 * finite, or when the confidence is not between 0 and 1.
 */
#ifndef COTENANT_STATS_PAIRED_H
#define COTENANT_STATS_PAIRED_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/stats/interval.h"

/* What the tests below and TOST need of the n log ratios. */
struct ct_paired {
	size_t n;
	double mean, sd; /* of the log ratios; sd with n - 1 */
	double standard_error;
	double df; /* of the standard error: n - 1 */
};

/* base[n], treat[n]: one value per block, same unit. The unit of *out is a plain ratio. */
bool ct_paired_log_ratio(const double *base, const double *treat, size_t n, double confidence,
			 struct ct_interval *out);

bool ct_paired_summary(const double *base, const double *treat, size_t n, struct ct_paired *out);
/* The same of log ratios that the caller has already formed (any sign, finite). */
bool ct_paired_summary_of_logs(const double *log_ratio, size_t n, struct ct_paired *out);
bool ct_paired_interval(const struct ct_paired *paired, double confidence, struct ct_interval *out);

/*
 * p values of the t test on the log ratio. `ratio` is the null value, 1 for 'no effect' and
 * 1 + margin for 'worse by more than the margin'. Without spread (sd = 0) the p value is 0 or 1,
 * and 0.5 one-sided where the mean is exactly the null.
 */
double ct_paired_p_two_sided(const struct ct_paired *paired, double ratio);
double ct_paired_p_greater(const struct ct_paired *paired, double ratio); /* true ratio > ratio */
double ct_paired_p_less(const struct ct_paired *paired, double ratio);    /* true ratio < ratio */

#endif
