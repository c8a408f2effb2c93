/* SPDX-License-Identifier: Apache-2.0 */
/* Whether GPUs are divided as a job file claims. See expect_gpu.h. */
#include "harness/probe/expect_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/statement.h"

/* ---- GPUs in lists ---- */

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

/* The first GPU that says so; NULL: none. */
static const json_t *gpu_that(const json_t *probe, bool (*says)(const json_t *gpu))
{
	const json_t *gpu;
	size_t i;

	json_array_foreach(json_object_get(probe, "nvidia_gpus"), i, gpu)
	{
		if (says(gpu))
			return gpu;
	}
	return NULL;
}

static const char *name_of(const json_t *gpu)
{
	const char *name = json_string_value(json_object_get(gpu, "name"));

	return name ? name : "?";
}

static bool says_text(const json_t *gpu, const char *key, const char *text)
{
	const char *said = ct_said_text(gpu, NULL, key);

	return said && strcmp(said, text) == 0;
}

static bool has_mig_device(const json_t *gpu)
{
	return json_array_size(ct_said(gpu, NULL, "mig_devices")) > 0;
}

static bool has_mig_mode(const json_t *gpu)
{
	return json_is_true(ct_said(gpu, NULL, "mig"));
}

static bool knows_mig_mode(const json_t *gpu)
{
	return ct_said(gpu, NULL, "mig") != NULL;
}

static bool is_vgpu(const json_t *gpu)
{
	return says_text(gpu, "virtualization", "vgpu");
}

static bool has_mps_clients(const json_t *gpu)
{
	double clients;

	return ct_said_number(gpu, NULL, "mps_clients", &clients) && clients > 0;
}

/* Processes of several tenants take turns only where the mode lets more than one in. */
static bool takes_turns(const json_t *gpu)
{
	return !has_mig_mode(gpu) && says_text(gpu, "compute_mode", "default");
}

/* ---- the words ---- */

/* Why the library did not answer; "" where nobody asked it. */
static const char *why_no_nvml(const json_t *probe)
{
	const char *evidence = ct_evidence(probe, "nvml", "loaded");

	return strncmp(evidence, "not asked", strlen("not asked")) == 0 ? "" : evidence;
}

/* The common ground of all GPU words: a device and its driver. */
static bool needs_gpu(const json_t *probe, const char *word, const char *missing,
		      struct ct_error *err)
{
	const char *why = why_no_nvml(probe);

	if (ct_said(probe, "nvidia", "driver") || ct_said(probe, "nvml", "driver"))
		return true;
	return ct_usage(
		err, "expect = %s: %s found (no /proc/driver/nvidia, %s)%s%s", word, missing,
		has_nvidia(probe) ? "though there is a PCI device of vendor 10de: load its driver"
				  : "no PCI device of vendor 10de",
		why[0] ? "; " : "", why);
}

/* What NVML has to say against MIG. */
static bool refuse_mig(const json_t *probe, struct ct_error *err)
{
	const json_t *gpu = gpu_that(probe, has_mig_mode);

	if (gpu)
		return ct_usage(err,
				"expect = mig: MIG mode is on, but no instance exists that can be "
				"used (%s of %s); nvidia-smi mig -cgi PROFILE -C makes them (root)",
				ct_evidence(gpu, NULL, "mig_devices"), name_of(gpu));
	gpu = gpu_that(probe, knows_mig_mode);
	return ct_usage(err,
			"expect = mig: MIG mode is off (%s of %s); nvidia-smi -mig 1 sets it "
			"(root)",
			ct_evidence(gpu, NULL, "mig"), name_of(gpu));
}

bool ct_expect_mig(const json_t *probe, struct ct_error *err)
{
	double instances = 0;

	if (!needs_gpu(probe, "mig", "no NVIDIA GPU with MIG mode", err))
		return false;
	if (gpu_that(probe, knows_mig_mode))
		return gpu_that(probe, has_mig_device) || refuse_mig(probe, err);
	if (ct_said_number(probe, "nvidia", "mig_instances", &instances) && instances > 0)
		return true;
	return ct_usage(err,
			"expect = mig: no GPU instance exists: %s is empty; nvidia-smi mig -cgi "
			"makes them (root)",
			ct_evidence(probe, "nvidia", "mig_instances"));
}

