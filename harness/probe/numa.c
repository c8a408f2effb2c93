/* SPDX-License-Identifier: Apache-2.0 */
/* Memory nodes: their CPUs, their memory, and how far they are from each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/devices.h"
#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

#define NODES "/sys/devices/system/node"

/* ACPI SLIT, relative: 10 is the node itself. 255 means unreachable; nothing is above it. */
static json_t *distances(const struct ct_probe_source *source, const char *path)
{
	char *text = ct_source_file(source, "%s/distance", path);
	json_t *list = json_array();
	char *at = text, *end;

	while (at && *at) {
		long distance = strtol(at, &end, 10);

		if (end == at || distance < 10 || distance > 255)
			break;
		json_array_append_new(list, json_integer(distance));
		at = end;
	}
	free(text);
	return list;
}

/* "Node 0 MemTotal: 65536 kB". */
static bool node_memory(const struct ct_probe_source *source, const char *path, unsigned node,
			int64_t *bytes)
{
	char *text = ct_source_file(source, "%s/meminfo", path), field[48], value[64];
	int64_t kib;
	bool good;

	snprintf(field, sizeof field, "Node %u MemTotal", node);
	good = text && ct_text_field(text, field, value, sizeof value) &&
	       ct_text_number(value, &kib) && kib >= 0 && kib < INT64_MAX / 1024;
	if (good)
		*bytes = kib * 1024;
	free(text);
	return good;
}

static json_t *node_entry(const struct ct_probe_source *source, const char *name, unsigned node)
{
	char path[CT_SOURCE_PATH], cpus[512];
	json_t *entry, *list;
	int64_t bytes;

	snprintf(path, sizeof path, NODES "/%.60s", name);
	entry = ct_device_entry(name, path);
	/* A node of memory alone has none, and says so with an empty line. */
	if (ct_source_text(source, cpus, sizeof cpus, "%s/cpulist", path))
		json_object_set_new(entry, "cpus", json_string(cpus));
	if (node_memory(source, path, node, &bytes))
		json_object_set_new(entry, "bytes", json_integer(bytes));
	list = distances(source, path);
	if (json_array_size(list) > 0)
		json_object_set(entry, "distances", list);
	json_decref(list);
	return entry;
}

void ct_probe_numa(const struct ct_probe_source *source, json_t *probe)
{
	struct ct_names names = ct_source_list(source, NODES);
	json_t *list = json_array();

	for (size_t i = 0; i < names.n && json_array_size(list) < CT_DEVICES_MAX; i++) {
		unsigned node;
		int end = 0;

		if (sscanf(names.names[i], "node%u%n", &node, &end) == 1 && !names.names[i][end])
			json_array_append_new(list, node_entry(source, names.names[i], node));
	}
	ct_names_free(&names);
	json_object_set_new(probe, "numa", list);
}
