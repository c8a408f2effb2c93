/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/memory.h"

#include <unistd.h>

static size_t whole_pages(size_t bytes)
{
	return (bytes + CT_GPU_PAGE - 1) / CT_GPU_PAGE * CT_GPU_PAGE;
}

/* Drivers refuse attributes that came after them: what they don't know, the device doesn't have. */
static int attribute(const struct ct_gpu *gpu, int which)
{
	int value = 0;

	return gpu->cuda->DeviceGetAttribute(&value, which, gpu->device) == CT_CU_SUCCESS ? value
											  : 0;
}

static bool decide_flush(struct ct_gpu_memory *memory, struct ct_error *err)
{
	const struct ct_gpu *gpu = memory->gpu;

	memory->must_flush = attribute(gpu, CT_CU_GPUDIRECT_ORDERING) < CT_CU_ORDERED_FOR_OWNER;
	return !memory->must_flush ||
	       (gpu->cuda->FlushGPUDirectRDMAWrites &&
		(attribute(gpu, CT_CU_GPUDIRECT_FLUSH_OPTIONS) & CT_CU_FLUSH_BY_HOST)) ||
	       ct_broken(
		       err,
		       "%s neither keeps the order of other devices' writes to its memory nor can "
		       "be told to: take memory = host, or a newer GPU or driver",
		       gpu->name);
}

/* Own pages, and only whole ones: an allocation may begin within one that others are in too. */
static bool allocate(struct ct_gpu_memory *memory, size_t bytes, struct ct_error *err)
{
	const int synchronous = 1;

	memory->bytes = whole_pages(bytes);
	if (!ct_gpu_alloc(memory->gpu, memory->bytes + CT_GPU_PAGE, &memory->allocated, err))
		return false;
	memory->address = whole_pages(memory->allocated);
	return CT_CUDA(memory->gpu->cuda, PointerSetAttribute, err, &synchronous,
		       CT_CU_POINTER_SYNC_MEMOPS, memory->allocated);
}

static bool find_dma_buf(struct ct_gpu_memory *memory, struct ct_error *err)
{
	const struct ct_gpu *gpu = memory->gpu;

	if (!gpu->cuda->MemGetHandleForAddressRange)
		return ct_broken(err, "the NVIDIA driver exports none (that came with CUDA 11.7)");
	if (attribute(gpu, CT_CU_DMA_BUF) == 0)
		return ct_broken(err, "the NVIDIA driver exports none of this GPU (it takes the "
				      "open kernel modules, and Linux 5.12)");
	return CT_CUDA(gpu->cuda, MemGetHandleForAddressRange, err, &memory->dma_buf,
		       memory->address, memory->bytes, CT_CU_RANGE_DMA_BUF_FD, 0);
}

bool ct_gpu_memory_open(struct ct_gpu_memory *memory, const struct ct_gpu *gpu, size_t bytes,
			struct ct_error *err)
{
	*memory = (struct ct_gpu_memory){.gpu = gpu, .dma_buf = -1};
	if (decide_flush(memory, err) && allocate(memory, bytes, err)) {
		/* Without one there is still peer memory: only who fails with that too is told. */
		if (!find_dma_buf(memory, &memory->no_dma_buf))
			memory->dma_buf = -1;
		return true;
	}
	ct_gpu_memory_close(memory);
	return false;
}

void ct_gpu_memory_close(struct ct_gpu_memory *memory)
{
	if (memory->gpu && memory->dma_buf >= 0)
		close(memory->dma_buf);
	if (memory->gpu)
		ct_gpu_free(memory->gpu, memory->allocated);
	*memory = (struct ct_gpu_memory){.gpu = NULL};
}

bool ct_gpu_memory_put(const struct ct_gpu_memory *memory, size_t offset, const void *from,
		       size_t bytes, struct ct_error *err)
{
	return CT_CUDA(memory->gpu->cuda, MemcpyHtoD, err, memory->address + offset, from, bytes);
}

bool ct_gpu_memory_get(const struct ct_gpu_memory *memory, void *to, size_t offset, size_t bytes,
		       struct ct_error *err)
{
	return CT_CUDA(memory->gpu->cuda, MemcpyDtoH, err, to, memory->address + offset, bytes);
}

bool ct_gpu_memory_flush(const struct ct_gpu_memory *memory, struct ct_error *err)
{
	return !memory->must_flush || CT_CUDA(memory->gpu->cuda, FlushGPUDirectRDMAWrites, err,
					      CT_CU_FLUSH_CURRENT_CONTEXT, CT_CU_FLUSH_TO_OWNER);
}
