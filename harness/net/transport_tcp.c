/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks over TCP: one connection between any two neighbours, for both directions. The lower rank
 * connects and says which it is; so rank 0, the workload, listens nowhere.
 */
#include "harness/net/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/core/clock.h"
#include "harness/net/tcp.h"

static const uint64_t connect_timeout_ns = UINT64_C(15) * 1000000000u;

struct message {
	char *at;
	size_t left;
};

struct queue {
	struct message messages[CT_TRANSPORT_QUEUE];
	unsigned head, n;
};

struct connection {
	int fd; /* -1: not a neighbour, or not connected yet */
	struct queue out, in;
};

struct tcp {
	struct ct_transport base;
	int listener;
	struct connection connections[CT_RANKS_MAX];
};

static bool is_neighbour(const struct tcp *tcp, unsigned rank)
{
	return (tcp->base.setup.neighbours >> rank & 1u) != 0;
}

static void tcp_close(struct ct_transport *transport)
{
	struct tcp *tcp = (struct tcp *)transport;

	for (unsigned rank = 0; rank < CT_RANKS_MAX; rank++) {
		if (tcp->connections[rank].fd >= 0)
			close(tcp->connections[rank].fd);
	}
	if (tcp->listener >= 0)
		close(tcp->listener);
	free(tcp);
}

static bool tcp_open(const struct ct_transport_setup *setup, char text[CT_ENDPOINT_MAX],
		     struct ct_transport **transport, struct ct_error *err)
{
	struct tcp *tcp = calloc(1, sizeof *tcp);

	if (!tcp)
		return ct_broken_errno(err, "memory for connections");
	tcp->base = (struct ct_transport){.ops = &ct_transport_tcp, .setup = *setup};
	tcp->listener = -1;
	for (unsigned rank = 0; rank < CT_RANKS_MAX; rank++)
		tcp->connections[rank].fd = -1;
	if (setup->address && !ct_tcp_listen(setup->address, &tcp->listener, text, err)) {
		tcp_close(&tcp->base);
		return false;
	}
	*transport = &tcp->base;
	return true;
}

static bool configure(int fd, struct ct_error *err)
{
	const int on = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 ||
	       ct_broken_errno(err, "setting up the connection");
}

static bool call(struct tcp *tcp, unsigned rank, const char *endpoint, struct ct_error *err)
{
	const unsigned char own = (unsigned char)tcp->base.setup.rank;
	int fd = -1;

	if (!ct_tcp_connect(endpoint, &fd, err))
		return ct_error_in(err, "rank %u", rank);
	tcp->connections[rank].fd = fd;
	if (!ct_consent_ask(fd, tcp->base.setup.token, err) || !configure(fd, err))
		return ct_error_in(err, "rank %u at %s", rank, endpoint);
	return send(fd, &own, 1, MSG_NOSIGNAL) == 1 ||
	       ct_broken_errno(err, "rank %u at %s", rank, endpoint);
}

/* Whoever does not know the token, or is nobody who is awaited, is turned away. */
static bool answer_call(struct tcp *tcp, bool *came, struct ct_error *err)
{
	struct pollfd wait = {.events = POLLIN};
	struct ct_error stranger;
	unsigned char rank;
	/* cppcheck-suppress nullPointer; accept(2): nobody asks who it is */
	int fd = accept4(tcp->listener, NULL, NULL, SOCK_CLOEXEC);

	*came = false;
	if (fd < 0)
		return errno == EINTR || errno == EAGAIN || errno == ECONNABORTED ||
		       ct_broken_errno(err, "accepting a connection");
	wait.fd = fd;
	if (ct_consent_give(fd, tcp->base.setup.token, &stranger) && poll(&wait, 1, 2000) == 1 &&
	    recv(fd, &rank, 1, 0) == 1 && rank < tcp->base.setup.rank && is_neighbour(tcp, rank) &&
	    tcp->connections[rank].fd < 0) {
		tcp->connections[rank].fd = fd;
		*came = true;
		return configure(fd, err);
	}
	close(fd);
	return true;
}

static unsigned count_missing(const struct tcp *tcp, unsigned *first)
{
	unsigned n = 0;

	for (unsigned rank = tcp->base.setup.rank; rank-- > 0;) {
		if (is_neighbour(tcp, rank) && tcp->connections[rank].fd < 0) {
			*first = rank;
			n++;
		}
	}
	return n;
}

static bool await_calls(struct tcp *tcp, struct ct_error *err)
{
	const uint64_t deadline_ns = ct_monotonic_ns() + connect_timeout_ns;
	struct pollfd wait = {.fd = tcp->listener, .events = POLLIN};
	unsigned missing;
	bool came;

	while (count_missing(tcp, &missing) > 0) {
		if (atomic_load(tcp->base.setup.stop))
			return ct_broken(err, "stopped while waiting for rank %u", missing);
		if (ct_monotonic_ns() > deadline_ns)
			return ct_broken(err, "rank %u has not connected within 15 s", missing);
		if (poll(&wait, 1, CT_TRANSPORT_SLICE_MS) == 1 && !answer_call(tcp, &came, err))
			return false;
	}
	return true;
}

