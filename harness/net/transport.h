/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the ranks of a collective move bytes to each other: between any two that are neighbours,
 * messages arrive whole and in the order in which they were sent. Sending and receiving are only
 * queued; `progress` does the work, on the caller's thread. Both sides know the size of every
 * message, so nothing but the data goes over the wire.
 */
#ifndef COTENANT_NET_TRANSPORT_H
#define COTENANT_NET_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/net/peer.h"
#include "harness/place/place.h"

enum {
	CT_TRANSPORT_QUEUE = 32, /* messages queued to one rank, and from it, at most */
	CT_TRANSPORT_SLICE_MS = 100
};

struct ct_gpu_memory; /* harness/gpu/memory.h; only passed on here */

/* Valid from open to close. */
struct ct_transport_setup {
	unsigned rank, n_ranks;
	uint32_t neighbours; /* bit r: exchanges with rank r */
	const char *address; /* numeric, to listen on; NULL: nobody connects to this rank */
	const char *token;
	const char *nic;                 /* as the tenant names it; NULL: none */
	void *memory;                    /* every message lies in here */
	size_t bytes;                    /* of `memory` */
	const struct ct_gpu_memory *gpu; /* where `memory` is a GPU's: what devices reach it by */
	size_t largest;                  /* message */
	const struct ct_place *place;    /* of what a transport needs itself */
	const void *options;     /* the transport's own, valid while open runs; NULL: none */
	const atomic_bool *stop; /* connect gives up when it is set */
};

enum ct_transport_outcome { CT_TRANSPORT_GOOD, CT_TRANSPORT_CLOSED, CT_TRANSPORT_BROKEN };

/* The part that all transports share; each has its own behind it. */
struct ct_transport {
	const struct ct_transport_ops *ops;
	struct ct_transport_setup setup;
	const char *memory; /* how a device reaches the messages; NULL: none has to */
	uint64_t sent[CT_RANKS_MAX], received[CT_RANKS_MAX]; /* messages completed, ever */
	/* Once progress has failed: how, with which rank, and what that rank did (CLOSED) or what
	 * the system said. */
	enum ct_transport_outcome outcome;
	unsigned failed_rank;
	char what[128];
};

enum ct_progress { CT_PROGRESS_FAILED, CT_PROGRESS_IDLE, CT_PROGRESS_MOVED };

struct ct_transport_ops {
	const char *name;
	/* `text` is what the other ranks need to know (peer.h). On failure nothing is left behind.
	 */
	bool (*open)(const struct ct_transport_setup *setup, char text[CT_ENDPOINT_MAX],
		     struct ct_transport **transport, struct ct_error *err);
	/* All ranks at the same time; `texts` by rank. No message goes before all have returned. */
	bool (*connect)(struct ct_transport *transport, const char *const *texts,
			struct ct_error *err);
	/* The caller keeps at most CT_TRANSPORT_QUEUE under way to a rank, and from it. */
	void (*send)(struct ct_transport *transport, unsigned rank, const void *from, size_t bytes);
	void (*receive)(struct ct_transport *transport, unsigned rank, void *into, size_t bytes);
	/* Moves what can be moved. Where nothing can, waits for CT_TRANSPORT_SLICE_MS at most. */
	enum ct_progress (*progress)(struct ct_transport *transport);
	void (*close)(struct ct_transport *transport);
};

extern const struct ct_transport_ops ct_transport_tcp;

/* What went wrong, once progress has failed. */
bool ct_transport_failure(const struct ct_transport *transport, struct ct_error *err);

#endif
