/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/gpu_victim.h"

const char *const gpu_wait_names[] = {"spin", "yield", "block", NULL};
const char *const gpu_seen_names[] = {"host", "device", NULL};

const struct ct_counter gpu_victim_counters[] = {CT_GPU_SEEN_LIST, {0}};

static bool make_events(struct gpu_victim *victim, struct ct_error *err)
{
	const struct ct_cuda *cuda = victim->gpu.cuda;

	return CT_CUDA(cuda, EventCreate, err, &victim->begin, CT_CU_EVENT_DEFAULT) &&
	       CT_CUDA(cuda, EventCreate, err, &victim->end, CT_CU_EVENT_DEFAULT);
}

bool gpu_victim_open(struct gpu_victim *victim, struct ct_victim_env *env,
		     const struct gpu_victim_options *options, struct ct_error *err)
{
	static const enum ct_cu_wait waits[] = {CT_CU_WAIT_SPIN, CT_CU_WAIT_YIELD,
						CT_CU_WAIT_BLOCK};

	victim->clock = env->clock;
	victim->device_is_sample = options->seen == GPU_SEEN_BY_DEVICE;
	victim->every = victim->device_is_sample ? 1 : options->device_every;
	victim->left = victim->every;
	if (!ct_gpu_open(&victim->gpu, env->gpu, env->nic, waits[options->wait], err))
		return false;
	if (ct_gpu_seen_init(&victim->seen, err) && make_events(victim, err)) {
		env->device = ct_gpu_json(&victim->gpu);
		return true;
	}
	gpu_victim_close(victim);
	return false;
}

void gpu_victim_close(struct gpu_victim *victim)
{
	const struct ct_cuda *cuda = victim->gpu.cuda;

	if (victim->begin)
		CT_CUDA_QUIET(cuda, EventDestroy, victim->begin);
	if (victim->end)
		CT_CUDA_QUIET(cuda, EventDestroy, victim->end);
	ct_gpu_seen_free(&victim->seen);
	ct_gpu_close(&victim->gpu);
}

bool gpu_victim_between_events(struct gpu_victim *victim, gpu_submit submit, void *state,
			       uint64_t *ticks)
{
	const struct ct_gpu *gpu = &victim->gpu;
	struct ct_error *err = &victim->error;
	uint64_t begin = ct_ticks(victim->clock);
	float ms = 0;

	if (!CT_CUDA(gpu->cuda, EventRecord, err, victim->begin, gpu->stream) || !submit(state) ||
	    !CT_CUDA(gpu->cuda, EventRecord, err, victim->end, gpu->stream) ||
	    !ct_gpu_finish(gpu, err))
		return false;
	*ticks = ct_ticks_end(victim->clock) - begin;
	if (!CT_CUDA(gpu->cuda, EventElapsedTime, err, &ms, victim->begin, victim->end))
		return false;
	ct_gpu_seen_add(&victim->seen, (double)ms * 1e6);
	if (victim->device_is_sample)
		*ticks = (uint64_t)((double)ms / 1e3 * victim->clock->ticks_per_s);
	return true;
}

void gpu_victim_failure(void *state, struct ct_error *err)
{
	const struct gpu_victim *victim = state;

	*err = victim->error;
}

void gpu_victim_read_counters(void *state, double *values)
{
	struct gpu_victim *victim = state;

	ct_gpu_seen_read(&victim->seen, values);
}

void gpu_victim_phase_begin(void *state)
{
	struct gpu_victim *victim = state;

	ct_gpu_seen_clear(&victim->seen);
}
