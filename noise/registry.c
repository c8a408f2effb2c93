/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all aggressors: one declaration and one line each. */
#include "noise/aggressors.h"

#include <string.h>

const struct ct_aggressor_ops *const ct_aggressors[] = {
	/* clang-format off */
	&ct_noise_null,
	&ct_noise_membw,
	&ct_noise_llc,
	&ct_noise_tlb,
	&ct_noise_cpu,
	&ct_noise_mmap_churn,
	&ct_noise_ipi,
	&ct_noise_lock,
	&ct_noise_fork,
	&ct_noise_disk,
	&ct_noise_tcp_flood,
	&ct_noise_vf_flood,
	&ct_noise_vf_control,
	&ct_noise_vf_interrupts,
	&ct_noise_rdma_flood,
	&ct_noise_rdma_cache,
	&ct_noise_rdma_incast,
	&ct_noise_rdma_exception,
	&ct_noise_rdma_control,
	&ct_noise_gpu_hbm,
	&ct_noise_gpu_l2,
	&ct_noise_gpu_sm,
	&ct_noise_gpu_pcie,
	&ct_noise_gpu_launch_flood,
	&ct_noise_gpu_alloc_churn,
	&ct_noise_gpu_power,
	&ct_noise_gpu_atomics,
	NULL,
	/* clang-format on */
};

const struct ct_aggressor_ops *ct_aggressor_find(const char *name)
{
	for (size_t i = 0; ct_aggressors[i]; i++) {
		if (strcmp(ct_aggressors[i]->name, name) == 0)
			return ct_aggressors[i];
	}
	return NULL;
}
