/* SPDX-License-Identifier: Apache-2.0 */
/* Devices in locations: near:eth0, near:mlx5_0, near:gpu0, near:0000:41:00.0. */
#include "harness/place/topology.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NET_CLASS "/sys/class/net"
enum { MAX_GPUS = 256 };

/* Text that grows within a fixed room; what does not fit ends in "...". */
struct list_text {
	char *out;
	size_t size, used;
};

static void list_add(struct list_text *list, const char *name)
{
	int n;

	if (list->used >= list->size)
		return;
	n = snprintf(list->out + list->used, list->size - list->used, "%s%s",
		     list->used > 0 ? ", " : "", name);
	if (n > 0 && (size_t)n < list->size - list->used) {
		list->used += (size_t)n;
		return;
	}
	if (list->size > 8)
		memcpy(list->out + (list->used < list->size - 5 ? list->used : list->size - 5),
		       " ...", 5);
	list->used = list->size;
}

/* Boards carry a picture for the console, and virtual machines one for their window: no GPUs. */
static bool is_console_only(const struct hwloc_pcidev_attr_s *pci)
{
	static const unsigned short vendors[] = {
		0x1a03, /* ASPEED */
		0x102b, /* Matrox */
		0x1013, /* Cirrus */
		0x1234, /* QEMU */
		0x1af4, /* virtio */
		0x1b36, /* QXL */
		0x15ad, /* VMware */
		0x1414, /* Hyper-V */
	};

	for (size_t i = 0; i < sizeof vendors / sizeof vendors[0]; i++) {
		if (pci->vendor_id == vendors[i])
			return true;
	}
	return false;
}

/* Base class 0x03 is display and 3D controllers, 0x12 processing accelerators. */
static bool is_gpu(hwloc_obj_t device)
{
	unsigned base = device->attr->pcidev.class_id >> 8;

	return base == 0x03 || base == 0x12;
}

static int compare_address(const void *a, const void *b)
{
	const struct hwloc_pcidev_attr_s *x = &(*(const hwloc_obj_t *)a)->attr->pcidev;
	const struct hwloc_pcidev_attr_s *y = &(*(const hwloc_obj_t *)b)->attr->pcidev;
	int order = (x->domain > y->domain) - (x->domain < y->domain);

	if (order == 0)
		order = x->bus - y->bus;
	if (order == 0)
		order = x->dev - y->dev;
	return order != 0 ? order : x->func - y->func;
}

/* GPUs by PCI address; the console's are counted only where there is nothing else. */
static size_t pci_gpus(hwloc_topology_t hwloc, hwloc_obj_t gpus[MAX_GPUS])
{
	for (int consoles = 0; consoles < 2; consoles++) {
		hwloc_obj_t device = NULL;
		size_t n = 0;

		while ((device = hwloc_get_next_pcidev(hwloc, device)) != NULL) {
			if (n < MAX_GPUS && is_gpu(device) &&
			    is_console_only(&device->attr->pcidev) == (consoles == 1))
				gpus[n++] = device;
		}
		if (n > 0) {
			qsort(gpus, n, sizeof(hwloc_obj_t), compare_address);
			return n;
		}
	}
	return 0;
}

static hwloc_obj_t os_device(hwloc_topology_t hwloc, const char *name)
{
	hwloc_obj_t device = NULL;

	while ((device = hwloc_get_next_osdev(hwloc, device)) != NULL) {
		if (device->name && strcmp(device->name, name) == 0)
			return device;
	}
	return NULL;
}

/* A GPU's number in the order of its own management library, where hwloc has one. */
static hwloc_obj_t library_gpu(hwloc_topology_t hwloc, unsigned number)
{
	static const char *const prefixes[] = {"nvml", "cuda", "rsmi", "ze", "opencl0d"};
	char name[32];

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		hwloc_obj_t device;

		snprintf(name, sizeof name, "%s%u", prefixes[i], number);
		device = os_device(hwloc, name);
		if (device)
			return device;
	}
	return NULL;
}

static bool gpu_number(const char *device, unsigned *number)
{
	char *end;
	unsigned long value;

	if (strncmp(device, "gpu", 3) != 0 || !isdigit((unsigned char)device[3]))
		return false;
	value = strtoul(device + 3, &end, 10);
	*number = value < MAX_GPUS ? (unsigned)value : MAX_GPUS;
	return *end == '\0';
}

static hwloc_obj_t find_gpu(hwloc_topology_t hwloc, unsigned number)
{
	hwloc_obj_t gpus[MAX_GPUS];
	hwloc_obj_t device = library_gpu(hwloc, number);
	size_t n;

	if (device)
		return device;
	n = pci_gpus(hwloc, gpus);
	return number < n ? gpus[number] : NULL;
}

