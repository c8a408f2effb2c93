/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written for the eye, not for speed. Sums are kept in double where the kernel's order of additions
 * is not defined, so a kernel differs from this by its own rounding only.
 */
#include "kernels/reference.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "kernels/number.h"

#define ADDRESS(type, address) ((type *)(uintptr_t)(address))

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t threads_of(struct ct_shape shape)
{
	return (uint64_t)shape.grid_x * shape.block;
}

/* ---- basic ---- */

static void run_empty(struct ct_shape shape, const void *argument)
{
	(void)shape;
	(void)argument;
}

static void run_timer(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_timer *arg = argument;
	uint64_t *out = ADDRESS(uint64_t, arg->out), last = 0;

	(void)shape;
	for (uint32_t i = 0; i < arg->readings; i++) {
		while ((out[i] = now_ns()) == last)
			;
		last = out[i];
	}
}

static float fill_value(uint64_t i, uint32_t seed)
{
	return (float)((int)(ct_fill_bits(i, seed) >> 24) - 128) / 128.0f;
}

static void run_fill(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_fill *arg = argument;

	(void)shape;
	for (uint64_t i = 0; i < arg->elements; i++) {
		const float value = fill_value(i, arg->seed);

		if (arg->format == CT_FILL_U32)
			ADDRESS(uint32_t, arg->to)[i] = ct_fill_bits(i, arg->seed);
		else if (arg->format == CT_FILL_FP32)
			ADDRESS(float, arg->to)[i] = value;
		else if (arg->format == CT_FILL_BF16)
			ADDRESS(uint16_t, arg->to)[i] = ct_to_bf16(value);
		else
			ADDRESS(uint16_t, arg->to)[i] = ct_to_fp16(value);
	}
}

/* ---- time ---- */

/* As many steps of the same dependent arithmetic; the result goes where nobody can leave it out. */
static void spin_work(uint32_t steps)
{
	volatile float kept;
	float x = 0;

	for (uint64_t i = 0; i < (uint64_t)steps * CT_SPIN_STEP; i++)
		x = fmaf(x, 0.75f, 0.5f);
	kept = x;
	(void)kept;
}

/* Blocks run side by side on a GPU: quantum after quantum here, so that readers see all advance. */
static void run_spin(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_spin *arg = argument;
	const volatile uint32_t *stop = ADDRESS(const volatile uint32_t, arg->stop);

	for (uint32_t q = 0; q < arg->quanta; q++) {
		const bool last = stop && *stop;

		for (uint32_t block = 0; block < shape.grid_x; block++) {
			volatile struct ct_spin_quantum *slot =
				ADDRESS(volatile struct ct_spin_quantum, arg->out) +
				(uint64_t)block * arg->ring + q % arg->ring;
			const uint64_t begin = now_ns();
			uint64_t took;

			spin_work(arg->work);
			took = now_ns() - begin;
			slot->begin_ns = CT_SPIN_WORD(q + 1, begin);
			slot->took_ns = CT_SPIN_WORD(q + 1, took);
			slot->cycles = CT_SPIN_WORD(q + 1, took);
		}
		if (last)
			return;
	}
}

static void run_chase(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_chase *arg = argument;
	struct ct_chase_result *result = ADDRESS(struct ct_chase_result, arg->result);
	uint64_t at = arg->begin;

	(void)shape;
	result->begin_ns = now_ns();
	for (uint32_t i = 0; i < arg->loads; i++)
		at = *ADDRESS(const volatile uint64_t, arg->base + at);
	result->end_ns = now_ns();
	result->at = at;
	result->cycles = result->end_ns - result->begin_ns;
}

/* ---- linear algebra ---- */

static float element(enum ct_gemm_kind kind, uint64_t matrix, uint64_t i)
{
	switch (kind) {
	case CT_GEMM_FP32:
		return ADDRESS(const float, matrix)[i];
	case CT_GEMM_TF32:
		return ct_to_tf32(ADDRESS(const float, matrix)[i]);
	case CT_GEMM_BF16:
		return ct_from_bf16(ADDRESS(const uint16_t, matrix)[i]);
	case CT_GEMM_FP16:
		return ct_from_fp16(ADDRESS(const uint16_t, matrix)[i]);
	}
	return NAN;
}

static void keep(enum ct_gemm_kind kind, uint64_t matrix, uint64_t i, float value)
{
	if (kind == CT_GEMM_BF16)
		ADDRESS(uint16_t, matrix)[i] = ct_to_bf16(value);
	else if (kind == CT_GEMM_FP16)
		ADDRESS(uint16_t, matrix)[i] = ct_to_fp16(value);
	else
		ADDRESS(float, matrix)[i] = value;
}

