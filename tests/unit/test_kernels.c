/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU reference of every CUDA kernel against computations that are as plain as they can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/image.h"
#include "kernels/number.h"
#include "kernels/reference.h"

static uint64_t address(const void *memory)
{
	return (uint64_t)(uintptr_t)memory;
}

static void run(const char *name, struct ct_shape shape, const void *argument, size_t size)
{
	const struct ct_reference *reference = ct_reference_find(name);

	assert_non_null(reference);
	assert_int_equal(reference->argument_size, size);
	reference->run(shape, argument);
}

#define RUN(name, shape, ...)                                          \
	do {                                                           \
		run(name, shape, &(__VA_ARGS__), sizeof(__VA_ARGS__)); \
	} while (0)

static void every_kernel_has_a_reference(void **state)
{
	(void)state;
#define CHECK(kernel, argument)                                                                 \
	do {                                                                                    \
		assert_non_null(ct_reference_find(#kernel));                                    \
		assert_ptr_equal(ct_reference_find(#kernel), ct_reference_find("ct_" #kernel)); \
		assert_string_equal(ct_reference_find(#kernel)->name, #kernel);                 \
	} while (0);
	CT_KERNELS(CHECK)
#undef CHECK
	assert_null(ct_reference_find("gem"));
	assert_null(ct_reference_find(""));
}

static void short_formats(void **state)
{
	(void)state;
	/* Every fp16 and bf16 goes to float and back unchanged. */
	for (uint32_t bits = 0; bits < 0x10000; bits++) {
		if (!isnan(ct_from_fp16((uint16_t)bits)))
			assert_int_equal(ct_to_fp16(ct_from_fp16((uint16_t)bits)), bits);
		if (!isnan(ct_from_bf16((uint16_t)bits)))
			assert_int_equal(ct_to_bf16(ct_from_bf16((uint16_t)bits)), bits);
	}
	/* Known values: IEEE 754 binary16. */
	assert_int_equal(ct_to_fp16(1.0f), 0x3c00);
	assert_int_equal(ct_to_fp16(65504.0f), 0x7bff);
	assert_int_equal(ct_to_fp16(65519.0f), 0x7bff);
	assert_int_equal(ct_to_fp16(65520.0f), 0x7c00);
	assert_int_equal(ct_to_fp16(-2.0f), 0xc000);
	assert_int_equal(ct_to_fp16(0.333251953125f), 0x3555);
	assert_int_equal(ct_to_fp16(5.960464477539063e-08f), 1);
	/* Half way: to even. 2049 lies between 2048 and 2050, 2051 between 2050 and 2052. */
	assert_int_equal(ct_to_fp16(2049.0f), ct_to_fp16(2048.0f));
	assert_int_equal(ct_to_fp16(2051.0f), ct_to_fp16(2052.0f));
	assert_int_equal(ct_to_bf16(257.0f), ct_to_bf16(256.0f));
	assert_int_equal(ct_to_bf16(259.0f), ct_to_bf16(260.0f));
	assert_true(ct_to_tf32(1.0f + 0x1p-10f) == 1.0f + 0x1p-10f);
	assert_true(ct_to_tf32(1.0f + 0x1p-11f) == 1.0f);
}

static void fill_makes_exact_values(void **state)
{
	enum { N = 4096 };
	static float floats[N];
	static uint16_t halves[N], brains[N];
	double sum = 0;

	(void)state;
	RUN("fill", ct_shape_one(), (struct ct_arg_fill){address(floats), N, 7, CT_FILL_FP32});
	RUN("fill", ct_shape_one(), (struct ct_arg_fill){address(halves), N, 7, CT_FILL_FP16});
	RUN("fill", ct_shape_one(), (struct ct_arg_fill){address(brains), N, 7, CT_FILL_BF16});
	for (int i = 0; i < N; i++) {
		assert_true(floats[i] >= -1 && floats[i] < 1);
		assert_true(floats[i] * 128 == floorf(floats[i] * 128));
		assert_true(ct_from_fp16(halves[i]) == floats[i]);
		assert_true(ct_from_bf16(brains[i]) == floats[i]);
		sum += (double)floats[i];
	}
	assert_true(fabs(sum / N) < 0.05); /* five standard errors */
	assert_true(floats[0] != floats[1] || floats[1] != floats[2]);
}

/* Small whole numbers: every format holds them, and every sum is exact. */
static void gemm(const char *name, enum ct_gemm_kind kind)
{
	enum { M = 3, N = 5, K = 7 };
	float a[M * K], b[N * K], c[M * N];
	uint16_t short_a[M * K], short_b[N * K], short_c[M * N];
	const bool is_short = ct_gemm_bytes(kind) == 2;

	for (int i = 0; i < M * K; i++) {
		a[i] = (float)(i % 5 - 2);
		short_a[i] = kind == CT_GEMM_BF16 ? ct_to_bf16(a[i]) : ct_to_fp16(a[i]);
	}
	for (int i = 0; i < N * K; i++) {
		b[i] = (float)(i % 7 - 3);
		short_b[i] = kind == CT_GEMM_BF16 ? ct_to_bf16(b[i]) : ct_to_fp16(b[i]);
	}
	RUN(name, ct_shape_one(),
	    (struct ct_arg_gemm){is_short ? address(short_a) : address(a),
				 is_short ? address(short_b) : address(b),
				 is_short ? address(short_c) : address(c), M, N, K, 0});
	for (int i = 0; i < M; i++) {
		for (int j = 0; j < N; j++) {
			int expected = 0;
			float got = kind == CT_GEMM_BF16   ? ct_from_bf16(short_c[i * N + j])
				    : kind == CT_GEMM_FP16 ? ct_from_fp16(short_c[i * N + j])
							   : c[i * N + j];

			for (int k = 0; k < K; k++)
				expected += ((i * K + k) % 5 - 2) * ((j * K + k) % 7 - 3);
			assert_int_equal((int)got, expected);
			assert_true(got == (float)expected);
		}
	}
}

static void gemms(void **state)
{
	(void)state;
	gemm("gemm_fp32", CT_GEMM_FP32);
	gemm("gemm_tf32", CT_GEMM_TF32);
	gemm("gemm_bf16", CT_GEMM_BF16);
	gemm("gemm_fp16", CT_GEMM_FP16);
}

static void decode_pieces(void **state)
{
	enum { N = 3, K = 8, BATCH = 2 };
	float x[BATCH * K], y[BATCH * N], weight[K];
	uint16_t w[N * K];
	double sum;

	(void)state;
	for (int i = 0; i < BATCH * K; i++)
		x[i] = (float)i / 4;
	for (int i = 0; i < N * K; i++)
		w[i] = ct_to_bf16((float)(i - 11));
	RUN("gemv", ct_shape_gemv(N),
	    (struct ct_arg_gemv){address(x), address(w), address(y), N, K, BATCH, 0});
	for (int b = 0; b < BATCH; b++) {
		for (int j = 0; j < N; j++) {
			sum = 0;
			for (int k = 0; k < K; k++)
				sum += (b * K + k) / 4.0 * (j * K + k - 11);
			assert_true((double)y[b * N + j] == sum);
		}
	}
	for (int i = 0; i < K; i++)
		weight[i] = 2;
	RUN("rmsnorm", ct_shape_rows(1),
	    (struct ct_arg_rows){address(x), address(weight), address(y), 1, 4});
	/* 0, 1/4, 1/2, 3/4: the mean of the squares is 7/32. */
	for (int i = 0; i < 4; i++)
		assert_true(fabs((double)y[i] - 2 * i / 4.0 / sqrt(7.0 / 32 + 1e-5)) < 1e-6);
	RUN("softmax", ct_shape_rows(2), (struct ct_arg_rows){address(x), 0, address(x), 2, 2});
	/* Both rows are a and a + 1/4. */
	for (int row = 0; row < 2; row++) {
		assert_true(fabs((double)x[2 * row] - 1 / (1 + exp(0.25))) < 1e-6);
		assert_true(fabs((double)x[2 * row + 1] - 1 / (1 + exp(-0.25))) < 1e-6);
	}
}

static void streams(void **state)
{
	uint64_t from[8] = {1, 2, 4, 8, 16, 32, 64, 128}, to[8] = {0}, result = 256;
	struct ct_arg_stream arg = {address(to), address(from), address(&result), 4, 99, 1, 0};

	(void)state;
	RUN("hbm_read", ct_shape_stream(1), arg);
	assert_int_equal(result, 511);
	arg.rounds = 2;
	RUN("l2_sweep", ct_shape_stream(1), arg);
	assert_int_equal(result, 511);
	arg.rounds = 3;
	RUN("l2_sweep", ct_shape_stream(1), arg);
	assert_int_equal(result, 256);
	RUN("hbm_copy", ct_shape_stream(1), arg);
	assert_memory_equal(to, from, sizeof to);
	arg.vectors = 2;
	RUN("hbm_write", ct_shape_stream(1), arg);
	assert_int_equal(to[3], 99);
	assert_int_equal(to[4], 16);
}

static void sums_of_messages(void **state)
{
	float a[8] = {9, 1, 2, 3, 4, 5, 6, 9}, b[7] = {9, 10, 20, 30, 40, 50, 60};

	(void)state;
	RUN("add", ct_shape_add(1, 6),
	    (struct ct_arg_add){address(a + 1), address(a + 1), address(b + 1), 6});
	for (int i = 1; i < 7; i++)
		assert_true(a[i] == (float)(11 * i));
	assert_true(a[0] == 9 && a[7] == 9);
	assert_int_equal(ct_shape_add(2, 0).grid_x, 1);
	assert_int_equal(ct_shape_add(2, 513).grid_x, 2);
	assert_int_equal(ct_shape_add(2, 1 << 20).grid_x, 2 * CT_STREAM_BLOCKS_PER_SM);
}

static void chase_follows_links(void **state)
{
	uint64_t links[6] = {32, 0, 8, 0, 40, 16}; /* 0 -> 32 -> 40 -> 16 -> 8 -> 0 */
	struct ct_chase_result result = {0};
	struct ct_arg_chase arg = {address(links), 0, address(&result), 3, CT_CHASE_PLAIN};

	(void)state;
	RUN("chase", ct_shape_one(), arg);
	assert_int_equal(result.at, 16);
	assert_true(result.end_ns >= result.begin_ns);
	arg.begin = result.at;
	arg.loads = 2;
	arg.load = CT_CHASE_SYS;
	RUN("chase", ct_shape_one(), arg);
	assert_int_equal(result.at, 0);
}

static void spin_writes_every_quantum(void **state)
{
	enum { BLOCKS = 3, RING = 2, QUANTA = 5 };
	struct ct_spin_quantum ring[BLOCKS * RING] = {0};
	const uint32_t stop = 1;
	struct ct_arg_spin arg = {address(ring), 0, QUANTA, RING, 20, 0};

	(void)state;
	RUN("spin", ct_shape_spin(BLOCKS), arg);
	for (int block = 0; block < BLOCKS; block++) {
		const struct ct_spin_quantum *slot = &ring[block * RING];
		const uint64_t words[] = {slot->begin_ns, slot->took_ns, slot->cycles};

		for (int i = 0; i < 3; i++) {
			assert_int_equal(CT_SPIN_NUMBER(words[i]), 5);
			assert_true(CT_SPIN_VALUE(words[i]) > 0);
		}
		assert_int_equal(CT_SPIN_NUMBER(slot[1].begin_ns), 4);
		assert_true(CT_SPIN_VALUE(slot->begin_ns) >=
			    CT_SPIN_VALUE(slot[1].begin_ns) + CT_SPIN_VALUE(slot[1].took_ns));
	}
	memset(ring, 0, sizeof ring);
	arg.stop = address(&stop);
	RUN("spin", ct_shape_spin(BLOCKS), arg);
	/* It is seen when the first quantum is done. */
	assert_int_equal(CT_SPIN_NUMBER(ring[0].begin_ns), 1);
	assert_int_equal(ring[1].begin_ns, 0);
	assert_int_equal(CT_SPIN_NUMBER(CT_SPIN_WORD(65537, 3)), 1);
	assert_int_equal(CT_SPIN_VALUE(CT_SPIN_WORD(7, UINT64_MAX)), 0xffffffffffff);
}

static void timer_shows_different_values(void **state)
{
	uint64_t out[5] = {0};

	(void)state;
	RUN("timer", ct_shape_one(), (struct ct_arg_timer){address(out), 5, 0});
	for (int i = 1; i < 5; i++)
		assert_true(out[i] > out[i - 1]);
}

static double value(uint64_t i, uint32_t seed)
{
	return ((int)(ct_fill_bits(i, seed) >> 24) - 128) / 128.0;
}

static void loops(void **state)
{
	const struct ct_shape shape = ct_shape(1, 1, 64, 0);
	float result[64];

	(void)state;
	RUN("sm_fma", shape, (struct ct_arg_loop){address(result), 1, 0});
	/* After n steps x is (3/4)^n x0 + 4 b (1 - (3/4)^n); chains begin at 0 to 7. */
	for (uint32_t thread = 0; thread < 64; thread++) {
		const double left = pow(0.75, 8);
		const double expected = 28 * left + 8 * 4 * value(thread, 1) * (1 - left);

		assert_true(fabs((double)result[thread] - expected) < 1e-5);
	}
	RUN("sm_sfu", shape, (struct ct_arg_loop){address(result), 1, 0});
	for (uint32_t thread = 0; thread < 64; thread++) {
		double expected = 0;

		for (int c = 0; c < 4; c++)
			expected += pow(2 + c + value(thread, 2), pow(-0.5, 8));
		assert_true(fabs((double)result[thread] - expected) < 1e-5);
	}
	/* An even number of signs cancels: what is left is where the accumulators began. */
	RUN("sm_tensor", shape, (struct ct_arg_loop){address(result), 2, 0});
	assert_true(result[0] == 4 * 28 && result[63] == 4 * 28);
}

/* The 32 lanes together hold each output of A * B once. */
static void tensor_lanes_hold_the_product(void **state)
{
	float result[32];
	double all = 0, lanes = 0;

	(void)state;
	RUN("sm_tensor", ct_shape(1, 1, 32, 0), (struct ct_arg_loop){address(result), 1, 0});
	for (uint32_t m = 0; m < 16; m++) {
		for (uint32_t n = 0; n < 8; n++) {
			for (uint32_t k = 0; k < 16; k++)
				all += value(16 * m + k, 3) * value(256 + 16 * n + k, 3);
		}
	}
	for (int i = 0; i < 32; i++)
		lanes += (double)result[i] - 4 * 28;
	assert_true(fabs(lanes - CT_MMA_PER_ITERATION * all) < 1e-3);
}

static void atomics_count(void **state)
{
	uint32_t counters[30] = {0}, total = 0;
	struct ct_arg_atomics arg = {address(counters), 10, 12, 7, 0};

	(void)state;
	RUN("atomics", ct_shape(1, 1, 64, 0), arg);
	for (int i = 0; i < 30; i++) {
		assert_true(i % 3 == 0 || counters[i] == 0);
		total += counters[i];
	}
	assert_int_equal(total, 64 * 7);
	/* 64 threads begin at 0 to 63 and step by 7 of 10: 448 additions, 44 or 45 on each. */
	for (int i = 0; i < 10; i++)
		assert_true(counters[3 * i] >= 42 && counters[3 * i] <= 49);
}

static void sizes_and_shapes(void **state)
{
	struct ct_shape shape = ct_shape_gemm(CT_GEMM_BF16, 8192, 8192);

	(void)state;
	assert_int_equal(shape.grid_x, 64 * 32);
	assert_int_equal(shape.shared, 96 << 10);
	assert_true(ct_gemm_fits(CT_GEMM_BF16, 8192, 8192, 8192));
	assert_false(ct_gemm_fits(CT_GEMM_BF16, 8192, 8192, 16));
	assert_false(ct_gemm_fits(CT_GEMM_BF16, 64, 256, 32));
	assert_false(ct_gemm_fits(CT_GEMM_TF32, 128, 256, 0));
	assert_true(ct_gemm_fits(CT_GEMM_FP32, 128, 128, 16));
	shape = ct_shape_wgmma(8192, 8192);
	assert_int_equal(shape.grid_x, 64 * 32);
	assert_int_equal(shape.shared, 193 << 10);
	assert_true(ct_wgmma_fits(CT_GEMM_BF16, 128));
	assert_false(ct_wgmma_fits(CT_GEMM_BF16, 32));
	assert_true(ct_wgmma_fits(CT_GEMM_TF32, 32));
	assert_false(ct_wgmma_fits(CT_GEMM_FP32, 128));
	assert_int_equal(ct_shape_copy(2 * CT_COPY_TILE + 1).grid_x, 3);
	assert_true(ct_tensor_operations(ct_shape(2, 1, 64, 0), 3) == 4096.0 * 8 * 3 * 4);
	assert_int_equal(ct_shape_gemv(9).grid_x, 2);
}

static void the_image_can_come_from_a_file(void **state)
{
	char name[] = "/tmp/cotenant-kernels-XXXXXX", why[256];
	int fd = mkstemp(name);
	const void *image = NULL;
	struct ct_error err = {0};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "ptx", 3), 3);
	close(fd);
	setenv("COTENANT_KERNELS", name, 1);
	assert_true(ct_kernels_present(why, sizeof why));
	assert_true(ct_kernels_open(&image, &err));
	assert_string_equal(image, "ptx");
	ct_kernels_release(image);
	unlink(name);
	assert_false(ct_kernels_present(why, sizeof why));
	assert_non_null(strstr(why, name));
	assert_false(ct_kernels_open(&image, &err));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	unsetenv("COTENANT_KERNELS");
	/* With or without nvcc: both ask the same. */
	assert_int_equal(ct_kernels_present(why, sizeof why), ct_kernels_open(&image, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kernel_has_a_reference),
		cmocka_unit_test(short_formats),
		cmocka_unit_test(fill_makes_exact_values),
		cmocka_unit_test(gemms),
		cmocka_unit_test(decode_pieces),
		cmocka_unit_test(streams),
		cmocka_unit_test(sums_of_messages),
		cmocka_unit_test(chase_follows_links),
		cmocka_unit_test(spin_writes_every_quantum),
		cmocka_unit_test(timer_shows_different_values),
		cmocka_unit_test(loops),
		cmocka_unit_test(tensor_lanes_hold_the_product),
		cmocka_unit_test(atomics_count),
		cmocka_unit_test(sizes_and_shapes),
		cmocka_unit_test(the_image_can_come_from_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
