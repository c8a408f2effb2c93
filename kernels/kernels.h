/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our CUDA kernels as the host sees them: names, arguments, launch shapes, what each one does and
 * in which units. Shared by the device code (the .cu files), by victims and aggressors, and by the
 * CPU reference (reference.c) that checks the kernels and stands in for them.
 *
 * Every kernel takes one struct by value, so a launch has one parameter: its address. A kernel NAME
 * of the list below is the symbol ct_NAME in the module. Addresses are those of device memory, or
 * the device's address of mapped host memory; all are aligned to 16 bytes, but for those of add.
 */
#ifndef COTENANT_KERNELS_KERNELS_H
#define COTENANT_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* X(name, its argument) */
#define CT_KERNELS(X)                      \
	X(empty, struct ct_arg_empty)      \
	X(timer, struct ct_arg_timer)      \
	X(fill, struct ct_arg_fill)        \
	X(spin, struct ct_arg_spin)        \
	X(chase, struct ct_arg_chase)      \
	X(gemm_fp32, struct ct_arg_gemm)   \
	X(gemm_tf32, struct ct_arg_gemm)   \
	X(gemm_bf16, struct ct_arg_gemm)   \
	X(gemm_fp16, struct ct_arg_gemm)   \
	X(gemv, struct ct_arg_gemv)        \
	X(rmsnorm, struct ct_arg_rows)     \
	X(softmax, struct ct_arg_rows)     \
	X(hbm_read, struct ct_arg_stream)  \
	X(hbm_write, struct ct_arg_stream) \
	X(hbm_copy, struct ct_arg_stream)  \
	X(l2_sweep, struct ct_arg_stream)  \
	X(add, struct ct_arg_add)          \
	X(sm_fma, struct ct_arg_loop)      \
	X(sm_tensor, struct ct_arg_loop)   \
	X(sm_sfu, struct ct_arg_loop)      \
	X(atomics, struct ct_arg_atomics)

/* Only in modules for compute capability 9.0; ct_gemm_* does the same everywhere. */
#define CT_KERNELS_90(X)                  \
	X(wgmma_tf32, struct ct_arg_gemm) \
	X(wgmma_bf16, struct ct_arg_gemm) \
	X(wgmma_fp16, struct ct_arg_gemm)

/* empty: does nothing, with any launch shape: what a launch itself costs. */
struct ct_arg_empty {
	uint64_t unused;
};

/*
 * timer: one thread reads %globaltimer (ns) until it has seen `readings` different values and
 * stores them at `out` (uint64_t each): their smallest difference is the step of that clock; one
 * reading between two of the host's ties the clocks.
 */
struct ct_arg_timer {
	uint64_t out;
	uint32_t readings;
	uint32_t unused;
};

/*
 * fill: element i at `to` is a pseudo-random function of i and `seed` (ct_fill_bits): uniform in
 * [-1, 1) in steps of 1/128, which every format here holds exactly; CT_FILL_U32: all 32 bits. Any
 * launch shape.
 */
enum ct_fill_format { CT_FILL_U32, CT_FILL_FP32, CT_FILL_BF16, CT_FILL_FP16 };
struct ct_arg_fill {
	uint64_t to;
	uint64_t elements;
	uint32_t seed;
	uint32_t format; /* enum ct_fill_format */
};

/*
 * spin: the GPU's own osnoise. Thread 0 of each block does `quanta` times the same `work` (steps of
 * CT_SPIN_STEP dependent multiply-adds on registers, no memory) and stores when each began and what
 * it took: quantum q of block b is slot b * ring + q % ring at `out` (ct_spin_quantum), which may
 * be mapped host memory. Ends early once the word at `stop` isn't 0 (address 0: never). `stop` has
 * to be device memory: 132 multiprocessors that read one word of the host's each wait for some 27
 * us (H200). Launch one block per multiprocessor (ct_shape_spin).
 *
 * No barrier orders the words of a slot (one for the whole system costs 0.7 us there, and slows the
 * neighbours that are to be measured), so each says of which quantum it is: CT_SPIN_WORD. A slot
 * whose words agree is whole.
 */
enum { CT_SPIN_STEP = 64, CT_SPIN_VALUE_BITS = 48 };
struct ct_spin_quantum {
	uint64_t begin_ns; /* %globaltimer */
	uint64_t took_ns;  /* of the same clock */
	uint64_t cycles;   /* %clock64 of that SM, same interval */
	uint64_t unused;
};
/* The lower 48 bits of a value, below 16 of its quantum's number (q + 1; all 0: not yet written).
 */
