/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/net/stamps.h"

enum {
	RING_FRAMES = 1024,
	SEND_BUFFER = 8 << 20, /* what is on its way in the device's queue */
	TTL = 1                /* it stays on the link whatever happens */
};
_Static_assert(CT_PACKET_HEADERS == ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr),
	       "as it says");

struct ct_packet_ring {
	int fd;
	size_t size, slot; /* bytes of a frame, and of its place in the ring */
	unsigned next;
	unsigned char *base;
};

/* ---- the target ---- */

static bool both_ends(int connection, struct ct_packet_target *target, struct ct_error *err)
{
	struct sockaddr_storage own = {.ss_family = AF_UNSPEC}, peer = own;
	socklen_t own_length = sizeof own, peer_length = sizeof peer;
	struct sockaddr_in from, to;

	if (getsockname(connection, (struct sockaddr *)&own, &own_length) != 0 ||
	    getpeername(connection, (struct sockaddr *)&peer, &peer_length) != 0)
		return ct_broken_errno(err, "asking for a connection's ends");
	if (own.ss_family != AF_INET)
		return ct_usage(err, "frames are made for IPv4 only: method = udp does IPv6");
	memcpy(&from, &own, sizeof from);
	memcpy(&to, &peer, sizeof to);
	target->from = from.sin_addr;
	target->to = to.sin_addr;
	target->to_port = ntohs(to.sin_port);
	return true;
}

static bool ask_device(int fd, struct ct_packet_target *target, struct ct_error *err)
{
	struct ifreq device = {.ifr_ifindex = 0};

	memcpy(device.ifr_name, target->netdev, sizeof target->netdev);
	target->ifindex = (int)if_nametoindex(target->netdev);
	if (target->ifindex == 0 || ioctl(fd, SIOCGIFMTU, &device) != 0)
		return ct_broken_errno(err, "asking for the MTU of %s", target->netdev);
	target->mtu = (uint32_t)device.ifr_mtu;
	if (ioctl(fd, SIOCGIFHWADDR, &device) != 0)
		return ct_broken_errno(err, "asking for the MAC address of %s", target->netdev);
	if (device.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
	    device.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
		return ct_usage(err, "%s is no Ethernet device: method = udp does without",
				target->netdev);
	memcpy(target->from_mac, device.ifr_hwaddr.sa_data, sizeof target->from_mac);
	return true;
}

/* The kernel has just talked to it, so a host on the link is among the neighbours. */
static bool find_neighbour(int fd, struct ct_packet_target *target, struct ct_error *err)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = target->to};
	struct arpreq wanted = {.arp_flags = 0};
	char text[INET_ADDRSTRLEN] = "";

	memcpy(&wanted.arp_pa, &address, sizeof address);
	memcpy(wanted.arp_dev, target->netdev, sizeof wanted.arp_dev - 1);
	inet_ntop(AF_INET, &target->to, text, sizeof text);
	if (ioctl(fd, SIOCGARP, &wanted) != 0 || !(wanted.arp_flags & ATF_COM))
		return ct_usage(err,
				"the sink %s is not on the link of %s, and frames would go to a "
				"router that has not consented: method = udp goes through routers",
				text, target->netdev);
	memcpy(target->to_mac, wanted.arp_ha.sa_data, sizeof target->to_mac);
	if (target->to_mac[0] & 1)
		return ct_usage(err, "the sink %s has the MAC address of a group", text);
	return true;
}

bool ct_packet_target_of(int connection, struct ct_packet_target *target, struct ct_error *err)
{
	*target = (struct ct_packet_target){.ifindex = 0};
	return both_ends(connection, target, err) &&
	       ct_socket_netdev(connection, target->netdev, err) &&
	       ask_device(connection, target, err) &&
	       (strcmp(target->netdev, "lo") == 0 || find_neighbour(connection, target, err));
}

/* ---- frames ---- */

/* The ones' complement sum of RFC 1071 over an IPv4 header. */
static uint16_t header_checksum(const struct iphdr *header)
{
	uint16_t words[sizeof *header / 2];
	uint32_t sum = 0;

	memcpy(words, header, sizeof words);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* A UDP datagram; without a checksum, which IPv4 allows. */
static void write_frame(unsigned char *frame, size_t size, const struct ct_packet_target *target,
			uint16_t port)
{
	struct ethhdr ethernet = {.h_proto = htons(ETH_P_IP)};
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .tot_len = htons((uint16_t)(size - ETH_HLEN)),
			   .ttl = TTL,
			   .protocol = IPPROTO_UDP,
			   .saddr = target->from.s_addr,
			   .daddr = target->to.s_addr};
	const struct udphdr udp = {.source = htons(port),
				   .dest = htons(target->to_port),
				   .len = htons((uint16_t)(size - ETH_HLEN - sizeof ip))};

	memcpy(ethernet.h_dest, target->to_mac, ETH_ALEN);
	memcpy(ethernet.h_source, target->from_mac, ETH_ALEN);
	ip.check = header_checksum(&ip);
	memcpy(frame, &ethernet, sizeof ethernet);
	memcpy(frame + ETH_HLEN, &ip, sizeof ip);
	memcpy(frame + ETH_HLEN + sizeof ip, &udp, sizeof udp);
	memset(frame + CT_PACKET_HEADERS, 'c', size - CT_PACKET_HEADERS);
}

