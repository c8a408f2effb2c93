/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the link between host and GPU with copies from or to page-locked memory, or both ways at
 * the same time, each on a stream and so on a copy engine of its own. Neither waits for the other:
 * the quicker one makes more copies. Near the GPU it loads the link; from another socket also what
 * connects the sockets. Bytes of both directions are counted.
 */
#include "noise/aggressors.h"

#include <stdlib.h>
#include <string.h>

#include "noise/gpu_load.h"

enum direction { TO_DEVICE, TO_HOST, BOTH };
enum {
	STEP = 64 << 10,
	/* Between two copies the link rests for some 2 us: 0.4 %. */
	BURST_NS = 500000
};

static const char *const direction_names[] = {"h2d", "d2h", "both", NULL};

/* One way: its ends, how far it has come, and for `both` its own copies under way. */
struct way {
	void *host;
	ct_cu_address device, mapped;
	uint64_t at;
	struct ct_gpu_queue queue;
};

struct options {
	int direction;
	uint64_t footprint;
};

struct pcie {
	struct ct_gpu_load load;
	enum direction direction;
	uint64_t footprint;
	struct way to_device, to_host;
};

static uint64_t advance(struct way *way, uint64_t bytes, uint64_t footprint)
{
	const uint64_t at = way->at + bytes > footprint ? 0 : way->at;

	way->at = at + bytes;
	return at;
}

static bool copy_to_device(struct pcie *pcie, uint64_t bytes, struct ct_cu_stream *stream,
			   struct ct_error *err)
{
	struct way *way = &pcie->to_device;
	const uint64_t at = advance(way, bytes, pcie->footprint);

	return CT_CUDA(pcie->load.gpu.cuda, MemcpyHtoDAsync, err, way->device + at,
		       (const char *)way->host + at, bytes, stream);
}

static bool copy_to_host(struct pcie *pcie, uint64_t bytes, struct ct_cu_stream *stream,
			 struct ct_error *err)
{
	struct way *way = &pcie->to_host;
	const uint64_t at = advance(way, bytes, pcie->footprint);

	return CT_CUDA(pcie->load.gpu.cuda, MemcpyDtoHAsync, err, (char *)way->host + at,
		       way->device + at, bytes, stream);
}

/* A burst of one way; what its size is found by. */
static bool submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units, struct ct_error *err)
{
	struct pcie *pcie = (struct pcie *)load;

	*units = size;
	return pcie->direction == TO_HOST ? copy_to_host(pcie, size, load->gpu.stream, err)
					  : copy_to_device(pcie, size, load->gpu.stream, err);
}

/* Gives either way the copy that it has room for. */
static bool fill_both(struct pcie *pcie, struct ct_error *err)
{
	struct ct_gpu_queue *in = &pcie->to_device.queue, *out = &pcie->to_host.queue;
	const uint64_t size = pcie->load.size;

	return (ct_gpu_queue_is_full(in) || (copy_to_device(pcie, size, in->stream, err) &&
					     ct_gpu_queue_add(in, &pcie->load.gpu, size, err))) &&
	       (ct_gpu_queue_is_full(out) || (copy_to_host(pcie, size, out->stream, err) &&
					      ct_gpu_queue_add(out, &pcie->load.gpu, size, err)));
}

/* Waits for a copy of whichever way is done first. */
static bool wait_for_either(struct pcie *pcie, uint64_t *units, struct ct_error *err)
{
	struct ct_gpu_queue *queues[] = {&pcie->to_device.queue, &pcie->to_host.queue};
	bool done = !ct_gpu_queue_is_full(queues[0]) || !ct_gpu_queue_is_full(queues[1]);

	for (unsigned i = 0; !done; i = 1 - i) {
		if (!ct_gpu_queue_poll(queues[i], &pcie->load.gpu, &done, units, err))
			return false;
	}
	return true;
}

static bool burst(void *state, uint64_t *units, struct ct_error *err)
{
	struct pcie *pcie = state;

	if (pcie->direction != BOTH)
		return ct_gpu_load_burst(&pcie->load, units, err);
	return (fill_both(pcie, err) && wait_for_either(pcie, units, err)) ||
	       ct_error_in(err, "gpu_pcie");
}

