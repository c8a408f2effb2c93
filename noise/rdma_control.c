/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes and destroys what an adapter keeps state for: memory regions, queue pairs, completion
 * queues. No packet is sent, yet deregistration on one thread halved a 97 Gbit/s stream of another
 * tenant, as the adapter's caches are swept for it (Husky, NSDI 2023). Regions come in the shapes
 * whose cost differs: many small, few large, one huge.
 *
 * With side = receiver the sink does the churn, on the other end of the victim's path: the
 * aggressor asks for them by messages, so that its pace still rules, and counts what the sink
 * reports.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/rdma/completion.h"
#include "harness/rdma/options.h"
#include "harness/rdma/post.h"
#include "noise/aggressors.h"

enum object { REGION, QUEUE_PAIR, COMPLETION_QUEUE };
static const char *const objects[] = {"mr", "qp", "cq", NULL};
enum shape { MANY_SMALL, FEW_LARGE, ONE_HUGE };
static const char *const shapes[] = {"many_small", "few_large", "one_huge", NULL};
enum domain { SHARED, OWN };
static const char *const domains[] = {"shared", "own", NULL};
enum side { SENDER, RECEIVER };
static const char *const sides[] = {"sender", "receiver", NULL};

enum { WORD_BYTES = 64, RECEIVES = 4, MAX_REGIONS = 64 };

struct options {
	struct ct_rdma_options rdma;
	int object, shape, domain, side;
	uint64_t total; /* bytes of all regions of a thread */
};

/* How many regions there are at a time; they share `total`. */
static unsigned regions_of(enum shape shape)
{
	static const unsigned numbers[] = {MAX_REGIONS, 4, 1};

	return numbers[shape];
}

/* One thread's churn: what it makes, in which domain. */
struct churn {
	const struct options *options;
	const struct ct_rdma_device *device;
	struct ibv_pd *domain; /* of all threads, or its own */
	bool own_domain;
	struct ct_memory memory;
	struct ibv_mr *regions[MAX_REGIONS]; /* NULL: not registered */
	unsigned oldest;                     /* of the regions */
	struct ct_rdma_end end;              /* with the queue pair that is made again and again */
};

static void churn_close(struct churn *churn)
{
	for (unsigned i = 0; i < MAX_REGIONS; i++) {
		if (churn->regions[i])
			churn->device->verbs.dereg_mr(churn->regions[i]);
	}
	ct_rdma_end_close(&churn->end);
	if (churn->own_domain && churn->domain)
		churn->device->verbs.dealloc_pd(churn->domain);
	if (churn->memory.base)
		ct_memory_unmap(&churn->memory);
}

static bool churn_open(struct churn *churn, const struct options *options,
		       const struct ct_rdma_device *device, struct ibv_pd *shared,
		       const struct ct_place *place, struct ct_error *err)
{
	const struct ct_rdma_wish pair = {.type = CT_RDMA_RC,
					  .qps = 1,
					  .queues = 1,
					  .send_depth = 16,
					  .recv_depth = 16,
					  .mtu = ct_rdma_mtu(&options->rdma)};

	churn->options = options;
	churn->device = device;
	churn->domain = shared;
	if (!shared) {
		churn->own_domain = true;
		churn->domain = device->verbs.alloc_pd(device->context);
		if (!churn->domain)
			return ct_rdma_broken(err, errno, "a protection domain");
	}
	if ((options->object == REGION &&
	     !ct_memory_map(&churn->memory, place, options->total, CT_PAGES_BASE, err)) ||
	    (options->object == QUEUE_PAIR && !ct_rdma_end_open(&churn->end, device, &pair, err))) {
		churn_close(churn);
		return false;
	}
	return true;
}

