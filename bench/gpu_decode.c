/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One decode step of a transformer: what an LLM server does per token. Small matrix-vector products
 * that read every weight once (so device memory bounds them), reductions between them, copies, some
 * hundred of them one behind the other; recorded once as a CUDA graph and launched as a whole, as
 * servers do. A sample is one token: from the launch of the graph until the host has the result.
 *
 * It is the arithmetic of a decode step with random weights, not a model: per layer normalisation,
 * query, key and value, attention over a cache of `context` tokens, projection, and a feed-forward
 * part of four times the width; at the end the product with the vocabulary.
 */
#include "bench/gpu_victim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	FEED_FORWARD = 4, /* its width over the hidden one */
	GRAIN = 16,       /* sizes are multiples, as the products want them */
	RESULT = 16       /* probabilities that go to the host */
};

struct decode_options {
	struct gpu_victim_options common;
	uint64_t layers, hidden, context, vocabulary, batch;
};

/* Sizes in elements, and where in which allocation something lies. */
struct decode_state {
	struct gpu_victim victim; /* first: see gpu_victim.h */
	struct ct_gpu_kernel gemv, rmsnorm, softmax;
	uint32_t layers, hidden, context, vocabulary, batch;
	ct_cu_address weights; /* bf16: all layers, then the vocabulary */
	uint64_t layer_weights;
	ct_cu_address norm;      /* float: weights of the normalisations */
	ct_cu_address embedding; /* float: what every token begins with */
	ct_cu_address x, y, z;   /* float: batch times the widest row */
	ct_cu_address scores, logits, cache;
	void *result; /* page-locked, RESULT floats */
	struct ct_cu_graph_exec *graph;
};

static void teardown(void *state)
{
	struct decode_state *d = state;
	const struct ct_gpu *gpu = &d->victim.gpu;
	const ct_cu_address all[] = {d->weights, d->norm,   d->embedding, d->x,    d->y,
				     d->z,       d->scores, d->logits,    d->cache};

	if (d->graph)
		CT_CUDA_QUIET(gpu->cuda, GraphExecDestroy, d->graph);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		ct_gpu_free(gpu, all[i]);
	ct_gpu_host_free(gpu, d->result);
	gpu_victim_close(&d->victim);
	free(d);
}

/* ---- memory ---- */

static bool fill(struct decode_state *d, ct_cu_address to, uint64_t elements, uint32_t seed,
		 enum ct_fill_format format, struct ct_error *err)
{
	struct ct_gpu *gpu = &d->victim.gpu;
	const struct ct_arg_fill argument = {to, elements, seed, format};
	struct ct_gpu_kernel kernel;

	return ct_gpu_kernel(gpu, "fill", ct_shape_stream(gpu->sms), &kernel, err) &&
	       ct_gpu_launch(gpu, &kernel, &argument, err);
}

static bool make_memory(struct decode_state *d, uint32_t seed, struct ct_error *err)
{
	const struct ct_gpu *gpu = &d->victim.gpu;
	const uint64_t h = d->hidden;
	const uint64_t row = sizeof(float) * d->batch;
	const uint64_t all = d->layers * d->layer_weights + d->vocabulary * h;
	ct_cu_address result;

	return ct_gpu_alloc(gpu, all * 2, &d->weights, err) &&
	       ct_gpu_alloc(gpu, h * sizeof(float), &d->norm, err) &&
	       ct_gpu_alloc(gpu, row * h, &d->embedding, err) &&
	       ct_gpu_alloc(gpu, row * FEED_FORWARD * h, &d->x, err) &&
	       ct_gpu_alloc(gpu, row * FEED_FORWARD * h, &d->y, err) &&
	       ct_gpu_alloc(gpu, row * FEED_FORWARD * h, &d->z, err) &&
	       ct_gpu_alloc(gpu, row * d->context, &d->scores, err) &&
	       ct_gpu_alloc(gpu, row * d->vocabulary, &d->logits, err) &&
	       ct_gpu_alloc(gpu, row * 2 * h * d->layers, &d->cache, err) &&
	       ct_gpu_host_alloc(gpu, RESULT * sizeof(float), &d->result, &result, err) &&
	       fill(d, d->weights, all, seed, CT_FILL_BF16, err) &&
	       fill(d, d->norm, h, seed + 1, CT_FILL_FP32, err) &&
	       fill(d, d->embedding, h * d->batch, seed + 2, CT_FILL_FP32, err) &&
	       ct_gpu_finish(gpu, err);
}

/* ---- the step ---- */

/* y = W x; the weights behind those that were used before. */
static bool product(struct decode_state *d, ct_cu_address x, ct_cu_address *weights,
		    ct_cu_address y, uint32_t k, uint32_t n)
{
	const struct ct_arg_gemv argument = {
		.x = x, .w = *weights, .y = y, .n = n, .k = k, .batch = d->batch};

	*weights += 2 * (uint64_t)n * k;
	d->gemv.shape = ct_shape_gemv(n);
	return ct_gpu_launch(&d->victim.gpu, &d->gemv, &argument, &d->victim.error);
}

