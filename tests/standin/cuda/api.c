/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's functions: devices, contexts, memory, streams, events, graphs, kernels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/standin/cuda/functions.h"

/* ---- the library, devices ---- */

static int good_device(int device)
{
	return machine.initialised ? device >= 0 && device < machine.gpus ? SUCCESS : INVALID_DEVICE
				   : NOT_INITIALIZED;
}

int si_init(unsigned flags)
{
	int status;

	machine_read();
	status = enter("cuInit");
	if (status == SUCCESS && machine.gpus == 0)
		status = NO_DEVICE;
	machine.initialised = status == SUCCESS;
	return flags ? INVALID_VALUE : status;
}

int si_driver_version(int *version)
{
	if (!machine.initialised)
		machine_read();
	*version = machine.cuda;
	return SUCCESS;
}

int si_device_count(int *count)
{
	*count = machine.gpus;
	return enter("cuDeviceGetCount");
}

int si_device(int *device, int ordinal)
{
	int status = enter("cuDeviceGet");

	*device = ordinal;
	return status ? status : good_device(ordinal);
}

int si_device_name(char *name, int size, int device)
{
	int status = enter("cuDeviceGetName");

	snprintf(name, (size_t)size, "Stand-in GPU%s", machine.mig ? " MIG 1g.10gb" : "");
	return status ? status : good_device(device);
}

/* GPU i is 10101010-....-101010101010 + i; a MIG device is the one that is visible. */
int si_device_uuid(struct uuid *uuid, int device)
{
	const char *text = machine.visible + 4;
	int status = enter("cuDeviceGetUuid");
	unsigned n = 0, byte;

	memset(uuid->bytes, 0x10, sizeof uuid->bytes);
	uuid->bytes[15] = (unsigned char)(0x10 + device);
	for (; machine.mig && n < 16 && sscanf(text, "%2x", &byte) == 1; text += 2) {
		uuid->bytes[n++] = (unsigned char)byte;
		text += text[2] == '-';
	}
	return status ? status : good_device(device);
}

int si_device_attribute(int *value, int attribute, int device)
{
	int status = enter("cuDeviceGetAttribute");

	if (status || good_device(device))
		return status ? status : good_device(device);
	switch (attribute) {
	case 16:
		*value = machine.sms;
		break;
	case 36:
		*value = 2619000;
		break;
	case 37:
		*value = 5120;
		break;
	case 38:
		*value = 1 << 20;
		break;
	case 39:
		*value = 2048;
		break;
	case 40:
		*value = 3;
		break;
	case 75:
		*value = machine.cc / 10;
		break;
	case 76:
		*value = machine.cc % 10;
		break;
	case 97:
		*value = 227 << 10;
		break;
	case 117:
		*value = machine.rdma_flush;
		break;
	case 118:
		*value = machine.rdma_order;
		break;
	case 124:
		*value = machine.dma_buf;
		break;
	case 133:
		*value = machine.mps;
		break;
	default:
		return INVALID_VALUE;
	}
	return SUCCESS;
}

int si_device_memory(size_t *bytes, int device)
{
	int status = enter("cuDeviceTotalMem");

	*bytes = machine.memory_bytes;
	return status ? status : good_device(device);
}

int si_device_pci(char *address, int size, int device)
{
	int status = enter("cuDeviceGetPCIBusId");

	snprintf(address, (size_t)size, "00000000:%02X:00.0", 0x41 + device);
	return status ? status : good_device(device);
}

int si_can_access_peer(int *can, int device, int peer)
{
	int status = enter("cuDeviceCanAccessPeer");

	*can = machine.peers && device != peer;
	return status ? status : good_device(peer);
}

/* ---- contexts ---- */

struct context {
	int device;
	unsigned sms;
	unsigned retained; /* of a primary one */
};

static struct context primary[MAX_DEVICES];
static _Thread_local struct context *current;

unsigned si_context_sms(void)
{
	return current ? current->sms : (unsigned)machine.sms;
}

struct context *si_new_context(int device, unsigned sms)
{
	struct context *context = calloc(1, sizeof *context);

	if (context)
		*context = (struct context){device, sms, 0};
	return context;
}