/* "0000:41:00.0", "41:00.0": nothing else is given to hwloc's scanner, which would take a prefix.
 */
static hwloc_obj_t find_pci(hwloc_topology_t hwloc, const char *text)
{
	size_t length = strspn(text, "0123456789abcdefABCDEF:.");

	if (text[length] != '\0' || length < 7 || length > 16 || text[length - 2] != '.' ||
	    text[length - 5] != ':')
		return NULL;
	return hwloc_get_pcidev_by_busidstring(hwloc, text);
}

static hwloc_obj_t find_device(hwloc_topology_t hwloc, const char *name)
{
	unsigned number;

	if (gpu_number(name, &number))
		return find_gpu(hwloc, number);
	return strchr(name, ':') ? find_pci(hwloc, name) : os_device(hwloc, name);
}

static bool is_net_device(const char *name)
{
	char path[sizeof NET_CLASS + 256];

	/* Names of the kernel's own making: no slash, at most 15 characters. */
	if (strchr(name, '/') || name[0] == '.' || strlen(name) > 15)
		return false;
	snprintf(path, sizeof path, NET_CLASS "/%s", name);
	return access(path, F_OK) == 0;
}

static void list_net_devices(hwloc_topology_t hwloc, struct list_text *list)
{
	struct dirent **entries;
	int n = scandir(NET_CLASS, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		/* Files such as bonding_masters lie there too; devices are links. */
		if (entries[i]->d_type == DT_LNK && !os_device(hwloc, entries[i]->d_name))
			list_add(list, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void list_devices(const struct ct_topology *topology, hwloc_topology_t hwloc,
			 struct list_text *list)
{
	hwloc_obj_t gpus[MAX_GPUS];
	hwloc_obj_t device = NULL;
	size_t n = pci_gpus(hwloc, gpus);
	char name[32];

	if (n > 0) {
		snprintf(name, sizeof name, n > 1 ? "gpu0-%zu" : "gpu%zu", n - 1);
		list_add(list, name);
	}
	while ((device = hwloc_get_next_osdev(hwloc, device)) != NULL) {
		if (device->name)
			list_add(list, device->name);
	}
	if (topology->live)
		list_net_devices(hwloc, list);
}

/* The topology with devices in it: our own, or one loaded for the moment into *temporary. */
static hwloc_topology_t with_devices(const struct ct_topology *topology,
				     struct ct_topology **temporary, struct ct_error *err)
{
	*temporary = NULL;
	if (topology->has_devices)
		return topology->hwloc;
	if (!ct_topology_load(temporary, true, err))
		return NULL;
	return (*temporary)->hwloc;
}

const char *ct_topology_devices(const struct ct_topology *topology, char *out, size_t size)
{
	struct list_text list = {out, size, 0};
	struct ct_topology *temporary;
	hwloc_topology_t hwloc = with_devices(topology, &temporary, NULL);

	if (size > 0)
		out[0] = '\0';
	if (hwloc)
		list_devices(topology, hwloc, &list);
	ct_topology_free(temporary);
	return out;
}

bool ct_device_cpus(const struct ct_topology *topology, const char *device, hwloc_bitmap_t cpus,
		    struct ct_error *err)
{
	hwloc_const_bitmap_t all = hwloc_topology_get_topology_cpuset(topology->hwloc);
	struct ct_topology *temporary;
	hwloc_topology_t hwloc = with_devices(topology, &temporary, err);
	hwloc_obj_t found, near;
	char here[512] = "";
	struct list_text list = {here, sizeof here, 0};
	bool good = false;

	if (!hwloc)
		goto out;
	found = find_device(hwloc, device);
	if (found) {
		near = hwloc_get_non_io_ancestor_obj(hwloc, found);
		hwloc_bitmap_and(cpus, near->cpuset, all);
		good = !hwloc_bitmap_iszero(cpus) ||
		       ct_usage(err,
				"near:%s: none of the CPUs near it are allowed for this process",
				device);
		goto out;
	}
	/* Virtual network devices hang on no bus, so that no CPU is nearer than another. */
	if (topology->live && is_net_device(device)) {
		hwloc_bitmap_copy(cpus, all);
		good = true;
		goto out;
	}
	list_devices(topology, hwloc, &list);
	ct_usage(err, "near:%s: no such device; devices here: %s", device, here[0] ? here : "none");
out:
	ct_topology_free(temporary);
	return good;
}
