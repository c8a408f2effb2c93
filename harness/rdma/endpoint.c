/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/core/clock.h"

enum { RENEWALS = 8 }; /* attempts to bring a queue pair up again */

const char *const ct_rdma_type_names[] = {"rc", "uc", "ud", NULL};

static const enum ibv_qp_type verbs_types[] = {IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD};

static bool make_queue(struct ct_rdma_end *end, unsigned entries, struct ibv_comp_channel **channel,
		       struct ibv_cq **cq, struct ct_error *err)
{
	const struct ct_rdma_device *device = end->device;

	if (end->wish.events) {
		*channel = device->verbs.create_comp_channel(device->context);
		if (!*channel)
			return ct_rdma_broken(err, errno, "a channel for completion events");
	}
	*cq = device->verbs.create_cq(device->context, (int)entries, NULL, *channel, 0);
	return *cq ||
	       ct_rdma_broken(err, errno, "a completion queue of %u entries (%s has at most %d)",
			      entries, device->name, device->attr.max_cqe);
}

static bool make_queues(struct ct_rdma_end *end, struct ct_error *err)
{
	const struct ct_rdma_wish *wish = &end->wish;
	const unsigned share = wish->queues ? (wish->qps + wish->queues - 1) / wish->queues : 0;

	end->queues = calloc(wish->queues + 1, sizeof *end->queues);
	if (!end->queues)
		return ct_broken_errno(err, "memory for completion queues");
	for (unsigned i = 0; i < wish->queues; i++) {
		struct ct_rdma_queue *queue = &end->queues[i];

		if (!make_queue(end, wish->send_depth * share + 1, &queue->send_channel,
				&queue->sends, err) ||
		    !make_queue(end, wish->recv_depth * share + 1, &queue->receive_channel,
				&queue->receives, err))
			return false;
	}
	return true;
}

/*
 * Small messages are not to come inside a completion, from which the library of ConnectX adapters
 * would copy them to where they belong with the CPU, and fault.
 */
static bool keep_data_out_of_completions(struct ct_error *err)
{
	return setenv("MLX5_SCATTER_TO_CQE", "0", 1) == 0 ||
	       ct_broken_errno(err, "setting MLX5_SCATTER_TO_CQE");
}

static bool make_memory(struct ct_rdma_end *end, struct ct_error *err)
{
	const struct ct_rdma_wish *wish = &end->wish;
	const uint64_t bytes = wish->bytes * wish->regions;

	if (wish->gpu) {
		if (!keep_data_out_of_completions(err) ||
		    !ct_gpu_memory_open(&end->gpu_memory, wish->gpu, bytes, err))
			return false;
		end->base = (unsigned char *)(uintptr_t)end->gpu_memory.address;
		return true;
	}
	if (!ct_memory_map(&end->memory, wish->place, bytes, CT_PAGES_BASE, err))
		return false;
	end->base = end->memory.base;
	return true;
}

static struct ibv_mr *register_region(struct ct_rdma_end *end, unsigned region,
				      struct ct_error *err)
{
	const struct ct_rdma_wish *wish = &end->wish;
	struct ibv_mr *mr;

	if (wish->gpu)
		return ct_rdma_register_gpu(end->device, end->pd, &end->gpu_memory,
					    region * wish->bytes, wish->bytes, &end->way, err);
	mr = end->device->verbs.reg_mr(end->pd, ct_rdma_region(end, region), wish->bytes,
				       CT_RDMA_ACCESS);
	if (!mr)
		ct_rdma_broken(err, errno, "registering memory region %u of %u, %llu bytes each",
			       region + 1, wish->regions, (unsigned long long)wish->bytes);
	return mr;
}

static bool make_regions(struct ct_rdma_end *end, struct ct_error *err)
{
	if (end->wish.bytes == 0)
		return true;
	if (!make_memory(end, err))
		return false;
	end->regions = calloc(end->wish.regions, sizeof(void *));
	if (!end->regions)
		return ct_broken_errno(err, "memory for regions");
	for (unsigned i = 0; i < end->wish.regions; i++) {
		end->regions[i] = register_region(end, i, err);
		if (!end->regions[i])
			return false;
	}
	return true;
}

