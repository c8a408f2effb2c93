/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP request and response, one at a time, as netperf's UDP_RR and sockperf's ping-pong. What is
 * lost is sent again after 100 ms and counted; a sample ends with the answer to its own request,
 * told by a number in both. With `stamps` the driver's or the NIC's own view of each round trip is
 * kept beside it: what is between the two is this host's stack and scheduler.
 */
#include "bench/victims.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "harness/net/serve.h"
#include "harness/net/stamps.h"
#include "harness/net/stream.h"
#include "harness/net/tcp.h"
#include "harness/net/udp.h"

enum { STALE_STAMPS = 64 };

struct options {
	uint64_t request, response;
	uint64_t busy_poll_ns;
	int stamps;
};

/* Of the round trips of one epoch, as the stamps have them. */
struct seen {
	double sum_ns, min_ns, max_ns;
	uint64_t n;
};

struct rr {
	struct ct_stream end; /* of the UDP socket */
	int control;
	size_t request, response;
	uint64_t number;
	enum ct_stamps stamps;
	struct seen seen;
	uint64_t lost;
	char peer[CT_ENDPOINT_MAX];
};

static bool set_up_socket(int fd, const struct options *options, struct ct_error *err)
{
	const struct timeval slice = {.tv_usec = CT_STREAM_SLICE_US};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof slice) != 0)
		return ct_broken_errno(err, "setting up a UDP socket");
	return ct_busy_poll(fd, options->busy_poll_ns, err);
}

static bool set_up_stamps(struct rr *rr, enum ct_stamps stamps, struct ct_error *err)
{
	char netdev[16];

	rr->stamps = stamps;
	return stamps == CT_STAMPS_NONE || (ct_socket_netdev(rr->end.fd, netdev, err) &&
					    ct_stamps_enable(rr->end.fd, netdev, stamps, err));
}

static void free_rr(struct rr *rr)
{
	if (rr->end.fd >= 0)
		close(rr->end.fd);
	if (rr->control >= 0)
		close(rr->control);
	free(rr->end.buffer);
	free(rr);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct options *asked = options;
	struct rr *rr;

	if (!env->endpoint)
		return ct_broken(err, "udp_rr: it got no peer to talk to");
	rr = calloc(1, sizeof *rr);
	if (!rr)
		return ct_broken_errno(err, "udp_rr: no memory for its state");
	rr->control = -1;
	rr->end = (struct ct_stream){.fd = -1,
				     .stop = env->stop,
				     .buffer = ct_stream_buffer(asked->request, asked->response)};
	rr->request = asked->request;
	rr->response = asked->response;
	memccpy(rr->peer, env->endpoint, '\0', sizeof rr->peer - 1);
	if ((rr->end.buffer || ct_broken_errno(err, "no memory for a message")) &&
	    ct_udp_connect(env->endpoint, env->nic, env->token, &rr->control, &rr->end.fd, err) &&
	    set_up_socket(rr->end.fd, asked, err) &&
	    set_up_stamps(rr, (enum ct_stamps)asked->stamps, err)) {
		*state = rr;
		return true;
	}
	free_rr(rr);
	return ct_error_in(err, "udp_rr");
}

/* The kernel stamps a datagram when it leaves, which is before its answer has come back. */
static void note_stamps(struct rr *rr, struct msghdr *message)
{
	const uint64_t back = ct_stamps_of(message, rr->stamps);
	uint64_t left = 0, one;

	/* The last one is of the datagram that was answered; others were lost. */
	for (int i = 0; i < STALE_STAMPS && (one = ct_stamps_sent(rr->end.fd, rr->stamps)); i++)
		left = one;
	if (left == 0 || back <= left)
		return;
	rr->seen.sum_ns += (double)(back - left);
	rr->seen.min_ns = rr->seen.n == 0 ? (double)(back - left)
					  : fmin(rr->seen.min_ns, (double)(back - left));
	rr->seen.max_ns = fmax(rr->seen.max_ns, (double)(back - left));
	rr->seen.n++;
}

/* The answer to the request of this number: +1; to an earlier one: 0; none within a slice: -1. */
static int receive(struct rr *rr)
{
	char control[CT_STAMPS_CONTROL];
	struct iovec part = {.iov_base = rr->end.buffer, .iov_len = rr->response};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	uint64_t number;
	ssize_t got;

	if (rr->stamps != CT_STAMPS_NONE) {
		message.msg_control = control;
		message.msg_controllen = sizeof control;
	}
	got = recvmsg(rr->end.fd, &message, 0);
	if (got < 0)
		return -1;
	if ((size_t)got != rr->response)
		return 0;
	memcpy(&number, rr->end.buffer, sizeof number);
	if (number != rr->number)
		return 0;
	if (rr->stamps != CT_STAMPS_NONE)
		note_stamps(rr, &message);
	return 1;
}

static bool send_request(struct rr *rr)
{
	memcpy(rr->end.buffer, &rr->number, sizeof rr->number);
	/* A full queue loses it, as the network does; a receiver that is gone says so here. */
	return send(rr->end.fd, rr->end.buffer, rr->request, 0) >= 0 || errno == ENOBUFS ||
	       errno == EAGAIN;
}

static bool fail(struct rr *rr)
{
	rr->end.error = errno;
	rr->end.outcome = errno == ECONNREFUSED ? CT_STREAM_CLOSED : CT_STREAM_FAILED;
	return false;
}

