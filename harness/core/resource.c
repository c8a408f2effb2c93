/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/resource.h"

#include <stddef.h>

const char *ct_resource_name(uint32_t bit)
{
	static const char *const names[] = {
		"core",         "l1",        "l2",        "llc",       "memory",     "tlb",
		"interconnect", "scheduler", "kernel",    "interrupt", "hypervisor", "network",
		"storage",      "pcie",      "power",     "rdma",      "gpu_sm",     "gpu_l2",
		"gpu_memory",   "gpu_front", "gpu_driver"};

	_Static_assert(CT_RES_END == 1u << (sizeof names / sizeof names[0]), "a name for each bit");
	for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (bit == 1u << i)
			return names[i];
	}
	return NULL;
}
