/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/analysis.h"

#include <stdlib.h>
#include <string.h>

#include "harness/decide/analysis_internal.h"
#include "harness/stats/paired.h"
#include "harness/stats/tolerance.h"

static const double usual_power = 0.8;

size_t ct_gate_quantile(const struct ct_cell_analysis *cell)
{
	static const size_t tried[] = {3, 1}; /* p99, p90 */

	for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++) {
		if (cell->used > 0 && !isnan(cell->quantiles[tried[i]].slowdown.value))
			return tried[i];
	}
	return 0;
}

bool ct_analysis_has(const struct ct_analysis *analysis, const char *config, uint32_t victim)
{
	for (size_t c = 0; c < analysis->tables->n_cells; c++) {
		const struct ct_cell_info *info = &analysis->tables->cells[c];

		if (info->victim == victim && strcmp(info->config, config) == 0)
			return true;
	}
	return false;
}

static bool list_configs(struct ct_analysis *analysis, struct ct_error *err)
{
	const struct ct_results_tables *tables = analysis->tables;

	analysis->configs = calloc(tables->n_cells + 1, sizeof *analysis->configs);
	if (!analysis->configs)
		return ct_broken_errno(err, "memory for %zu cells", tables->n_cells);
	for (size_t c = 0; c < tables->n_cells; c++) {
		size_t i = 0;

		while (i < analysis->n_configs &&
		       strcmp(analysis->configs[i], tables->cells[c].config) != 0)
			i++;
		if (i == analysis->n_configs)
			analysis->configs[analysis->n_configs++] = tables->cells[c].config;
	}
	return true;
}

static bool keep_blocks(struct ct_cell_analysis *out, const struct ct_cell_evidence *cell,
			struct ct_error *err)
{
	out->log_ns = calloc(cell->used + 1, sizeof *out->log_ns);
	out->visits = calloc(cell->used + 1, sizeof *out->visits);
	if (!out->log_ns || !out->visits)
		return ct_broken_errno(err, "memory for %zu blocks", cell->used);
	for (size_t b = 0; b < cell->used; b++) {
		out->visits[b] = cell->blocks[b].visit;
		for (size_t role = 0; role < CT_SIDES; role++) {
			for (size_t k = 0; k < CT_QUANTILES; k++) {
				double ns = cell->blocks[b].side[role].ns[k];

				out->log_ns[b][role][k] = ns > 0 ? log(ns) : NAN;
			}
		}
	}
	return true;
}

/* One number of a block on the log scale: a side's quantile over another's. */
struct contrast {
	enum ct_role over_role, under_role;
	size_t over, under; /* quantiles */
};

/* Mean of the contrast over the blocks, exponentiated; a single block has no interval. */
static bool paired(const struct ct_cell_analysis *cell, struct contrast contrast, double confidence,
		   struct ct_interval *out, struct ct_paired *summary, struct ct_error *err)
{
	double *logs = calloc(cell->used + 1, sizeof *logs);

	*out = CT_INTERVAL_NONE;
	if (!logs)
		return ct_broken_errno(err, "memory for %zu blocks", cell->used);
	for (size_t b = 0; b < cell->used; b++)
		logs[b] = cell->log_ns[b][contrast.over_role][contrast.over] -
			  cell->log_ns[b][contrast.under_role][contrast.under];
	if (cell->used == 1)
		out->value = exp(logs[0]);
	else if (ct_paired_summary_of_logs(logs, cell->used, summary))
		ct_paired_interval(summary, confidence, out);
	free(logs);
	return true;
}

static uint64_t fewest_samples(const struct ct_cell_evidence *cell)
{
	uint64_t fewest = UINT64_MAX;

	for (size_t b = 0; b < cell->used; b++) {
		for (int role = CT_ROLE_BASELINE; role <= CT_ROLE_TREATMENT; role++) {
			if (cell->blocks[b].side[role].samples < fewest)
				fewest = cell->blocks[b].side[role].samples;
		}
	}
	return cell->used ? fewest : 0;
}

static bool slowdowns(struct ct_analysis_work *work, const struct ct_cell_evidence *cell,
		      struct ct_error *err)
{
	struct ct_cell_analysis *out = &work->analysis->cells[cell->cell];
	const double confidence = work->analysis->confidence;

	for (size_t k = 0; k < CT_QUANTILES; k++) {
		struct ct_cell_quantile *quantile = &out->quantiles[k];
		struct ct_paired summary = {.sd = NAN};

		quantile->fewest = fewest_samples(cell);
		quantile->needed = (uint64_t)ceil(1 / (1 - ct_quantiles[k]) - 1e-6);
		if (!paired(out, (struct contrast){CT_ROLE_RECOVERY, CT_ROLE_BASELINE, k, k},
			    confidence, &quantile->recovery, &summary, err) ||
		    !paired(out, (struct contrast){CT_ROLE_TREATMENT, CT_ROLE_BASELINE, k, k},
			    confidence, &quantile->slowdown, &summary, err))
			return false;
		quantile->log_sd = isnan(quantile->slowdown.lo) ? NAN : summary.sd;
		quantile->detectable = isnan(quantile->log_sd)
					       ? NAN
					       : ct_detectable_ratio(&work->detectable, cell->used,
								     quantile->log_sd);
	}
	return true;
}

