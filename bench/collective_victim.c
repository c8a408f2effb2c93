/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/collective_victim.h"

#include <stdlib.h>

struct victim {
	struct ct_collective *collective;
	const char *const *endpoints;
};

bool ct_collective_setup(const struct ct_collective_kind *kind, struct ct_victim_env *env,
			 const void *options, void **state, struct ct_error *err)
{
	const struct ct_collective_env rank = {
		.rank = 0,
		.n_ranks = env->n_ranks,
		.place = env->place,
		.clock = env->clock,
		.token = env->token,
		.nic = env->nic,
		.stop = env->stop,
	};
	struct victim *victim;

	if (env->n_ranks < 2)
		return ct_broken(err, "%s: it got no peers", kind->name);
	victim = calloc(1, sizeof *victim);
	if (!victim)
		return ct_broken_errno(err, "%s: no memory for its state", kind->name);
	victim->endpoints = env->endpoints;
	if (!ct_collective_open(kind, options, &rank, env->answer, &victim->collective, err)) {
		free(victim);
		return false;
	}
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
	const struct ct_collective_env rank = {
		.rank = env->rank,
		.n_ranks = env->n_ranks,
		.place = env->place,
		.address = env->address,
		.token = env->token,
		.nic = env->nic,
		.stop = env->stop,
	};
	struct ct_collective *collective;

	if (!ct_collective_open(kind, options, &rank, endpoint, &collective, err))
		return false;
	*state = collective;
	return true;
}

bool ct_collective_peer_connect(void *state, const struct ct_peer_links *links,
				struct ct_error *err)
{
	return ct_collective_connect(state, links->texts, err);
}

bool ct_collective_peer_serve(void *state, struct ct_error *err)
{
	return ct_collective_serve(state, err);
}

void ct_collective_peer_teardown(void *state)
{
	ct_collective_close(state);
}
