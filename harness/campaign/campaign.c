/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/campaign.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/campaign/adaptive.h"
#include "harness/campaign/block.h"
#include "harness/campaign/ground.h"
#include "harness/campaign/header.h"
#include "harness/campaign/selfcheck.h"
#include "harness/store/store.h"
#include "harness/tenant/link.h"

struct campaign {
	const struct ct_campaign_request *request;
	struct ct_links links;
	struct ct_ground ground;
	struct ct_progress progress;
	struct ct_store *store;
	struct ct_adaptive adaptive;          /* with --until */
	size_t n_failed, n_not_loaded, n_run; /* blocks; run: now or before an interruption */
	char first_failure[512];
};

static void show_step(void *context, const char *text)
{
	ct_progress_step(context, text);
}

static void warn(struct campaign *campaign, const char *text)
{
	struct ct_error ignored; /* the next block would fail with the same reason, and be told */

	ct_progress_say(&campaign->progress, "warning", text);
	if (campaign->store)
		ct_store_log(campaign->store, "warning", text, &ignored);
}

/* The instrument's own verdict on itself: kept in the file, told to the user, never hidden. */
static void judge_selfcheck(struct campaign *campaign, const json_t *check)
{
	const json_t *planted = json_object_get(check, "planted");
	double error = json_real_value(json_object_get(planted, "error"));
	char text[256];

	if (fabs(error) <= CT_PLANTED_TOLERANCE)
		return;
	snprintf(text, sizeof text,
		 "self-check: a planted delay of 50 us was measured %.2f %% off (at most 1 %% "
		 "expected): the clock or the victim's CPU is disturbed",
		 error * 100);
	warn(campaign, text);
}

static bool open_store(struct campaign *campaign, struct ct_error *err)
{
	const struct ct_campaign_request *request = campaign->request;
	json_t *check, *header;
	bool good;

	ct_progress_step(&campaign->progress, "checking the instrument itself");
	if (!ct_ground_step_aside(&campaign->ground, &campaign->links,
				  ct_job_first_config(request->job), err))
		return false;
	check = ct_selfcheck(&campaign->links, &campaign->ground, err);
	if (!check)
		return false;
	header = ct_campaign_header(request, &campaign->ground, check);
	if (!header)
		return ct_broken(err, "memory for the campaign's header");
	good = request->resume ? ct_store_resume(&campaign->store, request->output, header, err)
			       : ct_store_create(&campaign->store, request->output, header, err);
	if (good && ct_store_damage(campaign->store)[0])
		warn(campaign, ct_store_damage(campaign->store));
	if (good)
		judge_selfcheck(campaign, json_object_get(header, "calibration"));
	json_decref(header);
	return good;
}

static struct ct_live_block describe_block(const struct campaign *campaign, uint32_t visit)
{
	const struct ct_job *job = campaign->request->job;
	const struct ct_plan *plan = campaign->request->plan;
	const struct ct_visit *at = &plan->visits[visit];
	const struct ct_cell *cell = &plan->cells[at->cell];

	return (struct ct_live_block){
		.cell = at->cell,
		.config = job->configs[cell->config].name,
		.victim = job->victims[cell->victim].name,
		.aggressor = job->aggressors[cell->aggressor].name,
		.unit = job->aggressors[cell->aggressor].ops->unit,
		.intensity = cell->intensity,
		.block = at->block + 1,
		.blocks = plan->replicates,
	};
}

static void tally(struct campaign *campaign, const struct ct_block_record *record)
{
	if (record->status == CT_BLOCK_FAILED) {
		if (campaign->n_failed++ == 0)
			snprintf(campaign->first_failure, sizeof campaign->first_failure, "%s",
				 record->message);
	} else if (record->status == CT_BLOCK_NOT_LOADED) {
		campaign->n_not_loaded++;
	}
}

/*
 * A block that the disk did not take is offered once more, as a failed one with the reason: an
 * error that passes costs that block. On a full disk the campaign ends instead, for --resume.
 */
