/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPU is closest to a network or RDMA device, as the PCI tree of sysfs says. */
#ifndef COTENANT_GPU_NEAR_H
#define COTENANT_GPU_NEAR_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"

enum { CT_GPU_PCI = 32 };

/*
 * `addresses`: of the GPUs, as sysfs writes them ("0000:41:00.0"). The one whose way up the tree
 * meets the device's first; of equal ones the first. `sysfs` is "/sys" but for tests.
 */
bool ct_gpu_nearest(const char *sysfs, const char *device, const char (*addresses)[CT_GPU_PCI],
		    size_t n, size_t *nearest, struct ct_error *err);

#endif
