/* SPDX-License-Identifier: Apache-2.0 */
#include "noise/rdma_traffic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/core/rng.h"
#include "harness/rdma/post.h"
#include "harness/rdma/tenant_gpu.h"

const char *const ct_rdma_operation_names[] = {"write", "read", "send", "cas", "faa", NULL};
const char *const ct_rdma_path_names[] = {"peer", "loopback", NULL};

enum {
	BURST_BYTES = 256 << 10, /* about 100 us at 20 Gbit/s */
	BURST_POSTS = 64,        /* or as many small requests */
	REAP = 32,
	ATOMIC_BYTES = 8,
	CAP_PAUSE_NS = 50000,
	CAP_FORGIVEN_NS = 5000000,
	SOFT_TIMEOUT = 20, /* 4.3 s, and NCCL's (NCCL_IB_TIMEOUT) */
	SILENCE_S = 20     /* so long nothing may complete */
};

static const enum ibv_wr_opcode opcodes[] = {[CT_RDMA_OP_WRITE] = IBV_WR_RDMA_WRITE,
					     [CT_RDMA_OP_READ] = IBV_WR_RDMA_READ,
					     [CT_RDMA_OP_SEND] = IBV_WR_SEND,
					     [CT_RDMA_OP_CAS] = IBV_WR_ATOMIC_CMP_AND_SWP,
					     [CT_RDMA_OP_FAA] = IBV_WR_ATOMIC_FETCH_AND_ADD};

/* What a request goes over, and how many of it are under way. */
struct lane {
	struct ct_rdma_end *end;
	unsigned index;
	unsigned outstanding;
	struct ct_rdma_send send;
};

struct traffic {
	const char *name;
	const struct ct_aggressor_env *env;
	struct ct_rdma_traffic_options options;
	bool count_bytes;
	struct ct_rdma_device device;
	struct ct_rdma_gpu gpu;
	struct ct_rdma_end ends[CT_PEERS_MAX];
	unsigned n_ends;
	struct ct_rdma_end mirror; /* the other end of a loopback */
};

struct traffic_thread {
	struct traffic *traffic;
	struct lane *lanes;
	unsigned n_lanes, next;
	struct ct_rdma_wait *waits; /* one an end */
	struct ct_rng rng;
	uint64_t size;
	double bytes_per_ns;                                /* 0: no cap */
	uint64_t capped_since_ns, capped_bytes, last_round; /* bytes posted since, and at last */
	uint64_t silent_since_ns;
};

static bool is_atomic(const struct ct_rdma_traffic_options *options)
{
	return options->operation == CT_RDMA_OP_CAS || options->operation == CT_RDMA_OP_FAA;
}

static uint64_t size_of(const struct ct_rdma_traffic_options *options)
{
	return is_atomic(options) ? ATOMIC_BYTES : options->size;
}

struct ct_rdma_wish ct_rdma_traffic_wish(const struct ct_rdma_traffic_options *options,
					 const struct ct_place *place)
{
	const unsigned regions = options->regions ? (unsigned)options->regions : 1;
	const uint64_t least = size_of(options) + CT_RDMA_GRH;
	const uint64_t bytes = options->region_bytes > least ? options->region_bytes : least;

	return (struct ct_rdma_wish){
		.type = (enum ct_rdma_type)options->type,
		.qps = (unsigned)options->qps,
		.queues = 1,
		.send_depth = (unsigned)options->depth,
		.recv_depth = 1,
		.inline_bytes = (unsigned)options->inline_bytes,
		.mtu = ct_rdma_mtu(&options->rdma),
		.place = place,
		.bytes = (bytes + 63) & ~UINT64_C(63),
		.regions = regions,
		.remote_regions = regions,
		.remote_bytes = bytes,
	};
}

