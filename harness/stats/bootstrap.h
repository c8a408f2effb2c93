/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hierarchical (block) bootstrap of any statistic.
 *
 * Blocks are drawn with replacement and kept whole, because samples inside a block depend on each
 * other: drawing samples instead would give intervals many times too narrow. When `units` is given,
 * the units (epochs, say) inside each drawn block are drawn with replacement as well; that adds the
 * inner spread once more, so intervals are a little wide rather than narrow (Davison & Hinkley,
 * Bootstrap Methods and their Application, 3.8).
 *
 * Methods (Efron & Tibshirani, An Introduction to the Bootstrap, chapters 12 to 14):
 *   percentile    quantiles of the replicates
 *   BCa           the same, corrected for bias and skew by a jackknife over blocks; poor below
 *                 about 8 blocks, where nothing replaces more blocks
 *   studentised   quantiles of (replicate - estimate) / its jackknife error; best coverage for
 *                 means with few blocks; costs n_blocks + 1 calls a replicate
 * A statistic that is a ratio or a scale should be handed over as its logarithm.
 */
#ifndef COTENANT_STATS_BOOTSTRAP_H
#define COTENANT_STATS_BOOTSTRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/rng.h"
#include "harness/stats/interval.h"

/* What was drawn: blocks, each possibly several times, in no particular order. */
struct ct_resample {
	const uint32_t *blocks; /* n_blocks indices, each below the plan's n_blocks */
	size_t n_blocks;        /* the plan's, or one less inside a jackknife */
	const uint32_t *units;  /* unit indices within their block; NULL when blocks stay whole */
	const size_t *first;    /* units of blocks[i] are units[first[i] .. first[i + 1] - 1] */
};

/* The statistic of the resample; NaN when it does not exist. Must not keep the pointers. */
typedef double (*ct_statistic)(const void *data, const struct ct_resample *resample);

enum ct_bootstrap_method { CT_BOOTSTRAP_PERCENTILE, CT_BOOTSTRAP_BCA, CT_BOOTSTRAP_STUDENTISED };

struct ct_bootstrap {
	size_t n_blocks;     /* at least 2; 3 for BCa and studentised */
	const size_t *units; /* number of units of each block, each at least 1; or NULL */
	size_t replicates;   /* 2000 is usual; at least 100 */
	enum ct_bootstrap_method method;
	double confidence;
	ct_statistic statistic;
	const void *data;
};

/*
 * out->value is the statistic of the data themselves. The same plan and generator state give the
 * same interval. False, with NaN bounds, when the plan is out of range, the statistic of the data
 * is not finite, more than 5 % of the replicates have none, or memory runs out.
 */
bool ct_bootstrap_interval(const struct ct_bootstrap *plan, struct ct_rng *rng,
			   struct ct_interval *out);

#endif
