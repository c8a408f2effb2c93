/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/udp.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "harness/net/tcp.h"

/* A port that is free for TCP may be taken for UDP: then another one is tried. */
enum { PORT_TRIES = 16 };

static bool make_socket(const struct ct_address *address, int *fd, struct ct_error *err)
{
	*fd = socket(address->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return *fd >= 0 || ct_broken_errno(err, "making a UDP socket");
}

static bool own_name(int fd, struct ct_address *address, struct ct_error *err)
{
	address->length = sizeof address->storage;
	return getsockname(fd, (struct sockaddr *)&address->storage, &address->length) == 0 ||
	       ct_broken_errno(err, "asking for a socket's address");
}

static bool peer_name(int fd, struct ct_address *address, struct ct_error *err)
{
	address->length = sizeof address->storage;
	return getpeername(fd, (struct sockaddr *)&address->storage, &address->length) == 0 ||
	       ct_broken_errno(err, "asking for the other end's address");
}

/* A UDP socket with the address and port of `tcp`. *taken: somebody else has that port. */
static bool bind_beside(int tcp, int *udp, bool *taken, struct ct_error *err)
{
	struct ct_address address = {0};

	*taken = false;
	if (!own_name(tcp, &address, err) || !make_socket(&address, udp, err))
		return false;
	if (bind(*udp, (const struct sockaddr *)&address.storage, address.length) == 0)
		return true;
	*taken = errno == EADDRINUSE;
	ct_broken_errno(err, "binding a UDP socket beside a connection");
	close(*udp);
	*udp = -1;
	return false;
}

bool ct_udp_listen(const char *address, int *listener, int *udp, char endpoint[CT_ENDPOINT_MAX],
		   struct ct_error *err)
{
	bool taken = true;

	for (int i = 0; i < PORT_TRIES && taken; i++) {
		if (!ct_tcp_listen(address, listener, endpoint, err))
			return false;
		if (bind_beside(*listener, udp, &taken, err))
			return true;
		close(*listener);
		*listener = -1;
	}
	return false;
}

/* The device that a socket is bound to, for another one. */
static bool same_device(int from, int to, struct ct_error *err)
{
	char device[IFNAMSIZ] = "";
	socklen_t length = sizeof device;

	if (getsockopt(from, SOL_SOCKET, SO_BINDTODEVICE, device, &length) != 0 || length == 0 ||
	    !device[0])
		return true;
	return setsockopt(to, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) ==
		       0 ||
	       ct_broken_errno(err, "binding a socket to %s", device);
}

static bool connect_like(int control, int udp, struct ct_error *err)
{
	struct ct_address address = {0};

	return same_device(control, udp, err) && peer_name(control, &address, err) &&
	       (connect(udp, (const struct sockaddr *)&address.storage, address.length) == 0 ||
		ct_broken_errno(err, "connecting a UDP socket"));
}

bool ct_udp_connect(const char *endpoint, const char *nic, const char *token, int *control,
		    int *udp, struct ct_error *err)
{
	bool taken = true;

	for (int i = 0; i < PORT_TRIES && taken; i++) {
		if (!ct_tcp_connect_via(endpoint, nic, control, err))
			return false;
		if (bind_beside(*control, udp, &taken, err)) {
			if (connect_like(*control, *udp, err) &&
			    ct_consent_ask(*control, token, err))
				return true;
			close(*udp);
			*udp = -1;
		}
		close(*control);
		*control = -1;
	}
	return false;
}

bool ct_udp_another(int control, int *udp, struct ct_error *err)
{
	struct ct_address address = {0};

	if (!peer_name(control, &address, err) || !make_socket(&address, udp, err))
		return false;
	if (connect_like(control, *udp, err))
		return true;
	close(*udp);
	*udp = -1;
	return false;
}

bool ct_udp_restrict(int udp, int control, struct ct_error *err)
{
	struct ct_address address = {0};

	return peer_name(control, &address, err) &&
	       (connect(udp, (const struct sockaddr *)&address.storage, address.length) == 0 ||
		ct_broken_errno(err, "connecting a UDP socket"));
}
