/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/*
 * After a call that moved no byte: may one go on? Sockets return every 100 ms (SO_RCVTIMEO), so
 * that a peer that hangs is noticed and a stop is obeyed. `patience` 0 waits for ever.
 */
bool ct_stream_may_retry(struct ct_stream *stream, int *waited, int patience)
{
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		stream->error = errno;
		stream->outcome =
			errno == ECONNRESET || errno == EPIPE ? CT_STREAM_CLOSED : CT_STREAM_FAILED;
		return false;
	}
	if (atomic_load_explicit(stream->stop, memory_order_relaxed)) {
		stream->outcome = CT_STREAM_STOPPED;
		return false;
	}
	if (errno != EINTR && patience > 0 && ++*waited >= patience) {
		stream->outcome = CT_STREAM_SILENT;
		return false;
	}
	return true;
}

bool ct_stream_send(struct ct_stream *stream, size_t size)
{
	size_t done = 0;
	int waited = 0;

	while (done < size) {
		ssize_t n = send(stream->fd, stream->buffer + done, size - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (!ct_stream_may_retry(stream, &waited, CT_STREAM_PATIENCE))
			return false;
	}
	return true;
}

bool ct_stream_receive(struct ct_stream *stream, size_t size, int patience)
{
	size_t done = 0;
	int waited = 0;

	while (done < size) {
		ssize_t n = recv(stream->fd, stream->buffer + done, size - done, 0);

		if (n == 0) {
			stream->outcome = CT_STREAM_CLOSED;
			return false;
		}
		if (n > 0)
			done += (size_t)n;
		else if (!ct_stream_may_retry(stream, &waited, patience))
			return false;
	}
	return true;
}

bool ct_busy_poll(int fd, uint64_t busy_poll_ns, struct ct_error *err)
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

bool ct_stream_configure(int fd, uint64_t busy_poll_ns, struct ct_error *err)
{
	const struct timeval slice = {.tv_usec = CT_STREAM_SLICE_US};
	const int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof slice) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slice, sizeof slice) != 0)
		return ct_broken_errno(err, "setting up the connection");
	return ct_busy_poll(fd, busy_poll_ns, err);
}

char *ct_stream_buffer(size_t one, size_t other)
{
	size_t size = one > other ? one : other;
	char *buffer = malloc(size);

	if (buffer)
		memset(buffer, 0x5a, size);
	return buffer;
}

void ct_stream_failure(const struct ct_stream *stream, const char *who, const char *peer,
		       struct ct_error *err)
{
	switch (stream->outcome) {
	case CT_STREAM_CLOSED:
		ct_broken(err, "%s: the peer %s closed the connection", who, peer);
		break;
	case CT_STREAM_SILENT:
		ct_broken(err, "%s: the peer %s has not answered for 5 s", who, peer);
		break;
	case CT_STREAM_STOPPED:
		ct_broken(err, "%s: stopped while waiting for the peer %s", who, peer);
		break;
	case CT_STREAM_GOOD:
	case CT_STREAM_FAILED:
		errno = stream->error;
		ct_broken_errno(err, "%s: the connection to %s", who, peer);
		break;
	}
}
