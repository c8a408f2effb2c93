/* SPDX-License-Identifier: Apache-2.0 */
/* The other ends of floods of datagrams: a sink drops them, an echo sends them back. */
#ifndef COTENANT_NOISE_UDP_SINK_H
#define COTENANT_NOISE_UDP_SINK_H

#include "harness/net/peer.h"

/* Consents, reads and drops. */
extern const struct ct_peer_ops ct_udp_sink;
/* Consents and sends back the first bytes of what comes from the host that has. */
extern const struct ct_peer_ops ct_udp_echo;

#endif
