/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/stamps.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#include "harness/net/address.h"

const char *const ct_stamps_names[] = {"none", "software", "hardware", NULL};

static bool request(int fd, const char *netdev, unsigned long number, void *data)
{
	struct ifreq wanted = {.ifr_data = data};

	snprintf(wanted.ifr_name, sizeof wanted.ifr_name, "%s", netdev);
	return ioctl(fd, number, &wanted) == 0;
}

static bool check_capable(int fd, const char *netdev, enum ct_stamps kind, struct ct_error *err)
{
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO};
	const uint32_t needed = kind == CT_STAMPS_HARDWARE ? SOF_TIMESTAMPING_TX_HARDWARE |
								     SOF_TIMESTAMPING_RX_HARDWARE |
								     SOF_TIMESTAMPING_RAW_HARDWARE
							   : SOF_TIMESTAMPING_TX_SOFTWARE |
								     SOF_TIMESTAMPING_RX_SOFTWARE |
								     SOF_TIMESTAMPING_SOFTWARE;

	if (!request(fd, netdev, SIOCETHTOOL, &info))
		return ct_broken_errno(err, "stamps = %s: asking %s what stamps it makes",
				       ct_stamps_names[kind], netdev);
	if ((info.so_timestamping & needed) == needed)
		return true;
	return ct_usage(err,
			"stamps = %s: %s does not make them for what is both sent and received "
			"(see 'ethtool -T %s')%s",
			ct_stamps_names[kind], netdev, netdev,
			kind == CT_STAMPS_HARDWARE ? "; stamps = software may do" : "");
}

/* Stamping everything slows some NICs down, so the harness does not turn it on by itself. */
static bool check_on(int fd, const char *netdev, struct ct_error *err)
{
	struct hwtstamp_config config = {0};

	if (!request(fd, netdev, SIOCGHWTSTAMP, &config))
		return ct_broken_errno(err, "stamps = hardware: asking %s for its settings",
				       netdev);
	if (config.tx_type == HWTSTAMP_TX_ON && config.rx_filter == HWTSTAMP_FILTER_ALL)
		return true;
	return ct_usage(err,
			"stamps = hardware: %s can make them, but they are off: "
			"'hwstamp_ctl -i %s -t 1 -r 1' (linuxptp) turns them on",
			netdev, netdev);
}

bool ct_stamps_enable(int fd, const char *netdev, enum ct_stamps kind, struct ct_error *err)
{
	const int flags = kind == CT_STAMPS_HARDWARE
				  ? SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_RX_HARDWARE |
					    SOF_TIMESTAMPING_RAW_HARDWARE |
					    SOF_TIMESTAMPING_OPT_TSONLY
				  : SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
					    SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;

	if (kind == CT_STAMPS_NONE)
		return true;
	if (!check_capable(fd, netdev, kind, err) ||
	    (kind == CT_STAMPS_HARDWARE && !check_on(fd, netdev, err)))
		return false;
	return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) == 0 ||
	       ct_broken_errno(err, "stamps = %s", ct_stamps_names[kind]);
}

uint64_t ct_stamps_of(struct msghdr *message, enum ct_stamps kind)
{
	struct scm_timestamping stamps;
	struct timespec at = {0};

	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPING ||
		    part->cmsg_len < CMSG_LEN(sizeof stamps))
			continue;
		memcpy(&stamps, CMSG_DATA(part), sizeof stamps);
		memcpy(&at, &stamps.ts[kind == CT_STAMPS_HARDWARE ? 2 : 0], sizeof at);
	}
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

uint64_t ct_stamps_sent(int fd, enum ct_stamps kind)
{
	char control[CT_STAMPS_CONTROL];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};

	return recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0
		       ? ct_stamps_of(&message, kind)
		       : 0;
}

/* The device that has the socket's own address. */
static bool netdev_of_address(const struct ct_address *address, char netdev[IFNAMSIZ])
{
	const bool v4 = address->storage.ss_family == AF_INET;
	const size_t at = v4 ? offsetof(struct sockaddr_in, sin_addr)
			     : offsetof(struct sockaddr_in6, sin6_addr);
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != address->storage.ss_family ||
		    memcmp((const char *)i->ifa_addr + at, (const char *)&address->storage + at,
			   v4 ? 4 : 16) != 0)
			continue;
		found = snprintf(netdev, IFNAMSIZ, "%s", i->ifa_name) < IFNAMSIZ;
	}
	freeifaddrs(all);
	return found;
}

bool ct_socket_netdev(int fd, char netdev[16], struct ct_error *err)
{
	struct ct_address own = {.length = sizeof own.storage}, peer = own;
	socklen_t length = IFNAMSIZ;

	_Static_assert(IFNAMSIZ == 16, "as in the header");
	netdev[0] = '\0';
	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, netdev, &length) == 0 && length > 0 &&
	    netdev[0])
		return true;
	if (getsockname(fd, (struct sockaddr *)&own.storage, &own.length) != 0 ||
	    getpeername(fd, (struct sockaddr *)&peer.storage, &peer.length) != 0)
		return ct_broken_errno(err, "asking for a socket's address");
	/* What goes to this host itself goes through loopback, whoever has the address. */
	if (ct_address_is_own(&peer)) {
		strcpy(netdev, "lo");
		return true;
	}
	return netdev_of_address(&own, netdev) ||
	       ct_broken(err, "no network device has the address of this connection any more");
}
