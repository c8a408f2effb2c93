/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets handed to a network device as whole frames, past the protocol stack: a ring that the
 * kernel sends from (packet_mmap, TPACKET_V2), without queueing discipline. Sources: packet(7),
 * Linux Documentation/networking/packet_mmap.rst.
 */
#ifndef COTENANT_NET_PACKET_H
#define COTENANT_NET_PACKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"

enum {
	CT_PACKET_MIN = 60,    /* of an Ethernet frame without its checksum */
	CT_PACKET_HEADERS = 42 /* Ethernet, IPv4 and UDP */
};

/* Where frames go: one host on the same link. */
struct ct_packet_target {
	char netdev[16];
	int ifindex;
	uint32_t mtu;
	unsigned char from_mac[6], to_mac[6];
	struct in_addr from, to;
	uint16_t to_port;
};

/*
 * The other end of a connection. Refuses one that is not on the same link, whose frames would go
 * to a router that has not consented, one behind IPv6, and a group's MAC address.
 */
bool ct_packet_target_of(int connection, struct ct_packet_target *target, struct ct_error *err);

struct ct_packet_ring;

/* Frames of `size` bytes; UDP datagrams from these ports in turn. Needs CAP_NET_RAW. */
bool ct_packet_ring_open(const struct ct_packet_target *target, size_t size, const uint16_t *ports,
			 unsigned n_ports, struct ct_packet_ring **ring, struct ct_error *err);
/* Hands up to `wanted` frames to the device; adds how many it took. A full ring is no error. */
bool ct_packet_ring_send(struct ct_packet_ring *ring, unsigned wanted, uint64_t *sent,
			 struct ct_error *err);
void ct_packet_ring_close(struct ct_packet_ring *ring);

#endif
