/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/transport_verbs.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/clock.h"
#include "harness/rdma/endpoint.h"

enum {
	/* Of a queue pair: messages and invitations to each other rank. */
	DEPTH = 2 * CT_TRANSPORT_QUEUE,
	LOOK_SPINS = 1024, /* polls between two looks at the clock */
	BATCH = 16         /* completions taken at a time */
};

/* "Write your next message here", as it goes over the wire: little endian. */
struct invitation {
	uint64_t address, bytes;
	uint32_t rkey, unused;
};

/* What each lane has in the end's own region. */
struct slots {
	struct invitation received[DEPTH], sent[CT_TRANSPORT_QUEUE];
};

enum work { MESSAGE, INVITATION, RECEIVE };

struct message {
	void *at;
	size_t bytes;
};

/* The first `begun` are posted (out), or their sender is invited (in). */
struct queue {
	struct message messages[CT_TRANSPORT_QUEUE];
	unsigned head, n, begun;
};

struct neighbour {
	unsigned lane;
	struct slots *slots;
	struct queue out, in;
	struct invitation invitations[CT_TRANSPORT_QUEUE]; /* that have come */
	unsigned first_invitation, n_invitations;
	unsigned invited, inviting; /* invitations posted, ever; not completed yet */
};

struct verbs {
	struct ct_transport base;
	struct ct_rdma_device device;
	struct ct_rdma_end end;
	struct ct_rdma_wait sends, receives;
	struct neighbour neighbours[CT_RANKS_MAX]; /* by rank */
};

static bool is_neighbour(uint32_t neighbours, unsigned rank)
{
	return (neighbours >> rank & 1u) != 0;
}

/* Lanes go to the neighbours in order of their ranks. */
static unsigned lane_to(uint32_t neighbours, unsigned rank)
{
	return (unsigned)__builtin_popcount(neighbours & ((1u << rank) - 1));
}

static enum ct_rdma_side side_of(unsigned rank)
{
	return rank == 0 ? CT_RDMA_WORKLOAD : CT_RDMA_PEER;
}

static uint64_t work_id(unsigned rank, enum work work, unsigned slot)
{
	return (uint64_t)slot << 16 | (uint64_t)work << 8 | rank;
}

static unsigned rank_of(uint64_t id)
{
	return (unsigned)(id & 0xff);
}

static enum work work_of(uint64_t id)
{
	return (enum work)(id >> 8 & 0xff);
}

static unsigned slot_of(uint64_t id)
{
	return (unsigned)(id >> 16);
}

/* ---- failing ---- */

static bool fail(struct verbs *verbs, unsigned rank, const char *what, const char *why)
{
	verbs->base.failed_rank = rank;
	verbs->base.outcome = CT_TRANSPORT_BROKEN;
	snprintf(verbs->base.what, sizeof verbs->base.what, "%s%s%s", what, why[0] ? ": " : "",
		 why);
	return false;
}

/* What fails first takes all other work of its queue pair with it: that says nothing. */
static const struct ct_rdma_wait *find_cause(struct verbs *verbs, struct ct_rdma_wait *failed)
{
	struct ct_rdma_wait *other = failed == &verbs->sends ? &verbs->receives : &verbs->sends;
	struct ibv_wc wc;

	if (failed->status != IBV_WC_WR_FLUSH_ERR)
		return failed;
	while (ct_rdma_peek(other, &wc, 1) > 0) {
	}
	return other->status != IBV_WC_SUCCESS && other->status != IBV_WC_WR_FLUSH_ERR ? other
										       : failed;
}

/* A rank that has gone looks like one that can't be reached: nobody acknowledges any more. */
static bool fail_completion(struct verbs *verbs, struct ct_rdma_wait *failed)
{
	const struct ct_rdma_wait *cause = find_cause(verbs, failed);
	const unsigned rank = rank_of(cause->failed_id);
	const char *words = verbs->device.verbs.wc_status_str(cause->status);

	if (cause->status == IBV_WC_SUCCESS)
		return fail(verbs, verbs->base.setup.rank, "taking completions",
			    strerror(cause->code));
	if (cause->status != IBV_WC_RETRY_EXC_ERR)
		return fail(verbs, rank, words, "");
	verbs->base.failed_rank = rank;
	verbs->base.outcome = CT_TRANSPORT_CLOSED;
	snprintf(verbs->base.what, sizeof verbs->base.what,
		 "no longer answers, or can't be reached: %s", words);
	return false;
}

