/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floods a network function with packets, small ones by default: what they load is the work a
 * packet costs (queues, doorbells, PCIe transactions, the embedded switch), not the wire. Two ways:
 * whole frames through a ring past the protocol stack, and UDP datagrams that the stack or the NIC
 * cuts from large ones (GSO). Both go to a sink of the same campaign, which has consented over a
 * connection, and end when that connection does.
 */
#include "noise/aggressors.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness/core/clock.h"
#include "harness/net/packet.h"
#include "harness/net/tcp.h"
#include "harness/net/udp.h"
#include "noise/udp_sink.h"

enum {
	BURST = 256, /* packets: 100 to 200 us at one to three million a second */
	CAP_BURSTS =
		500, /* a second at least, where the cap makes packets rare: bursts are short */
	FLOWS_MAX = 256,
	WAIT_MS = 5,
	LOOK_NS = 5000000, /* how often the device is asked what it dropped */
	DATAGRAM_MAX = 65507
};

enum method { BY_PACKET, BY_UDP };
static const char *const methods[] = {"packet", "udp", NULL};

struct options {
	int method;
	uint64_t packet, flows, segments, cap;
};

struct flood {
	const struct ct_aggressor_env *env;
	const struct options *options;
	int control;
	char netdev[16];
	struct ct_packet_target target; /* of BY_PACKET */
	size_t payload;                 /* of a datagram, for BY_UDP */
};

struct flood_thread {
	const struct flood *flood;
	int *flows;
	unsigned n_flows, next;
	struct ct_packet_ring *ring; /* of BY_PACKET; else NULL */
	char *datagrams;
	struct mmsghdr messages[BURST];
	struct iovec part;
	unsigned n_messages, segments;
	unsigned burst;       /* packets */
	uint64_t due_ns;      /* the cap allows the next packet then */
	double ns_per_packet; /* of this thread's share of the cap */
	int dropped_fd;       /* of one thread: what the device dropped of all; else -1 */
	uint64_t look_ns, dropped, owed; /* packets counted that were dropped after all */
};

static size_t headers_of(int fd)
{
	struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
	socklen_t length = sizeof own;

	return getsockname(fd, (struct sockaddr *)&own, &length) == 0 && own.ss_family == AF_INET6
		       ? CT_PACKET_HEADERS + 20
		       : CT_PACKET_HEADERS;
}

static bool find_way(struct flood *flood, struct ct_error *err)
{
	const struct options *options = flood->options;
	const size_t headers = headers_of(flood->control);

	if (!ct_packet_target_of(flood->control, &flood->target, err) &&
	    options->method == BY_PACKET)
		return false;
	snprintf(flood->netdev, sizeof flood->netdev, "%s", flood->target.netdev);
	flood->payload = options->packet > headers ? options->packet - headers : 1;
	if (options->method == BY_UDP && options->segments * flood->payload > DATAGRAM_MAX)
		return ct_usage(err,
				"segments = %llu of packet = %llu: together they are more than "
				"%d bytes, the largest datagram",
				(unsigned long long)options->segments,
				(unsigned long long)options->packet, DATAGRAM_MAX);
	return true;
}

static void teardown(void *state)
{
	struct flood *flood = state;

	if (flood->control >= 0)
		close(flood->control);
	free(flood);
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct flood *flood;
	int udp = -1;

	if (!env->endpoint || !env->token)
		return ct_usage(err, "vf_flood: it needs a sink that has consented; name the "
				     "tenant of the sink (peer = ...)");
	flood = calloc(1, sizeof *flood);
	if (!flood)
		return ct_broken_errno(err, "vf_flood: memory for its state");
	flood->env = env;
	flood->options = options;
	flood->control = -1;
	if (!ct_udp_connect(env->endpoint, env->nic, env->token, &flood->control, &udp, err) ||
	    !find_way(flood, err)) {
		if (udp >= 0)
			close(udp);
		teardown(flood);
		return ct_error_in(err, "vf_flood");
	}
	close(udp);
	*state = flood;
	return true;
}

/* ---- a thread ---- */

