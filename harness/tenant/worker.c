/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/core/version.h"
#include "harness/probe/source.h"
#include "harness/tenant/aside.h"
#include "harness/tenant/limits.h"
#include "harness/tenant/privilege.h"
#include "harness/tenant/near_gpu.h"
#include "harness/tenant/near_nic.h"
#include "harness/tenant/protocol.h"

enum {
	CALIBRATE_MS = 20,
	/* Between messages of a living controller never more than this passes. */
	IDLE_DEADLINE_S = 120
};

static const struct ct_worker_role *const roles[] = {&ct_worker_role_place, &ct_worker_role_victim,
						     &ct_worker_role_aggressor,
						     &ct_worker_role_peer};

bool ct_worker_send_bytes(struct ct_worker *worker, unsigned type, const void *payload,
			  size_t length, struct ct_error *err)
{
	worker->last_words_ns = ct_monotonic_ns();
	return ct_frame_send(worker->out, &worker->sent, (uint16_t)type, payload, length,
			     "controller", err);
}

bool ct_worker_send(struct ct_worker *worker, unsigned type, json_t *body, struct ct_error *err)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("{}");
	bool good;

	json_decref(body);
	if (!text)
		return ct_broken(err, "memory for a message");
	good = ct_worker_send_bytes(worker, type, text, strlen(text), err);
	free(text);
	return good;
}

bool ct_worker_params(const json_t *setup, const char *member, const struct ct_param *table,
		      void *options, struct ct_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(setup, member), key, value)
	{
		const struct ct_param *param = ct_param_find(table, key);

		if (!param || !json_is_string(value))
			return ct_usage(err, "unknown parameter '%s'", key);
		if (!ct_param_set(param, options, json_string_value(value), err))
			return false;
	}
	return true;
}

/* SIGALRM's default action ends the process whatever its threads are doing. */
void ct_worker_deadline(uint64_t ns_from_now)
{
	alarm((unsigned)(ns_from_now / 1000000000u) + IDLE_DEADLINE_S);
}

static bool send_hello(struct ct_worker *worker, struct ct_error *err)
{
	char build_id[CT_BUILD_ID_TEXT], boot_id[CT_BOOT_ID_TEXT];

	return ct_worker_send(worker, CT_MSG_HELLO,
			      json_pack("{s:i, s:s, s:i, s:s}", "version", CT_PROTOCOL_VERSION,
					"build_id", ct_build_id(build_id), "pid", (int)getpid(),
					"boot_id", ct_boot_id(boot_id)),
			      err);
}

static bool uses_devices(const json_t *setup)
{
	const char *cpus = json_string_value(json_object_get(setup, "cpus"));
	const char *memory = json_string_value(json_object_get(setup, "memory"));

	return (cpus && strstr(cpus, "near:")) || (memory && strstr(memory, "near:"));
}

enum { MAX_OTHERS = 4096 };

struct others {
	struct ct_named_place *named;
	struct ct_place *places;
	size_t n;
};

static void free_others(struct others *others)
{
	while (others->n > 0)
		ct_place_free(&others->places[--others->n]);
	free(others->places);
	free(others->named);
}

/* {"tenant": "0-3"}: places that this tenant's location may refer to. */
static bool read_others(const json_t *setup, struct others *others, struct ct_error *err)
{
	json_t *list = json_object_get(setup, "others");
	const size_t n = json_object_size(list);
	const char *name;
	json_t *cpus;

	if (n > MAX_OTHERS)
		return ct_usage(err, "SETUP names %zu tenants, at most %d are allowed", n,
				MAX_OTHERS);
	others->named = calloc(n + 1, sizeof *others->named);
	others->places = calloc(n + 1, sizeof *others->places);
	if (!others->named || !others->places)
		return ct_broken_errno(err, "memory for places of tenants");
	json_object_foreach(list, name, cpus)
	{
		struct ct_place *place = &others->places[others->n];

		if (!json_is_string(cpus))
			return ct_usage(err, "bad list of tenants in SETUP");
		if (!ct_place_init(place, err))
			return false;
		others->named[others->n++] = (struct ct_named_place){name, place};
		if (!ct_place_parse_cpus(place, json_string_value(cpus), err))
			return false;
	}
	return true;
}

/* A tenant that names a GPU and no CPUs: it gets those beside it, where they can be told. */
static bool wants_beside_gpu(const struct ct_worker *worker, const json_t *setup)
{
	const char *cpus = json_string_value(json_object_get(setup, "cpus"));

	return worker->gpu && (!cpus || !cpus[0]);
}

