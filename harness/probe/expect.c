/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `expect =`: whether the environment a job file claims is really in force. One function a word;
 * each answers with evidence, and what can't be told is refused as well.
 */
#include "harness/probe/probe.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/units.h"
#include "harness/probe/expect_gpu.h"
#include "harness/probe/statement.h"

/* ---- one function a word ---- */

static bool expect_baremetal(const json_t *probe, struct ct_error *err)
{
	const json_t *present = ct_said(probe, "hypervisor", "present");
	const char *evidence = ct_evidence(probe, "hypervisor", "present");
	const char *name = ct_said_text(probe, "hypervisor", "name");

	if (json_is_false(present))
		return true;
	if (json_is_true(present))
		return ct_usage(err,
				"expect = baremetal: this is a virtual machine (hypervisor %s): %s",
				name ? name : "unknown", evidence);
	return ct_usage(err, "expect = baremetal: can't be told on this machine: %s", evidence);
}

static bool expect_vm(const json_t *probe, struct ct_error *err)
{
	const char *evidence = ct_evidence(probe, "hypervisor", "present");

	if (json_is_true(ct_said(probe, "hypervisor", "present")))
		return true;
	return ct_usage(err, "expect = vm: no hypervisor found: %s", evidence);
}

static bool expect_container(const json_t *probe, struct ct_error *err)
{
	const char *name = ct_said_text(probe, NULL, "container");

	if (name && strcmp(name, "none") != 0)
		return true;
	return ct_usage(err,
			"expect = container: this process is in none: %s; name a launcher such "
			"as 'via = docker exec NAME'",
			ct_evidence(probe, NULL, "container"));
}

static bool expect_cgroup(const json_t *probe, struct ct_error *err)
{
	if (ct_said(probe, "cgroup", "cpu_limit") || ct_said(probe, "cgroup", "memory_limit_bytes"))
		return true;
	return ct_usage(err,
			"expect = cgroup: %s (CPU, memory); set cpu_quota or memory_limit of the "
			"tenant, or name a launcher such as 'via = systemd-run --scope -p "
			"CPUQuota=50%%'",
			ct_evidence(probe, "cgroup", "cpu_limit"));
}

static bool expect_netns(const json_t *probe, struct ct_error *err)
{
	if (json_is_true(ct_said(probe, "namespaces", "own_network")))
		return true;
	return ct_usage(
		err,
		"expect = netns: no network namespace of its own: %s; name a launcher such as "
		"'via = ip netns exec NAME'",
		ct_evidence(probe, "namespaces", "own_network"));
}

/* Drivers that only ever drive virtual functions: a guest sees no physfn link. */
static bool is_vf_driver(const char *driver)
{
	static const char *const drivers[] = {"iavf", "i40evf",   "ixgbevf",  "igbvf",  "ena",
					      "mana", "hinic3vf", "fm10k_vf", "cxgb4vf"};

	for (size_t i = 0; driver && i < sizeof drivers / sizeof drivers[0]; i++) {
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	}
	return false;
}

/* A virtual function in a list of devices. */
static bool has_vf(const json_t *list)
{
	const json_t *device;
	size_t i;

	json_array_foreach(list, i, device)
	{
		const char *driver = json_string_value(json_object_get(device, "driver"));

		if (json_object_get(device, "vf_of") || json_object_get(device, "vf_by_id") ||
		    is_vf_driver(driver))
			return true;
	}
	return false;
}

/* "0000:41:00.0 could have 8, has 0" for the first physical function. */
static void describe_pf(const json_t *probe, char *out, size_t size)
{
	const json_t *list = json_object_get(probe, "sriov"), *device;
	size_t i;

	snprintf(out, size,
		 "no PCI device here can have any (no sriov_totalvfs, no physfn in "
		 "/sys/bus/pci/devices)");
	json_array_foreach(list, i, device)
	{
		const json_t *possible = json_object_get(device, "vfs_possible");
		const json_t *enabled = json_object_get(device, "vfs_enabled");

		if (!possible)
			continue;
		snprintf(out, size,
			 "%s could have %lld and has %lld; write their number to its sriov_numvfs "
			 "(root)",
			 json_string_value(json_object_get(device, "evidence")),
			 (long long)json_integer_value(possible),
			 (long long)json_integer_value(enabled));
		return;
	}
}

static bool expect_sriov(const json_t *probe, struct ct_error *err)
{
	char text[512];

	if (has_vf(json_object_get(probe, "sriov")) || has_vf(json_object_get(probe, "pci")) ||
	    has_vf(json_object_get(probe, "network")) || has_vf(json_object_get(probe, "rdma")))
		return true;
	describe_pf(probe, text, sizeof text);
	return ct_usage(err, "expect = sriov: no virtual function found: %s", text);
}

