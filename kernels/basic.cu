/* SPDX-License-Identifier: Apache-2.0 */
/* What everything else needs: a launch that does nothing, the device's clock, memory with data. */
#include "kernels/device.cuh"

CT_KERNEL ct_empty(ct_arg_empty)
{
}

CT_KERNEL ct_timer(ct_arg_timer arg)
{
	uint64_t *out = at<uint64_t>(arg.out);
	uint64_t last = 0;

	if (thread_index() != 0)
		return;
	for (uint32_t i = 0; i < arg.readings; i++) {
		uint64_t now;

		while ((now = global_timer()) == last)
			;
		out[i] = now;
		last = now;
	}
	__threadfence_system();
}

CT_KERNEL ct_fill(ct_arg_fill arg)
{
	for (uint64_t i = thread_index(); i < arg.elements; i += thread_count()) {
		if (arg.format == CT_FILL_U32)
			at<uint32_t>(arg.to)[i] = ct_fill_bits(i, arg.seed);
		else if (arg.format == CT_FILL_FP32)
			at<float>(arg.to)[i] = fill_value(i, arg.seed);
		else if (arg.format == CT_FILL_BF16)
			at<uint16_t>(arg.to)[i] = to_bf16(fill_value(i, arg.seed));
		else
			at<uint16_t>(arg.to)[i] = to_fp16(fill_value(i, arg.seed));
	}
}
