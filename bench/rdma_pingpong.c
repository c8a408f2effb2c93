/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/rdma_pingpong.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/rdma/post.h"
#include "harness/rdma/tenant_gpu.h"

enum {
	RECEIVES = 16,     /* one is enough; the others save the peer from running out */
	LOOK_SPINS = 4096, /* reads of memory between two looks at the clock */
	NOT_YET = 3        /* begin of the pattern where a message is to land; sides have 1 and 2 */
};

/* Either end. Its region holds what it sends, then what it receives. */
struct pingpong {
	const char *name;
	enum ct_rdma_message message;
	bool in_memory; /* the answer is noticed there */
	uint64_t size;
	uint64_t landing; /* where in a region a message arrives */
	uint32_t receive_bytes;
	const char *token;
	struct ct_rdma_device device;
	struct ct_rdma_gpu gpu;
	struct ct_rdma_end end;
	enum ct_rdma_side side;
	struct ct_rdma_send send;
	struct ct_rdma_wait sends, receives;
	uint8_t count;              /* of rounds; in the last byte of every message */
	volatile uint8_t *out, *in; /* on the host only */
	const char *what;           /* it waits for, where it failed */
};

static const char *const names[] = {"rdma_write_lat", "rdma_send_lat"};

static unsigned grh(const struct ct_rdma_pingpong_options *options)
{
	return options->type == CT_RDMA_UD ? CT_RDMA_GRH : 0;
}

static bool check_size(const struct pingpong *self, const struct ct_rdma_pingpong_options *options,
		       struct ct_error *err)
{
	const unsigned asked = ct_rdma_mtu(&options->rdma);
	unsigned mtu = ct_rdma_mtu_bytes(self->device.port_attr.active_mtu);

	mtu = asked && asked < mtu ? asked : mtu;
	if (options->type != CT_RDMA_UD || options->size <= mtu)
		return true;
	return ct_usage(err, "size = %llu: a datagram holds at most the MTU, %u bytes",
			(unsigned long long)options->size, mtu);
}

static unsigned pattern_of(enum ct_rdma_side side)
{
	return 1 + (unsigned)side;
}

/* What it sends, and where a message is to land, in a GPU's memory. */
static bool fill(const struct pingpong *self, struct ct_error *err)
{
	return !self->gpu.used ||
	       (ct_rdma_pattern_put(&self->end, 0, self->size, pattern_of(self->side), err) &&
		ct_rdma_pattern_put(&self->end, self->landing, self->receive_bytes, NOT_YET, err));
}

/* What an end is given of its tenant. */
struct at {
	const struct ct_place *place;
	const char *gpu, *nic;
	enum ct_rdma_side side;
};

static bool open_end(struct pingpong *self, const struct at *at,
		     const struct ct_rdma_pingpong_options *options, enum ct_rdma_message message,
		     struct ct_error *err)
{
	/* Apart by whole pages, so that the two directions share no cache line. */
	const uint64_t landing = (options->size + 4095) & ~UINT64_C(4095);
	struct ct_rdma_wish wish = {
		.type = (enum ct_rdma_type)options->type,
		.qps = 1,
		.queues = 1,
		.send_depth = 2,
		.recv_depth = RECEIVES,
		.inline_bytes = (unsigned)options->inline_bytes,
		.mtu = ct_rdma_mtu(&options->rdma),
		.events = options->completion == CT_RDMA_EVENT,
		.place = at->place,
		.bytes = landing + options->size + CT_RDMA_GRH,
		.regions = 1,
		.remote_regions = 1,
		.remote_bytes = landing + options->size,
	};

	self->name = names[message];
	self->message = message;
	self->side = at->side;
	self->in_memory = message == CT_RDMA_WRITES && options->completion == CT_RDMA_POLL &&
			  options->memory == CT_RDMA_ON_HOST;
	self->size = options->size;
	self->landing = landing;
	self->receive_bytes = (uint32_t)options->size + grh(options);
	if (!ct_rdma_open(&self->device, at->nic, &options->rdma, err) ||
	    !check_size(self, options, err) ||
	    !ct_rdma_gpu_open(&self->gpu, options->memory, at->gpu, at->nic, err))
		return false;
	wish.gpu = ct_rdma_gpu_of(&self->gpu);
	if (!ct_rdma_end_open(&self->end, &self->device, &wish, err) || !fill(self, err))
		return false;
	if (!self->gpu.used) {
		self->out = ct_rdma_region(&self->end, 0) + options->size - 1;
		self->in = ct_rdma_region(&self->end, 0) + landing + self->receive_bytes - 1;
	}
	return true;
}

