/* SPDX-License-Identifier: Apache-2.0 */
/* Running a planned campaign from beginning to end: ground, self-check, blocks, result file. */
#ifndef COTENANT_CAMPAIGN_CAMPAIGN_H
#define COTENANT_CAMPAIGN_CAMPAIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/campaign/job.h"
#include "harness/campaign/plan.h"
#include "harness/campaign/progress.h"
#include "harness/core/error.h"

struct ct_campaign_request {
	const struct ct_job *job;
	const struct ct_plan *plan;
	const char *output;
	const char *command_line;
	bool resume;
	enum ct_progress_style progress;
};

/*
 * True: every block is good. False with the result saved all the same: interrupted (130), or some
 * blocks failed (4); the message says how many. False before anything was measured: usage or
 * environment, and no file is left.
 */
bool ct_campaign_run(const struct ct_campaign_request *request, struct ct_error *err);

#endif
