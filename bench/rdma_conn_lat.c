/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a queue pair and bringing it up: create, then the three transitions to ready to send,
 * each a command to the adapter. The pair is connected to itself through the adapter's loopback:
 * what two hosts must exchange first is not in it, and no other end is needed.
 */
#include <errno.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/victims.h"
#include "harness/rdma/endpoint.h"
#include "harness/rdma/options.h"

struct conn_options {
	struct ct_rdma_options rdma;
	int operation;
};

enum operation { CONNECT, CREATE, DESTROY };
static const char *const operations[] = {"connect", "create", "destroy", NULL};

struct conn_state {
	const struct ct_clock *clock;
	struct ct_rdma_device device;
	struct ct_rdma_end end; /* without queue pairs of its own */
	enum operation operation;
	struct ct_error error;
};

static void teardown(void *state)
{
	struct conn_state *self = state;

	ct_rdma_end_close(&self->end);
	ct_rdma_device_close(&self->device);
	free(self);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct conn_options *asked = options;
	const struct ct_rdma_wish wish = {.type = CT_RDMA_RC,
					  .qps = 1,
					  .queues = 1,
					  .send_depth = 1,
					  .recv_depth = 1,
					  .mtu = ct_rdma_mtu(&asked->rdma)};
	struct conn_state *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "rdma_conn_lat: memory for its state");
	self->clock = env->clock;
	self->operation = (enum operation)asked->operation;
	if (ct_rdma_open(&self->device, env->nic, &asked->rdma, err) &&
	    ct_rdma_end_open(&self->end, &self->device, &wish, err)) {
		*state = self;
		return true;
	}
	teardown(self);
	return ct_error_in(err, "rdma_conn_lat");
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct conn_state *self = state;
	uint64_t destroyed_from, destroyed, created, connected;

	destroyed_from = ct_ticks(self->clock);
	ct_rdma_lane_destroy(&self->end, 0);
	destroyed = ct_ticks_end(self->clock);
	if (!ct_rdma_lane_create(&self->end, 0, &self->error))
		return false;
	created = ct_ticks_end(self->clock);
	if (!ct_rdma_lane_loop(&self->end, 0, &self->error))
		return false;
	connected = ct_ticks_end(self->clock);
	if (self->operation == DESTROY)
		*ticks = destroyed - destroyed_from;
	else
		*ticks = (self->operation == CREATE ? created : connected) - destroyed;
	return true;
}

static void failure(void *state, struct ct_error *err)
{
	const struct conn_state *self = state;

	*err = self->error;
	ct_error_in(err, "rdma_conn_lat");
}

static const struct ct_param params[] = {
	{.name = "operation",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct conn_options, operation),
	 .fallback = "connect",
	 .choices = operations,
	 .help = "connect: created and brought up; create: only that; destroy: of one brought up"},
	CT_RDMA_PARAMS(struct conn_options, rdma),
	{0},
};

const struct ct_victim_ops ct_bench_rdma_conn_lat = {
	.name = "rdma_conn_lat",
	.summary = "creation of an RDMA queue pair until it can send",
	.unit = "ns",
	.sample = "one queue pair created and brought to ready-to-send (or created, or destroyed)",
	.stresses = CT_RES_RDMA | CT_RES_KERNEL | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct conn_options),
	.available = ct_rdma_available,
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = failure,
	.teardown = teardown,
};
