/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/number.h"
#include "kernels/reference.h"

/* ---- the reference as a side: device memory is a list of blocks ---- */

struct block {
	struct block *next;
	_Alignas(64) char bytes[];
};

static bool reference_alloc(void *self, size_t bytes, uint64_t *address)
{
	struct block **first = self;
	struct block *block = aligned_alloc(64, (sizeof *block + bytes + 63) / 64 * 64);

	if (!block)
		return false;
	block->next = *first;
	*first = block;
	*address = (uint64_t)(uintptr_t)block->bytes;
	return true;
}

static bool reference_put(void *self, uint64_t to, const void *from, size_t bytes)
{
	(void)self;
	memcpy((void *)(uintptr_t)to, from, bytes);
	return true;
}

static bool reference_get(void *self, void *to, uint64_t from, size_t bytes)
{
	(void)self;
	memcpy(to, (const void *)(uintptr_t)from, bytes);
	return true;
}

static bool reference_launch(void *self, const char *kernel, struct ct_shape shape,
			     const void *argument)
{
	const struct ct_reference *reference = ct_reference_find(kernel);

	(void)self;
	if (reference)
		reference->run(shape, argument);
	return reference != NULL;
}

static void reference_free(void *self)
{
	struct block **first = self;

	while (*first) {
		struct block *next = (*first)->next;

		free(*first);
		*first = next;
	}
}

struct check_side check_reference(unsigned sms)
{
	static struct block *blocks;

	return (struct check_side){reference_alloc,
				   reference_put,
				   reference_get,
				   reference_launch,
				   reference_free,
				   &blocks,
				   sms};
}

/* ---- what cases share ---- */

static float value(uint64_t i, uint32_t seed)
{
	return (float)((int)(ct_fill_bits(i, seed) >> 24) - 128) / 128.0f;
}

static bool make(const struct check_side *side, const void *from, size_t bytes, uint64_t *address)
{
	return side->alloc(side->self, bytes, address) &&
	       side->put(side->self, *address, from, bytes);
}

static bool make_zero(const struct check_side *side, size_t bytes, uint64_t *address)
{
	void *zeros = calloc(1, bytes);
	bool good = zeros && make(side, zeros, bytes, address);

	free(zeros);
	return good;
}

static bool launch(const struct check_side *side, const char *kernel, struct ct_shape shape,
		   const void *argument)
{
	return side->launch(side->self, kernel, shape, argument);
}

/* Values of that format: values in [-1, 1), as `fill` makes them. */
static bool make_values(const struct check_side *side, enum ct_gemm_kind kind, uint32_t seed,
			size_t n, uint64_t *address)
{
	const size_t bytes = n * ct_gemm_bytes(kind);
	void *values = malloc(bytes);
	bool good;

	for (size_t i = 0; values && i < n; i++) {
		const float x = value(i, seed);

		if (kind == CT_GEMM_BF16)
			((uint16_t *)values)[i] = ct_to_bf16(x);
		else if (kind == CT_GEMM_FP16)
			((uint16_t *)values)[i] = ct_to_fp16(x);
		else
			((float *)values)[i] = x;
	}
	good = values && make(side, values, bytes, address);
	free(values);
	return good;
}

static bool get_values(const struct check_side *side, enum ct_gemm_kind kind, uint64_t from,
		       size_t n, double *out)
{
	const size_t bytes = n * ct_gemm_bytes(kind);
	void *values = malloc(bytes);
	bool good = values && side->get(side->self, values, from, bytes);

	for (size_t i = 0; good && i < n; i++)
		out[i] = kind == CT_GEMM_BF16   ? (double)ct_from_bf16(((uint16_t *)values)[i])
			 : kind == CT_GEMM_FP16 ? (double)ct_from_fp16(((uint16_t *)values)[i])
						: (double)((float *)values)[i];
	free(values);
	return good;
}

/* 32-bit words as numbers. */
static bool get_words(const struct check_side *side, uint64_t from, size_t n, double *out)
{
	uint32_t *words = malloc(n * sizeof *words);
	bool good = words && side->get(side->self, words, from, n * sizeof *words);

	for (size_t i = 0; good && i < n; i++)
		out[i] = words[i];
	free(words);
	return good;
}

/* ---- the cases ---- */

