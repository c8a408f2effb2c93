/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends as much as TCP takes, on some connections per thread, to a sink that reads and drops it.
 * The sink is a worker of the same campaign; a connection carries data only after both ends have
 * proved that by the campaign's token, so no address that did not consent is ever flooded.
 */
#include "noise/aggressors.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/net/tcp.h"

enum {
	BURST_BYTES = 256 << 10, /* about 100 us at 20 Gbit/s */
	BURST_SENDS = 64,        /* or as many small messages */
	WAIT_MS = 20,            /* one wait for room or for data: stop is noticed after it */
	SINK_BYTES = 256 << 10,
	SINK_CONNECTIONS = 1024
};

struct options {
	uint64_t message;
	uint64_t flows;
};

struct flood {
	const struct ct_aggressor_env *env;
	const struct options *options;
};

struct flood_thread {
	const struct ct_aggressor_env *env;
	size_t message;
	unsigned n_flows, next;
	struct pollfd *flows;
	struct ct_memory memory;
};

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct flood *flood;

	if (!env->endpoint || !env->token)
		return ct_usage(err, "tcp_flood: it needs a sink that has consented; name the "
				     "tenant of the sink (peer = ...)");
	if (env->threads * ((const struct options *)options)->flows > SINK_CONNECTIONS)
		return ct_usage(err,
				"tcp_flood: threads times flows is more than the %d "
				"connections that the sink takes",
				SINK_CONNECTIONS);
	flood = calloc(1, sizeof *flood);
	if (!flood)
		return ct_broken_errno(err, "tcp_flood: memory for its state");
	flood->env = env;
	flood->options = options;
	*state = flood;
	return true;
}

/* Without Nagle's algorithm each message leaves by itself: small ones load packet processing. */
static bool open_flow(struct flood_thread *self, struct ct_error *err)
{
	const int yes = 1;
	int fd;

	if (!ct_tcp_connect_via(self->env->endpoint, self->env->nic, &fd, err))
		return false;
	if (!ct_consent_ask(fd, self->env->token, err)) {
		close(fd);
		return ct_error_in(err, "tcp_flood: the sink at %s", self->env->endpoint);
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	self->flows[self->n_flows++] = (struct pollfd){.fd = fd, .events = POLLOUT};
	return true;
}

static void thread_teardown(void *thread_state)
{
	struct flood_thread *self = thread_state;

	for (unsigned i = 0; i < self->n_flows; i++)
		close(self->flows[i].fd);
	if (self->memory.base)
		ct_memory_unmap(&self->memory);
	free(self->flows);
	free(self);
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	const struct flood *flood = state;
	const struct options *options = flood->options;
	struct flood_thread *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "tcp_flood: memory for thread %u", thread);
	self->env = flood->env;
	self->message = options->message;
	self->flows = calloc(options->flows, sizeof *self->flows);
	if (!self->flows) {
		ct_broken_errno(err, "tcp_flood: memory for thread %u", thread);
		goto fail;
	}
	if (!ct_memory_map(&self->memory, self->env->place, self->message, CT_PAGES_BASE, err)) {
		ct_error_in(err, "tcp_flood: message of thread %u", thread);
		goto fail;
	}
	memset(self->memory.base, 'c', self->message);
	while (self->n_flows < options->flows) {
		if (!open_flow(self, err))
			goto fail;
	}
	*thread_state = self;
	return true;
fail:
	thread_teardown(self);
	return false;
}

/* One message, or what fits of it, on each flow in turn until the burst is full or no flow has
 * room. Returns false when a connection is dead. */
static bool send_round(struct flood_thread *self, size_t *sent, struct ct_error *err)
{
	unsigned without_room = 0;

	for (int sends = 0; sends < BURST_SENDS && *sent < BURST_BYTES; sends++) {
		const struct pollfd *flow = &self->flows[self->next];
		ssize_t done = send(flow->fd, self->memory.base, self->message,
				    MSG_DONTWAIT | MSG_NOSIGNAL);

		self->next = self->next + 1 == self->n_flows ? 0 : self->next + 1;
		if (done >= 0) {
			*sent += (size_t)done;
			without_room = 0;
		} else if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
			return ct_broken_errno(err, "tcp_flood: the sink at %s is gone",
					       self->env->endpoint);
		} else if (++without_room == self->n_flows) {
			break;
		}
	}
	return true;
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct flood_thread *self = thread_state;
	size_t sent = 0;
	bool good = send_round(self, &sent, err);

	if (good && sent == 0 && poll(self->flows, self->n_flows, WAIT_MS) > 0)
		good = send_round(self, &sent, err);
	*units += sent;
	return good;
}