static void thread_teardown(void *thread_state)
{
	struct flood_thread *self = thread_state;

	for (unsigned i = 0; i < self->n_flows; i++)
		close(self->flows[i]);
	if (self->ring)
		ct_packet_ring_close(self->ring);
	if (self->dropped_fd >= 0)
		close(self->dropped_fd);
	free(self->flows);
	free(self->datagrams);
	free(self);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
	socklen_t length = sizeof own;
	struct sockaddr_in address;

	getsockname(fd, (struct sockaddr *)&own, &length);
	memcpy(&address, &own, sizeof address); /* IPv6 has its port at the same place */
	return ntohs(address.sin_port);
}

/* Sockets of our own, so that no answer to a packet ever reaches somebody else's. */
static bool open_flows(struct flood_thread *self, struct ct_error *err)
{
	const struct options *options = self->flood->options;

	self->flows = calloc(options->flows, sizeof *self->flows);
	if (!self->flows)
		return ct_broken_errno(err, "memory for flows");
	while (self->n_flows < options->flows) {
		if (!ct_udp_another(self->flood->control, &self->flows[self->n_flows], err))
			return false;
		self->n_flows++;
	}
	return true;
}

static bool open_ring(struct flood_thread *self, struct ct_error *err)
{
	uint16_t ports[FLOWS_MAX];

	for (unsigned i = 0; i < self->n_flows; i++)
		ports[i] = port_of(self->flows[i]);
	return ct_packet_ring_open(&self->flood->target, self->flood->options->packet, ports,
				   self->n_flows, &self->ring, err);
}

static bool prepare_datagrams(struct flood_thread *self, struct ct_error *err)
{
	const int payload = (int)self->flood->payload;

	self->segments = (unsigned)self->flood->options->segments;
	self->n_messages = (self->burst + self->segments - 1) / self->segments;
	self->datagrams = malloc(self->segments * self->flood->payload);
	if (!self->datagrams)
		return ct_broken_errno(err, "memory for datagrams");
	memset(self->datagrams, 'c', self->segments * self->flood->payload);
	self->part = (struct iovec){.iov_base = self->datagrams,
				    .iov_len = self->segments * self->flood->payload};
	for (unsigned i = 0; i < self->n_messages; i++)
		self->messages[i].msg_hdr =
			(struct msghdr){.msg_iov = &self->part, .msg_iovlen = 1};
	for (unsigned i = 0; i < self->n_flows && self->segments > 1; i++) {
		if (setsockopt(self->flows[i], SOL_UDP, UDP_SEGMENT, &payload, sizeof payload) != 0)
			return ct_broken_errno(err, "segments = %u (UDP_SEGMENT)", self->segments);
	}
	return true;
}

