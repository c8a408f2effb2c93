/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many independent samples a pool of blocks is worth, when samples inside a block depend on
 * each other and blocks do not.
 *
 * The share of samples below a value is estimated from the pool; its variance from how much that
 * share differs between blocks (ratio estimator, Cochran, Sampling Techniques, 3rd ed., 6.3). The
 * quotient of that variance and the binomial one is Kish's design effect (Kish 1965, Survey
 * Sampling), and samples over design effect the effective size. Korn & Graubard (1998, Survey
 * Methodology 24:193) correct it for the few degrees of freedom behind the estimated variance and
 * use it in exact binomial intervals, which then cover with few blocks and rare events.
 */
#ifndef COTENANT_STATS_CLUSTERS_H
#define COTENANT_STATS_CLUSTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The standard error of the pooled share below[] / samples[] (see below), at least the binomial one
 * of independent samples: blocks that agree better do so by chance. NaN for fewer than two blocks
 * or an empty block.
 */
double ct_clusters_error(const uint64_t *below, const uint64_t *samples, size_t n_blocks);

/*
 * below[b] of samples[b] samples of block b lie at or below the value. The result is at least 1 and
 * at most the number of samples. NaN for fewer than two blocks, an empty block or a confidence
 * outside (0, 1).
 */
double ct_clusters_effective(const uint64_t *below, const uint64_t *samples, size_t n_blocks,
			     double confidence);

#endif