static bool resolve_place(struct ct_worker *worker, const json_t *setup, struct ct_error *err)
{
	const bool beside_gpu = wants_beside_gpu(worker, setup);
	const char *asked = json_string_value(json_object_get(setup, "cpus"));
	struct ct_topology *topology = NULL;
	struct others others = {.n = 0};
	char beside[CT_NEAR_GPU_TEXT];
	char *cpus = NULL, *memory = NULL;
	bool good;

	if (!ct_topology_load(&topology, beside_gpu || uses_devices(setup), err))
		return false;
	if (beside_gpu && ct_near_gpu(topology, worker->gpu, NULL, beside))
		asked = beside;
	good = ct_near_nic(asked, worker->nic, &ct_probe_live, &cpus, err) &&
	       ct_near_nic(json_string_value(json_object_get(setup, "memory")), worker->nic,
			   &ct_probe_live, &memory, err) &&
	       read_others(setup, &others, err) &&
	       ct_place_resolve(topology, cpus, memory, others.named, others.n, &worker->place,
				err);
	free(cpus);
	free(memory);
	free_others(&others);
	ct_topology_free(topology);
	return good;
}

/* Threads of the workload bind themselves; this one leaves victims first, then its own tenant, then
 * aggressors. */
static bool step_aside(struct ct_worker *worker, const json_t *setup, struct ct_error *err)
{
	const char *avoid = json_string_value(json_object_get(setup, "avoid"));
	const char *noise = json_string_value(json_object_get(setup, "noise"));
	char own[1024];
	const char *const lists[] = {avoid, ct_place_text(&worker->place, own, sizeof own), noise};

	if (!ct_step_aside(worker->home, lists, 3, err))
		return false;
	worker->aside = ct_is_aside(lists, 3);
	return true;
}

/* It becomes the name of a folder: only what the controller makes. */
static bool is_group_name(const char *name)
{
	return name && strncmp(name, "cotenant-", strlen("cotenant-")) == 0 && strlen(name) < 128 &&
	       strchr(name, '/') == NULL && strchr(name, '.') == NULL;
}

static bool read_limits(const json_t *setup, struct ct_limits *limits, struct ct_error *err)
{
	ct_params_init(ct_limit_params, limits);
	return ct_worker_params(setup, "limits", ct_limit_params, limits, err);
}

/* Before anything else runs here. What it may use of the machine is read anew afterwards. */
static bool put_under_limits(struct ct_worker *worker, const json_t *setup,
			     const struct ct_limits *limits, struct ct_error *err)
{
	const char *group = json_string_value(json_object_get(setup, "group"));

	worker->place.numa_policy = (enum ct_numa_policy)limits->numa_policy;
	if (!ct_limits_any(limits))
		return true;
	return (is_group_name(group) || ct_usage(err, "SETUP with limits but without a group")) &&
	       ct_limits_apply(limits, &worker->place, group, &ct_probe_live, err) &&
	       ct_affinity_get(worker->home, err);
}

static const struct ct_worker_role *find_role(const char *name)
{
	for (size_t i = 0; name && i < sizeof roles / sizeof roles[0]; i++) {
		if (strcmp(roles[i]->name, name) == 0)
			return roles[i];
	}
	return NULL;
}

static bool place_reply(struct ct_worker *worker, json_t *reply, struct ct_error *err)
{
	char cpus[1024];
	char *nodes = NULL;
	bool good;

	if (hwloc_bitmap_list_asprintf(&nodes, worker->place.nodes) < 0)
		return ct_broken_errno(err, "memory for a message");
	good = json_object_set_new(reply, "cpus",
				   json_string(ct_place_text(&worker->place, cpus, sizeof cpus))) ==
		       0 &&
	       json_object_set_new(reply, "nodes", json_string(nodes)) == 0;
	free(nodes);
	return good || ct_broken(err, "memory for a message");
}

/* Placement, limits, and then the role itself. */
static bool take_role(struct ct_worker *worker, const json_t *setup, const struct ct_limits *limits,
		      struct ct_error *err)
{
	json_t *reply;

	if (!resolve_place(worker, setup, err) || !put_under_limits(worker, setup, limits, err) ||
	    !step_aside(worker, setup, err) || !ct_privileges_drop(err))
		return false;
	reply = json_object();
	if (!reply || !place_reply(worker, reply, err) ||
	    (worker->role->setup && !worker->role->setup(worker, setup, reply, err))) {
		json_decref(reply);
		worker->role = NULL; /* nothing was left behind that teardown could undo */
		return false;
	}
	/* The role's threads have inherited the class by now. */
	if (!ct_limits_stand_above(limits, err)) {
		json_decref(reply);
		return false;
	}
	return ct_worker_send(worker, CT_MSG_READY, reply, err);
}

/* `value` as a string of ours; NULL where SETUP names nothing. */
static bool keep_name(const json_t *setup, const char *key, char **name, struct ct_error *err)
{
	const char *value = json_string_value(json_object_get(setup, key));

	*name = value && value[0] ? strdup(value) : NULL;
	return !value || !value[0] || *name || ct_broken_errno(err, "memory for a device's name");
}