/* ---- the ring ---- */

static struct tpacket2_hdr *slot_at(const struct ct_packet_ring *ring, unsigned i)
{
	return (struct tpacket2_hdr *)(void *)(ring->base + (size_t)i * ring->slot);
}

/* Small slots keep the whole ring of small frames in the cache. */
static size_t slot_size(size_t size)
{
	size_t slot = 128;

	while (slot < TPACKET_ALIGN(sizeof(struct tpacket2_hdr)) + size)
		slot *= 2;
	return slot;
}

static bool make_ring(struct ct_packet_ring *ring, struct ct_error *err)
{
	const int version = TPACKET_V2, on = 1, buffer = SEND_BUFFER;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t block = ring->slot > page ? ring->slot : page;
	const struct tpacket_req request = {
		.tp_block_size = (unsigned)block,
		.tp_block_nr = (unsigned)(RING_FRAMES * ring->slot / block),
		.tp_frame_size = (unsigned)ring->slot,
		.tp_frame_nr = RING_FRAMES,
	};

	if (setsockopt(ring->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0 ||
	    setsockopt(ring->fd, SOL_PACKET, PACKET_TX_RING, &request, sizeof request) != 0)
		return ct_broken_errno(err, "making a ring of packets");
	/* An older kernel, or one without the right to exceed the limit, does without. */
	setsockopt(ring->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
	if (setsockopt(ring->fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) != 0)
		setsockopt(ring->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	ring->base = mmap(NULL, RING_FRAMES * ring->slot, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, ring->fd, 0);
	if (ring->base == MAP_FAILED) {
		ring->base = NULL;
		return ct_broken_errno(err, "mapping a ring of packets");
	}
	return true;
}

static bool bind_ring(struct ct_packet_ring *ring, const struct ct_packet_target *target,
		      struct ct_error *err)
{
	const struct sockaddr_ll device = {.sll_family = AF_PACKET, .sll_ifindex = target->ifindex};

	return bind(ring->fd, (const struct sockaddr *)&device, sizeof device) == 0 ||
	       ct_broken_errno(err, "binding a packet socket to %s", target->netdev);
}

static bool open_socket(struct ct_packet_ring *ring, struct ct_error *err)
{
	/* Protocol 0: it receives nothing. */
	ring->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (ring->fd >= 0)
		return true;
	if (errno == EPERM || errno == EACCES)
		return ct_broken(err, "method = packet needs CAP_NET_RAW (root): method = udp "
				      "does without");
	return ct_broken_errno(err, "making a packet socket");
}

bool ct_packet_ring_open(const struct ct_packet_target *target, size_t size, const uint16_t *ports,
			 unsigned n_ports, struct ct_packet_ring **ring, struct ct_error *err)
{
	struct ct_packet_ring *made;

	if (size > target->mtu + ETH_HLEN)
		return ct_usage(err, "packet = %zu: frames of %s are at most %u bytes", size,
				target->netdev, target->mtu + ETH_HLEN);
	made = calloc(1, sizeof *made);
	if (!made)
		return ct_broken_errno(err, "memory for a ring of packets");
	made->size = size;
	made->slot = slot_size(size);
	if (!open_socket(made, err) || !make_ring(made, err) || !bind_ring(made, target, err)) {
		ct_packet_ring_close(made);
		return false;
	}
	for (unsigned i = 0; i < RING_FRAMES; i++) {
		struct tpacket2_hdr *header = slot_at(made, i);

		header->tp_len = (uint32_t)size;
		write_frame((unsigned char *)header + TPACKET_ALIGN(sizeof *header), size, target,
			    ports[i % n_ports]);
	}
	*ring = made;
	return true;
}

/* Marks frames as ready. The kernel gives a slot back when the device is done with it. */
static unsigned mark(struct ct_packet_ring *ring, unsigned wanted, bool *refused)
{
	unsigned marked = 0;

	*refused = false;
	while (marked < wanted) {
		struct tpacket2_hdr *header = slot_at(ring, ring->next);
		const uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);

		*refused = (status & TP_STATUS_WRONG_FORMAT) != 0;
		if (status != TP_STATUS_AVAILABLE)
			break;
		__atomic_store_n(&header->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
		ring->next = ring->next + 1 == RING_FRAMES ? 0 : ring->next + 1;
		marked++;
	}
	return marked;
}

bool ct_packet_ring_send(struct ct_packet_ring *ring, unsigned wanted, uint64_t *sent,
			 struct ct_error *err)
{
	bool refused;
	ssize_t bytes;

	mark(ring, wanted, &refused);
	if (refused)
		return ct_broken(err, "the kernel refuses frames of %zu bytes here", ring->size);
	/* Also what an earlier call left, for want of room in the device's queue. */
	/* cppcheck-suppress nullPointer; nothing is read: the frames lie in the ring */
	bytes = send(ring->fd, NULL, 0, MSG_DONTWAIT);
	if (bytes > 0)
		*sent += (uint64_t)bytes / ring->size;
	return bytes >= 0 || errno == EAGAIN || errno == ENOBUFS || errno == EINTR ||
	       ct_broken_errno(err, "sending packets");
}

void ct_packet_ring_close(struct ct_packet_ring *ring)
{
	if (ring->base)
		munmap(ring->base, RING_FRAMES * ring->slot);
	if (ring->fd >= 0)
		close(ring->fd);
	free(ring);
}
