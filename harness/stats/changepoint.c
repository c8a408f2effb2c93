/* SPDX-License-Identifier: Apache-2.0 */
/* PELT on normal scores, with a penalty calibrated on steady series. */
#include "harness/stats/changepoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/stats/quantile.h"
#include "harness/stats/scores.h"
#include "harness/stats/series.h"

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* sums[i] is the sum of the first i scores. */
static void cumulate(const double *scores, size_t n, double *sums)
{
	sums[0] = 0;
	for (size_t i = 0; i < n; i++)
		sums[i + 1] = sums[i] + scores[i];
}

/* The part of a segment's sum of squares that its mean explains. */
static double explained(const double *sums, size_t from, size_t to)
{
	double sum = sums[to] - sums[from];

	return sum * sum / (double)(to - from);
}

static double best_split_gain(const double *sums, size_t n, size_t min_segment)
{
	double best = 0, whole = explained(sums, 0, n);

	for (size_t at = min_segment; at + min_segment <= n; at++)
		best = fmax(best, explained(sums, 0, at) + explained(sums, at, n) - whole);
	return best;
}

/* One steady series as the null has it: AR(1), normal, scaled to unit variance like the scores. */
static void steady_series(struct ct_rng *rng, double r, double *x, size_t n)
{
	double mean = 0, squares = 0;

	for (size_t i = 0; i < n; i++) {
		double noise =
			sqrt(2 * ct_rng_exponential(rng)) * cos(2 * M_PI * ct_rng_uniform(rng));

		x[i] = i == 0 ? noise : r * x[i - 1] + sqrt(1 - r * r) * noise;
		mean += x[i] / (double)n;
	}
	for (size_t i = 0; i < n; i++)
		squares += (x[i] - mean) * (x[i] - mean);
	for (size_t i = 0; i < n; i++)
		x[i] = (x[i] - mean) / sqrt(squares / (double)n);
}

static double penalty_of_null(size_t n, double r, size_t min_segment, double alpha,
			      struct ct_rng *rng)
{
	size_t series = (size_t)ceil(19 / alpha), wanted;
	double *gains = malloc(series * sizeof *gains), result = NAN;
	double *x = malloc(n * sizeof *x), *sums = malloc((n + 1) * sizeof *sums);

	if (!gains || !x || !sums)
		goto out;
	for (size_t i = 0; i < series; i++) {
		steady_series(rng, r, x, n);
		cumulate(x, n, sums);
		gains[i] = best_split_gain(sums, n, min_segment);
	}
	qsort(gains, series, sizeof *gains, ascending);
	wanted = (size_t)ceil((double)(series + 1) * (1 - alpha));
	result = gains[(wanted > series ? series : wanted) - 1];
out:
	free(gains);
	free(x);
	free(sums);
	return result;
}

/*
 * Lag-1 autocorrelation: the median over eighths of the series, because a change of level spoils
 * only the eighth it falls in. In a window of w values the estimate is low by (1 + 3 r)/w on
 * average (Marriott & Pope 1954, Biometrika 41:390), which is put back. One standard error is
 * added: too little allowance invents changes, too much only asks for clearer ones.
 */
static double dependence(const double *scores, size_t n)
{
	size_t windows = n / 8 >= 24 ? 8 : n / 24 + 1, length = n / windows, used = 0;
	double found[8], w = (double)length, r;

	for (size_t i = 0; i < windows; i++) {
		double lag1 = ct_lag1(scores + i * length, length);

		if (!isnan(lag1))
			found[used++] = lag1;
	}
	if (used == 0)
		return 0;
	qsort(found, used, sizeof *found, ascending);
	r = (found[(used - 1) / 2] + found[used / 2]) / 2;
	r = fmin(fmax((w * r + 1) / (w - 3), 0), 0.98);
	/* 1.25 is the price of a median over a mean. */
	return fmin(r + 1.25 * sqrt((1 - r * r) / (double)n), 0.98);
}

