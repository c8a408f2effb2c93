/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions through which tenants meet: who drives them, whose virtual function they are, what
 * the IOMMU keeps apart, and whether their link is as fast as they could be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/devices.h"
#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

/* PCI Code and ID Assignment Specification, "Class Codes": base class, subclass. */
static const char *kind_of(int64_t class)
{
	switch (class >> 8) {
	case 0x0108:
		return "nvme";
	case 0x0207:
	case 0x0c06:
		return "infiniband";
	case 0x0b40:
		return "accelerator";
	default:
		break;
	}
	switch (class >> 16) {
	case 0x01:
		return "storage";
	case 0x02:
		return "network";
	case 0x03:
		return "gpu";
	case 0x12:
		return "accelerator";
	default:
		return NULL;
	}
}

static const char *gpu_maker(int64_t vendor)
{
	switch (vendor) {
	case 0x10de:
		return "nvidia";
	case 0x1002:
		return "amd";
	case 0x8086:
		return "intel";
	default:
		return "other";
	}
}

/*
 * Makers of hypervisors. A device of theirs, or one of another maker's whose subsystem is theirs
 * (QEMU's e1000, VMware's), is the hypervisor's own work. (pci.ids)
 */
static const char *emulator(int64_t vendor)
{
	static const struct {
		int64_t vendor;
		const char *name;
	} makers[] = {
		{0x1af4, "virtio"},     {0x1b36, "qemu"},      {0x1234, "qemu"},
		{0x15ad, "vmware"},     {0x1414, "hyperv"},    {0x5853, "xen"},
		{0x80ee, "virtualbox"}, {0x1ab8, "parallels"}, {0xfb5d, "bhyve"},
		{0x1ae0, "google"},
	};

	for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
		if (makers[i].vendor == vendor)
			return makers[i].name;
	}
	return NULL;
}

/*
 * In a guest no link leads from a virtual function to its physical one; but makers give virtual
 * functions ids of their own. (pci.ids: "Virtual Function")
 */
bool ct_pci_is_vf(int64_t vendor, int64_t device)
{
	static const struct {
		uint16_t vendor, device;
	} ids[] = {
		{0x15b3, 0x1014}, {0x15b3, 0x1016}, {0x15b3, 0x1018}, {0x15b3, 0x101a},
		{0x15b3, 0x101c}, {0x15b3, 0x101e}, {0x15b3, 0xa2d3}, {0x15b3, 0x1004},
		{0x8086, 0x10ca}, {0x8086, 0x10ed}, {0x8086, 0x1515}, {0x8086, 0x1520},
		{0x8086, 0x154c}, {0x8086, 0x1565}, {0x8086, 0x15a8}, {0x8086, 0x15c5},
		{0x8086, 0x1889}, {0x8086, 0x37cd}, {0x14e4, 0x1606}, {0x14e4, 0x1609},
		{0x14e4, 0x16dc}, {0x14e4, 0x1806}, {0x1d0f, 0xec20}, {0x1414, 0x00ba},
	};

	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		if (ids[i].vendor == vendor && ids[i].device == device)
			return true;
	}
	return false;
}

/* ---- the link ---- */

struct link {
	double speed; /* GT/s; 0: unknown */
	int64_t width;
};

/* "16.0 GT/s PCIe", "8 GT/s"; virtual functions and guests say "Unknown" or nonsense. */
static double link_speed(const struct ct_probe_source *source, const char *path, const char *file)
{
	static const double speeds[] = {2.5, 5, 8, 16, 32, 64, 128};
	char text[32];
	double speed;

	if (!ct_source_text(source, text, sizeof text, "%s/%s", path, file) ||
	    sscanf(text, "%lf GT/s", &speed) != 1)
		return 0;
	for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
		if (speed == speeds[i])
			return speed;
	}
	return 0;
}

static int64_t link_width(const struct ct_probe_source *source, const char *path, const char *file)
{
	int64_t width;

	return ct_source_number(source, &width, "%s/%s", path, file) && width >= 1 && width <= 32
		       ? width
		       : 0;
}

static struct link read_link(const struct ct_probe_source *source, const char *path,
			     const char *speed, const char *width)
{
	return (struct link){link_speed(source, path, speed), link_width(source, path, width)};
}