static bool renew_region(struct churn *churn, unsigned i, struct ct_error *err)
{
	const struct ct_verbs *verbs = &churn->device->verbs;
	const unsigned n = regions_of((enum shape)churn->options->shape);
	const size_t bytes = churn->memory.bytes / n;
	struct ibv_mr *last = churn->regions[i];
	int code;

	churn->regions[i] = NULL;
	code = last ? verbs->dereg_mr(last) : 0;
	if (code != 0)
		return ct_rdma_broken(err, code, "deregistering memory");
	churn->regions[i] = verbs->reg_mr(
		churn->domain, (char *)churn->memory.base + i * bytes, bytes,
		IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
	return churn->regions[i] ||
	       ct_rdma_broken(err, errno, "registering %zu bytes, region %u of %u", bytes, i + 1,
			      n);
}

/*
 * All are there at the same time, and go in the order in which they came. One at a time: a round of
 * them all would be more than a low intensity asks for in an epoch.
 */
static bool churn_region(struct churn *churn, uint64_t *made, struct ct_error *err)
{
	if (!renew_region(churn, churn->oldest, err))
		return false;
	churn->oldest = (churn->oldest + 1) % regions_of((enum shape)churn->options->shape);
	++*made;
	return true;
}

static bool churn_pair(struct churn *churn, uint64_t *made, struct ct_error *err)
{
	ct_rdma_lane_destroy(&churn->end, 0);
	if (!ct_rdma_lane_create(&churn->end, 0, err) || !ct_rdma_lane_loop(&churn->end, 0, err))
		return false;
	++*made;
	return true;
}

static bool churn_queue(const struct churn *churn, uint64_t *made, struct ct_error *err)
{
	const struct ct_verbs *verbs = &churn->device->verbs;
	struct ibv_cq *queue = verbs->create_cq(churn->device->context, 256, NULL, NULL, 0);
	int code;

	if (!queue)
		return ct_rdma_broken(err, errno, "a completion queue");
	code = verbs->destroy_cq(queue);
	if (code != 0)
		return ct_rdma_broken(err, code, "destroying a completion queue");
	++*made;
	return true;
}

static bool churn_once(struct churn *churn, uint64_t *made, struct ct_error *err)
{
	switch ((enum object)churn->options->object) {
	case REGION:
		return churn_region(churn, made, err);
	case QUEUE_PAIR:
		return churn_pair(churn, made, err);
	case COMPLETION_QUEUE:
		break;
	}
	return churn_queue(churn, made, err);
}

/* The line to the sink: a queue pair over which objects are asked for and reported. */

/* By one message. Of quick ones so many that not the message's way there and back is the limit. */
static unsigned asked_at_once(const struct options *options)
{
	enum { QUICK = 8 };

	return options->object == REGION && options->shape == MANY_SMALL ? QUICK : 1;
}

static struct ct_rdma_wish line_wish(const struct options *options, const struct ct_place *place,
				     bool events)
{
	return (struct ct_rdma_wish){.type = CT_RDMA_RC,
				     .qps = 1,
				     .queues = 1,
				     .send_depth = RECEIVES,
				     .recv_depth = RECEIVES,
				     .mtu = ct_rdma_mtu(&options->rdma),
				     .events = events,
				     .place = place,
				     .bytes = (uint64_t)WORD_BYTES * (1 + RECEIVES),
				     .regions = 1};
}

struct line {
	struct ct_rdma_end end;
	struct ct_rdma_send send;
	struct ct_rdma_wait sends, receives;
};

static void line_close(struct line *line)
{
	if (line->sends.verbs)
		ct_rdma_wait_done(&line->sends);
	if (line->receives.verbs)
		ct_rdma_wait_done(&line->receives);
	ct_rdma_end_close(&line->end);
}

/* One message is under way at a time in each direction, so all land in the same place. */
static bool line_post_receive(const struct line *line, struct ct_error *err)
{
	int code = ct_rdma_post_receive(&line->end, 0, 0, WORD_BYTES, WORD_BYTES);

	return code == 0 || ct_rdma_broken(err, code, "posting a receive");
}

static bool line_connect(struct line *line, const char *record, const char *token,
			 enum ct_rdma_side side, const atomic_bool *stop, unsigned patience_ms,
			 struct ct_error *err)
{
	for (int i = 0; i < RECEIVES; i++) {
		if (!line_post_receive(line, err))
			return false;
	}
	if (!ct_rdma_end_connect(&line->end, record, token, side, err))
		return false;
	ct_rdma_prepare_send(&line->send, &line->end, 0, IBV_WR_SEND, 0, 0, sizeof(uint64_t));
	ct_rdma_wait_sends(&line->sends, &line->end, 0, stop, CT_RDMA_PATIENCE_MS);
	ct_rdma_wait_receives(&line->receives, &line->end, 0, stop, patience_ms);
	return true;
}

static bool line_say(struct line *line, uint64_t number, struct ct_error *err)
{
	struct ibv_wc wc;
	int code;

	memcpy(ct_rdma_region(&line->end, 0), &number, sizeof number);
	code = ct_rdma_post(&line->end, 0, &line->send);
	if (code != 0)
		return ct_rdma_broken(err, code, "posting a message");
	if (ct_rdma_reap(&line->sends, &wc, 1) > 0)
		return true;
	ct_rdma_wait_error(&line->sends, "its message", err);
	return false;
}

static bool line_hear(struct line *line, uint64_t *number, struct ct_error *err)
{
	struct ibv_wc wc;

	if (ct_rdma_reap(&line->receives, &wc, 1) <= 0) {
		ct_rdma_wait_error(&line->receives, "the other end's message", err);
		return false;
	}
	memcpy(number, ct_rdma_region(&line->end, 0) + WORD_BYTES, sizeof *number);
	return line_post_receive(line, err);
}

/* The aggressor. */

struct control {
	const struct ct_aggressor_env *env;
	const struct options *options;
	struct ct_rdma_device device;
	struct ibv_pd *shared;
	struct line line;
};

struct control_thread {
	struct control *control;
	struct churn churn;
};

static void teardown(void *state)
{
	struct control *self = state;

	line_close(&self->line);
	if (self->shared)
		self->device.verbs.dealloc_pd(self->shared);
	ct_rdma_device_close(&self->device);
	free(self);
}

static bool open_line(struct control *self, struct ct_error *err)
{
	const struct ct_aggressor_env *env = self->env;
	const struct ct_rdma_wish wish = line_wish(self->options, env->place, false);

	if (self->options->side == SENDER)
		return true;
	if (env->threads > 1)
		return ct_usage(err,
				"threads = %u: with side = receiver one asks and the sink "
				"works; take threads = 1",
				env->threads);
	return ct_rdma_end_open(&self->line.end, &self->device, &wish, err) &&
	       line_connect(&self->line, env->endpoint, env->token, CT_RDMA_WORKLOAD, env->stop,
			    CT_RDMA_PATIENCE_MS, err) &&
	       ct_rdma_end_record(&self->line.end, env->token, CT_RDMA_WORKLOAD, env->answer,
				  CT_ANSWER_MAX, err);
}

static bool open_domain(const struct options *options, const struct ct_rdma_device *device,
			struct ibv_pd **shared, struct ct_error *err)
{
	if (options->domain == OWN)
		return true;
	*shared = device->verbs.alloc_pd(device->context);
	return *shared || ct_rdma_broken(err, errno, "a protection domain");
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	struct control *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "rdma_control: memory for its state");
	self->env = env;
	self->options = options;
	if (ct_rdma_open(&self->device, env->nic, &self->options->rdma, err) &&
	    open_domain(self->options, &self->device, &self->shared, err) && open_line(self, err)) {
		*state = self;
		return true;
	}
	teardown(self);
	return ct_error_in(err, "rdma_control");
}

