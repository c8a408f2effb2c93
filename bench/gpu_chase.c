/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory latency on the GPU by pointer chase: one thread follows a random ring in device memory,
 * past the L1 cache, one load after the other (mem_latency.c has the idea). A ring smaller than the
 * L2 cache measures that cache, a larger one the memory behind it. Strong loads (ld.relaxed.gpu)
 * also wait for memory barriers, and those of a neighbour in another MIG instance are known to slow
 * them while plain loads feel nothing (Behind Bars, USENIX Security 2026).
 *
 * The device times its own loads by %globaltimer; the host's time has the launch in it, spread over
 * the loads. The clocks are tied before every phase, which gives the time from submission until the
 * kernel's first instruction.
 */
#include "bench/gpu_victim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/rng.h"
#include "harness/gpu/timer.h"

enum level { LEVEL_L2, LEVEL_HBM };
static const char *const level_names[] = {"l2", "hbm", NULL};
static const char *const load_names[] = {"plain", "strong", "system", NULL};

enum {
	CHUNK = 4 << 20, /* of the ring, written to the device at a time */
	SMALLEST_HBM = 256 << 20
};

struct chase_options {
	struct gpu_victim_options common;
	int level, load;
	uint64_t working_set, stride, loads;
};

struct chase_sums {
	double delay_ns;
	uint64_t n;
};

struct chase_state {
	struct gpu_victim victim; /* first: see gpu_victim.h */
	struct ct_gpu_kernel kernel;
	struct ct_arg_chase argument;
	struct ct_gpu_tier tier;
	struct ct_gpu_tie tie;
	ct_cu_address ring;
	void *memory;
	const volatile struct ct_chase_result *result;
	struct chase_sums sums;
};

static void teardown(void *state)
{
	struct chase_state *chase = state;

	ct_gpu_tier_close(&chase->tier);
	ct_gpu_free(&chase->victim.gpu, chase->ring);
	ct_gpu_host_free(&chase->victim.gpu, chase->memory);
	gpu_victim_close(&chase->victim);
	free(chase);
}

/* A quarter of the cache is in it whatever else the GPU does; four times the cache never is. */
static uint64_t automatic_size(const struct ct_gpu *gpu, enum level level)
{
	if (level == LEVEL_L2)
		return gpu->l2_bytes / 4 > 1 << 20 ? gpu->l2_bytes / 4 : 1 << 20;
	return 4 * gpu->l2_bytes > SMALLEST_HBM ? 4 * gpu->l2_bytes : SMALLEST_HBM;
}

/* One random cycle over all nodes (Sattolo 1986): next[i] is the node behind node i. */
static uint32_t *make_cycle(uint64_t nodes, uint64_t seed)
{
	uint32_t *next = malloc(nodes * sizeof *next);
	struct ct_rng rng;

	if (!next)
		return NULL;
	ct_rng_stream(&rng, seed, 0);
	for (uint64_t i = 0; i < nodes; i++)
		next[i] = (uint32_t)i;
	for (uint64_t i = nodes - 1; i > 0; i--) {
		uint64_t j = ct_rng_below(&rng, i);
		uint32_t swap = next[i];

		next[i] = next[j];
		next[j] = swap;
	}
	return next;
}

static bool write_ring(struct chase_state *chase, const uint32_t *next, uint64_t nodes,
		       uint64_t stride, struct ct_error *err)
{
	const struct ct_cuda *cuda = chase->victim.gpu.cuda;
	uint64_t a_chunk = CHUNK / stride > 0 ? CHUNK / stride : 1;
	char *chunk = calloc(a_chunk, stride);
	bool good = chunk != NULL || ct_broken_errno(err, "memory for the ring");

	for (uint64_t first = 0; good && first < nodes; first += a_chunk) {
		uint64_t n = nodes - first < a_chunk ? nodes - first : a_chunk;

		for (uint64_t i = 0; i < n; i++) {
			uint64_t offset = next[first + i] * stride;

			memcpy(chunk + i * stride, &offset, sizeof offset);
		}
		good = CT_CUDA(cuda, MemcpyHtoD, err, chase->ring + first * stride, chunk,
			       n * stride);
	}
	free(chunk);
	return good;
}

