/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/netlink.h"

#include <errno.h>
#include <math.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

enum { ANSWER_BYTES = 512 << 10, REQUEST_BYTES = 1024 };

bool ct_netlink_open(struct ct_netlink *netlink, struct ct_error *err)
{
	*netlink = (struct ct_netlink){.buffer = malloc(ANSWER_BYTES)};
	netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (netlink->buffer && netlink->socket &&
	    mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) == 0)
		return true;
	ct_broken_errno(err, "opening a netlink socket");
	ct_netlink_close(netlink);
	return false;
}

void ct_netlink_close(struct ct_netlink *netlink)
{
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink->buffer);
	*netlink = (struct ct_netlink){0};
}

static struct nlmsghdr *begin(struct ct_netlink *netlink, char *buffer, uint16_t type,
			      uint16_t flags, struct ifinfomsg **link)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++netlink->sequence;
	*link = mnl_nlmsg_put_extra_header(message, sizeof **link);
	return message;
}

/* Sends and waits for the answer: `parse` gets a message, else only an acknowledgement is awaited.
 */
static bool ask(struct ct_netlink *netlink, const struct nlmsghdr *message, mnl_cb_t parse,
		void *data)
{
	const unsigned port = mnl_socket_get_portid(netlink->socket);
	ssize_t got;

	if (mnl_socket_sendto(netlink->socket, message, message->nlmsg_len) < 0)
		return false;
	do
		got = mnl_socket_recvfrom(netlink->socket, netlink->buffer, ANSWER_BYTES);
	while (got < 0 && errno == EINTR);
	return got > 0 &&
	       mnl_cb_run(netlink->buffer, (size_t)got, netlink->sequence, port, parse, data) >= 0;
}

/* ---- counters of virtual functions ---- */

struct wanted {
	unsigned vf;
	struct ct_vf_stats *stats;
	bool found;
};

static int parse_number(const struct nlattr *attribute, void *data)
{
	struct ct_vf_stats *stats = data;
	double *into = NULL;

	if (mnl_attr_get_payload_len(attribute) < sizeof(uint64_t))
		return MNL_CB_OK;
	switch (mnl_attr_get_type(attribute)) {
	case IFLA_VF_STATS_RX_PACKETS:
		into = &stats->rx_packets;
		break;
	case IFLA_VF_STATS_TX_PACKETS:
		into = &stats->tx_packets;
		break;
	case IFLA_VF_STATS_RX_BYTES:
		into = &stats->rx_bytes;
		break;
	case IFLA_VF_STATS_TX_BYTES:
		into = &stats->tx_bytes;
		break;
	case IFLA_VF_STATS_RX_DROPPED:
		into = &stats->rx_dropped;
		break;
	case IFLA_VF_STATS_TX_DROPPED:
		into = &stats->tx_dropped;
		break;
	default:
		break;
	}
	if (into)
		*into = (double)mnl_attr_get_u64(attribute);
	return MNL_CB_OK;
}

/* One function of the list: its number is the first member of each of its attributes. */
static int parse_vf(const struct nlattr *attribute, void *data)
{
	struct wanted *wanted = data;
	const struct nlattr *member, *stats = NULL;
	bool own = false;

	mnl_attr_for_each_nested(member, attribute)
	{
		uint32_t number;

		if (mnl_attr_get_type(member) == IFLA_VF_STATS)
			stats = member;
		if (mnl_attr_get_type(member) != IFLA_VF_MAC ||
		    mnl_attr_get_payload_len(member) < sizeof number)
			continue;
		memcpy(&number, mnl_attr_get_payload(member), sizeof number);
		own = number == wanted->vf;
	}
	if (own && stats) {
		wanted->found = true;
		mnl_attr_parse_nested(stats, parse_number, wanted->stats);
	}
	return MNL_CB_OK;
}

static int find_list(const struct nlattr *attribute, void *data)
{
	if (mnl_attr_get_type(attribute) == IFLA_VFINFO_LIST)
		mnl_attr_parse_nested(attribute, parse_vf, data);
	return MNL_CB_OK;
}

static int parse_link_for_vf(const struct nlmsghdr *message, void *data)
{
	if (message->nlmsg_type == RTM_NEWLINK)
		mnl_attr_parse(message, sizeof(struct ifinfomsg), find_list, data);
	return MNL_CB_OK;
}

static void forget(struct ct_vf_stats *stats)
{
	*stats = (struct ct_vf_stats){NAN, NAN, NAN, NAN, NAN, NAN};
}

bool ct_netlink_parse_vf_stats(const void *message, size_t length, unsigned vf,
			       struct ct_vf_stats *stats)
{
	struct wanted wanted = {.vf = vf, .stats = stats};

	forget(stats);
	return mnl_cb_run(message, length, 0, 0, parse_link_for_vf, &wanted) >= 0 && wanted.found;
}

bool ct_netlink_vf_stats(struct ct_netlink *netlink, unsigned pf_ifindex, unsigned vf,
			 struct ct_vf_stats *stats, struct ct_error *err)
{
	struct wanted wanted = {.vf = vf, .stats = stats};
	char buffer[REQUEST_BYTES];
	struct ifinfomsg *link;
	struct nlmsghdr *message = begin(netlink, buffer, RTM_GETLINK, 0, &link);

