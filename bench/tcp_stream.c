/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of messages over one TCP connection to a peer that reads and drops them, as netperf's
 * TCP_STREAM and iperf3. One sample is the time until the kernel has taken one message: most take a
 * copy, and a long one is a sender that had to wait for room. So no quantile of them is a rate; the
 * counter `sent` is. With `confirm` a sample lasts until the peer has read the message and said so:
 * one message is on the way at a time.
 */
#include "bench/victims.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/net/serve.h"
#include "harness/net/stream.h"
#include "harness/net/tcp.h"

struct options {
	uint64_t message;
	uint64_t socket_buffer;
	bool confirm;
};

struct stream {
	struct ct_stream end;
	size_t message;
	bool confirm;
	uint64_t sent; /* bytes in this epoch */
	char peer[CT_ENDPOINT_MAX];
};

static bool configure(int fd, const struct options *options, struct ct_error *err)
{
	const int bytes = (int)options->socket_buffer;

	if (bytes > 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) != 0 ||
			  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) != 0))
		return ct_broken_errno(err, "socket_buffer = %d", bytes);
	return ct_stream_configure(fd, 0, err);
}

static void free_stream(struct stream *stream)
{
	if (stream->end.fd >= 0)
		close(stream->end.fd);
	free(stream->end.buffer);
	free(stream);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct options *asked = options;
	struct stream *stream;

	if (!env->endpoint)
		return ct_broken(err, "tcp_stream: it got no peer to talk to");
	stream = calloc(1, sizeof *stream);
	if (!stream)
		return ct_broken_errno(err, "tcp_stream: no memory for its state");
	stream->end = (struct ct_stream){
		.fd = -1, .stop = env->stop, .buffer = ct_stream_buffer(asked->message, 1)};
	stream->message = asked->message;
	stream->confirm = asked->confirm;
	memccpy(stream->peer, env->endpoint, '\0', sizeof stream->peer - 1);
	if ((stream->end.buffer || ct_broken_errno(err, "no memory for a message")) &&
	    ct_tcp_connect_via(env->endpoint, env->nic, &stream->end.fd, err) &&
	    ct_consent_ask(stream->end.fd, env->token, err) &&
	    configure(stream->end.fd, asked, err)) {
		env->bytes_per_operation = asked->confirm ? asked->message : 0;
		*state = stream;
		return true;
	}
	free_stream(stream);
	return ct_error_in(err, "tcp_stream");
}

static bool operate(void *state)
{
	struct stream *stream = state;

	if (!ct_stream_send(&stream->end, stream->message))
		return false;
	stream->sent += stream->message;
	return !stream->confirm || ct_stream_receive(&stream->end, 1, CT_STREAM_PATIENCE);
}

static void failure(void *state, struct ct_error *err)
{
	const struct stream *stream = state;

	ct_stream_failure(&stream->end, "tcp_stream", stream->peer, err);
}

static void teardown(void *state)
{
	free_stream(state);
}

static const struct ct_counter counters[] = {
	{"sent", "B", "bytes that the kernel took", CT_COUNTER_LEVEL},
	{0},
};

static void read_counters(void *state, double *values)
{
	struct stream *stream = state;

	values[0] = (double)stream->sent;
	stream->sent = 0;
}

/* The other end. */

enum { READ_BYTES = 256 << 10 };

struct sink {
	const struct ct_peer_env *env;
	struct options options;
	int listener;
	char *buffer;
};

static void sink_teardown(void *state)
{
	struct sink *sink = state;

	if (sink->listener >= 0)
		close(sink->listener);
	free(sink->buffer);
	free(sink);
}

static bool sink_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return ct_broken_errno(err, "tcp_stream: no memory for the sink");
	sink->env = env;
	sink->options = *(const struct options *)options;
	sink->listener = -1;
	sink->buffer = ct_stream_buffer(READ_BYTES, 1);
	if ((sink->buffer || ct_broken_errno(err, "no memory for a message")) &&
	    ct_tcp_listen(env->address, &sink->listener, endpoint, err)) {
		*state = sink;
		return true;
	}
	sink_teardown(sink);
	return ct_error_in(err, "tcp_stream: sink");
}

/* Until the other side leaves; between phases it is silent for as long as it likes. */
static bool drop(void *context, int fd, struct ct_error *err)
{
	struct sink *sink = context;
	struct ct_stream end = {.fd = fd, .stop = sink->env->stop, .buffer = sink->buffer};
	size_t left = sink->options.message;
	int waited = 0;

	if (!configure(fd, &sink->options, err))
		return false;
	for (;;) {
		ssize_t got =
			recv(fd, sink->buffer,
			     sink->options.confirm && left < READ_BYTES ? left : READ_BYTES, 0);

		if (got == 0)
			return true;
		if (got < 0 && !ct_stream_may_retry(&end, &waited, 0))
			return true;
		if (got < 0 || !sink->options.confirm)
			continue;
		left -= (size_t)got;
		if (left > 0)
			continue;
		left = sink->options.message;
		if (!ct_stream_send(&end, 1))
			return true;
	}
}

static bool sink_serve(void *state, struct ct_error *err)
{
	struct sink *sink = state;

	return ct_serve_consented(sink->listener, sink->env->token, sink->env->stop, drop, sink,
				  err) ||
	       ct_error_in(err, "tcp_stream: sink");
}

static const struct ct_peer_ops sink_ops = {
	.setup = sink_setup,
	.serve = sink_serve,
	.teardown = sink_teardown,
};

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "message",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(message),
	 .fallback = "128K",
	 .min = "1",
	 .max = "64M",
	 .help = "bytes of one message, and of one sample"},
	{.name = "socket_buffer",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(socket_buffer),
	 .fallback = "0",
	 .min = "0",
	 .max = "256M",
	 .help = "bytes of both sockets' buffers; 0 leaves them to the kernel's tuning"},
	{.name = "confirm",
	 .type = CT_PARAM_BOOL,
	 .offset = FIELD(confirm),
	 .fallback = "no",
	 .help = "a sample lasts until the peer has read the whole message and said so"},
	{0},
};

const struct ct_victim_ops ct_bench_tcp_stream = {
	.name = "tcp_stream",
	.summary = "a stream of messages over one TCP connection",
	.unit = "ns",
	.sample = "one message taken by the kernel, or confirmed by the peer",
	.stresses = CT_RES_NETWORK | CT_RES_KERNEL | CT_RES_INTERRUPT | CT_RES_PCIE | CT_RES_MEMORY,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.operate = operate,
	.failure = failure,
	.teardown = teardown,
	.counters = counters,
	.read_counters = read_counters,
	.peer = &sink_ops,
};