static bool chase_once(struct chase_state *chase, struct ct_error *err)
{
	return ct_gpu_launch(&chase->victim.gpu, &chase->kernel, &chase->argument, err) &&
	       ct_gpu_finish(&chase->victim.gpu, err);
}

/* The kernel ends where the host's walk over the same ring ends. */
static bool check(struct chase_state *chase, const uint32_t *next, uint64_t stride,
		  struct ct_error *err)
{
	uint64_t node = 0;

	if (!chase_once(chase, err))
		return false;
	for (uint32_t i = 0; i < chase->argument.loads; i++)
		node = next[node];
	return chase->result->at == node * stride ||
	       ct_broken(err, "after %u loads the device was at %llu, not at %llu of the ring",
			 chase->argument.loads, (unsigned long long)chase->result->at,
			 (unsigned long long)(node * stride));
}

static bool make_ring(struct chase_state *chase, const struct chase_options *asked, uint64_t seed,
		      struct ct_error *err)
{
	uint64_t bytes = asked->working_set
				 ? asked->working_set
				 : automatic_size(&chase->victim.gpu, (enum level)asked->level);
	uint64_t nodes = bytes / asked->stride;
	uint32_t *next;
	bool good;

	if (nodes < 2 || nodes > UINT32_MAX || asked->stride % 16 != 0)
		return ct_usage(
			err,
			"working_set = %llu, stride = %llu: a ring has 2 to 2^32 nodes, and "
			"a stride is a multiple of 16",
			(unsigned long long)bytes, (unsigned long long)asked->stride);
	if (!ct_gpu_alloc(&chase->victim.gpu, nodes * asked->stride, &chase->ring, err))
		return false;
	chase->argument.base = chase->ring;
	next = make_cycle(nodes, seed);
	good = (next || ct_broken_errno(err, "memory for the ring")) &&
	       write_ring(chase, next, nodes, asked->stride, err) &&
	       check(chase, next, asked->stride, err);
	free(next);
	return good;
}

static bool prepare(struct chase_state *chase, const struct chase_options *asked,
		    struct ct_error *err)
{
	struct ct_gpu *gpu = &chase->victim.gpu;

	if (!ct_gpu_kernel(gpu, "chase", ct_shape_one(), &chase->kernel, err) ||
	    !ct_gpu_host_alloc(gpu, sizeof *chase->result, &chase->memory, &chase->argument.result,
			       err))
		return false;
	chase->result = chase->memory;
	chase->argument.loads = (uint32_t)asked->loads;
	chase->argument.load = (uint32_t)asked->load;
	return ct_gpu_tier_open(&chase->tier, gpu, chase->victim.clock, err);
}

static bool describe(struct chase_state *chase, struct ct_victim_env *env, struct ct_error *err)
{
	struct ct_gpu_timer timer;

	if (!ct_gpu_timer_measure(&chase->victim.gpu, env->clock, &timer, err))
		return false;
	ct_gpu_timer_json(&timer, env->clock, env->device);
	chase->tie = timer.tie;
	return true;
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct chase_options *asked = options;
	struct chase_state *chase = calloc(1, sizeof *chase);

	if (!chase)
		return ct_broken_errno(err, "gpu_chase: no memory for its state");
	if (!gpu_victim_open(&chase->victim, env, &asked->common, err)) {
		free(chase);
		return ct_error_in(err, "gpu_chase");
	}
	if (!prepare(chase, asked, err) || !make_ring(chase, asked, env->seed, err) ||
	    !describe(chase, env, err)) {
		teardown(chase);
		return ct_error_in(err, "gpu_chase");
	}
	env->operations_per_sample = asked->loads;
	*state = chase;
	return true;
}