/* ---- opening and connecting ---- */

static void verbs_close(struct ct_transport *transport)
{
	struct verbs *verbs = (struct verbs *)transport;

	ct_rdma_wait_done(&verbs->sends);
	ct_rdma_wait_done(&verbs->receives);
	ct_rdma_end_close(&verbs->end);
	ct_rdma_device_close(&verbs->device);
	free(verbs);
}

static bool check_largest(const struct verbs *verbs, struct ct_error *err)
{
	const size_t largest = verbs->base.setup.largest;

	return largest <= verbs->device.port_attr.max_msg_sz ||
	       ct_usage(err, "chunk: a message of %zu bytes; RDMA device %s takes at most %u",
			largest, verbs->device.name, verbs->device.port_attr.max_msg_sz);
}

static bool register_messages(struct verbs *verbs, struct ct_error *err)
{
	const struct ct_transport_setup *setup = &verbs->base.setup;

	return setup->gpu ? ct_rdma_end_register_gpu(&verbs->end, setup->gpu, err)
			  : ct_rdma_end_register(&verbs->end, setup->memory, setup->bytes, err);
}

static bool open_end(struct verbs *verbs, const struct ct_transport_verbs_options *options,
		     struct ct_error *err)
{
	const struct ct_transport_setup *setup = &verbs->base.setup;
	const unsigned lanes = (unsigned)__builtin_popcount(setup->neighbours);
	const struct ct_rdma_wish wish = {
		.type = CT_RDMA_RC,
		.qps = lanes,
		.queues = 1,
		.send_depth = DEPTH,
		.recv_depth = DEPTH,
		.inline_bytes = sizeof(struct invitation),
		.mtu = ct_rdma_mtu(&options->rdma),
		.events = options->completion == CT_RDMA_EVENT,
		.place = setup->place,
		.bytes = lanes * sizeof(struct slots),
		.regions = 1,
	};

	return ct_rdma_open(&verbs->device, setup->nic, &options->rdma, err) &&
	       check_largest(verbs, err) &&
	       ct_rdma_end_open(&verbs->end, &verbs->device, &wish, err) &&
	       register_messages(verbs, err);
}

/* Receives take the invitations of a neighbour, and announce its messages. */
static int post_receive(struct verbs *verbs, unsigned rank, unsigned slot)
{
	const struct neighbour *neighbour = &verbs->neighbours[rank];
	struct ibv_sge sge = {
		.addr = (uint64_t)(uintptr_t)&neighbour->slots->received[slot],
		.length = sizeof(struct invitation),
		.lkey = verbs->end.regions[0]->lkey,
	};
	struct ibv_recv_wr wr = {
		.wr_id = work_id(rank, RECEIVE, slot), .sg_list = &sge, .num_sge = 1};
	struct ibv_recv_wr *bad;

	return ibv_post_recv(verbs->end.lanes[neighbour->lane].qp, &wr, &bad);
}

static bool prepare_neighbour(struct verbs *verbs, unsigned rank, struct ct_error *err)
{
	struct neighbour *neighbour = &verbs->neighbours[rank];
	struct slots *slots = (struct slots *)(void *)ct_rdma_region(&verbs->end, 0);

	neighbour->lane = lane_to(verbs->base.setup.neighbours, rank);
	neighbour->slots = &slots[neighbour->lane];
	for (unsigned slot = 0; slot < DEPTH; slot++) {
		int code = post_receive(verbs, rank, slot);

		if (code != 0)
			return ct_rdma_broken(err, code, "posting a receive");
	}
	return true;
}

static bool prepare_neighbours(struct verbs *verbs, struct ct_error *err)
{
	const struct ct_transport_setup *setup = &verbs->base.setup;

	for (unsigned rank = 0; rank < setup->n_ranks; rank++) {
		if (is_neighbour(setup->neighbours, rank) && !prepare_neighbour(verbs, rank, err))
			return false;
	}
	return true;
}

