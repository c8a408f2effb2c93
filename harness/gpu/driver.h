/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CUDA's driver interface, loaded when it is there; nothing of it is needed to build. Types and
 * signatures are declared here anew, as the driver API reference describes them.
 *
 * Every symbol is asked for with the version whose signature stands below (cuGetProcAddress): the
 * name alone means another ABI with every new header, as cuCtxCreate, cuDeviceGetUuid and
 * cuEventElapsedTime show. So one binary works with all drivers from CUDA 11.4 on.
 *
 * Every call is written CT_CUDA(cuda, MemAlloc, err, &address, bytes): it is true when the driver
 * said so, and else `err` has the driver's own words. Nothing here waits, prints or gives up.
 */
#ifndef COTENANT_GPU_DRIVER_H
#define COTENANT_GPU_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"

/* The driver's objects. */
typedef int ct_cu_device;
typedef uint64_t ct_cu_address; /* of device memory */
struct ct_cu_context;
struct ct_cu_stream;
struct ct_cu_event;
struct ct_cu_module;
struct ct_cu_function;
struct ct_cu_graph;
struct ct_cu_graph_exec;
struct ct_cu_graph_node;
struct ct_cu_green;
struct ct_cu_resource_desc;

struct ct_cu_uuid {
	unsigned char bytes[16];
};

/* CUresult: the values that somebody here asks for. */
enum ct_cu_status {
	CT_CU_SUCCESS = 0,
	CT_CU_INVALID_VALUE = 1,
	CT_CU_OUT_OF_MEMORY = 2,
	CT_CU_NO_DEVICE = 100,
	CT_CU_NOT_READY = 600,
	CT_CU_PEER_ACCESS_ALREADY_ENABLED = 704,
	CT_CU_NOT_SUPPORTED = 801
};

/* CUdevice_attribute. */
enum ct_cu_attribute {
	CT_CU_MULTIPROCESSORS = 16,
	CT_CU_MEMORY_CLOCK_KHZ = 36,
	CT_CU_MEMORY_BUS_WIDTH = 37,
	CT_CU_L2_BYTES = 38,
	CT_CU_THREADS_PER_MULTIPROCESSOR = 39,
	CT_CU_COPY_ENGINES = 40,
	CT_CU_CAPABILITY_MAJOR = 75,
	CT_CU_CAPABILITY_MINOR = 76,
	CT_CU_SHARED_MEMORY_OPTIN = 97,
	CT_CU_GPUDIRECT_FLUSH_OPTIONS = 117,
	CT_CU_GPUDIRECT_ORDERING = 118,
	CT_CU_DMA_BUF = 124,
	CT_CU_MPS_ENABLED = 133
};

/* CUpointer_attribute, CUmemRangeHandleType, and what is said of writes by other devices:
 * CUflushGPUDirectRDMAWritesOptions, -Target and -Scope, CUGPUDirectRDMAWritesOrdering. */
enum { CT_CU_POINTER_SYNC_MEMOPS = 6 };
enum { CT_CU_RANGE_DMA_BUF_FD = 1 };
enum { CT_CU_FLUSH_BY_HOST = 1 };
enum { CT_CU_FLUSH_CURRENT_CONTEXT = 0, CT_CU_FLUSH_TO_OWNER = 100 };
enum { CT_CU_ORDERED_FOR_OWNER = 100 };

/* CUctx_flags, CUstream_flags, CUevent_flags, CUstreamCaptureMode, CUfunction_attribute, ... */
enum ct_cu_wait { CT_CU_WAIT_SPIN = 1, CT_CU_WAIT_YIELD = 2, CT_CU_WAIT_BLOCK = 4 };
enum { CT_CU_STREAM_NON_BLOCKING = 1 };
enum { CT_CU_EVENT_DEFAULT = 0, CT_CU_EVENT_BLOCKING = 1, CT_CU_EVENT_NO_TIMING = 2 };
enum { CT_CU_CAPTURE_THREAD_LOCAL = 1 };
enum { CT_CU_FUNCTION_SHARED_MEMORY = 8, CT_CU_FUNCTION_LOCAL_BYTES = 3, CT_CU_FUNCTION_REGS = 4 };
enum { CT_CU_HOST_PORTABLE = 1, CT_CU_HOST_MAPPED = 2 };
enum { CT_CU_GREEN_DEFAULT_STREAM = 1 };
enum { CT_CU_RESOURCE_SM = 1 };
enum { CT_CU_AFFINITY_SM_COUNT = 0 };