/* Which requests a transport has (InfiniBand specification, "Transport Services"). */
static bool check_options(const struct traffic *traffic, struct ct_error *err)
{
	const struct ct_rdma_traffic_options *options = &traffic->options;
	const char *type = ct_rdma_type_names[options->type];
	const char *operation = ct_rdma_operation_names[options->operation];
	const bool reads = options->operation == CT_RDMA_OP_READ || is_atomic(options);

	if ((options->type == CT_RDMA_UD && options->operation != CT_RDMA_OP_SEND) ||
	    (options->type == CT_RDMA_UC && reads))
		return ct_usage(err, "operation = %s: the transport %s does not have it", operation,
				type);
	if (options->operation == CT_RDMA_OP_SEND && options->path == CT_RDMA_LOOPBACK)
		return ct_usage(err, "operation = send: over the loopback there is nobody who "
				     "posts receives; take 'write'");
	if (options->qps < traffic->env->threads)
		return ct_usage(err, "qps = %llu: at least one for each of the %u threads",
				(unsigned long long)options->qps, traffic->env->threads);
	if (is_atomic(options) && traffic->device.attr.atomic_cap == IBV_ATOMIC_NONE)
		return ct_broken(err, "RDMA device %s has no atomic operations",
				 traffic->device.name);
	return true;
}

/* Both ends are this process's, and show each other what two processes would. */
static bool close_the_loop(struct traffic *traffic, const struct ct_rdma_wish *wish,
			   struct ct_error *err)
{
	const char *token = traffic->env->token;
	struct ct_rdma_end *end = &traffic->ends[0], *mirror = &traffic->mirror;
	char text[CT_ENDPOINT_MAX];

	return ct_rdma_end_open(mirror, &traffic->device, wish, err) &&
	       ct_rdma_end_record(mirror, token, CT_RDMA_PEER, text, sizeof text, err) &&
	       ct_rdma_end_connect(end, text, token, CT_RDMA_WORKLOAD, err) &&
	       ct_rdma_end_record(end, token, CT_RDMA_WORKLOAD, text, sizeof text, err) &&
	       ct_rdma_end_connect(mirror, text, token, CT_RDMA_PEER, err);
}

/* An answer holds a record for every sink, one a line. */
static bool add_to_answer(const struct traffic *traffic, const struct ct_rdma_end *end,
			  struct ct_error *err)
{
	char *answer = traffic->env->answer;
	size_t length = strlen(answer);

	if (length > 0)
		answer[length++] = '\n';
	return ct_rdma_end_record(end, traffic->env->token, CT_RDMA_WORKLOAD, answer + length,
				  CT_ANSWER_MAX - length, err);
}

/*
 * Soft-RoCE acknowledges when a CPU comes to it, behind hundreds of packets of these queue pairs,
 * which may take longer than what suits an adapter. What is repeated then is load that nobody asked
 * for; and Linux 6.1, where a repetition races with late acknowledgements, may go on in the wrong
 * place, which the other end refuses as an invalid request.
 */
static unsigned timeout_of(const struct traffic *traffic)
{
	const unsigned asked = (unsigned)traffic->options.qp_timeout;

	return asked == 0 && ct_rdma_is_soft(&traffic->device) ? SOFT_TIMEOUT : asked;
}

static bool open_ends(struct traffic *traffic, struct ct_error *err)
{
	const struct ct_aggressor_env *env = traffic->env;
	struct ct_rdma_wish wish = ct_rdma_traffic_wish(&traffic->options, env->place);

	wish.queues = env->threads;
	wish.timeout = timeout_of(traffic);
	wish.gpu = ct_rdma_gpu_of(&traffic->gpu);
	if (traffic->options.path == CT_RDMA_LOOPBACK) {
		traffic->n_ends = 1;
		return ct_rdma_end_open(&traffic->ends[0], &traffic->device, &wish, err) &&
		       close_the_loop(traffic, &wish, err);
	}
	if (env->n_ranks < 2)
		return ct_usage(err, "it needs a sink that has consented; name its tenant "
				     "(peer = ...)");
	for (unsigned rank = 1; rank < env->n_ranks; rank++) {
		struct ct_rdma_end *end = &traffic->ends[traffic->n_ends++];

		if (!ct_rdma_end_open(end, &traffic->device, &wish, err) ||
		    !ct_rdma_end_connect(end, env->endpoints[rank], env->token, CT_RDMA_WORKLOAD,
					 err) ||
		    !add_to_answer(traffic, end, err))
			return false;
	}
	return true;
}

