/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy between host and GPU memory, from the call until the host knows that it is over. Pinned
 * memory goes by the GPU's copy engine over the PCIe link alone; pageable memory goes through the
 * driver's own buffer and a copy by the CPU, so it feels the host's memory as well. The host's
 * memory lies on the nodes of the tenant. What arrived is compared once, before anything is timed.
 */
#include "bench/gpu_victim.h"

#include <stdlib.h>
#include <string.h>

enum direction { TO_DEVICE, TO_HOST };
static const char *const direction_names[] = {"h2d", "d2h", NULL};
enum host { PINNED, PAGEABLE };
static const char *const host_names[] = {"pinned", "pageable", NULL};

struct copy_options {
	struct gpu_victim_options common;
	int direction, host;
	uint64_t size;
};

struct copy_state {
	struct gpu_victim victim; /* first: see gpu_victim.h */
	enum direction direction;
	size_t bytes;
	struct ct_memory memory;
	bool registered;
	ct_cu_address device;
};

static void teardown(void *state)
{
	struct copy_state *copy = state;

	ct_gpu_free(&copy->victim.gpu, copy->device);
	if (copy->registered)
		CT_CUDA_QUIET(copy->victim.gpu.cuda, MemHostUnregister, copy->memory.base);
	gpu_victim_close(&copy->victim);
	if (copy->memory.base)
		ct_memory_unmap(&copy->memory);
	free(copy);
}

/*
 * Our own mapping, bound to the tenant's nodes, made known to the driver: memory that the driver
 * allocates itself lies where its thread happens to run.
 */
static bool make_memory(struct copy_state *copy, const struct ct_victim_env *env, enum host host,
			struct ct_error *err)
{
	const struct ct_cuda *cuda = copy->victim.gpu.cuda;

	if (!ct_memory_map(&copy->memory, env->place, copy->bytes, CT_PAGES_BASE, err))
		return false;
	if (host == PINNED) {
		copy->registered = CT_CUDA(cuda, MemHostRegister, err, copy->memory.base,
					   copy->memory.mapped, 0);
		if (!copy->registered)
			return false;
	}
	return ct_gpu_alloc(&copy->victim.gpu, copy->bytes, &copy->device, err);
}

static bool submit(void *state)
{
	struct copy_state *copy = state;
	const struct ct_gpu *gpu = &copy->victim.gpu;

	if (copy->direction == TO_DEVICE)
		return CT_CUDA(gpu->cuda, MemcpyHtoDAsync, &copy->victim.error, copy->device,
			       copy->memory.base, copy->bytes, gpu->stream);
	return CT_CUDA(gpu->cuda, MemcpyDtoHAsync, &copy->victim.error, copy->memory.base,
		       copy->device, copy->bytes, gpu->stream);
}

/* There and back by the way that is going to be timed, and by the driver's plain copy. */
static bool check(struct copy_state *copy, uint64_t seed, struct ct_error *err)
{
	const struct ct_cuda *cuda = copy->victim.gpu.cuda;
	unsigned char *memory = copy->memory.base;
	bool to_device = copy->direction == TO_DEVICE;

	for (size_t i = 0; i < copy->bytes; i++)
		memory[i] = (unsigned char)ct_fill_bits(i, (uint32_t)seed);
	if (!to_device && !CT_CUDA(cuda, MemcpyHtoD, err, copy->device, memory, copy->bytes))
		return false;
	if (!to_device)
		memset(memory, 0, copy->bytes);
	if (!submit(copy) || !ct_gpu_finish(&copy->victim.gpu, &copy->victim.error)) {
		*err = copy->victim.error;
		return false;
	}
	if (to_device)
		memset(memory, 0, copy->bytes);
	if (to_device && !CT_CUDA(cuda, MemcpyDtoH, err, memory, copy->device, copy->bytes))
		return false;
	for (size_t i = 0; i < copy->bytes; i++) {
		if (memory[i] != (unsigned char)ct_fill_bits(i, (uint32_t)seed))
			return ct_broken(err, "byte %zu of %zu came back changed", i, copy->bytes);
	}
	return true;
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct copy_options *asked = options;
	struct copy_state *copy = calloc(1, sizeof *copy);

	if (!copy)
		return ct_broken_errno(err, "gpu_copy: no memory for its state");
	copy->direction = (enum direction)asked->direction;
	copy->bytes = asked->size;
	if (!gpu_victim_open(&copy->victim, env, &asked->common, err)) {
		free(copy);
		return ct_error_in(err, "gpu_copy");
	}
	if (!make_memory(copy, env, (enum host)asked->host, err) || !check(copy, env->seed, err)) {
		teardown(copy);
		return ct_error_in(err, "gpu_copy");
	}
	env->bytes_per_operation = asked->size;
	*state = copy;
	return true;
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct copy_state *copy = state;

	return gpu_victim_sample(&copy->victim, submit, copy, ticks);
}

static const struct ct_param params[] = {
	{.name = "direction",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct copy_options, direction),
	 .fallback = "h2d",
	 .choices = direction_names,
	 .help = "from the host to the GPU, or from the GPU to the host"},
	{.name = "host",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct copy_options, host),
	 .fallback = "pinned",
	 .choices = host_names,
	 .help = "page-locked memory, or memory that the driver copies through a buffer"},
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct copy_options, size),
	 .fallback = "1M",
	 .min = "1",
	 .max = "16G",
	 .help = "bytes of one copy"},
	GPU_PARAM_WAIT(struct copy_options),
	GPU_PARAM_SEEN(struct copy_options),
	GPU_PARAM_EVERY(struct copy_options, "16"),
	{0},
};

const struct ct_victim_ops ct_bench_gpu_copy = {
	.name = "gpu_copy",
	.summary = "a copy between host and GPU memory, either way, pinned or pageable",
	.unit = "ns",
	.sample = "one copy of `size` bytes until the host knows that it is over",
	.stresses = CT_RES_PCIE | CT_RES_MEMORY | CT_RES_GPU_MEMORY | CT_RES_GPU_FRONT,
	.params = params,
	.options_size = sizeof(struct copy_options),
	.available = ct_gpu_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = gpu_victim_failure,
	.teardown = teardown,
	.phase_begin = gpu_victim_phase_begin,
	.counters = gpu_victim_counters,
	.read_counters = gpu_victim_read_counters,
};
