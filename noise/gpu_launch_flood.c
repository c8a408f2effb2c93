/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storms of operations too small to use anything but the GPU's front end: launches of an empty
 * kernel, memsets or copies of a few kilobytes. Each comes with memory barriers, which reach beyond
 * a MIG instance and slow strong loads of others there.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "noise/gpu_load.h"

enum op { OP_LAUNCH, OP_MEMSET, OP_MEMCPY };
enum { MOST = 1024 /* what a stream takes before a submission waits */ };

static const char *const op_names[] = {"launch", "memset", "memcpy", NULL};

struct options {
	int op;
	uint64_t bytes;
};

struct flood {
	struct ct_gpu_load load;
	enum op op;
	uint64_t bytes;
	struct ct_gpu_kernel kernel;
	ct_cu_address memory;
};

static bool one(struct flood *flood, unsigned char value, struct ct_error *err)
{
	const struct ct_arg_empty empty = {0};
	struct ct_gpu *gpu = &flood->load.gpu;

	switch (flood->op) {
	case OP_LAUNCH:
		return ct_gpu_launch(gpu, &flood->kernel, &empty, err);
	case OP_MEMSET:
		return CT_CUDA(gpu->cuda, MemsetD8Async, err, flood->memory, value, flood->bytes,
			       gpu->stream);
	case OP_MEMCPY:
		break;
	}
	return CT_CUDA(gpu->cuda, MemcpyDtoDAsync, err, flood->memory + flood->bytes, flood->memory,
		       flood->bytes, gpu->stream);
}

static bool submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units, struct ct_error *err)
{
	struct flood *flood = (struct flood *)load;

	for (uint64_t i = 0; i < size; i++) {
		if (!one(flood, (unsigned char)i, err))
			return false;
	}
	*units = size;
	return true;
}

static void teardown(void *state)
{
	struct flood *flood = state;

	ct_gpu_free(&flood->load.gpu, flood->memory);
	ct_gpu_load_close(&flood->load);
	free(flood);
}

static bool prepare(struct flood *flood, struct ct_error *err)
{
	struct ct_gpu_load *load = &flood->load;
	bool good =
		flood->op == OP_LAUNCH
			? ct_gpu_kernel(&load->gpu, "empty", ct_shape_one(), &flood->kernel, err)
			: ct_gpu_alloc(&load->gpu, 2 * flood->bytes, &flood->memory, err);

	if (!good)
		return ct_error_in(err, "%s", load->name);
	return ct_gpu_load_find_size(load, 1, MOST, err);
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct flood *flood = calloc(1, sizeof *flood);

	if (!flood)
		return ct_broken_errno(err, "gpu_launch_flood: memory for its state");
	flood->op = (enum op)options->op;
	flood->bytes = options->bytes;
	if (ct_gpu_load_open(&flood->load, "gpu_launch_flood", env, submit, err) &&
	    prepare(flood, err)) {
		*state = flood;
		return true;
	}
	teardown(flood);
	return false;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "op",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(op),
	 .fallback = "launch",
	 .choices = op_names,
	 .help = "launches of an empty kernel, or small memsets or copies on the device"},
	{.name = "bytes",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(bytes),
	 .fallback = "4K",
	 .min = "4",
	 .max = "1M",
	 .help = "of one memset or copy"},
	{0}};

const struct ct_aggressor_ops ct_noise_gpu_launch_flood = {
	.name = "gpu_launch_flood",
	.summary = "storms of launches, memsets or copies that are nearly empty",
	.unit = "op",
	.stresses = CT_RES_GPU_FRONT | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct options),
	.available = ct_gpu_kernels_available,
	.setup = setup,
	.thread_setup = ct_gpu_load_thread_setup,
	.burst = ct_gpu_load_burst,
	.thread_teardown = ct_gpu_load_thread_teardown,
	.teardown = teardown,
	.max_threads = 1,
};
