/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live view of a running campaign: three lines on a terminal, drawn over each other. What has
 * come of each cell is kept as a few numbers a phase. All of it happens between phases: while a
 * victim is timed the controller draws nothing.
 */
#ifndef COTENANT_CAMPAIGN_LIVE_H
#define COTENANT_CAMPAIGN_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/store/record.h"

/* The block at hand; the names stay valid as long as the view. */
struct ct_live_block {
	size_t cell; /* index into the plan's cells */
	const char *config, *victim, *aggressor;
	const char *unit; /* of the aggressor's rate */
	double intensity; /* percent */
	size_t block, blocks;
};

/* p50 and p99 of the phases of one role, in ns; NaN where they do not carry it. */
struct ct_live_quantiles {
	double p50, p99;
};
struct ct_live_quantiles ct_live_phase(const struct ct_phase_record *phase);

struct ct_live_cell;

struct ct_live {
	struct ct_live_cell *cells; /* NULL: no memory, or nobody looks */
	size_t n_cells;
	struct ct_live_block block;
	enum ct_role role;
	uint32_t order;
	bool in_phase;
	bool colour;
	size_t lines; /* that stand on the screen */
	uint64_t shown_ns;
};

/* `n_cells` 0: for single lines only. Free with ct_live_free. */
void ct_live_init(struct ct_live *live, size_t n_cells);
void ct_live_free(struct ct_live *live);
void ct_live_add(struct ct_live *live, const struct ct_phase_record *phase);

/* Draws `head` and the block at hand, over what stands there. */
void ct_live_draw(struct ct_live *live, const char *head);
/* One line instead: a step of the preparation. */
void ct_live_line(struct ct_live *live, const char *text);
/* Takes the view away; the cursor stands where it began. */
void ct_live_clear(struct ct_live *live);

#endif
