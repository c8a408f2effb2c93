/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one end tells the other before they can talk: port address, queue pairs, memory. It is one
 * line of text that goes through the controller's own channels, so there is no extra port. It
 * holds one half of the campaign's token, as the handshake over TCP does (harness/net/tcp.h): the
 * workload's record the first, the peer's the second. An end whose half is another one is not
 * talked to.
 */
#ifndef COTENANT_RDMA_RECORD_H
#define COTENANT_RDMA_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>

#include "harness/core/error.h"

enum { CT_RDMA_HALF = 16 /* hex digits */ };

/* Which end wrote it. */
enum ct_rdma_side { CT_RDMA_WORKLOAD, CT_RDMA_PEER };

/* Where an end's memory is, and how its device reaches it. */
enum ct_rdma_memory { CT_RDMA_HOST_MEMORY, CT_RDMA_DMA_BUF, CT_RDMA_PEER_MEMORY };
/* host, dma-buf, peer-memory; NULL-terminated. */
extern const char *const ct_rdma_memory_names[];

struct ct_rdma_record {
	char half[CT_RDMA_HALF + 1]; /* of the token */
	unsigned mtu;                /* bytes, at most */
	unsigned reads;              /* reads and atomics it answers at a time, per queue pair */
	uint16_t lid;
	union ibv_gid gid;
	uint32_t psn, qkey; /* of all its queue pairs */
	uint64_t address;   /* of the first region; the others follow it */
	uint64_t bytes;     /* of each */
	enum ct_rdma_memory memory;
	uint32_t *qpns, *rkeys;
	unsigned n_qpns, n_rkeys;
};

/*
 * Numbers of queue pairs and keys mostly go up evenly and are written as runs, so that thousands
 * fit; it fails where they don't fit into `size` bytes.
 */
bool ct_rdma_record_print(const struct ct_rdma_record *record, char *out, size_t size,
			  struct ct_error *err);
/* Allocates the two lists. What does not look like a record is refused as a whole. */
bool ct_rdma_record_parse(struct ct_rdma_record *record, const char *text, struct ct_error *err);
void ct_rdma_record_free(struct ct_rdma_record *record);

/* Fills `half`: what `side` shows of the token. False: `token` is none. */
bool ct_rdma_record_sign(struct ct_rdma_record *record, const char *token, enum ct_rdma_side side,
			 struct ct_error *err);
/* Is it from this campaign's `side`, and is its address that of one port? */
bool ct_rdma_record_check(const struct ct_rdma_record *record, const char *token,
			  enum ct_rdma_side side, struct ct_error *err);

#endif
