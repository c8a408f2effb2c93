/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the CPU side of a GPU workload belongs when nobody says: on the CPUs that are closest to
 * its GPU. Across a socket link every submission takes longer, and that would be measured as well.
 */
#ifndef COTENANT_TENANT_NEAR_GPU_H
#define COTENANT_TENANT_NEAR_GPU_H

#include <stdbool.h>

#include "harness/place/place.h"

enum { CT_NEAR_GPU_TEXT = 160 };

/*
 * "near:gpu1", or "near:gpu1/core:0" where `within` is "core:0", for a tenant's `gpu` (where.h;
 * NULL: the first GPU). False: the topology, which was loaded with its devices, does not show that
 * GPU, or the driver alone knows which one is meant (a UUID, a MIG profile).
 */
bool ct_near_gpu(const struct ct_topology *topology, const char *gpu, const char *within,
		 char out[CT_NEAR_GPU_TEXT]);

#endif
