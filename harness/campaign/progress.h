/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running campaign tells on standard error: a live view on a terminal, lines in a log, JSON
 * lines for machines.
 */
#ifndef COTENANT_CAMPAIGN_PROGRESS_H
#define COTENANT_CAMPAIGN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/campaign/live.h"

enum ct_progress_style {
	CT_PROGRESS_AUTO,  /* live view on a terminal, lines elsewhere */
	CT_PROGRESS_BAR,   /* the live view */
	CT_PROGRESS_LINES, /* one a replicate */
	CT_PROGRESS_JSON,  /* one object a line, for machines */
	CT_PROGRESS_NONE
};

struct ct_progress {
	enum ct_progress_style style;
	struct ct_live live;
	uint64_t begun_ns;   /* when the first block began */
	uint64_t planned_ns; /* the plan's estimate of all blocks */
	size_t done, total, resumed, failed;
	size_t per_replicate;
	char now[256]; /* "mem_latency x membw 100 %" */
};

/* CT_PROGRESS_AUTO is settled here. */
void ct_progress_init(struct ct_progress *progress, enum ct_progress_style style);
/* A preparation step. */
void ct_progress_step(struct ct_progress *progress, const char *text);
void ct_progress_begin(struct ct_progress *progress, size_t total, size_t per_replicate,
		       uint64_t planned_ns);
void ct_progress_block(struct ct_progress *progress, const struct ct_live_block *block);
/* A phase is about to begin that takes about `expected_ns`. */
void ct_progress_phase(struct ct_progress *progress, enum ct_role role, uint32_t order,
		       uint64_t expected_ns);
void ct_progress_phase_done(struct ct_progress *progress, const struct ct_phase_record *phase);
/* `message` NULL: good. `resumed`: it was in the journal already. */
void ct_progress_block_done(struct ct_progress *progress, const char *message, bool resumed);
/* A line that stays, above the live view: "warning: ...". */
void ct_progress_say(struct ct_progress *progress, const char *level, const char *text);
/* Leaves a clean line; may be called again. */
void ct_progress_end(struct ct_progress *progress);

#endif
