/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C = A * B for square row-major matrices: the contract between gemm_cpu.c, which owns matrices and
 * threads, and gemm_kernels.c, which multiplies.
 */
#ifndef COTENANT_BENCH_GEMM_H
#define COTENANT_BENCH_GEMM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Blocking after Goto and van de Geijn 2008: a panel of B (GEMM_KC rows) is packed once for all
 * threads and stays in the last-level cache; a block of A (GEMM_MC rows of it) is packed by the
 * thread that uses it and stays in its second-level cache; tiles of C stay in registers.
 */
#define GEMM_KC             256
#define GEMM_MC             96   /* a multiple of every kernel's tile height */
#define GEMM_NC             4096 /* a multiple of every kernel's tile width */
#define GEMM_MAX_TILE_WIDTH 32

struct gemm {
	const void *a, *b;
	void *c;
	size_t n;
	unsigned threads;
	void *packed_b; /* gemm_packed_b_elements(n) of them, shared */
	char *packed_a; /* GEMM_MC * GEMM_KC elements for each thread */
};

/* The part of one thread. All threads call it at once, in one OpenMP team; it has barriers. */
typedef void (*gemm_kernel)(const struct gemm *gemm, unsigned thread);

/* The kernels of one instruction set. */
struct gemm_instance {
	const char *isa;
	bool (*supported)(void); /* by this CPU, and its registers are saved by the system */
	gemm_kernel multiply_float, multiply_double;
};

/* Widest first; the last one, "base", runs everywhere and ends the list. */
extern const struct gemm_instance gemm_instances[];
const struct gemm_instance *gemm_widest(void);

/* Columns are padded to whole tiles. */
static inline size_t gemm_packed_b_elements(size_t n)
{
	size_t columns = n < GEMM_NC ? n : GEMM_NC;

	return GEMM_KC *
	       ((columns + GEMM_MAX_TILE_WIDTH - 1) / GEMM_MAX_TILE_WIDTH * GEMM_MAX_TILE_WIDTH);
}

#endif
