/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the GPU's L2 cache: reads a footprint that fits into it, past the L1 caches, again and
 * again. It evicts what others keep there and takes the bandwidth between the SMs and the cache,
 * while it hardly touches memory.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "noise/gpu_load.h"

enum { VECTOR = 16, PIECE = 64 << 10, MOST_ROUNDS = 1 << 20 };

struct options {
	uint64_t footprint, sms;
};

struct l2 {
	struct ct_gpu_load load;
	struct ct_gpu_kernel kernel;
	ct_cu_address memory, result;
	uint64_t vectors;
};

static bool submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units, struct ct_error *err)
{
	struct l2 *l2 = (struct l2 *)load;
	struct ct_arg_stream arg = {.from = l2->memory,
				    .result = l2->result,
				    .vectors = l2->vectors,
				    .rounds = (uint32_t)size};

	*units = size * l2->vectors * VECTOR;
	return ct_gpu_launch(&load->gpu, &l2->kernel, &arg, err);
}

static void teardown(void *state)
{
	struct l2 *l2 = state;

	ct_gpu_free(&l2->load.gpu, l2->memory);
	ct_gpu_free(&l2->load.gpu, l2->result);
	ct_gpu_load_close(&l2->load);
	free(l2);
}

static bool prepare(struct l2 *l2, const struct options *options, struct ct_error *err)
{
	struct ct_gpu_load *load = &l2->load;
	const struct ct_shape shape = ct_shape_stream(ct_gpu_load_sms(load, options->sms));
	uint64_t bytes = options->footprint ? options->footprint : load->gpu.l2_bytes / 2;

	bytes = bytes / PIECE * PIECE;
	if (bytes == 0)
		return ct_broken(err,
				 "gpu_l2: the driver says that this GPU's L2 cache has %llu "
				 "bytes; say how much to use: footprint = ...",
				 (unsigned long long)load->gpu.l2_bytes);
	l2->vectors = bytes / VECTOR;
	if (!ct_gpu_kernel(&load->gpu, "l2_sweep", shape, &l2->kernel, err) ||
	    !ct_gpu_load_memory(load, bytes, &l2->memory, err) ||
	    !ct_gpu_load_memory(load, sizeof(uint64_t), &l2->result, err))
		return ct_error_in(err, "%s", load->name);
	return ct_gpu_load_find_size(load, 1, MOST_ROUNDS, err);
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct l2 *l2 = calloc(1, sizeof *l2);

	if (!l2)
		return ct_broken_errno(err, "gpu_l2: memory for its state");
	if (ct_gpu_load_open(&l2->load, "gpu_l2", env, submit, err) && prepare(l2, options, err)) {
		*state = l2;
		return true;
	}
	teardown(l2);
	return false;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "footprint",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(footprint),
	 .fallback = "0",
	 .max = "16G",
	 .help = "device memory that is read again and again; 0: half the L2 cache"},
	CT_GPU_PARAM_SMS(FIELD(sms)),
	{0}};

const struct ct_aggressor_ops ct_noise_gpu_l2 = {
	.name = "gpu_l2",
	.summary = "sweeps the GPU's L2 cache",
	.unit = "B",
	.stresses = CT_RES_GPU_L2 | CT_RES_GPU_SM,
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