void ct_rdma_traffic_teardown(void *state)
{
	struct traffic *traffic = state;

	for (unsigned i = 0; i < traffic->n_ends; i++)
		ct_rdma_end_close(&traffic->ends[i]);
	ct_rdma_end_close(&traffic->mirror);
	ct_rdma_gpu_close(&traffic->gpu);
	ct_rdma_device_close(&traffic->device);
	free(traffic);
}

bool ct_rdma_traffic_setup(const struct ct_aggressor_env *env,
			   const struct ct_rdma_traffic_options *options, const char *name,
			   bool count_bytes, void **state, struct ct_error *err)
{
	struct traffic *traffic = calloc(1, sizeof *traffic);

	if (!traffic)
		return ct_broken_errno(err, "%s: memory for its state", name);
	traffic->name = name;
	traffic->env = env;
	traffic->options = *options;
	traffic->count_bytes = count_bytes;
	if (ct_rdma_open(&traffic->device, env->nic, &options->rdma, err) &&
	    check_options(traffic, err) &&
	    ct_rdma_gpu_open(&traffic->gpu, options->memory, env->gpu, env->nic, err) &&
	    open_ends(traffic, err)) {
		*env->device = ct_rdma_gpu_json(&traffic->gpu, &traffic->ends[0]);
		*state = traffic;
		return true;
	}
	ct_rdma_traffic_teardown(traffic);
	return ct_error_in(err, "%s", name);
}

void ct_rdma_traffic_thread_teardown(void *thread_state)
{
	struct traffic_thread *self = thread_state;

	free(self->lanes);
	free(self->waits);
	free(self);
}

/* Queue pair i belongs to thread i modulo their number, whose completion queue it has. */
static void collect_lanes(struct traffic_thread *self, unsigned thread)
{
	struct traffic *traffic = self->traffic;
	const unsigned qps = (unsigned)traffic->options.qps;

	for (unsigned i = thread; i < qps; i += traffic->env->threads) {
		for (unsigned e = 0; e < traffic->n_ends; e++)
			self->lanes[self->n_lanes++] =
				(struct lane){.end = &traffic->ends[e], .index = i};
	}
	/* Only now: requests point into themselves and must not move. */
	for (unsigned i = 0; i < self->n_lanes; i++) {
		struct lane *lane = &self->lanes[i];

		ct_rdma_prepare_send(&lane->send, lane->end, lane->index,
				     opcodes[traffic->options.operation], 0, 0,
				     (uint32_t)self->size);
		lane->send.wr.wr_id = i;
	}
}

bool ct_rdma_traffic_thread_setup(void *state, unsigned thread, void **thread_state,
				  struct ct_error *err)
{
	struct traffic *traffic = state;
	struct traffic_thread *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "%s: memory for thread %u", traffic->name, thread);
	self->traffic = traffic;
	self->size = size_of(&traffic->options);
	self->bytes_per_ns = traffic->options.cap / 8e9 / traffic->env->threads;
	self->lanes = calloc(traffic->options.qps * traffic->n_ends, sizeof *self->lanes);
	self->waits = calloc(traffic->n_ends, sizeof *self->waits);
	if (!self->lanes || !self->waits) {
		ct_rdma_traffic_thread_teardown(self);
		return ct_broken_errno(err, "%s: memory for thread %u", traffic->name, thread);
	}
	ct_rng_stream(&self->rng, traffic->env->seed, thread);
	collect_lanes(self, thread);
	for (unsigned e = 0; e < traffic->n_ends; e++)
		ct_rdma_wait_sends(&self->waits[e], &traffic->ends[e], thread, traffic->env->stop,
				   0);
	*thread_state = self;
	return true;
}

/* A random place in a random region, at both ends; always the same where there is only one. */
static void aim(struct traffic_thread *self, struct lane *lane)
{
	const struct ct_rdma_wish *wish = &lane->end->wish;
	const uint64_t places = (wish->bytes - self->size) / 64 + 1;
	const unsigned region =
		wish->regions > 1 ? (unsigned)(ct_rng_next(&self->rng) % wish->regions) : 0;
	const uint64_t offset = places > 1 ? ct_rng_next(&self->rng) % places * 64 : 0;

	lane->send.sge.addr = (uint64_t)(uintptr_t)(ct_rdma_region(lane->end, region) + offset);
	lane->send.sge.lkey = lane->end->regions[region]->lkey;
	if (lane->send.wr.opcode != IBV_WR_SEND)
		ct_rdma_aim(&lane->send, lane->end, region, offset);
}

