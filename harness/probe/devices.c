/* SPDX-License-Identifier: Apache-2.0 */
/* Network and block devices, and what all lists of devices share (devices.h). */
#include "harness/probe/devices.h"

#include <stdio.h>
#include <string.h>

#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

#define NET   "/sys/class/net"
#define BLOCK "/sys/block"
#define ARP   "/proc/sys/net/ipv4/conf"

bool ct_is_pci_address(const char *text)
{
	unsigned domain, bus, device, function;
	int end = 0;

	return sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) == 4 &&
	       text[end] == '\0';
}

json_t *ct_device_entry(const char *name, const char *path)
{
	return json_pack("{s:s, s:s}", "name", name, "evidence", path);
}

/* Virtio devices hang on a PCI function by a link of their own. */
void ct_device_pci(json_t *device, const struct ct_probe_source *source, const char *path)
{
	char target[256];

	if (ct_source_link(source, target, sizeof target, "%s/device", path) &&
	    ct_is_pci_address(target))
		json_object_set_new(device, "pci", json_string(target));
}

void ct_device_functions(json_t *device, const struct ct_probe_source *source, const char *path)
{
	json_t *functions;

	ct_entry_link(device, "vf_of", source, "%s/physfn", path);
	ct_entry_number(device, "vfs_possible", source, "%s/sriov_totalvfs", path);
	ct_entry_number(device, "vfs_enabled", source, "%s/sriov_numvfs", path);
	functions = json_array();
	for (int i = 0; i < CT_DEVICES_MAX; i++) {
		char target[256];

		if (!ct_source_link(source, target, sizeof target, "%s/virtfn%d", path, i))
			break;
		json_array_append_new(functions, json_string(target));
	}
	if (json_array_size(functions) > 0)
		json_object_set(device, "vfs", functions);
	json_decref(functions);
}

void ct_device_names(json_t *device, const char *key, const struct ct_probe_source *source,
		     const char *path)
{
	struct ct_names names = ct_source_list(source, "%s", path);
	json_t *list = json_array();

	for (size_t i = 0; i < names.n && i < CT_DEVICES_MAX; i++)
		json_array_append_new(list, json_string(names.names[i]));
	if (json_array_size(list) > 0)
		json_object_set(device, key, list);
	json_decref(list);
	ct_names_free(&names);
}

static int64_t count_queues(const struct ct_probe_source *source, const char *path)
{
	struct ct_names names = ct_source_list(source, "%s/queues", path);
	int64_t queues = 0;

	for (size_t i = 0; i < names.n; i++)
		queues += strncmp(names.names[i], "rx-", 3) == 0;
	ct_names_free(&names);
	return queues;
}

/* The larger of the two holds (kernel documentation, ip-sysctl). */
static void add_arp_ignore(json_t *device, const struct ct_probe_source *source, const char *name)
{
	int64_t all, own;

	if (ct_source_number(source, &all, ARP "/all/arp_ignore") &&
	    ct_source_number(source, &own, ARP "/%.200s/arp_ignore", name))
		json_object_set_new(device, "arp_ignore", json_integer(all > own ? all : own));
}

void ct_probe_network(const struct ct_probe_source *source, json_t *probe)
{
	json_t *list = json_array();
	struct ct_names names = ct_source_list(source, NET);

	for (size_t i = 0; i < names.n && i < CT_DEVICES_MAX; i++) {
		char path[CT_SOURCE_PATH], functions[CT_SOURCE_PATH + 8];
		int64_t speed, queues;
		json_t *device;

		snprintf(path, sizeof path, NET "/%.200s", names.names[i]);
		/* bonding_masters and the like are files. */
		if (!ct_source_exists(source, "%s/ifindex", path) &&
		    !ct_source_exists(source, "%s/operstate", path))
			continue;
		device = ct_device_entry(names.names[i], path);
		ct_entry_link(device, "driver", source, "%s/device/driver", path);
		ct_device_pci(device, source, path);
		ct_entry_line(device, "state", source, "%s/operstate", path);
		ct_entry_number(device, "mtu", source, "%s/mtu", path);
		ct_entry_number(device, "numa_node", source, "%s/device/numa_node", path);
		/* In Mbit/s; -1 or an error while the link is down, and for virtual devices. */
		if (ct_source_number(source, &speed, "%s/speed", path) && speed > 0 &&
		    speed < INT32_MAX)
			json_object_set_new(device, "speed_bits_per_s",
					    json_integer(speed * 1000000));
		add_arp_ignore(device, source, names.names[i]);
		queues = count_queues(source, path);
		if (queues > 0)
			json_object_set_new(device, "receive_queues", json_integer(queues));
		if (source->identify)
			ct_entry_line(device, "mac", source, "%s/address", path);
		snprintf(functions, sizeof functions, "%s/device", path);
		ct_device_functions(device, source, functions);
		json_array_append_new(list, device);
	}
	ct_names_free(&names);
	json_object_set_new(probe, "network", list);
}

void ct_probe_block(const struct ct_probe_source *source, json_t *probe)
{
	json_t *list = json_array();
	struct ct_names names = ct_source_list(source, BLOCK);

	for (size_t i = 0; i < names.n && i < CT_DEVICES_MAX; i++) {
		char path[CT_SOURCE_PATH], scheduler[256];
		int64_t sectors;
		json_t *device;

		snprintf(path, sizeof path, BLOCK "/%.200s", names.names[i]);
		/* Loop devices and empty drives hold nothing; "size" is in sectors of 512. */
		if (!ct_source_number(source, &sectors, "%s/size", path) || sectors <= 0 ||
		    sectors > INT64_MAX / 512)
			continue;
		device = ct_device_entry(names.names[i], path);
		json_object_set_new(device, "bytes", json_integer(sectors * 512));
		ct_entry_line(device, "model", source, "%s/device/model", path);
		ct_entry_link(device, "driver", source, "%s/device/driver", path);
		ct_entry_number(device, "rotational", source, "%s/queue/rotational", path);
		if (ct_source_text(source, scheduler, sizeof scheduler, "%s/queue/scheduler",
				   path) &&
		    scheduler[0]) {
			ct_choose_bracketed(scheduler);
			if (scheduler[0])
				json_object_set_new(device, "scheduler", json_string(scheduler));
		}
		ct_entry_number(device, "requests", source, "%s/queue/nr_requests", path);
		ct_entry_line(device, "write_cache", source, "%s/queue/write_cache", path);
		json_array_append_new(list, device);
	}
	ct_names_free(&names);
	json_object_set_new(probe, "block", list);
}
