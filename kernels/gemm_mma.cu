/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C = A B^T on tensor cores, for tf32, bf16 and fp16: the backend `fixed` of gpu_gemm, whose machine
 * code is in this binary and stays what it is when a driver or a library changes.
 *
 * A block makes 128 by 256 outputs with 8 warps of 64 by 64. 64 bytes of k are a stage; four stages
 * are in flight (cp.async), 96 KiB of shared memory, which every GPU since sm_80 has (desktop ones
 * end at 99). Why this tile: a warp of 64 by 64 loads 4 KiB from shared memory for 32 mma. At the
 * full rate of an A100 (an m16n8k16 in 8 cycles on each of an SM's four parts) that are 64 of the
 * 128 bytes a cycle that shared memory delivers; on an H100, at the 6.4 cycles that mma.sync is said
 * to take there at best, 80 of 128. A warp of 64 by 32 would need 96 and 120: no room. Larger ones
 * do not fit: 128 sums a thread and two sets of operands (64 registers) are near the 255 there are.
 *
 * The limit by construction: on sm_80 mma.sync reaches the peak. On sm_90 it ends near 64 % of it
 * (633 of 989 Tflop/s dense bf16, measured on an H200 by a loop over registers), because only wgmma
 * reads both operands from shared memory without passing registers. This kernel reached 413 there,
 * 57 % of cuBLASLt, which is why 9.0 has gemm_wgmma.cu. More stages or larger groups of tiles made
 * no difference. On sm_100 the distance is larger (tcgen05).
 *
 * Banks: a row of a stage is 64 bytes, two rows share 128. The 16-byte piece c of row r lies at
 * c ^ (r / 2 % 4), so the 8 rows that one ldmatrix phase reads lie in 8 different groups of banks.
 */
#include "kernels/device.cuh"

enum {
	MMA_M = CT_GEMM_TILE_M,
	MMA_N = CT_GEMM_TILE_N,
	MMA_ROW = CT_GEMM_STAGE_BYTES,
	MMA_PIECES = MMA_ROW / 16,
	MMA_STAGES = CT_GEMM_STAGES,
	MMA_A_BYTES = MMA_M * MMA_ROW,
	MMA_STAGE = (MMA_M + MMA_N) * MMA_ROW,
	MMA_STEPS = MMA_ROW / 32, /* of 32 bytes of k: one mma deep */
	MMA_GROUP = 8             /* tiles of m that are done before the next tile of n */
};

enum mma_type { MMA_TF32, MMA_BF16, MMA_FP16 };

template <mma_type Type>
CT_DEVICE void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
	if (Type == MMA_TF32)
		mma_tf32(d, a, b0, b1);
	else if (Type == MMA_BF16)
		mma_bf16(d, a, b0, b1);
	else
		mma_fp16(d, a, b0, b1);
}

CT_DEVICE uint32_t mma_place(uint32_t row, uint32_t piece)
{
	return row * MMA_ROW + ((piece ^ (row / 2 % MMA_PIECES)) * 16);
}

/* Copies 64 bytes of k of `Rows` rows; four threads a row, 64 rows at a time. */
template <int Rows>
CT_DEVICE void mma_fetch(shared_address to, const unsigned char *from, uint64_t row_bytes)
{
	const uint32_t row = threadIdx.x / MMA_PIECES, piece = threadIdx.x % MMA_PIECES;
	const int rows_at_once = CT_GEMM_BLOCK / MMA_PIECES;

#pragma unroll
	for (int i = 0; i < Rows / rows_at_once; i++)
		copy_async(to + mma_place(row + i * rows_at_once, piece),
			   from + (row + i * rows_at_once) * row_bytes + piece * 16);
}

/* The operands of a warp for one step: 4 times 16 rows of A, 8 times 8 rows of B. */
struct mma_operands {
	uint32_t a[4][4];
	uint32_t b[4][4]; /* two groups of 8 rows each */
};

/* `a` and `b`: addresses of the warp's rows in this stage. Pieces 2 * step and 2 * step + 1. */
CT_DEVICE void mma_load(mma_operands &operands, shared_address a, shared_address b, int step)
{
	const uint32_t lane = threadIdx.x % 32;
	const uint32_t row_a = lane % 16, piece_a = lane / 16;
	const uint32_t row_b = lane % 8 + lane / 16 * 8, piece_b = lane / 8 % 2;

#pragma unroll
	for (int i = 0; i < 4; i++)
		load_matrices(operands.a[i], a + i * 16 * MMA_ROW +
						     mma_place(row_a, 2 * step + piece_a));
#pragma unroll
	for (int i = 0; i < 4; i++)
		load_matrices(operands.b[i], b + i * 16 * MMA_ROW +
						     mma_place(row_b, 2 * step + piece_b));
}

template <mma_type Type>
CT_DEVICE void mma_multiply(float (&sum)[4][8][4], const mma_operands &operands)
{
#pragma unroll
	for (int i = 0; i < 4; i++) {
#pragma unroll
		for (int j = 0; j < 8; j++)
			mma<Type>(sum[i][j], operands.a[i], operands.b[j / 2][j % 2 * 2],
				  operands.b[j / 2][j % 2 * 2 + 1]);
	}
}