static bool make_lane(struct ct_rdma_end *end, unsigned index, struct ct_error *err)
{
	const struct ct_rdma_wish *wish = &end->wish;
	const struct ct_rdma_queue *queue = &end->queues[index % wish->queues];
	struct ibv_qp_init_attr attr = {
		.send_cq = queue->sends,
		.recv_cq = queue->receives,
		.cap = {.max_send_wr = wish->send_depth,
			.max_recv_wr = wish->recv_depth,
			.max_send_sge = 1,
			.max_recv_sge = 1,
			.max_inline_data = end->inline_bytes},
		.qp_type = verbs_types[wish->type],
	};
	struct ct_rdma_lane *lane = &end->lanes[index];

	/* Devices refuse more than they have instead of giving less. */
	while (!(lane->qp = end->device->verbs.create_qp(end->pd, &attr)) &&
	       end->inline_bytes > 0) {
		end->inline_bytes /= 2;
		attr.cap.max_inline_data = end->inline_bytes;
	}
	if (lane->qp)
		return true;
	return ct_rdma_broken(err, errno,
			      "queue pair %u of %u with %u sends and %u receives (%s has at most "
			      "%d pairs and %d of these)",
			      index + 1, wish->qps, wish->send_depth, wish->recv_depth,
			      end->device->name, end->device->attr.max_qp,
			      end->device->attr.max_qp_wr);
}

static bool to_init(struct ct_rdma_end *end, const struct ct_rdma_lane *lane, struct ct_error *err)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT, .port_num = end->device->port};
	int mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT;
	int code;

	if (end->wish.type == CT_RDMA_UD) {
		attr.qkey = end->qkey;
		mask |= IBV_QP_QKEY;
	} else {
		attr.qp_access_flags = IBV_ACCESS_REMOTE_WRITE;
		if (end->wish.type == CT_RDMA_RC)
			attr.qp_access_flags |= IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
		mask |= IBV_QP_ACCESS_FLAGS;
	}
	code = end->device->verbs.modify_qp(lane->qp, &attr, mask);
	return code == 0 || ct_rdma_broken(err, code, "initialising a queue pair");
}

static bool make_lanes(struct ct_rdma_end *end, struct ct_error *err)
{
	end->lanes = calloc(end->wish.qps + 1, sizeof *end->lanes);
	if (!end->lanes)
		return ct_broken_errno(err, "memory for queue pairs");
	for (unsigned i = 0; i < end->wish.qps; i++) {
		if (!make_lane(end, i, err) || !to_init(end, &end->lanes[i], err))
			return false;
	}
	return true;
}

/* A number that an earlier connection between the same two pairs did not have. */
static uint32_t draw(uint32_t mask)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
		number = (uint32_t)ct_monotonic_ns();
	return number & mask;
}

bool ct_rdma_end_open(struct ct_rdma_end *end, const struct ct_rdma_device *device,
		      const struct ct_rdma_wish *wish, struct ct_error *err)
{
	memset(end, 0, sizeof *end);
	end->device = device;
	end->wish = *wish;
	/* The CPU puts inline data into the request: it can't read a GPU's. */
	end->inline_bytes = wish->gpu ? 0 : wish->inline_bytes;
	end->psn = draw(0xffffff);
	end->qkey = draw(0x7fffffff); /* the highest bit is the kernel's */
	end->pd = device->verbs.alloc_pd(device->context);
	if (!end->pd)
		ct_rdma_broken(err, errno, "a protection domain");
	else if (make_regions(end, err) && make_queues(end, err) && make_lanes(end, err))
		return true;
	ct_rdma_end_close(end);
	return ct_error_in(err, "RDMA device %s", device->name);
}

static void close_lanes(struct ct_rdma_end *end)
{
	for (unsigned i = 0; end->lanes && i < end->wish.qps; i++)
		ct_rdma_lane_destroy(end, i);
	free(end->lanes);
}

