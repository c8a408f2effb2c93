/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/function.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/document.h"
#include "harness/core/units.h"
#include "harness/probe/devices.h"

#define NET  "/sys/class/net"
#define RDMA "/sys/class/infiniband"

const char *const ct_function_kind_names[] = {"software", "device", "pf", "vf", "sf", NULL};
const char *const ct_function_relation_names[] = {"one-pf", "one-card", "same-function",
						  "apart",  "unknown",  NULL};

/* Names become parts of paths: nothing that could lead elsewhere. */
static bool is_name(const char *text)
{
	return text[0] && text[0] != '.' && !strchr(text, '/') && strlen(text) < CT_FUNCTION_NAME;
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%.*s", (int)size - 1, from);
}

/* ---- what there is, for messages ---- */

struct choices {
	const char *names[CT_DEVICES_MAX * 2];
	size_t n;
	struct ct_names net, rdma;
};

static void add_choices(struct choices *choices, const struct ct_names *names)
{
	for (size_t i = 0; i < names->n && i < CT_DEVICES_MAX; i++)
		choices->names[choices->n++] = names->names[i];
}

/* What is not there is named with what is. Returns false. */
static bool unknown_device(const char *nic, const char *name, const struct ct_probe_source *source,
			   struct ct_error *err)
{
	struct choices *choices = calloc(1, sizeof *choices);
	char list[512];
	const char *near;

	if (!choices)
		return ct_broken_errno(err, "nic = %s: memory for a list of devices", nic);
	choices->net = ct_source_list(source, NET);
	choices->rdma = ct_source_list(source, RDMA);
	add_choices(choices, &choices->net);
	add_choices(choices, &choices->rdma);
	near = ct_nearest(name, choices->names, choices->n);
	ct_usage(err,
		 "nic = %s: there is no network device, RDMA device or PCI function '%s' "
		 "here%s%s%s; there are: %s",
		 nic, name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
		 choices->n ? ct_list_names(choices->names, choices->n, list, sizeof list)
			    : "none");
	ct_names_free(&choices->net);
	ct_names_free(&choices->rdma);
	free(choices);
	return false;
}

/* "ens1f0np0 (0 to 7), ens2f0np0 (none)": the physical functions that have a network device. */
static void list_physical(const struct ct_probe_source *source, char *out, size_t size)
{
	struct ct_names names = ct_source_list(source, NET);
	size_t used = 0;

	snprintf(out, size, "none");
	for (size_t i = 0; i < names.n; i++) {
		char one[CT_FUNCTION_NAME + 32];
		int64_t vfs = 0;

		if (!ct_source_exists(source, NET "/%.60s/device/sriov_totalvfs", names.names[i]))
			continue;
		ct_source_number(source, &vfs, NET "/%.60s/device/sriov_numvfs", names.names[i]);
		if (vfs > 0)
			snprintf(one, sizeof one, "%s%.60s (VFs 0 to %d)", used ? ", " : "",
				 names.names[i], (int)vfs - 1);
		else
			snprintf(one, sizeof one, "%s%.60s (no VFs enabled)", used ? ", " : "",
				 names.names[i]);
		if (used + strlen(one) >= size)
			break;
		strcpy(out + used, one);
		used += strlen(one);
	}
	ct_names_free(&names);
}

/* ---- from a name to a device on a bus ---- */

/* The last PCI address in a path: what a virtio or auxiliary device hangs on. */
static void last_address(const char *path, char out[CT_FUNCTION_PCI])
{
	char part[CT_SOURCE_PATH];

	for (const char *at = path; at; at = strchr(at, '/')) {
		at += *at == '/';
		snprintf(part, sizeof part, "%.*s", (int)strcspn(at, "/"), at);
		if (ct_is_pci_address(part))
			copy(out, CT_FUNCTION_PCI, part);
	}
}

