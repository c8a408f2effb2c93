/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of RDMA writes, as perftest's ib_write_bw: `tx_depth` writes are outstanding at all
 * times, and every `batch`th asks for a completion. A sample is the time from one such completion
 * to the next, divided by the batch, so bytes over latency is the bandwidth. The queue is filled
 * before a phase, so no sample holds the ramp.
 */
#include "bench/rdma_onesided.h"
#include "bench/victims.h"

static const char *const types[] = {"rc", "uc", NULL};

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct ct_rdma_onesided_options *asked = options;

	if (asked->batch * 2 > asked->tx_depth)
		return ct_usage(err,
				"rdma_write_bw: batch = %llu: at most half of tx_depth (%llu), or "
				"the queue would run empty",
				(unsigned long long)asked->batch,
				(unsigned long long)asked->tx_depth);
	env->operations_per_sample = asked->batch;
	return ct_rdma_onesided_setup(env, asked, "rdma_write_bw", IBV_WR_RDMA_WRITE, state, err);
}

static bool post_batch(struct ct_rdma_onesided *self)
{
	for (unsigned i = 1; i <= self->batch; i++) {
		ct_rdma_signal(&self->send, i == self->batch);
		self->post_code = ct_rdma_post(&self->end, 0, &self->send);
		if (self->post_code != 0)
			return false;
	}
	self->outstanding++;
	return true;
}

/* What was posted in the last phase has completed long since, and says nothing about this one. */
static void phase_begin(void *state)
{
	struct ct_rdma_onesided *self = state;
	struct ibv_wc wc;

	while (self->outstanding > 0 && ct_rdma_reap(&self->wait, &wc, 1) > 0)
		self->outstanding--;
	while ((self->outstanding + 1) * self->batch <= self->depth && post_batch(self)) {
	}
}

static bool operate(void *state)
{
	struct ct_rdma_onesided *self = state;
	struct ibv_wc wc;

	/* phase_begin can't fail; what failed there shows here. */
	if (self->post_code != 0 || self->wait.outcome != CT_RDMA_GOOD ||
	    ct_rdma_reap(&self->wait, &wc, 1) <= 0)
		return false;
	self->outstanding--;
	return post_batch(self);
}

static const struct ct_param params[] = {
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_rdma_onesided_options, size),
	 .fallback = "64K",
	 .min = "1",
	 .max = "16M",
	 .help = "bytes of a write"},
	{.name = "tx_depth",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_rdma_onesided_options, tx_depth),
	 .fallback = "128",
	 .min = "2",
	 .max = "16384",
	 .help = "writes that are outstanding"},
	{.name = "batch",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_rdma_onesided_options, batch),
	 .fallback = "16",
	 .min = "1",
	 .max = "8192",
	 .help = "writes per completion, and per sample; at most half of tx_depth"},
	{.name = "inline",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_rdma_onesided_options, inline_bytes),
	 .fallback = "0",
	 .min = "0",
	 .max = "4K",
	 .help = "writes up to this size travel inside the work request; less where the device "
		 "takes less"},
	CT_RDMA_MEMORY_PARAM(struct ct_rdma_onesided_options, memory),
	CT_RDMA_COMPLETION_PARAM,
	{.name = "type",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_rdma_onesided_options, type),
	 .fallback = "rc",
	 .choices = types,
	 .help = "transport of the queue pair: reliable or unreliable connection"},
	CT_RDMA_PARAMS(struct ct_rdma_onesided_options, rdma),
	{0},
};

const struct ct_victim_ops ct_bench_rdma_write_bw = {
	.name = "rdma_write_bw",
	.summary = "a stream of RDMA writes",
	.unit = "ns",
	.sample = "one write of a full queue: time between two completions over the writes between",
	.stresses = CT_RES_RDMA | CT_RES_NETWORK | CT_RES_PCIE | CT_RES_MEMORY,
	.params = params,
	.options_size = sizeof(struct ct_rdma_onesided_options),
	.available = ct_rdma_available,
	.setup = setup,
	.rehearse = ct_rdma_onesided_rehearse,
	.operate = operate,
	.failure = ct_rdma_onesided_failure,
	.teardown = ct_rdma_onesided_teardown,
	.phase_begin = phase_begin,
	.peer = &ct_rdma_written_peer,
};
