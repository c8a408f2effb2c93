/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a GPU that other devices read and write over PCIe (GPUDirect RDMA). The CPU has no
 * mapping of it: `address` goes to the driver and to devices, and is never dereferenced.
 *
 * As NVIDIA's GPUDirect RDMA guide asks, it is plain device memory, never managed, in whole pages
 * of its own of 64 KiB, and its synchronous operations synchronise (SYNC_MEMOPS): else a copy might
 * return before the device has done it, and an adapter would send what was there before.
 */
#ifndef COTENANT_GPU_MEMORY_H
#define COTENANT_GPU_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/gpu/device.h"

enum { CT_GPU_PAGE = 64 << 10 };

struct ct_gpu_memory {
	const struct ct_gpu *gpu;   /* must outlive it */
	ct_cu_address address;      /* of whole pages */
	size_t bytes;               /* of whole pages, at least what was asked for */
	int dma_buf;                /* its file descriptor; -1: there is none, see `no_dma_buf` */
	struct ct_error no_dma_buf; /* its text says why */
	bool must_flush;            /* before the GPU may read what a device has written */
	ct_cu_address allocated;
};

/* On failure nothing is left behind. Contents are anything. */
bool ct_gpu_memory_open(struct ct_gpu_memory *memory, const struct ct_gpu *gpu, size_t bytes,
			struct ct_error *err);
/* Fine on one that was never opened, if zero. Whoever has registered it must have let go of it. */
void ct_gpu_memory_close(struct ct_gpu_memory *memory);

/* Between `offset` and `offset + bytes`; the calling thread has the context current. */
bool ct_gpu_memory_put(const struct ct_gpu_memory *memory, size_t offset, const void *from,
		       size_t bytes, struct ct_error *err);
bool ct_gpu_memory_get(const struct ct_gpu_memory *memory, void *to, size_t offset, size_t bytes,
		       struct ct_error *err);

/*
 * What a device had written when its completion was seen is what the GPU reads afterwards. Does
 * nothing where the GPU keeps that order by itself (CU_DEVICE_ATTRIBUTE_..._WRITES_ORDERING).
 */
bool ct_gpu_memory_flush(const struct ct_gpu_memory *memory, struct ct_error *err);

#endif