bool ct_is_vgpu_guest(const json_t *probe)
{
	return gpu_that(probe, is_vgpu) || (json_is_true(ct_said(probe, "nvidia", "vgpu")) &&
					    json_is_true(ct_said(probe, "hypervisor", "present")));
}

bool ct_expect_vgpu(const json_t *probe, struct ct_error *err)
{
	const json_t *gpu = json_array_get(json_object_get(probe, "nvidia_gpus"), 0);
	const char *mode = ct_said_text(gpu, NULL, "virtualization");

	if (gpu_that(probe, is_vgpu) || json_is_true(ct_said(probe, "nvidia", "vgpu")))
		return true;
	if (!needs_gpu(probe, "vgpu", "no NVIDIA GPU", err))
		return false;
	return ct_usage(err, "expect = vgpu: %s%s%s", ct_evidence(probe, "nvidia", "vgpu"),
			mode ? "; nvmlDeviceGetVirtualizationMode says " : "", mode ? mode : "");
}

bool ct_expect_mps(const json_t *probe, struct ct_error *err)
{
	if (!needs_gpu(probe, "mps", "no NVIDIA GPU", err))
		return false;
	if (json_is_true(ct_said(probe, "nvidia", "mps")) || gpu_that(probe, has_mps_clients))
		return true;
	return ct_usage(err,
			"expect = mps: its control daemon does not run: %s; start it with "
			"nvidia-cuda-mps-control -d",
			ct_evidence(probe, "nvidia", "mps"));
}

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15 ...", "550.54.15" -> 550. */
static unsigned long driver_branch(const char *text)
{
	for (; text && *text; text++) {
		char *end;
		unsigned long branch = strtoul(text, &end, 10);

		if (end >= text + 3 && *end == '.' && branch >= 100)
			return branch;
		if (end > text)
			text = end - 1;
	}
	return 0;
}

bool ct_expect_green(const json_t *probe, struct ct_error *err)
{
	enum { FIRST_BRANCH = 550 }; /* CUDA 12.4 */
	const char *driver = ct_said_text(probe, "nvml", "driver");

	if (!needs_gpu(probe, "green", "no NVIDIA GPU", err))
		return false;
	if (!driver)
		driver = ct_said_text(probe, "nvidia", "driver");
	return driver_branch(driver) >= FIRST_BRANCH ||
	       ct_usage(err, "expect = green: green contexts need driver %d or later: %s",
			FIRST_BRANCH, driver);
}

bool ct_expect_timeslice(const json_t *probe, struct ct_error *err)
{
	const json_t *gpu = json_array_get(json_object_get(probe, "nvidia_gpus"), 0);
	double instances = 0;

	if (!needs_gpu(probe, "timeslice", "no NVIDIA GPU", err))
		return false;
	if (json_is_true(ct_said(probe, "nvidia", "mps")))
		return ct_usage(err, "expect = timeslice: MPS runs instead: %s",
				ct_evidence(probe, "nvidia", "mps"));
	if (ct_said(gpu, NULL, "compute_mode")) {
		if (gpu_that(probe, takes_turns))
			return true;
		return ct_usage(err,
				"expect = timeslice: no GPU takes turns: %s has compute mode %s "
				"and MIG mode %s (nvmlDeviceGetComputeMode, nvmlDeviceGetMigMode)",
				name_of(gpu), ct_said_text(gpu, NULL, "compute_mode"),
				has_mig_mode(gpu) ? "on" : "off");
	}
	if (ct_said_number(probe, "nvidia", "mig_instances", &instances) && instances > 0)
		return ct_usage(err, "expect = timeslice: the GPU is cut into MIG instances: %s",
				ct_evidence(probe, "nvidia", "mig_instances"));
	return true;
}
