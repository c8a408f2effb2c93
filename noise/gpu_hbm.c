/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the bandwidth of the GPU's memory. A burst goes over the next piece of a footprint that is
 * much larger than the L2 cache, and round again, so nearly every byte comes from or goes to
 * memory. A copy counts the bytes it reads and those it writes, as STREAM does.
 */
#include "noise/aggressors.h"

#include <stdlib.h>

#include "noise/gpu_load.h"

enum op { OP_READ, OP_WRITE, OP_COPY };
enum {
	VECTOR = 16,
	STEP = 4096, /* vectors: 64 KiB */
	/* Between two launches the memory rests for some 3 us. */
	BURST_NS = 300000
};

static const char *const op_names[] = {"read", "write", "copy", NULL};
static const char *const kernels[] = {"hbm_read", "hbm_write", "hbm_copy"};

struct options {
	int op;
	uint64_t footprint, sms;
};

struct hbm {
	struct ct_gpu_load load;
	enum op op;
	struct ct_gpu_kernel kernel;
	ct_cu_address memory, to, result;
	uint64_t vectors; /* of each of the one or two buffers */
	uint64_t at;
	bool all; /* of the tenant's multiprocessors */
};

static bool submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units, struct ct_error *err)
{
	struct hbm *hbm = (struct hbm *)load;
	struct ct_arg_stream arg = {
		.result = hbm->result, .vectors = size, .rounds = 1, .value = hbm->at};

	if (hbm->at + size > hbm->vectors)
		hbm->at = 0;
	arg.from = hbm->memory + hbm->at * VECTOR;
	arg.to = hbm->to + hbm->at * VECTOR;
	hbm->at += size;
	if (hbm->op == OP_COPY && hbm->all)
		hbm->kernel.shape = ct_shape_copy(size);
	*units = size * VECTOR * (hbm->op == OP_COPY ? 2 : 1);
	return ct_gpu_launch(&load->gpu, &hbm->kernel, &arg, err);
}

static void teardown(void *state)
{
	struct hbm *hbm = state;

	ct_gpu_free(&hbm->load.gpu, hbm->memory);
	ct_gpu_free(&hbm->load.gpu, hbm->result);
	ct_gpu_load_close(&hbm->load);
	free(hbm);
}

static bool prepare(struct hbm *hbm, const struct options *options, struct ct_error *err)
{
	struct ct_gpu_load *load = &hbm->load;
	const unsigned sms = ct_gpu_load_sms(load, options->sms);

	hbm->all = sms == load->gpu.sms;
	hbm->vectors = options->footprint / VECTOR / (hbm->op == OP_COPY ? 2 : 1) / STEP * STEP;
	if (!ct_gpu_kernel(&load->gpu, kernels[hbm->op], ct_shape_stream(sms), &hbm->kernel, err) ||
	    !ct_gpu_load_memory(load, options->footprint, &hbm->memory, err) ||
	    !ct_gpu_load_memory(load, sizeof(uint64_t), &hbm->result, err))
		return ct_error_in(err, "%s", load->name);
	hbm->to = hbm->op == OP_COPY ? hbm->memory + hbm->vectors * VECTOR : hbm->memory;
	return ct_gpu_load_find_size(load, STEP, hbm->vectors, err);
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct hbm *hbm = calloc(1, sizeof *hbm);

	if (!hbm)
		return ct_broken_errno(err, "gpu_hbm: memory for its state");
	hbm->op = (enum op)options->op;
	hbm->load.burst_ns = BURST_NS;
	if (ct_gpu_load_open(&hbm->load, "gpu_hbm", env, submit, err) &&
	    prepare(hbm, options, err)) {
		*state = hbm;
		return true;
	}
	teardown(hbm);
	return false;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "op",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(op),
	 .fallback = "copy",
	 .choices = op_names,
	 .help = "what is streamed; a copy counts what it reads and what it writes"},
	{.name = "footprint",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(footprint),
	 .fallback = "1G",
	 .min = "1M",
	 .max = "1T",
	 .help = "device memory that is gone through; should be several times the L2 cache"},
	CT_GPU_PARAM_SMS(FIELD(sms)),
	{0}};

const struct ct_aggressor_ops ct_noise_gpu_hbm = {
	.name = "gpu_hbm",
	.summary = "streams through the GPU's memory",
	.unit = "B",
	.stresses = CT_RES_GPU_MEMORY | CT_RES_GPU_L2 | CT_RES_GPU_SM,
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