static bool is_known(struct link link)
{
	return link.speed > 0 && link.width > 0;
}

static bool is_below(struct link link, struct link other)
{
	return link.speed < other.speed || link.width < other.width;
}

/*
 * An idle GPU lowers the speed of its link, not its width: only the width tells anything there.
 * A port that can do no more is named as the reason, for then no reseating helps.
 */
static void add_link(json_t *device, const struct ct_probe_source *source, const char *path,
		     bool gpu)
{
	struct link now = read_link(source, path, "current_link_speed", "current_link_width");
	struct link can = read_link(source, path, "max_link_speed", "max_link_width");
	char port_path[CT_SOURCE_PATH + 4];
	struct link port, judged = now;
	json_t *link;
	bool degraded;

	if (!is_known(now) || !is_known(can))
		return;
	snprintf(port_path, sizeof port_path, "%s/..", path);
	port = read_link(source, port_path, "max_link_speed", "max_link_width");
	if (gpu)
		judged.speed = can.speed;
	degraded = is_below(judged, can);
	link = json_pack("{s:f, s:I, s:f, s:I, s:b}", "gt_per_s", now.speed, "width",
			 (json_int_t)now.width, "max_gt_per_s", can.speed, "max_width",
			 (json_int_t)can.width, "degraded", degraded);
	if (is_known(port)) {
		json_object_set_new(link, "port_max_gt_per_s", json_real(port.speed));
		json_object_set_new(link, "port_max_width", json_integer(port.width));
	}
	if (degraded && is_known(port) && is_below(port, can) && !is_below(judged, port))
		json_object_set_new(link, "limited_by", json_string("port"));
	json_object_set_new(device, "link", link);
}

/* ---- a function ---- */

static int64_t count_group(const struct ct_probe_source *source, const char *path)
{
	struct ct_names names = ct_source_list(source, "%s/iommu_group/devices", path);
	int64_t n = (int64_t)names.n;

	ct_names_free(&names);
	return n;
}

/* Network devices on this function, those of a virtio device below it as well. */
static void add_netdevs(json_t *device, const struct ct_probe_source *source, const char *path)
{
	struct ct_names names = ct_source_list(source, "%s", path);
	char folder[CT_SOURCE_PATH + 32];

	snprintf(folder, sizeof folder, "%s/net", path);
	for (size_t i = 0; i < names.n; i++) {
		if (strncmp(names.names[i], "virtio", 6) == 0)
			snprintf(folder, sizeof folder, "%s/%.20s/net", path, names.names[i]);
	}
	ct_names_free(&names);
	ct_device_names(device, "netdevs", source, folder);
}

static void add_makers(json_t *device, const struct ct_probe_source *source, const char *path,
		       bool gpu)
{
	int64_t vendor = 0, subsystem = 0, id = 0;
	const char *maker;

	if (!ct_source_number(source, &vendor, "%s/vendor", path))
		return;
	if (gpu)
		json_object_set_new(device, "maker", json_string(gpu_maker(vendor)));
	if (ct_source_number(source, &id, "%s/device", path) && ct_pci_is_vf(vendor, id)) {
		json_object_set_new(device, "vf_by_id", json_true());
		return;
	}
	maker = emulator(vendor);
	if (!maker && ct_source_number(source, &subsystem, "%s/subsystem_vendor", path))
		maker = subsystem == 0x1af4 ? "qemu" : emulator(subsystem);
	if (maker)
		json_object_set_new(device, "emulated_by", json_string(maker));
}

