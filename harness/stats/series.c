/* SPDX-License-Identifier: Apache-2.0 */
/* Autocorrelation time by Geyer's sequence, and tests for drift that allow for it. */
#include "harness/stats/series.h"

#include <stdlib.h>

#include "harness/stats/distributions.h"

static double mean_of(const double *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] - x[0];
	return x[0] + sum / (double)n;
}

static double autocovariance(const double *x, size_t n, double mean, size_t lag)
{
	double sum = 0;

	for (size_t i = 0; i + lag < n; i++)
		sum += (x[i] - mean) * (x[i + lag] - mean);
	return sum / (double)n;
}

bool ct_autocorrelation(const double *x, size_t n, size_t max_lag, double *rho)
{
	double mean, variance;
	bool ok = n >= 4;

	for (size_t k = 0; k <= max_lag; k++)
		rho[k] = NAN;
	if (!ok)
		return false;
	mean = mean_of(x, n);
	variance = autocovariance(x, n, mean, 0);
	if (!(variance > 0) || isinf(variance))
		return false;
	for (size_t k = 0; k <= max_lag; k++)
		rho[k] = k < n ? autocovariance(x, n, mean, k) / variance : 0;
	return true;
}

double ct_lag1(const double *x, size_t n)
{
	double rho[2];

	return ct_autocorrelation(x, n, 1, rho) ? rho[1] : NAN;
}

double ct_autocorrelation_time(const double *x, size_t n)
{
	double mean, variance, sum = 0, previous = INFINITY;

	if (n < 4)
		return NAN;
	mean = mean_of(x, n);
	variance = autocovariance(x, n, mean, 0);
	if (!(variance > 0) || isinf(variance))
		return NAN;
	for (size_t k = 0; k + 1 < n; k += 2) {
		double pair = (autocovariance(x, n, mean, k) + autocovariance(x, n, mean, k + 1)) /
			      variance;

		if (!(pair > 0))
			break;
		previous = fmin(previous, pair);
		sum += previous;
	}
	return fmax(1, 2 * sum - 1);
}

double ct_effective_size(const double *x, size_t n)
{
	double time = ct_autocorrelation_time(x, n);

	for (size_t i = 0; i < n; i++)
		if (isnan(x[i]))
			return NAN;
	return isnan(time) ? (double)n : (double)n / time;
}

static double two_sided(double difference, double error, double df)
{
	if (error == 0)
		return difference == 0 ? 1 : 0;
	return 2 * ct_t_sf(fabs(difference) / error, df);
}

static struct ct_interval around(double value, double half)
{
	return (struct ct_interval){value, value - half, value + half};
}

/* Slope of the least-squares line times n, and the residuals from it. */
static double detrend(const double *x, size_t n, double *residual)
{
	double mean = mean_of(x, n), middle = (double)(n - 1) / 2, product = 0, square = 0, slope;

	for (size_t i = 0; i < n; i++) {
		double t = (double)i - middle;

		product += t * (x[i] - mean);
		square += t * t;
	}
	slope = product / square;
	for (size_t i = 0; i < n; i++)
		residual[i] = x[i] - mean - slope * ((double)i - middle);
	return slope * (double)n;
}

bool ct_stationarity(const double *x, size_t n, double confidence, struct ct_stationarity *out)
{
	double *residual = NULL, variance, time, error, critical, drift, step;
	bool ok = false;

	*out = (struct ct_stationarity){CT_INTERVAL_NONE, NAN, CT_INTERVAL_NONE, NAN, NAN, false};
	if (n < 8 || !(confidence > 0 && confidence < 1))
		return false;
	residual = malloc(n * sizeof *residual);
	if (!residual)
		return false;
	drift = detrend(x, n, residual);
	step = mean_of(x + n - n / 2, n / 2) - mean_of(x, n / 2);
	variance = autocovariance(residual, n, 0, 0) * (double)n / (double)(n - 2);
	time = ct_autocorrelation_time(residual, n);
	if (isnan(drift) || isinf(drift))
		goto out;
	out->effective = isnan(time) ? (double)n : (double)n / time;
	if (out->effective < 4)
		goto out;
	error = sqrt(variance / out->effective);
	critical = ct_t_quantile(0.5 + confidence / 2, out->effective - 2);
	/* Var(slope) = 12 s^2 / n^3 for a line; 4 s^2 / n for the difference of two halves. */
	out->drift = around(drift, critical * sqrt(12) * error);
	out->p_drift = two_sided(drift, sqrt(12) * error, out->effective - 2);
	out->step = around(step, critical * 2 * error);
	out->p_step = two_sided(step, 2 * error, out->effective - 2);
	out->stationary = fmin(out->p_drift, out->p_step) >= (1 - confidence) / 2;
	ok = true;
out:
	free(residual);
	return ok;
}
