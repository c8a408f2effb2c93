/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instances of gemm_template.h and the choice among them at run time. A register tile is as
 * large as the register file allows with two vectors of B and one broadcast of A left over: 12 of
 * 16 registers for AVX2, 24 of 32 for AVX-512 and NEON.
 */
#include "bench/gemm.h"

#if defined(__clang__)
#define UNROLL_TILE _Pragma("clang loop unroll(full)")
#else
#define UNROLL_TILE _Pragma("GCC unroll 16")
#endif

/* Rows, columns and depth of one block; `add`: to what C holds from an earlier depth. */
struct extent {
	size_t rows, columns, depth;
	bool add;
};

static inline size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Rows of a block such that every thread gets as much as any other, in whole tiles. */
static inline size_t block_rows(size_t n, unsigned threads, size_t tile_rows)
{
	const size_t share = (n + threads - 1) / threads;
	const size_t blocks = (share + GEMM_MC - 1) / GEMM_MC;
	const size_t rows = (share + blocks - 1) / blocks;

	return min_size(GEMM_MC, (rows + tile_rows - 1) / tile_rows * tile_rows);
}

/* An orphaned barrier: it binds to the team of the caller. Alone there is nobody to wait for. */
static inline void wait_for_team(unsigned threads)
{
	if (threads > 1) {
#pragma omp barrier
	}
}

#if defined(__aarch64__)
enum { BASE_ROWS = 12 };
#else
enum { BASE_ROWS = 4 };
#endif

#define GEMM(name)   name##_float_base
#define REAL         float
#define VECTOR_BYTES 16
#define TILE_ROWS    BASE_ROWS
#define TARGET
#include "bench/gemm_template.h"

#define GEMM(name)   name##_double_base
#define REAL         double
#define VECTOR_BYTES 16
#define TILE_ROWS    BASE_ROWS
#define TARGET
#include "bench/gemm_template.h"

#if defined(__x86_64__)

#define GEMM(name)   name##_float_avx2
#define REAL         float
#define VECTOR_BYTES 32
#define TILE_ROWS    6
#define TARGET       __attribute__((target("avx2,fma")))
#include "bench/gemm_template.h"

#define GEMM(name)   name##_double_avx2
#define REAL         double
#define VECTOR_BYTES 32
#define TILE_ROWS    6
#define TARGET       __attribute__((target("avx2,fma")))
#include "bench/gemm_template.h"

#define GEMM(name)   name##_float_avx512
#define REAL         float
#define VECTOR_BYTES 64
#define TILE_ROWS    12
#define TARGET       __attribute__((target("avx512f")))
#include "bench/gemm_template.h"

#define GEMM(name)   name##_double_avx512
#define REAL         double
#define VECTOR_BYTES 64
#define TILE_ROWS    12
#define TARGET       __attribute__((target("avx512f")))
#include "bench/gemm_template.h"

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f");
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#endif

static bool everywhere(void)
{
	return true;
}

const struct gemm_instance gemm_instances[] = {
#if defined(__x86_64__)
	{"avx512", has_avx512, kernel_float_avx512, kernel_double_avx512},
	{"avx2", has_avx2, kernel_float_avx2, kernel_double_avx2},
#endif
	{"base", everywhere, kernel_float_base, kernel_double_base},
};

const struct gemm_instance *gemm_widest(void)
{
	const struct gemm_instance *instance = gemm_instances;

	while (!instance->supported())
		instance++;
	return instance;
}
