/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dependence in time: autocorrelation, effective sample size, stationarity.
 *
 * x[n] is a series in the order it was measured, at equal steps (one value an epoch, say). NaN
 * comes back when n < 4, when x holds NaN, or where the series has no spread.
 */
#ifndef COTENANT_STATS_SERIES_H
#define COTENANT_STATS_SERIES_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/stats/interval.h"

/* rho[0..max_lag], rho[0] = 1; sums over n - k products divided by n (the positive-definite form).
 */
bool ct_autocorrelation(const double *x, size_t n, size_t max_lag, double *rho);
double ct_lag1(const double *x, size_t n);

/*
 * Integrated autocorrelation time 1 + 2 sum rho_k in steps: how many steps one independent value is
 * worth. The sum ends at Geyer's initial monotone positive sequence (Geyer 1992, Statistical
 * Science 7:473): pairs rho_2k + rho_2k+1 while positive, each at most the one before. An AR(1)
 * series with parameter r has (1 + r) / (1 - r). At least 1: anticorrelation is not turned into
 * extra samples. O(n k) for k lags summed. Biased low when n is below some 50 times the result.
 */
double ct_autocorrelation_time(const double *x, size_t n);
/* n over the autocorrelation time; n when the series has no spread. */
double ct_effective_size(const double *x, size_t n);

struct ct_stationarity {
	/* Change over the whole series by a straight line, in the unit of x; p against none. */
	struct ct_interval drift;
	double p_drift;
	/* Mean of the last half less mean of the first half (Geweke 1992's comparison); p. */
	struct ct_interval step;
	double p_step;
	double effective; /* independent values behind both, from the series without its line */
	bool stationary;  /* neither p below (1 - confidence) / 2: both together at that level */
};

/*
 * Errors are those of independent values times the square root of the autocorrelation time of the
 * residuals, on t with effective - 2 degrees of freedom. False, with NaN, when n < 8 or fewer than
 * four effective values remain: the series is then too short to tell.
 */
bool ct_stationarity(const double *x, size_t n, double confidence, struct ct_stationarity *out);

#endif
