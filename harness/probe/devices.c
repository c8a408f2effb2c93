/* SPDX-License-Identifier: Apache-2.0 */
/* Devices through which tenants meet: network, block, RDMA, GPUs, and their virtual functions. */
#include "harness/probe/sections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/statement.h"

#define NET    "/sys/class/net"
#define BLOCK  "/sys/block"
#define RDMA   "/sys/class/infiniband"
#define PCI    "/sys/bus/pci/devices"
#define NVIDIA "/proc/driver/nvidia"

/* A machine with thousands of virtual functions is described by the first of them. */
enum { MAX_ENTRIES = 1024 };

static bool is_pci_address(const char *text)
{
	unsigned domain, bus, device, function;
	int end = 0;

	return sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) == 4 &&
	       text[end] == '\0';
}

static json_t *entry(const char *name, const char *path)
{
	return json_pack("{s:s, s:s}", "name", name, "evidence", path);
}

/* The PCI function behind a device; virtio devices hang on one by a link of their own. */
static void add_pci(json_t *device, const struct ct_probe_source *source, const char *path)
{
	char target[256];

	if (ct_source_link(source, target, sizeof target, "%s/device", path) &&
	    is_pci_address(target))
		json_object_set_new(device, "pci", json_string(target));
}

/* The link as it has been trained, and what the device could do; nothing for virtual ones. */
static void add_link(json_t *device, const struct ct_probe_source *source, const char *path)
{
	enum { MOST_LANES = 32 }; /* of PCIe; devices without a link say 255 */
	int64_t width, most;

	if (!ct_source_number(source, &width, "%s/current_link_width", path) ||
	    !ct_source_number(source, &most, "%s/max_link_width", path) || width <= 0 ||
	    width > MOST_LANES || most <= 0 || most > MOST_LANES)
		return;
	json_object_set_new(device, "link_width", json_integer(width));
	json_object_set_new(device, "max_link_width", json_integer(most));
	ct_entry_line(device, "link_speed", source, "%s/current_link_speed", path);
	ct_entry_line(device, "max_link_speed", source, "%s/max_link_speed", path);
}