static bool case_empty(const struct check_side *side, double *out, size_t *n)
{
	const struct ct_arg_empty arg = {0};

	out[0] = 1;
	*n = 1;
	return launch(side, "empty", ct_shape(3, 2, 64, 0), &arg);
}

static bool case_timer(const struct check_side *side, double *out, size_t *n)
{
	enum { READINGS = 16 };
	struct ct_arg_timer arg = {.readings = READINGS};
	uint64_t seen[READINGS];

	if (!make_zero(side, sizeof seen, &arg.out) ||
	    !launch(side, "timer", ct_shape_one(), &arg) ||
	    !side->get(side->self, seen, arg.out, sizeof seen))
		return false;
	for (int i = 0; i + 1 < READINGS; i++)
		out[i] = seen[i] > 0 && seen[i + 1] > seen[i];
	*n = READINGS - 1;
	return true;
}

static bool fill(const struct check_side *side, uint32_t format, size_t bytes, double *out,
		 size_t *n)
{
	enum { ELEMENTS = 5000 };
	struct ct_arg_fill arg = {.elements = ELEMENTS, .seed = 9, .format = format};

	*n = ELEMENTS * bytes / 4;
	return make_zero(side, ELEMENTS * bytes, &arg.to) &&
	       launch(side, "fill", ct_shape_stream(1), &arg) && get_words(side, arg.to, *n, out);
}

static bool case_fill_u32(const struct check_side *side, double *out, size_t *n)
{
	return fill(side, CT_FILL_U32, 4, out, n);
}

static bool case_fill_fp32(const struct check_side *side, double *out, size_t *n)
{
	return fill(side, CT_FILL_FP32, 4, out, n);
}

static bool case_fill_bf16(const struct check_side *side, double *out, size_t *n)
{
	return fill(side, CT_FILL_BF16, 2, out, n);
}

static bool case_fill_fp16(const struct check_side *side, double *out, size_t *n)
{
	return fill(side, CT_FILL_FP16, 2, out, n);
}

static bool case_spin(const struct check_side *side, double *out, size_t *n)
{
	enum { BLOCKS = 2, RING = 3, QUANTA = 7, WORK = 4000 };
	enum { LEAST = WORK * CT_SPIN_STEP / 4 };
	struct ct_spin_quantum slots[BLOCKS * RING];
	struct ct_arg_spin arg = {.quanta = QUANTA, .ring = RING, .work = WORK};

	if (!make_zero(side, sizeof slots, &arg.out) ||
	    !launch(side, "spin", ct_shape_spin(BLOCKS), &arg) ||
	    !side->get(side->self, slots, arg.out, sizeof slots))
		return false;
	for (int i = 0; i < BLOCKS * RING; i++) {
		out[4 * i] = CT_SPIN_NUMBER(slots[i].begin_ns);
		out[4 * i + 1] = CT_SPIN_NUMBER(slots[i].took_ns);
		out[4 * i + 2] = CT_SPIN_NUMBER(slots[i].cycles);
		/* Work that the compiler left out takes no time. */
		out[4 * i + 3] = CT_SPIN_VALUE(slots[i].cycles) > LEAST &&
				 CT_SPIN_VALUE(slots[i].took_ns) > 0;
	}
	*n = 4 * BLOCKS * RING;
	return true;
}

static bool chase(const struct check_side *side, uint32_t load, double *out, size_t *n)
{
	enum { LINKS = 64 };
	uint64_t links[LINKS];
	struct ct_chase_result result;
	struct ct_arg_chase arg = {.loads = 45, .load = load, .begin = 24};

	/* 21 and 64 have no common factor: one ring through all. */
	for (uint64_t i = 0; i < LINKS; i++)
		links[i] = (i + 21) % LINKS * sizeof links[0];
	if (!make(side, links, sizeof links, &arg.base) ||
	    !make_zero(side, sizeof result, &arg.result) ||
	    !launch(side, "chase", ct_shape_one(), &arg) ||
	    !side->get(side->self, &result, arg.result, sizeof result))
		return false;
	out[0] = (double)result.at;
	out[1] = result.end_ns >= result.begin_ns;
	*n = 2;
	return true;
}

static bool case_chase_plain(const struct check_side *side, double *out, size_t *n)
{
	return chase(side, CT_CHASE_PLAIN, out, n);
}

