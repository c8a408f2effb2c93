/* SPDX-License-Identifier: Apache-2.0 */
/* Work requests, filled in once and posted often: a timed loop only calls ibv_post_send. */
#ifndef COTENANT_RDMA_POST_H
#define COTENANT_RDMA_POST_H

#include "harness/rdma/endpoint.h"

struct ct_rdma_send {
	struct ibv_send_wr wr;
	struct ibv_sge sge;
};

/* From a region of this end. It must stay where it is: the request points into it. */
void ct_rdma_prepare_send(struct ct_rdma_send *send, const struct ct_rdma_end *end, unsigned lane,
			  enum ibv_wr_opcode opcode, unsigned region, uint64_t offset,
			  uint32_t bytes);
/* Where a write, read or atomic operation goes: the other end's region. */
void ct_rdma_aim(struct ct_rdma_send *send, const struct ct_rdma_end *end, unsigned region,
		 uint64_t offset);
/* A signalled request completes visibly; what is not must be followed by one that is. */
void ct_rdma_signal(struct ct_rdma_send *send, bool signalled);

/* Posts a receive of `bytes` bytes into a region; errno or 0. */
int ct_rdma_post_receive(const struct ct_rdma_end *end, unsigned lane, unsigned region,
			 uint64_t offset, uint32_t bytes);

static inline int ct_rdma_post(const struct ct_rdma_end *end, unsigned lane,
			       struct ct_rdma_send *send)
{
	struct ibv_send_wr *bad;

	return ibv_post_send(end->lanes[lane].qp, &send->wr, &bad);
}

#endif