static bool keep_block(struct campaign *campaign, struct ct_block_record *record,
		       struct ct_error *err)
{
	struct ct_error again = {0};

	if (ct_store_block(campaign->store, record, err))
		return true;
	if (ct_store_is_full(campaign->store))
		return false;
	record->status = CT_BLOCK_FAILED;
	snprintf(record->message, sizeof record->message, "%.500s", err->text);
	return ct_store_block(campaign->store, record, &again);
}

static bool is_adaptive(const struct campaign *campaign)
{
	return campaign->request->plan->until.text[0] != '\0';
}

static bool run_visit(struct campaign *campaign, uint32_t visit, struct ct_error *err)
{
	const struct ct_plan *plan = campaign->request->plan;
	const struct ct_cell *cell = &plan->cells[plan->visits[visit].cell];
	const struct ct_block_run run = {
		.ground = &campaign->ground,
		.plan = plan,
		.links = &campaign->links,
		.store = campaign->store,
		.progress = &campaign->progress,
		.visit = visit,
		.place = is_adaptive(campaign) ? (uint32_t)campaign->n_run : visit,
	};
	struct ct_block_record record = {0};
	bool good;

	good = ct_ground_step_aside(&campaign->ground, &campaign->links, cell->config, err) &&
	       ct_block_run(&run, &record, err) && keep_block(campaign, &record, err);
	good = good &&
	       (!is_adaptive(campaign) || ct_adaptive_take(&campaign->adaptive, &record, err));
	if (good) {
		campaign->n_run++;
		tally(campaign, &record);
		ct_progress_block_done(&campaign->progress,
				       record.status == CT_BLOCK_OK ? NULL : record.message, false);
	}
	ct_block_record_free(&record);
	return good;
}

/* Its config belongs to another machine's part of the plan. */
static bool is_left_out(const struct campaign *campaign, const struct ct_visit *visit)
{
	const struct ct_plan *plan = campaign->request->plan;

	return campaign->request->job->configs[plan->cells[visit->cell].config].left_out;
}

static size_t count_here(const struct campaign *campaign)
{
	const struct ct_plan *plan = campaign->request->plan;
	size_t n = 0;

	for (size_t i = 0; i < plan->n_visits; i++)
		n += !is_left_out(campaign, &plan->visits[i]);
	return n;
}

static bool run_visits(struct campaign *campaign, struct ct_error *err)
{
	const struct ct_plan *plan = campaign->request->plan;
	const size_t n = plan->n_visits, here = count_here(campaign);

	ct_progress_begin(&campaign->progress, here, plan->n_cells * here / n,
			  plan->duration_ns * here / n);
	for (uint32_t visit = 0; visit < n; visit++) {
		const struct ct_visit *at = &plan->visits[visit];
		const struct ct_live_block block = describe_block(campaign, visit);

		if (is_left_out(campaign, at))
			continue;

		ct_progress_block(&campaign->progress, &block);
		if (ct_store_has(campaign->store, at->cell, at->block)) {
			ct_progress_block_done(&campaign->progress, NULL, true);
			continue;
		}
		if (ct_links_interrupted(&campaign->links))
			return ct_fail(err, CT_ERR_INTERRUPTED, "interrupted");
		if (!run_visit(campaign, visit, err))
			return false;
	}
	return true;
}

static bool take_earlier(void *context, const struct ct_block_record *record, struct ct_error *err)
{
	struct campaign *campaign = context;

	campaign->n_run++;
	return ct_adaptive_take(&campaign->adaptive, record, err);
}

