/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time stolen from the multiprocessors: the GPU's own osnoise (Linux Documentation/trace/
 * osnoise-tracer.rst has the idea). A kernel stays on the GPU, one block a multiprocessor; each
 * does the same arithmetic again and again, on registers alone, and writes when each quantum began
 * and ended into memory of the host, which reads along. A sample is the time from the end of one
 * quantum to the end of the next on the same multiprocessor, by %globaltimer: a preemption, a
 * context switch to another process and a lower clock all show, wherever in it they fall.
 *
 * The kernel runs in sessions that end by themselves; none is left behind by a process that is
 * killed. Between two sessions there is a launch, and no sample.
 */
#include "bench/gpu_victim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/gpu/timer.h"

enum {
	RING = 256,  /* quanta of a multiprocessor that the host may be behind */
	POLLS = 4096 /* looks at all rings without a new quantum, until the driver is asked */
};

struct spin_options {
	struct gpu_victim_options common;
	uint64_t work, session;
};

/* Counted since the open epoch began. */
struct spin_sums {
	double ns, cycles, gap_max;
	uint64_t missed;
};

struct spin_state {
	struct gpu_victim victim; /* first: see gpu_victim.h */
	struct ct_gpu_kernel kernel;
	struct ct_arg_spin argument;
	const volatile struct ct_spin_quantum *ring; /* `blocks` times RING of them */
	struct ct_cu_stream *control; /* beside the kernel: for the word that ends it */
	ct_cu_address stop_word;
	void *memory;
	size_t ring_bytes;
	uint32_t *read;     /* of each block: the last quantum that was read */
	uint64_t *last_end; /* ... and when it ended, as in a slot; 0: not known */
	unsigned blocks, at;
	const atomic_bool *stop;
	struct spin_sums sums;
};

/* Every multiprocessor ends with the quantum that it is at, or the next one. */
static bool stop_kernel(struct spin_state *spin, struct ct_error *err)
{
	const struct ct_gpu *gpu = &spin->victim.gpu;

	return CT_CUDA(gpu->cuda, MemsetD8Async, err, spin->stop_word, 1, sizeof(uint32_t),
		       spin->control) &&
	       CT_CUDA(gpu->cuda, StreamSynchronize, err, gpu->stream);
}

static void teardown(void *state)
{
	struct spin_state *spin = state;
	const struct ct_gpu *gpu = &spin->victim.gpu;

	/* The ring must not go while the kernel writes to it: if it can't be told to end, it ends
	 * by itself with its session. On a lost context all of this fails at once. */
	if (spin->control) {
		CT_CUDA_QUIET(gpu->cuda, MemsetD8Async, spin->stop_word, 1, sizeof(uint32_t),
			      spin->control);
		CT_CUDA_QUIET(gpu->cuda, StreamSynchronize, gpu->stream);
		CT_CUDA_QUIET(gpu->cuda, StreamDestroy, spin->control);
	}
	ct_gpu_free(gpu, spin->stop_word);
	ct_gpu_host_free(gpu, spin->memory);
	gpu_victim_close(&spin->victim);
	free(spin->read);
	free(spin->last_end);
	free(spin);
}

/* The stream is idle: nobody writes. */
static bool launch(struct spin_state *spin, struct ct_error *err)
{
	const struct ct_gpu *gpu = &spin->victim.gpu;

	memset(spin->memory, 0, spin->ring_bytes);
	memset(spin->read, 0, spin->blocks * sizeof *spin->read);
	memset(spin->last_end, 0, spin->blocks * sizeof *spin->last_end);
	return CT_CUDA(gpu->cuda, MemsetD8Async, err, spin->stop_word, 0, sizeof(uint32_t),
		       gpu->stream) &&
	       ct_gpu_launch(gpu, &spin->kernel, &spin->argument, err);
}

static bool make_ring(struct spin_state *spin, const struct spin_options *asked,
		      struct ct_error *err)
{
	struct ct_gpu *gpu = &spin->victim.gpu;
	ct_cu_address device;