static bool operate(void *state)
{
	struct rr *rr = state;
	int waited = 0;

	rr->number++;
	if (!send_request(rr))
		return fail(rr);
	for (;;) {
		const int got = receive(rr);

		if (got > 0)
			return true;
		if (got == 0)
			continue;
		if (errno == ECONNREFUSED)
			return fail(rr);
		if (!ct_stream_may_retry(&rr->end, &waited, CT_STREAM_PATIENCE))
			return false;
		rr->lost++;
		if (!send_request(rr))
			return fail(rr);
	}
}

static void failure(void *state, struct ct_error *err)
{
	const struct rr *rr = state;

	ct_stream_failure(&rr->end, "udp_rr", rr->peer, err);
}

static void teardown(void *state)
{
	free_rr(state);
}

static const struct ct_counter counters[] = {
	{"lost", "1", "requests that were not answered within 100 ms and sent again",
	 CT_COUNTER_LEVEL},
	{"stamped", "1", "round trips that have both time stamps", CT_COUNTER_LEVEL},
	{"stamped_min", "ns", "shortest round trip between the time stamps", CT_COUNTER_LEVEL},
	{"stamped_mean", "ns", "mean round trip between the time stamps", CT_COUNTER_LEVEL},
	{"stamped_max", "ns", "longest round trip between the time stamps", CT_COUNTER_LEVEL},
	{0},
};

static void read_counters(void *state, double *values)
{
	struct rr *rr = state;
	const struct seen *seen = &rr->seen;
	const bool any = seen->n > 0;

	values[0] = (double)rr->lost;
	values[1] = rr->stamps == CT_STAMPS_NONE ? NAN : (double)seen->n;
	values[2] = any ? seen->min_ns : NAN;
	values[3] = any ? seen->sum_ns / (double)seen->n : NAN;
	values[4] = any ? seen->max_ns : NAN;
	rr->lost = 0;
	rr->seen = (struct seen){.n = 0};
}

/* The other end. */

struct echo {
	const struct ct_peer_env *env;
	struct options options;
	int listener, udp;
	char *buffer;
};

static void echo_teardown(void *state)
{
	struct echo *echo = state;

	if (echo->listener >= 0)
		close(echo->listener);
	if (echo->udp >= 0)
		close(echo->udp);
	free(echo->buffer);
	free(echo);
}

static bool echo_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct echo *echo = calloc(1, sizeof *echo);

	if (!echo)
		return ct_broken_errno(err, "udp_rr: no memory for the echo server");
	echo->env = env;
	echo->options = *(const struct options *)options;
	echo->listener = echo->udp = -1;
	echo->buffer = ct_stream_buffer(echo->options.request, echo->options.response);
	if ((echo->buffer || ct_broken_errno(err, "no memory for a message")) &&
	    ct_udp_listen(env->address, &echo->listener, &echo->udp, endpoint, err) &&
	    set_up_socket(echo->udp, &echo->options, err)) {
		*state = echo;
		return true;
	}
	echo_teardown(echo);
	return ct_error_in(err, "udp_rr: echo server");
}

/* Strangers get no answer: the socket takes datagrams of who has consented only. */
static bool answer(void *context, int fd, struct ct_error *err)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct echo *echo = context;

	if (!ct_udp_restrict(echo->udp, fd, err))
		return false;
	while (!atomic_load_explicit(echo->env->stop, memory_order_relaxed)) {
		ssize_t got = recv(echo->udp, echo->buffer, echo->options.request, 0);

		if (got == (ssize_t)echo->options.request)
			send(echo->udp, echo->buffer, echo->options.response, 0);
		else if (got < 0 && !ct_consent_holds(fd))
			break;
	}
	return connect(echo->udp, &nobody, sizeof nobody) == 0 ||
	       ct_broken_errno(err, "disconnecting a UDP socket");
}

static bool echo_serve(void *state, struct ct_error *err)
{
	struct echo *echo = state;

	return ct_serve_consented(echo->listener, echo->env->token, echo->env->stop, answer, echo,
				  err) ||
	       ct_error_in(err, "udp_rr: echo server");
}

static const struct ct_peer_ops echo_server = {
	.setup = echo_setup,
	.serve = echo_serve,
	.teardown = echo_teardown,
};

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "request",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(request),
	 .fallback = "64",
	 .min = "8",
	 .max = "65000",
	 .help = "bytes of a request; more than the MTU is sent in fragments"},
	{.name = "response",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(response),
	 .fallback = "64",
	 .min = "8",
	 .max = "65000",
	 .help = "bytes of a response"},
	{.name = "stamps",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(stamps),
	 .choices = ct_stamps_names,
	 .fallback = "none",
	 .help = "count round trips between the driver's or the NIC's own time stamps as well; "
		 "fetching them lengthens every sample"},
	{.name = "busy_poll",
	 .type = CT_PARAM_TIME,
	 .offset = FIELD(busy_poll_ns),
	 .fallback = "0ns",
	 .min = "0ns",
	 .max = "1s",
	 .help = "poll the device so long before sleeping (SO_BUSY_POLL), in whole microseconds"},
	{0},
};

const struct ct_victim_ops ct_bench_udp_rr = {
	.name = "udp_rr",
	.summary = "request and response over UDP",
	.unit = "ns",
	.sample = "one request sent and its response received",
	.stresses = CT_RES_NETWORK | CT_RES_SCHEDULER | CT_RES_KERNEL | CT_RES_INTERRUPT,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.operate = operate,
	.failure = failure,
	.teardown = teardown,
	.counters = counters,
	.read_counters = read_counters,
	.peer = &echo_server,
};
