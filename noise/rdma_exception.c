/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that the adapters can't finish the normal way, and whose handling neighbours wait for:
 * a few kbit/s of sends that find no receive stopped a 97 Gbit/s stream of another tenant on
 * ConnectX-5 and 6 (Husky, NSDI 2023). The sink consents, and then is not ready on purpose:
 *
 *   rnr   it posts no receives. RC: it answers "receiver not ready" and the sender repeats after
 *         `timer`, `retries` times, until its queue pair fails. UC, UD: the adapter drops
 *   retry it never brings its queue pairs up, so nothing is acknowledged, and the sender repeats
 *         after `timer` until its queue pair fails
 *
 * A queue pair that failed is brought up again and goes on: its sequence number is still the one
 * that the sink expects, as nothing was accepted. A unit is a packet sent in vain.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/rdma/completion.h"
#include "harness/rdma/options.h"
#include "harness/rdma/post.h"
#include "noise/aggressors.h"

enum mode { NOT_READY, NO_ANSWER };
static const char *const modes[] = {"rnr", "retry", NULL};

enum { DEPTH = 16, REAP = 16, PAUSE_NS = 50000, LOOK_NS = 20000000 };

struct options {
	struct ct_rdma_options rdma;
	int mode, type;
	uint64_t timer_ns, retries, qps, size;
};

/* The 32 codes of the time a sender is asked to wait, in microseconds (InfiniBand specification,
 * "Encoding for RNR NAK Timer Field"); code 0 is the longest. */
static const uint32_t rnr_us[32] = {655360, 10,    20,    30,     40,     60,     80,     120,
				    160,    240,   320,   480,    640,    960,    1280,   1920,
				    2560,   3840,  5120,  7680,   10240,  15360,  20480,  30720,
				    40960,  61440, 81920, 122880, 163840, 245760, 327680, 491520};

/* The shortest that is not shorter than asked. */
static unsigned rnr_code(uint64_t ns)
{
	for (unsigned code = 1; code < 32; code++) {
		if (rnr_us[code] * UINT64_C(1000) >= ns)
			return code;
	}
	return 0;
}

/* 4.096 us times two to the code's power. */
static unsigned timeout_code(uint64_t ns)
{
	unsigned code = 1;

	while (code < 31 && (UINT64_C(4096) << code) < ns)
		code++;
	return code;
}

static struct ct_rdma_wish wish_of(const struct options *options, const struct ct_place *place)
{
	return (struct ct_rdma_wish){
		.type = (enum ct_rdma_type)options->type,
		.qps = (unsigned)options->qps,
		.queues = 1,
		.send_depth = DEPTH,
		.recv_depth = 1,
		.mtu = ct_rdma_mtu(&options->rdma),
		.place = place,
		.bytes = options->size,
		.regions = 1,
		.timeout = options->mode == NO_ANSWER ? timeout_code(options->timer_ns) : 0,
		.retries = options->mode == NO_ANSWER ? (unsigned)options->retries : 0,
		.rnr_timer = rnr_code(options->timer_ns),
		.rnr_longest = rnr_code(options->timer_ns) == 0,
		.rnr_limited = true,
		.rnr_retries = (unsigned)options->retries,
	};
}

struct exception {
	const struct ct_aggressor_env *env;
	const struct options *options;
	struct ct_rdma_device device;
	struct ct_rdma_end end;
};

struct lane {
	struct ct_rdma_send send;
	unsigned outstanding;
	bool failed;
};

struct thread {
	struct exception *exception;
	struct lane *lanes; /* of all queue pairs; those of this thread are in use */
	unsigned index;
};

static bool fails_visibly(const struct options *options)
{
	return options->type == CT_RDMA_RC;
}

static void teardown(void *state)
{
	struct exception *self = state;

	ct_rdma_end_close(&self->end);
	ct_rdma_device_close(&self->device);
	free(self);
}