#define CT_SPIN_WORD(number, value)                          \
	((uint64_t)((number)&0xffff) << CT_SPIN_VALUE_BITS | \
	 ((uint64_t)(value) & (((uint64_t)1 << CT_SPIN_VALUE_BITS) - 1)))
#define CT_SPIN_NUMBER(word) ((uint32_t)((word) >> CT_SPIN_VALUE_BITS))
#define CT_SPIN_VALUE(word)  ((word) & (((uint64_t)1 << CT_SPIN_VALUE_BITS) - 1))
struct ct_arg_spin {
	uint64_t out;
	uint64_t stop;
	uint32_t quanta, ring, work;
	uint32_t unused;
};

/*
 * chase: one thread follows `loads` links. A link is a uint64_t: the offset in bytes from `base` of
 * the next one. `begin`: the offset to begin at. The result at `result` (ct_chase_result) says
 * where it ended, to go on from there.
 *
 * CT_CHASE_PLAIN are weak loads that leave nothing in the L1 cache; CT_CHASE_GPU and CT_CHASE_SYS
 * are strong ones (ld.relaxed.gpu, ld.relaxed.sys), which memory barriers of others may hold up.
 */
enum ct_chase_load { CT_CHASE_PLAIN, CT_CHASE_GPU, CT_CHASE_SYS };
struct ct_chase_result {
	uint64_t at;
	uint64_t cycles; /* %clock64, of all loads together */
	uint64_t begin_ns, end_ns;
};
struct ct_arg_chase {
	uint64_t base, begin, result;
	uint32_t loads;
	uint32_t load; /* enum ct_chase_load */
};

/*
 * gemm_*: C = A * B^T; A is m by k, B is n by k, C is m by n, all dense and row by row (what BLAS
 * calls "TN"). fp32 and tf32: all float; tf32 uses the upper 19 bits of each input. bf16, fp16: all
 * of that type. Sums are kept in fp32. Sizes are multiples of the tile: ct_gemm_fits. A launch of
 * fewer blocks than ct_shape_gemm has makes as many tiles; which ones is open.
 */
enum ct_gemm_kind { CT_GEMM_FP32, CT_GEMM_TF32, CT_GEMM_BF16, CT_GEMM_FP16 };
struct ct_arg_gemm {
	uint64_t a, b, c;
	uint32_t m, n, k;
	uint32_t unused;
};

/*
 * gemv: y = x * W^T for a batch of rows, the products of an LLM decode step: x is batch by k and y
 * batch by n, float; W is n by k, bf16, and read once. k is a multiple of 8, batch at most
 * CT_GEMV_BATCH.
 */
enum { CT_GEMV_BATCH = 8 };
struct ct_arg_gemv {
	uint64_t x, w, y;
	uint32_t n, k, batch;
	uint32_t unused;
};

/*
 * rmsnorm: y = x / sqrt(mean(x^2) + 1e-5) * weight; softmax: y = exp(x - max x) / sum (weight is
 * not read). Of each of `rows` rows of `n` floats; one block a row. y may be x.
 */
struct ct_arg_rows {
	uint64_t x, weight, y;
	uint32_t rows, n;
};

/*
 * hbm_read, hbm_write, hbm_copy, l2_sweep: all threads together go `rounds` times through `vectors`
 * vectors of 16 bytes. read and l2_sweep: the exclusive or of every uint64_t read, over all rounds,
 * is xor-ed into the uint64_t at `result`. write: every uint64_t at `to` becomes `value`. copy:
 * from `from` to `to`. l2_sweep reads past the L1 cache, strided so that each block sees all of it.
 */
struct ct_arg_stream {
	uint64_t to, from, result;
	uint64_t vectors;
	uint64_t value;
	uint32_t rounds;
	uint32_t unused;
};

/*
 * add: out[i] = a[i] + b[i] of `elements` floats: the sum of a collective's message. `out` may be
 * `a` or `b`. Addresses need only be those of floats: a message begins anywhere. Launch with
 * ct_shape_add.
 */
struct ct_arg_add {
	uint64_t out, a, b;
	uint64_t elements;
};

/*
 * sm_fma, sm_tensor, sm_sfu: arithmetic on registers only, `iterations` times in each thread
 * (sm_tensor: warp); no memory but one float a thread stored at `result` (grid * block of them).
 * Work: ct_loop_operations. Launch with ct_shape_loop.
 */
struct ct_arg_loop {
	uint64_t result;
	uint32_t iterations;
	uint32_t unused;
};

