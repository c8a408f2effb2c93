/* SPDX-License-Identifier: Apache-2.0 */
/* results-schema/export.schema.json: cells with their coupling, then phases one at a time. */
#include "harness/report/export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/decide/coupling.h"
#include "harness/report/json.h"
#include "harness/store/column.h"

static const struct {
	const char *name;
	double q;
} quantiles[] = {{"0.5", 0.5}, {"0.9", 0.9}, {"0.99", 0.99}, {"0.999", 0.999}, {"0.9999", 0.9999}};

static const char *carry_name(enum ct_carry carry)
{
	switch (carry) {
	case CT_CARRY_OK:
		return "ok";
	case CT_CARRY_FEW_SAMPLES:
		return "too few samples";
	case CT_CARRY_NO_BLOCKS:
		return "no block counts";
	case CT_CARRY_ZERO:
		break;
	}
	return "zero latency";
}

static json_t *effect_json(const struct ct_effect *effect, double q)
{
	return json_pack("{s:f, s:s, s:I, s:o, s:o, s:o, s:o, s:b}", "q", q, "carried",
			 carry_name(effect->carry), "needs_samples", (json_int_t)effect->needed,
			 "baseline_ns", ct_json_number(effect->baseline_ns), "treatment_ns",
			 ct_json_number(effect->treatment_ns), "slowdown",
			 ct_json_interval(&effect->slowdown), "recovery",
			 ct_json_interval(&effect->recovery), "clear_of_one",
			 ct_effect_clear(effect) != 0);
}

static json_t *cell_json(const struct ct_results_tables *tables,
			 const struct ct_cell_coupling *coupling)
{
	const struct ct_cell_info *cell = &tables->cells[coupling->cell];
	json_t *effects = json_array();

	for (size_t k = 0; k < CT_COUPLING_QUANTILES; k++)
		json_array_append_new(effects,
				      effect_json(&coupling->effects[k], ct_coupling_q[k]));
	return json_pack("{s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:s, s:o, s:o}", "config",
			 cell->config, "victim", tables->victims[cell->victim].name, "aggressor",
			 tables->aggressors[cell->aggressor].name, "intensity", cell->intensity,
			 "blocks", (json_int_t)coupling->blocks, "used", (json_int_t)coupling->used,
			 "failed", (json_int_t)coupling->failed, "not_loaded",
			 (json_int_t)coupling->not_loaded, "load", ct_load_names[coupling->load],
			 "achieved_percent", ct_json_number(coupling->achieved_percent),
			 "quantiles", effects);
}

static json_t *workload_json(const struct ct_workload_info *info)
{
	json_t *params = json_loads(info->params, 0, NULL);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", info->name, "kind", info->kind,
			 "tenant", info->tenant, "unit", info->unit, "summary", info->summary,
			 "params", params ? params : json_object());
}

static json_t *phase_json(const struct ct_block_info *block, const struct ct_phase_info *phase,
			  const struct ct_hist *hist)
{
	json_t *values = json_object();

	for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
		json_object_set_new(
			values, quantiles[i].name,
			ct_json_number(ct_quantile_carried(hist->total, quantiles[i].q)
					       ? ct_hist_quantile(hist, quantiles[i].q) / 1e3
					       : NAN));
	return json_pack("{s:I, s:I, s:I, s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, "
			 "s:o, s:o, s:o, s:o}",
			 "cell", (json_int_t)phase->cell, "block", (json_int_t)phase->block,
			 "visit", (json_int_t)block->visit, "status",
			 ct_status_names[block->status], "message", block->message, "order",
			 (json_int_t)phase->order, "role", ct_role_names[phase->role], "load",
			 ct_load_names[phase->load], "start_ns", (json_int_t)phase->start_ns,
			 "end_ns", (json_int_t)phase->end_ns, "count", (json_int_t)phase->count,
			 "overflow", (json_int_t)phase->overflow, "asked_rate",
			 ct_json_number(phase->asked_rate), "achieved_rate",
			 ct_json_number(phase->achieved_rate), "min_ns",
			 ct_json_number(phase->min_ns), "mean_ns", ct_json_number(phase->mean_ns),
			 "max_ns", ct_json_number(phase->max_ns), "quantiles_ns", values);
}

