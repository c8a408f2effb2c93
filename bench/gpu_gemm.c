/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense matrix multiplication on the GPU: C = A * B^T, one product a sample. `backend = fixed` is
 * our own kernel, whose machine code is the same under every driver, so that an upgrade of the
 * driver is measured and not a library's other choice; `cublaslt` is what people run. Elements of
 * the first product are compared with sums in double precision before anything is measured.
 */
#include "bench/gpu_victim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/rng.h"
#include "harness/gpu/cublaslt.h"

static const char *const precision_names[] = {"fp32", "tf32", "bf16", "fp16", NULL};
enum backend { BACKEND_FIXED, BACKEND_CUBLASLT };
static const char *const backend_names[] = {"fixed", "cublaslt", NULL};

enum { CHECKED = 64, NAN_BYTE = 0xff };

struct gemm_options {
	struct gpu_victim_options common;
	int precision, backend;
	uint64_t m, n, k;
};

struct gemm_state {
	struct gpu_victim victim; /* first: see gpu_victim.h */
	enum ct_gemm_kind kind;
	struct ct_gpu_kernel kernel;
	struct ct_arg_gemm product;
	struct ct_cublaslt *cublaslt; /* NULL: our own kernel */
};

static void teardown(void *state)
{
	struct gemm_state *gemm = state;
	const struct ct_gpu *gpu = &gemm->victim.gpu;

	ct_cublaslt_close(gemm->cublaslt);
	ct_gpu_free(gpu, gemm->product.a);
	ct_gpu_free(gpu, gemm->product.b);
	ct_gpu_free(gpu, gemm->product.c);
	gpu_victim_close(&gemm->victim);
	free(gemm);
}

static bool check_sizes(const struct gemm_options *asked, struct ct_error *err)
{
	const enum ct_gemm_kind kind = (enum ct_gemm_kind)asked->precision;

	if (ct_gemm_fits(kind, (uint32_t)asked->m, (uint32_t)asked->n, (uint32_t)asked->k))
		return true;
	return ct_usage(
		err, "m = %llu, n = %llu, k = %llu: for %s they are multiples of %u, %u and %u",
		(unsigned long long)asked->m, (unsigned long long)asked->n,
		(unsigned long long)asked->k, precision_names[asked->precision],
		ct_gemm_multiple_m(kind), ct_gemm_multiple_n(kind), ct_gemm_multiple_k(kind));
}

/* ---- matrices ---- */

static bool fill(struct gemm_state *gemm, ct_cu_address to, uint64_t elements, uint32_t seed,
		 struct ct_error *err)
{
	static const uint32_t formats[] = {[CT_GEMM_FP32] = CT_FILL_FP32,
					   [CT_GEMM_TF32] = CT_FILL_FP32,
					   [CT_GEMM_BF16] = CT_FILL_BF16,
					   [CT_GEMM_FP16] = CT_FILL_FP16};
	struct ct_gpu *gpu = &gemm->victim.gpu;
	const struct ct_arg_fill argument = {to, elements, seed, formats[gemm->kind]};
	struct ct_gpu_kernel kernel;

	return ct_gpu_kernel(gpu, "fill", ct_shape_stream(gpu->sms), &kernel, err) &&
	       ct_gpu_launch(gpu, &kernel, &argument, err);
}

static bool make_matrices(struct gemm_state *gemm, uint64_t seed, struct ct_error *err)
{
	const struct ct_gpu *gpu = &gemm->victim.gpu;
	struct ct_arg_gemm *p = &gemm->product;
	const uint64_t a = (uint64_t)p->m * p->k, b = (uint64_t)p->n * p->k,
		       c = (uint64_t)p->m * p->n, bytes = ct_gemm_bytes(gemm->kind);

	/* C begins as NaN: an element that nobody writes is seen by the check. */
	return ct_gpu_alloc(gpu, a * bytes, &p->a, err) &&
	       ct_gpu_alloc(gpu, b * bytes, &p->b, err) &&
	       ct_gpu_alloc(gpu, c * bytes, &p->c, err) &&
	       fill(gemm, p->a, a, (uint32_t)seed, err) &&
	       fill(gemm, p->b, b, (uint32_t)seed + 1, err) &&
	       CT_CUDA(gpu->cuda, MemsetD8Async, err, p->c, NAN_BYTE, c * bytes, gpu->stream) &&
	       ct_gpu_finish(gpu, err);
}

