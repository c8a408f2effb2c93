/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C = A B^T in fp32 on the ordinary units: a tile of 128 by 128 a block, 8 by 8 outputs a thread.
 * 64 multiply-adds need 16 values of shared memory, so the units and not shared memory set the pace.
 * The next 16 of k travel from memory into registers while this one is worked on.
 */
#include "kernels/device.cuh"

enum {
	SGEMM_TILE = CT_GEMM_FP32_TILE,
	SGEMM_DEPTH = CT_GEMM_FP32_DEPTH,
	SGEMM_ROW = SGEMM_TILE + 4 /* keeps rows aligned for float4 and off each other's banks */
};

/* This thread's share of a tile of A or B: two groups of 4 along k, in rows 64 apart. */
struct sgemm_share {
	float4 part[2];
};

CT_DEVICE sgemm_share sgemm_fetch(const float *from, uint32_t k, uint32_t depth)
{
	const uint32_t row = threadIdx.x / 4, column = depth + threadIdx.x % 4 * 4;
	sgemm_share share;

#pragma unroll
	for (int i = 0; i < 2; i++)
		share.part[i] = *reinterpret_cast<const float4 *>(
			from + (uint64_t)(row + i * 64) * k + column);
	return share;
}

CT_DEVICE void sgemm_keep(float (*to)[SGEMM_ROW], const sgemm_share &share)
{
	const uint32_t row = threadIdx.x / 4, column = threadIdx.x % 4 * 4;

#pragma unroll
	for (int i = 0; i < 2; i++) {
		to[column + 0][row + i * 64] = share.part[i].x;
		to[column + 1][row + i * 64] = share.part[i].y;
		to[column + 2][row + i * 64] = share.part[i].z;
		to[column + 3][row + i * 64] = share.part[i].w;
	}
}

CT_DEVICE void sgemm_eight(float (&out)[8], const float *row, uint32_t at)
{
	const float4 low = *reinterpret_cast<const float4 *>(row + at * 4);
	const float4 high = *reinterpret_cast<const float4 *>(row + 64 + at * 4);

	out[0] = low.x, out[1] = low.y, out[2] = low.z, out[3] = low.w;
	out[4] = high.x, out[5] = high.y, out[6] = high.z, out[7] = high.w;
}

CT_DEVICE void sgemm_multiply(float (&sum)[8][8], const float (*a)[SGEMM_ROW],
			      const float (*b)[SGEMM_ROW])
{
#pragma unroll
	for (int k = 0; k < SGEMM_DEPTH; k++) {
		float left[8], right[8];

		sgemm_eight(left, a[k], threadIdx.x / 16);
		sgemm_eight(right, b[k], threadIdx.x % 16);
#pragma unroll
		for (int i = 0; i < 8; i++) {
#pragma unroll
			for (int j = 0; j < 8; j++)
				sum[i][j] = fmaf(left[i], right[j], sum[i][j]);
		}
	}
}

CT_KERNEL __launch_bounds__(CT_GEMM_BLOCK, 2) ct_gemm_fp32(ct_arg_gemm arg)
{
	__shared__ __align__(16) float tile_a[2][SGEMM_DEPTH][SGEMM_ROW];
	__shared__ __align__(16) float tile_b[2][SGEMM_DEPTH][SGEMM_ROW];
	const uint32_t tiles_n = arg.n / SGEMM_TILE;
	const uint32_t m = blockIdx.x / tiles_n * SGEMM_TILE, n = blockIdx.x % tiles_n * SGEMM_TILE;
	const float *a = at<const float>(arg.a) + (uint64_t)m * arg.k;
	const float *b = at<const float>(arg.b) + (uint64_t)n * arg.k;
	float sum[8][8] = {};
	int now = 0;

	sgemm_keep(tile_a[0], sgemm_fetch(a, arg.k, 0));
	sgemm_keep(tile_b[0], sgemm_fetch(b, arg.k, 0));
	__syncthreads();
	for (uint32_t k = 0; k < arg.k; k += SGEMM_DEPTH, now ^= 1) {
		const bool more = k + SGEMM_DEPTH < arg.k;
		sgemm_share next_a, next_b;

		if (more) {
			next_a = sgemm_fetch(a, arg.k, k + SGEMM_DEPTH);
			next_b = sgemm_fetch(b, arg.k, k + SGEMM_DEPTH);
		}
		sgemm_multiply(sum, tile_a[now], tile_b[now]);
		if (more) {
			sgemm_keep(tile_a[now ^ 1], next_a);
			sgemm_keep(tile_b[now ^ 1], next_b);
		}
		__syncthreads();
	}
#pragma unroll
	for (int i = 0; i < 8; i++) {
		const uint32_t row = m + threadIdx.x / 16 * 4 + i / 4 * 64 + i % 4;
		float *c = at<float>(arg.c) + (uint64_t)row * arg.n + n + threadIdx.x % 16 * 4;

		*reinterpret_cast<float4 *>(c) =
			make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
		*reinterpret_cast<float4 *>(c + 64) =
			make_float4(sum[i][4], sum[i][5], sum[i][6], sum[i][7]);
	}
}
