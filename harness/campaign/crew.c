/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/gpu/in_force.h"
#include "harness/tenant/protocol.h"

/* Without any that are named, a workload with another end has one in its own tenant. */
static void add_peers(struct ct_actor *actor, const struct ct_peer_ops *ops, unsigned own,
		      const struct ct_peers *peers, const struct ct_tenant *tenants,
		      const struct ct_placement *placements)
{
	actor->n_peers = !ops ? 0 : peers->n > 0 ? peers->n : 1;
	for (unsigned i = 0; i < actor->n_peers; i++) {
		unsigned tenant = peers->n > 0 ? peers->tenants[i] : own;

		actor->peer_tenants[i] = &tenants[tenant];
		actor->peer_placements[i] = placements ? &placements[tenant] : NULL;
	}
}

struct ct_actor ct_actor_of_victim(const struct ct_victim_entry *entry,
				   const struct ct_tenant *tenants,
				   const struct ct_placement *placements)
{
	const struct ct_peer_ops *peer = entry->ops->peer;
	struct ct_actor actor = {
		.role = "victim",
		.name = entry->name,
		.kind = entry->ops->name,
		.params = entry->ops->params,
		.common_params = ct_victim_common_params,
		.options = entry->options,
		.common = &entry->common,
		.connects = peer && (peer->connect || entry->ops->connect),
		.rehearses = peer && peer->rehearse && entry->ops->rehearse,
		.tenant = &tenants[entry->tenant],
		.placement = placements ? &placements[entry->tenant] : NULL,
	};

	add_peers(&actor, peer, entry->tenant, &entry->peers, tenants, placements);
	return actor;
}

struct ct_actor ct_actor_of_aggressor(const struct ct_aggressor_entry *entry,
				      const struct ct_tenant *tenants,
				      const struct ct_placement *placements)
{
	const struct ct_peer_ops *peer = entry->ops->peer;
	struct ct_actor actor = {
		.role = "aggressor",
		.name = entry->name,
		.kind = entry->ops->name,
		.params = entry->ops->params,
		.common_params = ct_aggressor_common_params,
		.options = entry->options,
		.common = &entry->common,
		.connects = peer && (peer->connect || entry->ops->connect),
		.tenant = &tenants[entry->tenant],
		.placement = placements ? &placements[entry->tenant] : NULL,
	};

	add_peers(&actor, peer, entry->tenant, &entry->peers, tenants, placements);
	return actor;
}

/* A workload and its peers, as they are set up together. */
struct party {
	const struct ct_actor *actor;
	struct ct_link *link, *peers;
	json_t **ready;
	json_t *texts; /* by rank: "" or the workload's answer, then the peers' endpoints */
};

/* `rank` 0 is the workload itself. */
static json_t *make_setup(const struct ct_crew_setup *setup, const struct party *party,
			  unsigned rank, struct ct_error *err)
{
	const struct ct_actor *actor = party->actor;
	json_t *message = json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:i, s:i}", "role",
		rank > 0 ? "peer" : actor->role, "of", actor->role, "kind", actor->kind, "params",
		ct_params_values(actor->params, actor->options), "common",
		ct_params_values(actor->common_params, actor->common), "avoid", setup->avoid_cpus,
		"token", setup->token, "seed", (json_int_t)(setup->seed >> 1), "rank", (int)rank,
		"n_ranks", (int)actor->n_peers + 1);

	if (message && setup->noise_cpus)
		json_object_set_new(message, "noise", json_string(setup->noise_cpus));
	if (message && rank == 0 && actor->n_peers > 0)
		json_object_set(message, "endpoints", party->texts);
	if (message &&
	    ct_placement_ask(message, rank > 0 ? actor->peer_tenants[rank - 1] : actor->tenant,
			     rank > 0 ? actor->peer_placements[rank - 1] : actor->placement,
			     setup->token, err))
		return message;
	json_decref(message);
	ct_broken(err, "memory for a message");
	return NULL;
}

/* Workers on their way: launched, and not all of them have said hello. */
struct starting {
	struct ct_link *links[CT_LINKS_MAX];
	size_t launched, greeted;
};

/* An sshd turns away who comes while ten others are on their way in (its MaxStartups). */
enum { STARTING_MAX = 8 };

static bool greet_next(struct ct_crew *crew, struct starting *starting, struct ct_error *err)
{
	return ct_link_greet(crew->links, starting->links[starting->greeted++], err);
}