int si_primary_retain(struct context **context, int device)
{
	int status = enter("cuDevicePrimaryCtxRetain");

	if (status || good_device(device))
		return status ? status : good_device(device);
	primary[device].device = device;
	primary[device].sms =
		(unsigned)(machine.mps && machine.mps_sms ? machine.mps_sms : machine.sms);
	primary[device].retained++;
	*context = &primary[device];
	return SUCCESS;
}

int si_primary_release(int device)
{
	int status = enter("cuDevicePrimaryCtxRelease");

	if (!status && primary[device].retained == 0)
		return INVALID_CONTEXT;
	if (!status)
		primary[device].retained--;
	return status;
}

int si_primary_flags(int device, unsigned flags)
{
	int status = enter("cuDevicePrimaryCtxSetFlags");

	if (flags & ~7u)
		return INVALID_VALUE;
	return status ? status : good_device(device);
}

int si_context_create(struct context **context, unsigned flags, int device)
{
	int status = enter("cuCtxCreate");

	(void)flags;
	if (status || good_device(device))
		return status ? status : good_device(device);
	*context = si_new_context(device, (unsigned)machine.sms);
	current = *context;
	return *context ? SUCCESS : OUT_OF_MEMORY;
}

int si_context_destroy(struct context *context)
{
	int status = enter("cuCtxDestroy");

	if (current == context)
		current = NULL;
	free(context);
	return status;
}

int si_context_set(struct context *context)
{
	int status = enter("cuCtxSetCurrent");

	current = context;
	return status;
}

int si_context_synchronize(void)
{
	return enter("cuCtxSynchronize");
}

int si_priority_range(int *least, int *greatest)
{
	*least = 0;
	*greatest = -5;
	return enter("cuCtxGetStreamPriorityRange");
}

int si_enable_peer(struct context *peer, unsigned flags)
{
	static struct context *enabled[MAX_DEVICES];
	int status = enter("cuCtxEnablePeerAccess");

	if (status)
		return status;
	if (!peer || flags || !machine.peers)
		return INVALID_VALUE;
	if (enabled[peer->device] == peer)
		return PEER_ALREADY;
	enabled[peer->device] = peer;
	return SUCCESS;
}

int si_exec_affinity(struct affinity *affinity, int type)
{
	int status = enter("cuCtxGetExecAffinity");

	if (!status && (!machine.mps || type != 0))
		return NOT_SUPPORTED;
	affinity->sm_count = si_context_sms();
	return status;
}

/* ---- memory ---- */

static int ready(const char *call)
{
	int status = enter(call);

	return status ? status : current ? SUCCESS : INVALID_CONTEXT;
}

int si_context_device(int *device)
{
	int status = ready("cuCtxGetDevice");

	*device = status ? -1 : current->device;
	return status;
}

int si_memory_info(size_t *free_bytes, size_t *total)
{
	int status = ready("cuMemGetInfo");

	*total = machine.memory_bytes;
	*free_bytes = status ? 0 : device_free_bytes(current->device);
	return status;
}