/*
 * last[t] becomes the start of the last segment of the best segmentation of the first t values.
 *
 * A start that, even without paying for a change, is no better at t than the best one there can
 * never beat a segment beginning at t (Killick et al., theorem 3.1). Such a segment needs
 * min_segment values, so the start is dropped only that many values later.
 */
static bool pelt(const double *sums, size_t n, size_t min_segment, double penalty, size_t *last)
{
	double *best = malloc((n + 1) * sizeof *best);
	size_t *starts = malloc((n + 1) * sizeof *starts), n_starts = 0;
	size_t *beaten_at = calloc(n + 1, sizeof *beaten_at);
	bool ok = best && starts && beaten_at;

	/* Costs are sums of squares less their constant part, so only what means explain counts. */
	for (size_t t = 0; ok && t <= n; t++) {
		size_t kept = 0;

		best[t] = t == 0 ? -penalty : INFINITY;
		last[t] = 0;
		if (t == min_segment || t >= 2 * min_segment)
			starts[n_starts++] = t - min_segment;
		for (size_t i = 0; i < n_starts; i++) {
			double cost = best[starts[i]] - explained(sums, starts[i], t) + penalty;

			if (cost < best[t]) {
				best[t] = cost;
				last[t] = starts[i];
			}
		}
		for (size_t i = 0; i < n_starts; i++) {
			size_t s = starts[i];

			if (!beaten_at[s] && best[s] - explained(sums, s, t) >= best[t])
				beaten_at[s] = t;
			if (!beaten_at[s] || t < beaten_at[s] + min_segment)
				starts[kept++] = s;
		}
		n_starts = kept;
	}
	free(best);
	free(starts);
	free(beaten_at);
	return ok;
}

static double median_of(const double *x, size_t n)
{
	double *sorted = malloc((n + 1) * sizeof *sorted), median;

	if (!sorted)
		return NAN;
	memcpy(sorted, x, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, ascending);
	median = ct_quantile_type7(sorted, n, 0.5);
	free(sorted);
	return median;
}

static bool collect(const double *x, size_t n, const size_t *last, struct ct_changes *out)
{
	size_t found = 0;

	for (size_t t = last[n]; t > 0; t = last[t])
		found++;
	out->at = calloc(found + 1, sizeof *out->at);
	out->level = calloc(found + 1, sizeof *out->level);
	if (!out->at || !out->level)
		return false;
	out->n = found;
	for (size_t t = last[n]; t > 0; t = last[t])
		out->at[--found] = t;
	for (size_t i = 0; i <= out->n; i++) {
		size_t from = i ? out->at[i - 1] : 0, to = i < out->n ? out->at[i] : n;

		out->level[i] = median_of(x + from, to - from);
	}
	return true;
}

bool ct_change_points(const double *x, size_t n, size_t min_segment, double alpha,
		      struct ct_rng *rng, struct ct_changes *out)
{
	double *scores = NULL, *sums = NULL;
	size_t *last = NULL;
	bool ok = false;

	*out = (struct ct_changes){0};
	if (min_segment < 2 || n / 4 < min_segment || !(alpha >= 1e-4 && alpha < 1))
		return false;
	for (size_t i = 0; i < n; i++)
		if (isnan(x[i]))
			return false;
	scores = malloc(n * sizeof *scores);
	sums = malloc((n + 1) * sizeof *sums);
	last = calloc(n + 1, sizeof *last);
	if (!scores || !sums || !last)
		goto out;
	if (ct_normal_scores(x, n, scores)) {
		out->dependence = dependence(scores, n);
		out->penalty = penalty_of_null(n, out->dependence, min_segment, alpha, rng);
		cumulate(scores, n, sums);
		if (isnan(out->penalty) || !pelt(sums, n, min_segment, out->penalty, last))
			goto out;
	}
	ok = collect(x, n, last, out);
out:
	if (!ok)
		ct_changes_free(out);
	free(scores);
	free(sums);
	free(last);
	return ok;
}

void ct_changes_free(struct ct_changes *changes)
{
	free(changes->at);
	free(changes->level);
	*changes = (struct ct_changes){0};
}