static bool handle_setup(struct ct_worker *worker, const json_t *setup, struct ct_error *err)
{
	const char *token = json_string_value(json_object_get(setup, "token"));
	struct ct_limits limits = {0};
	bool good;

	if (worker->role)
		return ct_usage(err, "SETUP came twice");
	worker->role = find_role(json_string_value(json_object_get(setup, "role")));
	if (!worker->role)
		return ct_usage(err, "SETUP without a role that is known");
	if (token)
		snprintf(worker->token, sizeof worker->token, "%s", token);
	good = keep_name(setup, "gpu", &worker->gpu, err) &&
	       keep_name(setup, "nic", &worker->nic, err) && read_limits(setup, &limits, err) &&
	       take_role(worker, setup, &limits, err);
	ct_params_free(ct_limit_params, &limits);
	return good;
}

/* Hears nothing during a phase, which may be longer than the usual deadline. */
static bool stay(const json_t *body, struct ct_error *err)
{
	json_int_t ns = json_integer_value(json_object_get(body, "ns"));

	if (ns < 0)
		return ct_usage(err, "bad STAY");
	ct_worker_deadline((uint64_t)ns);
	return true;
}

static bool handle_frame(struct ct_worker *worker, const struct ct_frame_header *header,
			 const void *payload, struct ct_error *err)
{
	json_error_t reason;
	json_t *body = json_loadb(payload, header->length, 0, &reason);
	bool good;

	if (!body)
		return ct_broken(err, "controller: %s message is not JSON: %s",
				 ct_message_name(header->type), reason.text);
	ct_worker_deadline(0);
	if (header->type == CT_MSG_SETUP)
		good = handle_setup(worker, body, err);
	else if (header->type == CT_MSG_STAY)
		good = stay(body, err);
	else if (header->type == CT_MSG_CLOCK)
		good = ct_worker_send(
			worker, CT_MSG_CLOCK_IS,
			json_pack("{s:I}", "monotonic_ns", (json_int_t)ct_monotonic_ns()), err);
	else if (worker->role && worker->role->message)
		good = worker->role->message(worker, header->type, body, err);
	else
		good = ct_usage(err, "unexpected %s", ct_message_name(header->type));
	json_decref(body);
	return good;
}

/* 1: go on, 0: the controller is done with us, -1: failed. */
static int handle_input(struct ct_worker *worker, struct ct_error *err)
{
	struct ct_frame_header header;
	const void *payload;
	int got;

	if (!ct_frame_reader_fill(&worker->reader, worker->in, "controller", err))
		return -1;
	while ((got = ct_frame_reader_next(&worker->reader, &header, &payload, "controller",
					   err)) == 1) {
		if (header.type == CT_MSG_QUIT)
			return 0;
		if (!handle_frame(worker, &header, payload, err))
			return -1;
	}
	if (got < 0)
		return -1;
	return worker->reader.at_end ? 0 : 1;
}

static int wait_ms(const struct ct_worker *worker)
{
	uint64_t now = ct_monotonic_ns();

	if (worker->wake_ns == UINT64_MAX)
		return -1;
	if (worker->wake_ns <= now)
		return 0;
	return (int)((worker->wake_ns - now + 999999u) / 1000000u);
}

static bool loop(struct ct_worker *worker, struct ct_error *err)
{
	for (;;) {
		struct pollfd input = {.fd = worker->in, .events = POLLIN};
		int ready = poll(&input, 1, wait_ms(worker));
		int go_on = 1;

		if (ready < 0 && errno != EINTR)
			return ct_broken_errno(err, "waiting for the controller");
		if (ready > 0)
			go_on = handle_input(worker, err);
		if (go_on <= 0)
			return go_on == 0;
		if (worker->wake_ns <= ct_monotonic_ns() && !worker->role->tick(worker, err))
			return false;
	}
}

static void report_failure(struct ct_worker *worker, const struct ct_error *failure)
{
	struct ct_error ignored; /* the controller may be gone, and then there is nobody to tell */

	ct_worker_send(worker, CT_MSG_FAILED,
		       json_pack("{s:i, s:s}", "kind", (int)failure->kind, "text", failure->text),
		       &ignored);
}

bool ct_worker_serve(int in, int out, struct ct_error *err)
{
	struct ct_worker worker = {
		.in = in, .out = out, .reader.numbered = true, .wake_ns = UINT64_MAX};
	bool good;

	ct_worker_deadline(0);
	worker.home = hwloc_bitmap_alloc();
	good = ct_place_init(&worker.place, err) &&
	       (worker.home || ct_broken_errno(err, "memory for a CPU set")) &&
	       ct_affinity_get(worker.home, err) && send_hello(&worker, err) &&
	       ct_clock_init(&worker.clock, CALIBRATE_MS, err) && loop(&worker, err);
	if (!good)
		report_failure(&worker, err);
	if (worker.role && worker.role->teardown)
		worker.role->teardown(&worker);
	ct_frame_reader_free(&worker.reader);
	ct_place_free(&worker.place);
	hwloc_bitmap_free(worker.home);
	free(worker.gpu);
	free(worker.nic);
	return good;
}