/* Writes one value and frees it. */
static bool put(FILE *out, json_t *value, struct ct_error *err)
{
	bool ok = value &&
		  (json_dumpf(value, out,
			      JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12)) == 0 ||
		   ferror(out));

	json_decref(value);
	return ok || ct_broken(err, "memory for JSON");
}

static bool put_text(FILE *out, const char *key, const char *text, struct ct_error *err)
{
	fprintf(out, "\"%s\":", key);
	if (!put(out, json_string(text), err))
		return false;
	fputc(',', out);
	return true;
}

static bool put_workloads(FILE *out, const char *key, const struct ct_workload_info *rows, size_t n,
			  struct ct_error *err)
{
	fprintf(out, "\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		fputs(i ? ",\n" : "\n", out);
		if (!put(out, workload_json(&rows[i]), err))
			return false;
	}
	fputs("],\n", out);
	return true;
}

static bool put_head(FILE *out, const struct ct_results_tables *tables, struct ct_error *err)
{
	fputs("{\"schema\":\"cotenant.export/1\",", out);
	if (!put_text(out, "suite", tables->suite, err) ||
	    !put_text(out, "title", tables->title, err) ||
	    !put_text(out, "created", tables->created, err) ||
	    !put_text(out, "version", tables->version, err) ||
	    !put_text(out, "emulated", tables->emulated, err))
		return false;
	fprintf(out, "\"seed\":%llu,\"complete\":%s,\n", (unsigned long long)tables->seed,
		tables->complete ? "true" : "false");
	return put_workloads(out, "victims", tables->victims, tables->n_victims, err) &&
	       put_workloads(out, "aggressors", tables->aggressors, tables->n_aggressors, err);
}

static bool put_cells(FILE *out, struct ct_results *results, struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	struct ct_coupling coupling;
	bool ok = ct_coupling_make(&coupling, results, 0.95, err);

	if (!ok)
		return false;
	fputs("\"confidence\":0.95,\"cells\":[", out);
	for (size_t i = 0; ok && i < coupling.n_cells; i++) {
		fputs(i ? ",\n" : "\n", out);
		ok = put(out, cell_json(tables, &coupling.cells[i]), err);
	}
	fputs("],\n", out);
	ct_coupling_free(&coupling);
	return ok;
}

static bool put_phases(FILE *out, struct ct_results *results, const struct ct_selection *selection,
		       struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	const char *separator = "\n";
	struct ct_hist hist;
	bool ok = ct_hist_init(&hist, err);

	fputs("\"phases\":[", out);
	for (size_t i = 0; ok && i < tables->n_blocks; i++) {
		const struct ct_block_info *block = &tables->blocks[i];

		for (uint32_t k = 0; ok && k < block->n_phases; k++) {
			const struct ct_phase_info *phase = &tables->phases[block->first_phase + k];

			if (!ct_selected(tables, selection, phase))
				continue;
			ct_hist_clear(&hist);
			ok = ct_results_add_hist(results, block->first_phase + k, &hist, err);
			if (!ok)
				break;
			fputs(separator, out);
			separator = ",\n";
			ok = put(out, phase_json(block, phase, &hist), err);
		}
	}
	ct_hist_free(&hist);
	fputs("]}\n", out);
	return ok;
}

bool ct_export_json(struct ct_results *results, const struct ct_selection *selection, FILE *out,
		    struct ct_error *err)
{
	return put_head(out, ct_results_tables(results), err) && put_cells(out, results, err) &&
	       put_phases(out, results, selection, err);
}
