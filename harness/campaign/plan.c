/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/plan.h"

#include <stdlib.h>
#include <string.h>

#include "harness/core/rng.h"
#include "harness/core/units.h"

/*
 * What a block costs besides its phases: starting its workers, setting them up and loading twice.
 * For the estimate only; measured on a 2-core virtual machine.
 */
static const uint64_t block_overhead_ns = 350000000;
static const uint64_t calibration_ns = 700000000; /* one aggressor under one config */
static const uint64_t selfcheck_ns = 2000000000;

/* What a campaign's memory and a person's patience carry; replicates as [suite] limits them. */
enum { MAX_BLOCKS = 500000, MAX_REPLICATES = 10000, MAX_DAYS = 366 };

/* Streams of random numbers: which decision may not depend on how many another one drew. */
enum { STREAM_FLIPS = 1, STREAM_ORDER = 2, STREAM_SEEDS = 3 };

/* The recovery follows the last treatment at once. */
static const enum ct_role baseline_first[CT_PHASES_PER_BLOCK] = {
	CT_ROLE_BASELINE, CT_ROLE_TREATMENT, CT_ROLE_TREATMENT, CT_ROLE_RECOVERY, CT_ROLE_BASELINE};
static const enum ct_role treatment_first[CT_PHASES_PER_BLOCK] = {
	CT_ROLE_TREATMENT, CT_ROLE_BASELINE, CT_ROLE_BASELINE, CT_ROLE_TREATMENT, CT_ROLE_RECOVERY};
static const enum ct_role modulated[CT_PHASES_PER_BLOCK] = {CT_ROLE_MODULATED};

static uint64_t block_ns(const struct ct_job *job)
{
	if (job->design == CT_DESIGN_LOCKIN)
		return job->warmup_ns + job->measure_ns + block_overhead_ns;
	return 4 * (job->warmup_ns + job->measure_ns) + job->recovery_ns + block_overhead_ns;
}

static uint64_t preparation_ns(const struct ct_job *job)
{
	return selfcheck_ns + job->n_configs * job->n_aggressors * calibration_ns;
}

/* By lock-in all aggressors are measured at once: the last of the job, their mix. */
static uint32_t first_aggressor(const struct ct_job *job)
{
	return job->design == CT_DESIGN_LOCKIN ? (uint32_t)job->n_aggressors - 1 : 0;
}

static size_t count_cells(const struct ct_job *job)
{
	size_t doses = 0;

	for (size_t a = first_aggressor(job); a < job->n_aggressors; a++)
		doses += job->aggressors[a].n_intensities;
	return job->n_configs * job->n_victims * doses;
}

static void list_cells(const struct ct_job *job, struct ct_cell *cells)
{
	for (uint32_t c = 0; c < job->n_configs; c++) {
		for (uint32_t v = 0; v < job->n_victims; v++) {
			for (uint32_t a = first_aggressor(job); a < job->n_aggressors; a++) {
				const struct ct_aggressor_entry *aggressor = &job->aggressors[a];

				for (unsigned i = 0; i < aggressor->n_intensities; i++)
					*cells++ = (struct ct_cell){c, v, a,
								    aggressor->intensities[i]};
			}
		}
	}
}

static bool check_extent(const struct ct_job *job, size_t n_cells, uint64_t replicates,
			 struct ct_error *err)
{
	const double days = (double)n_cells * (double)replicates * (double)block_ns(job) / 86400e9;

	if (n_cells > MAX_BLOCKS / replicates)
		return ct_usage(err,
				"%s: %zu cells in %llu replicates are more than %d blocks: lower "
				"replicates or leave cells out",
				job->path, n_cells, (unsigned long long)replicates, MAX_BLOCKS);
	if (days > MAX_DAYS)
		return ct_usage(err,
				"%s: this would take %.0f days (at most %d): lower replicates or "
				"measure, or leave cells out",
				job->path, days, MAX_DAYS);
	return true;
}

static bool choose_replicates(const struct ct_job *job, size_t n_cells, uint64_t budget_ns,
			      uint64_t *replicates, struct ct_error *err)
{
	const uint64_t fixed = preparation_ns(job), each = n_cells * block_ns(job);
	char least[CT_UNIT_TEXT], asked[CT_UNIT_TEXT];

	/* Two replicates are the least there is; within the extent no product here overflows. */
	if (!check_extent(job, n_cells, 2, err))
		return false;
	*replicates = job->replicates;
	if (budget_ns == 0)
		return true;
	*replicates = budget_ns > fixed ? (budget_ns - fixed) / each : 0;
	if (*replicates > MAX_REPLICATES)
		*replicates = MAX_REPLICATES;
	if (*replicates > MAX_BLOCKS / n_cells)
		*replicates = MAX_BLOCKS / n_cells;
	if (*replicates >= 2)
		return true;
	return ct_usage(
		err,
		"a budget of %s is too short: 2 replicates of %zu cells take %s; raise it or "
		"leave cells out",
		ct_format_ns((double)budget_ns, asked), n_cells,
		ct_format_ns((double)(fixed + 2 * each), least));
}

/* For each cell, which of its blocks begin with the baseline: exactly half, at random. */
static void draw_flips(struct ct_plan *plan, size_t replicates, uint32_t *order, bool *flips)
{
	struct ct_rng rng;

	ct_rng_stream(&rng, plan->seed, STREAM_FLIPS);
	for (size_t cell = 0; cell < plan->n_cells; cell++) {
		/* Of an odd number of blocks the middle one is decided by a coin. */
		size_t half = replicates / 2 + (replicates % 2 ? (size_t)ct_rng_below(&rng, 2) : 0);

		for (uint32_t r = 0; r < replicates; r++)
			order[r] = r;
		ct_rng_shuffle_u32(&rng, order, replicates);
		for (size_t r = 0; r < replicates; r++)
			flips[cell * replicates + order[r]] = r >= half;
	}
}

