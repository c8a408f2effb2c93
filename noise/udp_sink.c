/* SPDX-License-Identifier: Apache-2.0 */
#include "noise/udp_sink.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/net/serve.h"
#include "harness/net/tcp.h"
#include "harness/net/udp.h"

enum { BATCH = 64, HEAD_BYTES = 64, RECEIVE_BUFFER = 4 << 20, WAIT_MS = 20 };

struct sink {
	const struct ct_peer_env *env;
	int listener, udp;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	char heads[BATCH][HEAD_BYTES]; /* the rest of a datagram is never copied */
	struct ct_address from[BATCH]; /* of an echo */
};

static void teardown(void *state)
{
	struct sink *sink = state;

	if (sink->listener >= 0)
		close(sink->listener);
	if (sink->udp >= 0)
		close(sink->udp);
	free(sink);
}

static bool setup(const struct ct_peer_env *env, const void *options, void **state,
		  char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	const int buffer = RECEIVE_BUFFER;
	struct sink *sink = calloc(1, sizeof *sink);

	(void)options;
	if (!sink)
		return ct_broken_errno(err, "memory for the sink");
	sink->env = env;
	sink->listener = sink->udp = -1;
	for (int i = 0; i < BATCH; i++) {
		sink->parts[i] = (struct iovec){.iov_base = sink->heads[i], .iov_len = HEAD_BYTES};
		sink->messages[i].msg_hdr =
			(struct msghdr){.msg_iov = &sink->parts[i], .msg_iovlen = 1};
	}
	if (!ct_udp_listen(env->address, &sink->listener, &sink->udp, endpoint, err)) {
		teardown(sink);
		return ct_error_in(err, "sink");
	}
	setsockopt(sink->udp, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	*state = sink;
	return true;
}

/* Until who has consented leaves. */
static bool drop(void *context, int fd, struct ct_error *err)
{
	struct sink *sink = context;
	struct pollfd waits[2] = {{.fd = sink->udp, .events = POLLIN},
				  {.fd = fd, .events = POLLIN}};

	while (!atomic_load_explicit(sink->env->stop, memory_order_relaxed)) {
		if (poll(waits, 2, WAIT_MS) < 0 && errno != EINTR)
			return ct_broken_errno(err, "waiting for datagrams");
		if (waits[1].revents && !ct_consent_holds(fd))
			return true;
		while (recvmmsg(sink->udp, sink->messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL) ==
			       BATCH &&
		       !atomic_load_explicit(sink->env->stop, memory_order_relaxed)) {
		}
	}
	return true;
}

/* The address without its port. */
static bool same_host(const struct ct_address *a, const struct ct_address *b)
{
	const bool v4 = a->storage.ss_family == AF_INET;
	const size_t at = v4 ? offsetof(struct sockaddr_in, sin_addr)
			     : offsetof(struct sockaddr_in6, sin6_addr);

	return a->storage.ss_family == b->storage.ss_family &&
	       memcmp((const char *)&a->storage + at, (const char *)&b->storage + at,
		      v4 ? 4 : 16) == 0;
}

static int receive(struct sink *sink)
{
	for (int i = 0; i < BATCH; i++) {
		sink->parts[i].iov_len = HEAD_BYTES;
		sink->messages[i].msg_hdr.msg_name = &sink->from[i].storage;
		sink->messages[i].msg_hdr.msg_namelen = sizeof sink->from[i].storage;
	}
	return recvmmsg(sink->udp, sink->messages, BATCH, MSG_DONTWAIT, NULL);
}

/* Each answer is a packet of its own. Strangers get none. */
static void send_back(struct sink *sink, int got, const struct ct_address *client)
{
	for (int i = 0; i < got; i++) {
		struct msghdr *message = &sink->messages[i].msg_hdr;

		if (!same_host(&sink->from[i], client))
			continue;
		message->msg_iov->iov_len = sink->messages[i].msg_len;
		sendmsg(sink->udp, message, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static bool echo(void *context, int fd, struct ct_error *err)
{
	struct ct_address client = {.length = sizeof client.storage};
	struct sink *sink = context;
	struct pollfd waits[2] = {{.fd = sink->udp, .events = POLLIN},
				  {.fd = fd, .events = POLLIN}};

	if (getpeername(fd, (struct sockaddr *)&client.storage, &client.length) != 0)
		return ct_broken_errno(err, "asking who has consented");
	while (!atomic_load_explicit(sink->env->stop, memory_order_relaxed)) {
		if (poll(waits, 2, WAIT_MS) < 0 && errno != EINTR)
			return ct_broken_errno(err, "waiting for datagrams");
		if (waits[1].revents && !ct_consent_holds(fd))
			return true;
		if (waits[0].revents)
			send_back(sink, receive(sink), &client);
	}
	return true;
}

static bool serve_echo(void *state, struct ct_error *err)
{
	struct sink *sink = state;

	return ct_serve_consented(sink->listener, sink->env->token, sink->env->stop, echo, sink,
				  err) ||
	       ct_error_in(err, "echo");
}

static bool serve(void *state, struct ct_error *err)
{
	struct sink *sink = state;

	return ct_serve_consented(sink->listener, sink->env->token, sink->env->stop, drop, sink,
				  err) ||
	       ct_error_in(err, "sink");
}

const struct ct_peer_ops ct_udp_sink = {
	.setup = setup,
	.serve = serve,
	.teardown = teardown,
};

const struct ct_peer_ops ct_udp_echo = {
	.setup = setup,
	.serve = serve_echo,
	.teardown = teardown,
};