static bool open_adaptive(struct campaign *campaign, struct ct_error *err)
{
	const struct ct_plan *plan = campaign->request->plan;
	bool *left_out = calloc(plan->n_cells, sizeof *left_out);
	bool good = left_out || ct_broken_errno(err, "memory for %zu cells", plan->n_cells);

	for (size_t c = 0; good && c < plan->n_cells; c++)
		left_out[c] = campaign->request->job->configs[plan->cells[c].config].left_out;
	good = good && ct_adaptive_init(&campaign->adaptive, plan, left_out, err) &&
	       ct_store_each_block(campaign->store, take_earlier, campaign, err);
	free(left_out);
	return good;
}

/* Visit by visit, each chosen by what all before it have found. */
static bool run_until_decided(struct campaign *campaign, struct ct_error *err)
{
	const struct ct_plan *plan = campaign->request->plan;
	struct ct_error ignored; /* the file stands without this line */
	uint32_t visit;
	char text[256];

	if (!open_adaptive(campaign, err))
		return false;
	ct_progress_begin(&campaign->progress, campaign->adaptive.sequential.budget, plan->n_cells,
			  plan->duration_ns);
	while (ct_adaptive_next(&campaign->adaptive, &visit)) {
		const struct ct_live_block block = describe_block(campaign, visit);

		if (ct_links_interrupted(&campaign->links))
			return ct_fail(err, CT_ERR_INTERRUPTED, "interrupted");
		ct_progress_block(&campaign->progress, &block);
		if (!run_visit(campaign, visit, err))
			return false;
	}
	ct_adaptive_text(&campaign->adaptive, text, sizeof text);
	ct_progress_say(&campaign->progress, "info", text);
	ct_store_log(campaign->store, "info", text, &ignored);
	return true;
}

/* Blocks that failed are in the file with their reasons; the exit status must tell all the same. */
static bool conclude(const struct campaign *campaign, struct ct_error *err)
{
	const size_t total = is_adaptive(campaign) ? campaign->n_run : count_here(campaign);

	if (campaign->n_failed > 0)
		return ct_broken(err,
				 "%zu of %zu blocks failed (the first: %s); the others are in %s",
				 campaign->n_failed, total, campaign->first_failure,
				 campaign->request->output);
	if (campaign->n_not_loaded == total && total > 0)
		return ct_broken(err,
				 "no aggressor reached the asked load in any block: nothing can be "
				 "said about interference");
	return true;
}

static bool finish(struct campaign *campaign, bool complete, const struct ct_error *cause,
		   struct ct_error *err)
{
	struct ct_store *store = campaign->store;
	const char *output = campaign->request->output;
	struct ct_error saving = {0};

	campaign->store = NULL;
	if (!ct_store_finish(store, complete, &saving)) {
		*err = saving;
		return false;
	}
	if (complete)
		return conclude(campaign, err);
	return ct_fail(err, cause->kind,
		       "%s; what was measured is in %s, and 'cotenant run ... -o %s --resume' goes "
		       "on from there",
		       cause->text, output, output);
}

static bool run_campaign(struct campaign *campaign, struct ct_error *err)
{
	struct ct_error cause = {0};
	bool complete;

	if (!ct_ground_prepare(&campaign->ground, &campaign->links, campaign->request->job,
			       show_step, &campaign->progress, err) ||
	    !open_store(campaign, err))
		return false;
	complete = is_adaptive(campaign) ? run_until_decided(campaign, &cause)
					 : run_visits(campaign, &cause);
	ct_progress_end(&campaign->progress);
	return finish(campaign, complete, &cause, err);
}

bool ct_campaign_run(const struct ct_campaign_request *request, struct ct_error *err)
{
	struct campaign campaign = {.request = request, .links = {.signal_fd = -1}};
	bool good;

	ct_progress_init(&campaign.progress, request->progress);
	good = ct_store_check(request->output, request->resume, err) &&
	       ct_links_init(&campaign.links, err);
	if (good)
		good = run_campaign(&campaign, err);
	ct_progress_end(&campaign.progress);
	ct_adaptive_free(&campaign.adaptive);
	ct_ground_free(&campaign.ground);
	ct_links_free(&campaign.links);
	return good;
}