/*
 * atomics: each thread adds 1 `iterations` times to 32-bit counters at `base`, `stride` bytes
 * apart: its i-th addition goes to counter (thread + i * 97) % counters, where thread counts over
 * the whole grid. counters = 1: all collide.
 */
struct ct_arg_atomics {
	uint64_t base;
	uint32_t counters, stride, iterations;
	uint32_t unused;
};

/* How to launch. */
struct ct_shape {
	unsigned grid_x, grid_y;
	unsigned block;  /* threads, in x */
	unsigned shared; /* bytes of dynamic shared memory; above 48 KiB the function must be told
			    (CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) */
};

enum {
	CT_STREAM_BLOCK = 512,
	CT_STREAM_BLOCKS_PER_SM = 4, /* 2048 threads: all that an SM holds */
	CT_COPY_TILE = 2048,         /* vectors that a block of hbm_copy moves at a time */
	CT_LOOP_BLOCK = 256,
	CT_LOOP_BLOCKS_PER_SM = 4,
	CT_ROWS_BLOCK = 256,
	CT_GEMV_BLOCK = 256, /* a warp makes one output of all rows of the batch */
	CT_GEMM_BLOCK = 256,
	/* Tiles of the tensor-core kernels; bytes of k in one stage; see gemm_mma.cu. */
	CT_GEMM_TILE_M = 128,
	CT_GEMM_TILE_N = 256,
	CT_GEMM_STAGE_BYTES = 64,
	CT_GEMM_STAGES = 4,
	CT_WGMMA_STAGE_BYTES = 128,
	CT_WGMMA_STAGES = 4,
	CT_GEMM_FP32_TILE = 128,
	CT_GEMM_FP32_DEPTH = 16
};

static inline struct ct_shape ct_shape(unsigned grid_x, unsigned grid_y, unsigned block,
				       unsigned shared)
{
	struct ct_shape shape;

	shape.grid_x = grid_x;
	shape.grid_y = grid_y;
	shape.block = block;
	shape.shared = shared;
	return shape;
}

static inline struct ct_shape ct_shape_one(void)
{
	return ct_shape(1, 1, 1, 0);
}

static inline struct ct_shape ct_shape_spin(unsigned sms)
{
	return ct_shape(sms, 1, 32, 0);
}

/* For fill, hbm_* and l2_sweep: fills `sms` multiprocessors once. */
static inline struct ct_shape ct_shape_stream(unsigned sms)
{
	return ct_shape(sms * CT_STREAM_BLOCKS_PER_SM, 1, CT_STREAM_BLOCK, 0);
}

/* For hbm_copy: a block for every tile. Any other number of blocks copies the same. */
static inline struct ct_shape ct_shape_copy(uint64_t vectors)
{
	return ct_shape((unsigned)((vectors + CT_COPY_TILE - 1) / CT_COPY_TILE), 1, CT_STREAM_BLOCK,
			0);
}

/* A thread for each element, as far as `sms` multiprocessors hold them at once. */
static inline struct ct_shape ct_shape_add(unsigned sms, uint64_t elements)
{
	const struct ct_shape most = ct_shape_stream(sms);
	const uint64_t blocks = (elements + CT_STREAM_BLOCK - 1) / CT_STREAM_BLOCK;

	return blocks < most.grid_x ? ct_shape(blocks ? (unsigned)blocks : 1, 1, CT_STREAM_BLOCK, 0)
				    : most;
}

/* For sm_* and atomics. */
static inline struct ct_shape ct_shape_loop(unsigned sms)
{
	return ct_shape(sms * CT_LOOP_BLOCKS_PER_SM, 1, CT_LOOP_BLOCK, 0);
}

static inline struct ct_shape ct_shape_rows(unsigned rows)
{
	return ct_shape(rows, 1, CT_ROWS_BLOCK, 0);
}

static inline struct ct_shape ct_shape_gemv(unsigned n)
{
	const unsigned outputs = CT_GEMV_BLOCK / 32;

	return ct_shape((n + outputs - 1) / outputs, 1, CT_GEMV_BLOCK, 0);
}

static inline unsigned ct_gemm_bytes(enum ct_gemm_kind kind) /* of one element */
{
	return kind == CT_GEMM_BF16 || kind == CT_GEMM_FP16 ? 2 : 4;
}

static inline const char *ct_gemm_kernel(enum ct_gemm_kind kind) /* its NAME */
{
	return kind == CT_GEMM_FP32   ? "gemm_fp32"
	       : kind == CT_GEMM_TF32 ? "gemm_tf32"
	       : kind == CT_GEMM_BF16 ? "gemm_bf16"
				      : "gemm_fp16";
}

