/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/header.h"

#include <time.h>

#include "harness/core/version.h"
#include "harness/store/emulated.h"

static json_t *tenants_json(const struct ct_tenant *tenants, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct ct_tenant *t = &tenants[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o}",
					"name", t->name, "cpus", t->cpus, "memory", t->memory,
					"via", t->via, "address", t->address, "nic", t->nic, "gpu",
					t->gpu, "program", t->program, "shared", t->shared,
					"limits", ct_params_values(ct_limit_params, &t->limits)));
	}
	return list;
}

static json_t *configs_json(const struct ct_job *job)
{
	json_t *list = json_array();

	for (size_t i = 0; i < job->n_configs; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o}", "name", job->configs[i].name, "expect",
					job->configs[i].expect, "tenants",
					tenants_json(job->configs[i].tenants, job->n_tenants)));
	return list;
}

/* What a victim told when it was tried: from the first config under which it runs. */
static json_t *ready_of(const struct ct_ground *ground, size_t victim)
{
	for (size_t c = 0; c < ground->job->n_configs; c++) {
		if (!ground->job->configs[c].left_out && ground->configs[c].victims[victim].ready)
			return ground->configs[c].victims[victim].ready;
	}
	return NULL;
}

static json_t *merged_params(const struct ct_param *own, const void *options,
			     const struct ct_param *common, const void *common_options)
{
	json_t *all = ct_params_values(own, options);
	json_t *more = ct_params_values(common, common_options);

	if (all && more)
		json_object_update(all, more);
	json_decref(more);
	return all;
}

static json_t *victims_json(const struct ct_ground *ground)
{
	const struct ct_job *job = ground->job;
	json_t *list = json_array();

	for (size_t i = 0; i < job->n_victims; i++) {
		const struct ct_victim_entry *v = &job->victims[i];
		json_t *ready = ready_of(ground, i);
		json_int_t operations =
			json_integer_value(json_object_get(ready, "operations_per_sample"));
		json_int_t bytes =
			json_integer_value(json_object_get(ready, "bytes_per_operation"));

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o}", "name",
					v->name, "kind", v->ops->name, "tenant",
					job->tenants[v->tenant].name, "unit", v->ops->unit,
					"summary", v->ops->summary, "sample", v->ops->sample,
					"operations_per_sample", operations ? operations : 1,
					"bytes_per_operation", bytes, "params",
					merged_params(v->ops->params, v->options,
						      ct_victim_common_params, &v->common)));
	}
	return list;
}

/* {"of": [names], "intensity": [percent of each]}: the second where the cell does not say it. */
static json_t *mix_params(const struct ct_job *job, const struct ct_aggressor_entry *mix)
{
	json_t *of = json_array(), *intensity = json_array();

	for (unsigned i = 0; i < mix->n_parts; i++) {
		const struct ct_aggressor_entry *part = &job->aggressors[mix->parts[i]];

		json_array_append_new(of, json_string(part->name));
		json_array_append_new(intensity, json_real(part->intensities[0]));
	}
	if (job->design == CT_DESIGN_LOCKIN)
		return json_pack("{s:o, s:o}", "of", of, "intensity", intensity);
	json_decref(intensity);
	return json_pack("{s:o}", "of", of);
}

static json_t *aggressors_json(const struct ct_job *job)
{
	json_t *list = json_array();

	for (size_t i = 0; i < job->n_aggressors; i++) {
		const struct ct_aggressor_entry *a = &job->aggressors[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", a->name, "kind",
					a->ops->name, "tenant", job->tenants[a->tenant].name,
					"unit", a->ops->unit, "summary", a->ops->summary, "params",
					a->n_parts > 0 ? mix_params(job, a)
						       : merged_params(a->ops->params, a->options,
								       ct_aggressor_common_params,
								       &a->common)));
	}
	return list;
}