static bool case_chase_gpu(const struct check_side *side, double *out, size_t *n)
{
	return chase(side, CT_CHASE_GPU, out, n);
}

static bool case_chase_sys(const struct check_side *side, double *out, size_t *n)
{
	return chase(side, CT_CHASE_SYS, out, n);
}

/* Two tiles, not square, and more of k than all stages together hold. */
static bool gemm(const struct check_side *side, enum ct_gemm_kind kind, double *out, size_t *n)
{
	const uint32_t m = ct_gemm_multiple_m(kind), k = 7 * ct_gemm_multiple_k(kind);
	const uint32_t columns = 2 * ct_gemm_multiple_n(kind);
	struct ct_arg_gemm arg = {.m = m, .n = columns, .k = k};

	*n = (size_t)m * columns;
	return make_values(side, kind, 5, (size_t)m * k, &arg.a) &&
	       make_values(side, kind, 6, (size_t)columns * k, &arg.b) &&
	       make_zero(side, *n * ct_gemm_bytes(kind), &arg.c) &&
	       launch(side, ct_gemm_kernel(kind), ct_shape_gemm(kind, m, columns), &arg) &&
	       get_values(side, kind, arg.c, *n, out);
}

static bool case_gemm_fp32(const struct check_side *side, double *out, size_t *n)
{
	return gemm(side, CT_GEMM_FP32, out, n);
}

static bool case_gemm_tf32(const struct check_side *side, double *out, size_t *n)
{
	return gemm(side, CT_GEMM_TF32, out, n);
}

static bool case_gemm_bf16(const struct check_side *side, double *out, size_t *n)
{
	return gemm(side, CT_GEMM_BF16, out, n);
}

static bool case_gemm_fp16(const struct check_side *side, double *out, size_t *n)
{
	return gemm(side, CT_GEMM_FP16, out, n);
}

/* Nine tiles of m: the last group of tiles is not full. */
static bool case_gemm_tall(const struct check_side *side, double *out, size_t *n)
{
	const enum ct_gemm_kind kind = CT_GEMM_BF16;
	struct ct_arg_gemm arg = {.m = 9 * CT_GEMM_TILE_M, .n = 512, .k = 32};
	double *all = malloc((size_t)arg.m * arg.n * sizeof *all);
	bool good = all && make_values(side, kind, 5, (size_t)arg.m * arg.k, &arg.a) &&
		    make_values(side, kind, 6, (size_t)arg.n * arg.k, &arg.b) &&
		    make_zero(side, (size_t)arg.m * arg.n * 2, &arg.c) &&
		    launch(side, "gemm_bf16", ct_shape_gemm(kind, arg.m, arg.n), &arg) &&
		    get_values(side, kind, arg.c, (size_t)arg.m * arg.n, all);

	/* Every 31st: some of each tile. */
	*n = (size_t)arg.m * arg.n / 31;
	for (size_t i = 0; good && i < *n; i++)
		out[i] = all[31 * i];
	free(all);
	return good;
}

/* Five stages, one more than there are buffers. */
static bool wgmma(const struct check_side *side, enum ct_gemm_kind kind, double *out, size_t *n)
{
	const uint32_t m = 2 * ct_gemm_multiple_m(kind), columns = 2 * ct_gemm_multiple_n(kind);
	const uint32_t k = 5 * CT_WGMMA_STAGE_BYTES / ct_gemm_bytes(kind);
	struct ct_arg_gemm arg = {.m = m, .n = columns, .k = k};

	*n = (size_t)m * columns;
	return make_values(side, kind, 5, (size_t)m * k, &arg.a) &&
	       make_values(side, kind, 6, (size_t)columns * k, &arg.b) &&
	       make_zero(side, *n * ct_gemm_bytes(kind), &arg.c) &&
	       launch(side, ct_wgmma_kernel(kind), ct_shape_wgmma(m, columns), &arg) &&
	       get_values(side, kind, arg.c, *n, out);
}

static bool case_wgmma_tf32(const struct check_side *side, double *out, size_t *n)
{
	return wgmma(side, CT_GEMM_TF32, out, n);
}

static bool case_wgmma_bf16(const struct check_side *side, double *out, size_t *n)
{
	return wgmma(side, CT_GEMM_BF16, out, n);
}

