/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the GPU to its power limit: tensor cores on data that switches bits and a stream from
 * memory, at the same time (kernels/power.cu). What others feel is the lower clock that follows,
 * for all of the device, whatever its partitions. Counted: operations of the tensor cores. It
 * changes no limit and no clock.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "noise/gpu_load.h"

enum { VECTOR = 16, PIECE = 64 << 10, MOST_ITERATIONS = 1 << 24 };

struct options {
	uint64_t footprint, sms;
};

struct power {
	struct ct_gpu_load load;
	struct ct_gpu_kernel kernel;
	ct_cu_address memory, result;
	uint64_t vectors;
};

static bool submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units, struct ct_error *err)
{
	struct power *power = (struct power *)load;
	struct ct_arg_power arg = {.result = power->result,
				   .from = power->memory,
				   .vectors = power->vectors,
				   .iterations = (uint32_t)size};

	*units = (uint64_t)ct_power_operations(power->kernel.shape, arg.iterations);
	return ct_gpu_launch(&load->gpu, &power->kernel, &arg, err);
}

static void teardown(void *state)
{
	struct power *power = state;

	ct_gpu_free(&power->load.gpu, power->memory);
	ct_gpu_free(&power->load.gpu, power->result);
	ct_gpu_load_close(&power->load);
	free(power);
}

static bool prepare(struct power *power, const struct options *options, struct ct_error *err)
{
	struct ct_gpu_load *load = &power->load;
	const struct ct_shape shape = ct_shape_loop(ct_gpu_load_sms(load, options->sms));
	const uint64_t bytes = options->footprint / PIECE * PIECE;
	uint64_t results;

	power->vectors = bytes / VECTOR;
	results = (uint64_t)shape.grid_x * shape.block * sizeof(float);
	if (!ct_gpu_kernel(&load->gpu, "power", shape, &power->kernel, err) ||
	    !ct_gpu_load_memory(load, bytes, &power->memory, err) ||
	    !ct_gpu_alloc(&load->gpu, results, &power->result, err))
		return ct_error_in(err, "%s", load->name);
	return ct_gpu_load_find_size(load, 1, MOST_ITERATIONS, err);
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct power *power = calloc(1, sizeof *power);

	if (!power)
		return ct_broken_errno(err, "gpu_power: memory for its state");
	if (ct_gpu_load_open(&power->load, "gpu_power", env, submit, err) &&
	    prepare(power, options, err)) {
		*state = power;
		return true;
	}
	teardown(power);
	return false;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "footprint",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(footprint),
	 .fallback = "512M",
	 .min = "1M",
	 .max = "1T",
	 .help = "device memory that is read; should be several times the L2 cache"},
	CT_GPU_PARAM_SMS(FIELD(sms)),
	{0}};

const struct ct_aggressor_ops ct_noise_gpu_power = {
	.name = "gpu_power",
	.summary = "drives the GPU to its power limit",
	.unit = "op",
	.stresses = CT_RES_POWER | CT_RES_GPU_SM | CT_RES_GPU_MEMORY | CT_RES_GPU_L2,
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
