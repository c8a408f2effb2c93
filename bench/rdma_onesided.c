/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/rdma_onesided.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness/core/clock.h"

enum { ATOMIC_BYTES = 8, LOOK_NS = 20000000 };
enum { OF_WORKLOAD = 1, OF_PEER = 2 }; /* patterns that the ends begin with, in a GPU's memory */

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

/* In a GPU's memory, so that what comes from the other end is seen to. */
static bool fill(const struct ct_rdma_gpu *gpu, const struct ct_rdma_end *end, unsigned pattern,
		 struct ct_error *err)
{
	return !gpu->used || ct_rdma_pattern_put(end, 0, end->wish.bytes, pattern, err);
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
	struct ct_rdma_wish wish = wish_of(options, env->place);

	if (!ct_rdma_open(&self->device, env->nic, &options->rdma, err) ||
	    !check_atomics(&self->device, opcode, err) ||
	    !ct_rdma_gpu_open(&self->gpu, options->memory, env->gpu, env->nic, err))
		return false;
	wish.gpu = ct_rdma_gpu_of(&self->gpu);
	return ct_rdma_end_open(&self->end, &self->device, &wish, err) &&
	       fill(&self->gpu, &self->end, OF_WORKLOAD, err) &&
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
	env->device = ct_rdma_gpu_json(&self->gpu, &self->end);
	*state = self;
	return true;
}

bool ct_rdma_onesided_rehearse(void *state, struct ct_error *err)
{
	struct ct_rdma_onesided *self = state;

	if (!self->gpu.used)
		return true;
	if (!ct_rdma_onesided_operate(self)) {
		ct_rdma_onesided_failure(self, err);
		return false;
	}
	return self->send.wr.opcode != IBV_WR_RDMA_READ ||
	       ct_rdma_pattern_check(&self->end, 0, self->end.wish.bytes, OF_PEER, err) ||
	       ct_error_in(err, "%s", self->name);
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
	ct_rdma_gpu_close(&self->gpu);
	ct_rdma_device_close(&self->device);
	free(self);
}

/* The other end. */

struct passive {
	const struct ct_peer_env *env;
	struct ct_rdma_device device;
	struct ct_rdma_gpu gpu;
	struct ct_rdma_end end;
};

static void passive_teardown(void *state)
{
	struct passive *self = state;

	ct_rdma_end_close(&self->end);
	ct_rdma_gpu_close(&self->gpu);
	ct_rdma_device_close(&self->device);
	free(self);
}

static bool passive_open(struct passive *self, const struct ct_rdma_onesided_options *options,
			 struct ct_error *err)
{
	struct ct_rdma_wish wish = wish_of(options, self->env->place);

	if (!ct_rdma_open(&self->device, self->env->nic, &options->rdma, err) ||
	    !ct_rdma_gpu_open(&self->gpu, options->memory, self->env->gpu, self->env->nic, err))
		return false;
	wish.events = false;
	wish.send_depth = 1;
	wish.gpu = ct_rdma_gpu_of(&self->gpu);
	return ct_rdma_end_open(&self->end, &self->device, &wish, err) &&
	       fill(&self->gpu, &self->end, OF_PEER, err);
}

static bool passive_setup(const struct ct_peer_env *env, const void *options, void **state,
			  char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct passive *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "memory for the RDMA peer");
	self->env = env;
	if (passive_open(self, options, err) &&
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

static bool passive_rehearse(void *state, struct ct_error *err)
{
	(void)state;
	(void)err;
	return true;
}

/* The workload's one write comes at any time, and its CPU is not told. */
static bool await_write(void *state, struct ct_error *err)
{
	const struct passive *self = state;
	const struct timespec pause = {.tv_nsec = 1000000};
	const uint64_t deadline_ns = ct_monotonic_ns() + CT_RDMA_PATIENCE_MS * UINT64_C(1000000);
	bool late;

	if (!self->gpu.used)
		return true;
	if (!ct_rdma_gpu_use(&self->gpu, err))
		return ct_error_in(err, "RDMA peer");
	do {
		late = ct_monotonic_ns() > deadline_ns ||
		       atomic_load_explicit(self->env->stop, memory_order_relaxed);
		*err = (struct ct_error){0};
		if (ct_rdma_pattern_check(&self->end, 0, self->end.wish.bytes, OF_WORKLOAD, err))
			return true;
		nanosleep(&pause, NULL);
	} while (!late);
	return ct_error_in(err, "RDMA peer");
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
	.rehearse = passive_rehearse,
	.serve = passive_serve,
	.teardown = passive_teardown,
};

const struct ct_peer_ops ct_rdma_written_peer = {
	.setup = passive_setup,
	.connect = passive_connect,
	.rehearse = await_write,
	.serve = passive_serve,
	.teardown = passive_teardown,
};
