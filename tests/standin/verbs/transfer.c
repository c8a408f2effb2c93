/* SPDX-License-Identifier: Apache-2.0 */
/* Moving bytes: what a device does with posted work. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/standin/verbs/standin.h"

static const unsigned rnr_times_us[32] = {
	655360, 10,    20,    30,    40,    60,     80,     120,    160,    240,   320,
	480,    640,   960,   1280,  1920,  2560,   3840,   5120,   7680,   10240, 15360,
	20480,  30720, 40960, 61440, 81920, 122880, 163840, 245760, 327680, 491520};

uint32_t qp_number(unsigned slot)
{
	return 0x100 + slot;
}

unsigned qp_slot(uint32_t qp_num)
{
	return qp_num >= 0x100 && qp_num < 0x100 + MAX_QPS ? qp_num - 0x100 : MAX_QPS;
}

/* The last copy failed because the other process has ended. */
static __thread bool other_is_gone;

static bool move(pid_t pid, uint64_t remote, void *local, size_t length, bool to_remote)
{
	struct iovec here = {local, length}, there = {(void *)(uintptr_t)remote, length};
	ssize_t done;

	other_is_gone = false;
	if (length == 0)
		return true;
	if (pid == getpid()) {
		if (to_remote)
			memmove((void *)(uintptr_t)remote, local, length);
		else
			memmove(local, (void *)(uintptr_t)remote, length);
		return true;
	}
	done = to_remote ? process_vm_writev(pid, &here, 1, &there, 1, 0)
			 : process_vm_readv(pid, &here, 1, &there, 1, 0);
	other_is_gone = done < 0 && errno == ESRCH;
	return done == (ssize_t)length;
}

/* Between this process's memory and another's. */
static bool copy(pid_t pid, uint64_t remote, void *local, size_t length, bool to_remote)
{
	const char *asked = getenv("COTENANT_VERBS_SPOIL");
	unsigned char first;

	if (!move(pid, remote, local, length, to_remote))
		return false;
	if (length == 0 || !asked || strcmp(asked, "1") != 0)
		return true;
	if (!to_remote) {
		*(unsigned char *)local ^= 0xff;
		return true;
	}
	first = *(const unsigned char *)local ^ 0xff;
	return move(pid, remote, &first, 1, true);
}

/* Some devices take an element of 0 bytes for one of 2 GiB: no data is no element. */
static uint32_t length_of(const struct ibv_send_wr *wr)
{
	return wr->num_sge > 0 ? wr->sg_list->length : 0;
}

/* Where in its process the memory is that this key opens; 0: it doesn't. */
static uint64_t reach(uint32_t key, pid_t pid, unsigned pd, uint64_t address, uint64_t length,
		      int access)
{
	const unsigned slot = key >> 8;
	const struct shared_mr *mr = slot < MAX_MRS ? &shared->mrs[slot] : NULL;
	const bool covers = mr && mr->used && mr->pid == pid && mr->pd == pd &&
			    (mr->generation & 0xff) == (key & 0xff) && address >= mr->address &&
			    length <= mr->length && address - mr->address <= mr->length - length &&
			    (mr->access & access) == access;

	return covers ? mr->memory + (address - mr->address) : 0;
}

void standin_ring(unsigned channel)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "%s.%u",
			      getenv("COTENANT_VERBS_STANDIN"), channel);

	if (fd < 0)
		return;
	sendto(fd, "e", 1, MSG_DONTWAIT, (struct sockaddr *)&name,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length));
	close(fd);
}

static void complete(unsigned cq_number, const struct shared_wc *entry)
{
	struct shared_cq *cq = &shared->cqs[cq_number];

	if (!cq->used || cq->tail - cq->head >= cq->entries)
		return; /* an overrun: what is missing shows as silence */
	cq->ring[cq->tail++ % MAX_CQE] = *entry;
	if (cq->armed && cq->channel) {
		cq->armed = false;
		standin_ring(cq->channel);
	}
}

static void complete_send(struct shared_qp *qp, unsigned slot, const struct ibv_send_wr *wr,
			  enum ibv_wc_status status, uint32_t bytes)
{
	struct shared_wc entry = {.wc = {.wr_id = wr->wr_id,
					 .status = status,
					 .byte_len = bytes,
					 .qp_num = qp_number(slot)},
				  .qp = slot};

