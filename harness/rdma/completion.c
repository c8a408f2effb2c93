/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/completion.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "harness/core/clock.h"

enum {
	LOOK_SPINS = 4096, /* polls between two looks at the clock and at `stop` */
	SLICE_MS = 100,
	ACKNOWLEDGE = 64 /* events at a time: it takes a lock */
};

const char *const ct_rdma_completion_names[] = {"poll", "event", NULL};

void ct_rdma_wait_sends(struct ct_rdma_wait *wait, const struct ct_rdma_end *end, unsigned queue,
			const atomic_bool *stop, unsigned patience_ms)
{
	*wait = (struct ct_rdma_wait){.verbs = &end->device->verbs,
				      .cq = end->queues[queue].sends,
				      .channel = end->queues[queue].send_channel,
				      .stop = stop,
				      .patience_ms = patience_ms};
}

void ct_rdma_wait_receives(struct ct_rdma_wait *wait, const struct ct_rdma_end *end, unsigned queue,
			   const atomic_bool *stop, unsigned patience_ms)
{
	ct_rdma_wait_sends(wait, end, queue, stop, patience_ms);
	wait->cq = end->queues[queue].receives;
	wait->channel = end->queues[queue].receive_channel;
}

void ct_rdma_wait_done(struct ct_rdma_wait *wait)
{
	if (wait->unacknowledged)
		wait->verbs->ack_cq_events(wait->cq, wait->unacknowledged);
	wait->unacknowledged = 0;
}

static int broken(struct ct_rdma_wait *wait, int code)
{
	wait->outcome = CT_RDMA_BROKEN;
	wait->code = code;
	return -1;
}

int ct_rdma_peek(struct ct_rdma_wait *wait, struct ibv_wc *wc, int max)
{
	int n = ibv_poll_cq(wait->cq, max, wc);

	if (n < 0)
		return broken(wait, EIO);
	for (int i = 0; i < n; i++) {
		if (wc[i].status != IBV_WC_SUCCESS) {
			wait->status = wc[i].status;
			wait->failed_id = wc[i].wr_id;
			return broken(wait, 0);
		}
	}
	return n;
}

bool ct_rdma_may_wait(struct ct_rdma_wait *wait, uint64_t *since_ns)
{
	uint64_t now_ns;

	if (atomic_load_explicit(wait->stop, memory_order_relaxed)) {
		wait->outcome = CT_RDMA_STOPPED;
		return false;
	}
	if (wait->patience_ms == 0)
		return true;
	now_ns = ct_monotonic_ns();
	if (*since_ns == 0)
		*since_ns = now_ns;
	if (now_ns - *since_ns < wait->patience_ms * UINT64_C(1000000))
		return true;
	wait->outcome = CT_RDMA_SILENT;
	return false;
}

static int reap_polling(struct ct_rdma_wait *wait, struct ibv_wc *wc, int max)
{
	uint64_t since_ns = 0;

	for (unsigned spins = 1;; spins++) {
		int n = ct_rdma_peek(wait, wc, max);

		if (n != 0)
			return n > 0 ? n : 0;
		if (spins % LOOK_SPINS == 0 && !ct_rdma_may_wait(wait, &since_ns))
			return 0;
	}
}

bool ct_rdma_take_event(struct ct_rdma_wait *wait)
{
	struct ibv_cq *cq;
	void *cookie;

	if (wait->verbs->get_cq_event(wait->channel, &cq, &cookie) != 0) {
		broken(wait, errno);
		return false;
	}
	wait->armed = false;
	if (++wait->unacknowledged >= ACKNOWLEDGE)
		ct_rdma_wait_done(wait);
	return true;
}

bool ct_rdma_arm(struct ct_rdma_wait *wait)
{
	int code = wait->armed ? 0 : ibv_req_notify_cq(wait->cq, 0);

	if (code != 0) {
		broken(wait, code);
		return false;
	}
	wait->armed = true;
	return true;
}

/* Blocking in get_cq_event itself could not be stopped; poll() costs one more system call. */
static bool sleep_once(struct ct_rdma_wait *wait, uint64_t *since_ns)
{
	struct pollfd channel = {.fd = wait->channel->fd, .events = POLLIN};
	int ready = poll(&channel, 1, SLICE_MS);

	if (ready > 0)
		return ct_rdma_take_event(wait);
	if (ready < 0 && errno != EINTR) {
		broken(wait, errno);
		return false;
	}
	return ct_rdma_may_wait(wait, since_ns);
}

static int reap_sleeping(struct ct_rdma_wait *wait, struct ibv_wc *wc, int max)
{
	uint64_t since_ns = 0;

	for (;;) {
		int n;

		if (!ct_rdma_arm(wait))
			return 0;
		n = ct_rdma_peek(wait, wc, max);
		if (n != 0)
			return n > 0 ? n : 0;
		if (!sleep_once(wait, &since_ns))
			return 0;
	}
}

int ct_rdma_reap(struct ct_rdma_wait *wait, struct ibv_wc *wc, int max)
{
	return wait->channel ? reap_sleeping(wait, wc, max) : reap_polling(wait, wc, max);
}

static const char *advice(enum ibv_wc_status status)
{
	switch (status) {
	case IBV_WC_RETRY_EXC_ERR:
		return "; the other end does not answer: is its address reachable, and does the "
		       "path take this MTU?";
	case IBV_WC_RNR_RETRY_EXC_ERR:
		return "; the other end has no receive ready";
	case IBV_WC_REM_ACCESS_ERR:
		return "; the other end's memory is not open to this";
	case IBV_WC_REM_INV_REQ_ERR:
		return "; the other end's device refuses this operation (soft-RoCE also does so "
		       "when it is too busy to acknowledge in time: load it less)";
	case IBV_WC_REM_OP_ERR:
		return "; the other end's device refuses this operation";
	default:
		return "";
	}
}

void ct_rdma_wait_error(const struct ct_rdma_wait *wait, const char *what, struct ct_error *err)
{
	switch (wait->outcome) {
	case CT_RDMA_SILENT:
		ct_broken(err, "%s: the other end has not answered for %u ms", what,
			  wait->patience_ms);
		break;
	case CT_RDMA_STOPPED:
		ct_broken(err, "%s: stopped while waiting", what);
		break;
	case CT_RDMA_GOOD:
	case CT_RDMA_BROKEN:
		if (wait->status != IBV_WC_SUCCESS)
			ct_broken(err, "%s: %s%s", what, wait->verbs->wc_status_str(wait->status),
				  advice(wait->status));
		else
			ct_rdma_broken(err, wait->code, "%s", what);
		break;
	}
}
