/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints and connections. Names are never resolved: what is connected to is the number that the
 * campaign's own receiver announced. Only unicast addresses pass, so a mistake in a job file can't
 * reach more than one host. consent.c then makes sure that this host wants the traffic.
 */
#include "harness/net/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_MS = 2000, BACKLOG = 8 };

struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* A numeric host and port, IPv4 or IPv6 (with "%eth0" for link-local addresses). */
static bool parse(const char *host, const char *port, struct address *address, struct ct_error *err)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found;
	int rc = getaddrinfo(host, port, &hints, &found);

	if (rc != 0)
		return ct_usage(
			err,
			"'%s' is not a numeric address: give one like 192.0.2.7 or 2001:db8::7",
			host);
	memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
	address->length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* "1.2.3.4:5" or "[::1]:5" into its two parts. */
static bool split(const char *endpoint, char host[CT_ENDPOINT_MAX], const char **port)
{
	const char *begin = endpoint, *colon = strrchr(endpoint, ':');
	size_t length;

	if (!colon || colon[1] == '\0')
		return false;
	length = (size_t)(colon - endpoint);
	if (endpoint[0] == '[') {
		if (length < 3 || endpoint[length - 1] != ']')
			return false;
		begin++;
		length -= 2;
	} else if (memchr(endpoint, ':', length)) {
		return false;
	}
	if (length == 0 || length >= CT_ENDPOINT_MAX)
		return false;
	memcpy(host, begin, length);
	host[length] = '\0';
	*port = colon + 1;
	return true;
}

static bool is_interface_broadcast(in_addr_t address)
{
	struct ifaddrs *interfaces;
	bool found = false;

	if (getifaddrs(&interfaces) != 0)
		return false;
	for (const struct ifaddrs *i = interfaces; i && !found; i = i->ifa_next) {
		struct sockaddr_in broadcast;

		if (!(i->ifa_flags & IFF_BROADCAST) || !i->ifa_broadaddr ||
		    i->ifa_broadaddr->sa_family != AF_INET)
			continue;
		memcpy(&broadcast, i->ifa_broadaddr, sizeof broadcast);
		/* A /32 has its own address there; that is one host after all. */
		if (broadcast.sin_addr.s_addr == address && i->ifa_addr &&
		    memcmp(&((const struct sockaddr_in *)i->ifa_addr)->sin_addr, &address,
			   sizeof address) != 0)
			found = true;
	}
	freeifaddrs(interfaces);
	return found;
}

static const char *why_refused_v4(in_addr_t address)
{
	if ((ntohl(address) >> 24) == 0)
		return "a wildcard address";
	if (IN_MULTICAST(ntohl(address)))
		return "a multicast address";
	if (ntohl(address) == INADDR_BROADCAST || is_interface_broadcast(address))
		return "a broadcast address";
	if (IN_EXPERIMENTAL(ntohl(address)))
		return "a reserved address";
	return NULL;
}

static const char *why_refused_v6(const struct in6_addr *address)
{
	in_addr_t mapped;

	if (IN6_IS_ADDR_UNSPECIFIED(address))
		return "a wildcard address";
	if (IN6_IS_ADDR_MULTICAST(address))
		return "a multicast address";
	if (IN6_IS_ADDR_V4MAPPED(address)) {
		memcpy(&mapped, &address->s6_addr[12], sizeof mapped);
		return why_refused_v4(mapped);
	}
	return NULL;
}

static bool check_is_one_host(const struct address *address, const char *text, struct ct_error *err)
{
	struct sockaddr_in6 v6 = {0};
	struct sockaddr_in v4 = {0};
	const char *why;

	if (address->storage.ss_family == AF_INET) {
		memcpy(&v4, &address->storage, sizeof v4);
		why = why_refused_v4(v4.sin_addr.s_addr);
	} else {
		memcpy(&v6, &address->storage, sizeof v6);
		why = why_refused_v6(&v6.sin6_addr);
	}
	if (!why)
		return true;
	return ct_usage(err, "%s is %s: give the address of one host", text, why);
}

static bool make_socket(const struct address *address, int *fd, struct ct_error *err)
{
	*fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return *fd >= 0 || ct_broken_errno(err, "making a TCP socket");
}

static void format(const struct address *address, char endpoint[CT_ENDPOINT_MAX])
{
	char host[CT_ENDPOINT_MAX - 16], port[8];

	if (getnameinfo((const struct sockaddr *)&address->storage, address->length, host,
			sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		endpoint[0] = '\0';
		return;
	}
	snprintf(endpoint, CT_ENDPOINT_MAX,
		 address->storage.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

bool ct_tcp_listen(const char *host, int *fd, char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct address address = {0};

	if (!parse(host, "0", &address, err) || !check_is_one_host(&address, host, err) ||
	    !make_socket(&address, fd, err))
		return ct_error_in(err, "listening");
	if (bind(*fd, (const struct sockaddr *)&address.storage, address.length) != 0 ||
	    listen(*fd, BACKLOG) != 0) {
		ct_broken_errno(err, "listening on %s: is it an address of this host?", host);
		goto fail;
	}
	address.length = sizeof address.storage;
	if (getsockname(*fd, (struct sockaddr *)&address.storage, &address.length) != 0) {
		ct_broken_errno(err, "listening on %s: asking for the port", host);
		goto fail;
	}
	format(&address, endpoint);
	return true;
fail:
	close(*fd);
	*fd = -1;
	return false;
}

/* Waits until a connect that is under way has ended, and says how. */
static bool finish_connect(int fd, const char *endpoint, struct ct_error *err)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	socklen_t length = sizeof(int);
	int rc, status = 0;

	do
		rc = poll(&wait, 1, CONNECT_TIMEOUT_MS);
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return ct_broken(err, "connecting to %s: no answer within 2 s", endpoint);
	if (rc < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &status, &length) != 0)
		return ct_broken_errno(err, "connecting to %s", endpoint);
	errno = status;
	return status == 0 || ct_broken_errno(err, "connecting to %s", endpoint);
}

static bool connect_socket(int fd, const struct address *address, const char *endpoint,
			   struct ct_error *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return ct_broken_errno(err, "connecting to %s", endpoint);
	if (connect(fd, (const struct sockaddr *)&address->storage, address->length) != 0 &&
	    errno != EINPROGRESS)
		return ct_broken_errno(err, "connecting to %s", endpoint);
	if (!finish_connect(fd, endpoint, err))
		return false;
	return fcntl(fd, F_SETFL, flags) == 0 || ct_broken_errno(err, "connecting to %s", endpoint);
}

bool ct_tcp_connect(const char *endpoint, int *fd, struct ct_error *err)
{
	struct address address = {0};
	char host[CT_ENDPOINT_MAX];
	const char *port;

	if (!split(endpoint, host, &port))
		return ct_usage(err,
				"'%s' is not an endpoint: give one like 192.0.2.7:4000 or "
				"[2001:db8::7]:4000",
				endpoint);
	if (!parse(host, port, &address, err) || !check_is_one_host(&address, host, err))
		return ct_error_in(err, "connecting to %s", endpoint);
	if (!make_socket(&address, fd, err))
		return false;
	if (connect_socket(*fd, &address, endpoint, err))
		return true;
	close(*fd);
	*fd = -1;
	return false;
}
