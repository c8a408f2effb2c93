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
	volatile ct_spin_quantum *ring =
		at<volatile ct_spin_quantum>(arg.out) + (uint64_t)blockIdx.x * arg.ring;
	const volatile uint32_t *stop = at<const volatile uint32_t>(arg.stop);
	float x = (float)blockIdx.x;

	if (threadIdx.x != 0)
		return;
	for (uint32_t q = 0; q < arg.quanta; q++) {
		volatile ct_spin_quantum *slot = &ring[q % arg.ring];
		/* Asked for here and needed at the end: it comes while the work is done. */
		const uint32_t last = stop ? *stop : 0;
		const uint64_t begin = global_timer();
		uint64_t cycles = sm_clock(), took;

		x = spin_work(x, arg.work);
		/* Never so. The assembler drops arithmetic that nothing depends on, and may read
		 * the clocks ahead of it: not across a branch on its result. */
		if (x != x)
			return;
		cycles = sm_clock() - cycles;
		took = global_timer() - begin;
		slot->begin_ns = CT_SPIN_WORD(q + 1, begin);
		slot->took_ns = CT_SPIN_WORD(q + 1, took);
		slot->cycles = CT_SPIN_WORD(q + 1, cycles);
		if (last)
			return;
	}
}
