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
#include "harness/listen/host.h"
#include "harness/store/record.h"

enum { CT_EARS_MAX = 6 }; /* victims; their workers and peers are served together */

/*
 * One epoch of all ears, the same time for all of them; rows[i].count is 0 where ear i had no
 * sample. host[CT_HOST_CHANNELS] is what the kernel counted meanwhile, NaN where it did not.
 */
typedef bool ct_ears_heard(void *context, const struct ct_epoch_row *rows, size_t n,
			   const double *host, struct ct_error *err);

struct ct_ear {
	struct ct_crew crew;
	struct ct_hist hist;              /* of the segment at hand */
	struct ct_phase_record record;    /* of the segment at hand */
	size_t n_counters;                /* that its victim has announced */
	int host_at[CT_HOST_CHANNELS];    /* which of its counters that is; -1: none */
	double (*host)[CT_HOST_CHANNELS]; /* of each epoch of the segment */
	/* Which of the segment's epochs each is: a victim that rests for longer leaves some out. */
	uint64_t *slots;
	size_t next; /* the first that has not been told */
	struct ct_ears *ears;
};

struct ct_ears {
	struct ct_links *links;
	const struct ct_job *job;
	struct ct_ear items[CT_EARS_MAX];
	size_t n;
	ct_ears_heard *heard;
	void *context;
	uint64_t begin_ns, epoch_ns; /* of the segment at hand */
	uint64_t told;               /* its epochs that `heard` has had */
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