static void gemm(enum ct_gemm_kind kind, struct ct_shape shape, const void *argument)
{
	const struct ct_arg_gemm *arg = argument;
	const unsigned tiles = ct_shape_gemm(kind, arg->m, arg->n).grid_x;
	const uint64_t rows =
		shape.grid_x < tiles ? (uint64_t)arg->m * shape.grid_x / tiles : arg->m;

	for (uint64_t i = 0; i < rows; i++) {
		for (uint64_t j = 0; j < arg->n; j++) {
			double sum = 0;

			for (uint64_t l = 0; l < arg->k; l++)
				sum += (double)element(kind, arg->a, i * arg->k + l) *
				       (double)element(kind, arg->b, j * arg->k + l);
			keep(kind, arg->c, i * arg->n + j, (float)sum);
		}
	}
}

static void run_gemm_fp32(struct ct_shape shape, const void *argument)
{
	gemm(CT_GEMM_FP32, shape, argument);
}

static void run_gemm_tf32(struct ct_shape shape, const void *argument)
{
	gemm(CT_GEMM_TF32, shape, argument);
}

static void run_gemm_bf16(struct ct_shape shape, const void *argument)
{
	gemm(CT_GEMM_BF16, shape, argument);
}

static void run_gemm_fp16(struct ct_shape shape, const void *argument)
{
	gemm(CT_GEMM_FP16, shape, argument);
}

static void run_gemv(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_gemv *arg = argument;
	const float *x = ADDRESS(const float, arg->x);
	const uint16_t *w = ADDRESS(const uint16_t, arg->w);

	(void)shape;
	for (uint64_t row = 0; row < arg->batch; row++) {
		for (uint64_t j = 0; j < arg->n; j++) {
			double sum = 0;

			for (uint64_t l = 0; l < arg->k; l++)
				sum += (double)x[row * arg->k + l] *
				       (double)ct_from_bf16(w[j * arg->k + l]);
			ADDRESS(float, arg->y)[row * arg->n + j] = (float)sum;
		}
	}
}

static void run_rmsnorm(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_rows *arg = argument;
	const float *weight = ADDRESS(const float, arg->weight);

	(void)shape;
	for (uint64_t row = 0; row < arg->rows; row++) {
		const float *x = ADDRESS(const float, arg->x) + row * arg->n;
		float *y = ADDRESS(float, arg->y) + row * arg->n;
		double sum = 0, scale;

		for (uint32_t i = 0; i < arg->n; i++)
			sum += (double)x[i] * (double)x[i];
		scale = 1 / sqrt(sum / arg->n + 1e-5);
		for (uint32_t i = 0; i < arg->n; i++)
			y[i] = (float)((double)x[i] * scale * (double)weight[i]);
	}
}

static void run_softmax(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_rows *arg = argument;

	(void)shape;
	for (uint64_t row = 0; row < arg->rows; row++) {
		const float *x = ADDRESS(const float, arg->x) + row * arg->n;
		float *y = ADDRESS(float, arg->y) + row * arg->n;
		double sum = 0, most = -INFINITY;

		for (uint32_t i = 0; i < arg->n; i++)
			most = fmax(most, (double)x[i]);
		for (uint32_t i = 0; i < arg->n; i++)
			sum += exp((double)x[i] - most);
		for (uint32_t i = 0; i < arg->n; i++)
			y[i] = (float)(exp((double)x[i] - most) / sum);
	}
}

/* ---- streams ---- */

static void run_read(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_stream *arg = argument;
	const volatile uint64_t *from = ADDRESS(const volatile uint64_t, arg->from);
	uint64_t seen = 0;

	(void)shape;
	for (uint32_t round = 0; round < arg->rounds; round++) {
		for (uint64_t i = 0; i < 2 * arg->vectors; i++)
			seen ^= from[i];
	}
	*ADDRESS(uint64_t, arg->result) ^= seen;
}

static void run_write(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_stream *arg = argument;
	volatile uint64_t *to = ADDRESS(volatile uint64_t, arg->to);

	(void)shape;
	for (uint32_t round = 0; round < arg->rounds; round++) {
		for (uint64_t i = 0; i < 2 * arg->vectors; i++)
			to[i] = arg->value;
	}
}

static void run_copy(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_stream *arg = argument;

	(void)shape;
	for (uint32_t round = 0; round < arg->rounds; round++)
		memcpy(ADDRESS(void, arg->to), ADDRESS(const void, arg->from), 16 * arg->vectors);
}