static bool check(const struct ct_aggressor_env *env, const struct options *options,
		  struct ct_error *err)
{
	if (options->mode == NO_ANSWER && options->type != CT_RDMA_RC)
		return ct_usage(err, "mode = retry: only the transport rc repeats");
	if (options->qps < env->threads)
		return ct_usage(err, "qps = %llu: at least one for each of the %u threads",
				(unsigned long long)options->qps, env->threads);
	return true;
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct options *asked = options;
	struct ct_rdma_wish wish = wish_of(asked, env->place);
	struct exception *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "rdma_exception: memory for its state");
	self->env = env;
	self->options = asked;
	wish.queues = env->threads;
	if (check(env, asked, err) && ct_rdma_open(&self->device, env->nic, &asked->rdma, err) &&
	    ct_rdma_end_open(&self->end, &self->device, &wish, err) &&
	    ct_rdma_end_connect(&self->end, env->endpoint, env->token, CT_RDMA_WORKLOAD, err) &&
	    ct_rdma_end_record(&self->end, env->token, CT_RDMA_WORKLOAD, env->answer, CT_ANSWER_MAX,
			       err)) {
		*state = self;
		return true;
	}
	teardown(self);
	return ct_error_in(err, "rdma_exception");
}

static void thread_teardown(void *thread_state)
{
	struct thread *self = thread_state;

	free(self->lanes);
	free(self);
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	struct exception *exception = state;
	struct thread *self = calloc(1, sizeof *self);

	if (self)
		self->lanes = calloc(exception->options->qps, sizeof *self->lanes);
	if (!self || !self->lanes) {
		free(self);
		return ct_broken_errno(err, "rdma_exception: memory for thread %u", thread);
	}
	self->exception = exception;
	self->index = thread;
	for (unsigned i = 0; i < exception->options->qps; i++)
		ct_rdma_prepare_send(&self->lanes[i].send, &exception->end, i, IBV_WR_SEND, 0, 0,
				     (uint32_t)exception->options->size);
	*thread_state = self;
	return true;
}

/* One send on every queue pair that waits for nothing; without acknowledgements some more. */
static bool post_all(struct thread *self, struct ct_error *err)
{
	struct exception *exception = self->exception;
	const unsigned depth = fails_visibly(exception->options) ? 1 : DEPTH;

	for (unsigned i = self->index; i < exception->options->qps; i += exception->env->threads) {
		struct lane *lane = &self->lanes[i];

		if (lane->failed && lane->outstanding == 0) {
			if (!ct_rdma_lane_renew(&exception->end, i, err))
				return ct_error_in(err, "rdma_exception");
			lane->failed = false;
		}
		for (; !lane->failed && lane->outstanding < depth; lane->outstanding++) {
			int code = ct_rdma_post(&exception->end, i, &lane->send);

			if (code != 0)
				return ct_rdma_broken(err, code, "rdma_exception: posting a send");
		}
	}
	return true;
}

/* The failures that are asked for, and what a queue pair flushes after one. */
static bool is_wanted(const struct options *options, enum ibv_wc_status status)
{
	switch (status) {
	case IBV_WC_SUCCESS:
		return !fails_visibly(options);
	case IBV_WC_RNR_RETRY_EXC_ERR:
		return options->mode == NOT_READY;
	case IBV_WC_RETRY_EXC_ERR:
		return options->mode == NO_ANSWER;
	case IBV_WC_WR_FLUSH_ERR:
		return true;
	default:
		return false;
	}
}

static bool reap(struct thread *self, uint64_t *units, int *reaped, struct ct_error *err)
{
	const struct exception *exception = self->exception;
	const struct options *options = exception->options;
	struct ibv_wc wc[REAP];
	int n = ibv_poll_cq(exception->end.queues[self->index].sends, REAP, wc);

	if (n < 0)
		return ct_broken(err, "rdma_exception: polling its completion queue failed");
	for (int i = 0; i < n; i++) {
		struct lane *lane = &self->lanes[wc[i].wr_id];

		if (!is_wanted(options, wc[i].status))
			return ct_broken(err, "rdma_exception: a send that must not arrive: %s",
					 exception->device.verbs.wc_status_str(wc[i].status));
		lane->outstanding--;
		if (wc[i].status == IBV_WC_SUCCESS)
			(*units)++;
		else if (wc[i].status != IBV_WC_WR_FLUSH_ERR)
			*units += 1 + options->retries;
		lane->failed = lane->failed || wc[i].status != IBV_WC_SUCCESS;
	}
	*reaped = n;
	return true;
}

