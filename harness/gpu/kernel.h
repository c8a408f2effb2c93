/* SPDX-License-Identifier: Apache-2.0 */
/* Our kernels on an opened GPU: loaded with the first that is asked for, launched into its stream.
 */
#ifndef COTENANT_GPU_KERNEL_H
#define COTENANT_GPU_KERNEL_H

#include "harness/gpu/device.h"
#include "kernels/kernels.h"

struct ct_gpu_kernel {
	struct ct_cu_function *function;
	struct ct_shape shape;
};

/* For `available` of a workload that launches them: there is a driver, and there are kernels. */
bool ct_gpu_kernels_available(char *why, size_t size);

/* Of CT_KERNELS_90: whether this GPU's module has it. */
bool ct_gpu_kernel_present(struct ct_gpu *gpu, const char *name);
/* `name` as in CT_KERNELS or, where it is present, CT_KERNELS_90. */
bool ct_gpu_kernel(struct ct_gpu *gpu, const char *name, struct ct_shape shape,
		   struct ct_gpu_kernel *kernel, struct ct_error *err);
void ct_gpu_unload(struct ct_gpu *gpu); /* of ct_gpu_close */

/* `argument`: the kernel's struct; it may be gone when this returns. Does not wait. */
static inline bool ct_gpu_launch(const struct ct_gpu *gpu, const struct ct_gpu_kernel *kernel,
				 const void *argument, struct ct_error *err)
{
	void *parameters[] = {(void *)(uintptr_t)argument};
	const struct ct_shape *shape = &kernel->shape;

	return CT_CUDA(gpu->cuda, LaunchKernel, err, kernel->function, shape->grid_x, shape->grid_y,
		       1, shape->block, 1, 1, shape->shared, gpu->stream, parameters, NULL);
}

#endif