static json_t *pci_entry(const struct ct_probe_source *source, const char *name, const char *path,
			 const char *kind)
{
	const bool gpu = strcmp(kind, "gpu") == 0 || strcmp(kind, "accelerator") == 0;
	json_t *device = ct_device_entry(name, path);
	int64_t node, group;

	json_object_set_new(device, "kind", json_string(kind));
	ct_entry_line(device, "vendor", source, "%s/vendor", path);
	ct_entry_line(device, "device", source, "%s/device", path);
	ct_entry_line(device, "class", source, "%s/class", path);
	ct_entry_link(device, "driver", source, "%s/driver", path);
	/* -1: the firmware does not say. */
	if (ct_source_number(source, &node, "%s/numa_node", path) && node >= 0)
		json_object_set_new(device, "numa_node", json_integer(node));
	ct_entry_link(device, "iommu_group", source, "%s/iommu_group", path);
	group = count_group(source, path);
	if (group > 0)
		json_object_set_new(device, "iommu_group_devices", json_integer(group));
	add_netdevs(device, source, path);
	ct_device_functions(device, source, path);
	add_makers(device, source, path, gpu);
	/* What a hypervisor makes up has no lanes. */
	if (!json_object_get(device, "emulated_by"))
		add_link(device, source, path, gpu);
	return device;
}

struct lists {
	json_t *pci, *gpus, *sriov;
};

static void append(json_t *list, json_t *device)
{
	if (json_array_size(list) < CT_DEVICES_MAX)
		json_array_append(list, device);
}

static void probe_function(const struct ct_probe_source *source, const char *name,
			   struct lists *lists)
{
	char path[CT_SOURCE_PATH];
	bool gpu, virtual, listed;
	const char *kind;
	int64_t class;
	json_t *device;

	snprintf(path, sizeof path, CT_PCI "/%.100s", name);
	if (!ct_source_number(source, &class, "%s/class", path))
		class = 0;
	kind = kind_of(class);
	gpu = class >> 16 == 0x03 || class >> 16 == 0x12;
	virtual = ct_source_exists(source, "%s/physfn", path) ||
		  ct_source_exists(source, "%s/sriov_totalvfs", path);
	listed = ct_is_pci_address(name) && kind;
	if (!virtual && !listed && !gpu)
		return;
	device = pci_entry(source, name, path, kind ? kind : "other");
	append(lists->pci, device);
	if (gpu)
		append(lists->gpus, device);
	if (virtual)
		append(lists->sriov, device);
	json_decref(device);
}

/* ---- how functions and devices hang together ---- */

/* {address: entry} of a list, for looking up. */
static json_t *by_address(const json_t *pci)
{
	json_t *map = json_object(), *device;
	size_t i;

	json_array_foreach(pci, i, device)
	{
		json_object_set(map, json_string_value(json_object_get(device, "name")), device);
	}
	return map;
}

/* A virtual function's number, as `ip link set DEV vf N` wants it. */
static void number_functions(const json_t *pci, const json_t *map)
{
	json_t *device, *function;
	size_t i, n;

	json_array_foreach(pci, i, device)
	{
		json_array_foreach(json_object_get(device, "vfs"), n, function)
		{
			json_t *entry = json_object_get(map, json_string_value(function));

			if (entry)
				json_object_set_new(entry, "vf_index", json_integer((json_int_t)n));
		}
	}
}

/* What a network or RDMA device inherits from the function that it rides on. */
static void inherit(const json_t *list, const json_t *map)
{
	static const char *const members[] = {"vf_index", "vf_by_id", "iommu_group", "emulated_by",
					      "link"};
	json_t *device;
	size_t i;

	json_array_foreach(list, i, device)
	{
		const char *address = json_string_value(json_object_get(device, "pci"));
		const json_t *function = address ? json_object_get(map, address) : NULL;

		for (size_t k = 0; function && k < sizeof members / sizeof members[0]; k++) {
			json_t *value = json_object_get(function, members[k]);

			if (value)
				json_object_set(device, members[k], value);
		}
	}
}

void ct_probe_pci(const struct ct_probe_source *source, json_t *probe)
{
	struct lists lists = {json_array(), json_array(), json_array()};
	struct ct_names names = ct_source_list(source, CT_PCI);
	json_t *map;

	for (size_t i = 0; i < names.n; i++)
		probe_function(source, names.names[i], &lists);
	ct_names_free(&names);
	map = by_address(lists.pci);
	number_functions(lists.pci, map);
	inherit(json_object_get(probe, "network"), map);
	inherit(json_object_get(probe, "rdma"), map);
	json_decref(map);
	json_object_set_new(probe, "pci", lists.pci);
	json_object_set_new(probe, "gpus", lists.gpus);
	json_object_set_new(probe, "sriov", lists.sriov);
}