/* Two neighbours of a row of C. */
template <mma_type Type>
CT_DEVICE void mma_store(uint64_t c, uint64_t element, float first, float second)
{
	if (Type == MMA_TF32)
		*reinterpret_cast<float2 *>(at<float>(c) + element) = make_float2(first, second);
	else if (Type == MMA_BF16)
		*reinterpret_cast<uint32_t *>(at<uint16_t>(c) + element) =
			to_bf16(first) | (uint32_t)to_bf16(second) << 16;
	else
		*reinterpret_cast<uint32_t *>(at<uint16_t>(c) + element) =
			to_fp16(first) | (uint32_t)to_fp16(second) << 16;
}

/* Blocks that run together work on a patch of C that is about square, so they share rows of A and
 * of B in the L2 cache. */
CT_DEVICE void mma_tile(const ct_arg_gemm &arg, uint32_t &m, uint32_t &n)
{
	const uint32_t tiles_m = arg.m / MMA_M, tiles_n = arg.n / MMA_N;
	const uint32_t group = blockIdx.x / (MMA_GROUP * tiles_n);
	const uint32_t first = group * MMA_GROUP;
	const uint32_t height = tiles_m - first < MMA_GROUP ? tiles_m - first : (uint32_t)MMA_GROUP;
	const uint32_t inside = blockIdx.x % (MMA_GROUP * tiles_n);

	m = (first + inside % height) * MMA_M;
	n = inside / height * MMA_N;
}

template <mma_type Type> CT_DEVICE void mma_gemm(const ct_arg_gemm &arg)
{
	CT_SHARED_DYNAMIC(memory);
	const uint32_t element = Type == MMA_TF32 ? 4 : 2;
	const uint64_t row_bytes = (uint64_t)arg.k * element;
	const uint32_t stages = (uint32_t)(row_bytes / MMA_ROW);
	const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
	const uint32_t warp_m = warp / 4 * 64, warp_n = warp % 4 * 64;
	const shared_address base = shared_at(memory);
	uint32_t m, n;
	float sum[4][8][4] = {};
	mma_operands operands[2];

	mma_tile(arg, m, n);
	const unsigned char *a = at<const unsigned char>(arg.a) + m * row_bytes;
	const unsigned char *b = at<const unsigned char>(arg.b) + n * row_bytes;

	/* A group is committed for every stage, an empty one past the end: the count is then right
	 * without asking. */
#pragma unroll
	for (uint32_t s = 0; s < MMA_STAGES - 1; s++) {
		if (s < stages) {
			mma_fetch<MMA_M>(base + s * MMA_STAGE, a + s * MMA_ROW, row_bytes);
			mma_fetch<MMA_N>(base + s * MMA_STAGE + MMA_A_BYTES, b + s * MMA_ROW,
					 row_bytes);
		}
		copy_commit();
	}
	copy_wait<MMA_STAGES - 2>();
	__syncthreads();
	mma_load(operands[0], base + warp_m * MMA_ROW, base + MMA_A_BYTES + warp_n * MMA_ROW, 0);

	uint32_t now = 0, free = MMA_STAGES - 1;

	a += (MMA_STAGES - 1) * MMA_ROW;
	b += (MMA_STAGES - 1) * MMA_ROW;
	for (uint32_t s = 0; s < stages; s++) {
		const shared_address here = base + now * MMA_STAGE;

		mma_load(operands[1], here + warp_m * MMA_ROW,
			 here + MMA_A_BYTES + warp_n * MMA_ROW, 1);
		/* Everybody left that stage before the barrier of the step before. */
		if (s + MMA_STAGES - 1 < stages) {
			mma_fetch<MMA_M>(base + free * MMA_STAGE, a, row_bytes);
			mma_fetch<MMA_N>(base + free * MMA_STAGE + MMA_A_BYTES, b, row_bytes);
		}
		copy_commit();
		a += MMA_ROW;
		b += MMA_ROW;
		free = now;
		now = now + 1 == MMA_STAGES ? 0 : now + 1;
		mma_multiply<Type>(sum, operands[0]);
		copy_wait<MMA_STAGES - 2>();
		__syncthreads();
		/* After the last stage this loads what nobody uses. */
		mma_load(operands[0], base + now * MMA_STAGE + warp_m * MMA_ROW,
			 base + now * MMA_STAGE + MMA_A_BYTES + warp_n * MMA_ROW, 0);
		mma_multiply<Type>(sum, operands[1]);
	}
	copy_wait<0>();

#pragma unroll
	for (int i = 0; i < 4; i++) {
#pragma unroll
		for (int j = 0; j < 8; j++) {
			const uint64_t row = m + warp_m + i * 16 + lane / 4;
			const uint64_t column = n + warp_n + j * 8 + lane % 4 * 2;

			mma_store<Type>(arg.c, row * arg.n + column, sum[i][j][0], sum[i][j][1]);
			mma_store<Type>(arg.c, (row + 8) * arg.n + column, sum[i][j][2],
					sum[i][j][3]);
		}
	}
}

CT_KERNEL __launch_bounds__(CT_GEMM_BLOCK, 1) ct_gemm_tf32(ct_arg_gemm arg)
{
	mma_gemm<MMA_TF32>(arg);
}

CT_KERNEL __launch_bounds__(CT_GEMM_BLOCK, 1) ct_gemm_bf16(ct_arg_gemm arg)
{
	mma_gemm<MMA_BF16>(arg);
}

CT_KERNEL __launch_bounds__(CT_GEMM_BLOCK, 1) ct_gemm_fp16(ct_arg_gemm arg)
{
	mma_gemm<MMA_FP16>(arg);
}