static bool launch_one(struct ct_crew *crew, struct starting *starting, const struct party *party,
		       unsigned rank, struct ct_error *err)
{
	const struct ct_actor *actor = party->actor;
	const struct ct_tenant *tenant = rank > 0 ? actor->peer_tenants[rank - 1] : actor->tenant;
	struct ct_link *link = rank > 0 ? &party->peers[rank - 1] : party->link;
	char prefix[32] = "";

	if (rank > 0 && actor->n_peers > 1)
		snprintf(prefix, sizeof prefix, "peer %u of ", rank);
	else if (rank > 0)
		snprintf(prefix, sizeof prefix, "peer of ");
	snprintf(link->name, sizeof link->name, "%s%s '%s' on tenant '%s'", prefix, actor->role,
		 actor->name, tenant->name);
	if (starting->launched - starting->greeted == STARTING_MAX &&
	    !greet_next(crew, starting, err))
		return false;
	if (!ct_link_launch(crew->links, link, tenant->via, tenant->program, err))
		return false;
	starting->links[starting->launched++] = link;
	return true;
}

/* Room for its other ends. */
static bool claim_peers(struct ct_crew *crew, struct party *party, struct ct_error *err)
{
	if (crew->n_peers + party->actor->n_peers > CT_LINKS_MAX)
		return ct_usage(err, "%s '%s': more than %d other ends in one block",
				party->actor->role, party->actor->name, CT_LINKS_MAX);
	party->peers = &crew->peers[crew->n_peers];
	crew->n_peers += party->actor->n_peers;
	party->texts = json_pack("[s]", "");
	return party->texts || ct_broken(err, "memory for a message");
}

/* All at once: behind ssh or in a container, each takes a good part of a second to come up. */
static bool start_all(struct ct_crew *crew, struct party *parties, size_t n, struct ct_error *err)
{
	struct starting starting = {.launched = 0};

	for (size_t i = 0; i < n; i++) {
		if (!parties[i].actor)
			continue;
		if (!claim_peers(crew, &parties[i], err))
			return false;
		for (unsigned rank = 0; rank <= parties[i].actor->n_peers; rank++) {
			if (!launch_one(crew, &starting, &parties[i], rank, err))
				return false;
		}
	}
	while (starting.greeted < starting.launched) {
		if (!greet_next(crew, &starting, err))
			return false;
	}
	return true;
}

static bool set_up_one(struct ct_crew *crew, const struct ct_crew_setup *setup,
		       const struct party *party, unsigned rank, json_t **ready,
		       struct ct_error *err)
{
	struct ct_link *link = rank > 0 ? &party->peers[rank - 1] : party->link;
	json_t *message = make_setup(setup, party, rank, err);

	return message && ct_link_ask(crew->links, link, CT_MSG_SETUP, message, CT_MSG_READY,
				      CT_SETUP_TIMEOUT_NS, ready, err);
}

/* Each tells its endpoint. */
static bool set_up_peers(struct ct_crew *crew, const struct ct_crew_setup *setup,
			 struct party *party, struct ct_error *err)
{
	if (!party->actor)
		return true;
	for (unsigned rank = 1; rank <= party->actor->n_peers; rank++) {
		json_t *ready = NULL, *endpoint;

		if (!set_up_one(crew, setup, party, rank, &ready, err))
			return false;
		endpoint = json_object_get(ready, "endpoint");
		json_array_append(party->texts, endpoint);
		json_decref(ready);
		if (!json_is_string(endpoint))
			return ct_broken(err, "%s: it told no endpoint",
					 party->peers[rank - 1].name);
	}
	return true;
}

/*
 * Everybody is asked before anybody is awaited: in a step, some wait for others. Who fails ends
 * the wait for all.
 */
static bool step_party(struct ct_crew *crew, struct party *party, unsigned asked, unsigned answer,
		       struct ct_error *err)
{
	for (unsigned rank = party->actor->n_peers; rank > 0; rank--) {
		json_t *body =
			asked == CT_MSG_CONNECT ? json_pack("{s:O}", "texts", party->texts) : NULL;

		if (!ct_link_send(&party->peers[rank - 1], asked, body, err))
			return false;
	}
	if (!ct_link_ask(crew->links, party->link, asked, NULL, answer, CT_SETUP_TIMEOUT_NS, NULL,
			 err))
		return false;
	for (unsigned rank = 1; rank <= party->actor->n_peers; rank++) {
		if (!ct_link_await(crew->links, &party->peers[rank - 1], answer,
				   CT_SETUP_TIMEOUT_NS, NULL, err))
			return false;
	}
	return true;
}

