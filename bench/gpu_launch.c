/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An empty kernel, from the call that launches it until the host knows that it is over: what every
 * GPU program pays per launch, and what a neighbour in the front end, in the driver's locks or on
 * the PCIe link adds. A timed sample is a bare cuLaunchKernel and cuStreamSynchronize.
 */
#include "bench/gpu_victim.h"

#include <stdlib.h>

struct launch_options {
	struct gpu_victim_options common;
	uint64_t blocks, threads;
};

struct launch_state {
	struct gpu_victim victim; /* first: see gpu_victim.h */
	struct ct_gpu_kernel kernel;
	struct ct_arg_empty argument;
};

static void teardown(void *state)
{
	struct launch_state *launch = state;

	gpu_victim_close(&launch->victim);
	free(launch);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct launch_options *asked = options;
	struct ct_shape shape = ct_shape((unsigned)asked->blocks, 1, (unsigned)asked->threads, 0);
	struct launch_state *launch = calloc(1, sizeof *launch);

	if (!launch)
		return ct_broken_errno(err, "gpu_launch: no memory for its state");
	if (!gpu_victim_open(&launch->victim, env, &asked->common, err)) {
		free(launch);
		return ct_error_in(err, "gpu_launch");
	}
	if (!ct_gpu_kernel(&launch->victim.gpu, "empty", shape, &launch->kernel, err)) {
		teardown(launch);
		return ct_error_in(err, "gpu_launch");
	}
	*state = launch;
	return true;
}

static bool submit(void *state)
{
	struct launch_state *launch = state;

	return ct_gpu_launch(&launch->victim.gpu, &launch->kernel, &launch->argument,
			     &launch->victim.error);
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct launch_state *launch = state;

	return gpu_victim_sample(&launch->victim, submit, launch, ticks);
}

static const struct ct_param params[] = {
	{.name = "blocks",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct launch_options, blocks),
	 .fallback = "1",
	 .min = "1",
	 .max = "1000000",
	 .help = "blocks of the empty kernel"},
	{.name = "threads",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct launch_options, threads),
	 .fallback = "32",
	 .min = "1",
	 .max = "1024",
	 .help = "threads of a block"},
	GPU_PARAM_WAIT(struct launch_options),
	GPU_PARAM_SEEN(struct launch_options),
	GPU_PARAM_EVERY(struct launch_options, "16"),
	{0},
};

const struct ct_victim_ops ct_bench_gpu_launch = {
	.name = "gpu_launch",
	.summary = "an empty kernel, from launch to completion seen by the host",
	.unit = "ns",
	.sample = "one launch of an empty kernel until the host knows that it is over",
	.stresses = CT_RES_GPU_FRONT | CT_RES_GPU_DRIVER | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct launch_options),
	.available = ct_gpu_kernels_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = gpu_victim_failure,
	.teardown = teardown,
	.phase_begin = gpu_victim_phase_begin,
	.counters = gpu_victim_counters,
	.read_counters = gpu_victim_read_counters,
};
