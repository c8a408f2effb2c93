/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP connection made, used once and ended, as netperf's TCP_CRR: three packets of the
 * handshake, a request and a response, and an accept and a wake-up at the other end. It is ended by
 * a reset, so that neither end keeps the port for a minute (TIME_WAIT) and runs out of them.
 */
#include "bench/victims.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "harness/net/address.h"
#include "harness/net/serve.h"
#include "harness/net/stamps.h"
#include "harness/net/stream.h"
#include "harness/net/tcp.h"

struct options {
	uint64_t request, response;
};

struct caller {
	struct ct_stream end;
	int control;
	struct ct_address peer;
	char netdev[16]; /* sockets are bound to it; "": as routing has it */
	size_t request, response;
	char name[CT_ENDPOINT_MAX];
};

static void free_caller(struct caller *caller)
{
	if (caller->control >= 0)
		close(caller->control);
	free(caller->end.buffer);
	free(caller);
}

/* The connection that consents stays: the server answers its host for as long. */
static bool ask(struct caller *caller, const struct ct_victim_env *env, struct ct_error *err)
{
	caller->peer.length = sizeof caller->peer.storage;
	if (!ct_tcp_connect_via(env->endpoint, env->nic, &caller->control, err) ||
	    !ct_consent_ask(caller->control, env->token, err))
		return false;
	if (getpeername(caller->control, (struct sockaddr *)&caller->peer.storage,
			&caller->peer.length) != 0)
		return ct_broken_errno(err, "asking for the peer's address");
	return !env->nic || ct_socket_netdev(caller->control, caller->netdev, err);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct options *asked = options;
	struct caller *caller;

	if (!env->endpoint)
		return ct_broken(err, "connect: it got no peer to talk to");
	caller = calloc(1, sizeof *caller);
	if (!caller)
		return ct_broken_errno(err, "connect: no memory for its state");
	caller->control = -1;
	caller->end =
		(struct ct_stream){.fd = -1,
				   .stop = env->stop,
				   .buffer = ct_stream_buffer(asked->request, asked->response)};
	caller->request = asked->request;
	caller->response = asked->response;
	memccpy(caller->name, env->endpoint, '\0', sizeof caller->name - 1);
	if ((caller->end.buffer || ct_broken_errno(err, "no memory for a message")) &&
	    ask(caller, env, err)) {
		*state = caller;
		return true;
	}
	free_caller(caller);
	return ct_error_in(err, "connect");
}

/* Part of every sample: a connection is made with a socket of its own. */
static bool open_socket(struct caller *caller)
{
	const struct linger reset = {.l_onoff = 1};
	const struct timeval slice = {.tv_usec = CT_STREAM_SLICE_US};
	const int fd = socket(caller->peer.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	caller->end.fd = fd;
	return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof slice) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slice, sizeof slice) == 0 &&
	       (!caller->netdev[0] || strcmp(caller->netdev, "lo") == 0 ||
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, caller->netdev,
			   (socklen_t)strlen(caller->netdev)) == 0);
}

/* A lost SYN is sent again by the kernel after a second: that long, and longer, is waited. */
static bool finish(struct caller *caller)
{
	int waited = 0;

	while (connect(caller->end.fd, (const struct sockaddr *)&caller->peer.storage,
		       caller->peer.length) != 0) {
		if (errno == EISCONN)
			return true;
		if (errno == EINPROGRESS || errno == EALREADY)
			errno = EAGAIN;
		if (!ct_stream_may_retry(&caller->end, &waited, CT_STREAM_PATIENCE))
			return false;
	}
	return true;
}

static bool operate(void *state)
{
	struct caller *caller = state;
	bool good = open_socket(caller);

	if (!good) {
		caller->end.error = errno;
		caller->end.outcome = CT_STREAM_FAILED;
	}
	good = good && finish(caller) && ct_stream_send(&caller->end, caller->request) &&
	       ct_stream_receive(&caller->end, caller->response, CT_STREAM_PATIENCE);
	if (caller->end.fd >= 0)
		close(caller->end.fd);
	return good;
}

static void failure(void *state, struct ct_error *err)
{
	const struct caller *caller = state;

	ct_stream_failure(&caller->end, "connect", caller->name, err);
}

static void teardown(void *state)
{
	free_caller(state);
}

/* The other end. */

struct server {
	const struct ct_peer_env *env;
	struct options options;
	int listener;
	char *buffer;
};

