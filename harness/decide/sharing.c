/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resource that can carry a coupling: the closest thing that the CPUs of the victim's tenant
 * and of the aggressor's share in the hardware tree that the file holds.
 */
#include <string.h>

#include <jansson.h>

#include "harness/decide/analysis_internal.h"
#include "harness/place/place.h"

struct machine {
	struct ct_topology *topology;
	json_t *placement, *tenants;
};

static const char *via_of(const struct machine *machine, const char *tenant)
{
	size_t i;
	json_t *one;

	json_array_foreach(machine->tenants, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "name"));
		const char *via = json_string_value(json_object_get(one, "via"));

		if (name && strcmp(name, tenant) == 0)
			return via ? via : "";
	}
	return "";
}

/* Whether these words may lead to another host, where the tree of the file says nothing. */
static bool leads_away(const char *via)
{
	static const char *const words[] = {"ssh ", "srun ", "mpirun ", "kubectl "};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strncmp(via, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

static bool place_of(const struct machine *machine, const char *config, const char *tenant,
		     struct ct_place *place)
{
	json_t *where = json_object_get(json_object_get(machine->placement, config), tenant);
	const char *cpus = json_string_value(json_object_get(where, "cpus"));

	return cpus && *cpus && !leads_away(via_of(machine, tenant)) &&
	       ct_place_parse_cpus(place, cpus, NULL);
}

static const char *shared_by(const struct machine *machine, const char *config, const char *victim,
			     const char *aggressor)
{
	struct ct_place first = {0}, second = {0};
	const char *level = NULL;

	if (ct_place_init(&first, NULL) && ct_place_init(&second, NULL) &&
	    place_of(machine, config, victim, &first) &&
	    place_of(machine, config, aggressor, &second))
		level = ct_place_shared_level(machine->topology, &first, &second);
	ct_place_free(&first);
	ct_place_free(&second);
	return level;
}

void ct_sharing_find(struct ct_analysis *analysis)
{
	const struct ct_results_tables *tables = analysis->tables;
	struct machine machine = {0};
	json_t *plan;

	/* A file without a tree, or with one that can't be read, says nothing of sharing. */
	if (!*tables->hwloc_xml ||
	    !ct_topology_load_xml(&machine.topology, tables->hwloc_xml, NULL))
		return;
	machine.placement = json_loads(tables->placement, 0, NULL);
	plan = json_loads(tables->plan, 0, NULL);
	machine.tenants = json_object_get(plan, "tenants");
	for (size_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_info *info = &tables->cells[c];

		analysis->cells[c].shared =
			shared_by(&machine, info->config, tables->victims[info->victim].tenant,
				  tables->aggressors[info->aggressor].tenant);
	}
	json_decref(plan);
	json_decref(machine.placement);
	ct_topology_free(machine.topology);
}