static int open_dropped(const char *netdev)
{
	char path[96];

	snprintf(path, sizeof path, "/sys/class/net/%s/statistics/tx_dropped", netdev);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static uint64_t read_dropped(const struct flood_thread *self)
{
	char text[32];
	ssize_t n = pread(self->dropped_fd, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return strtoull(text, NULL, 10);
}

/* So few that a cap of some thousand packets a second is not kept in lumps that a window misses. */
static unsigned burst_of(const struct flood *flood)
{
	const uint64_t share = flood->options->cap / flood->env->threads / CAP_BURSTS;

	return share < 1 ? 1 : share < BURST ? (unsigned)share : BURST;
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	const struct flood *flood = state;
	struct flood_thread *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "vf_flood: memory for thread %u", thread);
	self->flood = flood;
	self->dropped_fd = -1;
	self->burst = burst_of(flood);
	self->ns_per_packet = 1e9 * flood->env->threads / (double)flood->options->cap;
	if (!open_flows(self, err) ||
	    (flood->options->method == BY_PACKET ? !open_ring(self, err)
						 : !prepare_datagrams(self, err))) {
		thread_teardown(self);
		return ct_error_in(err, "vf_flood: thread %u", thread);
	}
	if (thread == 0 && flood->options->method == BY_PACKET)
		self->dropped_fd = open_dropped(flood->netdev);
	if (self->dropped_fd >= 0)
		self->dropped = read_dropped(self);
	*thread_state = self;
	return true;
}

/* ---- bursts ---- */

static bool send_datagrams(struct flood_thread *self, uint64_t *sent, struct ct_error *err)
{
	struct pollfd room = {.fd = self->flows[self->next], .events = POLLOUT};
	const int done = sendmmsg(room.fd, self->messages, self->n_messages, MSG_DONTWAIT);

	self->next = self->next + 1 == self->n_flows ? 0 : self->next + 1;
	if (done > 0) {
		*sent += (uint64_t)done * self->segments;
		return true;
	}
	if (errno == EAGAIN) {
		poll(&room, 1, WAIT_MS);
		return true;
	}
	if (errno == EIO && self->segments > 1)
		return ct_broken(err,
				 "%s can't send segments: its checksums are not offloaded; "
				 "segments = 1 does without",
				 self->flood->netdev);
	return errno == ENOBUFS || errno == EINTR || ct_broken_errno(err, "sending datagrams");
}

/*
 * Past the queueing discipline a full device queue drops what it is given and says nothing. What
 * the device counts as dropped was no work, and is taken off.
 */
static void take_off_dropped(struct flood_thread *self, uint64_t now, uint64_t *sent)
{
	uint64_t off;

	if (self->dropped_fd >= 0 && now >= self->look_ns) {
		const uint64_t dropped = read_dropped(self);

		self->owed += dropped - self->dropped;
		self->dropped = dropped;
		self->look_ns = now + LOOK_NS;
	}
	off = self->owed < *sent ? self->owed : *sent;
	self->owed -= off;
	*sent -= off;
}

/* True when the cap allows nothing yet; a part of the wait has passed then. */
static bool wait_for_cap(const struct flood_thread *self, uint64_t now)
{
	uint64_t left = self->due_ns > now ? self->due_ns - now : 0;
	struct timespec pause;

	if (left == 0)
		return false;
	left = left < WAIT_MS * UINT64_C(1000000) ? left : WAIT_MS * UINT64_C(1000000);
	pause = (struct timespec){.tv_nsec = (long)left};
	nanosleep(&pause, NULL);
	return true;
}

static void charge(struct flood_thread *self, uint64_t now, uint64_t sent)
{
	/* Time that was not used is not saved up for more than a few bursts. */
	if (self->due_ns + 1000000 < now)
		self->due_ns = now - 1000000;
	self->due_ns += (uint64_t)((double)sent * self->ns_per_packet);
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct flood_thread *self = thread_state;
	const uint64_t now = ct_monotonic_ns();
	uint64_t sent = 0;

	if (!ct_consent_holds(self->flood->control))
		return ct_broken(err, "vf_flood: the sink at %s is gone",
				 self->flood->env->endpoint);
	if (wait_for_cap(self, now))
		return true;
	if (!(self->ring ? ct_packet_ring_send(self->ring, self->burst, &sent, err)
			 : send_datagrams(self, &sent, err)))
		return ct_error_in(err, "vf_flood");
	charge(self, now, sent);
	take_off_dropped(self, now, &sent);
	*units += sent;
	return true;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "method",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(method),
	 .choices = methods,
	 .fallback = "packet",
	 .help = "packet: frames past the protocol stack (root); udp: datagrams through it"},
	{.name = "packet",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(packet),
	 .fallback = "60",
	 .min = "60",
	 .max = "9014",
	 .help = "bytes of a frame, without its checksum"},
	{.name = "flows",
	 .type = CT_PARAM_COUNT,
	 .offset = FIELD(flows),
	 .fallback = "16",
	 .min = "1",
	 .max = "256",
	 .help = "source ports of each thread: a receiver spreads them over its queues"},
	{.name = "segments",
	 .type = CT_PARAM_COUNT,
	 .offset = FIELD(segments),
	 .fallback = "16",
	 .min = "1",
	 .max = "64",
	 .help = "packets that the NIC or the kernel cuts from one datagram (GSO), for method = "
		 "udp"},
	{.name = "cap",
	 .type = CT_PARAM_COUNT,
	 .offset = FIELD(cap),
	 .fallback = "10000000",
	 .min = "1",
	 .max = "1000000000",
	 .help = "packets a second that it never exceeds, all threads together"},
	{0}};

const struct ct_aggressor_ops ct_noise_vf_flood = {
	.name = "vf_flood",
	.summary = "floods a network function with small packets to a sink that has consented",
	.unit = "packet",
	.stresses = CT_RES_NETWORK | CT_RES_KERNEL | CT_RES_INTERRUPT | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = teardown,
	.blocks = true,
	.peer = &ct_udp_sink,
};
