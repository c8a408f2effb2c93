/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for completions: by polling, which burns the CPU and is fastest, or by events, which
 * sleep in the kernel. Both notice a stop within 100 ms and give up on an end that stays silent.
 */
#ifndef COTENANT_RDMA_COMPLETION_H
#define COTENANT_RDMA_COMPLETION_H

#include <stdatomic.h>

#include "harness/rdma/endpoint.h"

/* Names for parameter tables: poll, event; NULL-terminated. */
enum ct_rdma_completion { CT_RDMA_POLL, CT_RDMA_EVENT };
extern const char *const ct_rdma_completion_names[];

enum ct_rdma_outcome { CT_RDMA_GOOD, CT_RDMA_SILENT, CT_RDMA_STOPPED, CT_RDMA_BROKEN };

enum { CT_RDMA_PATIENCE_MS = 5000 };

struct ct_rdma_wait {
	const struct ct_verbs *verbs;
	struct ibv_cq *cq;
	struct ibv_comp_channel *channel; /* NULL: polls */
	const atomic_bool *stop;
	unsigned patience_ms; /* 0: waits for ever */

	enum ct_rdma_outcome outcome;
	enum ibv_wc_status status; /* of the completion that failed; IBV_WC_SUCCESS: the verb did */
	uint64_t failed_id;        /* wr_id of that completion */
	int code;                  /* errno of the verb or system call that failed */
	bool armed;
	unsigned unacknowledged;
};

/* For one completion queue of an end, with its channel where the end was opened with events. */
void ct_rdma_wait_sends(struct ct_rdma_wait *wait, const struct ct_rdma_end *end, unsigned queue,
			const atomic_bool *stop, unsigned patience_ms);
void ct_rdma_wait_receives(struct ct_rdma_wait *wait, const struct ct_rdma_end *end, unsigned queue,
			   const atomic_bool *stop, unsigned patience_ms);
/* Before the end is closed: events that were got must be acknowledged. */
void ct_rdma_wait_done(struct ct_rdma_wait *wait);

/* At least one completion, at most `max`, all good; 0: `outcome` says why not. */
int ct_rdma_reap(struct ct_rdma_wait *wait, struct ibv_wc *wc, int max);
/* The same without waiting; -1: failed. */
int ct_rdma_peek(struct ct_rdma_wait *wait, struct ibv_wc *wc, int max);

/*
 * For loops that sleep on several queues at once, poll() on their channels. Arming comes before the
 * last look: what completes after it raises an event, which ct_rdma_take_event takes. False:
 * failed.
 */
bool ct_rdma_arm(struct ct_rdma_wait *wait);
bool ct_rdma_take_event(struct ct_rdma_wait *wait);

/* For loops that poll something else than a completion queue: may they go on? `since_ns` is 0 at
 * first. Call it every few thousand rounds. */
bool ct_rdma_may_wait(struct ct_rdma_wait *wait, uint64_t *since_ns);

/* Says what went wrong; `what` is who was waiting for what. */
void ct_rdma_wait_error(const struct ct_rdma_wait *wait, const char *what, struct ct_error *err);

#endif
