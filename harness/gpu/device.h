/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tenant's GPU, opened: the device that `gpu =` names (where.h), a context, a stream, and the
 * kernels. What the driver really gave is read back and refused where it isn't what was asked for.
 *
 * A process opens one GPU, once, before anything else in it has called the driver: which devices
 * it sees and how much of them MPS lets it use is decided by the environment at cuInit. The calling
 * thread has the context current afterwards; others call ct_gpu_use.
 */
#ifndef COTENANT_GPU_DEVICE_H
#define COTENANT_GPU_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/gpu/driver.h"
#include "harness/gpu/near.h"

/* A list of devices takes this many; a process that sees more uses the first ones. */
enum { CT_GPU_MAX = 64, CT_GPU_NAME = 96, CT_GPU_UUID = 48 };

struct ct_gpu {
	struct ct_cuda *cuda;
	ct_cu_device device;
	struct ct_cu_context *context;
	struct ct_cu_stream *stream; /* non-blocking, with the priority asked for */
	struct ct_cu_module
		*module; /* our kernels, and their image: kernel.h; NULL until one is used */
	const void *image;

	/* Of the device. */
	char name[CT_GPU_NAME];
	char uuid[CT_GPU_UUID]; /* "GPU-..." or "MIG-..." */
	char pci[CT_GPU_PCI];
	unsigned capability; /* 90: compute capability 9.0 */
	unsigned all_sms;
	uint64_t l2_bytes, memory_bytes;

	/* In force, read back. */
	unsigned sms;       /* multiprocessors this context may use */
	unsigned first_sm;  /* of a green context: the first in the order of the division */
	unsigned sm_group;  /* ... and how many make a group; 0: no green context */
	bool mps;           /* an MPS server stands between this process and the GPU */
	double mps_percent; /* asked of it; 0: none */
	int priority;       /* of the stream */

	struct ct_cu_green *green; /* NULL but for a green context */
	bool retained;             /* the primary context */
};

/* `where`: the tenant's `gpu`, NULL: the first. `nic`: what near:nic means. On failure nothing is
 * left behind. */
bool ct_gpu_open(struct ct_gpu *gpu, const char *where, const char *nic, enum ct_cu_wait wait,
		 struct ct_error *err);
void ct_gpu_close(struct ct_gpu *gpu); /* fine on one that was never opened, if zero */
/* Makes the context current on the calling thread. */
bool ct_gpu_use(const struct ct_gpu *gpu, struct ct_error *err);
/* {"name", "uuid", "pci", "sms", ...}: what is in force. */
json_t *ct_gpu_json(const struct ct_gpu *gpu);

/* For `available` of a workload that launches none of our kernels (kernel.h has the other). */
bool ct_gpu_available(char *why, size_t size);

/* Memory of the device, in which a failure names the size; plain cuMemAlloc, never managed. */
bool ct_gpu_alloc(const struct ct_gpu *gpu, size_t bytes, ct_cu_address *address,
		  struct ct_error *err);
/* Both wait until the stream is empty. 0 and NULL are fine. */
void ct_gpu_free(const struct ct_gpu *gpu, ct_cu_address address);
void ct_gpu_host_free(const struct ct_gpu *gpu, void *memory);
/* Page-locked memory of the host, which kernels reach at *device. */
bool ct_gpu_host_alloc(const struct ct_gpu *gpu, size_t bytes, void **memory, ct_cu_address *device,
		       struct ct_error *err);

/* All work given to the stream is done; waits as `wait` of ct_gpu_open says. */
static inline bool ct_gpu_finish(const struct ct_gpu *gpu, struct ct_error *err)
{
	return CT_CUDA(gpu->cuda, StreamSynchronize, err, gpu->stream);
}

#endif