static void set_phases(struct ct_visit *visit, enum ct_design design, bool flip)
{
	const enum ct_role *order = flip ? treatment_first : baseline_first;

	visit->n_phases = CT_PHASES_PER_BLOCK;
	if (design == CT_DESIGN_LOCKIN) {
		order = modulated;
		visit->n_phases = 1;
	}
	memcpy(visit->order, order, sizeof visit->order);
}

static void draw_visits(struct ct_plan *plan, enum ct_design design, size_t replicates,
			uint32_t *order, const bool *flips)
{
	struct ct_rng ordering, seeds;
	struct ct_visit *visit = plan->visits;

	ct_rng_stream(&ordering, plan->seed, STREAM_ORDER);
	ct_rng_stream(&seeds, plan->seed, STREAM_SEEDS);
	for (uint32_t r = 0; r < replicates; r++) {
		for (uint32_t cell = 0; cell < plan->n_cells; cell++)
			order[cell] = cell;
		ct_rng_shuffle_u32(&ordering, order, plan->n_cells);
		for (size_t i = 0; i < plan->n_cells; i++, visit++) {
			bool flip = flips[order[i] * replicates + r];

			*visit = (struct ct_visit){
				.cell = order[i], .block = r, .seed = ct_rng_next(&seeds)};
			set_phases(visit, design, flip);
		}
	}
}

bool ct_until_parse(struct ct_until *until, const char *text, struct ct_error *err)
{
	static const struct {
		const char *name;
		double q;
	} quantiles[] = {{"p50", 0.5},  {"p90", 0.9},     {"p95", 0.95},
			 {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};
	const char *colon = strchr(text, ':');
	double percent;

	*until = (struct ct_until){.q = 0};
	if (!colon || strlen(text) >= sizeof until->text)
		return ct_usage(err, "'%s' is not QUANTILE:MARGIN, such as p99:2%%", text);
	for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
		if (strlen(quantiles[i].name) == (size_t)(colon - text) &&
		    strncmp(quantiles[i].name, text, (size_t)(colon - text)) == 0)
			until->q = quantiles[i].q;
	}
	if (until->q == 0)
		return ct_usage(err, "'%s': a quantile is one of p50, p90, p95, p99, p99.9, p99.99",
				text);
	if (!ct_parse_percent(colon + 1, &percent, err))
		return false;
	if (!(percent >= 0.01 && percent <= 1000))
		return ct_usage(err, "'%s': a margin is 0.01%% to 1000%%", text);
	until->margin = percent / 100;
	strcpy(until->text, text);
	return true;
}

static bool make(struct ct_plan *plan, const struct ct_job *job, size_t reach, uint64_t seed,
		 uint64_t budget_ns, struct ct_error *err)
{
	const size_t n_cells = count_cells(job);
	uint32_t *order = NULL;
	bool *flips = NULL;
	uint64_t replicates;

	*plan = (struct ct_plan){.seed = seed, .n_cells = n_cells};
	if (!choose_replicates(job, n_cells, budget_ns, &replicates, err) ||
	    !check_extent(job, n_cells, replicates, err))
		return false;
	plan->replicates = replicates;
	plan->duration_ns = preparation_ns(job) + n_cells * replicates * block_ns(job);
	if (replicates * reach > MAX_BLOCKS / n_cells)
		reach = 1;
	replicates *= reach;
	plan->n_visits = n_cells * replicates;
	plan->cells = calloc(n_cells + 1, sizeof *plan->cells);
	plan->visits = calloc(plan->n_visits + 1, sizeof *plan->visits);
	order = calloc(n_cells + replicates + 1, sizeof *order);
	flips = calloc(plan->n_visits + 1, sizeof *flips);
	if (!plan->cells || !plan->visits || !order || !flips) {
		ct_broken_errno(err, "memory for a plan of %zu blocks", plan->n_visits);
		ct_plan_free(plan);
		free(order);
		free(flips);
		return false;
	}
	list_cells(job, plan->cells);
	draw_flips(plan, replicates, order, flips);
	draw_visits(plan, job->design, replicates, order, flips);
	free(order);
	free(flips);
	return true;
}

bool ct_plan_make(struct ct_plan *plan, const struct ct_job *job, uint64_t seed, uint64_t budget_ns,
		  struct ct_error *err)
{
	return make(plan, job, 1, seed, budget_ns, err);
}

bool ct_plan_make_until(struct ct_plan *plan, const struct ct_job *job,
			const struct ct_until *until, uint64_t seed, uint64_t budget_ns,
			struct ct_error *err)
{
	if (job->design != CT_DESIGN_BLOCKS)
		return ct_usage(err, "%s: --until stops campaigns of blocks, not design = lockin",
				job->path);
	if (!make(plan, job, CT_UNTIL_REACH, seed, budget_ns, err))
		return false;
	plan->until = *until;
	return true;
}

void ct_plan_free(struct ct_plan *plan)
{
	free(plan->cells);
	free(plan->visits);
	*plan = (struct ct_plan){0};
}

const char *ct_visit_text(const struct ct_visit *visit, char out[CT_PHASES_PER_BLOCK + 1])
{
	static const char letters[] = {[CT_ROLE_BASELINE] = 'A',
				       [CT_ROLE_TREATMENT] = 'B',
				       [CT_ROLE_RECOVERY] = 'R',
				       [CT_ROLE_MODULATED] = 'M'};

	for (uint32_t i = 0; i < visit->n_phases; i++)
		out[i] = letters[visit->order[i]];
	out[visit->n_phases] = '\0';
	return out;
}
