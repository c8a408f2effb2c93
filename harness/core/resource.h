/* SPDX-License-Identifier: Apache-2.0 */
/* The shared resources through which tenants disturb each other: what a workload stresses. */
#ifndef COTENANT_CORE_RESOURCE_H
#define COTENANT_CORE_RESOURCE_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum ct_resource {
	CT_RES_CORE = 1u << 0, /* issue slots and execution units of a core */
	CT_RES_L1 = 1u << 1,   /* first-level caches */
	CT_RES_L2 = 1u << 2,
	CT_RES_LLC = 1u << 3,          /* last-level cache */
	CT_RES_MEMORY = 1u << 4,       /* memory channels and controllers */
	CT_RES_TLB = 1u << 5,          /* translation caches and page walks */
	CT_RES_INTERCONNECT = 1u << 6, /* mesh, ring, socket links, bus locks */
	CT_RES_SCHEDULER = 1u << 7,    /* kernel and hypervisor run queues */
	CT_RES_KERNEL = 1u << 8,       /* kernel locks and data structures */
	CT_RES_INTERRUPT = 1u << 9,    /* timer and inter-processor interrupts */
	CT_RES_HYPERVISOR = 1u << 10,  /* exits and emulation */
	CT_RES_NETWORK = 1u << 11,
	CT_RES_STORAGE = 1u << 12,
	CT_RES_PCIE = 1u << 13,
	CT_RES_POWER = 1u << 14,  /* clocks, power and thermal budget */
	CT_RES_RDMA = 1u << 15,   /* an RDMA NIC's processing units, caches and queues */
	CT_RES_GPU_SM = 1u << 16, /* issue slots and units of streaming multiprocessors */
	CT_RES_GPU_L2 = 1u << 17,
	CT_RES_GPU_MEMORY = 1u << 18, /* device memory and its controllers */
	CT_RES_GPU_FRONT = 1u << 19,  /* front end: launches, barriers, context switches */
	CT_RES_GPU_DRIVER = 1u << 20, /* the driver's locks and its firmware's queues */
	CT_RES_END = 1u << 21,
	CT_RES_GPU = CT_RES_GPU_SM | CT_RES_GPU_L2 | CT_RES_GPU_MEMORY | CT_RES_GPU_FRONT |
		     CT_RES_GPU_DRIVER /* any of them */
};

/* "core", "l1", ... of one bit; NULL for a bit that is not a resource. */
const char *ct_resource_name(uint32_t bit);
/* Names of all bits that are set: a new array of strings; "l1, llc" or "nothing", cut to `size`. */
json_t *ct_resources_json(uint32_t resources);
const char *ct_resources_text(uint32_t resources, char *out, size_t size);

#endif
