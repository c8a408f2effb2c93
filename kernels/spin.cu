/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixed quantum of work, again and again, on one thread of every multiprocessor. Its work touches
 * registers only, so a quantum that takes longer was interrupted (another context had the SM), shared
 * the issue slots with another warp, or ran at a lower clock: %clock64 tells the last one apart,
 * since it counts cycles and %globaltimer time.
 */
#include "kernels/device.cuh"

CT_DEVICE float spin_work(float x, uint32_t steps)
{
	for (uint32_t step = 0; step < steps; step++) {
#pragma unroll
		for (int i = 0; i < CT_SPIN_STEP; i++)
			x = fma_step(x, 0.75f, 0.5f);
	}
	return x;
}

CT_KERNEL ct_spin(ct_arg_spin arg)
{
	ct_spin_quantum *ring = at<ct_spin_quantum>(arg.out) + (uint64_t)blockIdx.x * arg.ring;
	const volatile uint32_t *stop = at<const volatile uint32_t>(arg.stop);
	float x = (float)blockIdx.x;

	if (threadIdx.x != 0)
		return;
	for (uint32_t q = 0; q < arg.quanta && !(stop && *stop); q++) {
		volatile ct_spin_quantum *slot = &ring[q % arg.ring];
		uint64_t begin = global_timer(), clock = sm_clock(), end;

		x = spin_work(x, arg.work);
		clock = sm_clock() - clock;
		end = global_timer();
		slot->begin_ns = begin;
		slot->end_ns = end;
		slot->cycles = clock;
		slot->sm = sm_id();
		__threadfence_system();
		slot->number = q + 1;
	}
}