/* Whom a rank has queue pairs for, in order, then their record. */
static bool say(const struct verbs *verbs, char text[CT_ENDPOINT_MAX], struct ct_error *err)
{
	const struct ct_transport_setup *setup = &verbs->base.setup;
	const int length = snprintf(text, CT_ENDPOINT_MAX, "%x ", setup->neighbours);

	return ct_rdma_end_record(&verbs->end, setup->token, side_of(setup->rank), text + length,
				  (size_t)(CT_ENDPOINT_MAX - length), err);
}

static bool verbs_open(const struct ct_transport_setup *setup, char text[CT_ENDPOINT_MAX],
		       struct ct_transport **transport, struct ct_error *err)
{
	const struct ct_transport_verbs_options *options = setup->options;
	struct verbs *verbs = calloc(1, sizeof *verbs);

	if (!verbs)
		return ct_broken_errno(err, "memory for connections");
	verbs->base = (struct ct_transport){.ops = &ct_transport_verbs, .setup = *setup};
	verbs->base.setup.options = NULL;
	if (!open_end(verbs, options, err) || !prepare_neighbours(verbs, err) ||
	    !say(verbs, text, err)) {
		verbs_close(&verbs->base);
		return false;
	}
	ct_rdma_wait_sends(&verbs->sends, &verbs->end, 0, setup->stop, 0);
	ct_rdma_wait_receives(&verbs->receives, &verbs->end, 0, setup->stop, 0);
	verbs->base.memory = ct_rdma_memory_names[verbs->end.way];
	*transport = &verbs->base;
	return true;
}

static bool connect_to(struct verbs *verbs, unsigned rank, const char *text, struct ct_error *err)
{
	const struct ct_transport_setup *setup = &verbs->base.setup;
	struct ct_rdma_record record = {0};
	char *rest;
	const uint32_t theirs = (uint32_t)strtoul(text, &rest, 16);
	bool good;

	if (*rest != ' ' || !is_neighbour(theirs, setup->rank))
		return ct_broken(err, "it has no queue pair for rank %u", setup->rank);
	good = ct_rdma_record_parse(&record, rest + 1, err) &&
	       ct_rdma_record_check(&record, setup->token, side_of(rank), err) &&
	       ct_rdma_lane_connect(&verbs->end, verbs->neighbours[rank].lane, &record,
				    lane_to(theirs, setup->rank), err);
	ct_rdma_record_free(&record);
	return good;
}

static bool verbs_connect(struct ct_transport *transport, const char *const *texts,
			  struct ct_error *err)
{
	const struct ct_transport_setup *setup = &transport->setup;

	for (unsigned rank = 0; rank < setup->n_ranks; rank++) {
		if (is_neighbour(setup->neighbours, rank) &&
		    !connect_to((struct verbs *)transport, rank, texts[rank], err))
			return ct_error_in(err, "rank %u", rank);
	}
	return true;
}

/* ---- queues ---- */

static void push(struct queue *queue, void *at, size_t bytes)
{
	queue->messages[(queue->head + queue->n++) % CT_TRANSPORT_QUEUE] =
		(struct message){at, bytes};
}

static const struct message *next_to_begin(const struct queue *queue)
{
	return &queue->messages[(queue->head + queue->begun) % CT_TRANSPORT_QUEUE];
}

static void pop(struct queue *queue)
{
	queue->head = (queue->head + 1) % CT_TRANSPORT_QUEUE;
	queue->n--;
	queue->begun--;
}

static void verbs_send(struct ct_transport *transport, unsigned rank, const void *from,
		       size_t bytes)
{
	push(&((struct verbs *)transport)->neighbours[rank].out, (void *)from, bytes);
}

static void verbs_receive(struct ct_transport *transport, unsigned rank, void *into, size_t bytes)
{
	push(&((struct verbs *)transport)->neighbours[rank].in, into, bytes);
}

/* ---- posting ---- */

static bool post(struct verbs *verbs, unsigned rank, struct ibv_send_wr *wr, const char *what)
{
	struct ibv_send_wr *bad;
	int code = ibv_post_send(verbs->end.lanes[verbs->neighbours[rank].lane].qp, wr, &bad);

	return code == 0 || fail(verbs, rank, what, strerror(code));
}

