/* SPDX-License-Identifier: Apache-2.0 */
/* Peaks over threshold: generalised Pareto by profile likelihood. */
#include "harness/stats/tail.h"

#include "harness/stats/distributions.h"

#define SHAPE_LOW  (-0.5)
#define SHAPE_HIGH 5.0

/* The excesses: bins above the threshold, and sums every likelihood needs. */
struct excess {
	const struct ct_bin *bins;
	size_t n_bins;
	double threshold, n, mean, largest;
};

static bool find_excess(const struct ct_bin *bins, size_t n_bins, double threshold,
			struct excess *out)
{
	size_t first = 0;
	double sum = 0;

	while (first < n_bins && bins[first].value <= threshold)
		first++;
	*out = (struct excess){bins + first, n_bins - first, threshold, 0, 0, 0};
	for (size_t i = 0; i < out->n_bins; i++) {
		out->n += (double)out->bins[i].count;
		sum += (double)out->bins[i].count * (out->bins[i].value - threshold);
	}
	if (!(out->n >= CT_TAIL_LEAST) || out->n_bins < 5)
		return false;
	out->mean = sum / out->n;
	out->largest = out->bins[out->n_bins - 1].value - threshold;
	return isfinite(out->mean);
}

/* Mean over the excesses of log(1 + theta y): for the best scale at this theta, the shape. */
static double mean_log(const struct excess *e, double theta)
{
	double sum = 0;

	for (size_t i = 0; i < e->n_bins; i++)
		sum += (double)e->bins[i].count * log1p(theta * (e->bins[i].value - e->threshold));
	return sum / e->n;
}

static double log_likelihood(const struct excess *e, double shape, double scale)
{
	if (!(scale > 0) || !(1 + shape * e->largest / scale > 0))
		return -INFINITY;
	if (fabs(shape) < 1e-9)
		return -e->n * (log(scale) + e->mean / scale);
	return -e->n * (log(scale) + (1 + 1 / shape) * mean_log(e, shape / scale));
}

/* What a one-dimensional search maximises. */
struct search {
	const struct excess *excess;
	double fixed; /* shape or quantile distance that is held */
	double ratio; /* share above the threshold over share above the quantile */
};

typedef double (*objective)(const struct search *search, double x);

/* How closely a maximum is searched: a fit by its place, a profile only by its height. */
struct effort {
	int cells;
	double tolerance;
};

static const struct effort FOR_FIT = {64, 1e-9}, FOR_PROFILE = {12, 1e-5};

/* Golden section; the range is first cut to the best of a grid, in case of several maxima. */
static double maximise(objective f, const struct search *search, struct effort effort, double lo,
		       double hi, double *at)
{
	const double golden = 0.6180339887498949;
	const int cells = effort.cells;
	double best = -INFINITY, width = (hi - lo) / cells, a, b, left, right, f_left, f_right;
	int best_cell = 0;

	for (int i = 0; i <= cells; i++) {
		double value = f(search, lo + width * i);

		if (value > best) {
			best = value;
			best_cell = i;
		}
	}
	a = fmax(lo, lo + width * (best_cell - 1));
	b = fmin(hi, lo + width * (best_cell + 1));
	left = b - golden * (b - a);
	right = a + golden * (b - a);
	f_left = f(search, left);
	f_right = f(search, right);
	while (b - a > effort.tolerance * (1 + fabs(a))) {
		if (f_left < f_right) {
			a = left;
			left = right;
			f_left = f_right;
			right = a + golden * (b - a);
			f_right = f(search, right);
		} else {
			b = right;
			right = left;
			f_right = f_left;
			left = b - golden * (b - a);
			f_left = f(search, left);
		}
	}
	*at = (a + b) / 2;
	return fmax(best, f(search, *at));
}

/* theta = shape / scale on a scale where its whole range is even: theta y_max = exp(s) - 1. */
static double theta_of(const struct excess *e, double s)
{
	return expm1(s) / e->largest;
}

static double at_theta(const struct search *search, double s)
{
	const struct excess *e = search->excess;
	double theta = theta_of(e, s), shape = mean_log(e, theta);

	if (fabs(s) < 1e-9)
		return -e->n * (log(e->mean) + 1);
	if (!(shape >= SHAPE_LOW && shape <= SHAPE_HIGH))
		return -INFINITY;
	return -e->n * (log(shape / theta) + 1 + shape);
}