static void close_end(struct pingpong *self)
{
	ct_rdma_wait_done(&self->sends);
	ct_rdma_wait_done(&self->receives);
	ct_rdma_end_close(&self->end);
	ct_rdma_gpu_close(&self->gpu);
	ct_rdma_device_close(&self->device);
	free(self);
}

static bool post_receives(struct pingpong *self, struct ct_error *err)
{
	for (int i = 0; !self->in_memory && i < RECEIVES; i++) {
		int code =
			ct_rdma_post_receive(&self->end, 0, 0, self->landing, self->receive_bytes);

		if (code != 0)
			return ct_rdma_broken(err, code, "posting a receive");
	}
	return true;
}

static enum ibv_wr_opcode opcode(const struct pingpong *self)
{
	if (self->message == CT_RDMA_SENDS)
		return IBV_WR_SEND;
	return self->in_memory ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_WRITE_WITH_IMM;
}

/* Receives are there before the other end can send. */
static bool connect_end(struct pingpong *self, const char *record, enum ct_rdma_side side,
			const atomic_bool *stop, unsigned patience_ms, struct ct_error *err)
{
	if (!post_receives(self, err) ||
	    !ct_rdma_end_connect(&self->end, record, self->token, side, err))
		return false;
	ct_rdma_prepare_send(&self->send, &self->end, 0, opcode(self), 0, 0, (uint32_t)self->size);
	if (self->message == CT_RDMA_WRITES)
		ct_rdma_aim(&self->send, &self->end, 0, self->landing);
	ct_rdma_wait_sends(&self->sends, &self->end, 0, stop, CT_RDMA_PATIENCE_MS);
	ct_rdma_wait_receives(&self->receives, &self->end, 0, stop, patience_ms);
	return true;
}

static bool fail(struct pingpong *self, struct ct_rdma_wait *wait, const char *what, int code)
{
	self->what = what;
	if (code != 0) {
		wait->outcome = CT_RDMA_BROKEN;
		wait->code = code;
	}
	/* failure() looks at one of the two. */
	if (wait == &self->sends)
		self->receives.outcome = CT_RDMA_GOOD;
	return false;
}

static bool send_message(struct pingpong *self)
{
	struct ibv_wc wc;
	int code;

	self->count++;
	if (!self->gpu.used)
		*self->out = self->count;
	code = ct_rdma_post(&self->end, 0, &self->send);
	if (code != 0)
		return fail(self, &self->sends, "posting a message", code);
	return ct_rdma_reap(&self->sends, &wc, 1) > 0 || fail(self, &self->sends, "its message", 0);
}

/* Every round counts, modulo 256: the last byte is what comes last on the bus. */
static bool see_message(struct pingpong *self, uint8_t expected)
{
	uint64_t since_ns = 0;

	for (unsigned spins = 1; *self->in != expected; spins++) {
		if (spins % LOOK_SPINS == 0 && !ct_rdma_may_wait(&self->receives, &since_ns))
			return fail(self, &self->receives, "the other end's message", 0);
	}
	return true;
}

static bool receive_message(struct pingpong *self, uint8_t expected)
{
	struct ibv_wc wc;
	int code;

	if (self->in_memory)
		return see_message(self, expected);
	if (ct_rdma_reap(&self->receives, &wc, 1) <= 0)
		return fail(self, &self->receives, "the other end's message", 0);
	code = ct_rdma_post_receive(&self->end, 0, 0, self->landing, self->receive_bytes);
	return code == 0 || fail(self, &self->receives, "posting a receive", code);
}