/* CUdevResource, ABI version 1 of CUDA 12.4. */
struct ct_cu_sm_resource {
	unsigned sm_count;
	unsigned min_partition, alignment; /* written from CUDA 13.0 on; 0 before */
};
struct ct_cu_resource {
	int type;
	unsigned char internal[92];
	union {
		struct ct_cu_sm_resource sm;
		unsigned char room[48];
	};
};
_Static_assert(sizeof(struct ct_cu_resource) == 144, "the ABI of CUdevResource");

/* CUexecAffinityParam, version 1. */
struct ct_cu_affinity {
	int type;
	unsigned sm_count;
};

/*
 * X(name without "cu", version of the signature, arguments). A driver without one of the first
 * list is refused; those of the second are NULL there: see ct_cuda_has.
 */
#define CT_CUDA_REQUIRED(X)                                                                        \
	X(Init, 2000, (unsigned flags))                                                            \
	X(DriverGetVersion, 2020, (int *version))                                                  \
	X(DeviceGetCount, 2000, (int *count))                                                      \
	X(DeviceGet, 2000, (ct_cu_device * device, int ordinal))                                   \
	X(DeviceGetName, 2000, (char *name, int size, ct_cu_device device))                        \
	X(DeviceGetUuid, 11040, (struct ct_cu_uuid * uuid, ct_cu_device device))                   \
	X(DeviceGetAttribute, 2000, (int *value, int attribute, ct_cu_device device))              \
	X(DeviceTotalMem, 3020, (size_t * bytes, ct_cu_device device))                             \
	X(DeviceGetPCIBusId, 4010, (char *address, int size, ct_cu_device device))                 \
	X(DeviceCanAccessPeer, 4000, (int *can, ct_cu_device device, ct_cu_device peer))           \
	X(DevicePrimaryCtxRetain, 7000, (struct ct_cu_context * *context, ct_cu_device device))    \
	X(DevicePrimaryCtxRelease, 11000, (ct_cu_device device))                                   \
	X(DevicePrimaryCtxSetFlags, 11000, (ct_cu_device device, unsigned flags))                  \
	X(CtxCreate, 3020, (struct ct_cu_context * *context, unsigned flags, ct_cu_device device)) \
	X(CtxDestroy, 4000, (struct ct_cu_context * context))                                      \
	X(CtxSetCurrent, 4000, (struct ct_cu_context * context))                                   \
	X(CtxSynchronize, 2000, (void))                                                            \
	X(CtxGetStreamPriorityRange, 5050, (int *least, int *greatest))                            \
	X(CtxEnablePeerAccess, 4000, (struct ct_cu_context * peer, unsigned flags))                \
	X(MemGetInfo, 3020, (size_t * free, size_t * total))                                       \
	X(PointerSetAttribute, 6000, (const void *value, int attribute, ct_cu_address address))    \
	X(MemAlloc, 3020, (ct_cu_address * address, size_t bytes))                                 \
	X(MemFree, 3020, (ct_cu_address address))                                                  \
	X(MemHostAlloc, 2020, (void **memory, size_t bytes, unsigned flags))                       \
	X(MemFreeHost, 2000, (void *memory))                                                       \
	X(MemHostGetDevicePointer, 3020, (ct_cu_address * address, void *memory, unsigned flags))  \
	X(MemHostRegister, 6050, (void *memory, size_t bytes, unsigned flags))                     \
	X(MemHostUnregister, 4000, (void *memory))                                                 \
	X(MemcpyHtoD, 3020, (ct_cu_address to, const void *from, size_t bytes))                    \
	X(MemcpyDtoH, 3020, (void *to, ct_cu_address from, size_t bytes))                          \
	X(MemcpyHtoDAsync, 3020,                                                                   \
	  (ct_cu_address to, const void *from, size_t bytes, struct ct_cu_stream *stream))         \
	X(MemcpyDtoHAsync, 3020,                                                                   \
	  (void *to, ct_cu_address from, size_t bytes, struct ct_cu_stream *stream))               \
	X(MemcpyDtoDAsync, 3020,                                                                   \
	  (ct_cu_address to, ct_cu_address from, size_t bytes, struct ct_cu_stream * stream))      \
	X(MemcpyPeerAsync, 4000,                                                                   \
	  (ct_cu_address to, struct ct_cu_context * to_context, ct_cu_address from,                \
	   struct ct_cu_context * from_context, size_t bytes, struct ct_cu_stream * stream))       \
	X(MemsetD8Async, 3020,                                                                     \
	  (ct_cu_address to, unsigned char value, size_t bytes, struct ct_cu_stream *stream))      \
	X(MemsetD32Async, 3020,                                                                    \
	  (ct_cu_address to, unsigned value, size_t words, struct ct_cu_stream *stream))           \
	X(StreamCreateWithPriority, 5050,                                                          \
	  (struct ct_cu_stream * *stream, unsigned flags, int priority))                           \
	X(StreamDestroy, 4000, (struct ct_cu_stream * stream))                                     \
	X(StreamSynchronize, 2000, (struct ct_cu_stream * stream))                                 \
	X(StreamQuery, 2000, (struct ct_cu_stream * stream))                                       \
	X(StreamGetPriority, 5050, (struct ct_cu_stream * stream, int *priority))                  \
	X(StreamBeginCapture, 10010, (struct ct_cu_stream * stream, int mode))                     \
	X(StreamEndCapture, 10000, (struct ct_cu_stream * stream, struct ct_cu_graph * *graph))    \
	X(EventCreate, 2000, (struct ct_cu_event * *event, unsigned flags))                        \
	X(EventDestroy, 4000, (struct ct_cu_event * event))                                        \
	X(EventRecord, 2000, (struct ct_cu_event * event, struct ct_cu_stream * stream))           \
	X(EventQuery, 2000, (struct ct_cu_event * event))                                          \
	X(EventSynchronize, 2000, (struct ct_cu_event * event))                                    \
	X(EventElapsedTime, 2000, (float *ms, struct ct_cu_event *begin, struct ct_cu_event *end)) \
	X(ModuleLoadData, 2000, (struct ct_cu_module * *module, const void *image))                \
	X(ModuleUnload, 2000, (struct ct_cu_module * module))                                      \
	X(ModuleGetFunction, 2000,                                                                 \
	  (struct ct_cu_function * *function, struct ct_cu_module * module, const char *name))     \
	X(FuncGetAttribute, 2020, (int *value, int attribute, struct ct_cu_function *function))    \
	X(FuncSetAttribute, 9000, (struct ct_cu_function * function, int attribute, int value))    \
	X(OccupancyMaxActiveBlocksPerMultiprocessor, 6050,                                         \
	  (int *blocks, struct ct_cu_function *function, int threads, size_t shared))              \
	X(LaunchKernel, 4000,                                                                      \
	  (struct ct_cu_function * function, unsigned grid_x, unsigned grid_y, unsigned grid_z,    \
	   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,                  \
	   struct ct_cu_stream *stream, void **parameters, void **extra))                          \
	X(GraphInstantiateWithFlags, 11040,                                                        \
	  (struct ct_cu_graph_exec * *exec, struct ct_cu_graph * graph, uint64_t flags))           \
	X(GraphUpload, 11010, (struct ct_cu_graph_exec * exec, struct ct_cu_stream * stream))      \
	X(GraphLaunch, 10000, (struct ct_cu_graph_exec * exec, struct ct_cu_stream * stream))      \
	X(GraphExecDestroy, 10000, (struct ct_cu_graph_exec * exec))                               \
	X(GraphDestroy, 10000, (struct ct_cu_graph * graph))                                       \
	X(GetErrorName, 6000, (int status, const char **name))                                     \
	X(GetErrorString, 6000, (int status, const char **text))

