/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/block.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "harness/campaign/phase.h"
#include "harness/probe/statement.h"

/*
 * Ten periods of a CPU quota, which are 100 ms each unless somebody has changed them: whether one
 * burst more or less falls into the time is then a tenth of the rate.
 */
static const uint64_t quota_smoothing_ns = 500000000;

struct raw_sink {
	const struct ct_block_run *run;
	const struct ct_visit *visit;
	bool store_failed; /* tells a failing disk from a failing workload */
};

static bool keep_raw(void *context, uint32_t order, uint32_t epoch,
		     const struct ct_raw_sample *samples, size_t n, struct ct_error *err)
{
	struct raw_sink *sink = context;

	sink->store_failed = !ct_store_raw(sink->run->store, sink->visit->cell, sink->visit->block,
					   order, epoch, samples, n, err);
	return !sink->store_failed;
}

static int64_t unix_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* As the aggressor's tenant itself sees it, whoever set the quota. */
static bool under_quota(const struct ct_block_run *run, const struct ct_cell *cell,
			unsigned aggressor)
{
	const struct ct_config_ground *at = &run->ground->configs[cell->config];
	unsigned tenant = run->ground->job->aggressors[aggressor].tenant;
	double cpus;

	return ct_said_number(at->placements[tenant].probe, "cgroup", "cpu_limit", &cpus);
}

/* What each aggressor of the cell is asked for: in a design of blocks all the cell's intensity. */
static size_t plan_loads(const struct ct_block_run *run, const struct ct_cell *cell,
			 struct ct_phase_load loads[CT_MAX_PARTS])
{
	const struct ct_job *job = run->ground->job;
	unsigned parts[CT_MAX_PARTS];
	size_t n = ct_job_parts(job, cell->aggressor, parts);

	for (size_t i = 0; i < n; i++) {
		const struct ct_aggressor_entry *entry = &job->aggressors[parts[i]];

		loads[i] = (struct ct_phase_load){
			.aggressor = parts[i],
			.intensity = job->design == CT_DESIGN_LOCKIN ? entry->intensities[0]
								     : cell->intensity,
			.solo_rate =
				run->ground->configs[cell->config].aggressors[parts[i]].solo_rate,
			.blocks = entry->ops->blocks,
			.smoothing_ns = under_quota(run, cell, parts[i]) ? quota_smoothing_ns : 0,
		};
	}
	return n;
}

static struct ct_phase_plan plan_phase(const struct ct_block_run *run, const struct ct_visit *visit,
				       uint32_t order, struct raw_sink *sink)
{
	const struct ct_job *job = run->ground->job;
	const struct ct_cell *cell = &run->plan->cells[visit->cell];
	const enum ct_role role = visit->order[order];

	struct ct_phase_plan plan = {
		.role = role,
		.order = order,
		/* Recovery begins at once: what lingers is what it looks for. */
		.warmup_ns = role == CT_ROLE_RECOVERY ? 0 : job->warmup_ns,
		.measure_ns = role == CT_ROLE_RECOVERY ? job->recovery_ns : job->measure_ns,
		.epoch_ns = job->epoch_ns,
		.raw = keep_raw,
		.context = sink,
	};

	plan.n_loads = plan_loads(run, cell, plan.loads);
	return plan;
}

static bool run_phases(const struct ct_block_run *run, const struct ct_visit *visit,
		       struct ct_crew *crew, struct ct_block_record *record, struct raw_sink *sink,
		       struct ct_error *err)
{
	for (uint32_t order = 0; order < visit->n_phases; order++) {
		struct ct_phase_plan plan = plan_phase(run, visit, order, sink);

		record->n_phases = order + 1;
		ct_progress_phase(run->progress, plan.role, order,
				  plan.warmup_ns + plan.measure_ns);
		if (!ct_phase_run(crew, &plan, &record->phases[order], err))
			return false;
		ct_progress_phase_done(run->progress, &record->phases[order]);
	}
	return true;
}