/* Link, physical and virtual functions of a PCI device folder. */
static void add_functions(json_t *device, const struct ct_probe_source *source, const char *path)
{
	json_t *functions;

	add_link(device, source, path);
	ct_entry_link(device, "vf_of", source, "%s/physfn", path);
	ct_entry_number(device, "vfs_possible", source, "%s/sriov_totalvfs", path);
	ct_entry_number(device, "vfs_enabled", source, "%s/sriov_numvfs", path);
	functions = json_array();
	for (int i = 0; i < MAX_ENTRIES; i++) {
		char target[256];

		if (!ct_source_link(source, target, sizeof target, "%s/virtfn%d", path, i))
			break;
		json_array_append_new(functions, json_string(target));
	}
	if (json_array_size(functions) > 0)
		json_object_set(device, "vfs", functions);
	json_decref(functions);
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

void ct_probe_network(const struct ct_probe_source *source, json_t *probe)
{
	json_t *list = json_array();
	struct ct_names names = ct_source_list(source, NET);

	for (size_t i = 0; i < names.n && i < MAX_ENTRIES; i++) {
		char path[CT_SOURCE_PATH], functions[CT_SOURCE_PATH + 8];
		int64_t speed, queues;
		json_t *device;

		snprintf(path, sizeof path, NET "/%.200s", names.names[i]);
		/* bonding_masters and the like are files. */
		if (!ct_source_exists(source, "%s/ifindex", path) &&
		    !ct_source_exists(source, "%s/operstate", path))
			continue;
		device = entry(names.names[i], path);
		ct_entry_link(device, "driver", source, "%s/device/driver", path);
		add_pci(device, source, path);
		ct_entry_line(device, "state", source, "%s/operstate", path);
		ct_entry_number(device, "mtu", source, "%s/mtu", path);
		ct_entry_number(device, "numa_node", source, "%s/device/numa_node", path);
		/* In Mbit/s; -1 or an error while the link is down, and for virtual devices. */
		if (ct_source_number(source, &speed, "%s/speed", path) && speed > 0 &&
		    speed < INT32_MAX)
			json_object_set_new(device, "speed_bits_per_s",
					    json_integer(speed * 1000000));
		queues = count_queues(source, path);
		if (queues > 0)
			json_object_set_new(device, "receive_queues", json_integer(queues));
		if (source->identify)
			ct_entry_line(device, "mac", source, "%s/address", path);
		snprintf(functions, sizeof functions, "%s/device", path);
		add_functions(device, source, functions);
		json_array_append_new(list, device);
	}
	ct_names_free(&names);
	json_object_set_new(probe, "network", list);
}

void ct_probe_block(const struct ct_probe_source *source, json_t *probe)
{
	json_t *list = json_array();
	struct ct_names names = ct_source_list(source, BLOCK);

	for (size_t i = 0; i < names.n && i < MAX_ENTRIES; i++) {
		char path[CT_SOURCE_PATH], scheduler[256];
		int64_t sectors;
		json_t *device;

		snprintf(path, sizeof path, BLOCK "/%.200s", names.names[i]);
		/* Loop devices and empty drives hold nothing; "size" is in sectors of 512. */
		if (!ct_source_number(source, &sectors, "%s/size", path) || sectors <= 0 ||
		    sectors > INT64_MAX / 512)
			continue;
		device = entry(names.names[i], path);
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

enum { MAX_GIDS = 256 };

/* The network devices a port rides on, from its table of GIDs; an empty row gives an error. */
static void add_gids(json_t *port, const struct ct_probe_source *source, const char *path)
{
	json_t *netdevs = json_object(), *gids = json_array(), *names = json_array(), *value;
	const char *name;

	for (int i = 0; i < MAX_GIDS; i++) {
		char netdev[64], gid[64], type[32] = "";

		if (!ct_source_text(source, netdev, sizeof netdev, "%s/gid_attrs/ndevs/%d", path,
				    i) ||
		    netdev[0] == '\0')
			continue;
		json_object_set_new(netdevs, netdev, json_true());
		/* A GID is made of an address. */
		if (!source->identify ||
		    !ct_source_text(source, gid, sizeof gid, "%s/gids/%d", path, i))
			continue;
		ct_source_text(source, type, sizeof type, "%s/gid_attrs/types/%d", path, i);
		json_array_append_new(gids, json_pack("{s:i, s:s, s:s, s:s}", "index", i, "gid",
						      gid, "type", type, "netdev", netdev));
	}
	json_object_foreach(netdevs, name, value) json_array_append_new(names, json_string(name));
	if (json_array_size(names) > 0)
		json_object_set(port, "netdevs", names);
	if (json_array_size(gids) > 0)
		json_object_set(port, "gids", gids);
	json_decref(names);
	json_decref(gids);
	json_decref(netdevs);
}

static json_t *rdma_ports(const struct ct_probe_source *source, const char *path)
{
	json_t *ports = json_array();
	struct ct_names names = ct_source_list(source, "%s/ports", path);

	for (size_t i = 0; i < names.n && i < 64; i++) {
		char port_path[CT_SOURCE_PATH + 64];
		json_t *port;

		snprintf(port_path, sizeof port_path, "%s/ports/%.32s", path, names.names[i]);
		port = entry(names.names[i], port_path);
		ct_entry_line(port, "state", source, "%s/state", port_path);
		ct_entry_line(port, "rate", source, "%s/rate", port_path);
		ct_entry_line(port, "link_layer", source, "%s/link_layer", port_path);
		add_gids(port, source, port_path);
		json_array_append_new(ports, port);
	}
	ct_names_free(&names);
	return ports;
}

void ct_probe_rdma(const struct ct_probe_source *source, json_t *probe)
{
	json_t *list = json_array();
	struct ct_names names = ct_source_list(source, RDMA);

	for (size_t i = 0; i < names.n && i < MAX_ENTRIES; i++) {
		char path[CT_SOURCE_PATH], functions[CT_SOURCE_PATH + 8];
		json_t *device;

		snprintf(path, sizeof path, RDMA "/%.200s", names.names[i]);
		device = entry(names.names[i], path);
		ct_entry_link(device, "driver", source, "%s/device/driver", path);
		add_pci(device, source, path);
		ct_entry_line(device, "firmware", source, "%s/fw_ver", path);
		ct_entry_line(device, "board", source, "%s/board_id", path);
		ct_entry_line(device, "node_type", source, "%s/node_type", path);
		ct_entry_number(device, "numa_node", source, "%s/device/numa_node", path);
		snprintf(functions, sizeof functions, "%s/device", path);
		add_functions(device, source, functions);
		json_object_set_new(device, "ports", rdma_ports(source, path));
		json_array_append_new(list, device);
	}
	ct_names_free(&names);
	json_object_set_new(probe, "rdma", list);
}

/* ---- PCI: GPUs and virtual functions of any kind ---- */

static const char *gpu_vendor(int64_t vendor)
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

/* Class, vendor and what the GPU and the SR-IOV lists have in common. */
static json_t *pci_entry(const struct ct_probe_source *source, const char *name, const char *path)
{
	json_t *device = entry(name, path);

	ct_entry_line(device, "vendor", source, "%s/vendor", path);
	ct_entry_line(device, "device", source, "%s/device", path);
	ct_entry_line(device, "class", source, "%s/class", path);
	ct_entry_link(device, "driver", source, "%s/driver", path);
	ct_entry_number(device, "numa_node", source, "%s/numa_node", path);
	ct_entry_link(device, "iommu_group", source, "%s/iommu_group", path);
	add_functions(device, source, path);
	return device;
}

static void probe_pci_device(const struct ct_probe_source *source, const char *name, json_t *gpus,
			     json_t *sriov)
{
	char path[CT_SOURCE_PATH];
	int64_t class = 0, vendor = 0;
	bool gpu, virtual;
	json_t *device;

	snprintf(path, sizeof path, PCI "/%.100s", name);
	if (!ct_source_number(source, &class, "%s/class", path))
		class = 0;
	/* Base class 0x03: display and 3D controllers; 0x12: processing accelerators. */
	gpu = class >> 16 == 0x03 || class >> 16 == 0x12;
	virtual = ct_source_exists(source, "%s/physfn", path) ||
		  ct_source_exists(source, "%s/sriov_totalvfs", path);
	if (!gpu && !virtual)
		return;
	device = pci_entry(source, name, path);
	if (gpu && json_array_size(gpus) < MAX_ENTRIES) {
		if (ct_source_number(source, &vendor, "%s/vendor", path))
			json_object_set_new(device, "maker", json_string(gpu_vendor(vendor)));
		json_array_append(gpus, device);
	}
	if (virtual && json_array_size(sriov) < MAX_ENTRIES)
		json_array_append(sriov, device);
	json_decref(device);
}

/* A slice of a GPU that the driver has made: capabilities/gpu0/mig/gi1. */
static int64_t count_mig_instances(const struct ct_probe_source *source)
{
	struct ct_names gpus = ct_source_list(source, NVIDIA "/capabilities");
	int64_t instances = 0;

	for (size_t i = 0; i < gpus.n; i++) {
		struct ct_names slices;

		if (strncmp(gpus.names[i], "gpu", 3) != 0)
			continue;
		slices = ct_source_list(source, NVIDIA "/capabilities/%.64s/mig", gpus.names[i]);
		for (size_t k = 0; k < slices.n; k++)
			instances += strncmp(slices.names[k], "gi", 2) == 0;
		ct_names_free(&slices);
	}
	ct_names_free(&gpus);
	return instances;
}

/*
 * A guest's vGPU has a profile for a model: "NVIDIA A40-8Q", "GRID T4-2B". Digits and one letter
 * of A, B, C, Q behind the last dash.
 */
static bool is_vgpu_model(const char *model)
{
	const char *dash = strrchr(model, '-');
	size_t digits = dash ? strspn(dash + 1, "0123456789") : 0;

	return digits > 0 && dash[1 + digits] != '\0' && strchr("ABCQ", dash[1 + digits]) &&
	       dash[2 + digits] == '\0';
}

static void say_vgpus(const struct ct_probe_source *source, json_t *section)
{
	struct ct_names gpus = ct_source_list(source, NVIDIA "/gpus");
	struct ct_names mediated = ct_source_list(source, "/sys/bus/mdev/devices");
	json_t *models = json_array();
	bool guest = false;

	for (size_t i = 0; i < gpus.n; i++) {
		char *text =
			ct_source_file(source, NVIDIA "/gpus/%.64s/information", gpus.names[i]);
		char model[128];

		if (text && ct_text_field(text, "Model", model, sizeof model) && model[0]) {
			json_array_append_new(models, json_string(model));
			guest = guest || is_vgpu_model(model);
		}
		free(text);
	}
	ct_say(section, "models", models, NVIDIA "/gpus/*/information");
	if (guest)
		ct_say(section, "vgpu", json_true(), NVIDIA "/gpus/*/information: a vGPU profile");
	else if (mediated.n > 0)
		ct_say(section, "vgpu", json_true(), "/sys/bus/mdev/devices/%.100s",
		       mediated.names[0]);
	else
		ct_say(section, "vgpu", json_false(),
		       "no vGPU profile in " NVIDIA "/gpus, no device in /sys/bus/mdev/devices");
	ct_names_free(&gpus);
	ct_names_free(&mediated);
}

static void probe_nvidia(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object();

	ct_say_line(section, "driver", source, NVIDIA "/version");
	ct_say(section, "mig_instances", json_integer(count_mig_instances(source)),
	       NVIDIA "/capabilities/gpu*/mig/gi*");
	/* The control daemon's default place (CUDA_MPS_PIPE_DIRECTORY moves it). */
	ct_say(section, "mps", json_boolean(ct_source_exists(source, "/tmp/nvidia-mps/control")),
	       "/tmp/nvidia-mps/control");
	say_vgpus(source, section);
	json_object_set_new(probe, "nvidia", section);
}

void ct_probe_pci(const struct ct_probe_source *source, json_t *probe)
{
	json_t *gpus = json_array(), *sriov = json_array();
	struct ct_names names = ct_source_list(source, PCI);

	for (size_t i = 0; i < names.n; i++)
		probe_pci_device(source, names.names[i], gpus, sriov);
	ct_names_free(&names);
	json_object_set_new(probe, "gpus", gpus);
	json_object_set_new(probe, "sriov", sriov);
	probe_nvidia(source, probe);
}