#define CT_CUDA_OPTIONAL(X)                                                                      \
	X(FlushGPUDirectRDMAWrites, 11030, (int target, int scope))                              \
	X(MemGetHandleForAddressRange, 11070,                                                    \
	  (void *handle, ct_cu_address address, size_t bytes, int type, uint64_t flags))         \
	X(CtxGetExecAffinity, 11040, (struct ct_cu_affinity * affinity, int type))               \
	X(DeviceGetExecAffinitySupport, 11040, (int *supported, int type, ct_cu_device device))  \
	X(DeviceGetDevResource, 12040,                                                           \
	  (ct_cu_device device, struct ct_cu_resource * resource, int type))                     \
	X(DevSmResourceSplitByCount, 12040,                                                      \
	  (struct ct_cu_resource * groups, unsigned *n, const struct ct_cu_resource *whole,      \
	   struct ct_cu_resource *rest, unsigned flags, unsigned min_count))                     \
	X(DevResourceGenerateDesc, 12040,                                                        \
	  (struct ct_cu_resource_desc * *desc, struct ct_cu_resource * resources, unsigned n))   \
	X(GreenCtxCreate, 12040,                                                                 \
	  (struct ct_cu_green * *green, struct ct_cu_resource_desc * desc, ct_cu_device device,  \
	   unsigned flags))                                                                      \
	X(GreenCtxDestroy, 12040, (struct ct_cu_green * green))                                  \
	X(CtxFromGreenCtx, 12040, (struct ct_cu_context * *context, struct ct_cu_green * green)) \
	X(GreenCtxGetDevResource, 12040,                                                         \
	  (struct ct_cu_green * green, struct ct_cu_resource * resource, int type))              \
	X(GreenCtxStreamCreate, 12050,                                                           \
	  (struct ct_cu_stream * *stream, struct ct_cu_green * green, unsigned flags,            \
	   int priority))

