/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same product as gemm_mma.cu with the instruction that compute capability 9.0 has for it:
 * wgmma reads both operands from shared memory and works on its own while the warps fetch. It is
 * in the module only where the target has it (sm_90a); elsewhere the host takes ct_gemm_*.
 *
 * A block makes 128 by 256 outputs with two warpgroups of 64 by 256 each; 128 bytes of k are a stage,
 * four stages are 192 KiB. A stage is 128 * 256 * 64 multiply-adds of 16 bits: 1024 cycles at the
 * full rate of an SM (4096 operations a cycle), in which 48 KiB have to come, so a GPU of 132 SMs
 * takes 132 * 48 bytes a cycle from L2: 11 TB/s at the full rate, about what it can give. A library
 * goes past that by sending rows to two SMs at once (clusters); this kernel does not.
 *
 * Measured on an H200 at 8192^3: 577 to 598 Tflop/s bf16, 83 to 87 % of cuBLASLt in the same run.
 *
 * Stage s is multiplied while s + 1 and s + 2 are on their way. Its buffer is written again two steps
 * later: by then every warpgroup has waited for its product.
 *
 * Layout: "K-major" with the swizzle of 128 bytes (PTX manual, asynchronous warpgroup matrix
 * multiplication): a row is 128 bytes, its 16-byte piece c lies at c ^ r % 8; groups of 8 rows
 * follow each other.
 */
#include "kernels/device.cuh"

#ifdef CT_HAS_WGMMA

enum {
	WG_ROW = CT_WGMMA_STAGE_BYTES,
	WG_PIECES = WG_ROW / 16,
	WG_A_BYTES = CT_GEMM_TILE_M * WG_ROW,
	WG_STAGE = (CT_GEMM_TILE_M + CT_GEMM_TILE_N) * WG_ROW,
	WG_STEP = 32, /* bytes of k of one instruction */
	WG_ALIGNED = 8 * WG_ROW
};

/* Copies a stage's bytes of k of `Rows` rows; eight threads a row. */
template <int Rows>
CT_DEVICE void wg_fetch(shared_address to, const unsigned char *from, uint64_t row_bytes)
{
	const uint32_t row = threadIdx.x / WG_PIECES, piece = threadIdx.x % WG_PIECES;
	const int rows_at_once = CT_GEMM_BLOCK / WG_PIECES;

	to += row * WG_ROW + (piece ^ row % 8) * 16;
	from += row * row_bytes + piece * 16;
#pragma unroll
	for (int i = 0; i < Rows / rows_at_once; i++)
		copy_async(to + i * rows_at_once * WG_ROW, from + i * rows_at_once * row_bytes);
}

template <mma_type Type> CT_DEVICE void wg_multiply(float (&sum)[128], uint64_t a, uint64_t b)
{
	if (Type == MMA_TF32)
		wgmma_tf32(sum, a, b);
	else if (Type == MMA_BF16)
		wgmma_bf16(sum, a, b);
	else
		wgmma_fp16(sum, a, b);
}

template <mma_type Type> CT_DEVICE void wg_gemm(const ct_arg_gemm &arg)
{
	CT_SHARED_DYNAMIC(memory);
	const uint32_t element = Type == MMA_TF32 ? 4 : 2;
	const uint64_t row_bytes = (uint64_t)arg.k * element;
	const uint32_t stages = (uint32_t)(row_bytes / WG_ROW);
	const uint32_t group = threadIdx.x / 128, warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
	const shared_address base = (shared_at(memory) + WG_ALIGNED - 1) / WG_ALIGNED * WG_ALIGNED;
	uint32_t m, n;
	float sum[128] = {};

	mma_tile(arg, m, n);
	const unsigned char *a = at<const unsigned char>(arg.a) + m * row_bytes;
	const unsigned char *b = at<const unsigned char>(arg.b) + n * row_bytes;

	/* A group is committed for every stage, an empty one past the end: the count is then right. */
#pragma unroll
	for (uint32_t s = 0; s < CT_WGMMA_STAGES - 2; s++) {
		if (s < stages) {
			wg_fetch<CT_GEMM_TILE_M>(base + s * WG_STAGE, a + s * WG_ROW, row_bytes);
			wg_fetch<CT_GEMM_TILE_N>(base + s * WG_STAGE + WG_A_BYTES, b + s * WG_ROW,
						 row_bytes);
		}
		copy_commit();
	}
	a += (CT_WGMMA_STAGES - 2) * WG_ROW;
	b += (CT_WGMMA_STAGES - 2) * WG_ROW;
	for (uint32_t s = 0; s < stages; s++) {
		const shared_address here = base + s % CT_WGMMA_STAGES * WG_STAGE;
		const uint32_t ahead = s + CT_WGMMA_STAGES - 2;

		copy_wait<CT_WGMMA_STAGES - 3>();
		copies_visible();
		__syncthreads();
		warpgroup_fence();
#pragma unroll
		for (int step = 0; step < WG_ROW / WG_STEP; step++)
			wg_multiply<Type>(sum,
					  matrix_at(here + group * 64 * WG_ROW + step * WG_STEP),
					  matrix_at(here + WG_A_BYTES + step * WG_STEP));
		warpgroup_commit();
		if (ahead < stages) {
			const shared_address there = base + ahead % CT_WGMMA_STAGES * WG_STAGE;

			wg_fetch<CT_GEMM_TILE_M>(there, a, row_bytes);
			wg_fetch<CT_GEMM_TILE_N>(there + WG_A_BYTES, b, row_bytes);
		}
		copy_commit();
		a += WG_ROW;
		b += WG_ROW;
		/* All but the last: the buffer that the next step fetches into is no longer read. */
		warpgroup_wait<1>();
	}
	warpgroup_wait<0>();
	copy_wait<0>();

#pragma unroll
	for (int j = 0; j < CT_GEMM_TILE_N / 8; j++) {
		const uint64_t row = m + group * 64 + warp * 16 + lane / 4;
		const uint64_t column = n + j * 8 + lane % 4 * 2;

		mma_store<Type>(arg.c, row * arg.n + column, sum[4 * j], sum[4 * j + 1]);
		mma_store<Type>(arg.c, (row + 8) * arg.n + column, sum[4 * j + 2], sum[4 * j + 3]);
	}
}

CT_KERNEL __launch_bounds__(CT_GEMM_BLOCK, 1) ct_wgmma_tf32(ct_arg_gemm arg)
{
	wg_gemm<MMA_TF32>(arg);
}

CT_KERNEL __launch_bounds__(CT_GEMM_BLOCK, 1) ct_wgmma_bf16(ct_arg_gemm arg)
{
	wg_gemm<MMA_BF16>(arg);
}

CT_KERNEL __launch_bounds__(CT_GEMM_BLOCK, 1) ct_wgmma_fp16(ct_arg_gemm arg)
{
	wg_gemm<MMA_FP16>(arg);
}

#endif
