/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments and robust spread of one sample given as a sparse histogram (quantile.h). A sample given
 * as an array goes through ct_bins_from_sorted first.
 */
#ifndef COTENANT_STATS_SUMMARY_H
#define COTENANT_STATS_SUMMARY_H

#include <stdbool.h>

#include "harness/stats/quantile.h"

struct ct_summary {
	uint64_t n;
	double mean, sd; /* sd with n - 1; NaN for n < 2 */
	double cov;      /* coefficient of variation, sd / mean */
	double median;   /* type 1 */
	double mad;      /* median of |x - median|, unscaled: times 1.4826 for a normal sd */
	/* Of log x, for variance components; NaN unless every value is positive. */
	double log_mean, log_variance;
};

/* False, with NaN, for an empty histogram or when memory runs out. */
bool ct_summarise_bins(const struct ct_bin *bins, size_t n_bins, struct ct_summary *out);

#endif
