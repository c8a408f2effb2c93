/* SPDX-License-Identifier: Apache-2.0 */
#include "noise/gpu_load.h"

#include <math.h>

enum {
	BURST_NS = 100000,
	LONG_ENOUGH_NS = 50000, /* to size a burst by: ten times what a launch costs */
	TRIES = 3
};

bool ct_gpu_queue_open(struct ct_gpu_queue *queue, const struct ct_gpu *gpu,
		       struct ct_cu_stream *stream, struct ct_error *err)
{
	queue->stream = stream;
	for (int i = 0; i < 2; i++) {
		if (!CT_CUDA(gpu->cuda, EventCreate, err, &queue->bursts[i].done,
			     CT_CU_EVENT_NO_TIMING))
			return false;
	}
	return true;
}

void ct_gpu_queue_drain(struct ct_gpu_queue *queue, const struct ct_gpu *gpu)
{
	CT_CUDA_QUIET(gpu->cuda, StreamSynchronize, queue->stream);
	queue->bursts[0].pending = queue->bursts[1].pending = false;
}

void ct_gpu_queue_close(struct ct_gpu_queue *queue, const struct ct_gpu *gpu)
{
	for (int i = 0; i < 2; i++) {
		if (queue->bursts[i].done)
			CT_CUDA_QUIET(gpu->cuda, EventDestroy, queue->bursts[i].done);
	}
}

bool ct_gpu_queue_is_full(const struct ct_gpu_queue *queue)
{
	return queue->bursts[queue->next].pending;
}

bool ct_gpu_queue_add(struct ct_gpu_queue *queue, const struct ct_gpu *gpu, uint64_t units,
		      struct ct_error *err)
{
	if (!CT_CUDA(gpu->cuda, EventRecord, err, queue->bursts[queue->next].done, queue->stream))
		return false;
	queue->bursts[queue->next].pending = true;
	queue->bursts[queue->next].units = units;
	queue->next = 1 - queue->next;
	return true;
}

/* The older of two is over. */
static void count(struct ct_gpu_queue *queue, uint64_t *units)
{
	queue->bursts[queue->next].pending = false;
	*units += queue->bursts[queue->next].units;
}

bool ct_gpu_queue_wait(struct ct_gpu_queue *queue, const struct ct_gpu *gpu, uint64_t *units,
		       struct ct_error *err)
{
	if (!ct_gpu_queue_is_full(queue))
		return true;
	if (!CT_CUDA(gpu->cuda, EventSynchronize, err, queue->bursts[queue->next].done))
		return false;
	count(queue, units);
	return true;
}

bool ct_gpu_queue_poll(struct ct_gpu_queue *queue, const struct ct_gpu *gpu, bool *done,
		       uint64_t *units, struct ct_error *err)
{
	int status;

	*done = false;
	if (!ct_gpu_queue_is_full(queue))
		return true;
	status = gpu->cuda->EventQuery(queue->bursts[queue->next].done);
	if (status == CT_CU_NOT_READY)
		return true;
	if (!ct_cuda_good(gpu->cuda, status, "cuEventQuery", err))
		return false;
	*done = true;
	count(queue, units);
	return true;
}

bool ct_gpu_load_open(struct ct_gpu_load *load, const char *name,
		      const struct ct_aggressor_env *env, ct_gpu_submit *submit,
		      struct ct_error *err)
{
	load->name = name;
	load->env = env;
	load->submit = submit;
	if (ct_gpu_open(&load->gpu, env->gpu, env->nic, CT_CU_WAIT_SPIN, err) &&
	    ct_gpu_queue_open(&load->queue, &load->gpu, load->gpu.stream, err)) {
		*env->device = ct_gpu_json(&load->gpu);
		return true;
	}
	ct_gpu_load_close(load);
	return ct_error_in(err, "%s", name);
}

void ct_gpu_load_close(struct ct_gpu_load *load)
{
	struct ct_cuda *cuda = load->gpu.cuda;

	if (!cuda)
		return;
	CT_CUDA_QUIET(cuda, CtxSetCurrent, load->gpu.context);
	CT_CUDA_QUIET(cuda, StreamSynchronize, load->gpu.stream);
	ct_gpu_queue_close(&load->queue, &load->gpu);
	ct_gpu_close(&load->gpu);
}

/* The quickest of a few: whatever else runs on the device only adds. */
static bool time_burst(struct ct_gpu_load *load, uint64_t size, double *ns, struct ct_error *err)
{
	*ns = INFINITY;
	for (int i = 0; i < TRIES; i++) {
		uint64_t begin = ct_monotonic_ns(), units = 0;

		if (!load->submit(load, size, &units, err) || !ct_gpu_finish(&load->gpu, err))
			return false;
		*ns = fmin(*ns, (double)(ct_monotonic_ns() - begin));
	}
	return true;
}

bool ct_gpu_load_find_size(struct ct_gpu_load *load, uint64_t step, uint64_t most,
			   struct ct_error *err)
{
	uint64_t size = step;
	double ns;

	for (;;) {
		if (!time_burst(load, size, &ns, err))
			return ct_error_in(err, "%s: sizing a burst", load->name);
		if (ns >= LONG_ENOUGH_NS || 2 * size > most)
			break;
		size *= 2;
	}
	size = (uint64_t)((double)size * (load->burst_ns > 0 ? load->burst_ns : BURST_NS) / ns) /
	       step * step;
	load->size = size < step ? step : size > most ? most / step * step : size;
	return true;
}

bool ct_gpu_load_burst(void *state, uint64_t *units, struct ct_error *err)
{
	struct ct_gpu_load *load = state;
	uint64_t submitted = 0;

	return (load->submit(load, load->size, &submitted, err) &&
		ct_gpu_queue_add(&load->queue, &load->gpu, submitted, err) &&
		ct_gpu_queue_wait(&load->queue, &load->gpu, units, err)) ||
	       ct_error_in(err, "%s", load->name);
}

bool ct_gpu_load_thread_setup(void *state, unsigned thread, void **thread_state,
			      struct ct_error *err)
{
	struct ct_gpu_load *load = state;

	(void)thread;
	*thread_state = load;
	return ct_gpu_use(&load->gpu, err) || ct_error_in(err, "%s", load->name);
}

/* The last bursts end on the thread that knows them; an error has been reported by then. */
void ct_gpu_load_thread_teardown(void *state)
{
	struct ct_gpu_load *load = state;

	ct_gpu_queue_drain(&load->queue, &load->gpu);
}

unsigned ct_gpu_load_sms(const struct ct_gpu_load *load, uint64_t limit)
{
	return limit == 0 || limit > load->gpu.sms ? load->gpu.sms : (unsigned)limit;
}

bool ct_gpu_load_memory(struct ct_gpu_load *load, uint64_t bytes, ct_cu_address *address,
			struct ct_error *err)
{
	struct ct_arg_fill fill = {.elements = bytes / sizeof(uint32_t),
				   .seed = (uint32_t)load->env->seed,
				   .format = CT_FILL_U32};
	struct ct_gpu_kernel kernel;

	if (!ct_gpu_kernel(&load->gpu, "fill", ct_shape_stream(load->gpu.sms), &kernel, err) ||
	    !ct_gpu_alloc(&load->gpu, bytes, address, err))
		return false;
	fill.to = *address;
	return ct_gpu_launch(&load->gpu, &kernel, &fill, err) && ct_gpu_finish(&load->gpu, err);
}