static bool rows(struct decode_state *d, const struct ct_gpu_kernel *kernel, ct_cu_address x,
		 ct_cu_address y, uint32_t n)
{
	const struct ct_arg_rows argument = {
		.x = x, .weight = d->norm, .y = y, .rows = d->batch, .n = n};

	return ct_gpu_launch(&d->victim.gpu, kernel, &argument, &d->victim.error);
}

static bool copy(struct decode_state *d, ct_cu_address to, ct_cu_address from, uint64_t n)
{
	const struct ct_gpu *gpu = &d->victim.gpu;

	return CT_CUDA(gpu->cuda, MemcpyDtoDAsync, &d->victim.error, to, from, n * sizeof(float),
		       gpu->stream);
}

/* x goes in and comes out; y and z are room. */
static bool layer(struct decode_state *d, uint32_t i)
{
	const uint32_t h = d->hidden;
	const uint64_t kept = 2ull * h * d->batch;
	ct_cu_address w = d->weights + i * d->layer_weights * 2;

	return rows(d, &d->rmsnorm, d->x, d->y, h) && product(d, d->y, &w, d->x, h, h) &&
	       product(d, d->y, &w, d->z, h, 2 * h) &&
	       copy(d, d->cache + i * kept * sizeof(float), d->z, kept) &&
	       product(d, d->x, &w, d->scores, h, d->context) &&
	       rows(d, &d->softmax, d->scores, d->scores, d->context) &&
	       product(d, d->scores, &w, d->y, d->context, h) && product(d, d->y, &w, d->x, h, h) &&
	       rows(d, &d->rmsnorm, d->x, d->y, h) &&
	       product(d, d->y, &w, d->z, h, FEED_FORWARD * h) &&
	       product(d, d->z, &w, d->x, FEED_FORWARD * h, h);
}

static bool step(struct decode_state *d)
{
	const struct ct_gpu *gpu = &d->victim.gpu;
	ct_cu_address w = d->weights + d->layers * d->layer_weights * 2;

	if (!copy(d, d->x, d->embedding, (uint64_t)d->hidden * d->batch))
		return false;
	for (uint32_t i = 0; i < d->layers; i++) {
		if (!layer(d, i))
			return false;
	}
	return rows(d, &d->rmsnorm, d->x, d->y, d->hidden) &&
	       product(d, d->y, &w, d->logits, d->hidden, d->vocabulary) &&
	       rows(d, &d->softmax, d->logits, d->logits, d->vocabulary) &&
	       CT_CUDA(gpu->cuda, MemcpyDtoHAsync, &d->victim.error, d->result, d->logits,
		       RESULT * sizeof(float), gpu->stream);
}

/* A capture that has begun is ended, also when a call in it failed. */
static bool record(struct decode_state *d, struct ct_error *err)
{
	const struct ct_gpu *gpu = &d->victim.gpu;
	struct ct_cu_graph *graph = NULL;
	bool stepped, good;

	if (!CT_CUDA(gpu->cuda, StreamBeginCapture, err, gpu->stream, CT_CU_CAPTURE_THREAD_LOCAL))
		return false;
	stepped = step(d);
	if (!stepped)
		*err = d->victim.error;
	good = CT_CUDA(gpu->cuda, StreamEndCapture, stepped ? err : NULL, gpu->stream, &graph) &&
	       stepped && CT_CUDA(gpu->cuda, GraphInstantiateWithFlags, err, &d->graph, graph, 0) &&
	       CT_CUDA(gpu->cuda, GraphUpload, err, d->graph, gpu->stream) &&
	       ct_gpu_finish(gpu, err);
	if (graph)
		CT_CUDA_QUIET(gpu->cuda, GraphDestroy, graph);
	return good;
}

static bool submit(void *state)
{
	struct decode_state *d = state;
	const struct ct_gpu *gpu = &d->victim.gpu;

	return CT_CUDA(gpu->cuda, GraphLaunch, &d->victim.error, d->graph, gpu->stream);
}

/* ---- the check ---- */

/* All probabilities of one step. */
static float *probabilities(struct decode_state *d, bool by_graph, struct ct_error *err)
{
	const struct ct_gpu *gpu = &d->victim.gpu;
	const size_t bytes = (size_t)d->vocabulary * d->batch * sizeof(float);
	float *all = malloc(bytes);

	if (!all) {
		ct_broken_errno(err, "memory for the check");
		return NULL;
	}
	if (CT_CUDA(gpu->cuda, MemsetD8Async, &d->victim.error, d->logits, 0xff, bytes,
		    gpu->stream) &&
	    (by_graph ? submit(d) : step(d)) && ct_gpu_finish(gpu, &d->victim.error) &&
	    CT_CUDA(gpu->cuda, MemcpyDtoH, &d->victim.error, all, d->logits, bytes))
		return all;
	*err = d->victim.error;
	free(all);
	return NULL;
}

static bool sum_is_one(const float *row, uint32_t n, struct ct_error *err)
{
	double sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += row[i];
	return fabs(sum - 1) < 1e-3 ||
	       ct_broken(err, "the probabilities of a step add up to %g, should be 1", sum);
}