/* Drift of the two clocks against each other is taken out anew with each phase. */
static void phase_begin(void *state)
{
	struct chase_state *chase = state;

	gpu_victim_phase_begin(chase);
	chase->sums = (struct chase_sums){0};
	/* A failure is the first operation's, whose context is the same. */
	(void)ct_gpu_tier_tie(&chase->tier, &chase->tie, &chase->victim.error);
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct chase_state *chase = state;
	const struct ct_clock *clock = chase->victim.clock;
	uint64_t begin = ct_ticks(clock);
	double device_ns;

	if (!chase_once(chase, &chase->victim.error))
		return false;
	*ticks = ct_ticks_end(clock) - begin;
	device_ns = (double)(chase->result->end_ns - chase->result->begin_ns);
	ct_gpu_seen_add(&chase->victim.seen, device_ns / chase->argument.loads);
	chase->sums.delay_ns +=
		(ct_gpu_tie_ticks(&chase->tie, clock, chase->result->begin_ns) - (double)begin) /
		clock->ticks_per_s * 1e9;
	chase->sums.n++;
	chase->argument.begin = chase->result->at;
	if (chase->victim.device_is_sample)
		*ticks = (uint64_t)(device_ns / 1e9 * clock->ticks_per_s);
	return true;
}

static const struct ct_counter counters[] = {
	CT_GPU_SEEN_LIST,
	{"submit_delay", "ns", "mean time from the launch by the host to the first instruction",
	 CT_COUNTER_LEVEL},
	{"clock_bracket", "ns",
	 "width of the reading that ties the clocks: the error is half of it", CT_COUNTER_LEVEL},
	{0},
};

static void read_counters(void *state, double *values)
{
	struct chase_state *chase = state;
	double *own = values + CT_GPU_SEEN_COUNTERS;

	ct_gpu_seen_read(&chase->victim.seen, values);
	own[0] = chase->sums.n ? chase->sums.delay_ns / (double)chase->sums.n : NAN;
	own[1] = (double)ct_ticks_to_ns(chase->victim.clock, chase->tie.bracket);
	chase->sums = (struct chase_sums){0};
}

static const struct ct_param params[] = {
	{.name = "level",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct chase_options, level),
	 .fallback = "l2",
	 .choices = level_names,
	 .help = "what holds the ring when working_set is 0: a quarter of the L2 cache, or memory"},
	{.name = "load",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct chase_options, load),
	 .fallback = "plain",
	 .choices = load_names,
	 .help = "weak loads, or strong ones of GPU scope or system scope, which heed barriers"},
	{.name = "working_set",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct chase_options, working_set),
	 .fallback = "0",
	 .max = "256G",
	 .help = "size of the ring; 0: as `level` says"},
	{.name = "stride",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct chase_options, stride),
	 .fallback = "128",
	 .min = "16",
	 .max = "2M",
	 .help = "one node for so many bytes; 128 is a cache line"},
	{.name = "loads",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct chase_options, loads),
	 .fallback = "4096",
	 .min = "1",
	 .max = "100000000",
	 .help = "dependent loads of one launch"},
	GPU_PARAM_WAIT(struct chase_options),
	GPU_PARAM_SEEN(struct chase_options),
	{0},
};

const struct ct_victim_ops ct_bench_gpu_chase = {
	.name = "gpu_chase",
	.summary = "dependent loads over a random ring in GPU memory: latency of its L2 or its HBM",
	.unit = "ns",
	.sample = "one dependent load, averaged over `loads` of them in one launch",
	.stresses = CT_RES_GPU_L2 | CT_RES_GPU_MEMORY | CT_RES_GPU_FRONT,
	.params = params,
	.options_size = sizeof(struct chase_options),
	.available = ct_gpu_kernels_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = gpu_victim_failure,
	.teardown = teardown,
	.phase_begin = phase_begin,
	.counters = counters,
	.read_counters = read_counters,
};
