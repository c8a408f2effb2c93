/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/stats/spectrum.h"

#include <math.h>
#include <stdlib.h>

#include "harness/stats/scores.h"

double ct_fisher_g(double g, size_t m)
{
	double sum = 0, sign = 1;

	if (!(g > 0) || m == 0)
		return 1;
	for (size_t j = 1; j <= m && (double)j * g < 1; j++) {
		const double log_term = lgamma((double)m + 1) - lgamma((double)j + 1) -
					lgamma((double)(m - j) + 1) +
					(double)(m - 1) * log1p(-(double)j * g);

		sum += sign * exp(log_term);
		sign = -sign;
	}
	return fmin(1, fmax(0, sum));
}

/* Residuals from the least-squares line; false when they have no spread. */
static bool take_line_out(const double *x, size_t n, double *out)
{
	const double middle = (double)(n - 1) / 2;
	double mean = 0, slope = 0, squares = 0, spread = 0;

	for (size_t i = 0; i < n; i++)
		mean += x[i] / (double)n;
	for (size_t i = 0; i < n; i++) {
		slope += ((double)i - middle) * (x[i] - mean);
		squares += ((double)i - middle) * ((double)i - middle);
	}
	slope /= squares;
	for (size_t i = 0; i < n; i++) {
		out[i] = x[i] - mean - slope * ((double)i - middle);
		spread = fmax(spread, fabs(out[i]));
	}
	return spread > 0;
}

static double ordinate(const double *x, size_t n, size_t k)
{
	const double step = 2 * M_PI * (double)k / (double)n;
	double real = 0, imaginary = 0;

	for (size_t i = 0; i < n; i++) {
		/* The remainder keeps the angle exact for long series. */
		const double angle = step * (double)i;

		real += x[i] * cos(angle);
		imaginary += x[i] * sin(angle);
	}
	return real * real + imaginary * imaginary;
}

bool ct_strongest_period(const double *x, size_t n, struct ct_period *out)
{
	/* Without the ordinate at 1/2, which has one degree of freedom instead of two. */
	const size_t m = (n - 1) / 2;
	double *values = malloc(2 * n * sizeof *values);
	double total = 0, largest = 0;
	size_t at = 1;

	if (n < 16 || !values || !take_line_out(x, n, values)) {
		free(values);
		return false;
	}
	if (!ct_normal_scores(values, n, values + n)) {
		free(values);
		return false;
	}
	for (size_t k = 1; k <= m; k++) {
		const double power = ordinate(values + n, n, k);

		total += power;
		if (power > largest) {
			largest = power;
			at = k;
		}
	}
	free(values);
	if (!(total > 0))
		return false;
	*out = (struct ct_period){.steps = (double)n / (double)at,
				  .share = largest / total,
				  .p = ct_fisher_g(largest / total, m)};
	return true;
}
