/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `run --until p99:2%`: a campaign that goes on until it is decided, for each cell, whether the
 * quantile is slowed by more than the margin or not, and gives its blocks to the cells that are not
 * decided yet (stats/sequential.h). The plan is fixed beforehand and longer than the budget; what
 * is skipped of it is the only thing that the results decide, so a resumed campaign goes on as if
 * nothing had happened.
 */
#ifndef COTENANT_CAMPAIGN_ADAPTIVE_H
#define COTENANT_CAMPAIGN_ADAPTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/campaign/plan.h"
#include "harness/core/error.h"
#include "harness/stats/sequential.h"
#include "harness/store/record.h"

/* The confidence of every verdict. */
#define CT_UNTIL_CONFIDENCE 0.95

struct ct_adaptive {
	const struct ct_plan *plan;
	struct ct_sequential sequential;
	uint32_t *given;  /* blocks that each cell has had */
	uint32_t *empty;  /* those of them that gave no ratio */
	uint32_t *visits; /* of each cell, its visits by block number: [cell * per_cell + block] */
	size_t per_cell;
};

/* `left_out` cells are never wanted (may be NULL). Free with ct_adaptive_free, also on failure. */
bool ct_adaptive_init(struct ct_adaptive *adaptive, const struct ct_plan *plan,
		      const bool *left_out, struct ct_error *err);
void ct_adaptive_free(struct ct_adaptive *adaptive);

/* A block that has been run, now or before an interruption. */
bool ct_adaptive_take(struct ct_adaptive *adaptive, const struct ct_block_record *record,
		      struct ct_error *err);
/* The visit of the plan to run next; false: all is decided, or the budget is spent. */
bool ct_adaptive_next(const struct ct_adaptive *adaptive, uint32_t *visit);
/* "decided 5 of 6 cells (3 below, 2 above) in 41 blocks of 144 (28 %)": what it came to. */
const char *ct_adaptive_text(const struct ct_adaptive *adaptive, char *out, size_t size);

#endif
