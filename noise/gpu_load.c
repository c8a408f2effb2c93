/* SPDX-License-Identifier: Apache-2.0 */
#include "noise/gpu_load.h"

#include <math.h>

enum {
	BURST_NS = 100000,
	LONG_ENOUGH_NS = 50000, /* to size a burst by: ten times what a launch costs */
	TRIES = 3
};

static bool open_events(struct ct_gpu_load *load, struct ct_error *err)
{
	for (int i = 0; i < 2; i++) {
		if (!CT_CUDA(load->gpu.cuda, EventCreate, err, &load->bursts[i].done,
			     CT_CU_EVENT_NO_TIMING))
			return false;
	}
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
	    open_events(load, err)) {
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
	for (int i = 0; i < 2; i++) {
		if (load->bursts[i].done)
			CT_CUDA_QUIET(cuda, EventDestroy, load->bursts[i].done);
	}
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

/* Waits for that burst and counts it. */
static bool settle(struct ct_gpu_load *load, unsigned which, uint64_t *units, struct ct_error *err)
{
	if (!load->bursts[which].pending)
		return true;
	load->bursts[which].pending = false;
	if (!CT_CUDA(load->gpu.cuda, EventSynchronize, err, load->bursts[which].done))
		return ct_error_in(err, "%s", load->name);
	*units += load->bursts[which].units;
	return true;
}

bool ct_gpu_load_finish(struct ct_gpu_load *load, struct ct_error *err)
{
	uint64_t units = 0;

	return settle(load, 0, &units, err) && settle(load, 1, &units, err) &&
	       ct_gpu_finish(&load->gpu, err);
}

bool ct_gpu_load_burst(void *state, uint64_t *units, struct ct_error *err)
{
	struct ct_gpu_load *load = state;
	const unsigned now = load->next;

	if (!load->submit(load, load->size, &load->bursts[now].units, err) ||
	    !CT_CUDA(load->gpu.cuda, EventRecord, err, load->bursts[now].done, load->gpu.stream))
		return ct_error_in(err, "%s", load->name);
	load->bursts[now].pending = true;
	load->next = 1 - now;
	return settle(load, load->next, units, err);
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
	ct_gpu_load_finish(state, NULL);
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