	qp->unsignalled++;
	if (status == IBV_WC_SUCCESS && !(wr->send_flags & IBV_SEND_SIGNALED))
		return;
	if (status == IBV_WC_SUCCESS)
		entry.wc.status = spoiled();
	entry.covers = qp->unsignalled;
	qp->unsignalled = 0;
	if (entry.wc.status != IBV_WC_SUCCESS)
		qp->state = IBV_QPS_ERR;
	complete(qp->send_cq, &entry);
}

/* Hands the next receive of `to` out; false: it has none. */
static bool take_receive(struct shared_qp *to, struct shared_receive *receive)
{
	if (to->recv_head == to->recv_tail)
		return false;
	*receive = to->receives[to->recv_head++ % MAX_RECV];
	return true;
}

static void complete_receive(struct shared_qp *to, const struct shared_receive *receive,
			     enum ibv_wc_opcode opcode, const struct ibv_send_wr *wr,
			     uint32_t source, uint32_t bytes)
{
	const bool immediate = wr->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
	struct shared_wc entry = {.wc = {.wr_id = receive->wr_id,
					 .status = IBV_WC_SUCCESS,
					 .opcode = opcode,
					 .byte_len = bytes,
					 .imm_data = wr->imm_data,
					 .wc_flags = immediate ? IBV_WC_WITH_IMM : 0,
					 .src_qp = source},
				  .qp = MAX_QPS};

	entry.wc.qp_num = qp_number((unsigned)(to - shared->qps));
	complete(to->recv_cq, &entry);
}

/* The payload as one piece of this process's memory; NULL: its key does not cover it. */
static void *payload(const struct shared_qp *qp, const struct ibv_send_wr *wr, int access)
{
	static uint64_t nothing;
	const struct ibv_sge *sge = wr->sg_list;

	if (wr->num_sge == 0)
		return &nothing;
	/* The library reads inline data itself, with the CPU. */
	if (wr->send_flags & IBV_SEND_INLINE)
		return (void *)(uintptr_t)sge->addr;
	return (void *)(uintptr_t)reach(sge->lkey, getpid(), qp->pd, sge->addr, sge->length,
					access);
}

static enum ibv_wc_status deliver_send(struct shared_qp *to, const struct ibv_send_wr *wr,
				       void *data, uint32_t source, unsigned before)
{
	const uint32_t length = length_of(wr);
	struct shared_receive receive;
	uint64_t into;

	if (!take_receive(to, &receive))
		return IBV_WC_RNR_RETRY_EXC_ERR;
	into = reach(receive.lkey, to->pid, to->pd, receive.address, receive.length,
		     IBV_ACCESS_LOCAL_WRITE);
	if (receive.length < length + before || !into ||
	    !copy(to->pid, into + before, data, length, true))
		return IBV_WC_REM_INV_REQ_ERR;
	complete_receive(to, &receive, IBV_WC_RECV, wr, source, length + before);
	return IBV_WC_SUCCESS;
}

static enum ibv_wc_status deliver_write(struct shared_qp *to, const struct ibv_send_wr *wr,
					void *data, uint32_t source)
{
	const uint32_t length = length_of(wr);
	const bool immediate = wr->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
	const uint64_t into = reach(wr->wr.rdma.rkey, to->pid, to->pd, wr->wr.rdma.remote_addr,
				    length, IBV_ACCESS_REMOTE_WRITE);
	struct shared_receive receive;

	if (!into)
		return IBV_WC_REM_ACCESS_ERR;
	if (immediate && !take_receive(to, &receive))
		return IBV_WC_RNR_RETRY_EXC_ERR;
	if (!copy(to->pid, into, data, length, true))
		return IBV_WC_REM_ACCESS_ERR;
	if (immediate)
		complete_receive(to, &receive, IBV_WC_RECV_RDMA_WITH_IMM, wr, source, length);
	return IBV_WC_SUCCESS;
}