static double at_log_scale(const struct search *search, double log_scale)
{
	return log_likelihood(search->excess, search->fixed, exp(log_scale));
}

static double at_shape_for_quantile(const struct search *search, double shape)
{
	double growth =
		fabs(shape) < 1e-9 ? log(search->ratio) : expm1(shape * log(search->ratio)) / shape;

	return log_likelihood(search->excess, shape, search->fixed / growth);
}

/*
 * The derivative of the profile along theta, to finish what golden section can't: a maximum is
 * flat, so comparing likelihoods finds it to half the digits only.
 */
static double profile_slope(const struct excess *e, double s)
{
	double theta = theta_of(e, s), shape = mean_log(e, theta), slope = 0;

	for (size_t i = 0; i < e->n_bins; i++) {
		double y = e->bins[i].value - e->threshold;

		slope += (double)e->bins[i].count * (y / (1 + theta * y));
	}
	slope /= e->n;
	return 1 / theta - slope / shape - slope;
}

static double polish(const struct excess *e, double s)
{
	double lo = s - 1e-4, hi = s + 1e-4;

	/* Across theta = 0 the slope is a difference of two infinities: there s itself must do. */
	if (lo < 1e-3 && hi > -1e-3)
		return s;
	if (!(profile_slope(e, lo) > 0 && profile_slope(e, hi) < 0))
		return s;
	for (int i = 0; i < 60; i++) {
		double middle = (lo + hi) / 2;

		if (profile_slope(e, middle) > 0)
			lo = middle;
		else
			hi = middle;
	}
	return (lo + hi) / 2;
}

/* The profile of the log likelihood in one quantity, the others at their best. */
typedef double (*profile)(const struct excess *excess, double x, double ratio);

static double profile_of_shape(const struct excess *e, double shape, double ratio)
{
	struct search search = {e, shape, ratio};
	double least = shape < 0 ? log(-shape * e->largest) : log(e->mean) - 12, at;

	return maximise(at_log_scale, &search, FOR_PROFILE, least, fmax(log(e->mean), least) + 3,
			&at);
}

static double profile_of_quantile(const struct excess *e, double log_distance, double ratio)
{
	struct search search = {e, exp(log_distance), ratio};
	double at;

	return maximise(at_shape_for_quantile, &search, FOR_PROFILE, SHAPE_LOW, SHAPE_HIGH, &at);
}

/* Outwards from the best x until the profile has dropped to `floor_at`, then bisection. */
static double profile_edge(profile f, const struct excess *e, double ratio, double best,
			   double step, double limit, double floor_at)
{
	double inside = best, outside = best;

	for (int i = 0; i < 60; i++) {
		outside = best + step * ldexp(1, i);
		if (step > 0 ? outside >= limit : outside <= limit) {
			outside = limit;
			if (f(e, limit, ratio) >= floor_at)
				return limit;
			break;
		}
		if (f(e, outside, ratio) < floor_at)
			break;
		inside = outside;
	}
	for (int i = 0; i < 60 && fabs(outside - inside) > 1e-6 * (1 + fabs(inside)); i++) {
		double middle = (inside + outside) / 2;

		if (f(e, middle, ratio) >= floor_at)
			inside = middle;
		else
			outside = middle;
	}
	return (inside + outside) / 2;
}

static double distance_of_fit(const struct excess *e, double shape, double scale)
{
	double below = 0, distance = 0;

	for (size_t i = 0; i < e->n_bins; i++) {
		double y = (e->bins[i].value - e->threshold) / scale;
		double fitted = fabs(shape) < 1e-9 ? -expm1(-y)
						   : -expm1(-log1p(fmax(shape * y, -1)) / shape);

		distance = fmax(distance, fabs(fitted - below / e->n));
		below += (double)e->bins[i].count;
		distance = fmax(distance, fabs(fitted - below / e->n));
	}
	return distance;
}

static void no_fit(struct ct_tail *out)
{
	*out = (struct ct_tail){.threshold = NAN,
				.shape = NAN,
				.scale = NAN,
				.log_likelihood = NAN,
				.shape_interval = CT_INTERVAL_NONE,
				.distance = NAN,
				.modified_scale = NAN};
}