static void close_queues(struct ct_rdma_end *end)
{
	const struct ct_verbs *verbs = &end->device->verbs;

	for (unsigned i = 0; end->queues && i < end->wish.queues; i++) {
		if (end->queues[i].sends)
			verbs->destroy_cq(end->queues[i].sends);
		if (end->queues[i].receives)
			verbs->destroy_cq(end->queues[i].receives);
		if (end->queues[i].send_channel)
			verbs->destroy_comp_channel(end->queues[i].send_channel);
		if (end->queues[i].receive_channel)
			verbs->destroy_comp_channel(end->queues[i].receive_channel);
	}
	free(end->queues);
}

static void close_regions(struct ct_rdma_end *end)
{
	for (unsigned i = 0; end->regions && i < end->wish.regions; i++) {
		if (end->regions[i])
			end->device->verbs.dereg_mr(end->regions[i]);
	}
	free(end->regions);
	if (end->lent)
		end->device->verbs.dereg_mr(end->lent);
	if (end->memory.base)
		ct_memory_unmap(&end->memory);
	ct_gpu_memory_close(&end->gpu_memory);
}

void ct_rdma_end_close(struct ct_rdma_end *end)
{
	if (!end->device)
		return;
	close_lanes(end);
	close_queues(end);
	close_regions(end);
	if (end->pd)
		end->device->verbs.dealloc_pd(end->pd);
	ct_rdma_record_free(&end->remote);
	memset(end, 0, sizeof *end);
}

static unsigned own_mtu(const struct ct_rdma_end *end)
{
	const unsigned active = ct_rdma_mtu_bytes(end->device->port_attr.active_mtu);

	return end->wish.mtu && end->wish.mtu < active ? end->wish.mtu : active;
}

bool ct_rdma_end_record(const struct ct_rdma_end *end, const char *token, enum ct_rdma_side side,
			char *out, size_t size, struct ct_error *err)
{
	const struct ct_rdma_device *device = end->device;
	const unsigned n_keys = end->regions ? end->wish.regions : 0;
	struct ct_rdma_record record = {
		.mtu = own_mtu(end),
		.reads = (unsigned)device->attr.max_qp_rd_atom,
		.lid = device->port_attr.lid,
		.gid = device->gid,
		.psn = end->psn,
		.qkey = end->qkey,
		.address = (uint64_t)(uintptr_t)end->base,
		.bytes = n_keys ? end->wish.bytes : 0,
		.memory = end->way,
		.n_qpns = end->wish.qps,
		.n_rkeys = n_keys,
	};
	bool good = ct_rdma_record_sign(&record, token, side, err);

	record.qpns = calloc(record.n_qpns + 1, sizeof *record.qpns);
	record.rkeys = calloc(record.n_rkeys + 1, sizeof *record.rkeys);
	if (good && (!record.qpns || !record.rkeys))
		good = ct_broken_errno(err, "memory for a record");
	for (unsigned i = 0; good && i < record.n_qpns; i++)
		record.qpns[i] = end->lanes[i].qp->qp_num;
	for (unsigned i = 0; good && end->regions && i < record.n_rkeys; i++)
		record.rkeys[i] = end->regions[i]->rkey;
	good = good && ct_rdma_record_print(&record, out, size, err);
	ct_rdma_record_free(&record);
	return good;
}

static enum ibv_mtu verbs_mtu(unsigned bytes)
{
	enum ibv_mtu mtu = IBV_MTU_256;

	while (mtu < IBV_MTU_4096 && ct_rdma_mtu_bytes(mtu + 1) <= bytes)
		mtu++;
	return mtu;
}

/* RoCE has no LID: the GID says where to; InfiniBand needs it only where the subnet asks for it. */
static struct ibv_ah_attr path(const struct ct_rdma_end *end, const struct ct_rdma_record *remote)
{
	const struct ct_rdma_device *device = end->device;
	struct ibv_ah_attr attr = {.dlid = remote->lid, .port_num = device->port};

	if (device->ethernet || (device->port_attr.flags & IBV_QPF_GRH_REQUIRED)) {
		attr.is_global = 1;
		attr.grh.dgid = remote->gid;
		attr.grh.sgid_index = (uint8_t)device->gid_index;
		attr.grh.hop_limit = 64;
	}
	return attr;
}

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* At most what goes into a byte. */
static uint8_t reads_limit(unsigned reads)
{
	return (uint8_t)smaller(reads, 255);
}

