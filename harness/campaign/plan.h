/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule: randomised complete blocks. Each replicate visits every cell once, in an order of
 * its own; within the visit (a block) baseline and treatment alternate as ABBA or BAAB, so that a
 * linear drift of the machine cancels, and a recovery phase follows the last treatment. Exactly
 * half of a cell's blocks (rounded) begin with the baseline. A campaign by lock-in has one cell for
 * each config and victim, and blocks of one phase. Everything follows from the seed.
 */
#ifndef COTENANT_CAMPAIGN_PLAN_H
#define COTENANT_CAMPAIGN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/campaign/job.h"
#include "harness/core/error.h"
#include "harness/core/measurement.h"

struct ct_cell {
	uint32_t config, victim, aggressor; /* indexes into the job */
	double intensity;                   /* percent */
};

struct ct_visit { /* one block of one cell, in the order in which it will be run */
	uint32_t cell;
	uint32_t block; /* replicate number, 0-based */
	enum ct_role order[CT_PHASES_PER_BLOCK];
	uint32_t n_phases; /* of `order`: all of them, or one that is modulated */
	uint64_t seed;     /* for the workers of this block */
};

/* What a campaign is to decide before it stops; `text` empty: it runs its replicates. */
struct ct_until {
	char text[32]; /* "p99:2%", as given */
	double q;      /* 0.99 */
	double margin; /* 0.02: whether the slowdown is above 1.02 */
};

struct ct_plan {
	uint64_t seed;
	struct ct_cell *cells;
	size_t n_cells;
	struct ct_visit *visits;
	size_t n_visits;
	size_t replicates; /* visits of each cell; with `until` on average, and at most */
	struct ct_until until;
	uint64_t duration_ns; /* estimate, set-up and calibration included; at most, with `until` */
};

/* `budget_ns` 0: the job's replicates; else as many as fit, at least 2, or an error that says the
 * least budget. */
bool ct_plan_make(struct ct_plan *plan, const struct ct_job *job, uint64_t seed, uint64_t budget_ns,
		  struct ct_error *err);
/*
 * The same for a campaign that stops when it is decided: each cell has CT_UNTIL_REACH times as many
 * visits, of which as many are run as the replicates make for all cells together, at most.
 */
#define CT_UNTIL_REACH 4
bool ct_plan_make_until(struct ct_plan *plan, const struct ct_job *job,
			const struct ct_until *until, uint64_t seed, uint64_t budget_ns,
			struct ct_error *err);
/* "p99:2%": a quantile that campaigns have, and a margin from 0.01 % to 1000 %. */
bool ct_until_parse(struct ct_until *until, const char *text, struct ct_error *err);
void ct_plan_free(struct ct_plan *plan);
/* "ABBRA": A baseline, B treatment, R recovery; "M": modulated. */
const char *ct_visit_text(const struct ct_visit *visit, char out[CT_PHASES_PER_BLOCK + 1]);

#endif
