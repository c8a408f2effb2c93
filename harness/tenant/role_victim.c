/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that is a victim: runs phases on request and sends every closed epoch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/tenant/covariates.h"
#include "harness/tenant/protocol.h"
#include "harness/tenant/sources.h"
#include "harness/tenant/texts.h"
#include "harness/tenant/victim_runner.h"
#include "harness/tenant/worker.h"

/*
 * The control thread looks this often for the end of a phase and for closed epochs; where the
 * victim rests most of the time, and the looking would cost more than the measuring, once an epoch.
 */
enum { LOOK_NS = 20000000, LOOK_WHILE_RESTING_NS = 250000000, LOOK_STEPPING_NS = 2000000 };

struct victim_role {
	const struct ct_victim_ops *ops;
	void *options;
	struct ct_victim_common common;
	struct ct_texts endpoints;
	char *answer;
	struct ct_victim_runner runner;
	bool started;
	bool running;
	uint64_t epoch_ns, ends_ns; /* of the phase: how long, and about when */
	unsigned owed; /* CT_MSG_CONNECTED or _REHEARSED once the step is over; 0: none */
	struct ct_covariate_sampler sampler;
	struct ct_covariates before;
	struct ct_sampler counters;
};

static uint64_t next_look(const struct victim_role *role, uint64_t now)
{
	uint64_t after_ns = LOOK_NS;

	if (role->common.duty < 100 && role->epoch_ns > LOOK_NS)
		after_ns = role->epoch_ns < LOOK_WHILE_RESTING_NS ? role->epoch_ns
								  : LOOK_WHILE_RESTING_NS;
	/* The end of the phase is waited for by others. */
	if (now + after_ns > role->ends_ns)
		return role->ends_ns > now ? role->ends_ns : now + LOOK_NS;
	return now + after_ns;
}

/* A role that was refused before it was set up is NULL. */
static void free_role(struct victim_role *role)
{
	if (!role)
		return;
	if (role->started)
		ct_victim_runner_stop(&role->runner);
	ct_sampler_close(&role->counters);
	ct_covariates_close(&role->sampler);
	if (role->options)
		ct_params_free(role->ops->params, role->options);
	free(role->options);
	ct_texts_free(&role->endpoints);
	free(role->answer);
	free(role);
}

static void teardown(struct ct_worker *worker)
{
	free_role(worker->role_state);
	worker->role_state = NULL;
}

static bool read_setup(struct victim_role *role, const json_t *setup, struct ct_error *err)
{
	const char *kind = json_string_value(json_object_get(setup, "kind"));

	role->ops = kind ? ct_victim_find(kind) : NULL;
	if (!role->ops)
		return ct_usage(err, "no victim of kind '%s'", kind ? kind : "");
	role->options = calloc(1, role->ops->options_size + 1);
	role->answer = calloc(1, CT_ANSWER_MAX);
	if (!role->options || !role->answer)
		return ct_broken_errno(err, "memory for the victim");
	ct_params_init(role->ops->params, role->options);
	ct_params_init(ct_victim_common_params, &role->common);
	return ct_texts_read(&role->endpoints, setup, "endpoints", err) &&
	       ct_worker_params(setup, "params", role->ops->params, role->options, err) &&
	       ct_worker_params(setup, "common", ct_victim_common_params, &role->common, err);
}

static bool check_available(const struct ct_victim_ops *ops, struct ct_error *err)
{
	char why[256];

	if (!ops->available || ops->available(why, sizeof why))
		return true;
	return ct_broken(err, "%s can't run here: %s", ops->name, why);
}

static bool start(struct ct_worker *worker, struct victim_role *role, const json_t *setup,
		  struct ct_error *err)
{
	struct ct_victim_env env;

	if (!read_setup(role, setup, err) || !check_available(role->ops, err))
		return false;
	env = (struct ct_victim_env){
		.clock = &worker->clock,
		.place = &worker->place,
		.endpoint = role->endpoints.n > 1 ? role->endpoints.items[1] : NULL,
		.endpoints = role->endpoints.items,
		.n_ranks = role->endpoints.n > 1 ? role->endpoints.n : 1,
		.answer = role->answer,
		.token = worker->token,
		.gpu = worker->gpu,
		.nic = worker->nic,
		.seed = (uint64_t)json_integer_value(json_object_get(setup, "seed")),
		.operations_per_sample = 1,
	};
	role->started = ct_victim_runner_start(&role->runner, role->ops, role->options,
					       &role->common, &env, err);
	if (!role->started)
		return false;
	ct_covariates_open(&role->sampler, &worker->place, role->runner.thread_id,
			   role->common.duty < 100);
	worker->host_counters = role->common.host_counters;
	ct_sampler_open(&role->counters, worker, role->runner.env.device, role->ops->counters);
	return true;
}

static json_t *clock_json(const struct ct_clock *clock)
{
	return json_pack("{s:s, s:f, s:f, s:f}", "source", ct_clock_source_name(clock->source),
			 "resolution_ns", clock->resolution_ns, "cost_ns", clock->cost_ns,
			 "ticks_per_s", clock->ticks_per_s);
}

