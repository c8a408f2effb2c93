/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/resource.h"

#include <stdio.h>

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

json_t *ct_resources_json(uint32_t resources)
{
	json_t *list = json_array();

	for (uint32_t bit = 1; bit < CT_RES_END; bit <<= 1) {
		if (resources & bit)
			json_array_append_new(list, json_string(ct_resource_name(bit)));
	}
	return list;
}

const char *ct_resources_text(uint32_t resources, char *out, size_t size)
{
	size_t used = 0;

	snprintf(out, size, "nothing");
	for (uint32_t bit = 1; bit < CT_RES_END && used < size; bit <<= 1) {
		if (resources & bit)
			used += (size_t)snprintf(out + used, size - used, "%s%s",
						 used > 0 ? ", " : "", ct_resource_name(bit));
	}
	return out;
}
