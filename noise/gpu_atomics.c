/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floods the GPU's L2 cache with atomic additions, which its slices carry out one after the other
 * where they meet in a line. Few counters: all threads collide in a few slices; many, far apart:
 * all slices and the way to them.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "noise/gpu_load.h"

enum { MOST_ITERATIONS = 1 << 24 };

struct options {
	uint64_t counters, stride, sms;
};

struct atomics {
	struct ct_gpu_load load;
	struct ct_gpu_kernel kernel;
	struct ct_arg_atomics arg;
};

static bool submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units, struct ct_error *err)
{
	struct atomics *atomics = (struct atomics *)load;

	atomics->arg.iterations = (uint32_t)size;
	*units = size * atomics->kernel.shape.grid_x * atomics->kernel.shape.block;
	return ct_gpu_launch(&load->gpu, &atomics->kernel, &atomics->arg, err);
}

static void teardown(void *state)
{
	struct atomics *atomics = state;

	ct_gpu_free(&atomics->load.gpu, atomics->arg.base);
	ct_gpu_load_close(&atomics->load);
	free(atomics);
}

static bool prepare(struct atomics *atomics, const struct options *options, struct ct_error *err)
{
	struct ct_gpu_load *load = &atomics->load;
	const struct ct_shape shape = ct_shape_loop(ct_gpu_load_sms(load, options->sms));

	if (options->stride % sizeof(uint32_t))
		return ct_usage(err, "gpu_atomics: stride = %llu: it is a multiple of 4",
				(unsigned long long)options->stride);
	atomics->arg.counters = (uint32_t)options->counters;
	atomics->arg.stride = (uint32_t)options->stride;
	if (!ct_gpu_kernel(&load->gpu, "atomics", shape, &atomics->kernel, err) ||
	    !ct_gpu_load_memory(load, options->counters * options->stride, &atomics->arg.base, err))
		return ct_error_in(err, "%s", load->name);
	return ct_gpu_load_find_size(load, 1, MOST_ITERATIONS, err);
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct atomics *atomics = calloc(1, sizeof *atomics);

	if (!atomics)
		return ct_broken_errno(err, "gpu_atomics: memory for its state");
	if (ct_gpu_load_open(&atomics->load, "gpu_atomics", env, submit, err) &&
	    prepare(atomics, options, err)) {
		*state = atomics;
		return true;
	}
	teardown(atomics);
	return false;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "counters",
	 .type = CT_PARAM_COUNT,
	 .offset = FIELD(counters),
	 .fallback = "4096",
	 .min = "1",
	 .max = "16777216",
	 .help = "how many different words are added to; 1: all threads collide"},
	{.name = "stride",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(stride),
	 .fallback = "128",
	 .min = "4",
	 .max = "64K",
	 .help = "distance of two counters: footprint = counters times stride"},
	CT_GPU_PARAM_SMS(FIELD(sms)),
	{0}};

const struct ct_aggressor_ops ct_noise_gpu_atomics = {
	.name = "gpu_atomics",
	.summary = "floods the GPU's L2 cache with atomic additions",
	.unit = "op",
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