static bool same(const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return false;
	}
	return true;
}

/* The graph does what its parts do, and its end is a distribution. */
static bool check(struct decode_state *d, struct ct_error *err)
{
	float *parts = probabilities(d, false, err);
	float *whole = parts ? probabilities(d, true, err) : NULL;
	const size_t n = (size_t)d->vocabulary * d->batch;
	bool good = whole != NULL;

	for (uint32_t b = 0; good && b < d->batch; b++)
		good = sum_is_one(parts + (size_t)b * d->vocabulary, d->vocabulary, err);
	/* Bit by bit: the same kernels add in the same order. */
	if (good && (!same(parts, whole, n) || !same(d->result, whole, RESULT)))
		good = ct_broken(err, "the graph has another result than its parts");
	free(parts);
	free(whole);
	return good;
}

/* ---- */

static bool check_sizes(const struct decode_options *asked, struct ct_error *err)
{
	if (asked->hidden % GRAIN == 0 && asked->context % GRAIN == 0 &&
	    asked->vocabulary % GRAIN == 0)
		return true;
	return ct_usage(err, "hidden, context and vocabulary are multiples of %d", GRAIN);
}

static bool prepare(struct decode_state *d, uint64_t seed, struct ct_error *err)
{
	struct ct_gpu *gpu = &d->victim.gpu;

	return ct_gpu_kernel(gpu, "gemv", ct_shape_gemv(d->hidden), &d->gemv, err) &&
	       ct_gpu_kernel(gpu, "rmsnorm", ct_shape_rows(d->batch), &d->rmsnorm, err) &&
	       ct_gpu_kernel(gpu, "softmax", ct_shape_rows(d->batch), &d->softmax, err) &&
	       make_memory(d, (uint32_t)seed, err) && record(d, err) && check(d, err);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct decode_options *asked = options;
	const uint64_t h = asked->hidden;
	struct decode_state *d;

	if (!check_sizes(asked, err))
		return false;
	d = calloc(1, sizeof *d);
	if (!d)
		return ct_broken_errno(err, "gpu_decode: no memory for its state");
	d->layers = (uint32_t)asked->layers;
	d->hidden = (uint32_t)h;
	d->context = (uint32_t)asked->context;
	d->vocabulary = (uint32_t)asked->vocabulary;
	d->batch = (uint32_t)asked->batch;
	/* Query, key, value and projection; both sides of the cache; the feed-forward part. */
	d->layer_weights = 4 * h * h + 2 * asked->context * h + 2 * h * FEED_FORWARD * h;
	if (!gpu_victim_open(&d->victim, env, &asked->common, err)) {
		free(d);
		return ct_error_in(err, "gpu_decode");
	}
	if (!prepare(d, env->seed, err)) {
		teardown(d);
		return ct_error_in(err, "gpu_decode");
	}
	env->bytes_per_operation = 2 * (d->layers * d->layer_weights + asked->vocabulary * h);
	*state = d;
	return true;
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct decode_state *d = state;

	return gpu_victim_sample(&d->victim, submit, d, ticks);
}

static const struct ct_param params[] = {
	{.name = "layers",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct decode_options, layers),
	 .fallback = "8",
	 .min = "1",
	 .max = "256",
	 .help = "layers, each with weights of its own"},
	{.name = "hidden",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct decode_options, hidden),
	 .fallback = "2048",
	 .min = "16",
	 .max = "32768",
	 .help = "width of a token"},
	{.name = "context",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct decode_options, context),
	 .fallback = "1024",
	 .min = "16",
	 .max = "1048576",
	 .help = "tokens in the cache that attention reads"},
	{.name = "vocabulary",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct decode_options, vocabulary),
	 .fallback = "32000",
	 .min = "16",
	 .max = "1048576",
	 .help = "tokens to choose from"},
	{.name = "batch",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct decode_options, batch),
	 .fallback = "1",
	 .min = "1",
	 .max = "8",
	 .help = "sequences that are decoded together"},
	GPU_PARAM_WAIT(struct decode_options),
	GPU_PARAM_SEEN(struct decode_options),
	GPU_PARAM_EVERY(struct decode_options, "1"),
	{0},
};

const struct ct_victim_ops ct_bench_gpu_decode = {
	.name = "gpu_decode",
	.summary = "one decode step of a language model as a CUDA graph: latency per token",
	.unit = "ns",
	.sample = "one token: a launch of the graph until the host has the result",
	.stresses =
		CT_RES_GPU_MEMORY | CT_RES_GPU_L2 | CT_RES_GPU_SM | CT_RES_GPU_FRONT | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct decode_options),
	.available = ct_gpu_kernels_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = gpu_victim_failure,
	.teardown = teardown,
	.phase_begin = gpu_victim_phase_begin,
	.counters = gpu_victim_counters,
	.read_counters = gpu_victim_read_counters,
};
_Static_assert(CT_GEMV_BATCH >= 8, "the limit of `batch`");
