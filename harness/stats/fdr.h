/* SPDX-License-Identifier: Apache-2.0 */
/*
 * False discovery rate over many cells (Benjamini & Hochberg 1995, JRSS B 57:289).
 *
 * Rejecting every cell whose adjusted p is at most q keeps the expected share of false alarms among
 * the alarms at most q, for independent and for positively dependent tests.
 */
#ifndef COTENANT_STATS_FDR_H
#define COTENANT_STATS_FDR_H

#include <stdbool.h>
#include <stddef.h>

/*
 * adjusted[i] = min over p[j] >= p[i] of p[j] * m / rank[j], at most 1. A NaN p is a cell without a
 * test: it stays NaN and does not count in m. adjusted may be p itself. False when a p lies outside
 * 0..1 or memory runs out; adjusted is then untouched. n = 0 is fine.
 */
bool ct_benjamini_hochberg(const double *p, size_t n, double *adjusted);

#endif
