/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/kernel.h"

#include <stdio.h>

#include "kernels/image.h"

/* What a function may use without having been told that it may have more. */
enum { SHARED_BY_DEFAULT = 48 << 10 };

bool ct_gpu_kernels_available(char *why, size_t size)
{
	return ct_gpu_available(why, size) && ct_kernels_present(why, size);
}

/* The image stays until the module goes: nobody promises that the driver copies all of it. */
static bool load(struct ct_gpu *gpu, struct ct_error *err)
{
	if (gpu->module)
		return true;
	if (!ct_kernels_open(&gpu->image, err))
		return false;
	if (CT_CUDA(gpu->cuda, ModuleLoadData, err, &gpu->module, gpu->image))
		return true;
	ct_kernels_release(gpu->image);
	gpu->image = NULL;
	return ct_error_in(err, "loading the kernels on a GPU of compute capability %u.%u",
			   gpu->capability / 10, gpu->capability % 10);
}

void ct_gpu_unload(struct ct_gpu *gpu)
{
	CT_CUDA_QUIET(gpu->cuda, ModuleUnload, gpu->module);
	ct_kernels_release(gpu->image);
	gpu->module = NULL;
	gpu->image = NULL;
}

bool ct_gpu_kernel_present(struct ct_gpu *gpu, const char *name)
{
	struct ct_cu_function *function;
	char symbol[64];

	snprintf(symbol, sizeof symbol, "ct_%s", name);
	return load(gpu, NULL) && gpu->cuda->ModuleGetFunction(&function, gpu->module, symbol) == 0;
}

bool ct_gpu_kernel(struct ct_gpu *gpu, const char *name, struct ct_shape shape,
		   struct ct_gpu_kernel *kernel, struct ct_error *err)
{
	char symbol[64];

	kernel->shape = shape;
	snprintf(symbol, sizeof symbol, "ct_%s", name);
	if (!load(gpu, err))
		return false;
	if (!CT_CUDA(gpu->cuda, ModuleGetFunction, err, &kernel->function, gpu->module, symbol))
		return ct_error_in(err, "kernel %s", symbol);
	return shape.shared <= SHARED_BY_DEFAULT ||
	       CT_CUDA(gpu->cuda, FuncSetAttribute, err, kernel->function,
		       CT_CU_FUNCTION_SHARED_MEMORY, (int)shape.shared) ||
	       ct_error_in(err, "kernel %s: %u bytes of shared memory", symbol, shape.shared);
}
