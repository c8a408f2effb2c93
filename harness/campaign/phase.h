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
/*
 * Runnable for at least this share of the time, a thread that never pauses is held back by
 * contention alone. Below 0.9 because the kernel books waiting only when it ends; a thread that is
 * stopped or throttled is far below.
 */
#define CT_RUNNABLE_SHARE 0.8

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

/* The time for which rows are judged. */
struct ct_load_span {
	uint64_t start_ns, end_ns;
	/*
	 * The rate is taken over so much more at both ends: an aggressor under a CPU quota works in
	 * bursts as long as the quota's period, and its rate has no meaning within a few.
	 */
	uint64_t smoothing_ns;
	bool blocks;        /* as in ct_phase_load */
	uint32_t aggressor; /* rows of others are not looked at */
};

/*
 * What `rows` together prove for that time: the asked rate was held, or the aggressor never paused
 * and was runnable all the time, so that only contention kept it below, or it did not load. Threads
 * that block in the kernel can't prove the second. *share: achieved over asked; *rate: units/s
 * achieved. Time from start to end that the rows do not cover is time without load.
 */
enum ct_load ct_judge_load(const struct ct_noise_row *rows, size_t n,
			   const struct ct_load_span *span, double *share, double *rate);

#endif
