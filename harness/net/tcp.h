/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP as victims and floods share it: numeric endpoints, refusal of every address that is not one
 * consenting host, and the consent handshake. The connecting side sends the first half of the
 * campaign's token; the sink checks it and answers with the second half; each side ends the
 * connection when the other's half is wrong. Neither half gives away the other.
 */
#ifndef COTENANT_NET_TCP_H
#define COTENANT_NET_TCP_H

#include <stdbool.h>

#include "harness/core/error.h"
#include "harness/net/peer.h"

/* Listens on a numeric address with a port the kernel chooses; fills `endpoint`. Returns the socket
 * in *fd. */
bool ct_tcp_listen(const char *address, int *fd, char endpoint[CT_ENDPOINT_MAX],
		   struct ct_error *err);
/* Connects to "address:port" or "[address6]:port"; refuses multicast, broadcast, wildcard
 * addresses. */
bool ct_tcp_connect(const char *endpoint, int *fd, struct ct_error *err);
/*
 * The same through the network function that `nic` names (function.h); NULL: as routing has it.
 * Refuses an endpoint on this host, which no function but loopback leads to.
 */
bool ct_tcp_connect_via(const char *endpoint, const char *nic, int *fd, struct ct_error *err);

/* The two sides of the handshake, each bounded to two seconds. */
bool ct_consent_ask(int fd, const char *token, struct ct_error *err);
bool ct_consent_give(int fd, const char *token, struct ct_error *err);
/* Whether the other side of a consented connection is still there; one system call. */
bool ct_consent_holds(int fd);

#endif
