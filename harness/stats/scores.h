/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COTENANT_STATS_SCORES_H
#define COTENANT_STATS_SCORES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Normal scores of midranks (van der Waerden 1952), scaled to unit variance: the series as if it
 * were normal, its order kept. x[n] without NaN. False when all are equal or there is no memory.
 */
bool ct_normal_scores(const double *x, size_t n, double *scores);

#endif
