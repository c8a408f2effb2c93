/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a conversation: a protection domain, completion queues, memory regions and queue
 * pairs on a device, brought up against the other end's record. Queue pair i of one end talks to
 * queue pair i of the other. Victims have one pair, floods many.
 *
 *   peer                              workload
 *   open, record (its endpoint)  -->  open, connect(endpoint), record (its answer)
 *   connect(answer)              <--
 */
#ifndef COTENANT_RDMA_ENDPOINT_H
#define COTENANT_RDMA_ENDPOINT_H

#include "harness/place/place.h"
#include "harness/rdma/device.h"
#include "harness/rdma/record.h"
#include "harness/rdma/registration.h"

enum ct_rdma_type { CT_RDMA_RC, CT_RDMA_UC, CT_RDMA_UD };
/* "rc", "uc", "ud"; NULL-terminated. */
extern const char *const ct_rdma_type_names[];

enum {
	CT_RDMA_GRH = 40,       /* bytes before what UD receives */
	CT_RDMA_RETRY_EVER = 7, /* of rnr_retry: without end */
	CT_RDMA_TIMEOUT = 14,   /* perftest's: 4.096 us * 2^14 = 67 ms */
	CT_RDMA_RETRIES = 7,    /* perftest's */
	CT_RDMA_RNR_TIMER = 12  /* perftest's: 0.64 ms */
};

/* What to make. */
struct ct_rdma_wish {
	enum ct_rdma_type type;
	unsigned qps;                    /* 0: none */
	unsigned queues;                 /* pairs of completion queues; QP i has i modulo this */
	unsigned send_depth, recv_depth; /* of each QP */
	unsigned inline_bytes;           /* at most; less where the device has less */
	unsigned mtu;                    /* bytes, at most; 0: the port's */
	bool events;                     /* completion queues have a channel to sleep on */

	const struct ct_place *place; /* of the memory */
	const struct ct_gpu *gpu;     /* its memory instead, current on this thread; NULL: host's */
	uint64_t bytes;               /* of a region; 0: no memory */
	unsigned regions;             /* side by side, each registered by itself */
	unsigned remote_regions;      /* the other end must have so many ... */
	uint64_t remote_bytes;        /* of so many bytes each */

	/* How failures are dealt with; 0 is what perftest has. */
	unsigned timeout, retries; /* acknowledgement: 4.096 us * 2^timeout, so often */
	bool rnr_longest;          /* rnr_timer is 0 and means it: 655.36 ms */
	unsigned rnr_timer;        /* IB's code of the time a sender is asked to wait */
	bool rnr_limited;          /* rnr_retries counts; else without end */
	unsigned rnr_retries;
};

struct ct_rdma_queue {
	struct ibv_cq *sends, *receives;
	struct ibv_comp_channel *send_channel, *receive_channel; /* NULL without events */
};

/* A queue pair and where it leads. */
struct ct_rdma_lane {
	struct ibv_qp *qp;
	struct ibv_ah *ah; /* UD only */
	uint32_t remote_qpn;
};

struct ct_rdma_end {
	const struct ct_rdma_device *device;
	struct ct_rdma_wish wish;
	struct ibv_pd *pd;
	struct ct_memory memory; /* one of the two, where it owns any */
	struct ct_gpu_memory gpu_memory;
	unsigned char *base; /* of the first region; not to be dereferenced where it is a GPU's */
	enum ct_rdma_memory way; /* how the device reaches it, or what it was lent */
	struct ibv_mr **regions;
	struct ibv_mr *lent; /* memory of somebody else; NULL: none */
	struct ct_rdma_queue *queues;
	struct ct_rdma_lane *lanes;
	unsigned inline_bytes; /* that the device gave */
	uint32_t psn, qkey;
	struct ct_rdma_record remote; /* once connected */
};

/* Everything up to queue pairs that can receive; they are not connected. */
bool ct_rdma_end_open(struct ct_rdma_end *end, const struct ct_rdma_device *device,
		      const struct ct_rdma_wish *wish, struct ct_error *err);
void ct_rdma_end_close(struct ct_rdma_end *end); /* also after a failed open, or of {0} */

/* Writes this end's record for the other. */
bool ct_rdma_end_record(const struct ct_rdma_end *end, const char *token, enum ct_rdma_side side,
			char *out, size_t size, struct ct_error *err);
/* Brings all queue pairs up against the record of the other end, which must be the other side's. */
bool ct_rdma_end_connect(struct ct_rdma_end *end, const char *record, const char *token,
			 enum ct_rdma_side own_side, struct ct_error *err);

/*
 * For ends of which every queue pair leads to another end: brings one up against queue pair
 * `remote_lane` of a record that has been checked. Not for UD.
 */
bool ct_rdma_lane_connect(struct ct_rdma_end *end, unsigned lane,
			  const struct ct_rdma_record *remote, unsigned remote_lane,
			  struct ct_error *err);
/* Registers memory that the end does not own, as its `lent`; it must outlive the end. */
bool ct_rdma_end_register(struct ct_rdma_end *end, void *memory, size_t bytes,
			  struct ct_error *err);
bool ct_rdma_end_register_gpu(struct ct_rdma_end *end, const struct ct_gpu_memory *memory,
			      struct ct_error *err);

/* Brings a queue pair that failed up again, with the same sequence number. */
bool ct_rdma_lane_renew(struct ct_rdma_end *end, unsigned lane, struct ct_error *err);

/*
 * A single queue pair again from nothing, for workloads whose work that is: made and initialised,
 * then brought up against itself, through the adapter's loopback.
 */
bool ct_rdma_lane_create(struct ct_rdma_end *end, unsigned lane, struct ct_error *err);
bool ct_rdma_lane_loop(struct ct_rdma_end *end, unsigned lane, struct ct_error *err);
void ct_rdma_lane_destroy(struct ct_rdma_end *end, unsigned lane);

/* Address of a region, and how the other end's are addressed. */
static inline unsigned char *ct_rdma_region(const struct ct_rdma_end *end, unsigned region)
{
	return end->base + (size_t)region * end->wish.bytes;
}
static inline uint64_t ct_rdma_remote(const struct ct_rdma_end *end, unsigned region)
{
	return end->remote.address + (uint64_t)region * end->remote.bytes;
}

#endif
