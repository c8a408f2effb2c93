/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of floods of datagrams: consents, reads and drops them. */
#ifndef COTENANT_NOISE_UDP_SINK_H
#define COTENANT_NOISE_UDP_SINK_H

#include "harness/net/peer.h"

extern const struct ct_peer_ops ct_udp_sink;

#endif
