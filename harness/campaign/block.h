/* SPDX-License-Identifier: Apache-2.0 */
/* One block: a fresh crew, five phases in the planned order, one record. */
#ifndef COTENANT_CAMPAIGN_BLOCK_H
#define COTENANT_CAMPAIGN_BLOCK_H

#include <stdbool.h>

#include "harness/campaign/ground.h"
#include "harness/campaign/plan.h"
#include "harness/campaign/progress.h"
#include "harness/core/error.h"
#include "harness/store/record.h"
#include "harness/store/store.h"

struct ct_block_run {
	const struct ct_ground *ground;
	const struct ct_plan *plan;
	struct ct_links *links;
	struct ct_store *store; /* raw samples stream into it */
	struct ct_progress *progress;
	uint32_t visit; /* index into the plan */
	uint32_t place; /* position in the realised order: the same, unless visits are skipped */
};

/*
 * Fills `record` (free with ct_block_record_free). A workload or a worker that fails is a failed
 * block and true; false: interrupted, or the store failed, and the block is not to be kept.
 */
bool ct_block_run(const struct ct_block_run *run, struct ct_block_record *record,
		  struct ct_error *err);

#endif
