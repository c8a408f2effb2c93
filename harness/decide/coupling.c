/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/coupling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/stats/paired.h"

const double ct_coupling_q[CT_COUPLING_QUANTILES] = {0.5, 0.99, 0.999};
const char *const ct_coupling_q_names[CT_COUPLING_QUANTILES] = {"p50", "p99", "p99.9"};

enum { SIDES = 3 }; /* by enum ct_role */

/* The quantiles of one used block, a side each. */
struct block_quantiles {
	uint64_t samples[SIDES];
	double ns[SIDES][CT_COUPLING_QUANTILES];
};

struct work {
	struct ct_results *results;
	const struct ct_results_tables *tables;
	struct ct_hist hist;
	uint32_t *block_rows;              /* rows of /blocks by cell, then by row */
	size_t *first;                     /* of each cell in block_rows; n_cells + 1 */
	struct block_quantiles *quantiles; /* of the cell at hand */
	double *baseline, *other;
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
	const double resolution = 1.0 / 1024;

	if (effect->carry != CT_CARRY_OK)
		return 0;
	if (effect->slowdown.lo > 1 + resolution)
		return 1;
	return effect->slowdown.hi < 1 - resolution ? -1 : 0;
}

/* Sorts the rows of /blocks by cell, by counting. */
static bool group_blocks(struct work *work, struct ct_error *err)
{
	const struct ct_results_tables *tables = work->tables;
	size_t most = 0;

	work->first = calloc(tables->n_cells + 2, sizeof *work->first);
	work->block_rows = calloc(tables->n_blocks + 1, sizeof *work->block_rows);
	if (!work->first || !work->block_rows)
		return ct_broken_errno(err, "memory for %zu blocks", tables->n_blocks);
	for (size_t i = 0; i < tables->n_blocks; i++)
		work->first[tables->blocks[i].cell + 2]++;
	for (size_t c = 0; c < tables->n_cells; c++) {
		if (work->first[c + 2] > most)
			most = work->first[c + 2];
		work->first[c + 2] += work->first[c + 1];
	}
	/* first[c + 1] is where cell c goes on; afterwards it is where cell c + 1 begins. */
	for (size_t i = 0; i < tables->n_blocks; i++)
		work->block_rows[work->first[tables->blocks[i].cell + 1]++] = (uint32_t)i;
	work->quantiles = calloc(most + 1, sizeof *work->quantiles);
	work->baseline = calloc(most + 1, sizeof *work->baseline);
	work->other = calloc(most + 1, sizeof *work->other);
	return (work->quantiles && work->baseline && work->other) ||
	       ct_broken_errno(err, "memory for %zu blocks", most);
}

static bool phase_counts(const struct ct_phase_info *phase)
{
	return phase->role != CT_ROLE_TREATMENT || phase->load != CT_LOAD_ABSENT;
}

static bool block_usable(const struct ct_results_tables *tables, const struct ct_block_info *block)
{
	bool seen[SIDES] = {false};

	for (uint32_t k = 0; k < block->n_phases; k++) {
		const struct ct_phase_info *phase = &tables->phases[block->first_phase + k];

		if (!phase_counts(phase))
			return false;
		seen[phase->role] = true;
	}
	return seen[CT_ROLE_BASELINE] && seen[CT_ROLE_TREATMENT];
}

static bool measure_side(struct work *work, const struct ct_block_info *block, enum ct_role role,
			 struct block_quantiles *out, struct ct_error *err)
{
	ct_hist_clear(&work->hist);
	for (uint32_t k = 0; k < block->n_phases; k++) {
		size_t phase = block->first_phase + k;

		if (work->tables->phases[phase].role == role &&
		    !ct_results_add_hist(work->results, phase, &work->hist, err))
			return false;
	}
	out->samples[role] = work->hist.total;
	for (size_t i = 0; i < CT_COUPLING_QUANTILES; i++)
		out->ns[role][i] = ct_hist_quantile(&work->hist, ct_coupling_q[i]) / 1e3;
	return true;
}

/* Dose and overlap, summed over the treatments of used blocks. */
struct dose {
	double achieved, solo;
	size_t n;
};

static bool add_dose(struct work *work, const struct ct_block_info *block,
		     struct ct_cell_coupling *cell, struct dose *dose, struct ct_error *err)
{
	for (uint32_t k = 0; k < block->n_phases; k++) {
		size_t row = block->first_phase + k;
		const struct ct_phase_info *phase = &work->tables->phases[row];
		struct ct_epoch_row *epochs;
		size_t n;

		if (phase->role != CT_ROLE_TREATMENT)
			continue;
		if (phase->load > cell->load)
			cell->load = phase->load;
		if (isfinite(phase->achieved_rate) && isfinite(block->solo_rate)) {
			dose->achieved += phase->achieved_rate;
			dose->solo += block->solo_rate;
			dose->n++;
		}
		if (phase->epoch_rows == 0)
			continue;
		if (!ct_results_epochs(work->results, row, &epochs, &n, err))
			return false;
		cell->epochs += n;
		for (size_t i = 0; i < n; i++)
			cell->counted_epochs += epochs[i].counted != 0;
		free(epochs);
	}
	return true;
}

