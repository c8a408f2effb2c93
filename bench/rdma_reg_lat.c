/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registering memory with the adapter: the kernel pins the pages and the adapter gets their
 * addresses. Deregistering takes them back. Tenants that do this per request (storage, some MPI
 * ranks) feel a neighbour that does it all the time, with no packet sent.
 */
#include <errno.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/victims.h"
#include "harness/rdma/options.h"

struct reg_options {
	struct ct_rdma_options rdma;
	uint64_t size;
	int operation;
};

enum operation { REGISTER, DEREGISTER, BOTH };
static const char *const operations[] = {"register", "deregister", "both", NULL};

struct reg_state {
	const struct ct_clock *clock;
	struct ct_rdma_device device;
	struct ibv_pd *pd;
	struct ct_memory memory;
	enum operation operation;
	int code;
	const char *what; /* failed */
};

static void teardown(void *state)
{
	struct reg_state *self = state;

	if (self->memory.base)
		ct_memory_unmap(&self->memory);
	if (self->pd)
		self->device.verbs.dealloc_pd(self->pd);
	ct_rdma_device_close(&self->device);
	free(self);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct reg_options *asked = options;
	struct reg_state *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "rdma_reg_lat: memory for its state");
	self->clock = env->clock;
	self->operation = (enum operation)asked->operation;
	if (!ct_rdma_open(&self->device, env->nic, &asked->rdma, err) ||
	    !ct_memory_map(&self->memory, env->place, asked->size, CT_PAGES_BASE, err))
		goto fail;
	self->pd = self->device.verbs.alloc_pd(self->device.context);
	if (!self->pd) {
		ct_rdma_broken(err, errno, "a protection domain");
		goto fail;
	}
	*state = self;
	return true;
fail:
	teardown(self);
	return ct_error_in(err, "rdma_reg_lat");
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct reg_state *self = state;
	const struct ct_verbs *verbs = &self->device.verbs;
	uint64_t begin = ct_ticks(self->clock), registered, end;
	struct ibv_mr *mr;

	mr = verbs->reg_mr(self->pd, self->memory.base, self->memory.bytes,
			   IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
				   IBV_ACCESS_REMOTE_READ);
	registered = ct_ticks_end(self->clock);
	if (!mr) {
		self->code = errno;
		self->what = "registering memory";
		return false;
	}
	self->code = verbs->dereg_mr(mr);
	end = ct_ticks_end(self->clock);
	if (self->code != 0) {
		self->what = "deregistering memory";
		return false;
	}
	*ticks = (self->operation == REGISTER ? registered : end) -
		 (self->operation == DEREGISTER ? registered : begin);
	return true;
}

static void failure(void *state, struct ct_error *err)
{
	const struct reg_state *self = state;

	ct_rdma_broken(err, self->code, "rdma_reg_lat: %s of %zu bytes", self->what,
		       self->memory.bytes);
}

static const struct ct_param params[] = {
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct reg_options, size),
	 .fallback = "64K",
	 .min = "1",
	 .max = "64G",
	 .help = "bytes of the memory region"},
	{.name = "operation",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct reg_options, operation),
	 .fallback = "register",
	 .choices = operations,
	 .help = "which of the two is timed; both are done"},
	CT_RDMA_PARAMS(struct reg_options, rdma),
	{0},
};

const struct ct_victim_ops ct_bench_rdma_reg_lat = {
	.name = "rdma_reg_lat",
	.summary = "registration of memory with an RDMA device",
	.unit = "ns",
	.sample = "one registration of memory (or deregistration, or both) by the library call",
	.stresses = CT_RES_RDMA | CT_RES_KERNEL | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct reg_options),
	.available = ct_rdma_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = failure,
	.teardown = teardown,
};
