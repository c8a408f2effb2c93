/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heat: tensor cores and device memory at the same time. On an H100 an iteration of the 24 warps of
 * tensor work that an SM holds takes about 310 cycles (6 warps on each of its four parts, 8 mma of
 * about 6.4 cycles); the 8 others read 4 KiB in it, which are 3 TB/s over all SMs: both ends of the
 * chip are near their limits together, and neither has to wait for the other.
 */
#include "kernels/device.cuh"

CT_DEVICE float stream_loop(ct_arg_power arg)
{
	const uint64_t lane = threadIdx.x % 32;
	const uint64_t streams = thread_count() / 128; /* one warp of four */
	const ulonglong2 *from = at<const ulonglong2>(arg.from);
	uint64_t i = thread_index() / 128 * 32 % arg.vectors;
	uint64_t seen = 0;

	/* A multiple of 32 stays one, and below `vectors` with all lanes: see kernels.h. */
#pragma unroll 4
	for (uint32_t n = 0; n < arg.iterations; n++) {
		ulonglong2 v = load_vector(from + i + lane);

		seen ^= v.x ^ v.y;
		i += streams * 32;
		if (i >= arg.vectors)
			i %= arg.vectors;
	}
	return (float)(seen >> 40);
}

CT_KERNEL __launch_bounds__(CT_LOOP_BLOCK) ct_power(ct_arg_power arg)
{
	const bool streams = threadIdx.x / 32 % 4 == 3;

	at<float>(arg.result)[thread_index()] =
		streams ? stream_loop(arg) : tensor_loop(arg.iterations);
}
