/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of the driver that takes or gives back something, and blocks on the driver's locks and
 * on the GPU's page tables: cuMemAlloc, cuMemFree, page-locked memory, a context. Only that call is
 * in the sample; its opposite follows untimed, so nothing grows. Plain cuMemAlloc, never managed
 * memory and never a pool.
 */
#include "bench/gpu_victim.h"

#include <stdlib.h>

enum call { CALL_ALLOC, CALL_FREE, CALL_HOST, CALL_CONTEXT };
static const char *const call_names[] = {"alloc", "free", "host", "context", NULL};

struct alloc_options {
	struct gpu_victim_options common;
	int call;
	uint64_t size;
};

struct alloc_state {
	struct gpu_victim victim; /* first: see gpu_victim.h */
	enum call call;
	size_t bytes;
};

static void teardown(void *state)
{
	struct alloc_state *alloc = state;

	gpu_victim_close(&alloc->victim);
	free(alloc);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct alloc_options *asked = options;
	struct alloc_state *alloc = calloc(1, sizeof *alloc);

	if (!alloc)
		return ct_broken_errno(err, "gpu_alloc: no memory for its state");
	alloc->call = (enum call)asked->call;
	alloc->bytes = asked->size;
	if (!gpu_victim_open(&alloc->victim, env, &asked->common, err)) {
		free(alloc);
		return ct_error_in(err, "gpu_alloc");
	}
	*state = alloc;
	return true;
}

/* Which of the two is the sample: the first call, or its opposite. */
static bool device_memory(struct alloc_state *alloc, uint64_t *ticks)
{
	const struct ct_cuda *cuda = alloc->victim.gpu.cuda;
	const struct ct_clock *clock = alloc->victim.clock;
	struct ct_error *err = &alloc->victim.error;
	ct_cu_address address;
	uint64_t begin = ct_ticks(clock), between;

	if (!CT_CUDA(cuda, MemAlloc, err, &address, alloc->bytes))
		return ct_error_in(err, "%zu bytes", alloc->bytes);
	between = ct_ticks(clock);
	if (!CT_CUDA(cuda, MemFree, err, address))
		return false;
	*ticks = alloc->call == CALL_FREE ? ct_ticks_end(clock) - between : between - begin;
	return true;
}

static bool host_memory(struct alloc_state *alloc, uint64_t *ticks)
{
	const struct ct_cuda *cuda = alloc->victim.gpu.cuda;
	struct ct_error *err = &alloc->victim.error;
	uint64_t begin = ct_ticks(alloc->victim.clock);
	void *memory;

	if (!CT_CUDA(cuda, MemHostAlloc, err, &memory, alloc->bytes, 0))
		return ct_error_in(err, "%zu bytes", alloc->bytes);
	*ticks = ct_ticks_end(alloc->victim.clock) - begin;
	return CT_CUDA(cuda, MemFreeHost, err, memory);
}

/* A second context of the process; it becomes current, and destroying it leaves none current. */
static bool context(struct alloc_state *alloc, uint64_t *ticks)
{
	const struct ct_gpu *gpu = &alloc->victim.gpu;
	struct ct_error *err = &alloc->victim.error;
	uint64_t begin = ct_ticks(alloc->victim.clock);
	struct ct_cu_context *made;

	if (!CT_CUDA(gpu->cuda, CtxCreate, err, &made, CT_CU_WAIT_SPIN, gpu->device))
		return false;
	*ticks = ct_ticks_end(alloc->victim.clock) - begin;
	return CT_CUDA(gpu->cuda, CtxDestroy, err, made) && ct_gpu_use(gpu, err);
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct alloc_state *alloc = state;

	switch (alloc->call) {
	case CALL_ALLOC:
	case CALL_FREE:
		break;
	case CALL_HOST:
		return host_memory(alloc, ticks);
	case CALL_CONTEXT:
		return context(alloc, ticks);
	}
	return device_memory(alloc, ticks);
}

static const struct ct_param params[] = {
	{.name = "call",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct alloc_options, call),
	 .fallback = "alloc",
	 .choices = call_names,
	 .help = "cuMemAlloc, cuMemFree, cuMemHostAlloc, or cuCtxCreate"},
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct alloc_options, size),
	 .fallback = "4M",
	 .min = "1",
	 .max = "64G",
	 .help = "bytes of one allocation; below 2 MiB the driver hands out parts of what it has"},
	GPU_PARAM_WAIT(struct alloc_options),
	{0},
};

const struct ct_victim_ops ct_bench_gpu_alloc = {
	.name = "gpu_alloc",
	.summary = "a call that allocates GPU memory, frees it, pins memory or makes a context",
	.unit = "ns",
	.sample = "one call of the driver, as `call` says; its opposite is not timed",
	.stresses = CT_RES_GPU_DRIVER | CT_RES_GPU_FRONT | CT_RES_KERNEL,
	.params = params,
	.options_size = sizeof(struct alloc_options),
	.available = ct_gpu_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = gpu_victim_failure,
	.teardown = teardown,
};
