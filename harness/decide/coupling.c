/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/coupling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/hist.h"
#include "harness/decide/evidence.h"
#include "harness/stats/paired.h"

const double ct_coupling_q[CT_COUPLING_QUANTILES] = {0.5, 0.99, 0.999};
const char *const ct_coupling_q_names[CT_COUPLING_QUANTILES] = {"p50", "p99", "p99.9"};

/* Positions of ct_coupling_q in ct_quantiles. */
static const size_t position[CT_COUPLING_QUANTILES] = {0, 3, 4};

struct work {
	struct ct_coupling *coupling;
	const struct ct_results_tables *tables;
	double *baseline, *other; /* of the blocks of the cell at hand */
};

uint64_t ct_samples_needed(double q)
{
	/* 1/(1 - 0.99) is a little above 100 in binary. */
	return (uint64_t)ceil(1 / (1 - q) - 1e-6);
}

bool ct_quantile_carried(uint64_t samples, double q)
{
	return samples >= ct_samples_needed(q);
}

int ct_effect_clear(const struct ct_effect *effect)
{
	if (effect->carry != CT_CARRY_OK)
		return 0;
	if (effect->slowdown.lo > 1 + CT_HIST_RESOLUTION)
		return 1;
	return effect->slowdown.hi < 1 - CT_HIST_RESOLUTION ? -1 : 0;
}

static uint64_t fewest_samples(const struct ct_cell_evidence *cell, bool recovery)
{
	uint64_t fewest = UINT64_MAX;

	for (size_t b = 0; b < cell->used; b++) {
		const struct ct_side *side = cell->blocks[b].side;
		uint64_t least = side[CT_ROLE_BASELINE].samples;

		if (side[CT_ROLE_TREATMENT].samples < least)
			least = side[CT_ROLE_TREATMENT].samples;
		if (recovery)
			least = side[CT_ROLE_RECOVERY].samples;
		if (least < fewest)
			fewest = least;
	}
	return fewest;
}

static double geometric_mean(const double *values, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += log(values[i]);
	return exp(sum / (double)n);
}

/* The ratio of `role` over the baseline. A single block has a ratio, but no interval. */
static bool ratio(struct work *work, const struct ct_cell_evidence *cell, enum ct_role role,
		  size_t k, struct ct_interval *out)
{
	*out = CT_INTERVAL_NONE;
	for (size_t b = 0; b < cell->used; b++) {
		work->baseline[b] = cell->blocks[b].side[CT_ROLE_BASELINE].ns[position[k]];
		work->other[b] = cell->blocks[b].side[role].ns[position[k]];
		if (!(work->baseline[b] > 0 && work->other[b] > 0))
			return false;
	}
	if (cell->used == 1)
		out->value = work->other[0] / work->baseline[0];
	else
		return ct_paired_log_ratio(work->baseline, work->other, cell->used,
					   work->coupling->confidence, out);
	return true;
}

static void estimate(struct work *work, const struct ct_cell_evidence *cell, size_t k,
		     struct ct_effect *effect)
{
	const double q = ct_coupling_q[k];

	*effect = (struct ct_effect){.needed = ct_samples_needed(q),
				     .baseline_ns = NAN,
				     .treatment_ns = NAN,
				     .slowdown = CT_INTERVAL_NONE,
				     .recovery = CT_INTERVAL_NONE};
	if (cell->used == 0 || work->tables->cells[cell->cell].intensity == 0) {
		effect->carry = CT_CARRY_NO_BLOCKS;
		return;
	}
	effect->fewest = fewest_samples(cell, false);
	if (!ct_quantile_carried(effect->fewest, q)) {
		effect->carry = CT_CARRY_FEW_SAMPLES;
		return;
	}
	if (!ratio(work, cell, CT_ROLE_TREATMENT, k, &effect->slowdown)) {
		effect->carry = CT_CARRY_ZERO;
		return;
	}
	effect->baseline_ns = geometric_mean(work->baseline, cell->used);
	effect->treatment_ns = geometric_mean(work->other, cell->used);
	if (ct_quantile_carried(fewest_samples(cell, true), q))
		ratio(work, cell, CT_ROLE_RECOVERY, k, &effect->recovery);
}

static bool take_cell(void *context, const struct ct_cell_evidence *evidence, struct ct_error *err)
{
	struct work *work = context;
	struct ct_cell_coupling *cell = &work->coupling->cells[evidence->cell];

	(void)err;
	*cell = (struct ct_cell_coupling){.cell = evidence->cell,
					  .blocks = evidence->n_blocks,
					  .used = evidence->used,
					  .failed = evidence->failed,
					  .not_loaded = evidence->not_loaded,
					  .load = evidence->load,
					  .achieved_percent = evidence->achieved_percent,
					  .epochs = evidence->epochs,
					  .counted_epochs = evidence->counted_epochs};
	for (size_t k = 0; k < CT_COUPLING_QUANTILES; k++)
		estimate(work, evidence, k, &cell->effects[k]);
	return true;
}

bool ct_coupling_make(struct ct_coupling *coupling, struct ct_results *results, double confidence,
		      struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	struct work work = {.coupling = coupling, .tables = tables};
	bool ok;

	*coupling = (struct ct_coupling){.confidence = confidence, .n_cells = tables->n_cells};
	coupling->cells = calloc(coupling->n_cells + 1, sizeof *coupling->cells);
	work.baseline = calloc(tables->n_blocks + 1, sizeof *work.baseline);
	work.other = calloc(tables->n_blocks + 1, sizeof *work.other);
	ok = ((coupling->cells && work.baseline && work.other) ||
	      ct_broken_errno(err, "memory for cells")) &&
	     ct_evidence_each(results, take_cell, &work, err);
	free(work.baseline);
	free(work.other);
	if (!ok)
		ct_coupling_free(coupling);
	return ok;
}

void ct_coupling_free(struct ct_coupling *coupling)
{
	free(coupling->cells);
	*coupling = (struct ct_coupling){0};
}

size_t ct_coupling_worst(const struct ct_coupling *coupling, size_t k)
{
	size_t worst = coupling->n_cells;

	for (size_t i = 0; i < coupling->n_cells; i++) {
		const struct ct_effect *effect = &coupling->cells[i].effects[k];

		if (ct_effect_clear(effect) > 0 &&
		    (worst == coupling->n_cells ||
		     effect->slowdown.value > coupling->cells[worst].effects[k].slowdown.value))
			worst = i;
	}
	return worst;
}