/* `class_path`/device leads to the device, whatever bus it is on. False: it hangs on none. */
static bool find_bus_device(const char *class_path, const struct ct_probe_source *source,
			    struct ct_function *function)
{
	char path[CT_SOURCE_PATH], name[256];

	if (!ct_source_link(source, name, sizeof name, "%s/device", class_path))
		return false;
	copy(function->device, sizeof function->device, name);
	if (ct_is_pci_address(name))
		copy(function->pci, sizeof function->pci, name);
	else if (ct_source_real_path(source, path, sizeof path, "%s/device", class_path))
		last_address(path, function->pci);
	return function->pci[0] != '\0';
}

/* Representors of virtual functions are network devices of their PF as well: "pf0vf3". */
static bool is_representor(const struct ct_probe_source *source, const char *netdev)
{
	char port[64];

	return ct_source_text(source, port, sizeof port, NET "/%.60s/phys_port_name", netdev) &&
	       strncmp(port, "pf", 2) == 0 && (strstr(port, "vf") || strstr(port, "sf"));
}

static void find_netdev(const struct ct_probe_source *source, struct ct_function *function)
{
	struct ct_names names = ct_source_list(source, CT_PCI "/%s/net", function->pci);

	for (size_t i = 0; i < names.n && !function->netdev[0]; i++) {
		if (!is_representor(source, names.names[i]))
			copy(function->netdev, sizeof function->netdev, names.names[i]);
	}
	ct_names_free(&names);
}

/* Soft-RoCE and soft-iWARP say over which network device they are. */
static bool rides_on(const struct ct_probe_source *source, const char *rdma, const char *netdev)
{
	char parent[64], own[CT_FUNCTION_NAME];

	if (ct_source_text(source, parent, sizeof parent, RDMA "/%.60s/parent", rdma))
		return strcmp(parent, netdev) == 0;
	return ct_source_text(source, own, sizeof own, RDMA "/%.60s/ports/1/gid_attrs/ndevs/0",
			      rdma) &&
	       strcmp(own, netdev) == 0;
}

/* The RDMA device of a network device or PCI function; a port's own device before its card's. */
static void find_rdma(const struct ct_probe_source *source, struct ct_function *function)
{
	struct ct_names names = ct_source_list(source, RDMA);
	char device[256];

	for (size_t i = 0; i < names.n && function->netdev[0] && !function->rdma[0]; i++) {
		if (rides_on(source, names.names[i], function->netdev))
			copy(function->rdma, sizeof function->rdma, names.names[i]);
	}
	for (size_t i = 0; i < names.n && function->device[0] && !function->rdma[0]; i++) {
		if (ct_source_link(source, device, sizeof device, RDMA "/%.60s/device",
				   names.names[i]) &&
		    strcmp(device, function->device) == 0)
			copy(function->rdma, sizeof function->rdma, names.names[i]);
	}
	ct_names_free(&names);
}

/* The network device over the same function as an RDMA device, or the one below it. */
static void netdev_of_rdma(const struct ct_probe_source *source, struct ct_function *function)
{
	char name[64] = "";

	if (!ct_source_text(source, name, sizeof name, RDMA "/%s/parent", function->rdma) ||
	    !is_name(name))
		ct_source_text(source, name, sizeof name, RDMA "/%s/ports/1/gid_attrs/ndevs/0",
			       function->rdma);
	if (is_name(name))
		copy(function->netdev, sizeof function->netdev, name);
}

/* ---- what kind of function a PCI device is ---- */

static int index_of_vf(const struct ct_probe_source *source, const char *pf, const char *address)
{
	char target[256];

	for (int i = 0; i < CT_DEVICES_MAX; i++) {
		if (!ct_source_link(source, target, sizeof target, CT_PCI "/%s/virtfn%d", pf, i))
			return -1;
		if (strcmp(target, address) == 0)
			return i;
	}
	return -1;
}