bool ct_rdma_pingpong_setup(struct ct_victim_env *env,
			    const struct ct_rdma_pingpong_options *options,
			    enum ct_rdma_message message, void **state, struct ct_error *err)
{
	struct pingpong *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "%s: memory for its state", names[message]);
	self->token = env->token;
	if (!open_end(self, &(struct at){env->place, env->gpu, env->nic, CT_RDMA_WORKLOAD}, options,
		      message, err) ||
	    !connect_end(self, env->endpoint, CT_RDMA_WORKLOAD, env->stop, CT_RDMA_PATIENCE_MS,
			 err) ||
	    !ct_rdma_end_record(&self->end, env->token, CT_RDMA_WORKLOAD, env->answer,
				CT_ANSWER_MAX, err)) {
		close_end(self);
		return ct_error_in(err, "%s", names[message]);
	}
	/* A round is two messages, and a sample the half of it. */
	env->operations_per_sample = 2;
	env->bytes_per_operation = options->size;
	env->device = ct_rdma_gpu_json(&self->gpu, &self->end);
	*state = self;
	return true;
}

/* The message of the other side, after the header of a datagram. */
static bool check_message(const struct pingpong *self, struct ct_error *err)
{
	const enum ct_rdma_side other =
		self->side == CT_RDMA_PEER ? CT_RDMA_WORKLOAD : CT_RDMA_PEER;
	const uint64_t header = self->receive_bytes - self->size;

	return ct_rdma_pattern_check(&self->end, self->landing + header, self->size,
				     pattern_of(other), err) ||
	       ct_error_in(err, "%s", self->name);
}

bool ct_rdma_pingpong_rehearse(void *state, struct ct_error *err)
{
	struct pingpong *self = state;

	if (!self->gpu.used)
		return true;
	if (ct_rdma_pingpong_operate(self))
		return check_message(self, err);
	ct_rdma_pingpong_failure(self, err);
	return false;
}

bool ct_rdma_pingpong_operate(void *state)
{
	struct pingpong *self = state;

	return send_message(self) && receive_message(self, self->count);
}

void ct_rdma_pingpong_failure(void *state, struct ct_error *err)
{
	const struct pingpong *self = state;
	const struct ct_rdma_wait *wait =
		self->receives.outcome != CT_RDMA_GOOD ? &self->receives : &self->sends;
	char what[128];

	snprintf(what, sizeof what, "%s: %s", self->name, self->what);
	ct_rdma_wait_error(wait, what, err);
}

void ct_rdma_pingpong_teardown(void *state)
{
	close_end(state);
}

bool ct_rdma_pingpong_peer_setup(const struct ct_peer_env *env,
				 const struct ct_rdma_pingpong_options *options,
				 enum ct_rdma_message message, void **state,
				 char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct pingpong *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "%s: memory for the peer", names[message]);
	self->token = env->token;
	self->receives.stop = env->stop;
	if (!open_end(self, &(struct at){env->place, env->gpu, env->nic, CT_RDMA_PEER}, options,
		      message, err) ||
	    !ct_rdma_end_record(&self->end, env->token, CT_RDMA_PEER, endpoint, CT_ENDPOINT_MAX,
				err)) {
		close_end(self);
		return ct_error_in(err, "%s: peer", names[message]);
	}
	*state = self;
	return true;
}

/* The victim may be silent for as long as it likes: between phases it is. */
bool ct_rdma_pingpong_peer_connect(void *state, const struct ct_peer_links *links,
				   struct ct_error *err)
{
	struct pingpong *self = state;

	return (ct_rdma_gpu_use(&self->gpu, err) &&
		connect_end(self, links->texts[0], CT_RDMA_PEER, self->receives.stop, 0, err)) ||
	       ct_error_in(err, "%s: peer", self->name);
}

bool ct_rdma_pingpong_peer_rehearse(void *state, struct ct_error *err)
{
	struct pingpong *self = state;

	if (!self->gpu.used)
		return true;
	if (receive_message(self, (uint8_t)(self->count + 1)) && send_message(self))
		return check_message(self, err) || ct_error_in(err, "peer");
	ct_rdma_pingpong_failure(self, err);
	return ct_error_in(err, "peer");
}

bool ct_rdma_pingpong_peer_serve(void *state, struct ct_error *err)
{
	struct pingpong *self = state;

	while (receive_message(self, (uint8_t)(self->count + 1)) && send_message(self)) {
	}
	if (atomic_load(self->receives.stop))
		return true;
	ct_rdma_pingpong_failure(self, err);
	return ct_error_in(err, "peer");
}
