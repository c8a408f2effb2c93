/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP request and response, as netperf's TCP_RR and sockperf's ping-pong: one connection, one
 * request at a time, small messages, no Nagle. On loopback it measures the kernel's network stack
 * and two wake-ups, over veth the bridge and the namespaces too, over a NIC the device and the
 * wire. The other end (an echo server) is at the end of this file.
 */
#include "bench/victims.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/net/serve.h"
#include "harness/net/stream.h"
#include "harness/net/tcp.h"

struct rr_options {
	uint64_t request, response;
	uint64_t busy_poll_ns;
};

struct rr_state {
	struct ct_stream end;
	size_t request, response;
	char peer[CT_ENDPOINT_MAX];
};

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
	rr->end = (struct ct_stream){.fd = -1,
				     .stop = env->stop,
				     .buffer = ct_stream_buffer(asked->request, asked->response)};
	rr->request = asked->request;
	rr->response = asked->response;
	memccpy(rr->peer, env->endpoint, '\0', sizeof rr->peer - 1);
	if (!rr->end.buffer) {
		ct_broken_errno(err, "no memory for a message");
		goto fail;
	}
	if (!ct_tcp_connect_via(env->endpoint, env->nic, &rr->end.fd, err) ||
	    !ct_consent_ask(rr->end.fd, env->token, err) ||
	    !ct_stream_configure(rr->end.fd, asked->busy_poll_ns, err))
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

	return ct_stream_send(&rr->end, rr->request) &&
	       ct_stream_receive(&rr->end, rr->response, CT_STREAM_PATIENCE);
}

static void failure(void *state, struct ct_error *err)
{
	const struct rr_state *rr = state;

	ct_stream_failure(&rr->end, "tcp_rr", rr->peer, err);
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
	echo->buffer = ct_stream_buffer(echo->options.request, echo->options.response);
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
static bool answer(void *context, int fd, struct ct_error *err)
{
	struct echo_state *echo = context;
	struct ct_stream end = {.fd = fd, .stop = echo->stop, .buffer = echo->buffer};

	if (!ct_stream_configure(fd, echo->options.busy_poll_ns, err))
		return false;
	while (ct_stream_receive(&end, echo->options.request, 0) &&
	       ct_stream_send(&end, echo->options.response)) {
	}
	return true;
}

static bool echo_serve(void *state, struct ct_error *err)
{
	struct echo_state *echo = state;

	return ct_serve_consented(echo->listener, echo->token, echo->stop, answer, echo, err) ||
	       ct_error_in(err, "tcp_rr: echo server");
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