static bool case_wgmma_fp16(const struct check_side *side, double *out, size_t *n)
{
	return wgmma(side, CT_GEMM_FP16, out, n);
}

static bool case_gemv(const struct check_side *side, double *out, size_t *n)
{
	struct ct_arg_gemv arg = {.n = 37, .k = 520, .batch = 3};

	*n = (size_t)arg.batch * arg.n;
	return make_values(side, CT_GEMM_FP32, 1, (size_t)arg.batch * arg.k, &arg.x) &&
	       make_values(side, CT_GEMM_BF16, 2, (size_t)arg.n * arg.k, &arg.w) &&
	       make_zero(side, *n * 4, &arg.y) &&
	       launch(side, "gemv", ct_shape_gemv(arg.n), &arg) &&
	       get_values(side, CT_GEMM_FP32, arg.y, *n, out);
}

static bool rows(const struct check_side *side, const char *kernel, double *out, size_t *n)
{
	struct ct_arg_rows arg = {.rows = 3, .n = 1000};

	*n = (size_t)arg.rows * arg.n;
	return make_values(side, CT_GEMM_FP32, 1, *n, &arg.x) &&
	       make_values(side, CT_GEMM_FP32, 2, arg.n, &arg.weight) &&
	       make_zero(side, *n * 4, &arg.y) &&
	       launch(side, kernel, ct_shape_rows(arg.rows), &arg) &&
	       get_values(side, CT_GEMM_FP32, arg.y, *n, out);
}

static bool case_rmsnorm(const struct check_side *side, double *out, size_t *n)
{
	return rows(side, "rmsnorm", out, n);
}

static bool case_softmax(const struct check_side *side, double *out, size_t *n)
{
	return rows(side, "softmax", out, n);
}

/* A number of vectors that no shape divides; three rounds. */
static bool stream(const struct check_side *side, const char *kernel, double *out, size_t *n)
{
	enum { VECTORS = 9973 };
	struct ct_arg_stream arg = {.vectors = VECTORS, .rounds = 3, .value = 0x0123456789abcdefu};

	*n = 4 * VECTORS + 2;
	return make_values(side, CT_GEMM_FP32, 3, 4 * VECTORS, &arg.from) &&
	       make_zero(side, 16 * (VECTORS + 1), &arg.to) && make_zero(side, 8, &arg.result) &&
	       launch(side, kernel, ct_shape_stream(1), &arg) &&
	       get_words(side, arg.result, 2, out) && get_words(side, arg.to, 4 * VECTORS, out + 2);
}

static bool case_hbm_read(const struct check_side *side, double *out, size_t *n)
{
	return stream(side, "hbm_read", out, n);
}

static bool case_hbm_write(const struct check_side *side, double *out, size_t *n)
{
	return stream(side, "hbm_write", out, n);
}

static bool case_hbm_copy(const struct check_side *side, double *out, size_t *n)
{
	return stream(side, "hbm_copy", out, n);
}

static bool case_l2_sweep(const struct check_side *side, double *out, size_t *n)
{
	return stream(side, "l2_sweep", out, n);
}

/* From the second float on, so that nothing lies on 16 bytes; the sum takes the place of one. */
static bool case_add(const struct check_side *side, double *out, size_t *n)
{
	enum { ELEMENTS = 5003 };
	const struct ct_shape shape = ct_shape_add(1, ELEMENTS);
	struct ct_arg_add arg = {.elements = ELEMENTS};
	uint64_t a, b;

	*n = ELEMENTS + 2;
	if (!make_values(side, CT_GEMM_FP32, 3, ELEMENTS + 2, &a) ||
	    !make_values(side, CT_GEMM_FP32, 4, ELEMENTS + 2, &b))
		return false;
	arg.out = arg.a = a + sizeof(float);
	arg.b = b + sizeof(float);
	return launch(side, "add", shape, &arg) && get_values(side, CT_GEMM_FP32, a, *n, out);
}

static bool loop(const struct check_side *side, const char *kernel, uint32_t iterations,
		 double *out, size_t *n)
{
	const struct ct_shape shape = ct_shape_loop(1);
	struct ct_arg_loop arg = {.iterations = iterations};

	*n = (size_t)shape.grid_x * shape.block;
	return make_zero(side, *n * 4, &arg.result) && launch(side, kernel, shape, &arg) &&
	       get_values(side, CT_GEMM_FP32, arg.result, *n, out);
}

