/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/rdma_onesided.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ATOMIC_BYTES = 8, LOOK_NS = 20000000 };

static uint64_t bytes_of(const struct ct_rdma_onesided_options *options)
{
	return options->size ? options->size : ATOMIC_BYTES;
}

static struct ct_rdma_wish wish_of(const struct ct_rdma_onesided_options *options,
				   const struct ct_place *place)
{
	return (struct ct_rdma_wish){
		.type = (enum ct_rdma_type)options->type,
		.qps = 1,
		.queues = 1,
		.send_depth = options->tx_depth ? (unsigned)options->tx_depth : 1,
		.recv_depth = 1,
		.inline_bytes = (unsigned)options->inline_bytes,
		.mtu = ct_rdma_mtu(&options->rdma),
		.events = options->completion == CT_RDMA_EVENT,
		.place = place,
		.bytes = bytes_of(options),
		.regions = 1,
		.remote_regions = 1,
		.remote_bytes = bytes_of(options),
	};
}

static bool check_atomics(const struct ct_rdma_device *device, enum ibv_wr_opcode opcode,
			  struct ct_error *err)
{
	const bool atomic =
		opcode == IBV_WR_ATOMIC_CMP_AND_SWP || opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;

	return !atomic || device->attr.atomic_cap != IBV_ATOMIC_NONE ||
	       ct_broken(err, "RDMA device %s has no atomic operations", device->name);
}

static bool open_end(struct ct_rdma_onesided *self, const struct ct_victim_env *env,
		     const struct ct_rdma_onesided_options *options, enum ibv_wr_opcode opcode,
		     struct ct_error *err)
{
	const struct ct_rdma_wish wish = wish_of(options, env->place);

	return ct_rdma_open(&self->device, env->nic, &options->rdma, err) &&
	       check_atomics(&self->device, opcode, err) &&
	       ct_rdma_end_open(&self->end, &self->device, &wish, err) &&
	       ct_rdma_end_connect(&self->end, env->endpoint, env->token, CT_RDMA_WORKLOAD, err) &&
	       ct_rdma_end_record(&self->end, env->token, CT_RDMA_WORKLOAD, env->answer,
				  CT_ANSWER_MAX, err);
}

bool ct_rdma_onesided_setup(struct ct_victim_env *env,
			    const struct ct_rdma_onesided_options *options, const char *name,
			    enum ibv_wr_opcode opcode, void **state, struct ct_error *err)
{
	struct ct_rdma_onesided *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "%s: memory for its state", name);
	self->name = name;
	self->depth = options->tx_depth ? (unsigned)options->tx_depth : 1;
	self->batch = options->batch ? (unsigned)options->batch : 1;
	if (!open_end(self, env, options, opcode, err)) {
		ct_rdma_onesided_teardown(self);
		return ct_error_in(err, "%s", name);
	}
	ct_rdma_prepare_send(&self->send, &self->end, 0, opcode, 0, 0, (uint32_t)bytes_of(options));
	ct_rdma_aim(&self->send, &self->end, 0, 0);
	/* An atomic operation counts the operations, or swaps a zero for a zero. */
	if (opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
		self->send.wr.wr.atomic.compare_add = 1;
	ct_rdma_wait_sends(&self->wait, &self->end, 0, env->stop, CT_RDMA_PATIENCE_MS);
	env->bytes_per_operation = options->size;
	*state = self;
	return true;
}

bool ct_rdma_onesided_operate(void *state)
{
	struct ct_rdma_onesided *self = state;
	struct ibv_wc wc;

	self->post_code = ct_rdma_post(&self->end, 0, &self->send);
	return self->post_code == 0 && ct_rdma_reap(&self->wait, &wc, 1) > 0;
}

void ct_rdma_onesided_failure(void *state, struct ct_error *err)
{
	const struct ct_rdma_onesided *self = state;

	if (self->post_code != 0)
		ct_rdma_broken(err, self->post_code, "%s: posting a request", self->name);
	else
		ct_rdma_wait_error(&self->wait, self->name, err);
}

void ct_rdma_onesided_teardown(void *state)
{
	struct ct_rdma_onesided *self = state;

	if (self->wait.verbs)
		ct_rdma_wait_done(&self->wait);
	ct_rdma_end_close(&self->end);
	ct_rdma_device_close(&self->device);
	free(self);
}

/* The other end. */

struct passive {
	const struct ct_peer_env *env;
	struct ct_rdma_device device;
	struct ct_rdma_end end;
};

static void passive_teardown(void *state)
{
	struct passive *self = state;

	ct_rdma_end_close(&self->end);
	ct_rdma_device_close(&self->device);
	free(self);
}

static bool passive_setup(const struct ct_peer_env *env, const void *options, void **state,
			  char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	const struct ct_rdma_onesided_options *asked = options;
	struct ct_rdma_wish wish = wish_of(asked, env->place);
	struct passive *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "memory for the RDMA peer");
	self->env = env;
	wish.events = false;
	wish.send_depth = 1;
	if (ct_rdma_open(&self->device, env->nic, &asked->rdma, err) &&
	    ct_rdma_end_open(&self->end, &self->device, &wish, err) &&
	    ct_rdma_end_record(&self->end, env->token, CT_RDMA_PEER, endpoint, CT_ENDPOINT_MAX,
			       err)) {
		*state = self;
		return true;
	}
	passive_teardown(self);
	return ct_error_in(err, "RDMA peer");
}

static bool passive_connect(void *state, const struct ct_peer_links *links, struct ct_error *err)
{
	struct passive *self = state;

	return ct_rdma_end_connect(&self->end, links->texts[0], self->env->token, CT_RDMA_PEER,
				   err) ||
	       ct_error_in(err, "RDMA peer");
}

static bool passive_serve(void *state, struct ct_error *err)
{
	const struct passive *self = state;
	const struct timespec pause = {.tv_nsec = LOOK_NS};

	(void)err;
	while (!atomic_load_explicit(self->env->stop, memory_order_relaxed))
		nanosleep(&pause, NULL);
	return true;
}

const struct ct_peer_ops ct_rdma_onesided_peer = {
	.setup = passive_setup,
	.connect = passive_connect,
	.serve = passive_serve,
	.teardown = passive_teardown,
};
