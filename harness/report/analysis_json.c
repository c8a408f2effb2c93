/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "harness/core/resource.h"
#include "harness/decide/tree.h"
#include "harness/report/analysis_report.h"
#include "harness/report/json.h"
#include "harness/report/lockin_report.h"
#include "harness/report/until_report.h"
#include "harness/store/column.h"

static json_t *quantile_json(const struct ct_cell_quantile *quantile, size_t k)
{
	return json_pack(
		"{s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "q", ct_quantiles[k],
		"baseline", ct_json_interval(&quantile->baseline), "treatment",
		ct_json_interval(&quantile->treatment), "slowdown",
		ct_json_interval(&quantile->slowdown), "recovery",
		ct_json_interval(&quantile->recovery), "baseline_effective_samples",
		ct_json_number(quantile->baseline_effective), "treatment_effective_samples",
		ct_json_number(quantile->treatment_effective), "detectable",
		ct_json_number(quantile->detectable), "samples", (json_int_t)quantile->fewest,
		"needs_samples", (json_int_t)quantile->needed);
}

static json_t *stability_json(const struct ct_stability *stability)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:I}", "cov",
			 ct_json_number(stability->cov), "mad_ns",
			 ct_json_number(stability->mad_ns), "tail_shape",
			 ct_json_interval(&stability->tail), "autocorrelation_ms",
			 ct_json_number(stability->autocorrelation_ms), "effective_epochs",
			 ct_json_number(stability->effective_epochs), "p_drift",
			 ct_json_number(stability->p_drift), "stationary", stability->stationary,
			 "change_points", (json_int_t)stability->changes);
}

static json_t *tree_json(const struct ct_tree_cell *tree)
{
	return json_pack("{s:s, s:o, s:o}", "verdict", ct_tree_verdict_names[tree->verdict],
			 "common", ct_resources_json(tree->common), "carriers",
			 ct_resources_json(tree->carriers));
}

static json_t *cell_json(const struct ct_analysis *analysis, const struct ct_cell_analysis *cell)
{
	const struct ct_results_tables *tables = analysis->tables;
	const struct ct_cell_info *info = &tables->cells[cell->cell];
	json_t *quantiles = json_array();

	for (size_t k = 0; k < CT_QUANTILES; k++)
		json_array_append_new(quantiles, quantile_json(&cell->quantiles[k], k));
	return json_pack(
		"{s:s, s:s, s:s, s:f, s:I, s:s, s:s?, s:o, s:I, s:I, s:I, s:s, s:o, s:f, s:o, s:o, "
		"s:{s:o, s:o}, s:o}",
		"config", info->config, "victim", tables->victims[info->victim].name, "aggressor",
		tables->aggressors[info->aggressor].name, "intensity", info->intensity, "blocks",
		(json_int_t)cell->used, "unit", "ns", "shared", cell->shared, "tree",
		tree_json(&cell->tree), "planned_blocks", (json_int_t)cell->n_blocks, "failed",
		(json_int_t)cell->failed, "not_loaded", (json_int_t)cell->not_loaded, "load",
		ct_load_names[cell->load], "achieved_percent",
		ct_json_number(cell->achieved_percent), "gate_q",
		ct_quantiles[ct_gate_quantile(cell)], "jitter", ct_json_interval(&cell->jitter),
		"baseline_jitter", ct_json_interval(&cell->baseline_jitter), "stability",
		"baseline", stability_json(&cell->stability[CT_ROLE_BASELINE]), "treatment",
		stability_json(&cell->stability[CT_ROLE_TREATMENT]), "quantiles", quantiles);
}

static json_t *component(const struct ct_decomposition *decomposition,
			 const struct ct_interval *value)
{
	return decomposition->known ? ct_json_number(value->value) : json_null();
}

static json_t *decomposition_json(const struct ct_analysis *analysis,
				  const struct ct_decomposition *out)
{
	json_t *components = json_pack(
		"{s:o, s:o, s:o, s:o, s:o}", "within_epoch", component(out, &out->within_epoch),
		"between_epoch", component(out, &out->between_epoch), "between_phase",
		component(out, &out->between_phase), "between_block",
		component(out, &out->between_block), "cotenant", component(out, &out->cotenant));
	json_t *intervals = json_pack("{s:o, s:o, s:o, s:o, s:o}", "within_epoch",
				      ct_json_interval(&out->within_epoch), "between_epoch",
				      ct_json_interval(&out->between_epoch), "between_phase",
				      ct_json_interval(&out->between_phase), "between_block",
				      ct_json_interval(&out->between_block), "cotenant",
				      ct_json_interval(&out->cotenant));

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:b, s:s?}", "config", out->config, "victim",
			 analysis->tables->victims[out->victim].name, "components", components,
			 "intervals", intervals, "omega_squared",
			 ct_json_interval(&out->omega_squared), "epochs_known", out->epochs_known,
			 "why", out->why);
}

