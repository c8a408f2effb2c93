/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/gpu_buffers.h"

#include <stdlib.h>

#include "harness/gpu/kernel.h"
#include "harness/gpu/memory.h"
#include "harness/rdma/registration.h"

struct gpu_buffers {
	struct ct_buffers base;
	struct ct_gpu gpu;
	struct ct_gpu_memory memory;
	struct ct_gpu_kernel add;        /* found with the first sum: alltoall needs none */
	float window[CT_BUFFERS_WINDOW]; /* a copy of what is looked at */
};

static struct gpu_buffers *of(struct ct_buffers *base)
{
	return (struct gpu_buffers *)base;
}

static ct_cu_address address_of(const float *element)
{
	return (ct_cu_address)(uintptr_t)element;
}

static size_t offset_of(const struct gpu_buffers *self, const float *element)
{
	return (size_t)(address_of(element) - self->memory.address);
}

static void gpu_close(struct ct_buffers *base)
{
	struct gpu_buffers *self = of(base);

	ct_gpu_memory_close(&self->memory);
	ct_gpu_close(&self->gpu);
	free(self);
}

static bool gpu_open(const struct ct_buffers_setup *setup, struct ct_buffers **buffers,
		     struct ct_error *err)
{
	struct gpu_buffers *self;

	if (!ct_rdma_needs_gpu(setup->gpu, err))
		return false;
	self = calloc(1, sizeof *self);
	if (!self)
		return ct_broken_errno(err, "memory for buffers");
	if (!ct_gpu_open(&self->gpu, setup->gpu, setup->nic, CT_CU_WAIT_SPIN, err) ||
	    !ct_gpu_memory_open(&self->memory, &self->gpu, setup->bytes, err)) {
		gpu_close(&self->base);
		return false;
	}
	self->base = (struct ct_buffers){.ops = &ct_gpu_buffers,
					 .base = (void *)(uintptr_t)self->memory.address,
					 .bytes = self->memory.bytes,
					 .gpu = &self->memory};
	*buffers = &self->base;
	return true;
}

static bool gpu_use(struct ct_buffers *base, struct ct_error *err)
{
	return ct_gpu_use(&of(base)->gpu, err);
}

static bool gpu_put(struct ct_buffers *base, float *to, const float *from, size_t n,
		    struct ct_error *err)
{
	const struct gpu_buffers *self = of(base);

	return ct_gpu_memory_put(&self->memory, offset_of(self, to), from, n * sizeof *to, err);
}

static bool gpu_look(struct ct_buffers *base, const float *at, size_t n, const float **seen,
		     struct ct_error *err)
{
	struct gpu_buffers *self = of(base);

	*seen = self->window;
	return ct_gpu_memory_get(&self->memory, self->window, offset_of(self, at), n * sizeof *at,
				 err);
}

/* Found in set-up's rehearsal, so no sample holds it. */
static bool find_kernel(struct gpu_buffers *self, struct ct_error *err)
{
	return self->add.function ||
	       ct_gpu_kernel(&self->gpu, "add", ct_shape_one(), &self->add, err);
}

static bool gpu_add(struct ct_buffers *base, float *out, const float *in, const float *other,
		    size_t n, struct ct_error *err)
{
	struct gpu_buffers *self = of(base);
	const struct ct_arg_add argument = {
		.out = address_of(out), .a = address_of(in), .b = address_of(other), .elements = n};

	if (n == 0)
		return true;
	if (!find_kernel(self, err))
		return false;
	self->add.shape = ct_shape_add(self->gpu.sms, n);
	return ct_gpu_launch(&self->gpu, &self->add, &argument, err);
}

static bool gpu_copy(struct ct_buffers *base, float *out, const float *in, size_t n,
		     struct ct_error *err)
{
	const struct ct_gpu *gpu = &of(base)->gpu;

	return CT_CUDA(gpu->cuda, MemcpyDtoDAsync, err, address_of(out), address_of(in),
		       n * sizeof *out, gpu->stream);
}

static bool gpu_finish(struct ct_buffers *base, struct ct_error *err)
{
	return ct_gpu_finish(&of(base)->gpu, err);
}

static bool gpu_arrived(struct ct_buffers *base, struct ct_error *err)
{
	return ct_gpu_memory_flush(&of(base)->memory, err);
}

json_t *ct_gpu_buffers_json(const struct ct_buffers *buffers)
{
	return ct_gpu_json(&((const struct gpu_buffers *)buffers)->gpu);
}

const struct ct_buffers_ops ct_gpu_buffers = {
	.open = gpu_open,
	.use = gpu_use,
	.put = gpu_put,
	.look = gpu_look,
	.add = gpu_add,
	.copy = gpu_copy,
	.finish = gpu_finish,
	.arrived = gpu_arrived,
	.close = gpu_close,
};
