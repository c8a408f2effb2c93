/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP request and response, as netperf's TCP_RR and sockperf's ping-pong: one connection, one
 * request at a time, small messages, no Nagle. On loopback it measures the kernel's network stack
 * and two wake-ups, over veth the bridge and the namespaces too, over a NIC the device and the
 * wire. The other end (an echo server) is at the end of this file.
 */
#include "bench/victims.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "harness/net/tcp.h"

enum { SLICE_US = 100000, PATIENCE_SLICES = 50 }; /* 50 slices of 100 ms without a byte: 5 s */

struct rr_options {
	uint64_t request, response;
	uint64_t busy_poll_ns;
};

enum outcome { GOOD, CLOSED, SILENT, STOPPED, FAILED };

/* One end of the connection: both ends send and receive whole messages alike. */
struct rr_end {
	int fd;
	const atomic_bool *stop;
	enum outcome outcome;
	int error;
	char *buffer; /* holds the larger message */
};

struct rr_state {
	struct rr_end end;
	size_t request, response;
	char peer[CT_ENDPOINT_MAX];
};

/*
 * After a call that moved no byte: may one go on? Sockets return every 100 ms (SO_RCVTIMEO), so
 * that a peer that hangs is noticed and a stop is obeyed. `patience` 0 waits for ever.
 */
static bool may_retry(struct rr_end *end, int *waited, int patience)
{
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		end->error = errno;
		end->outcome = errno == ECONNRESET || errno == EPIPE ? CLOSED : FAILED;
		return false;
	}
	if (atomic_load_explicit(end->stop, memory_order_relaxed)) {
		end->outcome = STOPPED;
		return false;
	}
	if (errno != EINTR && patience > 0 && ++*waited >= patience) {
		end->outcome = SILENT;
		return false;
	}
	return true;
}

static bool send_message(struct rr_end *end, size_t size)
{
	size_t done = 0;
	int waited = 0;

	while (done < size) {
		ssize_t n = send(end->fd, end->buffer + done, size - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (!may_retry(end, &waited, PATIENCE_SLICES))
			return false;
	}
	return true;
}

static bool receive_message(struct rr_end *end, size_t size, int patience)
{
	size_t done = 0;
	int waited = 0;

	while (done < size) {
		ssize_t n = recv(end->fd, end->buffer + done, size - done, 0);

		if (n == 0) {
			end->outcome = CLOSED;
			return false;
		}
		if (n > 0)
			done += (size_t)n;
		else if (!may_retry(end, &waited, patience))
			return false;
	}
	return true;
}

static bool set_busy_poll(int fd, uint64_t busy_poll_ns, struct ct_error *err)
{
	const int microseconds = (int)(busy_poll_ns / 1000u);

	if (microseconds == 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &microseconds, sizeof microseconds) == 0)
		return true;
	if (errno == EPERM)
		return ct_broken(err, "busy_poll = %d us needs CAP_NET_ADMIN: leave it at 0us",
				 microseconds);
	return ct_broken_errno(err, "busy_poll = %d us", microseconds);
}

static bool configure(int fd, const struct rr_options *options, struct ct_error *err)
{
	const struct timeval slice = {.tv_usec = SLICE_US};
	const int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof slice) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slice, sizeof slice) != 0)
		return ct_broken_errno(err, "setting up the connection");
	return set_busy_poll(fd, options->busy_poll_ns, err);
}

/* A buffer for both messages, touched so that no page of it faults while measuring. */
static char *make_buffer(const struct rr_options *options)
{
	size_t size = options->request > options->response ? options->request : options->response;
	char *buffer = malloc(size);

	if (buffer)
		memset(buffer, 0x5a, size);
	return buffer;
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct rr_options *asked = options;
	struct rr_state *rr;

	if (!env->endpoint)
		return ct_broken(err, "tcp_rr: it got no peer to talk to");
	rr = calloc(1, sizeof *rr);
	if (!rr)
		return ct_broken_errno(err, "tcp_rr: no memory for its state");
	rr->end = (struct rr_end){.fd = -1, .stop = env->stop, .buffer = make_buffer(asked)};
	rr->request = asked->request;
	rr->response = asked->response;
	memccpy(rr->peer, env->endpoint, '\0', sizeof rr->peer - 1);
	if (!rr->end.buffer) {
		ct_broken_errno(err, "no memory for a message");
		goto fail;
	}
	if (!ct_tcp_connect_via(env->endpoint, env->nic, &rr->end.fd, err) ||
	    !ct_consent_ask(rr->end.fd, env->token, err) || !configure(rr->end.fd, asked, err))
		goto fail;
	*state = rr;
	return true;
fail:
	if (rr->end.fd >= 0)
		close(rr->end.fd);
	free(rr->end.buffer);
	free(rr);
	return ct_error_in(err, "tcp_rr");
}

static bool operate(void *state)
{
	struct rr_state *rr = state;

	return send_message(&rr->end, rr->request) &&
	       receive_message(&rr->end, rr->response, PATIENCE_SLICES);
}

