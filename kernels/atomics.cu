/* SPDX-License-Identifier: Apache-2.0 */
/* Additions that the L2 cache carries out: nobody waits for their results. */
#include "kernels/device.cuh"

CT_KERNEL __launch_bounds__(CT_LOOP_BLOCK) ct_atomics(ct_arg_atomics arg)
{
	const uint32_t step = 97 % arg.counters;
	uint32_t counter = (uint32_t)(thread_index() % arg.counters);

	for (uint32_t i = 0; i < arg.iterations; i++) {
		atomicAdd(at<uint32_t>(arg.base + (uint64_t)counter * arg.stride), 1u);
		counter += step;
		counter -= counter >= arg.counters ? arg.counters : 0;
	}
}