static bool case_sm_fma(const struct check_side *side, double *out, size_t *n)
{
	return loop(side, "sm_fma", 3, out, n);
}

static bool case_sm_tensor(const struct check_side *side, double *out, size_t *n)
{
	return loop(side, "sm_tensor", 5, out, n);
}

static bool case_sm_sfu(const struct check_side *side, double *out, size_t *n)
{
	return loop(side, "sm_sfu", 1, out, n);
}

static bool case_atomics(const struct check_side *side, double *out, size_t *n)
{
	struct ct_arg_atomics arg = {.counters = 301, .stride = 12, .iterations = 5};

	*n = (size_t)arg.counters * 3;
	return make_zero(side, *n * 4, &arg.base) &&
	       launch(side, "atomics", ct_shape_loop(1), &arg) &&
	       get_words(side, arg.base, *n, out);
}

/* Sums of k terms in fp32 differ by some 2^-24 a term; the result is then rounded to its format. */
const struct check_case check_cases[] = {{"empty", case_empty, 0, 0},
					 {"timer", case_timer, 0, 0},
					 {"fill u32", case_fill_u32, 0, 0},
					 {"fill fp32", case_fill_fp32, 0, 0},
					 {"fill bf16", case_fill_bf16, 0, 0},
					 {"fill fp16", case_fill_fp16, 0, 0},
					 {"spin", case_spin, 0, 0},
					 {"chase plain", case_chase_plain, 0, 0},
					 {"chase gpu", case_chase_gpu, 0, 0},
					 {"chase sys", case_chase_sys, 0, 0},
					 {"gemm_fp32", case_gemm_fp32, 1e-6, 1e-5},
					 {"gemm_tf32", case_gemm_tf32, 1e-6, 1e-5},
					 {"gemm_bf16", case_gemm_bf16, 0x1p-8, 1e-5},
					 {"gemm_fp16", case_gemm_fp16, 0x1p-10, 1e-5},
					 {"gemm_bf16 tall", case_gemm_tall, 0x1p-8, 1e-5},
					 {"wgmma_tf32", case_wgmma_tf32, 1e-6, 1e-5},
					 {"wgmma_bf16", case_wgmma_bf16, 0x1p-8, 1e-5},
					 {"wgmma_fp16", case_wgmma_fp16, 0x1p-10, 1e-5},
					 {"gemv", case_gemv, 1e-6, 2e-5},
					 {"rmsnorm", case_rmsnorm, 1e-6, 1e-6},
					 {"softmax", case_softmax, 2e-6, 1e-9},
					 {"hbm_read", case_hbm_read, 0, 0},
					 {"hbm_write", case_hbm_write, 0, 0},
					 {"hbm_copy", case_hbm_copy, 0, 0},
					 {"l2_sweep", case_l2_sweep, 0, 0},
					 {"add", case_add, 0, 0},
					 {"sm_fma", case_sm_fma, 1e-6, 0},
					 {"sm_tensor", case_sm_tensor, 1e-6, 0},
					 {"sm_sfu", case_sm_sfu, 1e-5, 0},
					 {"atomics", case_atomics, 0, 0},
					 {NULL, NULL, 0, 0}};

static double worst(const struct check_case *one, const double *expected, const double *got,
		    size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++) {
		const double allowed = one->absolute + one->relative * fabs(expected[i]);
		const double off = fabs(expected[i] - got[i]);

		if (off <= allowed)
			most = fmax(most, allowed > 0 ? off / allowed : 0);
		else
			most = fmax(most, allowed > 0 && isfinite(off) ? off / allowed : 1e9);
	}
	return most;
}

double check_run(const struct check_case *one, const struct check_side *reference,
		 const struct check_side *tested)
{
	double *expected = calloc(CHECK_MOST, sizeof *expected);
	double *got = calloc(CHECK_MOST, sizeof *got);
	size_t n = 0, n_got = 0;
	double result = -1;

	if (expected && got && one->run(reference, expected, &n) && one->run(tested, got, &n_got) &&
	    n == n_got && n > 0)
		result = worst(one, expected, got, n);
	reference->free_all(reference->self);
	tested->free_all(tested->self);
	free(expected);
	free(got);
	return result;
}
