/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated data with known truth, and the check of an observed rate against a claimed one.
 *
 * Simulations are seeded, so a test gives the same result every time. COTENANT_LONG_TESTS=1 runs
 * ten times as many, which makes the checks three times as sharp.
 */
#ifndef COTENANT_TESTS_SIMULATE_H
#define COTENANT_TESTS_SIMULATE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/rng.h"
#include "harness/stats/distributions.h"

static inline int campaigns(int usual)
{
	const char *long_tests = getenv("COTENANT_LONG_TESTS");

	return long_tests && strcmp(long_tests, "1") == 0 ? 10 * usual : usual;
}

/* Box and Muller's; one of the pair is thrown away. */
static inline double normal(struct ct_rng *rng)
{
	return sqrt(2 * ct_rng_exponential(rng)) * cos(2 * M_PI * ct_rng_uniform(rng));
}

/* x[n]: a stationary AR(1) series with unit variance. */
static inline void ar1(struct ct_rng *rng, double r, double *x, size_t n)
{
	x[0] = normal(rng);
	for (size_t i = 1; i < n; i++)
		x[i] = r * x[i - 1] + sqrt(1 - r * r) * normal(rng);
}

static inline int ascending_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/*
 * The true rate may lie between lo and hi: the exact (Clopper-Pearson) 99 % interval of hits out of
 * n must reach into that range.
 */
#define assert_rate(hits, n, lo, hi)                                                            \
	do {                                                                                    \
		double rate_h = (hits), rate_n = (n);                                           \
		double rate_lo =                                                                \
			rate_h > 0 ? ct_beta_quantile(0.005, rate_h, rate_n - rate_h + 1) : 0;  \
		double rate_hi = rate_h < rate_n                                                \
					 ? ct_beta_quantile(0.995, rate_h + 1, rate_n - rate_h) \
					 : 1;                                                   \
		print_message("%s: %.4f (%.4f..%.4f), may be %.3f..%.3f\n", __func__,           \
			      rate_h / rate_n, rate_lo, rate_hi, (double)(lo), (double)(hi));   \
		assert_true(rate_hi >= (lo) && rate_lo <= (hi));                                \
	} while (0)

#define assert_near(found, expected, tolerance)                                                \
	do {                                                                                   \
		double near_found = (found), near_expected = (expected);                       \
		if (!(fabs(near_found - near_expected) <= (tolerance)))                        \
			fail_msg("%s is %.17g, not %.17g", #found, near_found, near_expected); \
	} while (0)

#endif
