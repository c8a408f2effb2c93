/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the GPU to its power limit: a matrix product of bf16 on tensor cores, of numbers that
 * switch bits, with its operands in L2 and its result on the way to memory. What others feel is the
 * lower clock that follows, for all of the device, whatever its partitions. Counted: operations of
 * the tensor cores. It changes no limit and no clock.
 *
 * Why a product and not a loop over registers beside a stream: on an H200 of 700 W that loop drew
 * 498 W, while this kernel as gpu_gemm at 8192^3 was held by the limit in every epoch.
 */
#include "noise/aggressors.h"

#include <math.h>
#include <stdlib.h>

#include "noise/gpu_load.h"

enum {
	BURST_NS = 300000,
	LEAST_SIDE = 512,
	/* k is a quarter of the sides: a block is done after some 40 us at 512 MiB, so that bursts
	 * can be made of any length. */
	FLAT = 4
};

struct options {
	uint64_t footprint, sms;
};

struct power {
	struct ct_gpu_load load;
	struct ct_gpu_kernel kernel;
	struct ct_arg_gemm product;
	unsigned blocks, at_once; /* of the whole product; of one launch */
};

/* `size` blocks, each of which makes one tile of the product; which ones makes no difference. */
static bool submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units, struct ct_error *err)
{
	struct power *power = (struct power *)load;
	const double tile = ct_gemm_operations(CT_GEMM_TILE_M, CT_GEMM_TILE_N, power->product.k);

	*units = (uint64_t)((double)size * tile);
	while (size > 0) {
		const unsigned blocks = size < power->at_once ? (unsigned)size : power->at_once;

		power->kernel.shape.grid_x = blocks;
		if (!ct_gpu_launch(&load->gpu, &power->kernel, &power->product, err))
			return false;
		size -= blocks;
	}
	return true;
}

static void teardown(void *state)
{
	struct power *power = state;
	struct ct_gpu *gpu = &power->load.gpu;

	ct_gpu_free(gpu, power->product.a);
	ct_gpu_free(gpu, power->product.b);
	ct_gpu_free(gpu, power->product.c);
	ct_gpu_load_close(&power->load);
	free(power);
}

static bool make_matrix(struct ct_gpu_load *load, uint64_t elements, uint32_t seed,
			ct_cu_address *address, struct ct_error *err)
{
	struct ct_arg_fill fill = {.elements = elements,
				   .seed = (uint32_t)load->env->seed + seed,
				   .format = CT_FILL_BF16};
	struct ct_gpu_kernel kernel;

	if (!ct_gpu_kernel(&load->gpu, "fill", ct_shape_stream(load->gpu.sms), &kernel, err) ||
	    !ct_gpu_alloc(&load->gpu, elements * ct_gemm_bytes(CT_GEMM_BF16), address, err))
		return false;
	fill.to = *address;
	return ct_gpu_launch(&load->gpu, &kernel, &fill, err) && ct_gpu_finish(&load->gpu, err);
}

/* A square result with the operands that fit beside it: 2 bytes of side^2 (1 + 2 / FLAT). */
static uint32_t side_for(uint64_t footprint)
{
	const double side = sqrt((double)footprint / (2 + 4.0 / FLAT));

	return side < LEAST_SIDE ? LEAST_SIDE : (uint32_t)side / LEAST_SIDE * LEAST_SIDE;
}

static bool prepare(struct power *power, const struct options *options, struct ct_error *err)
{
	struct ct_gpu_load *load = &power->load;
	struct ct_arg_gemm *product = &power->product;
	const unsigned sms = ct_gpu_load_sms(load, options->sms);
	struct ct_shape shape;

	product->m = product->n = side_for(options->footprint);
	product->k = product->m / FLAT;
	shape = ct_shape_gemm(CT_GEMM_BF16, product->m, product->n);
	power->blocks = shape.grid_x;
	/* A block fills its multiprocessor: so many of them stay on so many. */
	power->at_once = sms < load->gpu.sms && sms < power->blocks ? sms : power->blocks;
	if (!ct_gpu_kernel(&load->gpu, ct_gemm_kernel(CT_GEMM_BF16), shape, &power->kernel, err) ||
	    !make_matrix(load, (uint64_t)product->m * product->k, 1, &product->a, err) ||
	    !make_matrix(load, (uint64_t)product->n * product->k, 2, &product->b, err) ||
	    !make_matrix(load, (uint64_t)product->m * product->n, 3, &product->c, err))
		return ct_error_in(err, "%s", load->name);
	/* Whole rounds of all multiprocessors, where there are enough blocks for one. */
	return ct_gpu_load_find_size(load, sms < power->blocks ? sms : power->blocks, power->blocks,
				     err);
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct power *power = calloc(1, sizeof *power);

	if (!power)
		return ct_broken_errno(err, "gpu_power: memory for its state");
	power->load.burst_ns = BURST_NS;
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
	 .help = "device memory of the three matrices; should be several times the L2 cache"},
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
