/* SPDX-License-Identifier: Apache-2.0 */
/* Mann-Whitney, Kolmogorov-Smirnov, Wasserstein-1: one merged sweep over two histograms each. */
#include "harness/stats/ranks.h"

#include <stdlib.h>
#include <string.h>

#include "harness/stats/distributions.h"

#define EXACT_SMALLER    8u
#define EXACT_LARGER     1000u
#define EXACT_KS_PRODUCT 10000000.0

/* Walks both histograms in common order of value. */
struct sweep {
	const struct ct_bin *base, *treat;
	size_t n_base, n_treat, i, j;
	double value;
	uint64_t in_base, in_treat; /* counts at `value` */
};

static bool step(struct sweep *s)
{
	bool more_base = s->i < s->n_base, more_treat = s->j < s->n_treat;

	if (!more_base && !more_treat)
		return false;
	if (more_base && (!more_treat || s->base[s->i].value <= s->treat[s->j].value))
		s->value = s->base[s->i].value;
	else
		s->value = s->treat[s->j].value;
	s->in_base = s->in_treat = 0;
	if (more_base && s->base[s->i].value == s->value)
		s->in_base = s->base[s->i++].count;
	if (more_treat && s->treat[s->j].value == s->value)
		s->in_treat = s->treat[s->j++].count;
	return true;
}

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Sorted bins of an array, for free(); NULL when empty, with NaN, or out of memory. */
static struct ct_bin *bins_of(const double *values, size_t n, size_t *n_bins)
{
	double *sorted = n ? malloc(n * sizeof *sorted) : NULL;
	struct ct_bin *bins = n ? malloc(n * sizeof *bins) : NULL;
	bool ok = sorted && bins;

	for (size_t i = 0; ok && i < n; i++)
		ok = !isnan(values[i]);
	if (!ok) {
		free(bins);
		bins = NULL;
		goto out;
	}
	memcpy(sorted, values, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, ascending);
	*n_bins = ct_bins_from_sorted(sorted, n, bins);
out:
	free(sorted);
	return bins;
}

/*
 * P(U <= u) without ties. ways[m][v] counts the orders of m and n values with U = v; adding one to
 * n lets the new largest value lie above all m (U unchanged) or below at least one of them:
 * f(m, n, v) = f(m, n - 1, v) + f(m - 1, n, v - n).
 */
static double exact_u_cdf(size_t smaller, size_t larger, size_t u)
{
	double *ways = calloc((smaller + 1) * (u + 1), sizeof *ways), below = 0, all = 1;

	if (!ways)
		return NAN;
	for (size_t m = 0; m <= smaller; m++)
		ways[m * (u + 1)] = 1;
	for (size_t n = 1; n <= larger; n++)
		for (size_t m = 1; m <= smaller; m++)
			for (size_t v = n; v <= u; v++)
				ways[m * (u + 1) + v] += ways[(m - 1) * (u + 1) + v - n];
	for (size_t v = 0; v <= u; v++)
		below += ways[smaller * (u + 1) + v];
	for (size_t m = 1; m <= smaller; m++)
		all *= (double)(larger + m) / (double)m;
	free(ways);
	return below / all;
}

static double normal_u_p(double distance, double n, double m, double tie_term)
{
	double total = n + m;
	double variance = n * m / 12 * ((total + 1) - tie_term / (total * (total - 1)));

	if (!(variance > 0)) /* every value is the same */
		return 1;
	distance = fmax(0, distance - 0.5);
	return fmin(1, erfc(distance / sqrt(variance) * M_SQRT1_2));
}

bool ct_bins_mann_whitney(const struct ct_bin *base, size_t n_base, const struct ct_bin *treat,
			  size_t n_treat, struct ct_mann_whitney *out)
{
	struct sweep s = {.base = base, .treat = treat, .n_base = n_base, .n_treat = n_treat};
	double n = (double)ct_bins_total(base, n_base), m = (double)ct_bins_total(treat, n_treat);
	double below = 0, u = 0, ties = 0, smaller = fmin(n, m), larger = fmax(n, m);

	*out = (struct ct_mann_whitney){NAN, NAN, false, NAN, NAN};
	if (n == 0 || m == 0)
		return false;
	while (step(&s)) {
		double a = (double)s.in_base, b = (double)s.in_treat, t = a + b;

		u += b * (below + a / 2);
		below += a;
		ties += t * t * t - t;
	}
	out->u = u;
	out->a12 = u / n / m;
	out->cliff_delta = 2 * out->a12 - 1;
	out->exact = ties == 0 && smaller <= EXACT_SMALLER && larger <= EXACT_LARGER;
	if (out->exact)
		out->p = fmin(1, 2 * exact_u_cdf((size_t)smaller, (size_t)larger,
						 (size_t)fmin(u, n * m - u)));
	else
		out->p = normal_u_p(fabs(u - n * m / 2), n, m, ties);
	return !isnan(out->p);
}