static json_t *cells_json(const struct ct_job *job, const struct ct_plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->n_cells; i++) {
		const struct ct_cell *cell = &plan->cells[i];

		json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:f}", "config",
						      job->configs[cell->config].name, "victim",
						      (int)cell->victim, "aggressor",
						      (int)cell->aggressor, "intensity",
						      cell->intensity));
	}
	return list;
}

static json_t *visits_json(const struct ct_plan *plan)
{
	json_t *list = json_array();
	char order[CT_PHASES_PER_BLOCK + 1];

	for (size_t i = 0; i < plan->n_visits; i++) {
		const struct ct_visit *visit = &plan->visits[i];

		json_array_append_new(list,
				      json_pack("[i, i, s]", (int)visit->cell, (int)visit->block,
						ct_visit_text(visit, order)));
	}
	return list;
}

static json_t *plan_json(const struct ct_campaign_request *request, const struct ct_ground *ground)
{
	const struct ct_job *job = request->job;
	const struct ct_plan *plan = request->plan;

	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:s*}",
			 "design", job->design == CT_DESIGN_LOCKIN ? "lockin" : "blocks", "seed",
			 (json_int_t)plan->seed, "replicates", (json_int_t)plan->replicates,
			 "warmup_ns", (json_int_t)job->warmup_ns, "measure_ns",
			 (json_int_t)job->measure_ns, "recovery_ns", (json_int_t)job->recovery_ns,
			 "epoch_ns", (json_int_t)job->epoch_ns, "configs", configs_json(job),
			 "tenants", tenants_json(job->tenants, job->n_tenants), "victims",
			 victims_json(ground), "aggressors", aggressors_json(job), "cells",
			 cells_json(job, plan), "visits", visits_json(plan), "until",
			 plan->until.text[0] ? plan->until.text : NULL);
}

/* {"config": {"tenant": {"cpus", "nodes", ...}}}: where everything really was. */
static json_t *placement_json(const struct ct_ground *ground)
{
	const struct ct_job *job = ground->job;
	json_t *all = json_object();

	for (size_t c = 0; c < job->n_configs; c++) {
		json_t *config;

		if (job->configs[c].left_out)
			continue;
		config = json_object();
		for (size_t t = 0; t < job->n_tenants; t++) {
			const struct ct_placement *at = &ground->configs[c].placements[t];

			json_object_set_new(config, job->tenants[t].name,
					    ct_placement_json(at, &job->configs[c].tenants[t]));
		}
		json_object_set_new(all, job->configs[c].name, config);
	}
	return all;
}

/* The configs that were run; those of the plan that are missing belong to another file. */
static json_t *configs_run(const struct ct_job *job)
{
	json_t *list = json_array();

	for (size_t c = 0; c < job->n_configs; c++) {
		if (!job->configs[c].left_out)
			json_array_append_new(list, json_string(job->configs[c].name));
	}
	return list;
}

static const char *now_text(char out[32])
{
	time_t now = time(NULL);
	struct tm utc;

	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	return out;
}

json_t *ct_campaign_header(const struct ct_campaign_request *request,
			   const struct ct_ground *ground, json_t *selfcheck)
{
	const struct ct_job *job = request->job;
	json_t *placement = placement_json(ground);
	char build_id[CT_BUILD_ID_TEXT], created[32], emulated[CT_EMULATED_TEXT];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s}, s:o, s:O, s:s, "
			 "s:o, s:s, s:o, s:o}",
			 "schema", "cotenant.results/1", "suite", job->name, "title",
			 job->description, "created", now_text(created), "version", ct_version,
			 "build_id", ct_build_id(build_id), "command_line", request->command_line,
			 "job", "path", job->path, "text", job->text, "overrides", job->overrides,
			 "plan", plan_json(request, ground), "provenance", ground->probe,
			 "hwloc_xml", ground->hwloc_xml ? ground->hwloc_xml : "", "calibration",
			 selfcheck, "emulated", ct_emulated(ground->probe, placement, emulated),
			 "placement", placement, "configs_run", configs_run(job));
}
