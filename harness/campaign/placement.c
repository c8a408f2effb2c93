/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/placement.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/gpu/in_force.h"
#include "harness/tenant/protocol.h"

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
bool ct_placement_ask(json_t *setup, const struct ct_tenant *tenant,
		      const struct ct_placement *placement, const char *token, struct ct_error *err)
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
	if (message && ct_placement_ask(message, tenant, NULL, token, err) &&
	    ct_link_ask(links, &link, CT_MSG_SETUP, message, CT_MSG_READY, CT_SETUP_TIMEOUT_NS,
			&ready, err)) {
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
	if (json && placement->gpu)
		json_object_set_new(json, "gpu", ct_gpu_in_force(placement->gpu));
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
	json_decref(placement->gpu);
	*placement = (struct ct_placement){0};
}