	spin->blocks = spin->victim.gpu.sms;
	spin->ring_bytes = (size_t)spin->blocks * RING * sizeof(struct ct_spin_quantum);
	spin->read = calloc(spin->blocks, sizeof *spin->read);
	spin->last_end = calloc(spin->blocks, sizeof *spin->last_end);
	if (!spin->read || !spin->last_end)
		return ct_broken_errno(err, "memory for the multiprocessors' rings");
	if (!ct_gpu_host_alloc(gpu, spin->ring_bytes, &spin->memory, &device, err) ||
	    !ct_gpu_alloc(gpu, sizeof(uint32_t), &spin->stop_word, err) ||
	    !CT_CUDA(gpu->cuda, StreamCreateWithPriority, err, &spin->control,
		     CT_CU_STREAM_NON_BLOCKING, gpu->priority))
		return false;
	spin->ring = spin->memory;
	spin->argument = (struct ct_arg_spin){.out = device,
					      .stop = spin->stop_word,
					      .quanta = (uint32_t)asked->session,
					      .ring = RING,
					      .work = (uint32_t)asked->work};
	return ct_gpu_kernel(gpu, "spin", ct_shape_spin(spin->blocks), &spin->kernel, err);
}

/* What is read of a clock whose step is not known is worth nothing: the step is in the result. */
static bool measure_timer(struct spin_state *spin, struct ct_victim_env *env, struct ct_error *err)
{
	struct ct_gpu_timer timer;

	if (!ct_gpu_timer_measure(&spin->victim.gpu, env->clock, &timer, err))
		return false;
	ct_gpu_timer_json(&timer, env->clock, env->device);
	return true;
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct spin_options *asked = options;
	struct spin_state *spin = calloc(1, sizeof *spin);

	if (!spin)
		return ct_broken_errno(err, "gpu_spin: no memory for its state");
	spin->stop = env->stop;
	if (!gpu_victim_open(&spin->victim, env, &asked->common, err)) {
		free(spin);
		return ct_error_in(err, "gpu_spin");
	}
	if (!make_ring(spin, asked, err) || !measure_timer(spin, env, err)) {
		teardown(spin);
		return ct_error_in(err, "gpu_spin");
	}
	*state = spin;
	return true;
}

/* Ends the session that runs, and begins one of which everything is new. */
static bool new_session(struct spin_state *spin)
{
	return stop_kernel(spin, &spin->victim.error) && launch(spin, &spin->victim.error);
}

static void phase_begin(void *state)
{
	struct spin_state *spin = state;

	spin->sums = (struct spin_sums){0};
	/* A failure is the first operation's: that one is asked for its reason. */
	(void)new_session(spin);
}

/* The number of the quantum that is in the slot, which is `expected` or that of a later round of
 * the ring; 0: none yet, or it is being written. The words are read one by one: see kernels.h. */
static uint32_t written(const volatile struct ct_spin_quantum *slot, uint32_t expected,
			struct ct_spin_quantum *copy)
{
	uint32_t ahead;

	copy->begin_ns = slot->begin_ns;
	copy->took_ns = slot->took_ns;
	copy->cycles = slot->cycles;
	ahead = (CT_SPIN_NUMBER(copy->begin_ns) - expected) & 0xffff;
	/* In the other half: what the round before left there. */
	if (copy->begin_ns == 0 || ahead >= 0x8000 ||
	    CT_SPIN_NUMBER(copy->took_ns) != CT_SPIN_NUMBER(copy->begin_ns) ||
	    CT_SPIN_NUMBER(copy->cycles) != CT_SPIN_NUMBER(copy->begin_ns))
		return 0;
	return expected + ahead;
}

