/* SPDX-License-Identifier: Apache-2.0 */
/* The hardware tree of a result, with its tenants and with the devices that they were given. */
#include <stdio.h>
#include <string.h>

#include "harness/core/text.h"
#include "harness/place/topology.h"
#include "harness/report/page_data.h"

enum { MOST_TENANTS = 64, NAME_TEXT = 128 };

struct tenants {
	const char *names[MOST_TENANTS];
	struct ct_place places[MOST_TENANTS];
	const json_t *given[MOST_TENANTS]; /* what the placement says of it */
	size_t n;
};

/* A GPU, or a network card with all its functions. */
struct device {
	const char *kind; /* "gpu", "nic" */
	const char *pci;
	char name[NAME_TEXT];
	hwloc_obj_t under; /* what is drawn and holds it */
	bool is_of[MOST_TENANTS];
};

struct drawing {
	hwloc_topology_t hwloc;
	struct tenants tenants;
	struct device devices[2 * MOST_TENANTS]; /* at most one of each kind a tenant */
	size_t n_devices;
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
		if (*cpus && ct_place_parse_cpus(place, cpus, NULL)) {
			tenants->given[tenants->n] = where;
			tenants->names[tenants->n++] = name;
		} else {
			ct_place_free(place);
		}
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

/* ---- Devices ---- */

/* The root where the file's tree has no PCI devices, or not this one. */
static hwloc_obj_t holder_of(hwloc_topology_t hwloc, const char *pci)
{
	hwloc_obj_t root = hwloc_get_root_obj(hwloc);
	hwloc_obj_t object = hwloc_get_pcidev_by_busidstring(hwloc, pci);

	while (object && object != root && !kind_of(object))
		object = object->parent;
	return object ? object : root;
}

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static void give(struct drawing *drawing, size_t tenant, const char *kind, const char *pci,
		 const char *name)
{
	size_t i = 0;

	if (!*pci)
		return;
	while (i < drawing->n_devices && (strcmp(drawing->devices[i].kind, kind) != 0 ||
					  strcmp(drawing->devices[i].pci, pci) != 0))
		i++;
	if (i == drawing->n_devices) {
		struct device *device = &drawing->devices[drawing->n_devices++];

		*device = (struct device){
			.kind = kind, .pci = pci, .under = holder_of(drawing->hwloc, pci)};
		ct_text_print(device->name, sizeof device->name, "%.80s %.20s", name, pci);
	}
	drawing->devices[i].is_of[tenant] = true;
}

/* Virtual functions are of the card of their physical one, where that can be seen. */
static void find_devices(struct drawing *drawing)
{
	for (size_t i = 0; i < drawing->tenants.n; i++) {
		const json_t *gpu = json_object_get(drawing->tenants.given[i], "gpu");
		const json_t *function = json_object_get(drawing->tenants.given[i], "function");
		const char *pf = text_of(function, "pf");

		give(drawing, i, "gpu", text_of(gpu, "pci"), text_of(gpu, "name"));
		give(drawing, i, "nic", *pf ? pf : text_of(function, "pci"), "Network card");
	}
}

static json_t *device_node(const struct drawing *drawing, const struct device *device)
{
	json_t *names = json_array();

	for (size_t i = 0; i < drawing->tenants.n; i++) {
		if (device->is_of[i])
			json_array_append_new(names, json_string(drawing->tenants.names[i]));
	}
	return json_pack("{s:s, s:s, s:o, s:[]}", "name", device->name, "kind", device->kind,
			 "tenants", names, "children");
}

static void add_devices(const struct drawing *drawing, hwloc_obj_t object, json_t *children)
{
	for (size_t i = 0; i < drawing->n_devices; i++) {
		if (drawing->devices[i].under == object)
			json_array_append_new(children, device_node(drawing, &drawing->devices[i]));
	}
}

static bool holds_device(const struct drawing *drawing, hwloc_obj_t object)
{
	for (size_t i = 0; i < drawing->n_devices; i++) {
		if (hwloc_bitmap_isincluded(drawing->devices[i].under->cpuset, object->cpuset))
			return true;
	}
	return false;
}

/* ---- The tree ---- */

static json_t *tenants_on(const struct tenants *tenants, hwloc_obj_t object)
{
	json_t *names = json_array();

	for (size_t i = 0; i < tenants->n; i++) {
		if (hwloc_bitmap_intersects(tenants->places[i].cpus, object->cpuset))
			json_array_append_new(names, json_string(tenants->names[i]));
	}
	return names;
}

static void add_children(const struct drawing *drawing, hwloc_obj_t object, json_t *children);

static json_t *node(const struct drawing *drawing, hwloc_obj_t object, const char *kind)
{
	json_t *children = json_array();
	char name[NAME_TEXT];

	describe(object, name, sizeof name);
	add_children(drawing, object, children);
	add_devices(drawing, object, children);
	return json_pack("{s:s, s:s, s:o, s:o}", "name", name, "kind", kind, "tenants",
			 tenants_on(&drawing->tenants, object), "children", children);
}

static void add_children(const struct drawing *drawing, hwloc_obj_t object, json_t *children)
{
	size_t idle = 0;
	char text[64];

	for (hwloc_obj_t child = object->first_child; child; child = child->next_sibling) {
		const char *kind = kind_of(child);
		json_t *names;

		if (!kind) {
			add_children(drawing, child, children);
			continue;
		}
		names = tenants_on(&drawing->tenants, child);
		/* A machine of 200 cores has a few that matter; small ones are drawn whole. */
		if (json_array_size(names) == 0 && object->arity > 4 &&
		    !holds_device(drawing, child))
			idle++;
		else
			json_array_append_new(children, node(drawing, child, kind));
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
	struct drawing drawing = {0};
	json_t *placement, *tree;

	if (!*tables->hwloc_xml || !ct_topology_load_xml(&topology, tables->hwloc_xml, NULL))
		return json_null();
	placement = json_loads(tables->placement, 0, NULL);
	drawing.hwloc = topology->hwloc;
	place_tenants(&drawing.tenants, placement);
	find_devices(&drawing);
	tree = node(&drawing, hwloc_get_root_obj(topology->hwloc), "machine");
	for (size_t i = 0; i < drawing.tenants.n; i++)
		ct_place_free(&drawing.tenants.places[i]);
	json_decref(placement);
	ct_topology_free(topology);
	return tree ? tree : json_null();
}
