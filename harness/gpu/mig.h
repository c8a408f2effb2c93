/* SPDX-License-Identifier: Apache-2.0 */
/* MIG devices by the profile they were cut with. */
#ifndef COTENANT_GPU_MIG_H
#define COTENANT_GPU_MIG_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"
#include "harness/gpu/nvml.h"

/* `name` is the device's own; `gpu_bytes` the memory of the GPU it is a part of, 0: not known. */
void ct_mig_profile(const char *name, const struct ct_nvml_attributes *has,
		    unsigned long long gpu_bytes, char *out, size_t size);

enum { CT_MIG_UUID = 96 };
/*
 * The UUID of the index-th MIG device with this profile ("1g.10gb"), over all GPUs. An error names
 * the profiles there are. Asks NVML: may take seconds.
 */
bool ct_mig_find(const char *profile, unsigned index, char uuid[CT_MIG_UUID], struct ct_error *err);

#endif
