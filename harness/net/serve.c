/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/serve.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/net/tcp.h"

enum { SLICE_MS = 100 };

static bool take(int listener, const char *token,
		 bool (*client)(void *context, int fd, struct ct_error *err), void *context,
		 struct ct_error *err)
{
	/* cppcheck-suppress nullPointer; accept(2): nobody asks who it is */
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct ct_error stranger;
	bool good = true;

	if (fd < 0)
		return errno == EINTR || errno == EAGAIN || errno == ECONNABORTED ||
		       ct_broken_errno(err, "accepting a connection");
	if (ct_consent_give(fd, token, &stranger))
		good = client(context, fd, err);
	close(fd);
	return good;
}

bool ct_serve_consented(int listener, const char *token, const atomic_bool *stop,
			bool (*client)(void *context, int fd, struct ct_error *err), void *context,
			struct ct_error *err)
{
	struct pollfd wait = {.fd = listener, .events = POLLIN};

	while (!atomic_load_explicit(stop, memory_order_relaxed)) {
		int ready = poll(&wait, 1, SLICE_MS);

		if (ready < 0 && errno != EINTR)
			return ct_broken_errno(err, "waiting for a connection");
		if (ready > 0 && !take(listener, token, client, context, err))
			return false;
	}
	return true;
}
