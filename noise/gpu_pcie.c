/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the link between host and GPU with copies from or to page-locked memory, or both ways at
 * the same time, each on a stream and so on a copy engine of its own, neither waiting for the
 * other. Near the GPU it loads the link; from another socket also what connects the sockets. Bytes
 * of both directions are counted.
 */
#include "noise/aggressors.h"

#include <stdlib.h>
#include <string.h>

#include "noise/gpu_load.h"

enum direction { TO_DEVICE, TO_HOST, BOTH };
enum {
	STEP = 64 << 10,
	/* Between two copies the link rests for some 2 us. */
	BURST_NS = 250000
};

static const char *const direction_names[] = {"h2d", "d2h", "both", NULL};

/* One way: its ends, how far it has come, and for `both` its own stream. */
struct way {
	void *host;
	ct_cu_address device, mapped;
	uint64_t at;
	struct ct_cu_stream *stream;
	struct ct_cu_event *done;
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

/* The load's stream, on which a burst counts as done, waits for what this way has been given. */
static bool join(struct pcie *pcie, struct way *way, struct ct_error *err)
{
	struct ct_cuda *cuda = pcie->load.gpu.cuda;

	return CT_CUDA(cuda, EventRecord, err, way->done, way->stream) &&
	       CT_CUDA(cuda, StreamWaitEvent, err, pcie->load.gpu.stream, way->done, 0);
}

/* Neither way waits for the other: the quicker one goes on with the next burst. */
static bool copy_both(struct pcie *pcie, uint64_t bytes, struct ct_error *err)
{
	return copy_to_device(pcie, bytes, pcie->to_device.stream, err) &&
	       copy_to_host(pcie, bytes, pcie->to_host.stream, err) &&
	       join(pcie, &pcie->to_device, err) && join(pcie, &pcie->to_host, err);
}

static bool submit(struct ct_gpu_load *load, uint64_t size, uint64_t *units, struct ct_error *err)
{
	struct pcie *pcie = (struct pcie *)load;

	*units = pcie->direction == BOTH ? 2 * size : size;
	switch (pcie->direction) {
	case TO_DEVICE:
		return copy_to_device(pcie, size, load->gpu.stream, err);
	case TO_HOST:
		return copy_to_host(pcie, size, load->gpu.stream, err);
	case BOTH:
		break;
	}
	return copy_both(pcie, size, err);
}

static void free_way(struct pcie *pcie, struct way *way)
{
	struct ct_cuda *cuda = pcie->load.gpu.cuda;

	if (way->stream)
		CT_CUDA_QUIET(cuda, StreamDestroy, way->stream);
	if (way->done)
		CT_CUDA_QUIET(cuda, EventDestroy, way->done);
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
	return CT_CUDA(gpu->cuda, StreamCreateWithPriority, err, &way->stream,
		       CT_CU_STREAM_NON_BLOCKING, gpu->priority) &&
	       CT_CUDA(gpu->cuda, EventCreate, err, &way->done, CT_CU_EVENT_NO_TIMING);
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
	.burst = ct_gpu_load_burst,
	.thread_teardown = ct_gpu_load_thread_teardown,
	.teardown = teardown,
	.max_threads = 1,
};
