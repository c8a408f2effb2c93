/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network devices through the kernel's route netlink (libmnl): the counters of a virtual function
 * as its PF keeps them, and the settings that vf_control churns. Sources: rtnetlink(7), Linux
 * include/uapi/linux/if_link.h.
 */
#ifndef COTENANT_NET_NETLINK_H
#define COTENANT_NET_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"

struct mnl_socket;

struct ct_netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	char *buffer; /* of answers: a PF with hundreds of VFs tells them all in one */
};

bool ct_netlink_open(struct ct_netlink *netlink, struct ct_error *err);
void ct_netlink_close(struct ct_netlink *netlink); /* harmless when it is not open */

/* What a PF counted for one of its virtual functions. NaN: its driver does not. */
struct ct_vf_stats {
	double rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
};
bool ct_netlink_vf_stats(struct ct_netlink *netlink, unsigned pf_ifindex, unsigned vf,
			 struct ct_vf_stats *stats, struct ct_error *err);
/* The same out of one answer of the kernel; for tests. False: that VF is not in it. */
bool ct_netlink_parse_vf_stats(const void *message, size_t length, unsigned vf,
			       struct ct_vf_stats *stats);

enum { CT_MAC_BYTES = 6 };
struct ct_netdev_settings {
	unsigned char mac[CT_MAC_BYTES];
	uint32_t mtu, mtu_min, mtu_max; /* mtu_min, mtu_max 0: the kernel does not say */
	uint32_t flags;                 /* IFF_UP, IFF_PROMISC, ... */
};
bool ct_netlink_settings(struct ct_netlink *netlink, unsigned ifindex,
			 struct ct_netdev_settings *settings, struct ct_error *err);
bool ct_netlink_set_mac(struct ct_netlink *netlink, unsigned ifindex,
			const unsigned char mac[CT_MAC_BYTES], struct ct_error *err);
bool ct_netlink_set_mtu(struct ct_netlink *netlink, unsigned ifindex, uint32_t mtu,
			struct ct_error *err);
/* Changes the flags of `mask` to those of `flags`. */
bool ct_netlink_set_flags(struct ct_netlink *netlink, unsigned ifindex, uint32_t flags,
			  uint32_t mask, struct ct_error *err);
/* A VLAN device over another, which makes the latter accept that VLAN. It is not brought up. */
bool ct_netlink_add_vlan(struct ct_netlink *netlink, unsigned lower_ifindex, uint16_t vlan,
			 const char *name, struct ct_error *err);
/* Good as well when there is no device of that name. */
bool ct_netlink_remove(struct ct_netlink *netlink, const char *name, struct ct_error *err);

#endif
