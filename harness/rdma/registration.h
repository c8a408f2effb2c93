/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that an RDMA device may read and write. That of a GPU it reaches by one of two ways, tried
 * in this order: a dma-buf, which the kernel knows (ibv_reg_dmabuf_mr), or peer memory, where a
 * module of NVIDIA's (nvidia_peermem) makes ibv_reg_mr understand addresses of the GPU.
 */
#ifndef COTENANT_RDMA_REGISTRATION_H
#define COTENANT_RDMA_REGISTRATION_H

#include "harness/core/param.h"
#include "harness/gpu/memory.h"
#include "harness/probe/source.h"
#include "harness/rdma/device.h"
#include "harness/rdma/record.h"

/* `memory` of a workload: host, gpu; NULL-terminated. */
enum ct_rdma_place { CT_RDMA_ON_HOST, CT_RDMA_ON_GPU };
extern const char *const ct_rdma_place_names[];

#define CT_RDMA_MEMORY_PARAM(options, member)                                                   \
	{                                                                                       \
		.name = "memory", .type = CT_PARAM_CHOICE, .offset = offsetof(options, member), \
		.fallback = "host", .choices = ct_rdma_place_names,                             \
		.help = "where the data is: on the host, or on the GPU that the tenant, "       \
			"and each peer's, names (GPUDirect RDMA)"                               \
	}

/* What every end may do with memory of ours. */
enum {
	CT_RDMA_ACCESS = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
			 IBV_ACCESS_REMOTE_ATOMIC
};

/*
 * Registers [offset, offset + bytes) of the GPU's memory. `way` of an earlier part says how, or it
 * is CT_RDMA_HOST_MEMORY, and is then set to the first way that works. NULL: no way does; the error
 * says for each why not, and what to load.
 */
struct ibv_mr *ct_rdma_register_gpu(const struct ct_rdma_device *device, struct ibv_pd *pd,
				    const struct ct_gpu_memory *memory, size_t offset, size_t bytes,
				    enum ct_rdma_memory *way, struct ct_error *err);

/* The kernel's module that offers a GPU's memory to RDMA devices; NULL: none is loaded. */
const char *ct_rdma_peer_module(const struct ct_probe_source *machine);

/* False unless `gpu` names one: no GPU is taken that nobody has named. */
bool ct_rdma_needs_gpu(const char *gpu, struct ct_error *err);

#endif