static bool thread_setup(void *state, unsigned thread, void **thread_state, struct ct_error *err)
{
	struct control *control = state;
	struct control_thread *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "rdma_control: memory for thread %u", thread);
	self->control = control;
	if (control->options->side == SENDER &&
	    !churn_open(&self->churn, control->options, &control->device, control->shared,
			control->env->place, err)) {
		free(self);
		return ct_error_in(err, "rdma_control: thread %u", thread);
	}
	*thread_state = self;
	return true;
}

static void thread_teardown(void *thread_state)
{
	struct control_thread *self = thread_state;

	if (self->churn.device)
		churn_close(&self->churn);
	free(self);
}

static bool burst(void *thread_state, uint64_t *units, struct ct_error *err)
{
	struct control_thread *self = thread_state;
	struct line *line = &self->control->line;
	uint64_t made = 0;
	bool good;

	if (self->control->options->side == SENDER)
		good = churn_once(&self->churn, &made, err);
	else
		good = line_say(line, asked_at_once(self->control->options), err) &&
		       line_hear(line, &made, err);
	*units += made;
	return good || ct_error_in(err, "rdma_control");
}

/* The sink, which works when it is asked to. */

struct sink {
	const struct ct_peer_env *env;
	const struct options *options;
	struct ct_rdma_device device;
	struct ibv_pd *shared;
	struct churn churn;
	struct line line;
};