/* A caller waits for an answer of its higher neighbours only, so there is no circle. */
static bool tcp_connect(struct ct_transport *transport, const char *const *texts,
			struct ct_error *err)
{
	struct tcp *tcp = (struct tcp *)transport;

	for (unsigned rank = transport->setup.rank + 1; rank < transport->setup.n_ranks; rank++) {
		if (is_neighbour(tcp, rank) && !call(tcp, rank, texts[rank], err))
			return false;
	}
	return await_calls(tcp, err);
}

static void push(struct queue *queue, char *at, size_t bytes)
{
	queue->messages[(queue->head + queue->n++) % CT_TRANSPORT_QUEUE] =
		(struct message){at, bytes};
}

static void tcp_send(struct ct_transport *transport, unsigned rank, const void *from, size_t bytes)
{
	push(&((struct tcp *)transport)->connections[rank].out, (char *)from, bytes);
}

static void tcp_receive(struct ct_transport *transport, unsigned rank, void *into, size_t bytes)
{
	push(&((struct tcp *)transport)->connections[rank].in, into, bytes);
}

/* Counts a moved byte range to the head of the queue; the number of messages that this ends. */
static unsigned advance(struct queue *queue, size_t bytes)
{
	unsigned ended = 0;

	while (queue->n > 0) {
		struct message *message = &queue->messages[queue->head];
		size_t part = bytes < message->left ? bytes : message->left;

		message->at += part;
		message->left -= part;
		bytes -= part;
		if (message->left > 0)
			break;
		queue->head = (queue->head + 1) % CT_TRANSPORT_QUEUE;
		queue->n--;
		ended++;
	}
	return ended;
}

/* After a call that moved no byte: true when trying again later may help. */
static bool may_retry(struct ct_transport *transport, unsigned rank, ssize_t result)
{
	if (result != 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return true;
	transport->failed_rank = rank;
	transport->outcome = result == 0 || errno == ECONNRESET || errno == EPIPE
				     ? CT_TRANSPORT_CLOSED
				     : CT_TRANSPORT_BROKEN;
	snprintf(transport->what, sizeof transport->what, "%s",
		 transport->outcome == CT_TRANSPORT_CLOSED ? "closed the connection"
							   : strerror(errno));
	return false;
}

static bool move_out(struct tcp *tcp, unsigned rank, bool *moved)
{
	struct connection *connection = &tcp->connections[rank];
	const struct message *head = &connection->out.messages[connection->out.head];
	ssize_t n = 0;

	if (connection->out.n == 0)
		return true;
	if (head->left > 0)
		n = send(connection->fd, head->at, head->left, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return may_retry(&tcp->base, rank, n);
	*moved = true;
	tcp->base.sent[rank] += advance(&connection->out, (size_t)n);
	return true;
}

static bool move_in(struct tcp *tcp, unsigned rank, bool *moved)
{
	struct connection *connection = &tcp->connections[rank];
	const struct message *head = &connection->in.messages[connection->in.head];
	ssize_t n = 0;

	if (connection->in.n == 0)
		return true;
	if (head->left > 0) {
		n = recv(connection->fd, head->at, head->left, MSG_DONTWAIT);
		if (n <= 0)
			return may_retry(&tcp->base, rank, n);
	}
	*moved = true;
	tcp->base.received[rank] += advance(&connection->in, (size_t)n);
	return true;
}

/* True when something may have changed. */
static bool wait_for_any(struct tcp *tcp)
{
	struct pollfd wait[CT_RANKS_MAX];
	nfds_t n = 0;

	for (unsigned rank = 0; rank < tcp->base.setup.n_ranks; rank++) {
		const struct connection *connection = &tcp->connections[rank];
		short events = 0;

		if (connection->out.n > 0)
			events |= POLLOUT;
		if (connection->in.n > 0)
			events |= POLLIN;
		if (events)
			wait[n++] = (struct pollfd){.fd = connection->fd, .events = events};
	}
	return poll(wait, n, CT_TRANSPORT_SLICE_MS) != 0;
}

static enum ct_progress tcp_progress(struct ct_transport *transport)
{
	struct tcp *tcp = (struct tcp *)transport;
	bool moved = false;

	do {
		for (unsigned rank = 0; rank < transport->setup.n_ranks; rank++) {
			if (tcp->connections[rank].fd >= 0 &&
			    (!move_out(tcp, rank, &moved) || !move_in(tcp, rank, &moved)))
				return CT_PROGRESS_FAILED;
		}
		if (moved)
			return CT_PROGRESS_MOVED;
	} while (wait_for_any(tcp));
	return CT_PROGRESS_IDLE;
}

const struct ct_transport_ops ct_transport_tcp = {
	.name = "tcp",
	.open = tcp_open,
	.connect = tcp_connect,
	.send = tcp_send,
	.receive = tcp_receive,
	.progress = tcp_progress,
	.close = tcp_close,
};