static json_t *guarantee_json(const struct ct_analysis *analysis, const struct ct_guarantee *out)
{
	const struct ct_results_tables *tables = analysis->tables;
	const struct ct_cell_info *worst = &tables->cells[out->worst];

	return json_pack(
		"{s:s, s:s, s:f, s:f, s:o, s:I, s:s, s:o, s:s, s:o, s:I}", "config", out->config,
		"victim", tables->victims[out->victim].name, "q", ct_quantiles[out->k],
		"confidence", analysis->confidence, "bound", ct_json_number(out->bound_ns),
		"needs_blocks", (json_int_t)out->needs_blocks, "unit", "ns", "estimate",
		ct_json_number(out->estimate_ns), "aggressor",
		out->worst_is_alone ? "none" : tables->aggressors[worst->aggressor].name,
		"intensity", out->worst_is_alone ? json_real(0) : json_real(worst->intensity),
		"untested_cells", (json_int_t)out->untested);
}

static json_t *grade_json(const struct ct_analysis *analysis, const struct ct_grade *grade)
{
	const struct ct_results_tables *tables = analysis->tables;
	const struct ct_cell_info *worst = &tables->cells[grade->worst];
	const char letter[2] = {grade->letter, '\0'};
	const bool known = isfinite(grade->upper);

	return json_pack("{s:s, s:s, s:o, s:f, s:s?, s:s?, s:I}", "config", grade->config, "grade",
			 letter, "upper", ct_json_number(grade->upper), "q", ct_quantiles[grade->k],
			 "victim", known ? tables->victims[worst->victim].name : NULL, "aggressor",
			 known ? tables->aggressors[worst->aggressor].name : NULL, "ungraded_cells",
			 (json_int_t)grade->ungraded);
}

static json_t *price_json(const struct ct_analysis *analysis, const struct ct_price *price)
{
	json_t *quantiles = json_array();

	for (size_t k = 0; k < CT_QUANTILES; k++)
		json_array_append_new(quantiles,
				      json_pack("{s:f, s:o}", "q", ct_quantiles[k], "price",
						ct_json_interval(&price->ratio[k])));
	return json_pack("{s:s, s:s, s:s, s:o}", "config", price->config, "reference",
			 price->reference, "victim", analysis->tables->victims[price->victim].name,
			 "quantiles", quantiles);
}

static json_t *ranking_json(const struct ct_analysis *analysis, const struct ct_slo *slo)
{
	struct ct_ranking *rankings = calloc(analysis->n_configs + 1, sizeof *rankings);
	size_t n = rankings ? ct_rank_configs(analysis, slo, rankings) : 0;
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:o, s:I}", "config",
					analysis->configs[rankings[i].config], "promise",
					ct_promise_names[rankings[i].promise], "bound",
					ct_json_number(rankings[i].bound_ns), "estimate",
					ct_json_number(rankings[i].estimate_ns), "needs_blocks",
					(json_int_t)rankings[i].needs_blocks));
	free(rankings);
	return json_pack("{s:s, s:f, s:f, s:o}", "victim", slo->victim, "q", ct_quantiles[slo->k],
			 "limit", slo->limit_ns, "ranking", list);
}

json_t *ct_analysis_json(const struct ct_analysis *analysis, const struct ct_slo *slo)
{
	const struct ct_results_tables *tables = analysis->tables;
	json_t *cells = json_array(), *decomposition = json_array(), *guarantees = json_array();
	json_t *grades = json_array(), *prices = json_array();

	for (size_t i = 0; i < analysis->n_cells; i++)
		json_array_append_new(cells, cell_json(analysis, &analysis->cells[i]));
	for (size_t i = 0; i < analysis->n_decompositions; i++)
		json_array_append_new(decomposition,
				      decomposition_json(analysis, &analysis->decompositions[i]));
	for (size_t i = 0; i < analysis->n_guarantees; i++)
		json_array_append_new(guarantees,
				      guarantee_json(analysis, &analysis->guarantees[i]));
	for (size_t i = 0; i < analysis->n_configs; i++)
		json_array_append_new(grades, grade_json(analysis, &analysis->grades[i]));
	for (size_t i = 0; i < analysis->n_prices; i++)
		json_array_append_new(prices, price_json(analysis, &analysis->prices[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o*, s:o*}",
			 "schema", "cotenant.analysis/1", "suite", tables->suite, "created",
			 tables->created, "version", tables->version, "emulated", tables->emulated,
			 "confidence", analysis->confidence, "cells", cells, "decomposition",
			 decomposition, "guarantees", guarantees, "grades", grades,
			 "partition_prices", prices, "lockin",
			 ct_lockin_json(&analysis->lockin, tables), "until",
			 ct_until_json(analysis), "slo", slo ? ranking_json(analysis, slo) : NULL);
}
