/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear least squares by Householder's reflections (Golub & Van Loan, Matrix Computations, 5.3):
 * backward stable, so columns that are nearly collinear are noticed instead of amplified.
 */
#ifndef COTENANT_STATS_LSQ_H
#define COTENANT_STATS_LSQ_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Minimises |a x - b|. `a` holds n rows of m columns, column after column (a[column * n + row]),
 * and is overwritten, as is `b` (n values). False when n < m or a column is, to one part in 1e9, a
 * combination of those before it. `*residual`: the smallest sum of squares.
 */
bool ct_least_squares(double *a, double *b, size_t n, size_t m, double *x, double *residual);

#endif
