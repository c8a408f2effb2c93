/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The victims that listen: a worker each, all at once on the same CPUs, each measuring for a small
 * share of the time and resting in between. Their epochs are collected side by side.
 */
#ifndef COTENANT_LISTEN_EARS_H
#define COTENANT_LISTEN_EARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/campaign/crew.h"
#include "harness/campaign/ground.h"
#include "harness/core/error.h"
#include "harness/core/hist.h"
#include "harness/store/record.h"

enum { CT_EARS_MAX = 6 }; /* victims; their workers and peers are served together */

/* One epoch of all ears; rows[i].count is 0 where ear i had no sample. */
typedef bool ct_ears_heard(void *context, const struct ct_epoch_row *rows, size_t n,
			   struct ct_error *err);

struct ct_ear {
	struct ct_crew crew;
	struct ct_hist hist;           /* of the segment at hand */
	struct ct_phase_record record; /* of the segment at hand */
	struct ct_ears *ears;
};

struct ct_ears {
	struct ct_links *links;
	const struct ct_job *job;
	struct ct_ear items[CT_EARS_MAX];
	size_t n;
	ct_ears_heard *heard;
	void *context;
	size_t told; /* epochs of the segment that `heard` has had */
};

/* Starts a worker for every victim of the job. On failure all are closed. */
bool ct_ears_open(struct ct_ears *ears, struct ct_links *links, const struct ct_ground *ground,
		  ct_ears_heard *heard, void *context, struct ct_error *err);
void ct_ears_close(struct ct_ears *ears);

/*
 * Listens for one segment; `heard` is called as epochs come. Afterwards items[i].record holds the
 * segment, until the next one. An interruption ends the segment early: what came is there.
 */
bool ct_ears_listen(struct ct_ears *ears, uint64_t warmup_ns, uint64_t measure_ns,
		    uint64_t epoch_ns, struct ct_error *err);

#endif
