/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of 16-byte vectors. Little's law sets the shape: 3.35 TB/s at about 700 ns are 2.3 MB in
 * flight, 18 KB on each of 132 SMs; 2048 threads with 4 loads of 16 bytes each offer seven times
 * that.
 */
#include "kernels/device.cuh"

enum { STREAM_UNROLL = CT_COPY_TILE / CT_STREAM_BLOCK };

CT_DEVICE uint64_t warp_xor(uint64_t x)
{
	for (int distance = 16; distance > 0; distance /= 2)
		x ^= __shfl_xor_sync(0xffffffffu, (unsigned long long)x, distance);
	return x;
}

CT_DEVICE void xor_into(uint64_t result, uint64_t x)
{
	x = warp_xor(x);
	if (threadIdx.x % 32 == 0)
		atomicXor(at<unsigned long long>(result), (unsigned long long)x);
}

CT_KERNEL __launch_bounds__(CT_STREAM_BLOCK) ct_hbm_read(ct_arg_stream arg)
{
	const ulonglong2 *from = at<const ulonglong2>(arg.from);
	const uint64_t stride = thread_count();
	uint64_t seen = 0;

	for (uint32_t round = 0; round < arg.rounds; round++) {
		uint64_t i = thread_index();

		for (; i + (STREAM_UNROLL - 1) * stride < arg.vectors; i += STREAM_UNROLL * stride) {
			ulonglong2 v[STREAM_UNROLL];

#pragma unroll
			for (int u = 0; u < STREAM_UNROLL; u++)
				v[u] = load_vector(from + i + u * stride);
#pragma unroll
			for (int u = 0; u < STREAM_UNROLL; u++)
				seen ^= v[u].x ^ v[u].y;
		}
		for (; i < arg.vectors; i += stride) {
			ulonglong2 v = load_vector(from + i);

			seen ^= v.x ^ v.y;
		}
	}
	xor_into(arg.result, seen);
}

CT_KERNEL __launch_bounds__(CT_STREAM_BLOCK) ct_hbm_write(ct_arg_stream arg)
{
	ulonglong2 *to = at<ulonglong2>(arg.to);
	ulonglong2 value;

	value.x = value.y = arg.value;
	for (uint32_t round = 0; round < arg.rounds; round++) {
		for (uint64_t i = thread_index(); i < arg.vectors; i += thread_count())
			__stcs(to + i, value);
	}
}

/*
 * Tile after tile, each of 32 KiB in one piece. Where nothing limits the multiprocessors there is a
 * block for every tile: on an H200 that copies 4.08 TB/s (the driver: 4.23), blocks that stay and
 * go on to their next tile 3.9.
 */
CT_KERNEL __launch_bounds__(CT_STREAM_BLOCK) ct_hbm_copy(ct_arg_stream arg)
{
	const ulonglong2 *from = at<const ulonglong2>(arg.from);
	ulonglong2 *to = at<ulonglong2>(arg.to);

	for (uint32_t round = 0; round < arg.rounds; round++) {
		for (uint64_t tile = (uint64_t)blockIdx.x * CT_COPY_TILE; tile < arg.vectors;
		     tile += (uint64_t)gridDim.x * CT_COPY_TILE) {
			const uint64_t first = tile + threadIdx.x;

			if (tile + CT_COPY_TILE > arg.vectors) {
				for (uint64_t i = first; i < arg.vectors; i += CT_STREAM_BLOCK)
					__stcs(to + i, load_vector(from + i));
				continue;
			}
			ulonglong2 v[STREAM_UNROLL];

#pragma unroll
			for (int u = 0; u < STREAM_UNROLL; u++)
				v[u] = load_vector(from + first + u * CT_STREAM_BLOCK);
#pragma unroll
			for (int u = 0; u < STREAM_UNROLL; u++)
				__stcs(to + first + u * CT_STREAM_BLOCK, v[u]);
		}
	}
}

/*
 * A round begins elsewhere than the one before, so that the same SM does not ask for the same lines
 * again: on GPUs whose L2 is in two halves, both of them and the link between them are loaded.
 */
CT_KERNEL __launch_bounds__(CT_STREAM_BLOCK) ct_l2_sweep(ct_arg_stream arg)
{
	const ulonglong2 *from = at<const ulonglong2>(arg.from);
	const uint64_t stride = thread_count();
	uint64_t seen = 0, shift = 0;

	for (uint32_t round = 0; round < arg.rounds; round++) {
#pragma unroll 4
		for (uint64_t i = thread_index(); i < arg.vectors; i += stride) {
			uint64_t j = i + shift;
			ulonglong2 v = load_vector(from + (j < arg.vectors ? j : j - arg.vectors));

			seen ^= v.x ^ v.y;
		}
		shift += 3 * CT_STREAM_BLOCK;
		shift = shift < arg.vectors ? shift : shift % arg.vectors;
	}
	xor_into(arg.result, seen);
}

/* Bound by what arrives over PCIe, so elements are read one by one: messages begin anywhere. */
CT_KERNEL __launch_bounds__(CT_STREAM_BLOCK) ct_add(ct_arg_add arg)
{
	const float *a = at<const float>(arg.a), *b = at<const float>(arg.b);
	float *out = at<float>(arg.out);

	for (uint64_t i = thread_index(); i < arg.elements; i += thread_count())
		out[i] = a[i] + b[i];
}