static void thread_teardown(void *state)
{
	struct pcie *pcie = state;

	if (pcie->direction == BOTH) {
		ct_gpu_queue_drain(&pcie->to_device.queue, &pcie->load.gpu);
		ct_gpu_queue_drain(&pcie->to_host.queue, &pcie->load.gpu);
	}
	ct_gpu_load_thread_teardown(&pcie->load);
}

static void free_way(struct pcie *pcie, struct way *way)
{
	const struct ct_gpu *gpu = &pcie->load.gpu;

	if (way->queue.stream) {
		ct_gpu_queue_drain(&way->queue, gpu);
		ct_gpu_queue_close(&way->queue, gpu);
		CT_CUDA_QUIET(gpu->cuda, StreamDestroy, way->queue.stream);
	}
	ct_gpu_host_free(&pcie->load.gpu, way->host);
	ct_gpu_free(&pcie->load.gpu, way->device);
}

static void teardown(void *state)
{
	struct pcie *pcie = state;

	free_way(pcie, &pcie->to_device);
	free_way(pcie, &pcie->to_host);
	ct_gpu_load_close(&pcie->load);
	free(pcie);
}

/* Written once: pages of zeros could all be one page. */
static bool open_way(struct pcie *pcie, struct way *way, struct ct_error *err)
{
	if (!ct_gpu_host_alloc(&pcie->load.gpu, pcie->footprint, &way->host, &way->mapped, err) ||
	    !ct_gpu_alloc(&pcie->load.gpu, pcie->footprint, &way->device, err))
		return false;
	memset(way->host, 0x5a, pcie->footprint);
	return CT_CUDA(pcie->load.gpu.cuda, MemsetD8Async, err, way->device, 0xa5, pcie->footprint,
		       pcie->load.gpu.stream);
}

static bool open_stream(struct ct_gpu *gpu, struct way *way, struct ct_error *err)
{
	struct ct_cu_stream *stream;

	return CT_CUDA(gpu->cuda, StreamCreateWithPriority, err, &stream, CT_CU_STREAM_NON_BLOCKING,
		       gpu->priority) &&
	       ct_gpu_queue_open(&way->queue, gpu, stream, err);
}

static bool prepare(struct pcie *pcie, struct ct_error *err)
{
	struct ct_gpu *gpu = &pcie->load.gpu;
	bool good = true;

	if (pcie->direction != TO_HOST)
		good = open_way(pcie, &pcie->to_device, err);
	if (good && pcie->direction != TO_DEVICE)
		good = open_way(pcie, &pcie->to_host, err);
	if (good && pcie->direction == BOTH)
		good = open_stream(gpu, &pcie->to_device, err) &&
		       open_stream(gpu, &pcie->to_host, err);
	if (!good || !ct_gpu_finish(gpu, err))
		return ct_error_in(err, "gpu_pcie");
	return ct_gpu_load_find_size(&pcie->load, STEP, pcie->footprint, err);
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct pcie *pcie = calloc(1, sizeof *pcie);

	if (!pcie)
		return ct_broken_errno(err, "gpu_pcie: memory for its state");
	pcie->direction = (enum direction)options->direction;
	pcie->footprint = options->footprint;
	pcie->load.burst_ns = BURST_NS;
	if (ct_gpu_load_open(&pcie->load, "gpu_pcie", env, submit, err) && prepare(pcie, err)) {
		*state = pcie;
		return true;
	}
	teardown(pcie);
	return false;
}

#define FIELD(name) offsetof(struct options, name)

static const struct ct_param params[] = {
	{.name = "direction",
	 .type = CT_PARAM_CHOICE,
	 .offset = FIELD(direction),
	 .fallback = "both",
	 .choices = direction_names,
	 .help = "host to device, device to host, or both at once"},
	{.name = "footprint",
	 .type = CT_PARAM_SIZE,
	 .offset = FIELD(footprint),
	 .fallback = "64M",
	 .min = "1M",
	 .max = "16G",
	 .help = "page-locked host memory, and as much of the device's, for each direction"},
	{0}};

const struct ct_aggressor_ops ct_noise_gpu_pcie = {
	.name = "gpu_pcie",
	.summary = "fills the link between host and GPU with copies",
	.unit = "B",
	.stresses = CT_RES_PCIE | CT_RES_MEMORY | CT_RES_GPU_MEMORY,
	.params = params,
	.options_size = sizeof(struct options),
	.available = ct_gpu_available,
	.setup = setup,
	.thread_setup = ct_gpu_load_thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = teardown,
	.max_threads = 1,
};