/* Emulated and paravirtual devices are the hypervisor's own work, not hardware handed through. */
static bool is_hardware_driver(const char *driver)
{
	static const char *const made_up[] = {
		"virtio_net",   "vmxnet3",    "hv_netvsc",  "vif",     "e1000",
		"e1000e",       "8139cp",     "8139too",    "pcnet32", "ne2k-pci",
		"xen_netfront", "virtio-pci", "virtio_gpu", "gve"};

	for (size_t i = 0; driver && i < sizeof made_up / sizeof made_up[0]; i++) {
		if (strcmp(driver, made_up[i]) == 0)
			return false;
	}
	return driver != NULL;
}

/* Real hardware below a device: neither the driver nor the PCI ids are a hypervisor's. */
static bool is_hardware(const json_t *device)
{
	return !json_object_get(device, "emulated_by") &&
	       is_hardware_driver(json_string_value(json_object_get(device, "driver")));
}

/* Disks and controllers of other kinds are emulated too faithfully to be told. */
static bool is_passed_kind(const char *kind)
{
	static const char *const kinds[] = {"network", "infiniband", "accelerator", "nvme"};

	for (size_t i = 0; kind && i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	}
	return false;
}

/* A vGPU is a slice that the host's driver makes, whatever its PCI function looks like. */
static bool has_passed_gpu(const json_t *probe)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(probe, "gpus"), i, device)
	{
		const char *maker = json_string_value(json_object_get(device, "maker"));

		if (maker && strcmp(maker, "other") != 0 &&
		    !json_object_get(device, "emulated_by") &&
		    !(strcmp(maker, "nvidia") == 0 && ct_is_vgpu_guest(probe)))
			return true;
	}
	return false;
}

static bool has_passed_device(const json_t *probe)
{
	static const char *const sections[] = {"network", "rdma"};
	const json_t *device;
	size_t i;

	for (size_t s = 0; s < 2; s++) {
		json_array_foreach(json_object_get(probe, sections[s]), i, device)
		{
			if (is_hardware(device))
				return true;
		}
	}
	json_array_foreach(json_object_get(probe, "pci"), i, device)
	{
		if (is_passed_kind(json_string_value(json_object_get(device, "kind"))) &&
		    is_hardware(device))
			return true;
	}
	return false;
}

static bool expect_passthrough(const json_t *probe, struct ct_error *err)
{
	if (!json_is_true(ct_said(probe, "hypervisor", "present")))
		return ct_usage(err,
				"expect = passthrough: devices are passed into virtual "
				"machines, and this is none: %s",
				ct_evidence(probe, "hypervisor", "present"));
	if (has_passed_device(probe) || has_passed_gpu(probe))
		return true;
	return ct_usage(err,
			"expect = passthrough: no hardware passed into this virtual machine: "
			"every network device in /sys/class/net is emulated or paravirtual, and "
			"there is no GPU in /sys/bus/pci/devices%s",
			ct_is_vgpu_guest(probe) ? " but a vGPU" : "");
}

static const struct {
	const char *word;
	bool (*holds)(const json_t *probe, struct ct_error *err);
} expectations[] = {
	{"baremetal", expect_baremetal},
	{"vm", expect_vm},
	{"container", expect_container},
	{"cgroup", expect_cgroup},
	{"netns", expect_netns},
	{"sriov", expect_sriov},
	{"passthrough", expect_passthrough},
	{"mig", ct_expect_mig},
	{"vgpu", ct_expect_vgpu},
	{"mps", ct_expect_mps},
	{"green", ct_expect_green},
	{"timeslice", ct_expect_timeslice},
};
enum { N_EXPECTATIONS = sizeof expectations / sizeof expectations[0] };

const char *const ct_probe_expect_words[] = {
	"baremetal", "vm",   "container", "cgroup", "netns",     "sriov", "passthrough",
	"mig",       "vgpu", "mps",       "green",  "timeslice", NULL};

bool ct_probe_expect(const json_t *probe, const char *expect, struct ct_error *err)
{
	_Static_assert(sizeof ct_probe_expect_words / sizeof ct_probe_expect_words[0] ==
			       N_EXPECTATIONS + 1,
		       "the public list is this table's first column");
	const char *near;

	for (size_t i = 0; i < N_EXPECTATIONS; i++) {
		if (strcmp(expectations[i].word, expect) == 0)
			return expectations[i].holds(probe, err);
	}
	near = ct_nearest(expect, ct_probe_expect_words, N_EXPECTATIONS);
	return ct_usage(err,
			"expect = %s: no such environment%s%s%s; known are baremetal, vm, "
			"container, cgroup, netns, sriov, passthrough, mig, vgpu, mps, green, "
			"timeslice",
			expect, near ? " (did you mean '" : "", near ? near : "",
			near ? "'?)" : "");
}
