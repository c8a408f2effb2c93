/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/post.h"

#include <string.h>

static bool carries_data(enum ibv_wr_opcode opcode)
{
	return opcode == IBV_WR_RDMA_WRITE || opcode == IBV_WR_RDMA_WRITE_WITH_IMM ||
	       opcode == IBV_WR_SEND || opcode == IBV_WR_SEND_WITH_IMM;
}

void ct_rdma_prepare_send(struct ct_rdma_send *send, const struct ct_rdma_end *end, unsigned lane,
			  enum ibv_wr_opcode opcode, unsigned region, uint64_t offset,
			  uint32_t bytes)
{
	const struct ct_rdma_lane *to = &end->lanes[lane];

	memset(send, 0, sizeof *send);
	send->sge = (struct ibv_sge){
		.addr = (uint64_t)(uintptr_t)(ct_rdma_region(end, region) + offset),
		.length = bytes,
		.lkey = end->regions[region]->lkey,
	};
	send->wr.wr_id = lane;
	send->wr.sg_list = &send->sge;
	send->wr.num_sge = 1;
	send->wr.opcode = opcode;
	send->wr.send_flags = IBV_SEND_SIGNALED;
	if (carries_data(opcode) && bytes <= end->inline_bytes)
		send->wr.send_flags |= IBV_SEND_INLINE;
	if (end->wish.type == CT_RDMA_UD) {
		send->wr.wr.ud.ah = to->ah;
		send->wr.wr.ud.remote_qpn = to->remote_qpn;
		send->wr.wr.ud.remote_qkey = end->remote.qkey;
	}
}

void ct_rdma_aim(struct ct_rdma_send *send, const struct ct_rdma_end *end, unsigned region,
		 uint64_t offset)
{
	const uint64_t address = ct_rdma_remote(end, region) + offset;
	const uint32_t rkey = end->remote.rkeys[region];

	if (send->wr.opcode == IBV_WR_ATOMIC_CMP_AND_SWP ||
	    send->wr.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		send->wr.wr.atomic.remote_addr = address;
		send->wr.wr.atomic.rkey = rkey;
	} else {
		send->wr.wr.rdma.remote_addr = address;
		send->wr.wr.rdma.rkey = rkey;
	}
}

void ct_rdma_signal(struct ct_rdma_send *send, bool signalled)
{
	if (signalled)
		send->wr.send_flags |= IBV_SEND_SIGNALED;
	else
		send->wr.send_flags &= ~(unsigned)IBV_SEND_SIGNALED;
}

int ct_rdma_post_receive(const struct ct_rdma_end *end, unsigned lane, unsigned region,
			 uint64_t offset, uint32_t bytes)
{
	struct ibv_sge sge = {
		.addr = (uint64_t)(uintptr_t)(ct_rdma_region(end, region) + offset),
		.length = bytes,
		.lkey = end->regions[region]->lkey,
	};
	struct ibv_recv_wr wr = {.wr_id = lane, .sg_list = &sge, .num_sge = 1};
	struct ibv_recv_wr *bad;

	return ibv_post_recv(end->lanes[lane].qp, &wr, &bad);
}
