/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cuGetProcAddress. A name has several signatures; which one is given depends on the version that
 * is asked for, as in the driver. Those that nobody should ask for end the process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/standin/cuda/functions.h"

/* The text of a status; the driver has one for each. */
static const struct {
	int status;
	const char *name, *text;
} words[] = {
	{0, "CUDA_SUCCESS", "no error"},
	{1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
	{2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
	{3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
	{100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
	{101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
	{200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
	{201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
	{209, "CUDA_ERROR_NO_BINARY_FOR_GPU",
	 "no kernel image is available for execution on the device"},
	{214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
	{400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
	{500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
	{700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
	{701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
	{702, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
	{704, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", "peer access is already enabled"},
	{719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
	{801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

static int si_error_name(int status, const char **name)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (words[i].status == status) {
			*name = words[i].name;
			return SUCCESS;
		}
	}
	return INVALID_VALUE;
}

static int si_error_text(int status, const char **text)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (words[i].status == status) {
			*text = words[i].text;
			return SUCCESS;
		}
	}
	return INVALID_VALUE;
}

static int wrong_signature(void)
{
	fprintf(stderr, "cuda stand-in: called with the signature of another version\n");
	abort();
}

static int si_affinity_support(int *supported, int type, int device)
{
	(void)device;
	*supported = machine.mps && type == 0;
	return enter("cuDeviceGetExecAffinitySupport");
}

typedef int (*any)(void);
struct symbol {
	const char *name;
	int since;
	any function;
};

#define AS(function) ((any)(void (*)(void))(function))
static const struct symbol symbols[] = {
	{"cuInit", 2000, AS(si_init)},
	{"cuDriverGetVersion", 2020, AS(si_driver_version)},
	{"cuDeviceGetCount", 2000, AS(si_device_count)},
	{"cuDeviceGet", 2000, AS(si_device)},
	{"cuDeviceGetName", 2000, AS(si_device_name)},
	{"cuDeviceGetUuid", 9020, wrong_signature},
	{"cuDeviceGetUuid", 11040, AS(si_device_uuid)},
	{"cuDeviceGetAttribute", 2000, AS(si_device_attribute)},
	{"cuDeviceTotalMem", 2000, wrong_signature},
	{"cuDeviceTotalMem", 3020, AS(si_device_memory)},
	{"cuDeviceGetPCIBusId", 4010, AS(si_device_pci)},
	{"cuDeviceCanAccessPeer", 4000, AS(si_can_access_peer)},
	{"cuDevicePrimaryCtxRetain", 7000, AS(si_primary_retain)},
	{"cuDevicePrimaryCtxRelease", 7000, wrong_signature},
	{"cuDevicePrimaryCtxRelease", 11000, AS(si_primary_release)},
	{"cuDevicePrimaryCtxSetFlags", 7000, wrong_signature},
	{"cuDevicePrimaryCtxSetFlags", 11000, AS(si_primary_flags)},
	{"cuCtxCreate", 3020, AS(si_context_create)},
	{"cuCtxCreate", 11040, wrong_signature},
	{"cuCtxCreate", 12050, wrong_signature},
	{"cuCtxDestroy", 4000, AS(si_context_destroy)},
	{"cuCtxSetCurrent", 4000, AS(si_context_set)},
	{"cuCtxGetDevice", 2000, AS(si_context_device)},
	{"cuCtxSynchronize", 2000, AS(si_context_synchronize)},
	{"cuCtxSynchronize", 13000, wrong_signature},
	{"cuCtxGetStreamPriorityRange", 5050, AS(si_priority_range)},
	{"cuCtxEnablePeerAccess", 4000, AS(si_enable_peer)},
	{"cuCtxGetExecAffinity", 11040, AS(si_exec_affinity)},
	{"cuDeviceGetExecAffinitySupport", 11040, AS(si_affinity_support)},
	{"cuMemGetInfo", 3020, AS(si_memory_info)},
	{"cuMemAlloc", 2000, wrong_signature},
	{"cuMemAlloc", 3020, AS(si_alloc)},
	{"cuMemFree", 3020, AS(si_free)},
	{"cuPointerSetAttribute", 6000, AS(si_pointer_set)},
	{"cuMemGetHandleForAddressRange", 11070, AS(si_range_handle)},
	{"cuFlushGPUDirectRDMAWrites", 11030, AS(si_flush_writes)},
	{"cuMemHostAlloc", 2020, AS(si_host_alloc)},
	{"cuMemFreeHost", 2000, AS(si_host_free)},
	{"cuMemHostGetDevicePointer", 3020, AS(si_host_pointer)},
	{"cuMemHostRegister", 6050, AS(si_host_register)},
	{"cuMemHostUnregister", 4000, AS(si_host_unregister)},
	{"cuMemcpyHtoD", 3020, AS(si_copy_to_now)},
	{"cuMemcpyDtoH", 3020, AS(si_copy_from_now)},
	{"cuMemcpyHtoDAsync", 3020, AS(si_copy_to)},
	{"cuMemcpyDtoHAsync", 3020, AS(si_copy_from)},
	{"cuMemcpyDtoDAsync", 3020, AS(si_copy_within)},
	{"cuMemcpyPeerAsync", 4000, AS(si_copy_peer)},
	{"cuMemsetD8Async", 3020, AS(si_set8)},
	{"cuMemsetD32Async", 3020, AS(si_set32)},
	{"cuStreamCreateWithPriority", 5050, AS(si_stream_create)},
	{"cuStreamDestroy", 4000, AS(si_stream_destroy)},
	{"cuStreamSynchronize", 2000, AS(si_stream_synchronize)},
	{"cuStreamQuery", 2000, AS(si_stream_query)},
	{"cuStreamGetPriority", 5050, AS(si_stream_priority)},
	{"cuStreamBeginCapture", 10000, wrong_signature},
	{"cuStreamBeginCapture", 10010, AS(si_capture_begin)},
	{"cuStreamEndCapture", 10000, AS(si_capture_end)},
	{"cuEventCreate", 2000, AS(si_event_create)},
	{"cuEventDestroy", 4000, AS(si_event_destroy)},
	{"cuEventRecord", 2000, AS(si_event_record)},
	{"cuEventQuery", 2000, AS(si_event_query)},
	{"cuEventSynchronize", 2000, AS(si_event_synchronize)},
	{"cuEventElapsedTime", 2000, AS(si_event_elapsed)},
	{"cuEventElapsedTime", 12080, wrong_signature},
	{"cuModuleLoadData", 2000, AS(si_module_load)},
	{"cuModuleUnload", 2000, AS(si_module_unload)},
	{"cuModuleGetFunction", 2000, AS(si_module_function)},
	{"cuFuncGetAttribute", 2020, AS(si_function_get)},
	{"cuFuncSetAttribute", 9000, AS(si_function_set)},
	{"cuOccupancyMaxActiveBlocksPerMultiprocessor", 6050, AS(si_occupancy)},
	{"cuLaunchKernel", 4000, AS(si_launch)},
	{"cuLaunchHostFunc", 10000, AS(si_launch_host)},
	{"cuGraphInstantiateWithFlags", 11040, AS(si_graph_instantiate)},
	{"cuGraphUpload", 11010, AS(si_graph_upload)},
	{"cuGraphLaunch", 10000, AS(si_graph_launch)},
	{"cuGraphExecDestroy", 10000, AS(si_graph_exec_destroy)},
	{"cuGraphDestroy", 10000, AS(si_graph_destroy)},
	{"cuDeviceGetDevResource", 12040, AS(si_device_resource)},
	{"cuDevSmResourceSplitByCount", 12040, AS(si_split)},
	{"cuDevResourceGenerateDesc", 12040, AS(si_resource_desc)},
	{"cuGreenCtxCreate", 12040, AS(si_green_create)},
	{"cuGreenCtxDestroy", 12040, AS(si_green_destroy)},
	{"cuCtxFromGreenCtx", 12040, AS(si_green_context)},
	{"cuGreenCtxGetDevResource", 12040, AS(si_green_resource)},
	{"cuGreenCtxStreamCreate", 12050, AS(si_green_stream)},
	{"cuGetErrorName", 6000, AS(si_error_name)},
	{"cuGetErrorString", 6000, AS(si_error_text)},
};

__attribute__((visibility("default"))) int cuGetProcAddress_v2(const char *name, void **function,
							       int version, uint64_t flags,
							       int *reason);
int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *reason)
{
	int best = 0;

	if (!machine.initialised)
		machine_read();
	*function = NULL;
	for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
		const struct symbol *symbol = &symbols[i];

		if (strcmp(symbol->name, name) == 0 && symbol->since <= version &&
		    symbol->since <= machine.cuda && symbol->since >= best) {
			best = symbol->since;
			memcpy(function, &symbol->function, sizeof *function);
		}
	}
	if (reason)
		*reason = !*function;
	return flags ? INVALID_VALUE : *function ? SUCCESS : NOT_FOUND;
}
