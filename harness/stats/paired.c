/* SPDX-License-Identifier: Apache-2.0 */
/* Paired log ratio over blocks: mean, t interval, t tests. */
#include "harness/stats/paired.h"

#include "harness/stats/distributions.h"

/* The i-th log ratio: of a pair, or as given when there is no baseline array. */
static double log_ratio_at(const double *base, const double *treat, size_t i)
{
	if (!base)
		return treat[i];
	if (!(base[i] > 0 && treat[i] > 0))
		return NAN;
	return log(treat[i] / base[i]);
}

static bool summarise(const double *base, const double *treat, size_t n, struct ct_paired *out)
{
	double first, shift = 0, squares = 0;

	*out = (struct ct_paired){.n = n, .mean = NAN, .sd = NAN, .standard_error = NAN, .df = NAN};
	if (n < 2)
		return false;
	/* Sums are of differences to the first value: equal ratios then give exactly zero spread.
	 */
	first = log_ratio_at(base, treat, 0);
	for (size_t i = 0; i < n; i++) {
		double d = log_ratio_at(base, treat, i);

		if (!isfinite(d))
			return false;
		shift += d - first;
	}
	shift /= (double)n;
	for (size_t i = 0; i < n; i++) {
		double deviation = log_ratio_at(base, treat, i) - first - shift;

		squares += deviation * deviation;
	}
	out->mean = first + shift;
	out->sd = sqrt(squares / (double)(n - 1));
	out->standard_error = out->sd / sqrt((double)n);
	out->df = (double)(n - 1);
	return true;
}

bool ct_paired_summary(const double *base, const double *treat, size_t n, struct ct_paired *out)
{
	return summarise(base, treat, n, out);
}

bool ct_paired_summary_of_logs(const double *log_ratio, size_t n, struct ct_paired *out)
{
	return summarise(NULL, log_ratio, n, out);
}

bool ct_paired_interval(const struct ct_paired *paired, double confidence, struct ct_interval *out)
{
	double half;

	*out = CT_INTERVAL_NONE;
	if (paired->n < 2 || isnan(paired->mean) || !(confidence > 0 && confidence < 1))
		return false;
	half = paired->standard_error * ct_t_quantile(0.5 + confidence / 2, paired->df);
	out->value = exp(paired->mean);
	out->lo = exp(paired->mean - half);
	out->hi = exp(paired->mean + half);
	return true;
}

bool ct_paired_log_ratio(const double *base, const double *treat, size_t n, double confidence,
			 struct ct_interval *out)
{
	struct ct_paired paired;

	*out = CT_INTERVAL_NONE;
	if (!summarise(base, treat, n, &paired))
		return false;
	return ct_paired_interval(&paired, confidence, out);
}

double ct_paired_p_greater(const struct ct_paired *paired, double ratio)
{
	double distance = paired->mean - log(ratio);

	if (paired->n < 2 || isnan(distance))
		return NAN;
	if (paired->standard_error == 0)
		return distance > 0 ? 0 : distance < 0 ? 1 : 0.5;
	return ct_t_sf(distance / paired->standard_error, paired->df);
}

double ct_paired_p_less(const struct ct_paired *paired, double ratio)
{
	double distance = paired->mean - log(ratio);

	if (paired->n < 2 || isnan(distance))
		return NAN;
	if (paired->standard_error == 0)
		return distance < 0 ? 0 : distance > 0 ? 1 : 0.5;
	return ct_t_cdf(distance / paired->standard_error, paired->df);
}

double ct_paired_p_two_sided(const struct ct_paired *paired, double ratio)
{
	return fmin(1,
		    2 * fmin(ct_paired_p_greater(paired, ratio), ct_paired_p_less(paired, ratio)));
}