static bool setup_role(struct ct_worker *worker, const json_t *setup, json_t *reply,
		       struct ct_error *err)
{
	struct victim_role *role = calloc(1, sizeof *role);

	if (!role)
		return ct_broken_errno(err, "memory for the victim");
	if (!start(worker, role, setup, err)) {
		free_role(role);
		return false;
	}
	worker->role_state = role;
	json_object_set_new(reply, "operations_per_sample",
			    json_integer((json_int_t)role->runner.env.operations_per_sample));
	json_object_set_new(reply, "bytes_per_operation",
			    json_integer((json_int_t)role->runner.env.bytes_per_operation));
	json_object_set_new(reply, "answer", json_string(role->answer));
	json_object_set_new(reply, "clock", clock_json(&worker->clock));
	if (role->runner.env.device)
		json_object_set(reply, "device", role->runner.env.device);
	json_object_set_new(reply, "counters", ct_sampler_describe(&role->counters));
	return true;
}

/* What was counted so far belongs to nobody, or to the warm-up. */
static void restart_counting(struct victim_role *role)
{
	ct_covariates_read(&role->sampler, &role->before);
	ct_sampler_begin(&role->counters);
}

static bool begin_phase(struct ct_worker *worker, struct victim_role *role, const json_t *body,
			struct ct_error *err)
{
	json_int_t warmup, measure, epoch;
	struct ct_phase_request request;

	if (json_unpack((json_t *)body, "{s:I, s:I, s:I}", "warmup_ns", &warmup, "measure_ns",
			&measure, "epoch_ns", &epoch) != 0 ||
	    warmup < 0 || measure <= 0 || epoch <= 0 || role->running || role->owed)
		return ct_usage(err, "bad RUN");
	request = (struct ct_phase_request){(uint64_t)warmup, (uint64_t)measure, (uint64_t)epoch};
	ct_worker_deadline(request.warmup_ns + request.measure_ns);
	restart_counting(role);
	ct_victim_runner_begin(&role->runner, &request);
	role->running = true;
	role->epoch_ns = request.epoch_ns;
	role->ends_ns = ct_monotonic_ns() + request.warmup_ns + request.measure_ns;
	worker->wake_ns = next_look(role, ct_monotonic_ns());
	return true;
}

static void fill_row(const struct victim_role *role, const struct ct_epoch_slot *slot,
		     struct ct_epoch_row *row)
{
	const struct ct_clock *clock = role->runner.env.clock;
	const struct ct_anchor *anchor = &role->runner.anchor;

	*row = (struct ct_epoch_row){
		.start_ns = ct_anchor_ns(clock, anchor, slot->begin_tick),
		.end_ns = ct_anchor_ns(clock, anchor, slot->end_tick),
		.count = slot->count,
		.overflow = slot->overflow,
		.min_ns = slot->count ? (double)slot->min_ps / 1e3 : NAN,
		.mean_ns = slot->count ? (double)slot->sum_ps / 1e3 / (double)slot->count : NAN,
		.p50_ns = ct_epoch_quantile(slot, 0.5) / 1e3,
		.p99_ns = ct_epoch_quantile(slot, 0.99) / 1e3,
		.max_ns = slot->count ? (double)slot->max_ps / 1e3 : NAN,
		.aggressor_rate = NAN,
		.aggressor_share = NAN,
	};
}

static uint32_t count_buckets(const struct ct_epoch_slot *slot)
{
	uint32_t n = 0;

	for (uint32_t i = ct_hist_index(slot->min_ps);
	     slot->count && i <= ct_hist_index(slot->max_ps); i++)
		n += slot->counts[i] != 0;
	return n;
}

static void write_buckets(const struct ct_epoch_slot *slot, struct ct_bucket_wire *out)
{
	for (uint32_t i = ct_hist_index(slot->min_ps);
	     slot->count && i <= ct_hist_index(slot->max_ps); i++) {
		if (slot->counts[i])
			*out++ = (struct ct_bucket_wire){i, slot->counts[i]};
	}
}

