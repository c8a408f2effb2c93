/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numeric addresses and endpoints ("192.0.2.7:4000", "[2001:db8::7]:4000"), and which of them one
 * host answers for.
 */
#ifndef COTENANT_NET_ADDRESS_H
#define COTENANT_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "harness/core/error.h"
#include "harness/net/peer.h"

struct ct_address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* A numeric host and port, IPv4 or IPv6 (with "%eth0" for link-local addresses). */
bool ct_address_parse(const char *host, const char *port, struct ct_address *address,
		      struct ct_error *err);
/* "1.2.3.4:5" or "[::1]:5" into its two parts. */
bool ct_address_split(const char *endpoint, char host[CT_ENDPOINT_MAX], const char **port);
/* Refuses multicast, broadcast, wildcard and reserved addresses. */
bool ct_address_is_one_host(const struct ct_address *address, const char *text,
			    struct ct_error *err);
/* Whether it is an address of this host (of this network namespace). */
bool ct_address_is_own(const struct ct_address *address);
void ct_address_format(const struct ct_address *address, char endpoint[CT_ENDPOINT_MAX]);

#endif
