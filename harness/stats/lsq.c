/* SPDX-License-Identifier: Apache-2.0 */
/* Linear least squares by Householder's reflections. */
#include "harness/stats/lsq.h"

#include <math.h>

static double norm(const double *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] * x[i];
	return sqrt(sum);
}

/* x -= 2 v (v . x) / (v . v), with `scale` = 2 / (v . v). */
static void reflect(const double *v, double *x, size_t n, double scale)
{
	double dot = 0;

	for (size_t i = 0; i < n; i++)
		dot += v[i] * x[i];
	dot *= scale;
	for (size_t i = 0; i < n; i++)
		x[i] -= dot * v[i];
}

/*
 * Turns column k into a multiple of the k-th unit vector and the columns after it along. The
 * diagonal goes into *diagonal; v stays below it. False: nothing of the column is its own.
 */
static bool eliminate(double *a, double *b, size_t n, size_t m, size_t k, double *diagonal)
{
	static const double collinear = 1e-9;
	double *column = a + k * n;
	double all = norm(column, n), own = norm(column + k, n - k);
	double *v = column + k;
	double squares;

	if (!(own > collinear * all))
		return false;
	*diagonal = v[0] > 0 ? -own : own;
	v[0] -= *diagonal;
	squares = norm(v, n - k);
	squares *= squares;
	for (size_t c = k + 1; c < m; c++)
		reflect(v, a + c * n + k, n - k, 2 / squares);
	reflect(v, b + k, n - k, 2 / squares);
	return true;
}

bool ct_least_squares(double *a, double *b, size_t n, size_t m, double *x, double *residual)
{
	double left;

	if (n < m)
		return false;
	/* x holds the diagonal until the substitution replaces it from the end. */
	for (size_t k = 0; k < m; k++) {
		if (!eliminate(a, b, n, m, k, &x[k]))
			return false;
	}
	left = norm(b + m, n - m);
	*residual = left * left;
	for (size_t k = m; k-- > 0;) {
		double sum = b[k];

		for (size_t c = k + 1; c < m; c++)
			sum -= a[c * n + k] * x[c];
		x[k] = sum / x[k];
	}
	return true;
}
