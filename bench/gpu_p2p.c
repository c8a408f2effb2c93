/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy from one GPU to another, from the call until the host knows that it is over: over NVLink
 * or the PCIe fabric where the two can reach each other, else through the host, which is refused
 * here because it is another path. MIG instances have no such path at all.
 */
#include "bench/gpu_victim.h"

#include <stdlib.h>

struct p2p_options {
	struct gpu_victim_options common;
	uint64_t to, size;
};

struct p2p_state {
	struct gpu_victim victim; /* first: see gpu_victim.h */
	ct_cu_device peer;
	struct ct_cu_context *peer_context;
	ct_cu_address from, to;
	size_t bytes;
};

static void teardown(void *state)
{
	struct p2p_state *p2p = state;
	const struct ct_gpu *gpu = &p2p->victim.gpu;

	ct_gpu_free(gpu, p2p->from);
	ct_gpu_free(gpu, p2p->to);
	if (p2p->peer_context)
		CT_CUDA_QUIET(gpu->cuda, DevicePrimaryCtxRelease, p2p->peer);
	gpu_victim_close(&p2p->victim);
	free(p2p);
}

static bool find_peer(struct p2p_state *p2p, uint64_t ordinal, struct ct_error *err)
{
	const struct ct_gpu *gpu = &p2p->victim.gpu;
	int count = 0, can = 0;

	if (!CT_CUDA(gpu->cuda, DeviceGetCount, err, &count))
		return false;
	if (ordinal >= (uint64_t)count)
		return ct_broken(
			err,
			"to = %llu: the driver shows %d GPU%s to this process; a copy needs "
			"two",
			(unsigned long long)ordinal, count, count == 1 ? "" : "s");
	if (!CT_CUDA(gpu->cuda, DeviceGet, err, &p2p->peer, (int)ordinal))
		return false;
	if (p2p->peer == gpu->device)
		return ct_usage(err, "to = %llu: that is the GPU it copies from",
				(unsigned long long)ordinal);
	if (!CT_CUDA(gpu->cuda, DeviceCanAccessPeer, err, &can, gpu->device, p2p->peer))
		return false;
	return can || ct_broken(err, "to = %llu: these two GPUs have no path to each other",
				(unsigned long long)ordinal);
}

static bool reach_peer(struct p2p_state *p2p, struct ct_error *err)
{
	const struct ct_gpu *gpu = &p2p->victim.gpu;
	int status;

	if (!CT_CUDA(gpu->cuda, DevicePrimaryCtxRetain, err, &p2p->peer_context, p2p->peer) ||
	    !CT_CUDA(gpu->cuda, CtxSetCurrent, err, p2p->peer_context) ||
	    !ct_gpu_alloc(gpu, p2p->bytes, &p2p->to, err) || !ct_gpu_use(gpu, err))
		return false;
	status = gpu->cuda->CtxEnablePeerAccess(p2p->peer_context, 0);
	return status == CT_CU_PEER_ACCESS_ALREADY_ENABLED ||
	       ct_cuda_good(gpu->cuda, status, "cuCtxEnablePeerAccess", err);
}

static bool submit(void *state)
{
	struct p2p_state *p2p = state;
	const struct ct_gpu *gpu = &p2p->victim.gpu;

	return CT_CUDA(gpu->cuda, MemcpyPeerAsync, &p2p->victim.error, p2p->to, p2p->peer_context,
		       p2p->from, gpu->context, p2p->bytes, gpu->stream);
}

/* The last bytes, which arrive last, are those that were sent. */
static bool check(struct p2p_state *p2p, struct ct_error *err)
{
	const struct ct_gpu *gpu = &p2p->victim.gpu;
	unsigned char got[64] = {0};
	size_t n = p2p->bytes < sizeof got ? p2p->bytes : sizeof got;

	if (!CT_CUDA(gpu->cuda, MemsetD8Async, err, p2p->from, 0x5a, p2p->bytes, gpu->stream))
		return false;
	if (!submit(p2p) || !ct_gpu_finish(gpu, &p2p->victim.error)) {
		*err = p2p->victim.error;
		return false;
	}
	if (!CT_CUDA(gpu->cuda, CtxSetCurrent, err, p2p->peer_context) ||
	    !CT_CUDA(gpu->cuda, MemcpyDtoH, err, got, p2p->to + p2p->bytes - n, n) ||
	    !ct_gpu_use(gpu, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (got[i] != 0x5a)
			return ct_broken(err, "the copy did not arrive on the other GPU");
	}
	return true;
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct p2p_options *asked = options;
	struct p2p_state *p2p = calloc(1, sizeof *p2p);

	if (!p2p)
		return ct_broken_errno(err, "gpu_p2p: no memory for its state");
	p2p->bytes = asked->size;
	if (!gpu_victim_open(&p2p->victim, env, &asked->common, err)) {
		free(p2p);
		return ct_error_in(err, "gpu_p2p");
	}
	if (!find_peer(p2p, asked->to, err) ||
	    !ct_gpu_alloc(&p2p->victim.gpu, p2p->bytes, &p2p->from, err) || !reach_peer(p2p, err) ||
	    !check(p2p, err)) {
		teardown(p2p);
		return ct_error_in(err, "gpu_p2p");
	}
	env->bytes_per_operation = asked->size;
	*state = p2p;
	return true;
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct p2p_state *p2p = state;

	return gpu_victim_sample(&p2p->victim, submit, p2p, ticks);
}

static const struct ct_param params[] = {
	{.name = "to",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct p2p_options, to),
	 .fallback = "1",
	 .max = "255",
	 .help = "index of the GPU that is copied to; the tenant's is the one copied from"},
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct p2p_options, size),
	 .fallback = "1M",
	 .min = "1",
	 .max = "16G",
	 .help = "bytes of one copy"},
	GPU_PARAM_WAIT(struct p2p_options),
	GPU_PARAM_SEEN(struct p2p_options),
	GPU_PARAM_EVERY(struct p2p_options, "16"),
	{0},
};

const struct ct_victim_ops ct_bench_gpu_p2p = {
	.name = "gpu_p2p",
	.summary = "a copy from one GPU to another over NVLink or PCIe",
	.unit = "ns",
	.sample = "one copy of `size` bytes until the host knows that it is over",
	.stresses = CT_RES_PCIE | CT_RES_GPU_MEMORY | CT_RES_GPU_FRONT,
	.params = params,
	.options_size = sizeof(struct p2p_options),
	.available = ct_gpu_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = gpu_victim_failure,
	.teardown = teardown,
	.phase_begin = gpu_victim_phase_begin,
	.counters = gpu_victim_counters,
	.read_counters = gpu_victim_read_counters,
};
