/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections. Names are never resolved: what is connected to is the number that the
 * campaign's own receiver announced. Only unicast addresses pass, so a mistake in a job file can't
 * reach more than one host. consent.c then makes sure that this host wants the traffic.
 */
#include "harness/net/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/net/address.h"
#include "harness/net/function.h"

enum { CONNECT_TIMEOUT_MS = 2000, BACKLOG = 8 };

static bool make_socket(const struct ct_address *address, int *fd, struct ct_error *err)
{
	*fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return *fd >= 0 || ct_broken_errno(err, "making a TCP socket");
}

bool ct_tcp_listen(const char *host, int *fd, char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct ct_address address = {0};

	if (!ct_address_parse(host, "0", &address, err) ||
	    !ct_address_is_one_host(&address, host, err) || !make_socket(&address, fd, err))
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
	ct_address_format(&address, endpoint);
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

static bool connect_socket(int fd, const struct ct_address *address, const char *endpoint,
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

static bool parse_endpoint(const char *endpoint, struct ct_address *address, struct ct_error *err)
{
	char host[CT_ENDPOINT_MAX];
	const char *port;

	if (!ct_address_split(endpoint, host, &port))
		return ct_usage(err,
				"'%s' is not an endpoint: give one like 192.0.2.7:4000 or "
				"[2001:db8::7]:4000",
				endpoint);
	return ct_address_parse(host, port, address, err) &&
	       ct_address_is_one_host(address, host, err);
}

/*
 * Routing alone would send everything through the first function of a network. What goes to this
 * host itself never gets to a function at all; loopback is the one that says so.
 */
static bool bind_to_function(int fd, const char *nic, const struct ct_address *address,
			     struct ct_error *err)
{
	struct ct_function function;

	if (!ct_function_resolve(nic, &ct_probe_live, &function, err) ||
	    !ct_function_needs_netdev(&function, nic, err))
		return false;
	if (strcmp(function.netdev, "lo") == 0)
		return true;
	if (ct_address_is_own(address))
		return ct_usage(err,
				"nic = %s: the other end has an address of this host, so that "
				"nothing would pass %s: put the peer behind another network "
				"namespace, machine or host (via, address)",
				nic, function.netdev);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, function.netdev,
		       (socklen_t)strlen(function.netdev)) == 0)
		return true;
	return ct_broken_errno(err, "binding a socket to %s", function.netdev);
}

bool ct_tcp_connect_via(const char *endpoint, const char *nic, int *fd, struct ct_error *err)
{
	struct ct_address address = {0};

	if (!parse_endpoint(endpoint, &address, err))
		return ct_error_in(err, "connecting to %s", endpoint);
	if (!make_socket(&address, fd, err))
		return false;
	if ((!nic || bind_to_function(*fd, nic, &address, err)) &&
	    connect_socket(*fd, &address, endpoint, err))
		return true;
	close(*fd);
	*fd = -1;
	return false;
}

bool ct_tcp_connect(const char *endpoint, int *fd, struct ct_error *err)
{
	return ct_tcp_connect_via(endpoint, NULL, fd, err);
}
