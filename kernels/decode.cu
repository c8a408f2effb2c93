/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of one step of an LLM's decoding; all of them wait for memory, not for arithmetic. */
#include "kernels/device.cuh"

enum { GEMV_VECTOR = 8 }; /* weights in 16 bytes */

CT_DEVICE float warp_sum(float x)
{
	for (int distance = 16; distance > 0; distance /= 2)
		x += __shfl_xor_sync(0xffffffffu, x, distance);
	return x;
}

CT_DEVICE float warp_max(float x)
{
	for (int distance = 16; distance > 0; distance /= 2)
		x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, distance));
	return x;
}

/* A warp goes along one row of W; the batch is small, so x comes from the L1 cache. */
CT_KERNEL __launch_bounds__(CT_GEMV_BLOCK) ct_gemv(ct_arg_gemv arg)
{
	const uint32_t lane = threadIdx.x % 32;
	const uint32_t row = (uint32_t)(thread_index() / 32);
	const float *x = at<const float>(arg.x);
	const uint4 *w = at<const uint4>(arg.w) + (uint64_t)row * (arg.k / GEMV_VECTOR);
	float sum[CT_GEMV_BATCH] = {};

	if (row >= arg.n)
		return;
	for (uint32_t v = lane; v < arg.k / GEMV_VECTOR; v += 32) {
		const uint4 packed = w[v];
		const uint32_t words[4] = {packed.x, packed.y, packed.z, packed.w};

#pragma unroll
		for (uint32_t b = 0; b < CT_GEMV_BATCH; b++) {
			if (b >= arg.batch)
				break;
			const float *in = x + (uint64_t)b * arg.k + v * GEMV_VECTOR;

#pragma unroll
			for (int i = 0; i < 4; i++) {
				sum[b] = fmaf(from_bf16(words[i] & 0xffffu), in[2 * i], sum[b]);
				sum[b] = fmaf(from_bf16(words[i] >> 16), in[2 * i + 1], sum[b]);
			}
		}
	}
#pragma unroll
	for (uint32_t b = 0; b < CT_GEMV_BATCH; b++) {
		const float total = warp_sum(sum[b]);

		if (lane == 0 && b < arg.batch)
			at<float>(arg.y)[(uint64_t)b * arg.n + row] = total;
	}
}

/* Over the whole block; every thread gets the result. `maximum`: of the values, else their sum. */
CT_DEVICE float block_reduce(float x, float *scratch, bool maximum)
{
	x = maximum ? warp_max(x) : warp_sum(x);
	if (threadIdx.x % 32 == 0)
		scratch[threadIdx.x / 32] = x;
	__syncthreads();
	x = scratch[0];
	for (uint32_t warp = 1; warp < blockDim.x / 32; warp++)
		x = maximum ? fmaxf(x, scratch[warp]) : x + scratch[warp];
	__syncthreads();
	return x;
}

CT_KERNEL __launch_bounds__(CT_ROWS_BLOCK) ct_rmsnorm(ct_arg_rows arg)
{
	__shared__ float scratch[CT_ROWS_BLOCK / 32];
	const float *x = at<const float>(arg.x) + (uint64_t)blockIdx.x * arg.n;
	const float *weight = at<const float>(arg.weight);
	float *y = at<float>(arg.y) + (uint64_t)blockIdx.x * arg.n;
	float sum = 0, scale;

	for (uint32_t i = threadIdx.x; i < arg.n; i += blockDim.x)
		sum = fmaf(x[i], x[i], sum);
	sum = block_reduce(sum, scratch, false);
	scale = rsqrtf(sum / (float)arg.n + 1e-5f);
	for (uint32_t i = threadIdx.x; i < arg.n; i += blockDim.x)
		y[i] = x[i] * scale * weight[i];
}

CT_KERNEL __launch_bounds__(CT_ROWS_BLOCK) ct_softmax(ct_arg_rows arg)
{
	__shared__ float scratch[CT_ROWS_BLOCK / 32];
	const float *x = at<const float>(arg.x) + (uint64_t)blockIdx.x * arg.n;
	float *y = at<float>(arg.y) + (uint64_t)blockIdx.x * arg.n;
	float most = -3.4e38f, sum = 0;

	for (uint32_t i = threadIdx.x; i < arg.n; i += blockDim.x)
		most = fmaxf(most, x[i]);
	most = block_reduce(most, scratch, true);
	for (uint32_t i = threadIdx.x; i < arg.n; i += blockDim.x) {
		const float e = expf(x[i] - most);

		y[i] = e;
		sum += e;
	}
	sum = block_reduce(sum, scratch, false);
	for (uint32_t i = threadIdx.x; i < arg.n; i += blockDim.x)
		y[i] /= sum;
}