static bool invite(struct verbs *verbs, unsigned rank)
{
	struct neighbour *neighbour = &verbs->neighbours[rank];
	const struct message *message = next_to_begin(&neighbour->in);
	struct invitation *invitation =
		&neighbour->slots->sent[neighbour->invited % CT_TRANSPORT_QUEUE];
	struct ibv_sge sge = {.addr = (uint64_t)(uintptr_t)invitation,
			      .length = sizeof *invitation,
			      .lkey = verbs->end.regions[0]->lkey};
	struct ibv_send_wr wr = {.wr_id = work_id(rank, INVITATION, 0),
				 .sg_list = &sge,
				 .num_sge = 1,
				 .opcode = IBV_WR_SEND,
				 .send_flags = IBV_SEND_SIGNALED};

	if (verbs->end.inline_bytes >= sizeof *invitation)
		wr.send_flags |= IBV_SEND_INLINE;
	*invitation = (struct invitation){.address = htole64((uint64_t)(uintptr_t)message->at),
					  .bytes = htole64(message->bytes),
					  .rkey = htole32(verbs->end.lent->rkey)};
	neighbour->invited++;
	neighbour->inviting++;
	neighbour->in.begun++;
	return post(verbs, rank, &wr, "inviting a message");
}

/* Both sides know the size of every message: an invitation of another one is a bug, or a stranger.
 */
static bool write_message(struct verbs *verbs, unsigned rank)
{
	struct neighbour *neighbour = &verbs->neighbours[rank];
	const struct message *message = next_to_begin(&neighbour->out);
	const struct invitation *invitation = &neighbour->invitations[neighbour->first_invitation];
	struct ibv_sge sge = {.addr = (uint64_t)(uintptr_t)message->at,
			      .length = (uint32_t)message->bytes,
			      .lkey = verbs->end.lent->lkey};
	struct ibv_send_wr wr = {.wr_id = work_id(rank, MESSAGE, 0),
				 .sg_list = &sge,
				 /* An element of 0 bytes means 2 GiB to some devices. */
				 .num_sge = message->bytes > 0,
				 .opcode = IBV_WR_RDMA_WRITE_WITH_IMM,
				 .send_flags = IBV_SEND_SIGNALED};

	if (le64toh(invitation->bytes) != message->bytes)
		return fail(verbs, rank, "it awaits a message of another size", "");
	wr.wr.rdma.remote_addr = le64toh(invitation->address);
	wr.wr.rdma.rkey = le32toh(invitation->rkey);
	neighbour->first_invitation = (neighbour->first_invitation + 1) % CT_TRANSPORT_QUEUE;
	neighbour->n_invitations--;
	neighbour->out.begun++;
	return post(verbs, rank, &wr, "writing a message");
}

static bool post_all(struct verbs *verbs)
{
	for (unsigned rank = 0; rank < verbs->base.setup.n_ranks; rank++) {
		struct neighbour *neighbour = &verbs->neighbours[rank];

		while (neighbour->in.begun < neighbour->in.n &&
		       neighbour->inviting < CT_TRANSPORT_QUEUE) {
			if (!invite(verbs, rank))
				return false;
		}
		while (neighbour->out.begun < neighbour->out.n && neighbour->n_invitations > 0) {
			if (!write_message(verbs, rank))
				return false;
		}
	}
	return true;
}

/* ---- completing ---- */

static void end_send(struct verbs *verbs, const struct ibv_wc *wc)
{
	const unsigned rank = rank_of(wc->wr_id);

	if (work_of(wc->wr_id) == INVITATION) {
		verbs->neighbours[rank].inviting--;
		return;
	}
	pop(&verbs->neighbours[rank].out);
	verbs->base.sent[rank]++;
}

static bool take_invitation(struct verbs *verbs, unsigned rank, unsigned slot)
{
	struct neighbour *neighbour = &verbs->neighbours[rank];

	if (neighbour->n_invitations == CT_TRANSPORT_QUEUE)
		return fail(verbs, rank, "it invites more messages than there can be", "");
	neighbour->invitations[(neighbour->first_invitation + neighbour->n_invitations++) %
			       CT_TRANSPORT_QUEUE] = neighbour->slots->received[slot];
	return true;
}