/* The adapter's timers do the work; between them there is nothing to do but to sleep. */
static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct thread *self = thread_state;
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int reaped = 0;

	if (!post_all(self, err) || !reap(self, units, &reaped, err))
		return false;
	if (reaped == 0)
		nanosleep(&pause, NULL);
	return true;
}

/* The sink that is not ready. */

struct sink {
	const struct ct_peer_env *env;
	const struct options *options;
	struct ct_rdma_device device;
	struct ct_rdma_end end;
};

static void sink_teardown(void *state)
{
	struct sink *sink = state;

	ct_rdma_end_close(&sink->end);
	ct_rdma_device_close(&sink->device);
	free(sink);
}

static bool sink_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	const struct options *asked = options;
	const struct ct_rdma_wish wish = wish_of(asked, env->place);
	struct sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return ct_broken_errno(err, "rdma_exception: memory for the sink");
	sink->env = env;
	sink->options = asked;
	if (ct_rdma_open(&sink->device, env->nic, &asked->rdma, err) &&
	    ct_rdma_end_open(&sink->end, &sink->device, &wish, err) &&
	    ct_rdma_end_record(&sink->end, env->token, CT_RDMA_PEER, endpoint, CT_ENDPOINT_MAX,
			       err)) {
		*state = sink;
		return true;
	}
	sink_teardown(sink);
	return ct_error_in(err, "rdma_exception: sink");
}

/* With mode = retry its queue pairs stay where packets are ignored. */
static bool sink_connect(void *state, const struct ct_peer_links *links, struct ct_error *err)
{
	struct sink *sink = state;

	return sink->options->mode == NO_ANSWER ||
	       ct_rdma_end_connect(&sink->end, links->texts[0], sink->env->token, CT_RDMA_PEER,
				   err) ||
	       ct_error_in(err, "rdma_exception: sink");
}

static bool sink_serve(void *state, struct ct_error *err)
{
	const struct sink *sink = state;
	const struct timespec pause = {.tv_nsec = LOOK_NS};

	(void)err;
	while (!atomic_load_explicit(sink->env->stop, memory_order_relaxed))
		nanosleep(&pause, NULL);
	return true;
}

static const struct ct_peer_ops sink = {
	.setup = sink_setup,
	.connect = sink_connect,
	.serve = sink_serve,
	.teardown = sink_teardown,
};

static const struct ct_param params[] = {
	{.name = "mode",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct options, mode),
	 .fallback = "rnr",
	 .choices = modes,
	 .help = "rnr: the receiver has no receives; retry: it does not acknowledge"},
	{.name = "type",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct options, type),
	 .fallback = "rc",
	 .choices = ct_rdma_type_names,
	 .help = "transport; on uc and ud the adapter drops what finds no receive"},
	{.name = "timer",
	 .type = CT_PARAM_TIME,
	 .offset = offsetof(struct options, timer_ns),
	 .fallback = "10us",
	 .min = "10us",
	 .max = "655360us",
	 .help = "rc: pause before a repetition, rounded up to what the protocol has; devices "
		 "may have a least one of their own"},
	{.name = "retries",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct options, retries),
	 .fallback = "6",
	 .min = "1",
	 .max = "6",
	 .help = "rc: repetitions until a queue pair fails and is brought up again"},
	{.name = "qps",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct options, qps),
	 .fallback = "16",
	 .min = "1",
	 .max = "4096",
	 .help = "queue pairs, shared among the threads"},
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct options, size),
	 .fallback = "64",
	 .min = "1",
	 .max = "1K",
	 .help = "bytes of a send"},
	CT_RDMA_PARAMS(struct options, rdma),
	{0},
};

const struct ct_aggressor_ops ct_noise_rdma_exception = {
	.name = "rdma_exception",
	.summary = "RDMA sends that find no receiver ready, or no answer",
	.unit = "packet",
	.stresses = CT_RES_RDMA | CT_RES_NETWORK,
	.params = params,
	.options_size = sizeof(struct options),
	.available = ct_rdma_available,
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = teardown,
	.blocks = true,
	.peer = &sink,
};