int si_alloc(uint64_t *address, size_t bytes)
{
	int status = ready("cuMemAlloc");

	if (status || bytes == 0)
		return status ? status : INVALID_VALUE;
	return device_alloc(current->device, bytes, address) ? SUCCESS : OUT_OF_MEMORY;
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

/* ---- streams and events ---- */

int si_stream_create(struct stream **stream, unsigned flags, int priority)
{
	int status = ready("cuStreamCreateWithPriority");

	if (status || flags > 1)
		return status ? status : INVALID_VALUE;
	priority = priority > 0 ? 0 : priority < -5 ? -5 : priority;
	*stream = stream_make(priority, si_context_sms());
	return *stream ? SUCCESS : OUT_OF_MEMORY;
}

int si_stream_destroy(struct stream *stream)
{
	int status = enter("cuStreamDestroy");

	stream_end(stream);
	return status;
}

int si_stream_synchronize(struct stream *stream)
{
	int status = ready("cuStreamSynchronize");

	if (stream->capturing)
		return CAPTURE_UNSUPPORTED;
	stream_wait(stream);
	return status ? status : lost();
}

int si_stream_query(struct stream *stream)
{
	int status = ready("cuStreamQuery");

	return status ? status : stream_is_idle(stream) ? lost() : NOT_READY;
}

int si_stream_priority(struct stream *stream, int *priority)
{
	*priority = stream->priority;
	return ready("cuStreamGetPriority");
}

int si_stream_wait_event(struct stream *stream, struct event *event, unsigned flags)
{
	int status = ready("cuStreamWaitEvent");
	uint64_t ticket;

	if (status || flags)
		return status ? status : INVALID_VALUE;
	pthread_mutex_lock(&event->lock);
	ticket = event->asked;
	pthread_mutex_unlock(&event->lock);
	return stream_give(stream,
			   &(struct command){.what = WAIT, .event = event, .ticket = ticket});
}

int si_event_create(struct event **event, unsigned flags)
{
	int status = ready("cuEventCreate");

	if (status)
		return status;
	*event = calloc(1, sizeof **event);
	if (!*event)
		return OUT_OF_MEMORY;
	pthread_mutex_init(&(*event)->lock, NULL);
	pthread_cond_init(&(*event)->reached_it, NULL);
	(*event)->timing = (flags & 2) == 0;
	return SUCCESS;
}

int si_event_destroy(struct event *event)
{
	int status = enter("cuEventDestroy");

	pthread_mutex_destroy(&event->lock);
	pthread_cond_destroy(&event->reached_it);
	free(event);
	return status;
}

int si_event_record(struct event *event, struct stream *stream)
{
	int status = ready("cuEventRecord");
	uint64_t ticket;

	if (status || !stream)
		return status ? status : INVALID_HANDLE;
	pthread_mutex_lock(&event->lock);
	ticket = ++event->asked;
	pthread_mutex_unlock(&event->lock);
	return stream_give(stream,
			   &(struct command){.what = RECORD, .event = event, .ticket = ticket});
}

static bool is_reached(struct event *event, uint64_t *time_ns)
{
	bool reached;

	pthread_mutex_lock(&event->lock);
	reached = event->reached == event->asked;
	*time_ns = event->time_ns;
	pthread_mutex_unlock(&event->lock);
	return reached;
}

int si_event_query(struct event *event)
{
	int status = ready("cuEventQuery");
	uint64_t when;

	return status ? status : is_reached(event, &when) ? lost() : NOT_READY;
}

int si_event_synchronize(struct event *event)
{
	int status = ready("cuEventSynchronize");

	pthread_mutex_lock(&event->lock);
	while (event->reached < event->asked)
		pthread_cond_wait(&event->reached_it, &event->lock);
	pthread_mutex_unlock(&event->lock);
	return status ? status : lost();
}

int si_event_elapsed(float *ms, struct event *begin, struct event *end)
{
	int status = ready("cuEventElapsedTime");
	uint64_t from, to;

	if (status)
		return status;
	if (!begin->timing || !end->timing || !begin->asked || !end->asked)
		return INVALID_HANDLE;
	if (!is_reached(begin, &from) || !is_reached(end, &to))
		return NOT_READY;
	*ms = (float)((double)to - (double)from) / 1e6f;
	return SUCCESS;
}

/* ---- kernels ---- */

struct module {
	const void *image;
};

/* Magic numbers of a fat binary, its wrapper, and an ELF file (a cubin). */
static bool is_image(const void *image)
{
	unsigned magic;

	memcpy(&magic, image, sizeof magic);
	return magic == 0xba55ed50 || magic == 0x466243b1 || magic == 0x464c457f ||
	       magic == 0x7265762e; /* fatbin, its wrapper, cubin, or PTX: ".version" */
}

int si_module_load(struct module **module, const void *image)
{
	int status = ready("cuModuleLoadData");

	if (status || !image || !is_image(image))
		return status ? status : INVALID_IMAGE;
	*module = calloc(1, sizeof **module);
	if (!*module)
		return OUT_OF_MEMORY;
	(*module)->image = image;
	return SUCCESS;
}

int si_module_unload(struct module *module)
{
	int status = enter("cuModuleUnload");

	free(module);
	return status;
}

int si_module_function(const struct ct_reference **function, struct module *module,
		       const char *name)
{
	int status = ready("cuModuleGetFunction");

	if (status || !module)
		return status ? status : INVALID_HANDLE;
	*function = ct_reference_find(name);
	return *function ? SUCCESS : NOT_FOUND;
}

int si_function_get(int *value, int attribute, const struct ct_reference *function)
{
	*value = attribute == 4 ? 32 : 0;
	return function ? ready("cuFuncGetAttribute") : INVALID_HANDLE;
}

int si_function_set(const struct ct_reference *function, int attribute, int value)
{
	if (attribute == 8 && value > 227 << 10)
		return INVALID_VALUE;
	return function ? ready("cuFuncSetAttribute") : INVALID_HANDLE;
}

int si_occupancy(int *blocks, const struct ct_reference *function, int threads, size_t shared)
{
	if (!function || threads < 1 || threads > 1024 || shared > (size_t)227 << 10)
		return INVALID_VALUE;
	*blocks = 2048 / threads < 32 ? 2048 / threads : 32;
	return ready("cuOccupancyMaxActiveBlocksPerMultiprocessor");
}

int si_launch(const struct ct_reference *function, unsigned grid_x, unsigned grid_y,
	      unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
	      unsigned shared, struct stream *stream, void **parameters, void **extra)
{
	struct command command = {.what = LAUNCH,
				  .kernel = function,
				  .shape = ct_shape(grid_x, grid_y, block_x, shared)};
	int status = ready("cuLaunchKernel");

	if (status || !function || !stream || extra)
		return status ? status : INVALID_HANDLE;
	if (grid_x * grid_y == 0 || grid_z != 1 || block_x == 0 || block_x > 1024 ||
	    block_y * block_z != 1 || function->argument_size > sizeof command.arguments)
		return INVALID_VALUE;
	if (function->argument_size > 0)
		memcpy(command.arguments, parameters[0], function->argument_size);
	return stream_give(stream, &command);
}

int si_launch_host(struct stream *stream, void (*function)(void *argument), void *argument)
{
	int status = ready("cuLaunchHostFunc");

	if (status || !function || !stream)
		return status ? status : INVALID_HANDLE;
	return stream_give(stream,
			   &(struct command){.what = HOST, .function = function, .to = argument});
}

/* ---- for stand-ins of libraries on top of the driver ---- */

int standin_enter(const char *call)
{
	return enter(call);
}

int standin_run(struct stream *stream, const struct ct_reference *work, const void *argument)
{
	struct command command = {.what = LAUNCH, .kernel = work, .shape = ct_shape(1, 1, 1, 0)};

	if (!stream || work->argument_size > sizeof command.arguments)
		return INVALID_VALUE;
	memcpy(command.arguments, argument, work->argument_size);
	return stream_give(stream, &command);
}

/* ---- graphs ---- */

int si_capture_begin(struct stream *stream, int mode)
{
	int status = ready("cuStreamBeginCapture");

	if (status || mode > 2 || stream->capturing)
		return status ? status : INVALID_VALUE;
	stream->capturing = true;
	return SUCCESS;
}

int si_capture_end(struct stream *stream, struct graph **graph)
{
	int status = ready("cuStreamEndCapture");

	stream->capturing = false;
	*graph = status ? NULL : malloc(sizeof **graph);
	if (!*graph) {
		graph_free(&stream->capture);
		return status ? status : OUT_OF_MEMORY;
	}
	**graph = stream->capture;
	stream->capture = (struct graph){NULL, NULL};
	return SUCCESS;
}

/* What can be launched has commands of its own: the graph may be destroyed before it. */
int si_graph_instantiate(struct graph **exec, struct graph *graph, uint64_t flags)
{
	int status = ready("cuGraphInstantiateWithFlags");

	(void)flags;
	if (status || !graph)
		return status ? status : INVALID_VALUE;
	*exec = malloc(sizeof **exec);
	if (!*exec)
		return OUT_OF_MEMORY;
	**exec = *graph;
	*graph = (struct graph){NULL, NULL};
	return SUCCESS;
}

int si_graph_upload(struct graph *exec, struct stream *stream)
{
	return exec && stream ? ready("cuGraphUpload") : INVALID_HANDLE;
}

int si_graph_launch(struct graph *exec, struct stream *stream)
{
	int status = ready("cuGraphLaunch");

	if (status || !exec || !stream)
		return status ? status : INVALID_HANDLE;
	return stream_give(stream, &(struct command){.what = GRAPH, .graph = exec});
}

int si_graph_exec_destroy(struct graph *exec)
{
	int status = enter("cuGraphExecDestroy");

	graph_free(exec);
	free(exec);
	return status;
}

int si_graph_destroy(struct graph *graph)
{
	int status = enter("cuGraphDestroy");

	graph_free(graph);
	free(graph);
	return status;
}