static bool take_message(struct verbs *verbs, unsigned rank)
{
	struct queue *in = &verbs->neighbours[rank].in;

	if (in->begun == 0)
		return fail(verbs, rank, "a message that nobody has invited", "");
	pop(in);
	verbs->base.received[rank]++;
	return true;
}

static bool end_receive(struct verbs *verbs, const struct ibv_wc *wc)
{
	const unsigned rank = rank_of(wc->wr_id), slot = slot_of(wc->wr_id);
	const bool good = wc->opcode == IBV_WC_RECV_RDMA_WITH_IMM
				  ? take_message(verbs, rank)
				  : take_invitation(verbs, rank, slot);
	int code = good ? post_receive(verbs, rank, slot) : 0;

	return good && (code == 0 || fail(verbs, rank, "posting a receive", strerror(code)));
}

/* All that has completed; false: failed. */
static bool complete(struct verbs *verbs, bool *moved)
{
	struct ibv_wc wc[BATCH];
	int n = ct_rdma_peek(&verbs->sends, wc, BATCH);

	if (n < 0)
		return fail_completion(verbs, &verbs->sends);
	*moved = n > 0;
	for (int i = 0; i < n; i++)
		end_send(verbs, &wc[i]);
	n = ct_rdma_peek(&verbs->receives, wc, BATCH);
	if (n < 0)
		return fail_completion(verbs, &verbs->receives);
	*moved |= n > 0;
	for (int i = 0; i < n; i++) {
		if (!end_receive(verbs, &wc[i]))
			return false;
	}
	return true;
}

static enum ct_progress spin(struct verbs *verbs)
{
	const uint64_t deadline_ns = ct_monotonic_ns() + CT_TRANSPORT_SLICE_MS * UINT64_C(1000000);
	bool moved;

	do {
		for (unsigned spins = 0; spins < LOOK_SPINS; spins++) {
			if (!complete(verbs, &moved))
				return CT_PROGRESS_FAILED;
			if (moved)
				return CT_PROGRESS_MOVED;
		}
	} while (ct_monotonic_ns() < deadline_ns);
	return CT_PROGRESS_IDLE;
}

static enum ct_progress sleep_on_events(struct verbs *verbs)
{
	struct pollfd channels[] = {{.fd = verbs->sends.channel->fd, .events = POLLIN},
				    {.fd = verbs->receives.channel->fd, .events = POLLIN}};
	bool moved;
	int ready;

	if (!ct_rdma_arm(&verbs->sends) || !ct_rdma_arm(&verbs->receives)) {
		fail(verbs, verbs->base.setup.rank, "asking for completion events", "");
		return CT_PROGRESS_FAILED;
	}
	if (!complete(verbs, &moved))
		return CT_PROGRESS_FAILED;
	if (moved)
		return CT_PROGRESS_MOVED;
	ready = poll(channels, 2, CT_TRANSPORT_SLICE_MS);
	if (ready <= 0)
		return CT_PROGRESS_IDLE;
	if ((channels[0].revents && !ct_rdma_take_event(&verbs->sends)) ||
	    (channels[1].revents && !ct_rdma_take_event(&verbs->receives))) {
		fail(verbs, verbs->base.setup.rank, "taking a completion event", strerror(errno));
		return CT_PROGRESS_FAILED;
	}
	return CT_PROGRESS_MOVED;
}

static enum ct_progress verbs_progress(struct ct_transport *transport)
{
	struct verbs *verbs = (struct verbs *)transport;
	bool moved;

	if (!post_all(verbs) || !complete(verbs, &moved))
		return CT_PROGRESS_FAILED;
	if (moved)
		return CT_PROGRESS_MOVED;
	return verbs->sends.channel ? sleep_on_events(verbs) : spin(verbs);
}

const struct ct_transport_ops ct_transport_verbs = {
	.name = "verbs",
	.open = verbs_open,
	.connect = verbs_connect,
	.send = verbs_send,
	.receive = verbs_receive,
	.progress = verbs_progress,
	.close = verbs_close,
};