static void run_add(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_add *arg = argument;
	const float *a = ADDRESS(const float, arg->a), *b = ADDRESS(const float, arg->b);

	(void)shape;
	for (uint64_t i = 0; i < arg->elements; i++)
		ADDRESS(float, arg->out)[i] = a[i] + b[i];
}

/* ---- loops ---- */

static void run_fma(struct ct_shape shape, const void *argument)
{
	enum { CHAINS = 8 };
	const struct ct_arg_loop *arg = argument;
	const uint64_t steps = (uint64_t)arg->iterations * (CT_FMA_PER_ITERATION / CHAINS);

	for (uint64_t thread = 0; thread < threads_of(shape); thread++) {
		const float b = fill_value(thread, 1);
		float sum = 0;

		for (int c = 0; c < CHAINS; c++) {
			float x = (float)c;

			for (uint64_t i = 0; i < steps; i++)
				x = fmaf(x, 0.75f, b);
			sum += x;
		}
		ADDRESS(float, arg->result)[thread] = sum;
	}
}

static void run_sfu(struct ct_shape shape, const void *argument)
{
	enum { CHAINS = 4 };
	const struct ct_arg_loop *arg = argument;
	const uint64_t steps = (uint64_t)arg->iterations * (CT_SFU_PER_ITERATION / CHAINS);

	for (uint64_t thread = 0; thread < threads_of(shape); thread++) {
		double sum = 0;

		for (int c = 0; c < CHAINS; c++) {
			double x = 2 + c + (double)fill_value(thread, 2);

			for (uint64_t i = 0; i < steps; i++)
				x = 1 / sqrt(x);
			sum += x;
		}
		ADDRESS(float, arg->result)[thread] = (float)sum;
	}
}

/* One output of A * B of tensor_loop in loops.cu. */
static double tensor_output(uint32_t m, uint32_t n)
{
	double sum = 0;

	for (uint32_t k = 0; k < 16; k++)
		sum += (double)fill_value(16 * m + k, 3) * (double)fill_value(256 + 16 * n + k, 3);
	return sum;
}

/* What a thread of that lane sums up. Products come and go with the sign of A. */
static float tensor_sum(uint32_t lane, uint32_t iterations)
{
	const uint32_t row = lane / 4, column = lane % 4 * 2;
	double sum = 0;

	for (uint32_t i = 0; iterations % 2 == 1 && i < 4; i++)
		sum += CT_MMA_PER_ITERATION * tensor_output(row + i / 2 * 8, column + i % 2);
	for (int c = 0; c < CT_MMA_PER_ITERATION; c++)
		sum += 4 * c;
	return (float)sum;
}

/*
 * The sum is known without the loop, but a launch with twice the iterations must also take twice
 * the time: whoever sizes launches by the clock does so with the stand-in too.
 */
static void tensor_work(uint64_t warps, uint32_t iterations)
{
	const uint64_t steps = warps * iterations * CT_MMA_PER_ITERATION * 16 / CT_SPIN_STEP;

	for (uint64_t i = 0; i < steps; i++)
		spin_work(1);
}

static void run_tensor(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_loop *arg = argument;

	tensor_work(threads_of(shape) / 32, arg->iterations);
	for (uint64_t thread = 0; thread < threads_of(shape); thread++)
		ADDRESS(float, arg->result)
	[thread] = tensor_sum(thread % 32, arg->iterations);
}

static void run_atomics(struct ct_shape shape, const void *argument)
{
	const struct ct_arg_atomics *arg = argument;

	for (uint64_t thread = 0; thread < threads_of(shape); thread++) {
		for (uint64_t i = 0; i < arg->iterations; i++) {
			const uint64_t counter = (thread + i * 97) % arg->counters;

			(*ADDRESS(uint32_t, arg->base + counter * arg->stride))++;
		}
	}
}

/* ---- by name ---- */

/* Kernels whose reference has another name. */
#define run_hbm_read   run_read
#define run_hbm_write  run_write
#define run_hbm_copy   run_copy
#define run_l2_sweep   run_read
#define run_wgmma_tf32 run_gemm_tf32
#define run_wgmma_bf16 run_gemm_bf16
#define run_wgmma_fp16 run_gemm_fp16
#define run_sm_fma     run_fma
#define run_sm_tensor  run_tensor
#define run_sm_sfu     run_sfu

const struct ct_reference *ct_reference_find(const char *name)
{
#define ENTRY(name, argument) {#name, sizeof(argument), run_##name},
	static const struct ct_reference all[] = {CT_KERNELS(ENTRY) CT_KERNELS_90(ENTRY)};
#undef ENTRY

	if (strncmp(name, "ct_", 3) == 0)
		name += 3;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	}
	return NULL;
}