static bool is_vf_by_id(const struct ct_probe_source *source, const char *address)
{
	int64_t vendor, device;

	return ct_source_number(source, &vendor, CT_PCI "/%s/vendor", address) &&
	       ct_source_number(source, &device, CT_PCI "/%s/device", address) &&
	       ct_pci_is_vf(vendor, device);
}

static void classify(const struct ct_probe_source *source, struct ct_function *function)
{
	const char *address = function->pci;
	char pf[256];

	function->kind = CT_FUNCTION_DEVICE;
	if (strcmp(function->device, address) != 0 &&
	    strncmp(function->device, "virtio", strlen("virtio")) != 0) {
		function->kind = CT_FUNCTION_SUB;
		copy(function->pf, sizeof function->pf, address);
	} else if (ct_source_link(source, pf, sizeof pf, CT_PCI "/%s/physfn", address)) {
		function->kind = CT_FUNCTION_VF;
		copy(function->pf, sizeof function->pf, pf);
		function->vf_index = index_of_vf(source, function->pf, address);
	} else if (ct_source_exists(source, CT_PCI "/%s/sriov_totalvfs", address)) {
		function->kind = CT_FUNCTION_PF;
		copy(function->pf, sizeof function->pf, address);
	} else if (is_vf_by_id(source, address)) {
		function->kind = CT_FUNCTION_VF; /* in a guest no link leads to the PF */
	}
}

static void describe_pci(const struct ct_probe_source *source, struct ct_function *function)
{
	char driver[256];
	int64_t node;

	classify(source, function);
	if (ct_source_link(source, driver, sizeof driver, CT_PCI "/%s/driver", function->pci))
		copy(function->driver, sizeof function->driver, driver);
	if (ct_source_number(source, &node, CT_PCI "/%s/numa_node", function->pci) && node >= 0)
		function->numa_node = (int)node;
}

/* ---- resolving ---- */

static bool by_netdev(const char *name, const struct ct_probe_source *source,
		      struct ct_function *function)
{
	char path[CT_SOURCE_PATH];

	/* bonding_masters and the like are files of that folder. */
	if (!ct_source_exists(source, NET "/%s/ifindex", name) &&
	    !ct_source_exists(source, NET "/%s/operstate", name))
		return false;
	copy(function->netdev, sizeof function->netdev, name);
	snprintf(path, sizeof path, NET "/%s", name);
	if (find_bus_device(path, source, function))
		describe_pci(source, function);
	find_rdma(source, function);
	return true;
}

static bool by_rdma(const char *name, const struct ct_probe_source *source,
		    struct ct_function *function)
{
	char path[CT_SOURCE_PATH];

	if (!ct_source_exists(source, RDMA "/%s", name))
		return false;
	copy(function->rdma, sizeof function->rdma, name);
	netdev_of_rdma(source, function);
	snprintf(path, sizeof path, RDMA "/%s", name);
	if (!find_bus_device(path, source, function) && function->netdev[0]) {
		snprintf(path, sizeof path, NET "/%s", function->netdev);
		find_bus_device(path, source, function);
	}
	if (function->pci[0]) {
		describe_pci(source, function);
		if (!function->netdev[0])
			find_netdev(source, function);
	}
	return true;
}

static bool by_address(const char *name, const struct ct_probe_source *source,
		       struct ct_function *function)
{
	if (!ct_is_pci_address(name) || !ct_source_exists(source, CT_PCI "/%s", name))
		return false;
	copy(function->pci, sizeof function->pci, name);
	copy(function->device, sizeof function->device, name);
	describe_pci(source, function);
	find_netdev(source, function);
	find_rdma(source, function);
	return true;
}

/* "41:00.0" is what lspci prints on a machine with one PCI domain. */
static const char *with_domain(const char *name, char out[CT_FUNCTION_NAME])
{
	snprintf(out, CT_FUNCTION_NAME, "0000:%.32s", name);
	return strlen(name) == strlen("41:00.0") && ct_is_pci_address(out) ? out : name;
}

