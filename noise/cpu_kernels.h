/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Template of the vector loops of the `cpu` aggressor: included by cpu.c once per instruction set,
 * after
 *
 *   KERNEL(name)   the function's name with the suffix of the instruction set
 *   TARGET         function attribute that enables the instruction set
 *   REALS          type of a vector of doubles
 *   FIRST(x)       the first of them
 *   FUSED          1 where multiply and add are one instruction, else 0
 *
 * Twelve chains hide a latency of four to six cycles behind two instructions a cycle.
 */
/* The compiler must take a vector for unknown after every step, else it may merge steps. */
#if FUSED
#define STEP(x) ((x) = (x)*factor + offset, HIDE_REAL(x))
#else
#define STEP(x) ((x) = (x)*factor, HIDE_REAL(x), (x) = (x) + offset, HIDE_REAL(x))
#endif

TARGET static uint64_t KERNEL(vector)(double *result)
{
	const REALS zero = {0};
	REALS factor = zero + FACTOR, offset = zero + OFFSET, sum = zero;
	REALS x[VECTOR_CHAINS];

	UNROLL for (int i = 0; i < VECTOR_CHAINS; i++) x[i] = zero + i;
	for (int round = 0; round < ROUNDS; round++) {
		UNROLL for (int i = 0; i < VECTOR_CHAINS; i++) STEP(x[i]);
	}
	UNROLL for (int i = 0; i < VECTOR_CHAINS; i++) sum += x[i];
	*result = FIRST(sum);
	return (uint64_t)ROUNDS * VECTOR_CHAINS * (FUSED ? 1 : 2);
}

/* Half as many chains of each kind: vector and integer units busy in the same cycle. */
TARGET static uint64_t KERNEL(mix)(double *result)
{
	const REALS zero = {0};
	REALS factor = zero + FACTOR, offset = zero + OFFSET, sum = zero;
	REALS x[VECTOR_CHAINS / 2];
	uint64_t n[INTEGER_CHAINS / 2], total = 0;

	UNROLL for (int i = 0; i < VECTOR_CHAINS / 2; i++) x[i] = zero + i;
	UNROLL for (int i = 0; i < INTEGER_CHAINS / 2; i++) n[i] = (uint64_t)i;
	for (int round = 0; round < ROUNDS; round++) {
		UNROLL for (int i = 0; i < VECTOR_CHAINS / 2; i++) STEP(x[i]);
		UNROLL for (int i = 0; i < INTEGER_CHAINS / 2; i++) INTEGER_STEP(n[i]);
	}
	UNROLL for (int i = 0; i < VECTOR_CHAINS / 2; i++) sum += x[i];
	UNROLL for (int i = 0; i < INTEGER_CHAINS / 2; i++) total ^= n[i];
	*result = FIRST(sum) + (double)total;
	return (uint64_t)ROUNDS *
	       (VECTOR_CHAINS / 2 * (FUSED ? 1 : 2) + INTEGER_CHAINS / 2 * INTEGER_STEP_OPS);
}

#undef STEP
#undef FUSED
#undef FIRST
#undef REALS
#undef TARGET
#undef KERNEL
