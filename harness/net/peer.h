/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other ends of a network workload: an echo server, a sink, the other ranks of a collective.
 * The harness starts each as a worker of its own in its tenant. So traffic only goes where this
 * campaign itself has started a receiver, and over TCP the receiver proves it by the campaign's
 * token (see tcp.h).
 *
 * Out-of-band exchange goes over the workers' control channels and needs no port. The workload is
 * rank 0, its peers are ranks 1, 2, ...:
 *
 *   1. every peer's `setup` fills its endpoint, any text: an address, queue pair numbers, a GID
 *   2. the workload's `setup` gets all endpoints and may leave an `answer` of its own
 *   3. where the peer or the workload has a `connect`: all are called at the same time, the peers
 *      with everybody's texts, and may wait for each other; nothing runs before all have returned
 *   4. where both have a `rehearse`: again all at the same time. Whoever is called may send to
 * every other, as all have connected
 */
#ifndef COTENANT_NET_PEER_H
#define COTENANT_NET_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "harness/core/clock.h"
#include "harness/core/error.h"
#include "harness/place/place.h"

enum {
	CT_ENDPOINT_MAX = 8192, /* the numbers of some hundred queue pairs */
	CT_ANSWER_MAX = CT_ENDPOINT_MAX,
	CT_PEERS_MAX = 15, /* so 16 ranks */
	CT_RANKS_MAX = CT_PEERS_MAX + 1,
	CT_TOKEN_LENGTH = 32 /* hex digits */
};

/* Valid from setup to teardown. */
struct ct_peer_env {
	const struct ct_place *place;
	const char
		*address;  /* numeric address to listen on: the tenant's `address`, or 127.0.0.1 */
	const char *token; /* CT_TOKEN_LENGTH hex digits, the campaign's */
	const char *gpu; /* the tenant's `gpu` and `nic`, as the job file names them; NULL: none */
	const char *nic;
	unsigned rank, n_ranks; /* rank 1 to n_ranks - 1; the workload is rank 0 */
	const atomic_bool *stop;
};

/* What everybody has said, by rank: [0] is the workload's answer, the others are endpoints. */
struct ct_peer_links {
	unsigned rank, n_ranks; /* of this peer; of all with the workload */
	const char *const *texts;
};

struct ct_peer_ops {
	/* `options` are the workload's own. Fills `endpoint` ("127.0.0.1:41234") for the other end.
	 */
	bool (*setup)(const struct ct_peer_env *env, const void *options, void **state,
		      char endpoint[CT_ENDPOINT_MAX], struct ct_error *err);
	/*
	 * NULL: nothing to do. Between setup and serve, on the thread that serves. Others may
	 * never come: give up in time, at once when *env->stop. `links` stays valid until teardown.
	 */
	bool (*connect)(void *state, const struct ct_peer_links *links, struct ct_error *err);
	/* NULL: nothing to do. After everybody's connect, before serve, as connect. */
	bool (*rehearse)(void *state, struct ct_error *err);
	/* Serves until *env->stop; returns false with a message when it can't go on. */
	bool (*serve)(void *state, struct ct_error *err);
	void (*teardown)(void *state);
	unsigned max_peers; /* how many the workload can have; 0: exactly one */
};

#endif