static bool resolve_name(const char *nic, const char *name, const struct ct_probe_source *source,
			 struct ct_function *function, struct ct_error *err)
{
	char full[CT_FUNCTION_NAME];

	*function = (struct ct_function){.vf_index = -1, .numa_node = -1};
	if (is_name(name) &&
	    (by_netdev(name, source, function) || by_rdma(name, source, function) ||
	     by_address(with_domain(name, full), source, function)))
		return true;
	return unknown_device(nic, name, source, err);
}

static bool resolve_physical(const char *nic, const char *name,
			     const struct ct_probe_source *source, struct ct_function *function,
			     struct ct_error *err)
{
	char list[512];

	if (!resolve_name(nic, name, source, function, err))
		return false;
	if (function->kind == CT_FUNCTION_PF)
		return true;
	list_physical(source, list, sizeof list);
	return ct_usage(err,
			"nic = %s: %s is no physical function (kind: %s): it has no "
			"sriov_totalvfs; physical functions here: %s",
			nic, name, ct_function_kind_names[function->kind], list);
}

/* "eth0/3" */
static bool split_index(const char *nic, const char *text, char name[CT_FUNCTION_NAME], int *index,
			struct ct_error *err)
{
	const char *slash = strrchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : 0;

	if (!slash || length == 0 || length >= CT_FUNCTION_NAME || !slash[1] ||
	    slash[1 + strspn(slash + 1, "0123456789")] || strlen(slash + 1) > 5)
		return ct_usage(err,
				"nic = %s: a virtual function is named by its physical one and "
				"its number, such as vf:eth0/3",
				nic);
	memcpy(name, text, length);
	name[length] = '\0';
	*index = atoi(slash + 1);
	return true;
}

static bool resolve_virtual(const char *nic, const char *text, const struct ct_probe_source *source,
			    struct ct_function *function, struct ct_error *err)
{
	char name[CT_FUNCTION_NAME], address[256], list[512];
	struct ct_function pf;
	int index = 0;

	if (!split_index(nic, text, name, &index, err) ||
	    !resolve_physical(nic, name, source, &pf, err))
		return false;
	if (ct_source_link(source, address, sizeof address, CT_PCI "/%s/virtfn%d", pf.pci, index))
		return resolve_name(nic, address, source, function, err);
	list_physical(source, list, sizeof list);
	return ct_usage(err,
			"nic = %s: %s has no virtual function %d: %s (scripts/vf.sh makes them)",
			nic, name, index, list);
}

bool ct_function_resolve(const char *nic, const struct ct_probe_source *source,
			 struct ct_function *function, struct ct_error *err)
{
	if (strncmp(nic, "pf:", 3) == 0)
		return resolve_physical(nic, nic + 3, source, function, err);
	if (strncmp(nic, "vf:", 3) == 0)
		return resolve_virtual(nic, nic + 3, source, function, err);
	return resolve_name(nic, nic, source, function, err);
}

bool ct_function_needs_netdev(const struct ct_function *function, const char *nic,
			      struct ct_error *err)
{
	if (function->netdev[0])
		return true;
	return ct_usage(err,
			"nic = %s: %s has no network device here: %s%s; it may be in another "
			"network namespace or given to a guest",
			nic, function->device[0] ? function->device : function->rdma,
			function->driver[0] ? "its driver is " : "no driver is bound",
			function->driver);
}

bool ct_function_needs_rdma(const struct ct_function *function, const char *nic,
			    struct ct_error *err)
{
	if (function->rdma[0])
		return true;
	return ct_usage(err,
			"nic = %s: there is no RDMA device over it (see /sys/class/infiniband); "
			"'rdma link add rxe0 type rxe netdev %s' makes a software one (root)",
			nic, function->netdev[0] ? function->netdev : "NETDEV");
}