static void server_teardown(void *state)
{
	struct server *server = state;

	if (server->listener >= 0)
		close(server->listener);
	free(server->buffer);
	free(server);
}

static bool server_setup(const struct ct_peer_env *env, const void *options, void **state,
			 char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct server *server = calloc(1, sizeof *server);

	if (!server)
		return ct_broken_errno(err, "connect: no memory for the server");
	server->env = env;
	server->options = *(const struct options *)options;
	server->listener = -1;
	server->buffer = ct_stream_buffer(server->options.request, server->options.response);
	if ((server->buffer || ct_broken_errno(err, "no memory for a message")) &&
	    ct_tcp_listen(env->address, &server->listener, endpoint, err)) {
		*state = server;
		return true;
	}
	server_teardown(server);
	return ct_error_in(err, "connect: server");
}

static bool same_host(int fd, const struct sockaddr_storage *client)
{
	struct ct_address own = {.length = sizeof own.storage};
	char one[CT_ENDPOINT_MAX], other[CT_ENDPOINT_MAX], first[CT_ENDPOINT_MAX],
		second[CT_ENDPOINT_MAX];
	const struct ct_address from = {.storage = *client,
					.length = client->ss_family == AF_INET
							  ? sizeof(struct sockaddr_in)
							  : sizeof(struct sockaddr_in6)};
	const char *port;

	if (getpeername(fd, (struct sockaddr *)&own.storage, &own.length) != 0)
		return false;
	ct_address_format(&own, one);
	ct_address_format(&from, other);
	return ct_address_split(one, first, &port) && ct_address_split(other, second, &port) &&
	       strcmp(first, second) == 0;
}

/* One connection of a sample. Whatever goes wrong with it is the client's to notice. */
static bool answer(struct server *server, int control, struct ct_error *err)
{
	struct sockaddr_storage from = {0};
	socklen_t length = sizeof from;
	struct ct_error ignored;
	const int fd = accept4(server->listener, (struct sockaddr *)&from, &length, SOCK_CLOEXEC);
	struct ct_stream end = {.fd = fd, .stop = server->env->stop, .buffer = server->buffer};

	if (fd < 0)
		return errno == EINTR || errno == EAGAIN || errno == ECONNABORTED ||
		       ct_broken_errno(err, "accepting a connection");
	if (same_host(control, &from) && ct_stream_configure(fd, 0, &ignored) &&
	    ct_stream_receive(&end, server->options.request, 1) &&
	    ct_stream_send(&end, server->options.response))
		ct_stream_receive(&end, 1, 1); /* the client ends it */
	close(fd);
	return true;
}

static bool serve_host(void *context, int control, struct ct_error *err)
{
	struct server *server = context;
	struct pollfd waits[2] = {{.fd = server->listener, .events = POLLIN},
				  {.fd = control, .events = POLLIN}};

	while (!atomic_load_explicit(server->env->stop, memory_order_relaxed)) {
		const int ready = poll(waits, 2, CT_STREAM_SLICE_US / 1000);

		if (ready < 0 && errno != EINTR)
			return ct_broken_errno(err, "waiting for a connection");
		if (ready > 0 && waits[0].revents && !answer(server, control, err))
			return false;
		if (ready > 0 && waits[1].revents && !ct_consent_holds(control))
			return true;
	}
	return true;
}

static bool server_serve(void *state, struct ct_error *err)
{
	struct server *server = state;

	return ct_serve_consented(server->listener, server->env->token, server->env->stop,
				  serve_host, server, err) ||
	       ct_error_in(err, "connect: server");
}

static const struct ct_peer_ops server_ops = {
	.setup = server_setup,
	.serve = server_serve,
	.teardown = server_teardown,
};

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "request",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(request),
	 .fallback = "1",
	 .min = "1",
	 .max = "1M",
	 .help = "bytes of the request"},
	{.name = "response",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(response),
	 .fallback = "1",
	 .min = "1",
	 .max = "1M",
	 .help = "bytes of the response"},
	{0},
};

const struct ct_victim_ops ct_bench_connect = {
	.name = "connect",
	.summary = "a TCP connection made, used once and ended",
	.unit = "ns",
	.sample = "a connection made, a request and its response over it, and its end",
	.stresses = CT_RES_NETWORK | CT_RES_SCHEDULER | CT_RES_KERNEL | CT_RES_INTERRUPT,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.operate = operate,
	.failure = failure,
	.teardown = teardown,
	.peer = &server_ops,
};