bool ct_tail_fit(const struct ct_bin *bins, size_t n_bins, double threshold, double confidence,
		 struct ct_tail *out)
{
	struct excess e;
	struct search search = {&e, 0, 0};
	double s, drop;

	no_fit(out);
	if (isnan(threshold) || !(confidence > 0 && confidence < 1) ||
	    !find_excess(bins, n_bins, threshold, &e))
		return false;
	out->threshold = threshold;
	out->n = ct_bins_total(bins, n_bins);
	out->excess = (uint64_t)e.n;
	/* Powers of e either side of theta y_max = 0; shape limits cut the range where it ends. */
	maximise(at_theta, &search, FOR_FIT, -8, 24, &s);
	s = polish(&e, s);
	out->shape = fabs(s) < 1e-9 ? 0 : mean_log(&e, theta_of(&e, s));
	out->scale = fabs(s) < 1e-9 ? e.mean : out->shape / theta_of(&e, s);
	out->log_likelihood = log_likelihood(&e, out->shape, out->scale);
	drop = out->log_likelihood - ct_chi2_quantile(confidence, 1) / 2;
	out->shape_interval.value = out->shape;
	out->shape_interval.lo =
		profile_edge(profile_of_shape, &e, 0, out->shape, -0.01, SHAPE_LOW, drop);
	out->shape_interval.hi =
		profile_edge(profile_of_shape, &e, 0, out->shape, 0.01, SHAPE_HIGH, drop);
	out->distance = distance_of_fit(&e, out->shape, out->scale);
	out->modified_scale = out->scale - out->shape * threshold;
	return true;
}

bool ct_tail_quantile(const struct ct_bin *bins, size_t n_bins, const struct ct_tail *tail,
		      double p, double confidence, struct ct_interval *out)
{
	struct excess e;
	double ratio, growth, best, drop;

	*out = CT_INTERVAL_NONE;
	if (isnan(tail->shape) || !(p > 0 && p < 1) || !(confidence > 0 && confidence < 1) ||
	    !find_excess(bins, n_bins, tail->threshold, &e))
		return false;
	ratio = e.n / (double)tail->n / (1 - p);
	if (!(ratio > 1))
		return false;
	growth = fabs(tail->shape) < 1e-9 ? log(ratio)
					  : expm1(tail->shape * log(ratio)) / tail->shape;
	best = log(tail->scale * growth);
	drop = tail->log_likelihood - ct_chi2_quantile(confidence, 1) / 2;
	out->value = tail->threshold + exp(best);
	out->lo = tail->threshold +
		  exp(profile_edge(profile_of_quantile, &e, ratio, best, -0.02, best - 50, drop));
	out->hi = tail->threshold +
		  exp(profile_edge(profile_of_quantile, &e, ratio, best, 0.02, best + 50, drop));
	return true;
}

size_t ct_tail_stability(const struct ct_bin *bins, size_t n_bins, const double *p, size_t n_p,
			 double confidence, struct ct_tail *out)
{
	size_t fits = 0;

	for (size_t i = 0; i < n_p; i++)
		fits += ct_tail_fit(bins, n_bins, ct_bins_quantile_type1(bins, n_bins, p[i]),
				    confidence, &out[i]);
	return fits;
}

bool ct_hill(const struct ct_bin *bins, size_t n_bins, uint64_t k, double confidence,
	     struct ct_interval *out)
{
	uint64_t n = ct_bins_total(bins, n_bins), left = k;
	double reference, sum = 0, half;

	*out = CT_INTERVAL_NONE;
	if (k < 2 || k >= n || !(confidence > 0 && confidence < 1))
		return false;
	reference = ct_bins_at_rank(bins, n_bins, n - k);
	if (!(reference > 0))
		return false;
	for (size_t i = n_bins; i-- > 0 && left > 0;) {
		uint64_t take = bins[i].count < left ? bins[i].count : left;

		sum += (double)take * log(bins[i].value / reference);
		left -= take;
	}
	half = ct_normal_quantile(0.5 + confidence / 2) / sqrt((double)k);
	out->value = sum / (double)k;
	out->lo = fmax(0, out->value * (1 - half));
	out->hi = out->value * (1 + half);
	return true;
}
