/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's functions: memory and copies. */
#include <string.h>

#include "tests/standin/cuda/functions.h"

/* ---- memory ---- */

int si_memory_info(size_t *free_bytes, size_t *total)
{
	int status = ready("cuMemGetInfo");

	*total = machine.memory_bytes;
	*free_bytes = status ? 0 : device_free_bytes(current_device());
	return status;
}

int si_alloc(uint64_t *address, size_t bytes)
{
	int status = ready("cuMemAlloc");

	if (status || bytes == 0)
		return status ? status : INVALID_VALUE;
	return device_alloc(current_device(), bytes, address) ? SUCCESS : OUT_OF_MEMORY;
}

int si_free(uint64_t address)
{
	bool was_there = device_free(address);
	int status = ready("cuMemFree");

	return status ? status : was_there ? SUCCESS : INVALID_VALUE;
}

/* SYNC_MEMOPS is asked for where other devices are to reach the memory: the CPU has none of it. */
int si_pointer_set(const void *value, int attribute, uint64_t address)
{
	int status = ready("cuPointerSetAttribute"), on;

	if (status)
		return status;
	memcpy(&on, value, sizeof on);
	return attribute == 6 && on == 1 && device_guard(address) ? SUCCESS : INVALID_VALUE;
}

int si_range_handle(void *handle, uint64_t address, size_t bytes, int type, uint64_t flags)
{
	int status = ready("cuMemGetHandleForAddressRange"), file;

	if (status || type != 1 || flags || address % 4096 || bytes % 4096)
		return status ? status : INVALID_VALUE;
	file = machine.dma_buf ? standin_export(address, bytes) : -1;
	memcpy(handle, &file, sizeof file);
	return file < 0 ? NOT_SUPPORTED : SUCCESS;
}

int si_flush_writes(int target, int scope)
{
	int status = ready("cuFlushGPUDirectRDMAWrites");

	if (status || target != 0 || (scope != 100 && scope != 200))
		return status ? status : INVALID_VALUE;
	return machine.rdma_flush ? SUCCESS : NOT_SUPPORTED;
}

int si_host_alloc(void **memory, size_t bytes, unsigned flags)
{
	int status = ready("cuMemHostAlloc");

	(void)flags;
	*memory = NULL;
	return status ? status : host_alloc(bytes, memory) ? SUCCESS : OUT_OF_MEMORY;
}

int si_host_free(void *memory)
{
	bool was_there = host_free(memory);
	int status = ready("cuMemFreeHost");

	return status ? status : was_there ? SUCCESS : INVALID_VALUE;
}

int si_host_pointer(uint64_t *address, void *memory, unsigned flags)
{
	int status = ready("cuMemHostGetDevicePointer");

	*address = (uint64_t)(uintptr_t)memory;
	if (!status && (flags || !device_holds(*address, 1)))
		return INVALID_VALUE;
	return status;
}

int si_host_register(void *memory, size_t bytes, unsigned flags)
{
	(void)flags;
	return memory && bytes ? ready("cuMemHostRegister") : INVALID_VALUE;
}

int si_host_unregister(void *memory)
{
	return memory ? ready("cuMemHostUnregister") : INVALID_VALUE;
}

/* ---- copies ---- */

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

int si_copy_to_now(uint64_t to, const void *from, size_t bytes)
{
	int status = ready("cuMemcpyHtoD");

	if (status || !device_holds(to, bytes))
		return status ? status : INVALID_VALUE;
	device_enter();
	memcpy(pointer(to), from, bytes);
	device_leave();
	return SUCCESS;
}

int si_copy_from_now(void *to, uint64_t from, size_t bytes)
{
	int status = ready("cuMemcpyDtoH");

	if (status || !device_holds(from, bytes))
		return status ? status : INVALID_VALUE;
	device_enter();
	memcpy(to, pointer(from), bytes);
	device_leave();
	return SUCCESS;
}

static int give_copy(const char *call, void *to, bool to_device, const void *from, bool from_device,
		     size_t bytes, struct stream *stream)
{
	int status = ready(call);

	if (status)
		return status;
	if ((to_device && !device_holds((uint64_t)(uintptr_t)to, bytes)) ||
	    (from_device && !device_holds((uint64_t)(uintptr_t)from, bytes)))
		return INVALID_VALUE;
	if (!stream)
		return INVALID_HANDLE;
	return stream_give(stream,
			   &(struct command){.what = COPY, .to = to, .from = from, .n = bytes});
}

int si_copy_to(uint64_t to, const void *from, size_t bytes, struct stream *stream)
{
	return give_copy("cuMemcpyHtoDAsync", pointer(to), true, from, false, bytes, stream);
}

int si_copy_from(void *to, uint64_t from, size_t bytes, struct stream *stream)
{
	return give_copy("cuMemcpyDtoHAsync", to, false, pointer(from), true, bytes, stream);
}

int si_copy_within(uint64_t to, uint64_t from, size_t bytes, struct stream *stream)
{
	return give_copy("cuMemcpyDtoDAsync", pointer(to), true, pointer(from), true, bytes,
			 stream);
}

int si_copy_peer(uint64_t to, struct context *to_context, uint64_t from,
		 struct context *from_context, size_t bytes, struct stream *stream)
{
	if (!to_context || !from_context)
		return INVALID_CONTEXT;
	return give_copy("cuMemcpyPeerAsync", pointer(to), true, pointer(from), true, bytes,
			 stream);
}

static int give_set(const char *call, bool words, uint64_t to, unsigned value, size_t n,
		    struct stream *stream)
{
	int status = ready(call);

	if (status || !device_holds(to, words ? 4 * n : n) || !stream)
		return status ? status : INVALID_VALUE;
	return stream_give(stream, &(struct command){.what = words ? SET32 : SET8,
						     .to = pointer(to),
						     .value = value,
						     .n = n});
}

int si_set8(uint64_t to, unsigned char value, size_t bytes, struct stream *stream)
{
	return give_set("cuMemsetD8Async", false, to, value, bytes, stream);
}

int si_set32(uint64_t to, unsigned value, size_t words, struct stream *stream)
{
	return give_set("cuMemsetD32Async", true, to, value, words, stream);
}
