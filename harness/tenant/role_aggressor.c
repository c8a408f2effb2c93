/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that is an aggressor: calibrates, loads, and reports what it achieved, epoch by epoch.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/tenant/noise_runner.h"
#include "harness/tenant/protocol.h"
#include "harness/tenant/texts.h"
#include "harness/tenant/worker.h"

enum {
	RAMP_ROW_NS = 20000000, /* rows while waiting for the load to be there */
	RAMP_LIMIT_NS =
		250000000 /* a load that is not there by then is limited by contention, or absent */
};

struct aggressor_role {
	const struct ct_aggressor_ops *ops;
	void *options;
	struct ct_aggressor_common common;
	struct ct_texts endpoints;
	char *answer;
	json_t *device; /* what it was given of a GPU; NULL: it uses none */
	struct ct_noise_runner runner;
	bool started, loading, loaded;
	uint64_t row_ns, ramp_until_ns, seed;
	unsigned good_rows;
};

/* A role that was refused before it was set up is NULL. */
static void free_role(struct aggressor_role *role)
{
	if (!role)
		return;
	if (role->started)
		ct_noise_runner_stop(&role->runner);
	if (role->options)
		ct_params_free(role->ops->params, role->options);
	free(role->options);
	ct_texts_free(&role->endpoints);
	free(role->answer);
	json_decref(role->device);
	free(role);
}

static void teardown(struct ct_worker *worker)
{
	free_role(worker->role_state);
	worker->role_state = NULL;
}

static bool read_setup(struct aggressor_role *role, const json_t *setup, struct ct_error *err)
{
	const char *kind = json_string_value(json_object_get(setup, "kind"));

	role->ops = kind ? ct_aggressor_find(kind) : NULL;
	if (!role->ops)
		return ct_usage(err, "no aggressor of kind '%s'", kind ? kind : "");
	role->seed = (uint64_t)json_integer_value(json_object_get(setup, "seed"));
	role->options = calloc(1, role->ops->options_size + 1);
	role->answer = calloc(1, CT_ANSWER_MAX);
	if (!role->options || !role->answer)
		return ct_broken_errno(err, "memory for the aggressor");
	ct_params_init(role->ops->params, role->options);
	ct_params_init(ct_aggressor_common_params, &role->common);
	return ct_texts_read(&role->endpoints, setup, "endpoints", err) &&
	       ct_worker_params(setup, "params", role->ops->params, role->options, err) &&
	       ct_worker_params(setup, "common", ct_aggressor_common_params, &role->common, err);
}

static bool check_available(const struct ct_aggressor_ops *ops, struct ct_error *err)
{
	char why[256];

	if (!ops->available || ops->available(why, sizeof why))
		return true;
	return ct_broken(err, "%s can't run here: %s", ops->name, why);
}

static bool start(struct ct_worker *worker, struct aggressor_role *role, const json_t *setup,
		  struct ct_error *err)
{
	struct ct_aggressor_env env;

	if (!read_setup(role, setup, err) || !check_available(role->ops, err))
		return false;
	env = (struct ct_aggressor_env){
		.clock = &worker->clock,
		.place = &worker->place,
		.endpoint = role->endpoints.n > 1 ? role->endpoints.items[1] : NULL,
		.endpoints = role->endpoints.items,
		.n_ranks = role->endpoints.n > 1 ? role->endpoints.n : 1,
		.answer = role->answer,
		.token = worker->token,
		.gpu = worker->gpu,
		.nic = worker->nic,
		.device = &role->device,
		.seed = role->seed,
	};
	role->started = ct_noise_runner_start(&role->runner, role->ops, role->options,
					      &role->common, &env, err);
	return role->started;
}

static bool setup_role(struct ct_worker *worker, const json_t *setup, json_t *reply,
		       struct ct_error *err)
{
	struct aggressor_role *role = calloc(1, sizeof *role);

	if (!role)
		return ct_broken_errno(err, "memory for the aggressor");
	if (!start(worker, role, setup, err)) {
		free_role(role);
		return false;
	}
	worker->role_state = role;
	json_object_set_new(reply, "answer", json_string(role->answer));
	json_object_set_new(reply, "threads", json_integer((json_int_t)role->runner.n_threads));
	if (role->device)
		json_object_set(reply, "device", role->device);
	return true;
}

static bool calibrate(struct ct_worker *worker, struct aggressor_role *role, const json_t *body,
		      struct ct_error *err)
{
	double seconds = json_number_value(json_object_get(body, "seconds"));
	double rate;

	if (!(seconds > 0 && seconds < 100) || role->loading)
		return ct_usage(err, "bad CALIBRATE");
	return ct_noise_runner_calibrate(&role->runner, seconds, &rate, err) &&
	       ct_worker_send(worker, CT_MSG_CALIBRATED, json_pack("{s:f}", "rate", rate), err);
}

