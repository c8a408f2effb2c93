/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Coupling: by how much each cell's aggressor slows its victim. Per block, the quantile of the
 * merged baseline phases and of the merged treatment phases; over the blocks, the paired log ratio
 * with its t interval (stats/paired.h). The block is the unit of replication.
 *
 * A block is used when its status is ok and it has a baseline, and a treatment whose aggressor
 * loaded. A quantile q is given only when both sides of every used block hold at least 1/(1-q)
 * samples, so that a sample lies beyond the rank asked for and the answer is never the maximum.
 * Blocks are not dropped one by one for that: a slow treatment makes fewer samples, so dropping
 * them would drop the slowdown.
 */
#ifndef COTENANT_DECIDE_COUPLING_H
#define COTENANT_DECIDE_COUPLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/stats/interval.h"
#include "harness/store/results.h"

enum { CT_COUPLING_QUANTILES = 3 };
extern const double ct_coupling_q[CT_COUPLING_QUANTILES];            /* 0.5, 0.99, 0.999 */
extern const char *const ct_coupling_q_names[CT_COUPLING_QUANTILES]; /* "p50", ... */

enum ct_carry {
	CT_CARRY_OK,
	CT_CARRY_FEW_SAMPLES, /* `needed` samples a side of a block; `fewest` were there */
	CT_CARRY_NO_BLOCKS,   /* no block counts */
	CT_CARRY_ZERO         /* a latency of 0 ns has no ratio */
};

struct ct_effect {
	enum ct_carry carry;
	uint64_t needed, fewest;
	/* Geometric means over the blocks, so that treatment / baseline is the slowdown; NaN unless
	 * carried. */
	double baseline_ns, treatment_ns;
	struct ct_interval slowdown; /* lo and hi are NaN with a single block */
	struct ct_interval recovery; /* recovery phase over baseline; NaN where there is none */
};

struct ct_cell_coupling {
	uint32_t cell;
	size_t blocks, used, failed, not_loaded;
	enum ct_load load;       /* worst of the used treatments; CT_LOAD_ABSENT when none loaded */
	double achieved_percent; /* mean achieved rate, of the solo maximum; NaN unknown */
	uint64_t epochs, counted_epochs; /* of the treatments of used blocks; 0: not stored */
	struct ct_effect effects[CT_COUPLING_QUANTILES];
};

struct ct_coupling {
	double confidence;
	struct ct_cell_coupling *cells; /* one a row of /cells */
	size_t n_cells;
};

bool ct_coupling_make(struct ct_coupling *coupling, struct ct_results *results, double confidence,
		      struct ct_error *err);
void ct_coupling_free(struct ct_coupling *coupling);

/*
 * Whether the whole interval lies above (+1) or below (-1) one, by more than the histogram
 * resolves (1/1024); 0 when it does not, or there is none.
 */
int ct_effect_clear(const struct ct_effect *effect);

/* Whether `samples` carry the q-quantile. */
bool ct_quantile_carried(uint64_t samples, double q);
uint64_t ct_samples_needed(double q);

/* The cell with the largest slowdown of quantile `k` that is clear of 1; n_cells when none is. */
size_t ct_coupling_worst(const struct ct_coupling *coupling, size_t k);

#endif