/* ---- the check ---- */

static double from_fp16(uint16_t bits)
{
	const int exponent = bits >> 10 & 31;
	const double fraction = bits & 1023;
	const double sign = bits & 0x8000 ? -1 : 1;

	if (exponent == 31)
		return NAN;
	return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static double element(const void *row, uint64_t i, enum ct_gemm_kind kind)
{
	uint32_t word = 0;
	uint16_t half;
	float single;

	if (ct_gemm_bytes(kind) == 2) {
		memcpy(&half, (const char *)row + 2 * i, sizeof half);
		if (kind == CT_GEMM_FP16)
			return from_fp16(half);
		word = (uint32_t)half << 16;
	} else {
		memcpy(&word, (const char *)row + 4 * i, sizeof word);
	}
	memcpy(&single, &word, sizeof single);
	return single;
}

/* Rounding of the stored element, and of a sum of k products each below one in single precision. */
static double tolerance(enum ct_gemm_kind kind, double exact, uint32_t k)
{
	const double stored = kind == CT_GEMM_BF16   ? 1.0 / 256
			      : kind == CT_GEMM_FP16 ? 1.0 / 2048
						     : 0x1p-24;

	return fabs(exact) * stored + k * 0x1p-22;
}

static bool check_one(struct gemm_state *gemm, uint64_t row, uint64_t column, char *rows,
		      struct ct_error *err)
{
	const struct ct_cuda *cuda = gemm->victim.gpu.cuda;
	const struct ct_arg_gemm *p = &gemm->product;
	const uint64_t bytes = ct_gemm_bytes(gemm->kind), line = p->k * bytes;
	double exact = 0, got;
	uint32_t word = 0;

	if (!CT_CUDA(cuda, MemcpyDtoH, err, rows, p->a + row * line, line) ||
	    !CT_CUDA(cuda, MemcpyDtoH, err, rows + line, p->b + column * line, line) ||
	    !CT_CUDA(cuda, MemcpyDtoH, err, &word, p->c + (row * p->n + column) * bytes, bytes))
		return false;
	for (uint32_t i = 0; i < p->k; i++)
		exact += element(rows, i, gemm->kind) * element(rows + line, i, gemm->kind);
	got = element(&word, 0, gemm->kind);
	return fabs(got - exact) <= tolerance(gemm->kind, exact, p->k) ||
	       ct_broken(err, "element (%llu, %llu) of the product is %.9g, should be %.9g",
			 (unsigned long long)row, (unsigned long long)column, got, exact);
}

static bool submit(void *state)
{
	struct gemm_state *gemm = state;

	if (gemm->cublaslt)
		return ct_cublaslt_submit(gemm->cublaslt, &gemm->victim.error);
	return ct_gpu_launch(&gemm->victim.gpu, &gemm->kernel, &gemm->product, &gemm->victim.error);
}

static bool check(struct gemm_state *gemm, uint64_t seed, struct ct_error *err)
{
	const struct ct_arg_gemm *p = &gemm->product;
	char *rows = malloc(2 * (size_t)p->k * ct_gemm_bytes(gemm->kind));
	struct ct_rng rng;
	bool good = rows != NULL || ct_broken_errno(err, "memory for the check");

	ct_rng_stream(&rng, seed, 2);
	if (good && (!submit(gemm) || !ct_gpu_finish(&gemm->victim.gpu, &gemm->victim.error))) {
		*err = gemm->victim.error;
		good = false;
	}
	for (int i = 0; good && i < CHECKED; i++)
		good = check_one(gemm, ct_rng_below(&rng, p->m), ct_rng_below(&rng, p->n), rows,
				 err);
	free(rows);
	return good;
}

/* ---- */

/* Which of our kernels it is stands in the result: a build without the one for this GPU has the
 * other. */
static bool fixed_kernel(struct gemm_state *gemm, json_t *device, struct ct_error *err)
{
	struct ct_gpu *gpu = &gemm->victim.gpu;
	const uint32_t m = gemm->product.m, n = gemm->product.n;
	const char *name = ct_gemm_kernel(gemm->kind);
	struct ct_shape shape = ct_shape_gemm(gemm->kind, m, n);

	if (gpu->capability == 90 && ct_wgmma_fits(gemm->kind, gemm->product.k) &&
	    ct_gpu_kernel_present(gpu, ct_wgmma_kernel(gemm->kind))) {
		name = ct_wgmma_kernel(gemm->kind);
		shape = ct_shape_wgmma(m, n);
	}
	json_object_set_new(device, "kernel", json_string(name));
	return ct_gpu_kernel(gpu, name, shape, &gemm->kernel, err);
}

static bool prepare(struct gemm_state *gemm, const struct gemm_options *asked,
		    struct ct_victim_env *env, struct ct_error *err)
{
	struct ct_gpu *gpu = &gemm->victim.gpu;

	if (!make_matrices(gemm, env->seed, err))
		return false;
	if (asked->backend == BACKEND_FIXED)
		return fixed_kernel(gemm, env->device, err);
	gemm->cublaslt = ct_cublaslt_open(gpu, gemm->kind, &gemm->product, err);
	if (gemm->cublaslt)
		json_object_set_new(env->device, "cublaslt",
				    json_integer((json_int_t)ct_cublaslt_version(gemm->cublaslt)));
	return gemm->cublaslt != NULL;
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct gemm_options *asked = options;
	struct gemm_state *gemm;

	if (!check_sizes(asked, err))
		return false;
	gemm = calloc(1, sizeof *gemm);
	if (!gemm)
		return ct_broken_errno(err, "gpu_gemm: no memory for its state");
	gemm->kind = (enum ct_gemm_kind)asked->precision;
	gemm->product = (struct ct_arg_gemm){
		.m = (uint32_t)asked->m, .n = (uint32_t)asked->n, .k = (uint32_t)asked->k};
	if (!gpu_victim_open(&gemm->victim, env, &asked->common, err)) {
		free(gemm);
		return ct_error_in(err, "gpu_gemm");
	}
	if (!prepare(gemm, asked, env, err) || !check(gemm, env->seed, err)) {
		teardown(gemm);
		return ct_error_in(err, "gpu_gemm");
	}
	*state = gemm;
	return true;
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct gemm_state *gemm = state;

	return gpu_victim_sample(&gemm->victim, submit, gemm, ticks);
}

#define SIZE_PARAM(field, text)                                                                  \
	{                                                                                        \
		.name = #field, .type = CT_PARAM_COUNT,                                          \
		.offset = offsetof(struct gemm_options, field), .fallback = "2048", .min = "16", \
		.max = "65536", .help = text                                                     \
	}

static const struct ct_param params[] = {
	{.name = "precision",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct gemm_options, precision),
	 .fallback = "bf16",
	 .choices = precision_names,
	 .help = "of the elements; sums are kept in fp32"},
	{.name = "backend",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct gemm_options, backend),
	 .fallback = "fixed",
	 .choices = backend_names,
	 .help = "our kernel, the same under every driver, or NVIDIA's cuBLASLt"},
	SIZE_PARAM(m, "rows of A and of the product"),
	SIZE_PARAM(n, "rows of B, columns of the product"),
	SIZE_PARAM(k, "columns of A and of B: the length of a sum"),
	GPU_PARAM_WAIT(struct gemm_options),
	GPU_PARAM_SEEN(struct gemm_options),
	GPU_PARAM_EVERY(struct gemm_options, "1"),
	{0},
};

const struct ct_victim_ops ct_bench_gpu_gemm = {
	.name = "gpu_gemm",
	.summary = "matrix multiplication on the GPU, by our fixed kernel or by cuBLASLt",
	.unit = "ns",
	.sample = "one product of m by k and k by n until the host knows that it is over",
	.stresses =
		CT_RES_GPU_SM | CT_RES_GPU_L2 | CT_RES_GPU_MEMORY | CT_RES_GPU_FRONT | CT_RES_POWER,
	.params = params,
	.options_size = sizeof(struct gemm_options),
	.available = ct_gpu_kernels_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = gpu_victim_failure,
	.teardown = teardown,
	.phase_begin = gpu_victim_phase_begin,
	.counters = gpu_victim_counters,
	.read_counters = gpu_victim_read_counters,
};
