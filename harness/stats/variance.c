/* SPDX-License-Identifier: Apache-2.0 */
/* One-way analysis of variance. */
#include "harness/stats/variance.h"

#include "harness/stats/distributions.h"

/* Mean of y - origin; a second pass removes the rounding of the first. */
static long double mean_from(const double *y, size_t n, long double origin)
{
	long double sum = 0, left = 0;

	for (size_t i = 0; i < n; i++)
		sum += y[i] - origin;
	sum /= n;
	for (size_t i = 0; i < n; i++)
		left += y[i] - origin - sum;
	return sum + left / n;
}

static long double squares_about(const double *y, size_t n, long double origin, long double mean)
{
	long double squares = 0, left = 0;

	for (size_t i = 0; i < n; i++) {
		long double d = y[i] - origin - mean;

		squares += d * d;
		left += d;
	}
	return squares - left * left / n;
}

/* The noncentrality at which the observed F has the given cumulative probability; 0 if none has. */
static double noncentrality(double f, double df1, double df2, double probability)
{
	double lo = 0, hi = fmax(10, 2 * f * df1);

	if (ct_f_cdf(f, df1, df2) <= probability)
		return 0;
	while (ct_f_noncentral_cdf(f, df1, df2, hi) > probability && hi < 1e9)
		hi *= 2;
	while (hi - lo > 1e-11 * hi) {
		double middle = (lo + hi) / 2;

		if (ct_f_noncentral_cdf(f, df1, df2, middle) > probability)
			lo = middle;
		else
			hi = middle;
	}
	return (lo + hi) / 2;
}

static void omega(struct ct_anova *a, double confidence)
{
	double total = a->between_ss + a->within_ss, beyond = (1 - confidence) / 2;
	double least = noncentrality(a->f, a->between_df, a->within_df, 1 - beyond);
	double most = noncentrality(a->f, a->between_df, a->within_df, beyond);
	double value = (a->between_ss - a->between_df * a->within_ms) / (total + a->within_ms);

	a->truncated = value < 0;
	a->omega_squared.value = fmax(0, value);
	a->omega_squared.lo = least / (least + (double)a->n);
	a->omega_squared.hi = most / (most + (double)a->n);
}

bool ct_anova_one_way(const double *y, const size_t *sizes, size_t groups, double confidence,
		      struct ct_anova *out)
{
	long double origin, grand, between = 0, within = 0;
	size_t n = 0, at = 0;

	*out = (struct ct_anova){.groups = groups,
				 .between_df = NAN,
				 .within_df = NAN,
				 .between_ss = NAN,
				 .within_ss = NAN,
				 .between_ms = NAN,
				 .within_ms = NAN,
				 .f = NAN,
				 .p = NAN,
				 .r_squared = NAN,
				 .residual_sd = NAN,
				 .omega_squared = CT_INTERVAL_NONE};
	for (size_t g = 0; g < groups; g++) {
		if (sizes[g] == 0)
			return false;
		n += sizes[g];
	}
	if (groups < 2 || n <= groups || !(confidence > 0 && confidence < 1))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isfinite(y[i]))
			return false;
	origin = y[0];
	grand = mean_from(y, n, origin);
	for (size_t g = 0; g < groups; at += sizes[g++]) {
		long double mean = mean_from(y + at, sizes[g], origin);

		between += (mean - grand) * (mean - grand) * sizes[g];
		within += squares_about(y + at, sizes[g], origin, mean);
	}
	out->n = n;
	if (!(within > 0))
		return false;
	out->between_df = (double)(groups - 1);
	out->within_df = (double)(n - groups);
	out->between_ss = (double)between;
	out->within_ss = (double)within;
	out->between_ms = (double)(between / (groups - 1));
	out->within_ms = (double)(within / (n - groups));
	out->f = (double)((between / (groups - 1)) / (within / (n - groups)));
	out->p = ct_f_sf(out->f, out->between_df, out->within_df);
	out->r_squared = (double)(between / (between + within));
	out->residual_sd = sqrt(out->within_ms);
	omega(out, confidence);
	return true;
}
