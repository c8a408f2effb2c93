/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking after every block and stopping when it is decided, without more wrong verdicts than a
 * single look has.
 *
 * Each cell gives log ratios, roughly normal with unknown spread. After n of them its confidence
 * sequence is the set of means that the t test's e-value has never been able to reject: a normal
 * mixture over the standardised effect (standard deviation CT_SEQUENTIAL_SCALE) with the right Haar
 * prior on the spread,
 *
 *   E_n(t) = (1 + n c^2)^(-1/2) [(1 + t^2/v) / (1 + t^2/(v (1 + n c^2)))]^(n/2),  v = n - 1,
 *
 * a test martingale under the null whatever the spread is. By Ville's inequality the chance that it
 * ever reaches 1 / alpha is at most alpha, so the intervals of all n hold together and one may stop
 * at any time (Ville 1939; Lai 1976, Annals of Statistics 4:265; Howard et al. 2021, Annals of
 * Statistics 49:1055; Perez-Ortiz et al. 2024, Annals of Statistics 52:1410, for the t test).
 */
#ifndef COTENANT_STATS_SEQUENTIAL_H
#define COTENANT_STATS_SEQUENTIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/stats/interval.h"

/* Effects of about two standard deviations of a block are what it is best at. */
#define CT_SEQUENTIAL_SCALE 2.0

enum ct_sequential_verdict {
	CT_SEQUENTIAL_OPEN,
	CT_SEQUENTIAL_BELOW, /* the whole interval lies below the margin */
	CT_SEQUENTIAL_ABOVE, /* the whole interval lies above it */
	CT_SEQUENTIAL_CLOSED /* can't be decided: taken out by ct_sequential_close */
};

struct ct_sequential_cell {
	size_t n;
	double mean, squares; /* of the log ratios; sum of squared deviations */
	enum ct_sequential_verdict verdict;
};

struct ct_sequential {
	double margin; /* a log ratio: log(1.02) for 2 % */
	double confidence;
	struct ct_sequential_cell *cells; /* the caller's, zeroed */
	size_t n_cells;
	size_t budget, spent; /* blocks, of all cells together */
};

/*
 * The |t| that the interval after n ratios reaches to; INFINITY where there is none yet (up to
 * three ratios at the usual confidence). NaN for n < 2 or a confidence outside (0, 1).
 */
double ct_sequential_t(size_t n, double confidence);
/* The interval of a cell's mean log ratio; bounds are infinite where there is none yet. */
struct ct_interval ct_sequential_interval(const struct ct_sequential_cell *cell, double confidence);

/* A block was run: `log_ratio` of it, or NaN when it gave none. The first verdict stays. */
void ct_sequential_add(struct ct_sequential *sequential, size_t cell, double log_ratio);
/* No more blocks for this cell: it can't give ratios. */
void ct_sequential_close(struct ct_sequential *sequential, size_t cell);

/* Blocks that a cell will need in all if its mean and spread stay as they are; SIZE_MAX: no end. */
size_t ct_sequential_need(const struct ct_sequential *sequential, size_t cell);
/*
 * Whether the next block may go to this cell: it is open, and what it needs is within what is left.
 * With `even_hopeless` the second is not asked; such cells come last, so that a cell that can't be
 * decided takes nothing from those that can.
 */
bool ct_sequential_wants(const struct ct_sequential *sequential, size_t cell, bool even_hopeless);

#endif
