/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libcuda.so.1 on machines without a GPU, loaded by the same dlopen. Everything that
 * a host can see of a driver happens: memory is there and its bounds are kept, streams work in
 * order and beside the host (each has a thread), events tell when they were reached, graphs are
 * captured and replayed, our kernels' CPU references run by the kernels' names, and calls fail when
 * told to. No figure that comes out of it says anything about a GPU.
 *
 * COTENANT_CUDA_STANDIN describes the machine, words separated by blanks:
 *
 *   gpus=1 cuda=13000 cc=90 sms=132 memory_mib=1024 mps=0 mps_sms=0 peers=1
 *   dma_buf=1              device memory can be exported as a dma-buf
 *   rdma_order=0 rdma_flush=1   what is said of other devices' writes: their order, and whether
 *                          they can be flushed
 *   mig=1                  devices are MIG devices, and only CUDA_VISIBLE_DEVICES is shown
 *
 * COTENANT_CUDA_FAIL makes calls fail: "cuMemAlloc:2:2" is CUDA_ERROR_OUT_OF_MEMORY at its second
 * call, and from an error of a lost context (700 to 719, 214) on every later call fails with it.
 * "cuMemAlloc:0:2" fails at every call. Several are separated by commas.
 */
#ifndef COTENANT_TESTS_STANDIN_CUDA_H
#define COTENANT_TESTS_STANDIN_CUDA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/reference.h"

enum status {
	SUCCESS = 0,
	INVALID_VALUE = 1,
	OUT_OF_MEMORY = 2,
	NOT_INITIALIZED = 3,
	NO_DEVICE = 100,
	INVALID_DEVICE = 101,
	INVALID_IMAGE = 200,
	INVALID_CONTEXT = 201,
	INVALID_HANDLE = 400,
	NOT_FOUND = 500,
	NOT_READY = 600,
	PEER_ALREADY = 704,
	NOT_SUPPORTED = 801,
	CAPTURE_UNSUPPORTED = 900,
	INVALID_RESOURCE_TYPE = 914,
	INVALID_RESOURCE_CONFIGURATION = 915,
	UNKNOWN = 999
};

/* ---- the machine (machine.c) ---- */

enum { MAX_DEVICES = 8 };
struct machine {
	bool initialised;
	int gpus, cuda, cc, sms, mps, mps_sms, mig, peers, dma_buf, rdma_order, rdma_flush;
	uint64_t memory_bytes;
	char visible[128]; /* the MIG device that is shown */
};
extern struct machine machine;

void machine_read(void); /* the description; the failures begin to count anew */
/* What the call of this name is to return before it does anything; SUCCESS: let it be done. */
int enter(const char *call);
int lost(void); /* the error of a lost context, or SUCCESS */
void lose(int status);

/* ---- memory (memory.c) ---- */

bool device_alloc(int device, size_t bytes, uint64_t *address);
bool device_free(uint64_t address);
/* Whether [address, address + bytes) is in one allocation, of a device or page-locked. */
bool device_holds(uint64_t address, size_t bytes);
uint64_t device_free_bytes(int device);
/*
 * Takes the memory at this address away from the CPU, as a device's is: who reads or writes it
 * without the driver dies of it. It is there between device_enter and device_leave.
 */
bool device_guard(uint64_t address);
void device_enter(void);
void device_leave(void);
bool host_alloc(size_t bytes, void **memory);
bool host_free(void *memory);

/* ---- streams, events, graphs (stream.c) ---- */

struct event {
	pthread_mutex_t lock;
	pthread_cond_t reached_it;
	uint64_t asked, reached; /* how often it was recorded, and how often that was reached */
	uint64_t time_ns;
	bool timing;
};

struct command {
	enum { COPY, SET8, SET32, LAUNCH, HOST, RECORD, GRAPH } what;
	void *to;
	const void *from;
	size_t n;
	unsigned value;
	const struct ct_reference *kernel;
	void (*function)(void *argument);
	struct ct_shape shape;
	unsigned char arguments[512];
	struct event *event;
	uint64_t ticket;
	struct graph *graph;
	struct command *next;
};

struct graph {
	struct command *first, *last;
};

struct stream {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct command *first, *last;
	uint64_t given, done;
	bool quit, capturing;
	struct graph capture;
	int priority;
	unsigned sms;
};

struct stream *stream_make(int priority, unsigned sms);
void stream_end(struct stream *stream); /* after its work is done */
int stream_give(struct stream *stream, const struct command *command);
void stream_wait(struct stream *stream);
bool stream_is_idle(struct stream *stream);
void graph_free(struct graph *graph);
uint64_t now_ns(void);

/* ---- for stand-ins of libraries on top of the driver (api_kernel.c, memory.c) ---- */

/*
 * What the kernel's modules know of device memory: a file whose bytes from its position on are
 * [address, address + bytes), both of whole pages. -1: it is no device memory that can be had so.
 */
__attribute__((visibility("default"))) int standin_export(uint64_t address, size_t bytes);

/* What the call of another library is to return; they count and fail as ours do. */
__attribute__((visibility("default"))) int standin_enter(const char *call);
/* Their work, in the order of the stream. `work` stays as it is until that is done. */
__attribute__((visibility("default"))) int standin_run(struct stream *stream,
						       const struct ct_reference *work,
						       const void *argument);

#endif
