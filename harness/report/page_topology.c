/* SPDX-License-Identifier: Apache-2.0 */
/* The hardware tree of a result with its tenants in it. */
#include <stdio.h>
#include <string.h>

#include "harness/place/topology.h"
#include "harness/report/page_data.h"

enum { MOST_TENANTS = 64 };

struct tenants {
	const char *names[MOST_TENANTS];
	struct ct_place places[MOST_TENANTS];
	size_t n;
};

/* Every tenant of the first config: configs of one file share the machine, and mostly the CPUs. */
static void place_tenants(struct tenants *tenants, json_t *placement)
{
	json_t *config = json_object_iter_value(json_object_iter(placement)), *where;
	const char *name;

	json_object_foreach(config, name, where)
	{
		const char *cpus = json_string_value(json_object_get(where, "cpus"));
		struct ct_place *place = &tenants->places[tenants->n];

		if (tenants->n == MOST_TENANTS || !cpus || !ct_place_init(place, NULL))
			continue;
		if (*cpus && ct_place_parse_cpus(place, cpus, NULL))
			tenants->names[tenants->n++] = name;
		else
			ct_place_free(place);
	}
}

static const char *kind_of(hwloc_obj_t object)
{
	switch (object->type) {
	case HWLOC_OBJ_MACHINE:
		return "machine";
	case HWLOC_OBJ_PACKAGE:
		return "package";
	case HWLOC_OBJ_L3CACHE:
		return "l3";
	case HWLOC_OBJ_L2CACHE:
		return "l2";
	case HWLOC_OBJ_CORE:
		return "core";
	case HWLOC_OBJ_GROUP:
	case HWLOC_OBJ_DIE:
		return "group";
	default:
		return NULL; /* drawn through: its children stand in its place */
	}
}

static void describe(hwloc_obj_t object, char *out, size_t size)
{
	char type[32];

	hwloc_obj_type_snprintf(type, sizeof type, object, 0);
	if (hwloc_obj_type_is_cache(object->type))
		snprintf(out, size, "%s %.4g %s", type,
			 object->attr->cache.size >= 1 << 20
				 ? (double)object->attr->cache.size / (1 << 20)
				 : (double)object->attr->cache.size / (1 << 10),
			 object->attr->cache.size >= 1 << 20 ? "MiB" : "KiB");
	else if (object->type == HWLOC_OBJ_MACHINE)
		snprintf(out, size, "Machine");
	else
		snprintf(out, size, "%s %u", type, object->logical_index);
	if (object->type == HWLOC_OBJ_CORE) {
		const size_t used = strlen(out);
		char list[64];

		hwloc_bitmap_list_snprintf(list, sizeof list, object->cpuset);
		snprintf(out + used, size - used, " (CPU %s)", list);
	}
}

static json_t *tenants_on(const struct tenants *tenants, hwloc_obj_t object)
{
	json_t *names = json_array();

	for (size_t i = 0; i < tenants->n; i++) {
		if (hwloc_bitmap_intersects(tenants->places[i].cpus, object->cpuset))
			json_array_append_new(names, json_string(tenants->names[i]));
	}
	return names;
}

static void add_children(const struct tenants *tenants, hwloc_obj_t object, json_t *children);

static json_t *node(const struct tenants *tenants, hwloc_obj_t object, const char *kind)
{
	json_t *children = json_array();
	char name[128];

	describe(object, name, sizeof name);
	add_children(tenants, object, children);
	return json_pack("{s:s, s:s, s:o, s:o}", "name", name, "kind", kind, "tenants",
			 tenants_on(tenants, object), "children", children);
}

static void add_children(const struct tenants *tenants, hwloc_obj_t object, json_t *children)
{
	size_t idle = 0;
	char text[64];

	for (hwloc_obj_t child = object->first_child; child; child = child->next_sibling) {
		const char *kind = kind_of(child);
		json_t *names;

		if (!kind) {
			add_children(tenants, child, children);
			continue;
		}
		names = tenants_on(tenants, child);
		/* A machine of 200 cores has a few that matter; small ones are drawn whole. */
		if (json_array_size(names) == 0 && object->arity > 4)
			idle++;
		else
			json_array_append_new(children, node(tenants, child, kind));
		json_decref(names);
	}
	if (idle > 0) {
		snprintf(text, sizeof text, "%zu more, no tenant", idle);
		json_array_append_new(children, json_pack("{s:s, s:s, s:[], s:[]}", "name", text,
							  "kind", "idle", "tenants", "children"));
	}
}

json_t *ct_page_topology(const struct ct_results_tables *tables)
{
	struct ct_topology *topology;
	struct tenants tenants = {0};
	json_t *placement, *tree;

	if (!*tables->hwloc_xml || !ct_topology_load_xml(&topology, tables->hwloc_xml, NULL))
		return json_null();
	placement = json_loads(tables->placement, 0, NULL);
	place_tenants(&tenants, placement);
	tree = node(&tenants, hwloc_get_root_obj(topology->hwloc), "machine");
	for (size_t i = 0; i < tenants.n; i++)
		ct_place_free(&tenants.places[i]);
	json_decref(placement);
	ct_topology_free(topology);
	return tree ? tree : json_null();
}