/*
 * P(D >= d) with d = gap / (n m): a random order of the n + m values is a walk that goes right with
 * probability (n - i) / (n + m - i - j); what first touches |i m - j n| >= gap is summed up
 * directly, so that a small p keeps its digits.
 */
static double exact_ks_p(uint64_t n, uint64_t m, uint64_t gap)
{
	double *from_left = calloc(m + 1, sizeof *from_left), touched = 0;

	if (!from_left)
		return NAN;
	for (uint64_t i = 0; i <= n; i++) {
		double from_below = 0;

		for (uint64_t j = 0; j <= m; j++) {
			uint64_t x = i * m, y = j * n;
			double here = i + j == 0 ? 1 : from_left[j] + from_below;
			double remaining = fmax(1, (double)(n + m - i - j));

			if ((x > y ? x - y : y - x) >= gap) {
				touched += here;
				here = 0;
			}
			from_left[j] = here * (double)(n - i) / remaining;
			from_below = here * (double)(m - j) / remaining;
		}
	}
	free(from_left);
	return fmin(1, touched);
}

bool ct_bins_ks(const struct ct_bin *base, size_t n_base, const struct ct_bin *treat,
		size_t n_treat, struct ct_ks *out)
{
	struct sweep s = {.base = base, .treat = treat, .n_base = n_base, .n_treat = n_treat};
	uint64_t n = ct_bins_total(base, n_base), m = ct_bins_total(treat, n_treat);
	uint64_t below_base = 0, below_treat = 0, gap = 0;

	*out = (struct ct_ks){NAN, NAN, false};
	if (n == 0 || m == 0)
		return false;
	out->d = 0;
	while (step(&s)) {
		below_base += s.in_base;
		below_treat += s.in_treat;
		out->d = fmax(out->d, fabs((double)below_base / (double)n -
					   (double)below_treat / (double)m));
		if ((double)n * (double)m <= EXACT_KS_PRODUCT) {
			uint64_t a = below_base * m, b = below_treat * n;

			gap = a > b + gap ? a - b : b > a + gap ? b - a : gap;
		}
	}
	out->exact = (double)n * (double)m <= EXACT_KS_PRODUCT;
	if (out->exact)
		out->p = exact_ks_p(n, m, gap);
	else
		out->p = ct_kolmogorov_sf(out->d *
					  sqrt((double)n * ((double)m / ((double)n + (double)m))));
	return !isnan(out->p);
}

bool ct_bins_wasserstein(const struct ct_bin *base, size_t n_base, const struct ct_bin *treat,
			 size_t n_treat, double *out)
{
	struct sweep s = {.base = base, .treat = treat, .n_base = n_base, .n_treat = n_treat};
	double n = (double)ct_bins_total(base, n_base), m = (double)ct_bins_total(treat, n_treat);
	double below_base = 0, below_treat = 0, previous = 0, area = 0;

	*out = NAN;
	if (n == 0 || m == 0)
		return false;
	while (step(&s)) {
		if (below_base + below_treat > 0)
			area += fabs(below_base / n - below_treat / m) * (s.value - previous);
		previous = s.value;
		below_base += (double)s.in_base;
		below_treat += (double)s.in_treat;
	}
	*out = area;
	return true;
}

bool ct_mann_whitney(const double *base, size_t n_base, const double *treat, size_t n_treat,
		     struct ct_mann_whitney *out)
{
	size_t n = 0, m = 0;
	struct ct_bin *a = bins_of(base, n_base, &n), *b = bins_of(treat, n_treat, &m);
	bool ok = ct_bins_mann_whitney(a, a && b ? n : 0, b, a && b ? m : 0, out);

	free(a);
	free(b);
	return ok;
}

bool ct_ks(const double *base, size_t n_base, const double *treat, size_t n_treat,
	   struct ct_ks *out)
{
	size_t n = 0, m = 0;
	struct ct_bin *a = bins_of(base, n_base, &n), *b = bins_of(treat, n_treat, &m);
	bool ok = ct_bins_ks(a, a && b ? n : 0, b, a && b ? m : 0, out);

	free(a);
	free(b);
	return ok;
}

bool ct_wasserstein(const double *base, size_t n_base, const double *treat, size_t n_treat,
		    double *out)
{
	size_t n = 0, m = 0;
	struct ct_bin *a = bins_of(base, n_base, &n), *b = bins_of(treat, n_treat, &m);
	bool ok = ct_bins_wasserstein(a, a && b ? n : 0, b, a && b ? m : 0, out);

	free(a);
	free(b);
	return ok;
}
