/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's functions under names of their own; proc.c hands them out under the driver's. */
#ifndef COTENANT_TESTS_STANDIN_CUDA_FUNCTIONS_H
#define COTENANT_TESTS_STANDIN_CUDA_FUNCTIONS_H

#include "tests/standin/cuda/standin.h"

struct uuid {
	unsigned char bytes[16];
};
struct affinity {
	int type;
	unsigned sm_count;
};
struct context;
struct module;

/* CUdevResource; what is internal: which division it came from, and how many groups it is. */
struct resource {
	int type;
	unsigned division;
	unsigned char internal[88];
	struct {
		unsigned sm_count, min_partition, alignment;
		unsigned char room[36];
	} sm;
};
_Static_assert(sizeof(struct resource) == 144, "the ABI of CUdevResource");
struct desc;
struct green;

/* What the call of this name is to return before it does anything, where it needs a context. */
int ready(const char *call);
/* Of the context of this thread, which has one. */
int current_device(void);

int si_init(unsigned flags);
int si_driver_version(int *version);
int si_device_count(int *count);
int si_device(int *device, int ordinal);
int si_device_name(char *name, int size, int device);
int si_device_uuid(struct uuid *uuid, int device);
int si_device_attribute(int *value, int attribute, int device);
int si_device_memory(size_t *bytes, int device);
int si_device_pci(char *address, int size, int device);
int si_can_access_peer(int *can, int device, int peer);
unsigned si_context_sms(void);
struct context *si_new_context(int device, unsigned sms);
int si_primary_retain(struct context **context, int device);
int si_primary_release(int device);
int si_primary_flags(int device, unsigned flags);
int si_context_create(struct context **context, unsigned flags, int device);
int si_context_destroy(struct context *context);
int si_context_set(struct context *context);
int si_context_device(int *device);
int si_context_synchronize(void);
int si_priority_range(int *least, int *greatest);
int si_enable_peer(struct context *peer, unsigned flags);
int si_exec_affinity(struct affinity *affinity, int type);
int si_memory_info(size_t *free_bytes, size_t *total);
int si_alloc(uint64_t *address, size_t bytes);
int si_free(uint64_t address);
int si_pointer_set(const void *value, int attribute, uint64_t address);
int si_range_handle(void *handle, uint64_t address, size_t bytes, int type, uint64_t flags);
int si_flush_writes(int target, int scope);
int si_host_alloc(void **memory, size_t bytes, unsigned flags);
int si_host_free(void *memory);
int si_host_pointer(uint64_t *address, void *memory, unsigned flags);
int si_host_register(void *memory, size_t bytes, unsigned flags);
int si_host_unregister(void *memory);
int si_copy_to_now(uint64_t to, const void *from, size_t bytes);
int si_copy_from_now(void *to, uint64_t from, size_t bytes);
int si_copy_to(uint64_t to, const void *from, size_t bytes, struct stream *stream);
int si_copy_from(void *to, uint64_t from, size_t bytes, struct stream *stream);
int si_copy_within(uint64_t to, uint64_t from, size_t bytes, struct stream *stream);
int si_copy_peer(uint64_t to, struct context *to_context, uint64_t from,
		 struct context *from_context, size_t bytes, struct stream *stream);
int si_set8(uint64_t to, unsigned char value, size_t bytes, struct stream *stream);
int si_set32(uint64_t to, unsigned value, size_t words, struct stream *stream);
int si_stream_create(struct stream **stream, unsigned flags, int priority);
int si_stream_destroy(struct stream *stream);
int si_stream_synchronize(struct stream *stream);
int si_stream_query(struct stream *stream);
int si_stream_priority(struct stream *stream, int *priority);
int si_event_create(struct event **event, unsigned flags);
int si_event_destroy(struct event *event);
int si_event_record(struct event *event, struct stream *stream);
int si_event_query(struct event *event);
int si_event_synchronize(struct event *event);
int si_event_elapsed(float *ms, struct event *begin, struct event *end);
int si_module_load(struct module **module, const void *image);
int si_module_unload(struct module *module);
int si_module_function(const struct ct_reference **function, struct module *module,
		       const char *name);
int si_function_get(int *value, int attribute, const struct ct_reference *function);
int si_function_set(const struct ct_reference *function, int attribute, int value);
int si_occupancy(int *blocks, const struct ct_reference *function, int threads, size_t shared);
int si_launch(const struct ct_reference *function, unsigned grid_x, unsigned grid_y,
	      unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
	      unsigned shared, struct stream *stream, void **parameters, void **extra);
int si_launch_host(struct stream *stream, void (*function)(void *argument), void *argument);
int si_capture_begin(struct stream *stream, int mode);
int si_capture_end(struct stream *stream, struct graph **graph);
int si_graph_instantiate(struct graph **exec, struct graph *graph, uint64_t flags);
int si_graph_upload(struct graph *exec, struct stream *stream);
int si_graph_launch(struct graph *exec, struct stream *stream);
int si_graph_exec_destroy(struct graph *exec);
int si_graph_destroy(struct graph *graph);

int si_device_resource(int device, struct resource *resource, int type);
int si_split(struct resource *groups, unsigned *n, const struct resource *whole,
	     struct resource *rest, unsigned flags, unsigned min_count);
int si_resource_desc(struct desc **desc, struct resource *resources, unsigned n);
int si_green_create(struct green **green, struct desc *desc, int device, unsigned flags);
int si_green_destroy(struct green *green);
int si_green_context(struct context **context, struct green *green);
int si_green_resource(struct green *green, struct resource *resource, int type);
int si_green_stream(struct stream **stream, struct green *green, unsigned flags, int priority);

#endif
