/* SPDX-License-Identifier: Apache-2.0 */
/* The management library's handle of the GPU that a tenant's `gpu` names. */
#ifndef COTENANT_GPU_NVML_FIND_H
#define COTENANT_GPU_NVML_FIND_H

#include <stdbool.h>

#include "harness/gpu/nvml.h"

struct ct_nvml_found {
	struct ct_nvml_device *gpu; /* the whole one, also where a MIG device was meant */
	int instance; /* of the MIG device: its GPU instance; CT_NVML_WHOLE_GPU: none was meant */
};

/* `gpu` as in where.h, `nic` what near:nic means, either may be NULL. False: it is not here. */
bool ct_nvml_find(struct ct_nvml *nvml, const char *gpu, const char *nic,
		  struct ct_nvml_found *found);

#endif