static enum ibv_wc_status deliver_atomic(const struct shared_qp *to, const struct ibv_send_wr *wr,
					 void *result)
{
	const uint64_t address = reach(wr->wr.atomic.rkey, to->pid, to->pd,
				       wr->wr.atomic.remote_addr, 8, IBV_ACCESS_REMOTE_ATOMIC);
	uint64_t before, after;

	if (wr->wr.atomic.remote_addr % 8 || !address)
		return IBV_WC_REM_ACCESS_ERR;
	if (!copy(to->pid, address, &before, sizeof before, false))
		return IBV_WC_REM_ACCESS_ERR;
	after = before + wr->wr.atomic.compare_add;
	if (wr->opcode == IBV_WR_ATOMIC_CMP_AND_SWP)
		after = before == wr->wr.atomic.compare_add ? wr->wr.atomic.swap : before;
	if (!copy(to->pid, address, &after, sizeof after, true))
		return IBV_WC_REM_ACCESS_ERR;
	memcpy(result, &before, sizeof before);
	return IBV_WC_SUCCESS;
}

static enum ibv_wc_status deliver_read(const struct shared_qp *to, const struct ibv_send_wr *wr,
				       void *data)
{
	const uint32_t length = length_of(wr);
	const uint64_t from = reach(wr->wr.rdma.rkey, to->pid, to->pd, wr->wr.rdma.remote_addr,
				    length, IBV_ACCESS_REMOTE_READ);

	if (!from || !copy(to->pid, from, data, length, false))
		return IBV_WC_REM_ACCESS_ERR;
	return IBV_WC_SUCCESS;
}

static enum ibv_wc_status deliver(const struct shared_qp *qp, struct shared_qp *to,
				  const struct ibv_send_wr *wr, uint32_t source)
{
	const bool fetches = wr->opcode == IBV_WR_RDMA_READ ||
			     wr->opcode == IBV_WR_ATOMIC_CMP_AND_SWP ||
			     wr->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
	void *data = payload(qp, wr, fetches ? IBV_ACCESS_LOCAL_WRITE : 0);

	if (!data)
		return IBV_WC_LOC_PROT_ERR;
	switch (wr->opcode) {
	case IBV_WR_SEND:
		return deliver_send(to, wr, data, source, qp->type == IBV_QPT_UD ? GRH : 0);
	case IBV_WR_RDMA_WRITE:
	case IBV_WR_RDMA_WRITE_WITH_IMM:
		return deliver_write(to, wr, data, source);
	case IBV_WR_RDMA_READ:
		return deliver_read(to, wr, data);
	default:
		return deliver_atomic(to, wr, data);
	}
}

static struct shared_qp *destination(const struct shared_qp *qp, const struct ibv_send_wr *wr)
{
	const unsigned slot = qp_slot(qp->type == IBV_QPT_UD ? wr->wr.ud.remote_qpn : qp->dest);
	struct shared_qp *to = slot < MAX_QPS ? &shared->qps[slot] : NULL;

	if (!to || !to->used || (to->state != IBV_QPS_RTR && to->state != IBV_QPS_RTS))
		return NULL;
	if (qp->type == IBV_QPT_UD)
		return to->qkey == wr->wr.ud.remote_qkey ? to : NULL;
	/* A pair answers only who it is connected to, and only the number it expects. */
	if (to->dest != qp_number((unsigned)(qp - shared->qps)))
		return NULL;
	return to;
}

/* The lock is let go of while the sender waits, as its owner may post a receive meanwhile. */
static enum ibv_wc_status transfer(struct shared_qp *qp, const struct ibv_send_wr *wr,
				   uint32_t source)
{
	unsigned left = qp->rnr_retry;

	for (;;) {
		struct shared_qp *to = destination(qp, wr);
		enum ibv_wc_status status;
		struct timespec pause;

		if (!to)
			return qp->type == IBV_QPT_RC ? IBV_WC_RETRY_EXC_ERR : IBV_WC_SUCCESS;
		if (qp->type == IBV_QPT_RC && to->expected_psn != qp->next_psn)
			return IBV_WC_RETRY_EXC_ERR;
		if (qp->type == IBV_QPT_RC && qp->timeout < SOFT_TIMEOUT && standin_is_soft())
			return IBV_WC_REM_INV_REQ_ERR;
		other_is_gone = false;
		status = deliver(qp, to, wr, source);
		if (status == IBV_WC_SUCCESS) {
			qp->next_psn = (qp->next_psn + 1) & 0xffffff;
			to->expected_psn = (to->expected_psn + 1) & 0xffffff;
		}
		if (status != IBV_WC_SUCCESS && other_is_gone)
			return IBV_WC_RETRY_EXC_ERR;
		if (status != IBV_WC_RNR_RETRY_EXC_ERR)
			return status;
		if (qp->type != IBV_QPT_RC)
			return IBV_WC_SUCCESS; /* dropped */
		if (left == 0)
			return status;
		if (qp->rnr_retry != 7)
			left--;
		pause = (struct timespec){.tv_nsec = rnr_times_us[to->min_rnr_timer & 31] * 1000L};
		unlock();
		nanosleep(&pause, NULL);
		lock();
		if (qp->state != IBV_QPS_RTS)
			return IBV_WC_WR_FLUSH_ERR;
	}
}

