/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP as victims and floods share it. A receiver has a TCP listener and a UDP socket on one port:
 * consent (tcp.h) goes over the connection, datagrams go to the same address and port. Who sends
 * keeps the connection, and stops when it ends: a receiver that is gone no longer consents.
 */
#ifndef COTENANT_NET_UDP_H
#define COTENANT_NET_UDP_H

#include <stdbool.h>

#include "harness/core/error.h"
#include "harness/net/address.h"
#include "harness/net/peer.h"

/* The receiving end. Both sockets are the caller's. */
bool ct_udp_listen(const char *address, int *listener, int *udp, char endpoint[CT_ENDPOINT_MAX],
		   struct ct_error *err);

/*
 * The sending end: asks for consent over a connection, *control, and makes a UDP socket that is
 * connected to the same address and port and has the connection's own address and port; so the
 * receiver knows by the connection from whom datagrams may come. `nic` as in ct_tcp_connect_via.
 */
bool ct_udp_connect(const char *endpoint, const char *nic, const char *token, int *control,
		    int *udp, struct ct_error *err);
/* Another UDP socket to the same receiver through the same device, with a port of its own. */
bool ct_udp_another(int control, int *udp, struct ct_error *err);
/* On the receiving end: `udp` takes datagrams from the other end of `control` only. */
bool ct_udp_restrict(int udp, int control, struct ct_error *err);

#endif