/* The reason why a cell can't run at all under its config; NULL: it can. */
static const char *unfit(const struct ct_block_run *run, const struct ct_cell *cell)
{
	const struct ct_config_ground *at = &run->ground->configs[cell->config];

	unsigned parts[CT_MAX_PARTS];
	size_t n = ct_job_parts(run->ground->job, cell->aggressor, parts);

	if (at->victims[cell->victim].why_not)
		return at->victims[cell->victim].why_not;
	for (size_t i = 0; i < n; i++) {
		if (at->aggressors[parts[i]].why_not)
			return at->aggressors[parts[i]].why_not;
	}
	return NULL;
}

static size_t count_loaded(const struct ct_phase_record *phase)
{
	size_t n = 0;

	for (size_t i = 0; i < phase->n_epochs; i++)
		n += phase->epochs[i].counted;
	return n;
}

static void judge_load(const struct ct_block_run *run, struct ct_block_record *record)
{
	const struct ct_cell *cell = &run->plan->cells[record->cell];

	for (size_t i = 0; i < record->n_phases; i++) {
		const struct ct_phase_record *phase = &record->phases[i];

		if (phase->load != CT_LOAD_ABSENT)
			continue;
		record->status = CT_BLOCK_NOT_LOADED;
		snprintf(record->message, sizeof record->message,
			 "aggressor '%s' did not load: it was there in %zu of %zu epochs",
			 run->ground->job->aggressors[cell->aggressor].name, count_loaded(phase),
			 phase->n_epochs);
		return;
	}
}

static void note_failure(struct ct_block_record *record, const char *text)
{
	record->status = CT_BLOCK_FAILED;
	snprintf(record->message, sizeof record->message, "%.500s", text);
}

static bool run_crew(const struct ct_block_run *run, const struct ct_visit *visit,
		     struct ct_block_record *record, struct raw_sink *sink, struct ct_error *err)
{
	const struct ct_job *job = run->ground->job;
	const struct ct_cell *cell = &run->plan->cells[visit->cell];
	const struct ct_config_ground *at = &run->ground->configs[cell->config];
	const struct ct_tenant *tenants = job->configs[cell->config].tenants;
	struct ct_crew_setup setup = {
		.victim = ct_actor_of_victim(&job->victims[cell->victim], tenants, at->placements),
		.avoid_cpus = at->victim_cpus,
		.noise_cpus = at->noise_cpus,
		.token = run->ground->token,
		.seed = visit->seed,
	};
	unsigned parts[CT_MAX_PARTS];
	struct ct_crew crew;
	bool good;

	setup.n_aggressors = ct_job_parts(job, cell->aggressor, parts);
	for (size_t i = 0; i < setup.n_aggressors; i++)
		setup.aggressors[i] =
			ct_actor_of_aggressor(&job->aggressors[parts[i]], tenants, at->placements);
	if (!ct_crew_open(&crew, run->links, &setup, err))
		return false;
	good = run_phases(run, visit, &crew, record, sink, err);
	ct_crew_close(&crew);
	return good;
}

bool ct_block_run(const struct ct_block_run *run, struct ct_block_record *record,
		  struct ct_error *err)
{
	const struct ct_visit *visit = &run->plan->visits[run->visit];
	const struct ct_cell *cell = &run->plan->cells[visit->cell];
	struct raw_sink sink = {.run = run, .visit = visit};
	const char *why_not = unfit(run, cell);

	*record = (struct ct_block_record){
		.cell = visit->cell,
		.block = visit->block,
		.visit = run->place,
		.seed = visit->seed,
		.started_unix_ns = unix_ns(),
		.solo_rate =
			run->ground->configs[cell->config].aggressors[cell->aggressor].solo_rate,
	};
	if (why_not) {
		note_failure(record, why_not);
		return true;
	}
	if (run_crew(run, visit, record, &sink, err)) {
		judge_load(run, record);
		return true;
	}
	if (err->kind == CT_ERR_INTERRUPTED || (sink.store_failed && ct_store_is_full(run->store)))
		return false;
	note_failure(record, err->text);
	*err = (struct ct_error){0};
	return true;
}