static bool send_epoch(struct ct_worker *worker, struct victim_role *role,
		       const struct ct_epoch_slot *slot, struct ct_error *err)
{
	const struct ct_clock *clock = role->runner.env.clock;
	const struct ct_anchor *anchor = &role->runner.anchor;
	struct ct_epoch_wire wire = {.n_buckets = count_buckets(slot),
				     .n_slow = slot->slow_count,
				     .n_raw = (uint32_t)slot->raw_count,
				     .n_counters = (uint32_t)role->counters.n,
				     .raw_dropped = slot->raw_dropped};
	const size_t buckets_at = sizeof wire;
	const size_t slow_at = buckets_at + wire.n_buckets * sizeof(struct ct_bucket_wire);
	const size_t raw_at = slow_at + wire.n_slow * sizeof(struct ct_slow_sample);
	const size_t counters_at = raw_at + wire.n_raw * sizeof(struct ct_raw_sample);
	const size_t length = counters_at + wire.n_counters * sizeof(double);
	double counters[CT_COUNTERS_MAX];
	struct ct_covariates now;
	unsigned char *message;
	bool good;

	ct_covariates_read(&role->sampler, &now);
	fill_row(role, slot, &wire.row);
	ct_covariates_delta(&role->before, &now, &wire.row);
	role->before = now;
	ct_sampler_read(&role->counters, slot->counters, counters);
	message = malloc(length);
	if (!message)
		return ct_broken_errno(err, "memory for an epoch");
	memcpy(message, &wire, sizeof wire);
	write_buckets(slot, (struct ct_bucket_wire *)(void *)(message + buckets_at));
	for (uint32_t i = 0; i < wire.n_slow; i++) {
		struct ct_slow_sample slow = {
			.time_ns = ct_anchor_ns(clock, anchor, slot->slowest[i].tick),
			.latency_ns = (double)slot->slowest[i].ps / 1e3};

		memcpy(message + slow_at + i * sizeof slow, &slow, sizeof slow);
	}
	for (uint32_t i = 0; i < wire.n_raw; i++) {
		struct ct_raw_sample raw = {.time_ns =
						    ct_anchor_ns(clock, anchor, slot->raw[i].tick),
					    .ps = slot->raw[i].ps};

		memcpy(message + raw_at + i * sizeof raw, &raw, sizeof raw);
	}
	memcpy(message + counters_at, counters, wire.n_counters * sizeof *counters);
	good = ct_worker_send_bytes(worker, CT_MSG_EPOCH, message, length, err);
	free(message);
	return good;
}

static bool send_closed_epochs(struct ct_worker *worker, struct victim_role *role,
			       struct ct_error *err)
{
	struct ct_epoch_slot *slot;

	while ((slot = ct_recorder_take(&role->runner.recorder)) != NULL) {
		bool warmup = slot->begin_tick < role->runner.measure_begin_tick;
		bool good = true;

		if (warmup)
			restart_counting(role);
		else
			good = send_epoch(worker, role, slot, err);
		ct_recorder_give_back(&role->runner.recorder, slot);
		if (!good)
			return false;
	}
	return true;
}

static bool look_for_end_of_step(struct ct_worker *worker, struct victim_role *role,
				 struct ct_error *err)
{
	const unsigned owed = role->owed;

	if (!ct_victim_runner_finished(&role->runner)) {
		worker->wake_ns = ct_monotonic_ns() + LOOK_STEPPING_NS;
		return true;
	}
	worker->wake_ns = UINT64_MAX;
	role->owed = 0;
	return ct_victim_runner_result(&role->runner, err) &&
	       ct_worker_send(worker, owed, NULL, err);
}

/* One operation may take longer than an epoch: that is no silence. */
static bool stay_in_touch(struct ct_worker *worker, struct ct_error *err)
{
	const uint64_t every_ns = CT_ALIVE_EVERY_S * UINT64_C(1000000000);

	return ct_monotonic_ns() - worker->last_words_ns < every_ns ||
	       ct_worker_send(worker, CT_MSG_ALIVE, NULL, err);
}

static bool tick(struct ct_worker *worker, struct ct_error *err)
{
	struct victim_role *role = worker->role_state;
	bool finished = ct_victim_runner_finished(&role->runner);

	if (role->owed)
		return look_for_end_of_step(worker, role, err);
	worker->wake_ns = finished ? UINT64_MAX : next_look(role, ct_monotonic_ns());
	/* Asked before the epochs are taken: what was closed by then is all there is. */
	if (!send_closed_epochs(worker, role, err))
		return false;
	if (!finished)
		return stay_in_touch(worker, err);
	role->running = false;
	return ct_victim_runner_result(&role->runner, err) &&
	       ct_worker_send(worker, CT_MSG_DONE, NULL, err);
}

static bool begin_step(struct ct_worker *worker, struct victim_role *role, unsigned asked,
		       struct ct_error *err)
{
	const bool connects = asked == CT_MSG_CONNECT;

	if (role->running || role->owed)
		return ct_usage(err, "bad %s", ct_message_name(asked));
	ct_victim_runner_step(&role->runner, connects ? role->ops->connect : role->ops->rehearse);
	role->owed = connects ? CT_MSG_CONNECTED : CT_MSG_REHEARSED;
	worker->wake_ns = ct_monotonic_ns() + LOOK_STEPPING_NS;
	return true;
}

static bool message(struct ct_worker *worker, unsigned type, const json_t *body,
		    struct ct_error *err)
{
	struct victim_role *role = worker->role_state;

	switch (type) {
	case CT_MSG_CONNECT:
	case CT_MSG_REHEARSE:
		return begin_step(worker, role, type, err);
	case CT_MSG_RUN:
		return begin_phase(worker, role, body, err);
	}
	return ct_usage(err, "a victim got %s", ct_message_name(type));
}

const struct ct_worker_role ct_worker_role_victim = {
	.name = "victim",
	.setup = setup_role,
	.message = message,
	.tick = tick,
	.teardown = teardown,
};