static bool connect_party(struct ct_crew *crew, struct party *party, struct ct_error *err)
{
	json_t *answer = json_object_get(*party->ready, "answer");

	if (!party->actor->connects)
		return true;
	if (json_is_string(answer))
		json_array_set(party->texts, 0, answer);
	return step_party(crew, party, CT_MSG_CONNECT, CT_MSG_CONNECTED, err) &&
	       (!party->actor->rehearses ||
		step_party(crew, party, CT_MSG_REHEARSE, CT_MSG_REHEARSED, err));
}

/* A GPU that is cut otherwise than when the campaign began is another experiment. */
static bool check_gpu(const struct party *party, struct ct_error *err)
{
	const struct ct_placement *placement = party->actor->placement;
	const json_t *device = json_object_get(*party->ready, "device");

	return !placement || !placement->gpu || !device ||
	       ct_gpu_in_force_same(placement->gpu, device, err) ||
	       ct_error_in(err, "%s", party->link->name);
}

static bool set_up_workload(struct ct_crew *crew, const struct ct_crew_setup *setup,
			    struct party *party, struct ct_error *err)
{
	return !party->actor || (set_up_one(crew, setup, party, 0, party->ready, err) &&
				 check_gpu(party, err) && connect_party(crew, party, err));
}

static bool set_up(struct ct_crew *crew, const struct ct_crew_setup *setup, struct ct_error *err)
{
	json_t *other_ready[CT_MAX_PARTS] = {NULL};
	struct party parties[1 + CT_MAX_PARTS];
	const size_t n = 1 + setup->n_aggressors;
	bool good;

	crew->n_aggressors = setup->n_aggressors;
	parties[0] = (struct party){setup->victim.name ? &setup->victim : NULL, &crew->victim, NULL,
				    &crew->victim_ready, NULL};
	for (size_t i = 0; i < setup->n_aggressors; i++)
		parties[1 + i] =
			(struct party){&setup->aggressors[i], &crew->aggressors[i], NULL,
				       i == 0 ? &crew->aggressor_ready : &other_ready[i], NULL};
	good = start_all(crew, parties, n, err);
	for (size_t i = 0; i < n && good; i++)
		good = set_up_peers(crew, setup, &parties[i], err);
	/* One after the other: the victim's memory is placed while nobody else takes any. */
	for (size_t i = 0; i < n && good; i++)
		good = set_up_workload(crew, setup, &parties[i], err);
	for (size_t i = 0; i < n; i++)
		json_decref(parties[i].texts);
	for (size_t i = 0; i < setup->n_aggressors; i++)
		json_decref(other_ready[i]);
	return good;
}

bool ct_crew_open(struct ct_crew *crew, struct ct_links *links, const struct ct_crew_setup *setup,
		  struct ct_error *err)
{
	*crew = (struct ct_crew){.links = links};
	if (set_up(crew, setup, err))
		return true;
	ct_crew_close(crew);
	return false;
}

/* All are told before any is awaited. */
static void close_links(struct ct_links *links, struct ct_link *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ct_link_dismiss(links, &items[i]);
	for (size_t i = 0; i < n; i++)
		ct_link_close(links, &items[i]);
}

/* Workloads before their other ends, so that no flood ever faces a closed sink. */
void ct_crew_close(struct ct_crew *crew)
{
	ct_link_dismiss(crew->links, &crew->victim);
	close_links(crew->links, crew->aggressors, crew->n_aggressors);
	ct_link_close(crew->links, &crew->victim);
	close_links(crew->links, crew->peers, crew->n_peers);
	json_decref(crew->victim_ready);
	json_decref(crew->aggressor_ready);
	crew->victim_ready = crew->aggressor_ready = NULL;
}

bool ct_token_make(char token[CT_TOKEN_LENGTH + 1], struct ct_error *err)
{
	unsigned char bytes[CT_TOKEN_LENGTH / 2];

	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return ct_broken_errno(err, "random bytes for the campaign's token");
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
	return true;
}