	forget(stats);
	link->ifi_index = (int)pf_ifindex;
	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_VF);
	if (!ask(netlink, message, parse_link_for_vf, &wanted))
		return ct_broken_errno(err,
				       "asking the kernel for the virtual functions of "
				       "network device %u",
				       pf_ifindex);
	return wanted.found ||
	       ct_broken(err, "network device %u tells no counters of its virtual function %u",
			 pf_ifindex, vf);
}

/* ---- settings ---- */

static int parse_setting(const struct nlattr *attribute, void *data)
{
	struct ct_netdev_settings *settings = data;
	const size_t size = mnl_attr_get_payload_len(attribute);

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_ADDRESS:
		if (size == CT_MAC_BYTES)
			memcpy(settings->mac, mnl_attr_get_payload(attribute), size);
		break;
	case IFLA_MTU:
		settings->mtu = mnl_attr_get_u32(attribute);
		break;
	case IFLA_MIN_MTU:
		settings->mtu_min = mnl_attr_get_u32(attribute);
		break;
	case IFLA_MAX_MTU:
		settings->mtu_max = mnl_attr_get_u32(attribute);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int parse_link(const struct nlmsghdr *message, void *data)
{
	struct ct_netdev_settings *settings = data;
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);

	settings->flags = link->ifi_flags;
	mnl_attr_parse(message, sizeof *link, parse_setting, settings);
	return MNL_CB_OK;
}

bool ct_netlink_settings(struct ct_netlink *netlink, unsigned ifindex,
			 struct ct_netdev_settings *settings, struct ct_error *err)
{
	char buffer[REQUEST_BYTES];
	struct ifinfomsg *link;
	struct nlmsghdr *message = begin(netlink, buffer, RTM_GETLINK, 0, &link);

	*settings = (struct ct_netdev_settings){.mtu = 0};
	link->ifi_index = (int)ifindex;
	return ask(netlink, message, parse_link, settings) ||
	       ct_broken_errno(err, "asking the kernel for network device %u", ifindex);
}

static bool command(struct ct_netlink *netlink, const struct nlmsghdr *message, const char *what,
		    struct ct_error *err)
{
	if (ask(netlink, message, NULL, NULL))
		return true;
	if (errno == EPERM)
		return ct_broken(err, "%s: not permitted: needs CAP_NET_ADMIN (root)", what);
	return ct_broken_errno(err, "%s", what);
}

bool ct_netlink_set_mac(struct ct_netlink *netlink, unsigned ifindex,
			const unsigned char mac[CT_MAC_BYTES], struct ct_error *err)
{
	char buffer[REQUEST_BYTES];
	struct ifinfomsg *link;
	struct nlmsghdr *message = begin(netlink, buffer, RTM_SETLINK, NLM_F_ACK, &link);

	link->ifi_index = (int)ifindex;
	mnl_attr_put(message, IFLA_ADDRESS, CT_MAC_BYTES, mac);
	return command(netlink, message, "setting a MAC address", err);
}

bool ct_netlink_set_mtu(struct ct_netlink *netlink, unsigned ifindex, uint32_t mtu,
			struct ct_error *err)
{
	char buffer[REQUEST_BYTES];
	struct ifinfomsg *link;
	struct nlmsghdr *message = begin(netlink, buffer, RTM_SETLINK, NLM_F_ACK, &link);

	link->ifi_index = (int)ifindex;
	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	return command(netlink, message, "setting the MTU", err);
}

bool ct_netlink_set_flags(struct ct_netlink *netlink, unsigned ifindex, uint32_t flags,
			  uint32_t mask, struct ct_error *err)
{
	char buffer[REQUEST_BYTES];
	struct ifinfomsg *link;
	struct nlmsghdr *message = begin(netlink, buffer, RTM_SETLINK, NLM_F_ACK, &link);

	link->ifi_index = (int)ifindex;
	link->ifi_flags = flags;
	link->ifi_change = mask;
	return command(netlink, message, "setting flags of a network device", err);
}

bool ct_netlink_add_vlan(struct ct_netlink *netlink, unsigned lower_ifindex, uint16_t vlan,
			 const char *name, struct ct_error *err)
{
	char buffer[REQUEST_BYTES];
	struct ifinfomsg *link;
	struct nlmsghdr *message =
		begin(netlink, buffer, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &link);
	struct nlattr *info, *data;

	mnl_attr_put_u32(message, IFLA_LINK, lower_ifindex);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_str(message, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u16(message, IFLA_VLAN_ID, vlan);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	if (ask(netlink, message, NULL, NULL))
		return true;
	if (errno == EOPNOTSUPP)
		return ct_broken(err, "this kernel has no VLAN devices (module 8021q)");
	return ct_broken_errno(err, "adding VLAN %u as %s", vlan, name);
}

bool ct_netlink_remove(struct ct_netlink *netlink, const char *name, struct ct_error *err)
{
	const unsigned ifindex = if_nametoindex(name);
	char buffer[REQUEST_BYTES];
	struct ifinfomsg *link;
	struct nlmsghdr *message;

	if (ifindex == 0)
		return true;
	message = begin(netlink, buffer, RTM_DELLINK, NLM_F_ACK, &link);
	link->ifi_index = (int)ifindex;
	return command(netlink, message, "removing a network device", err);
}