/* What m, n and k have to be multiples of. */
static inline unsigned ct_gemm_multiple_m(enum ct_gemm_kind kind)
{
	return kind == CT_GEMM_FP32 ? CT_GEMM_FP32_TILE : CT_GEMM_TILE_M;
}

static inline unsigned ct_gemm_multiple_n(enum ct_gemm_kind kind)
{
	return kind == CT_GEMM_FP32 ? CT_GEMM_FP32_TILE : CT_GEMM_TILE_N;
}

static inline unsigned ct_gemm_multiple_k(enum ct_gemm_kind kind)
{
	return kind == CT_GEMM_FP32 ? (unsigned)CT_GEMM_FP32_DEPTH
				    : CT_GEMM_STAGE_BYTES / ct_gemm_bytes(kind);
}

static inline int ct_gemm_fits(enum ct_gemm_kind kind, uint32_t m, uint32_t n, uint32_t k)
{
	return m && n && k && m % ct_gemm_multiple_m(kind) == 0 &&
	       n % ct_gemm_multiple_n(kind) == 0 && k % ct_gemm_multiple_k(kind) == 0;
}

static inline struct ct_shape ct_shape_gemm(enum ct_gemm_kind kind, uint32_t m, uint32_t n)
{
	const unsigned shared =
		CT_GEMM_STAGES * (CT_GEMM_TILE_M + CT_GEMM_TILE_N) * CT_GEMM_STAGE_BYTES;

	return ct_shape(m / ct_gemm_multiple_m(kind) * (n / ct_gemm_multiple_n(kind)), 1,
			CT_GEMM_BLOCK, kind == CT_GEMM_FP32 ? 0 : shared);
}

/* The same with the instruction of compute capability 9.0: its kernel's NAME, NULL: none. */
static inline const char *ct_wgmma_kernel(enum ct_gemm_kind kind)
{
	return kind == CT_GEMM_TF32   ? "wgmma_tf32"
	       : kind == CT_GEMM_BF16 ? "wgmma_bf16"
	       : kind == CT_GEMM_FP16 ? "wgmma_fp16"
				      : NULL;
}

/* Of what ct_gemm_fits: k comes in larger steps. */
static inline int ct_wgmma_fits(enum ct_gemm_kind kind, uint32_t k)
{
	return ct_wgmma_kernel(kind) != NULL &&
	       k % (CT_WGMMA_STAGE_BYTES / ct_gemm_bytes(kind)) == 0;
}

static inline struct ct_shape ct_shape_wgmma(uint32_t m, uint32_t n)
{
	/* The stages begin at a multiple of eight rows. */
	const unsigned shared =
		(CT_WGMMA_STAGES * (CT_GEMM_TILE_M + CT_GEMM_TILE_N) + 8) * CT_WGMMA_STAGE_BYTES;

	return ct_shape(m / CT_GEMM_TILE_M * (n / CT_GEMM_TILE_N), 1, CT_GEMM_BLOCK, shared);
}

/* Work, in floating-point operations (a multiply-add is two). */
static inline double ct_gemm_operations(uint32_t m, uint32_t n, uint32_t k)
{
	return 2.0 * m * n * k;
}

enum {
	CT_FMA_PER_ITERATION = 64, /* multiply-adds of one thread */
	CT_MMA_PER_ITERATION = 8,  /* m16n8k16 of one warp: 4096 operations each */
	CT_SFU_PER_ITERATION = 32  /* special functions of one thread, one operation each */
};

static inline double ct_fma_operations(struct ct_shape shape, uint32_t iterations)
{
	return 2.0 * CT_FMA_PER_ITERATION * iterations * shape.grid_x * shape.block;
}

static inline double ct_tensor_operations(struct ct_shape shape, uint32_t iterations)
{
	return 4096.0 * CT_MMA_PER_ITERATION * iterations * shape.grid_x * (shape.block / 32);
}

static inline double ct_sfu_operations(struct ct_shape shape, uint32_t iterations)
{
	return (double)CT_SFU_PER_ITERATION * iterations * shape.grid_x * shape.block;
}

/* The function behind `fill`: a good mix of both words. */
static inline
#ifdef __CUDACC__
	__host__ __device__
#endif
		uint32_t
		ct_fill_bits(uint64_t i, uint32_t seed)
{
	uint32_t x = (uint32_t)i ^ (uint32_t)(i >> 32) * 0x9e3779b9u ^ seed * 0x85ebca6bu;

	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

#endif