static void sink_teardown(void *state)
{
	struct sink *sink = state;

	line_close(&sink->line);
	if (sink->churn.device)
		churn_close(&sink->churn);
	if (sink->shared)
		sink->device.verbs.dealloc_pd(sink->shared);
	ct_rdma_device_close(&sink->device);
	free(sink);
}

static bool sink_open(struct sink *sink, char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	const struct ct_rdma_wish wish = line_wish(sink->options, sink->env->place, true);

	if (sink->options->side == SENDER)
		return true;
	return ct_rdma_open(&sink->device, sink->env->nic, &sink->options->rdma, err) &&
	       open_domain(sink->options, &sink->device, &sink->shared, err) &&
	       churn_open(&sink->churn, sink->options, &sink->device, sink->shared,
			  sink->env->place, err) &&
	       ct_rdma_end_open(&sink->line.end, &sink->device, &wish, err) &&
	       ct_rdma_end_record(&sink->line.end, sink->env->token, CT_RDMA_PEER, endpoint,
				  CT_ENDPOINT_MAX, err);
}

static bool sink_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return ct_broken_errno(err, "rdma_control: memory for the sink");
	sink->env = env;
	sink->options = options;
	if (sink_open(sink, endpoint, err)) {
		*state = sink;
		return true;
	}
	sink_teardown(sink);
	return ct_error_in(err, "rdma_control: sink");
}

static bool sink_connect(void *state, const struct ct_peer_links *links, struct ct_error *err)
{
	struct sink *sink = state;

	return sink->options->side == SENDER ||
	       line_connect(&sink->line, links->texts[0], sink->env->token, CT_RDMA_PEER,
			    sink->env->stop, 0, err) ||
	       ct_error_in(err, "rdma_control: sink");
}

/* One message's worth. */
static bool sink_answer(struct sink *sink, uint64_t asked, struct ct_error *err)
{
	uint64_t made = 0;

	if (asked != asked_at_once(sink->options))
		return ct_broken(err, "asked for %" PRIu64 " objects by one message", asked);
	while (made < asked) {
		if (!churn_once(&sink->churn, &made, err))
			return false;
	}
	return line_say(&sink->line, made, err);
}

static bool sink_serve(void *state, struct ct_error *err)
{
	struct sink *sink = state;
	uint64_t asked;
	bool good = true;

	if (sink->options->side == SENDER)
		return true;
	while (good && line_hear(&sink->line, &asked, err))
		good = sink_answer(sink, asked, err);
	return atomic_load(sink->env->stop) || ct_error_in(err, "rdma_control: sink");
}

static const struct ct_peer_ops sink_ops = {
	.setup = sink_setup,
	.connect = sink_connect,
	.serve = sink_serve,
	.teardown = sink_teardown,
};

static const struct ct_param params[] = {
	{.name = "object",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct options, object),
	 .fallback = "mr",
	 .choices = objects,
	 .help = "memory regions, queue pairs (until they can send), or completion queues"},
	{.name = "shape",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct options, shape),
	 .fallback = "many_small",
	 .choices = shapes,
	 .help = "of memory regions: 64, 4 or 1 share `total`"},
	{.name = "total",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct options, total),
	 .fallback = "4M",
	 .min = "4K",
	 .max = "64G",
	 .help = "bytes of all memory regions of a thread"},
	{.name = "pd",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct options, domain),
	 .fallback = "shared",
	 .choices = domains,
	 .help = "protection domain: one for all threads, or one each"},
	{.name = "side",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct options, side),
	 .fallback = "sender",
	 .choices = sides,
	 .help = "which end does it: this tenant, or its peer, asked by one thread here"},
	CT_RDMA_PARAMS(struct options, rdma),
	{0},
};

const struct ct_aggressor_ops ct_noise_rdma_control = {
	.name = "rdma_control",
	.summary = "creation and destruction of RDMA regions, queue pairs or completion queues",
	.unit = "op",
	.stresses = CT_RES_RDMA | CT_RES_KERNEL | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct options),
	.available = ct_rdma_available,
	.setup = setup,
	.thread_setup = thread_setup,
	.burst = burst,
	.thread_teardown = thread_teardown,
	.teardown = teardown,
	.blocks = true,
	.peer = &sink_ops,
};
