/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running one phase through a crew: load, measure, unload. What arrives meanwhile becomes the
 * record (collect.h).
 */
#ifndef COTENANT_CAMPAIGN_PHASE_H
#define COTENANT_CAMPAIGN_PHASE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/campaign/crew.h"
#include "harness/core/error.h"
#include "harness/store/record.h"

/* What is asked of one of the crew's aggressors. */
struct ct_phase_load {
	uint32_t aggressor;    /* row of /aggressors, for its rows */
	double intensity;      /* percent */
	double solo_rate;      /* units/s */
	bool blocks;           /* its threads wait in the kernel as part of their work */
	uint64_t smoothing_ns; /* of its rate, see struct ct_load_span */
};

struct ct_phase_plan {
	enum ct_role role;
	uint32_t order;
	uint64_t warmup_ns, measure_ns, epoch_ns;
	/* A treatment's, one for each aggressor of the crew, in its order. */
	struct ct_phase_load loads[CT_MAX_PARTS];
	size_t n_loads;
	/* Raw samples go here as they come; NULL: not kept. */
	bool (*raw)(void *context, uint32_t order, uint32_t epoch,
		    const struct ct_raw_sample *samples, size_t n, struct ct_error *err);
	void *context;
};

/*
 * Runs one phase. Treatment or modulated: every aggressor is loaded before the warm-up and unloaded
 * after the last epoch has been closed. Rates of several aggressors together are the mean of their
 * rates in percent of the solo maxima. `record` is filled (free with ct_block_record_free of its
 * block) also on failure, with what had come by then.
 */
bool ct_phase_run(struct ct_crew *crew, const struct ct_phase_plan *plan,
		  struct ct_phase_record *record, struct ct_error *err);

#endif