/* An intensity of 0 or less means flat out, without holding any rate: what `noise` does. */
static bool load(struct ct_worker *worker, struct aggressor_role *role, const json_t *body,
		 struct ct_error *err)
{
	double intensity = json_number_value(json_object_get(body, "intensity"));
	double solo = json_number_value(json_object_get(body, "solo_rate"));
	json_int_t row_ns = json_integer_value(json_object_get(body, "row_ns"));
	json_int_t longest_ns = json_integer_value(json_object_get(body, "longest_ns"));
	bool flat_out = intensity <= 0;

	if (role->loading || row_ns <= 0 || longest_ns < 0 || (!flat_out && !(solo > 0)))
		return ct_usage(err, "bad LOAD");
	ct_worker_deadline((uint64_t)longest_ns);
	ct_noise_runner_load(&role->runner, flat_out ? INFINITY : solo * intensity / 100.0,
			     role->seed);
	role->row_ns = (uint64_t)row_ns;
	role->loading = true;
	role->loaded = false;
	role->good_rows = 0;
	role->ramp_until_ns = role->runner.load_start_ns + RAMP_LIMIT_NS;
	worker->wake_ns = role->runner.load_start_ns + RAMP_ROW_NS;
	return true;
}

static bool send_row(struct ct_worker *worker, const struct ct_noise_row *row, struct ct_error *err)
{
	return ct_worker_send_bytes(worker, CT_MSG_NOISE, row, sizeof *row, err);
}

/* The load is there when two rows in a row carry it, or when it will not get any better. */
static bool look_for_load(struct ct_worker *worker, struct aggressor_role *role,
			  const struct ct_noise_row *row, struct ct_error *err)
{
	double share = row->asked_units > 0 ? row->units / row->asked_units : 1.0;

	role->good_rows = share >= 0.9 ? role->good_rows + 1 : 0;
	worker->wake_ns = row->end_ns + RAMP_ROW_NS;
	if (role->good_rows < 2 && row->end_ns < role->ramp_until_ns)
		return true;
	role->loaded = true;
	worker->wake_ns = row->end_ns + role->row_ns;
	return ct_worker_send(worker, CT_MSG_LOADED, json_pack("{s:f}", "share", share), err);
}

static bool tick(struct ct_worker *worker, struct ct_error *err)
{
	struct aggressor_role *role = worker->role_state;
	struct ct_noise_row row;

	if (!role->loading) {
		worker->wake_ns = UINT64_MAX;
		return true;
	}
	if (ct_noise_runner_failed(&role->runner, err))
		return false;
	ct_noise_runner_sample(&role->runner, &row);
	if (!role->loaded)
		return look_for_load(worker, role, &row, err);
	worker->wake_ns = row.end_ns + role->row_ns;
	return send_row(worker, &row, err);
}

static bool unload(struct ct_worker *worker, struct aggressor_role *role, struct ct_error *err)
{
	struct ct_noise_row row;

	if (!role->loading)
		return ct_usage(err, "UNLOAD without LOAD");
	/* The last, shorter row: the end of the victim's phase must be covered as well. */
	ct_noise_runner_sample(&role->runner, &row);
	ct_noise_runner_unload(&role->runner);
	role->loading = false;
	worker->wake_ns = UINT64_MAX;
	return !ct_noise_runner_failed(&role->runner, err) && send_row(worker, &row, err) &&
	       ct_worker_send(worker, CT_MSG_UNLOADED, NULL, err);
}

static bool connect_role(struct ct_worker *worker, struct aggressor_role *role,
			 struct ct_error *err)
{
	if (role->loading)
		return ct_usage(err, "CONNECT after LOAD");
	return (!role->ops->connect || role->ops->connect(role->runner.shared, err)) &&
	       ct_worker_send(worker, CT_MSG_CONNECTED, NULL, err);
}

static bool message(struct ct_worker *worker, unsigned type, const json_t *body,
		    struct ct_error *err)
{
	struct aggressor_role *role = worker->role_state;

	switch (type) {
	case CT_MSG_CONNECT:
		return connect_role(worker, role, err);
	case CT_MSG_CALIBRATE:
		return calibrate(worker, role, body, err);
	case CT_MSG_LOAD:
		return load(worker, role, body, err);
	case CT_MSG_UNLOAD:
		return unload(worker, role, err);
	}
	return ct_usage(err, "an aggressor got %s", ct_message_name(type));
}

const struct ct_worker_role ct_worker_role_aggressor = {
	.name = "aggressor",
	.setup = setup_role,
	.message = message,
	.tick = tick,
	.teardown = teardown,
};