/* One request on each queue pair in turn that has room, until the burst is full. */
static bool post_round(struct traffic_thread *self, struct ct_error *err)
{
	const unsigned depth = (unsigned)self->traffic->options.depth;
	uint64_t bytes = 0;
	unsigned posts = 0;

	for (unsigned full = 0;
	     full < self->n_lanes && posts < BURST_POSTS && bytes < BURST_BYTES;) {
		struct lane *lane = &self->lanes[self->next];
		int code;

		self->next = self->next + 1 == self->n_lanes ? 0 : self->next + 1;
		if (lane->outstanding == depth) {
			full++;
			continue;
		}
		aim(self, lane);
		code = ct_rdma_post(lane->end, lane->index, &lane->send);
		if (code != 0)
			return ct_rdma_broken(err, code, "%s: posting a request",
					      self->traffic->name);
		lane->outstanding++;
		posts++;
		bytes += self->size;
		full = 0;
	}
	self->capped_bytes += bytes;
	if (bytes > 0)
		self->last_round = bytes;
	return true;
}

static bool reap_end(struct traffic_thread *self, unsigned e, unsigned *completed,
		     struct ct_error *err)
{
	struct ibv_wc wc[REAP];
	int n;

	do {
		n = ct_rdma_peek(&self->waits[e], wc, REAP);
		if (n < 0) {
			ct_rdma_wait_error(&self->waits[e], self->traffic->name, err);
			return false;
		}
		for (int i = 0; i < n; i++)
			self->lanes[wc[i].wr_id].outstanding--;
		*completed += (unsigned)n;
	} while (n == REAP);
	return true;
}

/*
 * False while a round like the last one would go beyond the cap; sleeps a little then. Unused time
 * is not caught up with beyond some rounds.
 */
static bool under_cap(struct traffic_thread *self)
{
	const struct timespec pause = {.tv_nsec = CAP_PAUSE_NS};
	const uint64_t now_ns = ct_monotonic_ns();
	double due, unused;

	if (self->bytes_per_ns <= 0)
		return true;
	if (self->capped_since_ns == 0)
		self->capped_since_ns = now_ns;
	due = (double)(now_ns - self->capped_since_ns) * self->bytes_per_ns;
	unused = due - (double)self->capped_bytes;
	if (unused >= (double)self->last_round) {
		if (unused > CAP_FORGIVEN_NS * self->bytes_per_ns + 2 * (double)self->last_round) {
			self->capped_since_ns = now_ns;
			self->capped_bytes = 0;
		}
		return true;
	}
	nanosleep(&pause, NULL);
	return false;
}

/* A reliable connection says itself that the sink is gone; a device that hangs says nothing. */
static bool look_for_silence(struct traffic_thread *self, unsigned completed, struct ct_error *err)
{
	const uint64_t now_ns = ct_monotonic_ns();
	bool waiting = false;

	for (unsigned i = 0; i < self->n_lanes && !waiting; i++)
		waiting = self->lanes[i].outstanding > 0;
	if (completed > 0 || !waiting || self->silent_since_ns == 0) {
		self->silent_since_ns = now_ns;
		return true;
	}
	return now_ns - self->silent_since_ns < SILENCE_S * UINT64_C(1000000000) ||
	       ct_broken(err, "%s: nothing has completed for %d s", self->traffic->name, SILENCE_S);
}

bool ct_rdma_traffic_burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct traffic_thread *self = thread_state;
	unsigned completed = 0;

	if (under_cap(self) && !post_round(self, err))
		return false;
	for (unsigned e = 0; e < self->traffic->n_ends; e++) {
		if (!reap_end(self, e, &completed, err))
			return false;
	}
	*units += completed * (self->traffic->count_bytes ? self->size : 1);
	return look_for_silence(self, completed, err);
}
