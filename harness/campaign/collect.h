/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turning what arrives during a phase into its record. Epochs are judged as soon as the aggressors'
 * rows cover them: only counted ones enter the histogram, so memory does not grow with the length
 * of a phase by more than its rows.
 */
#ifndef COTENANT_CAMPAIGN_COLLECT_H
#define COTENANT_CAMPAIGN_COLLECT_H

#include "harness/campaign/load.h"
#include "harness/campaign/phase.h"
#include "harness/core/hist.h"

struct ct_pending_epoch; /* of collect.c */

/* Only for collect.c to look into. */
struct ct_collector {
	const struct ct_phase_plan *plan;
	struct ct_phase_record *record;
	const struct ct_crew *crew;
	struct ct_hist hist;
	struct ct_pending_epoch *pending;
	size_t n_pending;
	size_t first_noise;                /* rows before it end before the oldest pending epoch */
	uint64_t covered_ns[CT_MAX_PARTS]; /* end of the last row of each aggressor */
	size_t n_load[CT_LOAD_ABSENT + 1];
	/*
	 * How far the clocks of victim and any aggressor may be apart after their offsets: an epoch
	 * counts only when the aggressors were there for that much longer at both ends.
	 */
	uint64_t doubt_ns;
	uint64_t smoothing_ns; /* the longest of any */
};

/* What a link hands to the collector, and whose link it is. */
struct ct_phase_source {
	struct ct_collector *collector;
	size_t aggressor; /* of the crew; not used for the victim */
};

/*
 * Plan, record and crew are used until ct_collector_free. `sources` get filled, one for each
 * aggressor: each is the context of that aggressor's link, the first one also of the victim's.
 */
bool ct_collector_open(struct ct_collector *collector, const struct ct_phase_plan *plan,
		       struct ct_phase_record *record, const struct ct_crew *crew,
		       struct ct_phase_source sources[CT_MAX_PARTS], struct ct_error *err);
/* The handler of the links; `context` is a struct ct_phase_source. */
bool ct_collector_take(void *context, unsigned type, const void *payload, size_t length,
		       struct ct_error *err);
/* Judges what is left and fills in what is said of the phase as a whole. */
bool ct_collector_conclude(struct ct_collector *collector, struct ct_error *err);
void ct_collector_free(struct ct_collector *collector);

#endif