static int post_one(struct shared_qp *qp, unsigned slot, const struct ibv_send_wr *wr)
{
	enum ibv_wc_status status;

	if (qp->state != IBV_QPS_RTS && qp->state != IBV_QPS_ERR)
		return EINVAL;
	if (wr->num_sge > 1 || (wr->num_sge == 0 && wr->opcode != IBV_WR_RDMA_WRITE_WITH_IMM) ||
	    (wr->num_sge == 1 && wr->sg_list->length == 0) || length_of(wr) > MAX_MESSAGE ||
	    (qp->type != IBV_QPT_RC && (wr->opcode == IBV_WR_RDMA_READ)) ||
	    ((wr->send_flags & IBV_SEND_INLINE) && length_of(wr) > qp->max_inline))
		return EINVAL;
	if (qp->send_used >= qp->max_send)
		return ENOMEM;
	qp->send_used++;
	status = qp->state == IBV_QPS_ERR ? IBV_WC_WR_FLUSH_ERR : transfer(qp, wr, qp_number(slot));
	complete_send(qp, slot, wr, status, length_of(wr));
	return 0;
}

int standin_post_send(struct ibv_qp *base, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	const unsigned slot = qp_slot(base->qp_num);
	int code = 0;

	if (fails("post_send"))
		return errno;
	lock();
	for (; wr && code == 0; wr = wr->next) {
		code = post_one(&shared->qps[slot], slot, wr);
		if (code != 0)
			*bad = wr;
	}
	unlock();
	return code;
}

int standin_post_recv(struct ibv_qp *base, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct shared_qp *qp = &shared->qps[qp_slot(base->qp_num)];
	int code = 0;

	if (fails("post_recv"))
		return errno;
	lock();
	for (; wr && code == 0; wr = wr->next) {
		if (wr->num_sge != 1 || qp->state == IBV_QPS_RESET)
			code = EINVAL;
		else if (qp->recv_tail - qp->recv_head >= qp->max_recv)
			code = ENOMEM;
		else
			qp->receives[qp->recv_tail++ % MAX_RECV] =
				(struct shared_receive){wr->wr_id, wr->sg_list->addr,
							wr->sg_list->length, wr->sg_list->lkey};
		if (code != 0)
			*bad = wr;
	}
	unlock();
	return code;
}

int standin_poll_cq(struct ibv_cq *base, int n, struct ibv_wc *wc)
{
	struct shared_cq *cq = &shared->cqs[base->handle];
	int got = 0;

	/* Without the lock: pollers must not keep out who would give them something. */
	if (__atomic_load_n(&cq->tail, __ATOMIC_ACQUIRE) == cq->head) {
		struct timespec pause = {.tv_nsec = 1000};

		nanosleep(&pause, NULL);
		return 0;
	}
	lock();
	while (got < n && cq->head != cq->tail) {
		const struct shared_wc *entry = &cq->ring[cq->head++ % MAX_CQE];

		if (entry->qp < MAX_QPS)
			shared->qps[entry->qp].send_used -= entry->covers;
		wc[got++] = entry->wc;
	}
	unlock();
	return got;
}

int standin_req_notify_cq(struct ibv_cq *base, int solicited_only)
{
	(void)solicited_only;
	lock();
	shared->cqs[base->handle].armed = true;
	unlock();
	return 0;
}