/* The sink. */

struct sink {
	const struct ct_peer_env *env;
	struct pollfd *sockets; /* [0] listens */
	bool *consented;
	unsigned n_sockets;
	char *bytes;
};

static void sink_teardown(void *state)
{
	struct sink *sink = state;

	for (unsigned i = 0; i < sink->n_sockets; i++)
		close(sink->sockets[i].fd);
	free(sink->sockets);
	free(sink->consented);
	free(sink->bytes);
	free(sink);
}

static bool sink_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct sink *sink = calloc(1, sizeof *sink);
	int fd;

	(void)options;
	if (!sink)
		return ct_broken_errno(err, "tcp_flood: memory for the sink");
	sink->env = env;
	sink->sockets = calloc(1 + SINK_CONNECTIONS, sizeof *sink->sockets);
	sink->consented = calloc(1 + SINK_CONNECTIONS, sizeof *sink->consented);
	sink->bytes = malloc(SINK_BYTES);
	if (!sink->sockets || !sink->consented || !sink->bytes) {
		ct_broken_errno(err, "tcp_flood: memory for the sink");
		goto fail;
	}
	if (!ct_tcp_listen(env->address, &fd, endpoint, err)) {
		ct_error_in(err, "tcp_flood: sink");
		goto fail;
	}
	sink->sockets[sink->n_sockets++] = (struct pollfd){.fd = fd, .events = POLLIN};
	*state = sink;
	return true;
fail:
	sink_teardown(sink);
	return false;
}

static void sink_accept(struct sink *sink)
{
	int fd = accept4(sink->sockets[0].fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (sink->n_sockets > SINK_CONNECTIONS) {
		close(fd);
		return;
	}
	sink->consented[sink->n_sockets] = false;
	sink->sockets[sink->n_sockets++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* True while the connection goes on. A stranger with the wrong token is dropped, not reported: the
 * sink serves its own campaign whoever else knocks. */
static bool sink_take(struct sink *sink, unsigned i)
{
	ssize_t got;

	if (!sink->consented[i])
		return sink->consented[i] =
			       ct_consent_give(sink->sockets[i].fd, sink->env->token, NULL);
	got = recv(sink->sockets[i].fd, sink->bytes, SINK_BYTES, MSG_DONTWAIT);
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool serve(void *state, struct ct_error *err)
{
	struct sink *sink = state;

	while (!atomic_load_explicit(sink->env->stop, memory_order_relaxed)) {
		if (poll(sink->sockets, sink->n_sockets, WAIT_MS) < 0 && errno != EINTR)
			return ct_broken_errno(err, "tcp_flood: sink: waiting for data");
		/* From the end, so that the last one can take the place of one that is closed. */
		for (unsigned i = sink->n_sockets - 1; i > 0; i--) {
			if (!sink->sockets[i].revents || sink_take(sink, i))
				continue;
			close(sink->sockets[i].fd);
			sink->sockets[i] = sink->sockets[--sink->n_sockets];
			sink->consented[i] = sink->consented[sink->n_sockets];
		}
		if (sink->sockets[0].revents)
			sink_accept(sink);
	}
	return true;
}

static const struct ct_peer_ops sink_ops = {
	.setup = sink_setup,
	.serve = serve,
	.teardown = sink_teardown,
};

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "message",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(message),
	 .fallback = "128K",
	 .min = "1",
	 .max = "16M",
	 .help = "bytes of one send; small ones load packet processing, large ones the link"},
	{.name = "flows",
	 .type = CT_PARAM_COUNT,
	 .offset = FIELD(flows),
	 .fallback = "1",
	 .min = "1",
	 .max = "256",
	 .help = "connections of each thread"},
	{0}};

const struct ct_aggressor_ops ct_noise_tcp_flood = {
	.name = "tcp_flood",
	.summary = "fills TCP connections to a sink that has consented",
	.unit = "B",
	.stresses = CT_RES_NETWORK | CT_RES_KERNEL | CT_RES_INTERRUPT | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = free,
	.blocks = true,
	.peer = &sink_ops,
};
