/* SPDX-License-Identifier: Apache-2.0 */
/* Order statistics: quantiles and the binomial interval around them. */
#include "harness/stats/quantile.h"

#include "harness/stats/distributions.h"

/* An ordered sample, whichever way it is held. */
struct sample {
	const double *sorted; /* or NULL */
	const struct ct_bin *bins;
	size_t n_bins;
	uint64_t n;
};

static struct sample of_array(const double *sorted, size_t n)
{
	return (struct sample){.sorted = sorted, .n = n};
}

static struct sample of_bins(const struct ct_bin *bins, size_t n_bins)
{
	return (struct sample){.bins = bins, .n_bins = n_bins, .n = ct_bins_total(bins, n_bins)};
}

static double at_rank(const struct sample *s, uint64_t rank)
{
	if (rank < 1 || rank > s->n)
		return NAN;
	return s->sorted ? s->sorted[rank - 1] : ct_bins_at_rank(s->bins, s->n_bins, rank);
}

size_t ct_bins_from_sorted(const double *sorted, size_t n, struct ct_bin *bins)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		if (used > 0 && bins[used - 1].value == sorted[i])
			bins[used - 1].count++;
		else
			bins[used++] = (struct ct_bin){sorted[i], 1};
	}
	return used;
}

uint64_t ct_bins_total(const struct ct_bin *bins, size_t n_bins)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n_bins; i++)
		total += bins[i].count;
	return total;
}

double ct_bins_at_rank(const struct ct_bin *bins, size_t n_bins, uint64_t rank)
{
	uint64_t below = 0;

	if (rank < 1)
		return NAN;
	for (size_t i = 0; i < n_bins; i++) {
		below += bins[i].count;
		if (below >= rank)
			return bins[i].value;
	}
	return NAN;
}

/*
 * ceil(n p) as meant in decimal: 0.99 in binary is a little below or above 99/100, and n p may land
 * on the wrong side of a whole number by that much.
 */
static uint64_t ceil_rank(uint64_t n, double p)
{
	double product = (double)n * p, nearest = nearbyint(product);
	double rank = fabs(product - nearest) <= 1e-14 * product ? nearest : ceil(product);

	if (rank < 1)
		return 1;
	return rank >= (double)n ? n : (uint64_t)rank;
}

static double type1(const struct sample *s, double p)
{
	if (s->n == 0 || !(p >= 0 && p <= 1))
		return NAN;
	return at_rank(s, ceil_rank(s->n, p));
}

static double type7(const struct sample *s, double p)
{
	double position, floor_position, low, high;

	if (s->n == 0 || !(p >= 0 && p <= 1))
		return NAN;
	position = (double)(s->n - 1) * p;
	floor_position = floor(position);
	low = at_rank(s, (uint64_t)floor_position + 1);
	if (position == floor_position)
		return low;
	high = at_rank(s, (uint64_t)floor_position + 2);
	return low + (position - floor_position) * (high - low);
}

double ct_quantile_type1(const double *sorted, size_t n, double p)
{
	struct sample s = of_array(sorted, n);

	return type1(&s, p);
}

double ct_quantile_type7(const double *sorted, size_t n, double p)
{
	struct sample s = of_array(sorted, n);

	return type7(&s, p);
}

double ct_bins_quantile_type1(const struct ct_bin *bins, size_t n_bins, double p)
{
	struct sample s = of_bins(bins, n_bins);

	return type1(&s, p);
}

double ct_bins_quantile_type7(const struct ct_bin *bins, size_t n_bins, double p)
{
	struct sample s = of_bins(bins, n_bins);

	return type7(&s, p);
}

/*
 * The weight of the values up to rank r is I_{r/n}((n+1)p, (n+1)(1-p)). Only the middle of the beta
 * distribution matters: beyond 40 standard deviations its tails are below double precision, so a
 * large array costs the square root of its length, not its length.
 */