static bool to_receive(struct ct_rdma_end *end, const struct ct_rdma_lane *lane,
		       const struct ct_rdma_record *remote, struct ct_error *err)
{
	const struct ct_rdma_wish *wish = &end->wish;
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTR};
	int mask = IBV_QP_STATE, code;

	if (wish->type != CT_RDMA_UD) {
		attr.path_mtu = verbs_mtu(smaller(own_mtu(end), remote->mtu));
		attr.dest_qp_num = lane->remote_qpn;
		attr.rq_psn = remote->psn;
		attr.ah_attr = path(end, remote);
		mask |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
	}
	if (wish->type == CT_RDMA_RC) {
		attr.max_dest_rd_atomic = reads_limit((unsigned)end->device->attr.max_qp_rd_atom);
		attr.min_rnr_timer =
			(uint8_t)(wish->rnr_timer || wish->rnr_longest ? wish->rnr_timer
								       : CT_RDMA_RNR_TIMER);
		mask |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
	}
	code = end->device->verbs.modify_qp(lane->qp, &attr, mask);
	return code == 0 ||
	       ct_rdma_broken(err, code,
			      "making a queue pair ready to receive (is the other end's address "
			      "reachable from port %u of %s, GID index %d, %s?)",
			      end->device->port, end->device->name, end->device->gid_index,
			      end->device->gid_kind);
}

static bool to_send(struct ct_rdma_end *end, const struct ct_rdma_lane *lane,
		    const struct ct_rdma_record *remote, struct ct_error *err)
{
	const struct ct_rdma_wish *wish = &end->wish;
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTS, .sq_psn = end->psn};
	int mask = IBV_QP_STATE | IBV_QP_SQ_PSN, code;

	if (wish->type == CT_RDMA_RC) {
		attr.timeout = (uint8_t)(wish->timeout ? wish->timeout : CT_RDMA_TIMEOUT);
		attr.retry_cnt = (uint8_t)(wish->retries ? wish->retries : CT_RDMA_RETRIES);
		attr.rnr_retry =
			(uint8_t)(wish->rnr_limited ? wish->rnr_retries : CT_RDMA_RETRY_EVER);
		attr.max_rd_atomic = reads_limit(
			smaller((unsigned)end->device->attr.max_qp_init_rd_atom, remote->reads));
		mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			IBV_QP_MAX_QP_RD_ATOMIC;
	}
	code = end->device->verbs.modify_qp(lane->qp, &attr, mask);
	return code == 0 || ct_rdma_broken(err, code, "making a queue pair ready to send");
}

static bool make_path(struct ct_rdma_end *end, struct ct_rdma_lane *lane, struct ct_error *err)
{
	struct ibv_ah_attr attr = path(end, &end->remote);

	if (end->wish.type != CT_RDMA_UD)
		return true;
	lane->ah = end->device->verbs.create_ah(end->pd, &attr);
	return lane->ah || ct_rdma_broken(err, errno, "a path to the other end");
}

static bool connect_lanes(struct ct_rdma_end *end, struct ct_error *err)
{
	if (end->remote.n_qpns != end->wish.qps)
		return ct_broken(err, "the other end has %u queue pairs, this one %u",
				 end->remote.n_qpns, end->wish.qps);
	if (end->remote.n_rkeys < end->wish.remote_regions ||
	    end->remote.bytes < end->wish.remote_bytes)
		return ct_broken(err,
				 "the other end offers %u memory regions of %llu bytes, %u of %llu "
				 "are needed",
				 end->remote.n_rkeys, (unsigned long long)end->remote.bytes,
				 end->wish.remote_regions,
				 (unsigned long long)end->wish.remote_bytes);
	for (unsigned i = 0; i < end->wish.qps; i++) {
		struct ct_rdma_lane *lane = &end->lanes[i];

		lane->remote_qpn = end->remote.qpns[i];
		if (!to_receive(end, lane, &end->remote, err) ||
		    !to_send(end, lane, &end->remote, err) || !make_path(end, lane, err))
			return false;
	}
	return true;
}

