/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker process: answers the controller on two descriptors until QUIT or end of file. What it
 * does depends on the role that SETUP gives it; each role is one file and one struct
 * ct_worker_role.
 */
#ifndef COTENANT_TENANT_WORKER_H
#define COTENANT_TENANT_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "harness/core/clock.h"
#include "harness/core/error.h"
#include "harness/core/frame.h"
#include "harness/core/param.h"
#include "harness/net/peer.h"
#include "harness/place/place.h"

struct ct_worker;

struct ct_worker_role {
	const char *name; /* "victim", "aggressor", "peer", "place" */
	/* After placement. `reply` is the READY message: the role adds its own members. */
	bool (*setup)(struct ct_worker *worker, const json_t *setup, json_t *reply,
		      struct ct_error *err);
	/* Any message but SETUP and QUIT. */
	bool (*message)(struct ct_worker *worker, unsigned type, const json_t *body,
			struct ct_error *err);
	/* Called when `worker->wake_ns` has passed; sets the next one. */
	bool (*tick)(struct ct_worker *worker, struct ct_error *err);
	void (*teardown)(struct ct_worker *worker);
};

extern const struct ct_worker_role ct_worker_role_place, ct_worker_role_victim,
	ct_worker_role_aggressor, ct_worker_role_peer;

struct ct_worker {
	int in, out;
	struct ct_frame_reader reader;
	uint16_t sent;          /* number of the last frame to the controller */
	uint64_t last_words_ns; /* CLOCK_MONOTONIC when that was */
	struct ct_clock clock;
	struct ct_place place;
	hwloc_bitmap_t home; /* CPUs this process may use, before it bound itself anywhere */
	bool aside;          /* the control thread is on no victim's and no aggressor's CPU */
	char token[CT_TOKEN_LENGTH + 1];
	char *gpu, *nic;    /* the tenant's, as the job file names them; NULL: none */
	bool host_counters; /* the victim keeps what the kernel counts of the whole machine */
	const struct ct_worker_role *role;
	void *role_state;
	uint64_t wake_ns; /* CLOCK_MONOTONIC of the next tick; UINT64_MAX: none */
};

/* Serves until QUIT or end of input. False: failed; the controller has been told already. */
bool ct_worker_serve(int in, int out, struct ct_error *err);

/* For roles. `body` is stolen; NULL for an empty message. */
bool ct_worker_send(struct ct_worker *worker, unsigned type, json_t *body, struct ct_error *err);
bool ct_worker_send_bytes(struct ct_worker *worker, unsigned type, const void *payload,
			  size_t length, struct ct_error *err);
/*
 * Parameters of `setup` ("params" or "common") into `options`. Unknown names are refused: a worker
 * never runs something else than what was asked.
 */
bool ct_worker_params(const json_t *setup, const char *member, const struct ct_param *table,
		      void *options, struct ct_error *err);
/* The worker must end by itself when the controller has forgotten it: a hard deadline from now. */
void ct_worker_deadline(uint64_t ns_from_now);

#endif
