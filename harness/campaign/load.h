/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an aggressor really loaded while the victim was measured. */
#ifndef COTENANT_CAMPAIGN_LOAD_H
#define COTENANT_CAMPAIGN_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/store/record.h"

/* An epoch counts when the aggressor did at least this share of what was asked, in each row. */
#define CT_OVERLAP_SHARE 0.9
/*
 * Runnable for at least this share of the time, a thread that never pauses is held back by
 * contention alone. Below 0.9 because the kernel books waiting only when it ends; a thread that is
 * stopped or throttled is far below.
 */
#define CT_RUNNABLE_SHARE 0.8

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