/* Takes the next unread quantum of a block; false: there is none yet. */
static bool take(struct spin_state *spin, unsigned block, double *ns)
{
	const uint32_t number = spin->read[block] + 1;
	struct ct_spin_quantum quantum;
	const uint32_t found =
		written(&spin->ring[(size_t)block * RING + (number - 1) % RING], number, &quantum);
	const uint64_t took = CT_SPIN_VALUE(quantum.took_ns);
	uint64_t gap = CT_SPIN_VALUE(quantum.begin_ns - spin->last_end[block]);

	if (!found)
		return false;
	spin->sums.ns += (double)took;
	spin->sums.cycles += (double)CT_SPIN_VALUE(quantum.cycles);
	/* The device was a whole ring ahead: the quanta between are gone, and so is the interval.
	 */
	spin->sums.missed += found - number;
	if (found != number || !spin->last_end[block])
		gap = 0;
	spin->read[block] = found;
	spin->last_end[block] = CT_SPIN_VALUE(quantum.begin_ns + took);
	spin->sums.gap_max = fmax(spin->sums.gap_max, (double)gap);
	*ns = (double)(gap + took);
	return true;
}

/* All quanta are read and the device is done: the next session. Else it has to be waited for. */
static bool go_on(struct spin_state *spin)
{
	const struct ct_gpu *gpu = &spin->victim.gpu;
	int status = gpu->cuda->StreamQuery(gpu->stream);

	if (atomic_load_explicit(spin->stop, memory_order_relaxed))
		return ct_broken(&spin->victim.error, "stopped");
	if (status == CT_CU_NOT_READY)
		return true;
	return ct_cuda_good(gpu->cuda, status, "cuStreamQuery", &spin->victim.error) &&
	       launch(spin, &spin->victim.error);
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct spin_state *spin = state;

	for (unsigned polls = 1;; polls++) {
		for (unsigned i = 0; i < spin->blocks; i++) {
			unsigned block = spin->at;
			double ns;

			spin->at = block + 1 < spin->blocks ? block + 1 : 0;
			if (!take(spin, block, &ns))
				continue;
			*ticks = (uint64_t)(ns / 1e9 * spin->victim.clock->ticks_per_s);
			return true;
		}
		if (polls % POLLS == 0 && !go_on(spin))
			return false;
	}
}

static const struct ct_counter counters[] = {
	{"sm_clock", "Hz", "clock of the multiprocessors: cycles of all quanta over their time",
	 CT_COUNTER_LEVEL},
	{"gap_max", "ns", "longest pause between two quanta of a multiprocessor", CT_COUNTER_LEVEL},
	{"missed", "1", "quanta that the host was too late to read", CT_COUNTER_LEVEL},
	{0},
};

static void read_counters(void *state, double *values)
{
	struct spin_state *spin = state;

	values[0] = spin->sums.ns > 0 ? spin->sums.cycles / spin->sums.ns * 1e9 : NAN;
	values[1] = spin->sums.gap_max;
	values[2] = (double)spin->sums.missed;
	spin->sums = (struct spin_sums){0};
}

static const struct ct_param params[] = {
	{.name = "work",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct spin_options, work),
	 .fallback = "768",
	 .min = "1",
	 .max = "10000000",
	 .help = "length of a quantum in steps of 64 dependent multiply-adds; 768 take about 100 "
		 "us"},
	{.name = "session",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct spin_options, session),
	 .fallback = "5000",
	 .min = "2",
	 .max = "1000000",
	 .help = "quanta until the kernel ends and is launched anew"},
	GPU_PARAM_WAIT(struct spin_options),
	{0},
};

const struct ct_victim_ops ct_bench_gpu_spin = {
	.name = "gpu_spin",
	.summary = "time stolen from the multiprocessors by whoever else runs on them",
	.unit = "ns",
	.sample = "one quantum of fixed arithmetic on one multiprocessor, from the end of the one "
		  "before, timed by the device",
	.stresses = CT_RES_GPU_SM | CT_RES_GPU_FRONT | CT_RES_POWER,
	.params = params,
	.options_size = sizeof(struct spin_options),
	.available = ct_gpu_kernels_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = gpu_victim_failure,
	.teardown = teardown,
	.phase_begin = phase_begin,
	.counters = counters,
	.read_counters = read_counters,
};
