/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocates and frees device memory, or creates and destroys whole contexts, without end. Both go
 * through locks of the driver and its firmware and change page tables of the device, which others
 * wait for. A burst is one allocation or one context: a context takes tens of milliseconds.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "noise/gpu_load.h"

enum op { OP_MEMORY, OP_CONTEXT };

static const char *const op_names[] = {"memory", "context", NULL};

struct options {
	int op;
	uint64_t footprint;
};

struct churn {
	struct ct_gpu gpu;
	enum op op;
	uint64_t footprint;
};

static bool churn_memory(struct churn *churn, struct ct_error *err)
{
	ct_cu_address memory;

	return ct_gpu_alloc(&churn->gpu, churn->footprint, &memory, err) &&
	       CT_CUDA(churn->gpu.cuda, MemFree, err, memory);
}

/* The new context becomes the current one: the old one is made current again. */
static bool churn_context(struct churn *churn, struct ct_error *err)
{
	struct ct_cu_context *context;

	return CT_CUDA(churn->gpu.cuda, CtxCreate, err, &context, CT_CU_WAIT_SPIN,
		       churn->gpu.device) &&
	       CT_CUDA(churn->gpu.cuda, CtxDestroy, err, context) && ct_gpu_use(&churn->gpu, err);
}

static bool burst(void *state, uint64_t *units, struct ct_error *err)
{
	struct churn *churn = state;
	bool good = churn->op == OP_MEMORY ? churn_memory(churn, err) : churn_context(churn, err);

	if (!good)
		return ct_error_in(err, "gpu_alloc_churn");
	(*units)++;
	return true;
}

static void teardown(void *state)
{
	struct churn *churn = state;

	ct_gpu_close(&churn->gpu);
	free(churn);
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct churn *churn = calloc(1, sizeof *churn);
	uint64_t units = 0;

	if (!churn)
		return ct_broken_errno(err, "gpu_alloc_churn: memory for its state");
	churn->op = (enum op)options->op;
	churn->footprint = options->footprint;
	if (!ct_gpu_open(&churn->gpu, env->gpu, env->nic, CT_CU_WAIT_SPIN, err)) {
		ct_error_in(err, "gpu_alloc_churn");
	} else if (burst(churn, &units, err)) {
		*env->device = ct_gpu_json(&churn->gpu);
		*state = churn;
		return true;
	}
	teardown(churn);
	return false;
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	struct churn *churn = state;

	(void)thread;
	*thread_state = churn;
	return ct_gpu_use(&churn->gpu, err) || ct_error_in(err, "gpu_alloc_churn");
}

static void thread_teardown(void *state)
{
	(void)state;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "op",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(op),
	 .fallback = "memory",
	 .choices = op_names,
	 .help = "what is made and destroyed again: device memory or a context"},
	{.name = "footprint",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(footprint),
	 .fallback = "2M",
	 .min = "1",
	 .max = "1T",
	 .help = "of one allocation"},
	{0}};

const struct ct_aggressor_ops ct_noise_gpu_alloc_churn = {
	.name = "gpu_alloc_churn",
	.summary = "allocates and frees device memory, or creates and destroys contexts",
	.unit = "op",
	.stresses = CT_RES_GPU_DRIVER | CT_RES_KERNEL | CT_RES_GPU_FRONT,
	.params = params,
	.options_size = sizeof(struct options),
	.available = ct_gpu_available,
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = teardown,
	.blocks = true, /* the driver's locks are waited for in the kernel */
	.max_threads = 1,
};
