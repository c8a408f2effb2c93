/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tenant's GPU where `memory = gpu`, for workloads whose ends own their memory; and what such
 * an end can't do with the CPU: fill its memory and look at it.
 */
#ifndef COTENANT_RDMA_TENANT_GPU_H
#define COTENANT_RDMA_TENANT_GPU_H

#include <jansson.h>

#include "harness/rdma/endpoint.h"

struct ct_rdma_gpu {
	bool used; /* else memory is the host's, and all of this does nothing */
	struct ct_gpu gpu;
};

/* `place`: enum ct_rdma_place; `gpu` and `nic` as the tenant names them. On failure nothing is left
 * behind. */
bool ct_rdma_gpu_open(struct ct_rdma_gpu *self, int place, const char *gpu, const char *nic,
		      struct ct_error *err);
void ct_rdma_gpu_close(struct ct_rdma_gpu *self); /* zero is fine; after the ends that use it */
/* On every other thread than the one that opened it. */
bool ct_rdma_gpu_use(const struct ct_rdma_gpu *self, struct ct_error *err);
/* For ct_rdma_wish; NULL: the host's. */
const struct ct_gpu *ct_rdma_gpu_of(const struct ct_rdma_gpu *self);
/* What is in force of it and how the end's device reaches it; NULL: memory is the host's. */
json_t *ct_rdma_gpu_json(const struct ct_rdma_gpu *self, const struct ct_rdma_end *end);

/* Bytes that each begin of a pattern makes different: `begin`, `begin` + 7, ... modulo 251. For
 * ends whose memory is a GPU's. */
bool ct_rdma_pattern_put(const struct ct_rdma_end *end, uint64_t offset, uint64_t bytes,
			 unsigned begin, struct ct_error *err);
/* Is it there? What devices have written so far counts. */
bool ct_rdma_pattern_check(const struct ct_rdma_end *end, uint64_t offset, uint64_t bytes,
			   unsigned begin, struct ct_error *err);

#endif
