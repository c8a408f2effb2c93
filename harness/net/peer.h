/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of a network workload: an echo server or a sink. The harness starts it as a worker
 * of its own in the peer tenant, takes its endpoint from it and hands that to the workload. So
 * traffic only goes where this campaign itself has started a receiver, and the receiver proves it
 * by the campaign's token (see consent.h).
 */
#ifndef COTENANT_NET_PEER_H
#define COTENANT_NET_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "harness/core/clock.h"
#include "harness/core/error.h"
#include "harness/place/place.h"

enum { CT_ENDPOINT_MAX = 128, CT_TOKEN_LENGTH = 32 /* hex digits */ };

/* Valid from setup to teardown. */
struct ct_peer_env {
	const struct ct_place *place;
	const char
		*address;  /* numeric address to listen on: the tenant's `address`, or 127.0.0.1 */
	const char *token; /* CT_TOKEN_LENGTH hex digits, the campaign's */
	const char *gpu; /* the tenant's `gpu` and `nic`, as the job file names them; NULL: none */
	const char *nic;
	const atomic_bool *stop;
};

struct ct_peer_ops {
	/* `options` are the workload's own. Fills `endpoint` ("127.0.0.1:41234") for the other end.
	 */
	bool (*setup)(const struct ct_peer_env *env, const void *options, void **state,
		      char endpoint[CT_ENDPOINT_MAX], struct ct_error *err);
	/* Serves until *env->stop; returns false with a message when it can't go on. */
	bool (*serve)(void *state, struct ct_error *err);
	void (*teardown)(void *state);
};

#endif
