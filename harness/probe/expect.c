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

		if (json_object_get(device, "vf_of") || is_vf_driver(driver))
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

	if (has_vf(json_object_get(probe, "sriov")) || has_vf(json_object_get(probe, "network")) ||
	    has_vf(json_object_get(probe, "rdma")))
		return true;
	describe_pf(probe, text, sizeof text);
	return ct_usage(err, "expect = sriov: no virtual function found: %s", text);
}

/* Emulated and paravirtual devices are the hypervisor's own work, not hardware handed through. */
static bool is_hardware_driver(const char *driver)
{
	static const char *const made_up[] = {
		"virtio_net",   "vmxnet3",    "hv_netvsc", "vif",     "e1000",
		"e1000e",       "8139cp",     "8139too",   "pcnet32", "ne2k-pci",
		"xen_netfront", "virtio-pci", "virtio_gpu"};

	for (size_t i = 0; driver && i < sizeof made_up / sizeof made_up[0]; i++) {
		if (strcmp(driver, made_up[i]) == 0)
			return false;
	}
	return driver != NULL;
}

static bool expect_passthrough(const json_t *probe, struct ct_error *err)
{
	static const char *const sections[] = {"network", "rdma"};
	const json_t *device;
	size_t i;

	if (!json_is_true(ct_said(probe, "hypervisor", "present")))
		return ct_usage(err,
				"expect = passthrough: devices are passed into virtual "
				"machines, and this is none: %s",
				ct_evidence(probe, "hypervisor", "present"));
	for (size_t s = 0; s < 2; s++) {
		json_array_foreach(json_object_get(probe, sections[s]), i, device)
		{
			if (is_hardware_driver(
				    json_string_value(json_object_get(device, "driver"))))
				return true;
		}
	}
	json_array_foreach(json_object_get(probe, "gpus"), i, device)
	{
		const char *maker = json_string_value(json_object_get(device, "maker"));

		if (maker && strcmp(maker, "other") != 0)
			return true;
	}
	return ct_usage(err,
			"expect = passthrough: no hardware passed into this virtual machine: "
			"every network device in /sys/class/net is emulated or paravirtual, and "
			"there is no GPU in /sys/bus/pci/devices");
}

/* ---- GPUs ---- */

static bool has_nvidia(const json_t *probe)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(probe, "gpus"), i, device)
	{
		const char *maker = json_string_value(json_object_get(device, "maker"));

		if (maker && strcmp(maker, "nvidia") == 0)
			return true;
	}
	return false;
}

/* The common ground of all GPU words: a device and its driver. */
static bool needs_gpu(const json_t *probe, const char *word, const char *missing,
		      struct ct_error *err)
{
	bool driver = ct_said(probe, "nvidia", "driver") != NULL ||
		      ct_said(probe, "nvidia", "driver_version") != NULL;
	bool device = has_nvidia(probe);

	if (driver)
		return true;
	return ct_usage(err, "expect = %s: %s found (no /proc/driver/nvidia, %s)", word, missing,
			device ? "though there is a PCI device of vendor 10de: load its driver"
			       : "no PCI device of vendor 10de");
}

/* MIG devices that NVML lists, over all GPUs. */
static size_t count_mig_devices(const json_t *probe)
{
	const json_t *device;
	size_t i, n = 0;

	json_array_foreach(ct_said(probe, "nvidia", "devices"), i, device) n +=
		json_array_size(json_object_get(device, "mig_devices"));
	return n;
}

/* A GPU that NVML says is a guest's share of one. */
static bool has_vgpu(const json_t *probe)
{
	const json_t *device;
	size_t i;

	json_array_foreach(ct_said(probe, "nvidia", "devices"), i, device)
	{
		const char *kind = json_string_value(json_object_get(device, "virtualization"));

		if (kind && strcmp(kind, "vgpu") == 0)
			return true;
	}
	return false;
}

static bool expect_mig(const json_t *probe, struct ct_error *err)
{
	double instances = 0;

	if (!needs_gpu(probe, "mig", "no NVIDIA GPU with MIG mode", err))
		return false;
	if (count_mig_devices(probe) > 0 ||
	    (ct_said_number(probe, "nvidia", "mig_instances", &instances) && instances > 0))
		return true;
	return ct_usage(err,
			"expect = mig: no GPU instance exists: %s is empty; nvidia-smi mig -cgi "
			"makes them (root)",
			ct_evidence(probe, "nvidia", "mig_instances"));
}

static bool expect_vgpu(const json_t *probe, struct ct_error *err)
{
	if (json_is_true(ct_said(probe, "nvidia", "vgpu")) || has_vgpu(probe))
		return true;
	return needs_gpu(probe, "vgpu", "no NVIDIA GPU", err) &&
	       ct_usage(err, "expect = vgpu: %s", ct_evidence(probe, "nvidia", "vgpu"));
}

static bool expect_mps(const json_t *probe, struct ct_error *err)
{
	if (!needs_gpu(probe, "mps", "no NVIDIA GPU", err))
		return false;
	if (json_is_true(ct_said(probe, "nvidia", "mps")))
		return true;
	return ct_usage(err,
			"expect = mps: its control daemon does not run: no %s; start it with "
			"nvidia-cuda-mps-control -d",
			ct_evidence(probe, "nvidia", "mps"));
}

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15 ..." -> 550. */
static unsigned long driver_branch(const char *text)
{
	for (; *text; text++) {
		char *end;
		unsigned long branch = strtoul(text, &end, 10);

		if (end >= text + 3 && *end == '.' && branch >= 100)
			return branch;
		if (end > text)
			text = end - 1;
	}
	return 0;
}

static bool expect_green(const json_t *probe, struct ct_error *err)
{
	enum { FIRST_BRANCH = 550 }; /* CUDA 12.4 */
	const char *driver;

	if (!needs_gpu(probe, "green", "no NVIDIA GPU", err))
		return false;
	driver = ct_said_text(probe, "nvidia", "driver_version");
	if (!driver)
		driver = ct_said_text(probe, "nvidia", "driver");
	return (driver && driver_branch(driver) >= FIRST_BRANCH) ||
	       ct_usage(err, "expect = green: green contexts need driver %d or later: %s",
			FIRST_BRANCH, driver ? driver : "its version is not known");
}

static bool expect_timeslice(const json_t *probe, struct ct_error *err)
{
	double instances = 0;

	if (!needs_gpu(probe, "timeslice", "no NVIDIA GPU", err))
		return false;
	if (json_is_true(ct_said(probe, "nvidia", "mps")))
		return ct_usage(err, "expect = timeslice: MPS runs instead: %s",
				ct_evidence(probe, "nvidia", "mps"));
	if (count_mig_devices(probe) > 0)
		return ct_usage(err, "expect = timeslice: the GPU is cut into MIG instances: %s",
				ct_evidence(probe, "nvidia", "devices"));
	if (ct_said_number(probe, "nvidia", "mig_instances", &instances) && instances > 0)
		return ct_usage(err, "expect = timeslice: the GPU is cut into MIG instances: %s",
				ct_evidence(probe, "nvidia", "mig_instances"));
	return true;
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
	{"mig", expect_mig},
	{"vgpu", expect_vgpu},
	{"mps", expect_mps},
	{"green", expect_green},
	{"timeslice", expect_timeslice},
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
