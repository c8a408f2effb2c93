/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consent handshake. Who connects sends the first half of the campaign's token, who listens
 * checks it and answers with the second half. So a stranger who happens to listen on a port gets
 * no load, since it can't answer; and a stranger who connects to our sink gets no answer.
 */
#include "harness/net/tcp.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "harness/core/clock.h"

enum { HALF = CT_TOKEN_LENGTH / 2, TIMEOUT_MS = 2000 };

static bool check_token(const char *token, struct ct_error *err)
{
	if (token && strspn(token, "0123456789abcdef") == CT_TOKEN_LENGTH &&
	    token[CT_TOKEN_LENGTH] == '\0')
		return true;
	return ct_usage(err, "a token is %d hex digits in lower case", CT_TOKEN_LENGTH);
}

/* Looks at every byte whatever it finds, so that the time taken tells nothing about the token. */
static bool equal(const char *a, const char *b, size_t n)
{
	unsigned char difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

/* Milliseconds left until `deadline_ns`; 0 when it has passed. */
static int left_ms(uint64_t deadline_ns)
{
	uint64_t now = ct_monotonic_ns();

	return now >= deadline_ns ? 0 : (int)((deadline_ns - now) / 1000000u) + 1;
}

static bool wait_for(int fd, short events, uint64_t deadline_ns, struct ct_error *err)
{
	struct pollfd wait = {.fd = fd, .events = events};

	for (;;) {
		int rc = poll(&wait, 1, left_ms(deadline_ns));

		if (rc > 0)
			return true;
		if (rc == 0)
			return ct_broken(err, "no answer within 2 s");
		if (errno != EINTR)
			return ct_broken_errno(err, "waiting for the other side");
	}
}

static bool send_half(int fd, const char *half, uint64_t deadline_ns, struct ct_error *err)
{
	size_t done = 0;

	while (done < HALF) {
		ssize_t n;

		if (!wait_for(fd, POLLOUT, deadline_ns, err))
			return false;
		n = send(fd, half + done, HALF - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			return ct_broken_errno(err, "sending");
	}
	return true;
}

static bool receive_half(int fd, char half[HALF], uint64_t deadline_ns, struct ct_error *err)
{
	size_t done = 0;

	while (done < HALF) {
		ssize_t n;

		if (!wait_for(fd, POLLIN, deadline_ns, err))
			return false;
		n = recv(fd, half + done, HALF - done, MSG_DONTWAIT);
		if (n == 0)
			return ct_broken(err, "the other side closed the connection: it did not "
					      "accept this campaign's token");
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			return ct_broken_errno(err, "receiving");
	}
	return true;
}

/* Ends the connection, so that a caller who forgets the result still sends nothing. */
static bool refuse(int fd, struct ct_error *err)
{
	shutdown(fd, SHUT_RDWR);
	return ct_error_in(err, "consent");
}

bool ct_consent_ask(int fd, const char *token, struct ct_error *err)
{
	const uint64_t deadline_ns = ct_monotonic_ns() + TIMEOUT_MS * UINT64_C(1000000);
	char answer[HALF];

	if (!check_token(token, err) || !send_half(fd, token, deadline_ns, err) ||
	    !receive_half(fd, answer, deadline_ns, err))
		return refuse(fd, err);
	if (equal(answer, token + HALF, HALF))
		return true;
	ct_broken(err, "the other side is not this campaign's receiver: its token is another one");
	return refuse(fd, err);
}

bool ct_consent_give(int fd, const char *token, struct ct_error *err)
{
	const uint64_t deadline_ns = ct_monotonic_ns() + TIMEOUT_MS * UINT64_C(1000000);
	char question[HALF];

	if (!check_token(token, err) || !receive_half(fd, question, deadline_ns, err))
		return refuse(fd, err);
	if (!equal(question, token, HALF)) {
		ct_broken(err, "who connected is not of this campaign: its token is another one");
		return refuse(fd, err);
	}
	return send_half(fd, token + HALF, deadline_ns, err) || refuse(fd, err);
}

bool ct_consent_holds(int fd)
{
	char byte;
	ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}