static void failure(void *state, struct ct_error *err)
{
	const struct rr_state *rr = state;

	switch (rr->end.outcome) {
	case CLOSED:
		ct_broken(err, "tcp_rr: the peer %s closed the connection", rr->peer);
		break;
	case SILENT:
		ct_broken(err, "tcp_rr: the peer %s has not answered for 5 s", rr->peer);
		break;
	case STOPPED:
		ct_broken(err, "tcp_rr: stopped while waiting for the peer %s", rr->peer);
		break;
	case GOOD:
	case FAILED:
		errno = rr->end.error;
		ct_broken_errno(err, "tcp_rr: the connection to %s", rr->peer);
		break;
	}
}

static void teardown(void *state)
{
	struct rr_state *rr = state;

	close(rr->end.fd);
	free(rr->end.buffer);
	free(rr);
}

/* The other end. */

struct echo_state {
	struct rr_options options;
	const char *token;
	const atomic_bool *stop;
	int listener;
	char *buffer;
};

static bool echo_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct echo_state *echo = calloc(1, sizeof *echo);

	if (!echo)
		return ct_broken_errno(err, "tcp_rr: no memory for the echo server");
	echo->options = *(const struct rr_options *)options;
	echo->token = env->token;
	echo->stop = env->stop;
	echo->buffer = make_buffer(&echo->options);
	if (!echo->buffer) {
		ct_broken_errno(err, "no memory for a message");
		goto fail;
	}
	if (!ct_tcp_listen(env->address, &echo->listener, endpoint, err))
		goto fail;
	*state = echo;
	return true;
fail:
	free(echo->buffer);
	free(echo);
	return ct_error_in(err, "tcp_rr: echo server");
}

/* Until the other side leaves. It may be silent for as long as it likes: between phases it is. */
static void answer(struct echo_state *echo, int fd)
{
	struct rr_end end = {.fd = fd, .stop = echo->stop, .buffer = echo->buffer};

	while (receive_message(&end, echo->options.request, 0) &&
	       send_message(&end, echo->options.response)) {
	}
}

/* Who does not know the token is turned away; that must not end the service for who does. */
static bool serve_one(struct echo_state *echo, struct ct_error *err)
{
	struct ct_error stranger;
	int fd = accept4(echo->listener, NULL, NULL, SOCK_CLOEXEC);
	bool good = true;

	if (fd < 0)
		return errno == EINTR || errno == EAGAIN || errno == ECONNABORTED ||
		       ct_broken_errno(err, "tcp_rr: echo server: accepting a connection");
	if (ct_consent_give(fd, echo->token, &stranger)) {
		good = configure(fd, &echo->options, err);
		if (good)
			answer(echo, fd);
	}
	close(fd);
	return good;
}

static bool echo_serve(void *state, struct ct_error *err)
{
	struct echo_state *echo = state;
	struct pollfd wait = {.fd = echo->listener, .events = POLLIN};

	while (!atomic_load_explicit(echo->stop, memory_order_relaxed)) {
		int ready = poll(&wait, 1, SLICE_US / 1000);

		if (ready < 0 && errno != EINTR)
			return ct_broken_errno(err, "tcp_rr: echo server: waiting");
		if (ready > 0 && !serve_one(echo, err))
			return false;
	}
	return true;
}

static void echo_teardown(void *state)
{
	struct echo_state *echo = state;

	close(echo->listener);
	free(echo->buffer);
	free(echo);
}

static const struct ct_peer_ops echo_server = {
	.setup = echo_setup,
	.serve = echo_serve,
	.teardown = echo_teardown,
};

static const struct ct_param params[] = {
	{.name = "request",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct rr_options, request),
	 .fallback = "64",
	 .min = "1",
	 .max = "16M",
	 .help = "bytes of a request"},
	{.name = "response",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct rr_options, response),
	 .fallback = "64",
	 .min = "1",
	 .max = "16M",
	 .help = "bytes of a response"},
	{.name = "busy_poll",
	 .type = CT_PARAM_TIME,
	 .offset = offsetof(struct rr_options, busy_poll_ns),
	 .fallback = "0ns",
	 .min = "0ns",
	 .max = "1s",
	 .help = "poll the device so long before sleeping (SO_BUSY_POLL), in whole microseconds"},
	{0},
};

const struct ct_victim_ops ct_bench_tcp_rr = {
	.name = "tcp_rr",
	.summary = "request and response over one TCP connection",
	.unit = "ns",
	.sample = "one request sent and its response received",
	.stresses = CT_RES_NETWORK | CT_RES_SCHEDULER | CT_RES_KERNEL | CT_RES_INTERRUPT,
	.params = params,
	.options_size = sizeof(struct rr_options),
	.setup = setup,
	.operate = operate,
	.failure = failure,
	.teardown = teardown,
	.peer = &echo_server,
};