bool ct_rdma_end_connect(struct ct_rdma_end *end, const char *record, const char *token,
			 enum ct_rdma_side own_side, struct ct_error *err)
{
	const enum ct_rdma_side other =
		own_side == CT_RDMA_WORKLOAD ? CT_RDMA_PEER : CT_RDMA_WORKLOAD;

	if (!record || !record[0])
		return ct_broken(err, "the other end has said nothing");
	if (ct_rdma_record_parse(&end->remote, record, err) &&
	    ct_rdma_record_check(&end->remote, token, other, err) && connect_lanes(end, err))
		return true;
	return ct_error_in(err, "RDMA device %s", end->device->name);
}

bool ct_rdma_lane_connect(struct ct_rdma_end *end, unsigned index,
			  const struct ct_rdma_record *remote, unsigned remote_lane,
			  struct ct_error *err)
{
	struct ct_rdma_lane *lane = &end->lanes[index];

	if (remote_lane >= remote->n_qpns)
		return ct_broken(err, "the other end has %u queue pairs, number %u is needed",
				 remote->n_qpns, remote_lane + 1);
	lane->remote_qpn = remote->qpns[remote_lane];
	return (to_receive(end, lane, remote, err) && to_send(end, lane, remote, err)) ||
	       ct_error_in(err, "RDMA device %s", end->device->name);
}

bool ct_rdma_end_register(struct ct_rdma_end *end, void *memory, size_t bytes, struct ct_error *err)
{
	end->lent = end->device->verbs.reg_mr(end->pd, memory, bytes, CT_RDMA_ACCESS);
	return end->lent || ct_rdma_broken(err, errno, "registering %zu bytes of memory", bytes);
}

bool ct_rdma_end_register_gpu(struct ct_rdma_end *end, const struct ct_gpu_memory *memory,
			      struct ct_error *err)
{
	end->lent = ct_rdma_register_gpu(end->device, end->pd, memory, 0, memory->bytes, &end->way,
					 err);
	return end->lent;
}

bool ct_rdma_lane_create(struct ct_rdma_end *end, unsigned index, struct ct_error *err)
{
	return make_lane(end, index, err) && to_init(end, &end->lanes[index], err);
}

/* The other end is this one. */
bool ct_rdma_lane_loop(struct ct_rdma_end *end, unsigned index, struct ct_error *err)
{
	struct ct_rdma_lane *lane = &end->lanes[index];

	end->remote.mtu = own_mtu(end);
	end->remote.reads = (unsigned)end->device->attr.max_qp_rd_atom;
	end->remote.lid = end->device->port_attr.lid;
	end->remote.gid = end->device->gid;
	end->remote.psn = end->psn;
	lane->remote_qpn = lane->qp->qp_num;
	return to_receive(end, lane, &end->remote, err) && to_send(end, lane, &end->remote, err);
}

void ct_rdma_lane_destroy(struct ct_rdma_end *end, unsigned index)
{
	struct ct_rdma_lane *lane = &end->lanes[index];

	if (lane->qp)
		end->device->verbs.destroy_qp(lane->qp);
	if (lane->ah)
		end->device->verbs.destroy_ah(lane->ah);
	*lane = (struct ct_rdma_lane){0};
}

static bool reset_and_raise(struct ct_rdma_end *end, const struct ct_rdma_lane *lane,
			    struct ct_error *err)
{
	struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RESET};
	int code = end->device->verbs.modify_qp(lane->qp, &attr, IBV_QP_STATE);

	if (code != 0)
		return ct_rdma_broken(err, code, "resetting a queue pair");
	return to_init(end, lane, err) && to_receive(end, lane, &end->remote, err) &&
	       to_send(end, lane, &end->remote, err);
}

/*
 * An answer or a timer that belongs to the failed attempt may come in between and make the queue
 * pair fail anew on its way up (soft-RoCE on Linux 6.1: "invalid mask or state"). Nothing is wrong
 * then, and the next attempt succeeds.
 */
bool ct_rdma_lane_renew(struct ct_rdma_end *end, unsigned index, struct ct_error *err)
{
	for (int attempt = 1; attempt < RENEWALS; attempt++) {
		struct ct_error passing = {0};

		if (reset_and_raise(end, &end->lanes[index], &passing))
			return true;
	}
	return reset_and_raise(end, &end->lanes[index], err);
}
