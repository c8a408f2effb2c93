/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/collective_victim.h"

#include <stdlib.h>

#include "bench/gpu_buffers.h"
#include "harness/rdma/registration.h"

static const struct ct_transport_ops *const transports[] = {&ct_transport_tcp, &ct_transport_verbs};
static const char *const transport_names[] = {"tcp", "verbs", NULL};

const struct ct_param ct_collective_params[] = {
	{.name = "bytes",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_collective_options, bytes),
	 .fallback = "4M",
	 .min = "4",
	 .max = "4G",
	 .help = "size of a rank's buffer (float32), nccl-tests' size"},
	{.name = "chunk",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_collective_options, chunk),
	 .fallback = "128K",
	 .min = "4",
	 .max = "64M",
	 .help = "largest message; several are under way at a time"},
	{.name = "transport",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_collective_options, transport),
	 .fallback = "tcp",
	 .choices = transport_names,
	 .help = "what carries the messages: TCP, or RDMA writes on reliable connections"},
	CT_RDMA_MEMORY_PARAM(struct ct_collective_options, memory),
	{.name = "completion",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_collective_options, verbs.completion),
	 .fallback = "event",
	 .choices = ct_rdma_completion_names,
	 .help = "verbs: sleep until a message has come, as over TCP, or poll, which takes a CPU "
		 "of every rank"},
	CT_RDMA_PARAMS(struct ct_collective_options, verbs.rdma),
	{0},
};

struct victim {
	struct ct_collective *collective;
	const char *const *endpoints;
};

/* The part of a rank that the workload's options say. */
static bool apply(const struct ct_collective_options *options, struct ct_collective_env *env,
		  struct ct_error *err)
{
	if (options->memory == CT_RDMA_ON_GPU &&
	    transports[options->transport] != &ct_transport_verbs)
		return ct_usage(err, "memory = gpu: TCP sends memory of the host; it takes "
				     "transport = verbs");
	env->buffers = options->memory == CT_RDMA_ON_GPU ? &ct_gpu_buffers : &ct_host_buffers;
	env->bytes = options->bytes;
	env->chunk = options->chunk;
	env->transport = transports[options->transport];
	env->transport_options = &options->verbs;
	return true;
}

static void describe(const struct ct_collective *collective, json_t **device)
{
	if (!collective->buffers->gpu)
		return;
	*device = ct_gpu_buffers_json(collective->buffers);
	json_object_set_new(*device, "rdma_memory", json_string(collective->transport->memory));
}

bool ct_collective_setup(const struct ct_collective_kind *kind, struct ct_victim_env *env,
			 const void *options, void **state, struct ct_error *err)
{
	struct ct_collective_env rank = {
		.rank = 0,
		.n_ranks = env->n_ranks,
		.place = env->place,
		.clock = env->clock,
		.token = env->token,
		.nic = env->nic,
		.gpu = env->gpu,
		.stop = env->stop,
	};
	struct victim *victim;

	if (env->n_ranks < 2)
		return ct_broken(err, "%s: it got no peers", kind->name);
	victim = calloc(1, sizeof *victim);
	if (!victim)
		return ct_broken_errno(err, "%s: no memory for its state", kind->name);
	victim->endpoints = env->endpoints;
	if (!apply(options, &rank, err) ||
	    !ct_collective_open(kind, &rank, env->answer, &victim->collective, err)) {
		free(victim);
		return ct_error_in(err, "%s", kind->name);
	}
	describe(victim->collective, &env->device);
	env->bytes_per_operation = (uint64_t)((double)victim->collective->count * sizeof(float) *
					      kind->bus_factor(env->n_ranks));
	*state = victim;
	return true;
}

bool ct_collective_victim_connect(void *state, struct ct_error *err)
{
	const struct victim *victim = state;

	return ct_collective_connect(victim->collective, victim->endpoints, err);
}

bool ct_collective_victim_rehearse(void *state, struct ct_error *err)
{
	return ct_collective_rehearse(((const struct victim *)state)->collective, err);
}

bool ct_collective_victim_operate(void *state)
{
	return ct_collective_iterate(((const struct victim *)state)->collective);
}

void ct_collective_victim_failure(void *state, struct ct_error *err)
{
	ct_collective_failure(((const struct victim *)state)->collective, err);
}

void ct_collective_victim_count(void *state, double *values)
{
	ct_collective_count(((const struct victim *)state)->collective, values);
}

void ct_collective_victim_teardown(void *state)
{
	struct victim *victim = state;

	ct_collective_close(victim->collective);
	free(victim);
}

bool ct_collective_peer_setup(const struct ct_collective_kind *kind, const struct ct_peer_env *env,
			      const void *options, void **state, char endpoint[CT_ENDPOINT_MAX],
			      struct ct_error *err)
{
	struct ct_collective_env rank = {
		.rank = env->rank,
		.n_ranks = env->n_ranks,
		.place = env->place,
		.address = env->address,
		.token = env->token,
		.nic = env->nic,
		.gpu = env->gpu,
		.stop = env->stop,
	};
	struct ct_collective *collective;

	if (!apply(options, &rank, err) ||
	    !ct_collective_open(kind, &rank, endpoint, &collective, err))
		return ct_error_in(err, "%s", kind->name);
	*state = collective;
	return true;
}

bool ct_collective_peer_connect(void *state, const struct ct_peer_links *links,
				struct ct_error *err)
{
	return ct_collective_connect(state, links->texts, err);
}

bool ct_collective_peer_rehearse(void *state, struct ct_error *err)
{
	return ct_collective_rehearse(state, err);
}

bool ct_collective_peer_serve(void *state, struct ct_error *err)
{
	return ct_collective_serve(state, err);
}

void ct_collective_peer_teardown(void *state)
{
	ct_collective_close(state);
}
