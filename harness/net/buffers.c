/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the host: what is begun is done at once. */
#include "harness/net/buffers.h"

#include <stdlib.h>
#include <string.h>

struct host {
	struct ct_buffers base;
	struct ct_memory memory;
};

static bool host_open(const struct ct_buffers_setup *setup, struct ct_buffers **buffers,
		      struct ct_error *err)
{
	struct host *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "memory for buffers");
	if (!ct_memory_map(&self->memory, setup->place, setup->bytes, CT_PAGES_BASE, err)) {
		free(self);
		return ct_error_in(err, "bytes");
	}
	self->base = (struct ct_buffers){
		.ops = &ct_host_buffers, .base = self->memory.base, .bytes = self->memory.bytes};
	*buffers = &self->base;
	return true;
}

static bool host_put(struct ct_buffers *self, float *to, const float *from, size_t n,
		     struct ct_error *err)
{
	(void)self;
	(void)err;
	memcpy(to, from, n * sizeof *to);
	return true;
}

static bool host_look(struct ct_buffers *self, const float *at, size_t n, const float **seen,
		      struct ct_error *err)
{
	(void)self;
	(void)n;
	(void)err;
	*seen = at;
	return true;
}

static void sum(float *restrict out, const float *restrict in, const float *restrict other,
		size_t n)
{
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		out[i] = in[i] + other[i];
}

static bool host_add(struct ct_buffers *self, float *out, const float *in, const float *other,
		     size_t n, struct ct_error *err)
{
	(void)self;
	(void)err;
	sum(out, in, other, n);
	return true;
}

static bool host_done(struct ct_buffers *self, struct ct_error *err)
{
	(void)self;
	(void)err;
	return true;
}

static void host_close(struct ct_buffers *base)
{
	struct host *self = (struct host *)base;

	ct_memory_unmap(&self->memory);
	free(self);
}

const struct ct_buffers_ops ct_host_buffers = {
	.open = host_open,
	.use = host_done,
	.put = host_put,
	.look = host_look,
	.add = host_add,
	.copy = host_put,
	.finish = host_done,
	.arrived = host_done,
	.close = host_close,
};
