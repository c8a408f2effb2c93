/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running one phase through a crew and turning what arrives into a record. Epochs are judged as
 * soon as the aggressor's rows cover them: only counted ones enter the histogram, so memory does
 * not grow with the length of a phase by more than its rows.
 */
#ifndef COTENANT_CAMPAIGN_PHASE_H
#define COTENANT_CAMPAIGN_PHASE_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/campaign/crew.h"
#include "harness/core/error.h"
#include "harness/store/record.h"

/* An epoch counts when the aggressor did at least this share of what was asked, in each row. */
#define CT_OVERLAP_SHARE 0.9

struct ct_phase_plan {
	enum ct_role role;
	uint32_t order;
	uint64_t warmup_ns, measure_ns, epoch_ns;
	double intensity; /* percent; a treatment's */
	double solo_rate; /* units/s */
	bool blocks;      /* the aggressor's threads wait in the kernel as part of their work */
	/* Raw samples go here as they come; NULL: not kept. */
	bool (*raw)(void *context, uint32_t order, uint32_t epoch,
		    const struct ct_raw_sample *samples, size_t n, struct ct_error *err);
	/* Called for every epoch, for a live view; NULL: nobody looks. */
	void (*watch)(void *context, const struct ct_epoch_row *row);
	void *context;
};

/*
 * Runs one phase. Treatment: the aggressor is loaded before the warm-up and unloaded after the last
 * epoch has been closed. `record` is filled (free with ct_block_record_free of its block) also on
 * failure, with what had come by then.
 */
bool ct_phase_run(struct ct_crew *crew, const struct ct_phase_plan *plan,
		  struct ct_phase_record *record, struct ct_error *err);

/* Whether an aggressor's row proves load: held the asked rate, or never paused and was always
 * runnable. */
enum ct_load ct_row_load(const struct ct_noise_row *row, bool blocks);

#endif
