/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two samples compared as whole distributions: Mann-Whitney with effect size,
 * Kolmogorov-Smirnov, Wasserstein-1.
 *
 * The p values take the samples as independent draws. With millions of autocorrelated latencies
 * they reject everything: use the effect sizes (A12, D, the distance in the data's unit) and let
 * blocks and a margin decide.
 *
 * Arrays need not be sorted and are not changed. Each function has a form for sparse histograms
 * (quantile.h). False, with NaN in *out, when a sample is empty or holds NaN, or memory runs out.
 */
#ifndef COTENANT_STATS_RANKS_H
#define COTENANT_STATS_RANKS_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/stats/quantile.h"

struct ct_mann_whitney {
	double u; /* pairs with treat > base, ties counted as half */
	/*
	 * Two-sided. Exact without ties when the smaller sample has at most 8 values and the larger
	 * at most 1000; else the normal approximation with tie correction and continuity correction
	 * (Mann & Whitney 1947; Lehmann, Nonparametrics, 1.5).
	 */
	double p;
	bool exact;
	double a12; /* P(treat > base) + P(equal)/2; 0.5: no effect (Vargha & Delaney 2000) */
	double cliff_delta; /* 2 A12 - 1 */
};

bool ct_mann_whitney(const double *base, size_t n_base, const double *treat, size_t n_treat,
		     struct ct_mann_whitney *out);
bool ct_bins_mann_whitney(const struct ct_bin *base, size_t n_base, const struct ct_bin *treat,
			  size_t n_treat, struct ct_mann_whitney *out);

struct ct_ks {
	double d; /* largest distance of the two empirical distribution functions, 0..1 */
	/*
	 * Two-sided. Exact by counting lattice paths while n_base n_treat <= 10^7 (conservative
	 * with ties), else Kolmogorov's limit at d sqrt(n m / (n + m)).
	 */
	double p;
	bool exact;
};

bool ct_ks(const double *base, size_t n_base, const double *treat, size_t n_treat,
	   struct ct_ks *out);
bool ct_bins_ks(const struct ct_bin *base, size_t n_base, const struct ct_bin *treat,
		size_t n_treat, struct ct_ks *out);

/* The area between the two distribution functions, in the unit of the data. */
bool ct_wasserstein(const double *base, size_t n_base, const double *treat, size_t n_treat,
		    double *out);
bool ct_bins_wasserstein(const struct ct_bin *base, size_t n_base, const struct ct_bin *treat,
			 size_t n_treat, double *out);

#endif
