/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All-reduce (sum of float32) around a ring, as NCCL's ring algorithm: the buffer has one segment
 * per rank. In n - 1 steps every segment travels round the ring and each rank adds its part
 * (reduce-scatter), in n - 1 more the sums travel round (all-gather). Segments are cut into chunks,
 * and a chunk goes on to the next rank as soon as it has been added, while others are still coming
 * in. The victim is rank 0, its peers are the others.
 */
#include "bench/victims.h"

#include "bench/collective_victim.h"

/* Messages of one iteration, numbered in the order in which they go: step after step, chunks of a
 * step in turn. The one that arrives with number k is sent on with number k + chunks. */
struct ring {
	struct ct_collective *self;
	unsigned next, previous;
	size_t chunks, total; /* per step; of all steps */
	uint64_t sent_before, received_before;
	size_t sends, receives; /* queued */
	size_t taken;           /* received and added */
};

static size_t step_of(const struct ring *ring, size_t k)
{
	return k / ring->chunks;
}

static bool is_sum(const struct ring *ring, size_t k)
{
	return step_of(ring, k) + 1 < ring->self->n_ranks;
}

/* Where message k lies in the buffer. A segment that is shorter than others has empty chunks. */
static size_t part_of(const struct ring *ring, size_t segment, size_t k, size_t *length)
{
	const struct ct_collective *self = ring->self;
	const size_t begin = segment * self->count / self->n_ranks;
	const size_t end = (segment + 1) * self->count / self->n_ranks;
	size_t at = begin + k % ring->chunks * self->chunk;

	if (at > end)
		at = end;
	*length = end - at < self->chunk ? end - at : self->chunk;
	return at;
}

static size_t sent_part(const struct ring *ring, size_t k, size_t *length)
{
	const unsigned n = ring->self->n_ranks;

	return part_of(ring, (ring->self->rank + 2 * n - step_of(ring, k)) % n, k, length);
}

static size_t received_part(const struct ring *ring, size_t k, size_t *length)
{
	const unsigned n = ring->self->n_ranks;

	return part_of(ring, (ring->self->rank + 2 * n - step_of(ring, k) - 1) % n, k, length);
}

static size_t sent(const struct ring *ring)
{
	return (size_t)(ring->self->transport->sent[ring->next] - ring->sent_before);
}

static size_t received(const struct ring *ring)
{
	return (size_t)(ring->self->transport->received[ring->previous] - ring->received_before);
}

/* Sums go through a stage, as many as there are; finished segments go where they belong. */
static void queue_receives(struct ring *ring)
{
	struct ct_collective *self = ring->self;

	for (; ring->receives < ring->total && ring->receives - ring->taken < CT_COLLECTIVE_STAGES;
	     ring->receives++) {
		const size_t k = ring->receives;
		size_t length, at = received_part(ring, k, &length);

		self->transport->ops->receive(
			self->transport, ring->previous,
			is_sum(ring, k) ? self->stage[k % CT_COLLECTIVE_STAGES] : self->out + at,
			length * sizeof(float));
	}
}

/* The first step sends what is this rank's own, every other what has come a step before. */
static void queue_sends(struct ring *ring)
{
	struct ct_collective *self = ring->self;

	for (; ring->sends < ring->total && ring->sends < ring->taken + ring->chunks &&
	       ring->sends - sent(ring) < CT_TRANSPORT_QUEUE;
	     ring->sends++) {
		const size_t k = ring->sends;
		size_t length, at = sent_part(ring, k, &length);
		const float *from = step_of(ring, k) == 0 ? self->in : self->out;

		self->transport->ops->send(self->transport, ring->next, from + at,
					   length * sizeof(float));
	}
}

/* What has arrived since is added up together, and is only then sent on or written over. */
static bool take_received(struct ring *ring)
{
	struct ct_collective *self = ring->self;
	const size_t arrived = received(ring);

	if (ring->taken == arrived)
		return true;
	if (!ct_collective_arrived(self))
		return false;
	for (; ring->taken < arrived; ring->taken++) {
		const size_t k = ring->taken;
		size_t length, at = received_part(ring, k, &length);

		if (is_sum(ring, k) &&
		    !ct_collective_add(self, self->out + at, self->in + at,
				       self->stage[k % CT_COLLECTIVE_STAGES], length))
			return false;
	}
	return ct_collective_finish(self);
}

static bool run(struct ct_collective *self)
{
	const unsigned n = self->n_ranks;
	const size_t longest = (self->count + n - 1) / n;
	struct ring ring = {
		.self = self,
		.next = (self->rank + 1) % n,
		.previous = (self->rank + n - 1) % n,
		.chunks = (longest + self->chunk - 1) / self->chunk,
	};

	ring.total = (size_t)2 * (n - 1) * ring.chunks;
	ring.sent_before = self->transport->sent[ring.next];
	ring.received_before = self->transport->received[ring.previous];
	while (ring.taken < ring.total || sent(&ring) < ring.total) {
		queue_receives(&ring);
		queue_sends(&ring);
		if (!ct_collective_progress(self) || !take_received(&ring))
			return false;
	}
	return true;
}

static uint32_t neighbours(unsigned rank, unsigned n)
{
	return 1u << (rank + 1) % n | 1u << (rank + n - 1) % n;
}

static float expected(const struct ct_collective *self, size_t i)
{
	float sum = 0;

	for (unsigned rank = 0; rank < self->n_ranks; rank++)
		sum += ct_collective_input(rank, i);
	return sum;
}

static double bus_factor(unsigned n)
{
	return 2.0 * (n - 1) / n;
}

static const struct ct_collective_kind kind = {
	.name = "ring_allreduce",
	.neighbours = neighbours,
	.run = run,
	.expected = expected,
	.bus_factor = bus_factor,
};

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	return ct_collective_setup(&kind, env, options, state, err);
}

static bool peer_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	return ct_collective_peer_setup(&kind, env, options, state, endpoint, err);
}

static const struct ct_peer_ops other_ranks = {
	.setup = peer_setup,
	.connect = ct_collective_peer_connect,
	.rehearse = ct_collective_peer_rehearse,
	.serve = ct_collective_peer_serve,
	.teardown = ct_collective_peer_teardown,
	.max_peers = CT_PEERS_MAX,
};

const struct ct_victim_ops ct_bench_ring_allreduce = {
	.name = "ring_allreduce",
	.summary = "sum of float32 over several ranks, around a ring",
	.unit = "ns",
	.sample = "one all-reduce on rank 0, the other ranks being in it already",
	.stresses = CT_RES_NETWORK | CT_RES_SCHEDULER | CT_RES_KERNEL | CT_RES_INTERRUPT,
	.params = ct_collective_params,
	.options_size = sizeof(struct ct_collective_options),
	.setup = setup,
	.connect = ct_collective_victim_connect,
	.rehearse = ct_collective_victim_rehearse,
	.operate = ct_collective_victim_operate,
	.failure = ct_collective_victim_failure,
	.teardown = ct_collective_victim_teardown,
	.counters = ct_collective_counters,
	.read_counters = ct_collective_victim_count,
	.peer = &other_ranks,
};
