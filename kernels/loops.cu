/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic without memory. Several independent chains in each thread, and 32 warps on an SM, keep
 * a unit busy whatever its latency.
 */
#include "kernels/device.cuh"

enum { FMA_CHAINS = 8, SFU_CHAINS = 4 };

/* x = 3/4 x + b settles at 4 b: bounded, and the same to the last bit as fmaf on a CPU. */
CT_KERNEL __launch_bounds__(CT_LOOP_BLOCK) ct_sm_fma(ct_arg_loop arg)
{
	const float b = fill_value(thread_index(), 1);
	float x[FMA_CHAINS], sum = 0;

#pragma unroll
	for (int c = 0; c < FMA_CHAINS; c++)
		x[c] = (float)c;
	for (uint32_t i = 0; i < arg.iterations; i++) {
#pragma unroll
		for (int step = 0; step < CT_FMA_PER_ITERATION / FMA_CHAINS; step++) {
#pragma unroll
			for (int c = 0; c < FMA_CHAINS; c++)
				x[c] = fma_step(x[c], 0.75f, b);
		}
	}
#pragma unroll
	for (int c = 0; c < FMA_CHAINS; c++)
		sum += x[c];
	at<float>(arg.result)[thread_index()] = sum;
}

/* x = x^(-1/2) settles at 1. */
CT_KERNEL __launch_bounds__(CT_LOOP_BLOCK) ct_sm_sfu(ct_arg_loop arg)
{
	float x[SFU_CHAINS], sum = 0;

#pragma unroll
	for (int c = 0; c < SFU_CHAINS; c++)
		x[c] = (float)(2 + c) + fill_value(thread_index(), 2);
	for (uint32_t i = 0; i < arg.iterations; i++) {
#pragma unroll
		for (int step = 0; step < CT_SFU_PER_ITERATION / SFU_CHAINS; step++) {
#pragma unroll
			for (int c = 0; c < SFU_CHAINS; c++)
				x[c] = reciprocal_root(x[c]);
		}
	}
#pragma unroll
	for (int c = 0; c < SFU_CHAINS; c++)
		sum += x[c];
	at<float>(arg.result)[thread_index()] = sum;
}

/* Element i of one of the two factors as bits of bf16. */
CT_DEVICE uint32_t factor(uint32_t i)
{
	return to_bf16(fill_value(i, 3));
}

/*
 * The tensor cores of one warp. A(m, k) is factor(16 m + k), B(k, n) is factor(256 + 16 n + k): data
 * that switches bits, since zeros draw less power. The sign of A turns with every iteration, so sums
 * stay small enough to be exact. Returns the sum of this thread's part of all accumulators.
 *
 * mma.sync feeds tensor cores from registers. On sm_80 that is all they can take; on sm_90 this
 * loop ends near 64 % of the peak (633 of 989 Tflop/s on an H200), which only wgmma goes beyond.
 */
CT_DEVICE float tensor_loop(uint32_t iterations)
{
	const uint32_t lane = threadIdx.x % 32, group = lane / 4, pair = lane % 4 * 2;
	float d[CT_MMA_PER_ITERATION][4], sum = 0;
	uint32_t a[4], b[2];

#pragma unroll
	for (uint32_t i = 0; i < 4; i++) {
		const uint32_t k = 16 * (group + i % 2 * 8) + pair + i / 2 * 8;

		a[i] = factor(k) | factor(k + 1) << 16;
	}
#pragma unroll
	for (uint32_t i = 0; i < 2; i++) {
		const uint32_t k = 256 + 16 * group + pair + i * 8;

		b[i] = factor(k) | factor(k + 1) << 16;
	}
#pragma unroll
	for (int c = 0; c < CT_MMA_PER_ITERATION; c++) {
#pragma unroll
		for (int i = 0; i < 4; i++)
			d[c][i] = (float)c;
	}
	for (uint32_t i = 0; i < iterations; i++) {
#pragma unroll
		for (int c = 0; c < CT_MMA_PER_ITERATION; c++)
			mma_bf16(d[c], a, b[0], b[1]);
#pragma unroll
		for (int r = 0; r < 4; r++)
			a[r] ^= 0x80008000u;
	}
#pragma unroll
	for (int c = 0; c < CT_MMA_PER_ITERATION; c++)
		sum += d[c][0] + d[c][1] + d[c][2] + d[c][3];
	return sum;
}

CT_KERNEL __launch_bounds__(CT_LOOP_BLOCK) ct_sm_tensor(ct_arg_loop arg)
{
	at<float>(arg.result)[thread_index()] = tensor_loop(arg.iterations);
}
