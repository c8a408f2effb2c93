/* SPDX-License-Identifier: Apache-2.0 */
/* RDMA devices: ports, GIDs, and the network devices and functions that they ride on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/devices.h"
#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

#define RDMA "/sys/class/infiniband"

enum { MAX_PORTS = 64, MAX_GIDS = 256, GID_TEXT = 40 };

/* Eight groups of four digits; what they begin with says what kind of address is in them. */
static const char *gid_scope(const char *gid)
{
	static const char mapped[] = "0000:0000:0000:0000:0000:ffff:";

	if (strncmp(gid, mapped, sizeof mapped - 1) == 0)
		return "ipv4";
	return strncmp(gid, "fe80:", 5) == 0 ? "link-local" : "global";
}

static bool is_gid(const char *text)
{
	return strlen(text) == GID_TEXT - 1 &&
	       strspn(text, "0123456789abcdefABCDEF:") == GID_TEXT - 1;
}

/* An address names the machine; its kind and its network device don't. */
static json_t *gid_entry(const struct ct_probe_source *source, const char *path, const char *index)
{
	char gid[GID_TEXT + 8];
	json_t *entry;

	if (!ct_source_text(source, gid, sizeof gid, "%s/gids/%s", path, index) || !is_gid(gid) ||
	    strspn(gid, "0:") == strlen(gid))
		return NULL;
	entry = json_pack("{s:i, s:s}", "index", atoi(index), "scope", gid_scope(gid));
	ct_entry_line(entry, "type", source, "%s/gid_attrs/types/%s", path, index);
	ct_entry_line(entry, "netdev", source, "%s/gid_attrs/ndevs/%s", path, index);
	if (source->identify)
		json_object_set_new(entry, "gid", json_string(gid));
	return entry;
}

static void add_once(json_t *list, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (strcmp(json_string_value(one), name) == 0)
			return;
	}
	json_array_append_new(list, json_string(name));
}

static json_t *gid_table(const struct ct_probe_source *source, const char *path, json_t *netdevs)
{
	struct ct_names names = ct_source_list(source, "%s/gids", path);
	json_t *gids = json_array();

	for (size_t i = 0; i < names.n && i < MAX_GIDS; i++) {
		json_t *entry = names.names[i][strspn(names.names[i], "0123456789")]
					? NULL
					: gid_entry(source, path, names.names[i]);
		const char *netdev = json_string_value(json_object_get(entry, "netdev"));

		if (netdev)
			add_once(netdevs, netdev);
		if (entry)
			json_array_append_new(gids, entry);
	}
	ct_names_free(&names);
	return gids;
}

static json_t *rdma_ports(const struct ct_probe_source *source, const char *path, json_t *netdevs)
{
	json_t *ports = json_array();
	struct ct_names names = ct_source_list(source, "%s/ports", path);

	for (size_t i = 0; i < names.n && i < MAX_PORTS; i++) {
		char port_path[CT_SOURCE_PATH + 64];
		json_t *port, *own, *name;
		size_t k;

		snprintf(port_path, sizeof port_path, "%s/ports/%.32s", path, names.names[i]);
		port = ct_device_entry(names.names[i], port_path);
		ct_entry_line(port, "state", source, "%s/state", port_path);
		ct_entry_line(port, "rate", source, "%s/rate", port_path);
		ct_entry_line(port, "link_layer", source, "%s/link_layer", port_path);
		own = json_array();
		json_object_set_new(port, "gids", gid_table(source, port_path, own));
		json_array_foreach(own, k, name) add_once(netdevs, json_string_value(name));
		json_object_set_new(port, "netdevs", own);
		json_array_append_new(ports, port);
	}
	ct_names_free(&names);
	return ports;
}

/*
 * Network devices over the same function, and the parent of a software device (rxe, siw). A GID
 * table is not filled in while its port is down, the folder of the function is.
 */
static void add_netdevs(const struct ct_probe_source *source, const char *path, json_t *netdevs)
{
	struct ct_names names = ct_source_list(source, "%s/device/net", path);
	char parent[64];

	for (size_t i = 0; i < names.n && i < MAX_PORTS; i++)
		add_once(netdevs, names.names[i]);
	ct_names_free(&names);
	if (ct_source_text(source, parent, sizeof parent, "%s/parent", path) && parent[0])
		add_once(netdevs, parent);
}

static json_t *rdma_device(const struct ct_probe_source *source, const char *name)
{
	char path[CT_SOURCE_PATH], functions[CT_SOURCE_PATH + 8];
	json_t *netdevs = json_array(), *device;

	snprintf(path, sizeof path, RDMA "/%.200s", name);
	device = ct_device_entry(name, path);
	ct_entry_link(device, "driver", source, "%s/device/driver", path);
	ct_device_pci(device, source, path);
	ct_entry_line(device, "firmware", source, "%s/fw_ver", path);
	ct_entry_line(device, "board", source, "%s/board_id", path);
	ct_entry_line(device, "node_type", source, "%s/node_type", path);
	ct_entry_number(device, "numa_node", source, "%s/device/numa_node", path);
	if (source->identify)
		ct_entry_line(device, "node_guid", source, "%s/node_guid", path);
	snprintf(functions, sizeof functions, "%s/device", path);
	ct_device_functions(device, source, functions);
	add_netdevs(source, path, netdevs);
	json_object_set_new(device, "ports", rdma_ports(source, path, netdevs));
	json_object_set_new(device, "netdevs", netdevs);
	return device;
}

void ct_probe_rdma(const struct ct_probe_source *source, json_t *probe)
{
	json_t *list = json_array();
	struct ct_names names = ct_source_list(source, RDMA);

	for (size_t i = 0; i < names.n && i < CT_DEVICES_MAX; i++)
		json_array_append_new(list, rdma_device(source, names.names[i]));
	ct_names_free(&names);
	json_object_set_new(probe, "rdma", list);
}
