/* SPDX-License-Identifier: Apache-2.0 */
/* What a running campaign tells on standard error: a bar on a terminal, lines in a log, JSON lines.
 */
#ifndef COTENANT_CAMPAIGN_PROGRESS_H
#define COTENANT_CAMPAIGN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/measurement.h"

enum ct_progress_style {
	CT_PROGRESS_AUTO, /* bar on a terminal, lines elsewhere */
	CT_PROGRESS_BAR,
	CT_PROGRESS_LINES, /* one a replicate */
	CT_PROGRESS_JSON,  /* one object a line, for machines */
	CT_PROGRESS_NONE
};

struct ct_progress {
	enum ct_progress_style style;
	bool on_screen;      /* a bar stands on the current line */
	uint64_t begun_ns;   /* when the first block began */
	uint64_t planned_ns; /* the plan's estimate of all blocks */
	uint64_t shown_ns;
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
void ct_progress_block(struct ct_progress *progress, const char *text);
/* An epoch has come: redraws at most five times a second. */
void ct_progress_epoch(struct ct_progress *progress, const struct ct_epoch_row *row);
/* `message` NULL: good. `resumed`: it was in the journal already. */
void ct_progress_block_done(struct ct_progress *progress, const char *message, bool resumed);
/* A line that stays, below or above the bar: "warning: ...". */
void ct_progress_say(struct ct_progress *progress, const char *level, const char *text);
void ct_progress_end(struct ct_progress *progress);

#endif
