/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/crew.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/tenant/protocol.h"

/* Setting up may fault in gigabytes; nothing takes longer than this without being stuck. */
static const uint64_t setup_timeout_ns = UINT64_C(60) * 1000000000u;

struct ct_actor ct_actor_of_victim(const struct ct_victim_entry *entry,
				   const struct ct_tenant *tenants,
				   const struct ct_placement *placements)
{
	unsigned peer = entry->peer >= 0 ? (unsigned)entry->peer : entry->tenant;

	return (struct ct_actor){
		.role = "victim",
		.name = entry->name,
		.kind = entry->ops->name,
		.params = entry->ops->params,
		.common_params = ct_victim_common_params,
		.options = entry->options,
		.common = &entry->common,
		.has_peer = entry->ops->peer != NULL,
		.tenant = &tenants[entry->tenant],
		.peer_tenant = &tenants[peer],
		.placement = placements ? &placements[entry->tenant] : NULL,
		.peer_placement = placements ? &placements[peer] : NULL,
	};
}

struct ct_actor ct_actor_of_aggressor(const struct ct_aggressor_entry *entry,
				      const struct ct_tenant *tenants,
				      const struct ct_placement *placements)
{
	unsigned peer = entry->peer >= 0 ? (unsigned)entry->peer : entry->tenant;

	return (struct ct_actor){
		.role = "aggressor",
		.name = entry->name,
		.kind = entry->ops->name,
		.params = entry->ops->params,
		.common_params = ct_aggressor_common_params,
		.options = entry->options,
		.common = &entry->common,
		.has_peer = entry->ops->peer != NULL,
		.tenant = &tenants[entry->tenant],
		.peer_tenant = &tenants[peer],
		.placement = placements ? &placements[entry->tenant] : NULL,
		.peer_placement = placements ? &placements[peer] : NULL,
	};
}

/* All workers of a tenant share one group, whose name no other campaign has. */
static bool set_limits(json_t *setup, const struct ct_tenant *tenant, const char *token)
{
	char group[CT_NAME_MAX + 32];

	snprintf(group, sizeof group, "cotenant-%.8s-%s", token, tenant->name);
	for (char *c = group; *c; c++) {
		if (!isalnum((unsigned char)*c))
			*c = '-';
	}
	return json_object_set_new(setup, "limits",
				   ct_params_values(ct_limit_params, &tenant->limits)) == 0 &&
	       json_object_set_new(setup, "group", json_string(group)) == 0;
}

/* Once a tenant is placed its CPUs are named one by one, so that all its workers agree. */
static bool set_location(json_t *setup, const struct ct_tenant *tenant,
			 const struct ct_placement *placement, const char *token,
			 struct ct_error *err)
{
	json_t *cpus =
		placement ? json_sprintf("pu:%s", placement->cpus) : json_string(tenant->cpus);

	if (json_object_set_new(setup, "cpus", cpus) == 0 &&
	    json_object_set_new(setup, "memory", json_string(tenant->memory)) == 0 &&
	    json_object_set_new(setup, "address", json_string(tenant->address)) == 0 &&
	    json_object_set_new(setup, "nic", json_string(tenant->nic)) == 0 &&
	    json_object_set_new(setup, "gpu", json_string(tenant->gpu)) == 0 &&
	    (!ct_limits_any(&tenant->limits) || set_limits(setup, tenant, token)))
		return true;
	return ct_broken(err, "memory for a message");
}

static json_t *make_setup(const struct ct_crew_setup *setup, const struct ct_actor *actor,
			  bool is_peer, const char *endpoint, struct ct_error *err)
{
	json_t *message = json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:I}", "role", is_peer ? "peer" : actor->role,
		"of", actor->role, "kind", actor->kind, "params",
		ct_params_values(actor->params, actor->options), "common",
		ct_params_values(actor->common_params, actor->common), "avoid", setup->avoid_cpus,
		"token", setup->token, "seed", (json_int_t)(setup->seed >> 1));

	if (message && endpoint)
		json_object_set_new(message, "endpoint", json_string(endpoint));
	if (message &&
	    set_location(message, is_peer ? actor->peer_tenant : actor->tenant,
			 is_peer ? actor->peer_placement : actor->placement, setup->token, err))
		return message;
	json_decref(message);
	ct_broken(err, "memory for a message");
	return NULL;
}

static bool open_one(struct ct_crew *crew, const struct ct_actor *actor, bool is_peer,
		     struct ct_link *link, struct ct_error *err)
{
	const struct ct_tenant *tenant = is_peer ? actor->peer_tenant : actor->tenant;

	snprintf(link->name, sizeof link->name, "%s%s '%s' on tenant '%s'",
		 is_peer ? "peer of " : "", actor->role, actor->name, tenant->name);
	return ct_link_open(crew->links, link, tenant->via, tenant->program, err);
}

/* A peer tells its endpoint; `endpoint` stays "" for workloads without one. */
static bool set_up_peer(struct ct_crew *crew, const struct ct_crew_setup *setup,
			const struct ct_actor *actor, struct ct_link *link,
			char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	json_t *message, *ready = NULL;
	const char *text;

	if (!actor->has_peer)
		return true;
	if (!open_one(crew, actor, true, link, err))
		return false;
	message = make_setup(setup, actor, true, NULL, err);
	if (!message || !ct_link_ask(crew->links, link, CT_MSG_SETUP, message, CT_MSG_READY,
				     setup_timeout_ns, &ready, err))
		return false;
	text = json_string_value(json_object_get(ready, "endpoint"));
	snprintf(endpoint, CT_ENDPOINT_MAX, "%s", text ? text : "");
	json_decref(ready);
	return true;
}

