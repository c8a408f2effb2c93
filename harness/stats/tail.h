/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tail beyond a threshold: generalised Pareto by maximum likelihood, with its diagnostics, and
 * Hill's index. (Coles 2001, An Introduction to Statistical Modeling of Extreme Values, ch. 4;
 * Grimshaw 1993, Technometrics 35:185, for the one-dimensional form of the likelihood.)
 *
 * P(X - u > y | X > u) = (1 + shape y / scale)^(-1/shape). shape > 0 is a power tail with index
 * 1/shape, 0 exponential, < 0 a tail that ends.
 *
 * A quantile beyond the data is an extrapolation: show it beside the distribution-free bound
 * (tolerance.h), never as the guarantee. Samples are taken as independent; for autocorrelated ones
 * hand over cluster or block maxima, or read the intervals as too narrow.
 */
#ifndef COTENANT_STATS_TAIL_H
#define COTENANT_STATS_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/stats/quantile.h"

struct ct_tail {
	double threshold;   /* u, in the unit of the data */
	uint64_t n, excess; /* samples in all, and above the threshold */
	double shape;       /* within -0.5 .. 5, where the likelihood theory holds */
	double scale;       /* in the unit of the data */
	double log_likelihood;
	struct ct_interval shape_interval; /* by profile likelihood */
	/*
	 * Diagnostics. distance: largest difference between the fitted and the empirical
	 * distribution of the excesses (0..1; compare with 1.36 / sqrt(excess)).
	 * modified_scale: scale - shape u, the same at every higher threshold if the model holds.
	 */
	double distance, modified_scale;
};

#define CT_TAIL_LEAST 20 /* excesses below which no fit is attempted */

/*
 * Fits the values above `threshold`. False, with NaN, for fewer than CT_TAIL_LEAST excesses, fewer
 * than 5 different ones, or arguments out of range.
 */
bool ct_tail_fit(const struct ct_bin *bins, size_t n_bins, double threshold, double confidence,
		 struct ct_tail *out);

/*
 * The p-quantile by the fit, with its profile-likelihood interval (the share above the threshold is
 * taken as known: its error is small beside the shape's). p must lie beyond the threshold.
 */
bool ct_tail_quantile(const struct ct_bin *bins, size_t n_bins, const struct ct_tail *tail,
		      double p, double confidence, struct ct_interval *out);

/*
 * Threshold stability: fits above the type 1 quantiles p[0..n_p-1]; where one fails its shape is
 * NaN. A threshold is high enough when shape and modified_scale stay inside each other's intervals
 * above it. Returns how many fits succeeded.
 */
size_t ct_tail_stability(const struct ct_bin *bins, size_t n_bins, const double *p, size_t n_p,
			 double confidence, struct ct_tail *out);

/*
 * Hill's estimate (Hill 1975, Annals of Statistics 3:1163) of 1 / tail index from the k largest
 * values, with the normal interval value (1 -+ z / sqrt(k)). False, with NaN, unless 2 <= k < n and
 * the (k + 1)-th largest value is positive.
 */
bool ct_hill(const struct ct_bin *bins, size_t n_bins, uint64_t k, double confidence,
	     struct ct_interval *out);

#endif
