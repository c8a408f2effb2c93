/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All-to-all: every rank sends each other rank a block of its own and gets one from each, as the
 * dispatch of a mixture of experts does. All pairs move at the same time, their chunks in turn, so
 * that no link waits for another. A rank's block for itself is copied, which nccl-tests counts too.
 */
#include "bench/victims.h"

#include "bench/collective_victim.h"

/* Chunks to and from one other rank. */
struct pair {
	size_t sends, receives; /* queued */
	uint64_t sent_before, received_before;
};

struct exchange {
	struct ct_collective *self;
	size_t block, chunks; /* elements; messages of a block */
	struct pair pairs[CT_RANKS_MAX];
};

static size_t sent(const struct exchange *exchange, unsigned rank)
{
	return (size_t)(exchange->self->transport->sent[rank] - exchange->pairs[rank].sent_before);
}

static size_t received(const struct exchange *exchange, unsigned rank)
{
	return (size_t)(exchange->self->transport->received[rank] -
			exchange->pairs[rank].received_before);
}

static size_t part_of(const struct exchange *exchange, unsigned rank, size_t k, size_t *bytes)
{
	const size_t chunk = exchange->self->chunk, at = k * chunk;
	const size_t length = exchange->block - at < chunk ? exchange->block - at : chunk;

	*bytes = length * sizeof(float);
	return rank * exchange->block + at;
}

static void queue_more(struct exchange *exchange, unsigned rank)
{
	struct ct_collective *self = exchange->self;
	const struct ct_transport_ops *ops = self->transport->ops;
	struct pair *pair = &exchange->pairs[rank];
	size_t bytes, at;

	for (; pair->receives < exchange->chunks &&
	       pair->receives - received(exchange, rank) < CT_TRANSPORT_QUEUE;
	     pair->receives++) {
		at = part_of(exchange, rank, pair->receives, &bytes);
		ops->receive(self->transport, rank, self->out + at, bytes);
	}
	for (; pair->sends < exchange->chunks &&
	       pair->sends - sent(exchange, rank) < CT_TRANSPORT_QUEUE;
	     pair->sends++) {
		at = part_of(exchange, rank, pair->sends, &bytes);
		ops->send(self->transport, rank, self->in + at, bytes);
	}
}

static bool is_done(const struct exchange *exchange)
{
	for (unsigned rank = 0; rank < exchange->self->n_ranks; rank++) {
		if (rank != exchange->self->rank && (sent(exchange, rank) < exchange->chunks ||
						     received(exchange, rank) < exchange->chunks))
			return false;
	}
	return true;
}

static bool run(struct ct_collective *self)
{
	const size_t block = self->count / self->n_ranks, own = self->rank * block;
	struct exchange exchange = {
		.self = self, .block = block, .chunks = (block + self->chunk - 1) / self->chunk};

	for (unsigned rank = 0; rank < self->n_ranks; rank++) {
		exchange.pairs[rank].sent_before = self->transport->sent[rank];
		exchange.pairs[rank].received_before = self->transport->received[rank];
	}
	if (!ct_collective_copy(self, self->out + own, self->in + own, block))
		return false;
	while (!is_done(&exchange)) {
		for (unsigned step = 1; step < self->n_ranks; step++)
			queue_more(&exchange, (self->rank + step) % self->n_ranks);
		if (!ct_collective_progress(self))
			return false;
	}
	return ct_collective_arrived(self) && ct_collective_finish(self);
}

static uint32_t neighbours(unsigned rank, unsigned n)
{
	return ((1u << n) - 1) & ~(1u << rank);
}

/* Block r of the result is what rank r had for this rank. */
static float expected(const struct ct_collective *self, size_t i)
{
	const size_t block = self->count / self->n_ranks;

	return ct_collective_input((unsigned)(i / block), self->rank * block + i % block);
}

static double bus_factor(unsigned n)
{
	return (double)(n - 1) / n;
}

static const struct ct_collective_kind kind = {
	.name = "alltoall",
	.neighbours = neighbours,
	.run = run,
	.expected = expected,
	.bus_factor = bus_factor,
	.equal_blocks = true,
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

const struct ct_victim_ops ct_bench_alltoall = {
	.name = "alltoall",
	.summary = "every rank sends each other rank a block of its own (MoE dispatch)",
	.unit = "ns",
	.sample = "one all-to-all on rank 0, the other ranks being in it already",
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