static bool set_up(struct ct_crew *crew, const struct ct_crew_setup *setup, struct ct_error *err)
{
	char victim_endpoint[CT_ENDPOINT_MAX] = "", aggressor_endpoint[CT_ENDPOINT_MAX] = "";
	const bool victim = setup->victim.name != NULL, aggressor = setup->aggressor.name != NULL;
	json_t *message;

	if ((victim && !open_one(crew, &setup->victim, false, &crew->victim, err)) ||
	    (aggressor && !open_one(crew, &setup->aggressor, false, &crew->aggressor, err)))
		return false;
	if ((victim &&
	     !set_up_peer(crew, setup, &setup->victim, &crew->victim_peer, victim_endpoint, err)) ||
	    (aggressor && !set_up_peer(crew, setup, &setup->aggressor, &crew->aggressor_peer,
				       aggressor_endpoint, err)))
		return false;
	/* One after the other: the victim's memory is placed while nobody else takes any. */
	if (victim) {
		message = make_setup(setup, &setup->victim, false,
				     victim_endpoint[0] ? victim_endpoint : NULL, err);
		if (!message ||
		    !ct_link_ask(crew->links, &crew->victim, CT_MSG_SETUP, message, CT_MSG_READY,
				 setup_timeout_ns, &crew->victim_ready, err))
			return false;
	}
	if (aggressor) {
		message = make_setup(setup, &setup->aggressor, false,
				     aggressor_endpoint[0] ? aggressor_endpoint : NULL, err);
		if (!message ||
		    !ct_link_ask(crew->links, &crew->aggressor, CT_MSG_SETUP, message, CT_MSG_READY,
				 setup_timeout_ns, &crew->aggressor_ready, err))
			return false;
	}
	return true;
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

/* Workloads before their other ends, so that no flood ever faces a closed sink. */
void ct_crew_close(struct ct_crew *crew)
{
	ct_link_close(crew->links, &crew->aggressor);
	ct_link_close(crew->links, &crew->victim);
	ct_link_close(crew->links, &crew->aggressor_peer);
	ct_link_close(crew->links, &crew->victim_peer);
	json_decref(crew->victim_ready);
	json_decref(crew->aggressor_ready);
	crew->victim_ready = crew->aggressor_ready = NULL;
}

static json_t *places_of(const struct ct_tenant *others, const struct ct_placement *placements,
			 size_t n)
{
	json_t *places = json_object();

	for (size_t i = 0; places && i < n; i++) {
		if (placements[i].cpus)
			json_object_set_new(places, others[i].name,
					    json_string(placements[i].cpus));
	}
	return places;
}

static char *copy_member(const json_t *body, const char *name)
{
	const char *text = json_string_value(json_object_get(body, name));

	return strdup(text ? text : "");
}

bool ct_place_tenant(struct ct_links *links, const struct ct_tenant *tenant,
		     const struct ct_tenant *others, const struct ct_placement *other_placements,
		     size_t n, const char *token, struct ct_placement *placement,
		     struct ct_error *err)
{
	struct ct_link link = {.pid = 0};
	json_t *message, *ready = NULL;
	bool good = false;

	snprintf(link.name, sizeof link.name, "tenant '%s'", tenant->name);
	if (!ct_via_check(tenant->via, err))
		return ct_error_in(err, "%s", link.name);
	if (!ct_link_open(links, &link, tenant->via, tenant->program, err))
		return false;
	placement->boot_id = copy_member(link.hello, "boot_id");
	message = json_pack("{s:s, s:o}", "role", "place", "others",
			    places_of(others, other_placements, n));
	if (message && set_location(message, tenant, NULL, token, err) &&
	    ct_link_ask(links, &link, CT_MSG_SETUP, message, CT_MSG_READY, setup_timeout_ns, &ready,
			err)) {
		placement->cpus = copy_member(ready, "cpus");
		placement->nodes = copy_member(ready, "nodes");
		placement->netns = copy_member(ready, "netns");
		placement->probe = json_incref(json_object_get(ready, "probe"));
		placement->function = json_incref(json_object_get(ready, "function"));
		placement->clock_offset_ns = link.clock_offset_ns;
		placement->clock_error_ns = link.clock_error_ns;
		good = placement->cpus && placement->nodes && placement->netns &&
		       placement->boot_id;
		if (!good)
			ct_broken(err, "memory for the placement");
	}
	json_decref(ready);
	ct_link_close(links, &link);
	return good;
}

json_t *ct_placement_json(const struct ct_placement *placement, const struct ct_tenant *tenant)
{
	json_t *json = json_pack("{s:s, s:s, s:I, s:I}", "cpus", placement->cpus, "nodes",
				 placement->nodes, "clock_offset_ns",
				 (json_int_t)placement->clock_offset_ns, "clock_error_ns",
				 (json_int_t)placement->clock_error_ns);

	if (json && placement->probe &&
	    (!ct_via_is_local(tenant->via) || ct_limits_any(&tenant->limits)))
		json_object_set(json, "probe", placement->probe);
	if (json && placement->function)
		json_object_set(json, "function", placement->function);
	return json;
}

void ct_placement_free(struct ct_placement *placement)
{
	free(placement->cpus);
	free(placement->nodes);
	free(placement->boot_id);
	free(placement->netns);
	json_decref(placement->probe);
	json_decref(placement->function);
	*placement = (struct ct_placement){0};
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