/* The library, and its functions; cuInit has not been called. */
struct ct_cuda {
	void *library;
	int version; /* of the driver: 13000 is CUDA 13.0 */
#define CT_CUDA_FIELD(name, version, arguments) int(*name) arguments;
	CT_CUDA_REQUIRED(CT_CUDA_FIELD)
	CT_CUDA_OPTIONAL(CT_CUDA_FIELD)
#undef CT_CUDA_FIELD
};

/*
 * The library that the environment variable COTENANT_CUDA names, else libcuda.so.1. NULL, and why:
 * "no NVIDIA driver: libcuda.so.1 not found".
 */
struct ct_cuda *ct_cuda_open(struct ct_error *err);
void ct_cuda_close(struct ct_cuda *cuda); /* NULL is fine */
/* Whether there is a driver at all, without waking a GPU: for `available` of a workload. */
bool ct_cuda_present(char *why, size_t size);

/* "out of memory (CUDA_ERROR_OUT_OF_MEMORY)"; works where the driver has no words, too. */
enum { CT_CUDA_WORDS = 256 };
const char *ct_cuda_words(const struct ct_cuda *cuda, int status, char out[CT_CUDA_WORDS]);

/* False, with "cuMemAlloc: <words>" in `err`. */
bool ct_cuda_failed(const struct ct_cuda *cuda, int status, const char *call, struct ct_error *err)
	__attribute__((cold));

static inline bool ct_cuda_good(const struct ct_cuda *cuda, int status, const char *call,
				struct ct_error *err)
{
	return __builtin_expect(status == CT_CU_SUCCESS, 1) ||
	       ct_cuda_failed(cuda, status, call, err);
}

#define CT_CUDA(cuda, name, err, ...) \
	ct_cuda_good((cuda), (cuda)->name(__VA_ARGS__), "cu" #name, (err))
/* On a way out, where an earlier error is already known or nobody can act on this one. */
#define CT_CUDA_QUIET(cuda, name, ...) ((void)(cuda)->name(__VA_ARGS__))

#endif
