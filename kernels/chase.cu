/* SPDX-License-Identifier: Apache-2.0 */
/* Latency of memory: every load needs the one before it. */
#include "kernels/device.cuh"

template <uint64_t (*Load)(const uint64_t *)>
CT_DEVICE uint64_t follow(const unsigned char *base, uint64_t at, uint32_t loads)
{
#pragma unroll 8
	for (uint32_t i = 0; i < loads; i++)
		at = Load(reinterpret_cast<const uint64_t *>(base + at));
	return at;
}

CT_KERNEL ct_chase(ct_arg_chase arg)
{
	const unsigned char *base = at<const unsigned char>(arg.base);
	ct_chase_result *result = at<ct_chase_result>(arg.result);
	uint64_t begin, clock, where;

	if (thread_index() != 0)
		return;
	begin = global_timer();
	clock = sm_clock();
	if (arg.load == CT_CHASE_PLAIN)
		where = follow<load_plain>(base, arg.begin, arg.loads);
	else if (arg.load == CT_CHASE_GPU)
		where = follow<load_strong_gpu>(base, arg.begin, arg.loads);
	else
		where = follow<load_strong_sys>(base, arg.begin, arg.loads);
	/* The clock must not be read before the last load has come back: its value is needed. */
	clock = sm_clock() - clock + (where == ~0ull);
	result->at = where;
	result->cycles = clock;
	result->begin_ns = begin;
	result->end_ns = global_timer();
	__threadfence_system();
}
