/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hidden periods of an evenly spaced series: the periodogram at the Fourier frequencies 1/n .. 1/2
 * per step, and Fisher's exact test of its largest ordinate (Fisher 1929, Proc. R. Soc. A 125:54).
 * The series is first taken less its straight line and turned into normal scores of its ranks, so
 * that a stall of a thousand times the median is one high rank and no spectrum of its own.
 */
#ifndef COTENANT_STATS_SPECTRUM_H
#define COTENANT_STATS_SPECTRUM_H

#include <stdbool.h>
#include <stddef.h>

struct ct_period {
	double steps; /* of the strongest period, n/2 .. 2 */
	double share; /* of the variance that it carries, 0..1 (Fisher's g) */
	double p;     /* of a share as large in independent values without any period */
};

/* x[n] without NaN, n >= 16; the cost is O(n^2). False, with nothing set, for fewer values, no
 * spread or no memory. */
bool ct_strongest_period(const double *x, size_t n, struct ct_period *out);
/* Fisher's: the largest of m ordinates has at least the share g, 0 < g <= 1. */
double ct_fisher_g(double g, size_t m);

#endif