static double harrell_davis(const struct sample *s, double p)
{
	double n = (double)s->n, a = (n + 1) * p, b = (n + 1) * (1 - p);
	double reach = 40 * sqrt(p * (1 - p) / (n + 2)) + 40 / n;
	double previous = 0, sum = 0;
	uint64_t rank = 0;

	if (s->n == 0 || !(p >= 0 && p <= 1))
		return NAN;
	if (p == 0 || p == 1)
		return at_rank(s, p == 0 ? 1 : s->n);
	for (size_t i = 0; i < (s->sorted ? s->n : s->n_bins); i++) {
		double share, value = s->sorted ? s->sorted[i] : s->bins[i].value, cumulated;

		rank += s->sorted ? 1 : s->bins[i].count;
		share = (double)rank / n;
		if (share < p - reach)
			continue;
		cumulated = rank >= s->n ? 1 : ct_beta_cdf(share, a, b);
		if (cumulated > previous)
			sum += (cumulated - previous) * value;
		previous = cumulated;
		if (share > p + reach)
			break;
	}
	return sum;
}

double ct_harrell_davis(const double *sorted, size_t n, double p)
{
	struct sample s = of_array(sorted, n);

	return harrell_davis(&s, p);
}

double ct_bins_harrell_davis(const struct ct_bin *bins, size_t n_bins, double p)
{
	struct sample s = of_bins(bins, n_bins);

	return harrell_davis(&s, p);
}

bool ct_quantile_ranks(uint64_t n, double p, double confidence, uint64_t *lower, uint64_t *upper)
{
	double beyond = (1 - confidence) / 2;

	*lower = 0;
	*upper = n + 1;
	if (n == 0 || !(p > 0 && p < 1) || !(confidence > 0 && confidence < 1))
		return false;
	/* P(B < lower) <= beyond: the quantile function gives the first count that passes it. */
	*lower = ct_binomial_quantile(beyond, n, p);
	if (*lower > 0 && ct_binomial_cdf(*lower - 1, n, p) > beyond)
		--*lower;
	/* P(B >= upper) <= beyond, that is P(B <= upper - 1) >= 1 - beyond. */
	*upper = ct_binomial_quantile(1 - beyond, n, p) + 1;
	return *lower >= 1 && *upper <= n;
}

static bool enclose(const struct sample *s, double p, double confidence, double effective,
		    struct ct_interval *out)
{
	uint64_t lower, upper, draws;
	double stretch;

	*out = CT_INTERVAL_NONE;
	out->value = type1(s, p);
	if (isnan(out->value) || !(effective >= 1))
		return false;
	out->lo = -INFINITY;
	out->hi = INFINITY;
	draws = effective >= (double)s->n ? s->n : (uint64_t)effective;
	stretch = (double)s->n / (double)draws;
	ct_quantile_ranks(draws, p, confidence, &lower, &upper);
	if (lower >= 1)
		out->lo = at_rank(s, (uint64_t)fmax(1, floor((double)lower * stretch)));
	if (upper <= draws)
		out->hi = at_rank(s, (uint64_t)fmin((double)s->n, ceil((double)upper * stretch)));
	return isfinite(out->lo) && isfinite(out->hi);
}

bool ct_quantile_interval(const double *sorted, size_t n, double p, double confidence,
			  double effective, struct ct_interval *out)
{
	struct sample s = of_array(sorted, n);

	return enclose(&s, p, confidence, effective, out);
}

bool ct_bins_quantile_interval(const struct ct_bin *bins, size_t n_bins, double p,
			       double confidence, double effective, struct ct_interval *out)
{
	struct sample s = of_bins(bins, n_bins);

	return enclose(&s, p, confidence, effective, out);
}

uint64_t ct_quantile_needs(double p, double confidence)
{
	double beyond = (1 - confidence) / 2, rare = fmin(p, 1 - p);

	if (!(p > 0 && p < 1) || !(confidence > 0 && confidence < 1))
		return 0;
	/* The scarcer side decides: (1 - rare)^n <= beyond, for no value at all beyond the
	 * quantile. */
	return (uint64_t)ceil(log(beyond) / log1p(-rare) * (1 - 1e-13));
}