static bool jitters(struct ct_cell_analysis *out, double confidence, struct ct_error *err)
{
	struct ct_interval *const to[2] = {&out->baseline_jitter, &out->jitter};

	for (enum ct_role role = CT_ROLE_BASELINE; role <= CT_ROLE_TREATMENT; role++) {
		struct ct_paired summary;

		if (!paired(out, (struct contrast){role, role, 3, 0}, confidence, to[role],
			    &summary, err))
			return false;
		to[role]->value -= 1;
		to[role]->lo -= 1;
		to[role]->hi -= 1;
	}
	return true;
}

static bool describe_side(struct ct_analysis_work *work, const struct ct_cell_evidence *cell,
			  enum ct_role role, struct ct_error *err)
{
	struct ct_cell_analysis *out = &work->analysis->cells[cell->cell];
	const double confidence = work->analysis->confidence;
	struct ct_bin *bins;
	size_t n_bins;
	bool ok = ct_evidence_pool(cell, role, &bins, &n_bins, err);

	for (size_t k = 0; ok && k < CT_QUANTILES; k++) {
		struct ct_cell_quantile *quantile = &out->quantiles[k];
		struct ct_pooled pooled;

		ok = ct_evidence_quantile(cell, role, bins, n_bins, ct_quantiles[k], confidence,
					  &pooled, err);
		if (ok && role == CT_ROLE_BASELINE) {
			quantile->baseline = pooled.ns;
			quantile->baseline_effective = pooled.effective;
		} else if (ok) {
			quantile->treatment = pooled.ns;
			quantile->treatment_effective = pooled.effective;
		}
	}
	ok = ok &&
	     ct_guarantee_bounds(cell, role, bins, n_bins, confidence,
				 work->bounds[cell->cell][role], err) &&
	     ct_stability_make(&out->stability[role], cell, role, bins, n_bins, confidence,
			       work->analysis->tables, err);
	free(bins);
	return ok;
}

static bool take_cell(void *context, const struct ct_cell_evidence *cell, struct ct_error *err)
{
	struct ct_analysis_work *work = context;
	struct ct_cell_analysis *out = &work->analysis->cells[cell->cell];
	const double confidence = work->analysis->confidence;

	out->cell = cell->cell;
	out->n_blocks = cell->n_blocks;
	out->used = cell->used;
	out->failed = cell->failed;
	out->not_loaded = cell->not_loaded;
	out->load = cell->load;
	out->achieved_percent = cell->achieved_percent;
	return keep_blocks(out, cell, err) && slowdowns(work, cell, err) &&
	       jitters(out, confidence, err) && describe_side(work, cell, CT_ROLE_BASELINE, err) &&
	       describe_side(work, cell, CT_ROLE_TREATMENT, err) &&
	       ct_decomposition_keep(work, cell, err);
}

bool ct_analysis_make(struct ct_analysis *analysis, struct ct_results *results, double confidence,
		      struct ct_error *err)
{
	struct ct_analysis_work work = {
		.analysis = analysis,
		.detectable = {.alpha = 1 - confidence, .power = usual_power}};
	bool ok;

	*analysis = (struct ct_analysis){.tables = ct_results_tables(results),
					 .confidence = confidence};
	analysis->n_cells = analysis->tables->n_cells;
	analysis->cells = calloc(analysis->n_cells + 1, sizeof *analysis->cells);
	work.bounds = calloc(analysis->n_cells + 1, sizeof *work.bounds);
	ok = ((analysis->cells && work.bounds) || ct_broken_errno(err, "memory for cells")) &&
	     list_configs(analysis, err) && ct_evidence_each(results, take_cell, &work, err) &&
	     ct_decomposition_make(&work, err) && ct_guarantee_make(&work, err) &&
	     ct_grades_make(analysis, err) && ct_prices_make(analysis, err) &&
	     ct_lockin_table_make(&analysis->lockin, results, confidence, err) &&
	     ct_until_make(&analysis->until, analysis, err);
	if (ok)
		ct_sharing_find(analysis);
	for (size_t i = 0; i < work.n_phases; i++)
		free(work.phases[i].epoch_ns);
	free(work.phases);
	free(work.bounds);
	if (!ok)
		ct_analysis_free(analysis);
	return ok;
}

void ct_analysis_free(struct ct_analysis *analysis)
{
	for (size_t c = 0; analysis->cells && c < analysis->n_cells; c++) {
		free(analysis->cells[c].log_ns);
		free(analysis->cells[c].visits);
	}
	free(analysis->cells);
	free(analysis->configs);
	free(analysis->decompositions);
	free(analysis->guarantees);
	free(analysis->grades);
	free(analysis->prices);
	ct_lockin_table_free(&analysis->lockin);
	ct_until_table_free(&analysis->until);
	*analysis = (struct ct_analysis){0};
}
