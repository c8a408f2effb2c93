/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes one kind of unit of the multiprocessors, with arithmetic on registers only: nothing outside
 * the SMs is used but power. Operations are counted as everybody counts them: a multiply-add is
 * two, a special function is one.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "noise/gpu_load.h"

enum unit { UNIT_FMA, UNIT_TENSOR, UNIT_SFU };
enum { MOST_ITERATIONS = 1 << 24 };

static const char *const unit_names[] = {"fma", "tensor", "sfu", NULL};
static const char *const kernels[] = {"sm_fma", "sm_tensor", "sm_sfu"};

struct options {
	int unit;
	uint64_t sms;
};

struct sm {
	struct ct_gpu_load load;
	enum unit unit;
	struct ct_gpu_kernel kernel;
	ct_cu_address result;
};

static double operations(const struct sm *sm, uint32_t iterations)
{
	switch (sm->unit) {
	case UNIT_FMA:
		return ct_fma_operations(sm->kernel.shape, iterations);
	case UNIT_TENSOR:
		return ct_tensor_operations(sm->kernel.shape, iterations);
	case UNIT_SFU:
		break;
	}
	return ct_sfu_operations(sm->kernel.shape, iterations);
}

static bool submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units, struct ct_error *err)
{
	struct sm *sm = (struct sm *)load;
	struct ct_arg_loop arg = {.result = sm->result, .iterations = (uint32_t)size};

	*units = (uint64_t)operations(sm, arg.iterations);
	return ct_gpu_launch(&load->gpu, &sm->kernel, &arg, err);
}

static void teardown(void *state)
{
	struct sm *sm = state;

	ct_gpu_free(&sm->load.gpu, sm->result);
	ct_gpu_load_close(&sm->load);
	free(sm);
}

static bool prepare(struct sm *sm, const struct options *options, struct ct_error *err)
{
	struct ct_gpu_load *load = &sm->load;
	const struct ct_shape shape = ct_shape_loop(ct_gpu_load_sms(load, options->sms));
	uint64_t bytes;

	bytes = (uint64_t)shape.grid_x * shape.block * sizeof(float);
	if (!ct_gpu_kernel(&load->gpu, kernels[sm->unit], shape, &sm->kernel, err) ||
	    !ct_gpu_alloc(&load->gpu, bytes, &sm->result, err))
		return ct_error_in(err, "%s", load->name);
	return ct_gpu_load_find_size(load, 1, MOST_ITERATIONS, err);
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct sm *sm = calloc(1, sizeof *sm);

	if (!sm)
		return ct_broken_errno(err, "gpu_sm: memory for its state");
	sm->unit = (enum unit)options->unit;
	if (ct_gpu_load_open(&sm->load, "gpu_sm", env, submit, err) && prepare(sm, options, err)) {
		*state = sm;
		return true;
	}
	teardown(sm);
	return false;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "unit",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(unit),
	 .fallback = "tensor",
	 .choices = unit_names,
	 .help = "fp32 multiply-adds, bf16 on tensor cores, or special functions"},
	CT_GPU_PARAM_SMS(FIELD(sms)),
	{0}};

const struct ct_aggressor_ops ct_noise_gpu_sm = {
	.name = "gpu_sm",
	.summary = "keeps one kind of unit of the GPU's multiprocessors busy",
	.unit = "op",
	.stresses = CT_RES_GPU_SM | CT_RES_POWER,
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