static bool measure_blocks(struct work *work, struct ct_cell_coupling *cell, struct ct_error *err)
{
	struct dose dose = {0};

	cell->load = CT_LOAD_NONE;
	for (size_t i = work->first[cell->cell]; i < work->first[cell->cell + 1]; i++) {
		const struct ct_block_info *block = &work->tables->blocks[work->block_rows[i]];
		struct block_quantiles *quantiles = &work->quantiles[cell->used];

		cell->blocks++;
		if (block->status == CT_BLOCK_FAILED) {
			cell->failed++;
			continue;
		}
		if (block->status == CT_BLOCK_NOT_LOADED || !block_usable(work->tables, block)) {
			cell->not_loaded++;
			continue;
		}
		for (int role = 0; role < SIDES; role++) {
			if (!measure_side(work, block, (enum ct_role)role, quantiles, err))
				return false;
		}
		if (!add_dose(work, block, cell, &dose, err))
			return false;
		cell->used++;
	}
	if (cell->used == 0 && cell->not_loaded > 0)
		cell->load = CT_LOAD_ABSENT;
	cell->achieved_percent = dose.n > 0 ? 100 * dose.achieved / dose.solo : NAN;
	return true;
}

static uint64_t fewest_samples(const struct work *work, size_t used, bool recovery)
{
	uint64_t fewest = UINT64_MAX;

	for (size_t i = 0; i < used; i++) {
		const uint64_t *samples = work->quantiles[i].samples;
		uint64_t least = samples[CT_ROLE_BASELINE] < samples[CT_ROLE_TREATMENT]
					 ? samples[CT_ROLE_BASELINE]
					 : samples[CT_ROLE_TREATMENT];

		if (recovery)
			least = samples[CT_ROLE_RECOVERY];
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
static bool ratio(struct work *work, size_t used, enum ct_role role, size_t k, double confidence,
		  struct ct_interval *out)
{
	*out = CT_INTERVAL_NONE;
	for (size_t i = 0; i < used; i++) {
		work->baseline[i] = work->quantiles[i].ns[CT_ROLE_BASELINE][k];
		work->other[i] = work->quantiles[i].ns[role][k];
		if (!(work->baseline[i] > 0 && work->other[i] > 0))
			return false;
	}
	if (used == 1)
		out->value = work->other[0] / work->baseline[0];
	else
		return ct_paired_log_ratio(work->baseline, work->other, used, confidence, out);
	return true;
}

static void estimate(struct work *work, const struct ct_cell_coupling *cell, size_t k,
		     double confidence, struct ct_effect *effect)
{
	const double q = ct_coupling_q[k];

	*effect = (struct ct_effect){.needed = ct_samples_needed(q),
				     .baseline_ns = NAN,
				     .treatment_ns = NAN,
				     .slowdown = CT_INTERVAL_NONE,
				     .recovery = CT_INTERVAL_NONE};
	if (cell->used == 0) {
		effect->carry = CT_CARRY_NO_BLOCKS;
		return;
	}
	effect->fewest = fewest_samples(work, cell->used, false);
	if (!ct_quantile_carried(effect->fewest, q)) {
		effect->carry = CT_CARRY_FEW_SAMPLES;
		return;
	}
	if (!ratio(work, cell->used, CT_ROLE_TREATMENT, k, confidence, &effect->slowdown)) {
		effect->carry = CT_CARRY_ZERO;
		return;
	}
	effect->baseline_ns = geometric_mean(work->baseline, cell->used);
	effect->treatment_ns = geometric_mean(work->other, cell->used);
	if (ct_quantile_carried(fewest_samples(work, cell->used, true), q))
		ratio(work, cell->used, CT_ROLE_RECOVERY, k, confidence, &effect->recovery);
}

bool ct_coupling_make(struct ct_coupling *coupling, struct ct_results *results, double confidence,
		      struct ct_error *err)
{
	struct work work = {.results = results, .tables = ct_results_tables(results)};
	bool ok;

	*coupling = (struct ct_coupling){.confidence = confidence, .n_cells = work.tables->n_cells};
	coupling->cells = calloc(coupling->n_cells + 1, sizeof *coupling->cells);
	ok = (coupling->cells || ct_broken_errno(err, "memory for cells")) &&
	     ct_hist_init(&work.hist, err) && group_blocks(&work, err);
	for (uint32_t i = 0; ok && i < coupling->n_cells; i++) {
		struct ct_cell_coupling *cell = &coupling->cells[i];

		cell->cell = i;
		ok = measure_blocks(&work, cell, err);
		for (size_t k = 0; ok && k < CT_COUPLING_QUANTILES; k++)
			estimate(&work, cell, k, confidence, &cell->effects[k]);
	}
	ct_hist_free(&work.hist);
	free(work.block_rows);
	free(work.first);
	free(work.quantiles);
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
