/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA GPUs as their management library sees them. A process of its own asks, so that a GPU that
 * has died, or a library that crashes, costs the probe no more than its limit; a question whose
 * function is missing or fails becomes a null statement that says so.
 */
#include "harness/gpu/nvml.h"

#include <stdio.h>
#include <string.h>

#include "harness/gpu/mig.h"
#include "harness/probe/aside.h"
#include "harness/probe/devices.h"
#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

enum { MAX_GPUS = 64, MAX_MIG_DEVICES = 64, TEXT = 96 };

/* ---- one statement ---- */

/* A question to one device, and where its answers go. */
struct question {
	struct ct_nvml *nvml;
	struct ct_nvml_device *device;
	json_t *answers;
	bool lost; /* an answer was that the GPU is */
};

/* Takes over `value`, which counts only where the status is good. */
static void answer(struct question *q, const char *key, json_t *value, const char *symbol,
		   int status)
{
	char word[CT_NVML_WORD];

	if (status == CT_NVML_OK) {
		ct_say(q->answers, key, value, "%s", symbol);
		return;
	}
	json_decref(value);
	ct_say(q->answers, key, NULL, "%s: %s", symbol, ct_nvml_word(status, word));
	q->lost = q->lost || status == CT_NVML_LOST;
}

/* Texts of a library are kept printable, as those of files are. */
static json_t *printable(const char *text)
{
	char clean[TEXT];

	snprintf(clean, sizeof clean, "%s", text);
	for (char *c = clean; *c; c++) {
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	}
	return json_string(clean);
}

static void ask_text(struct question *q, const char *key, const char *symbol)
{
	char text[TEXT];
	int status = ct_nvml_text(q->nvml, q->device, symbol, text, sizeof text);

	answer(q, key, printable(text), symbol, status);
}

static void ask_number(struct question *q, const char *key, const char *symbol)
{
	unsigned value;
	int status = ct_nvml_number(q->nvml, q->device, symbol, &value);

	answer(q, key, json_integer(value), symbol, status);
}

/* A number that stands for a word; one without a word is said as it is. */
static void ask_word(struct question *q, const char *key, const char *symbol,
		     const char *const *words, size_t n)
{
	char other[32];
	unsigned value;
	int status = ct_nvml_number(q->nvml, q->device, symbol, &value);

	snprintf(other, sizeof other, "mode %u", value);
	answer(q, key, json_string(value < n ? words[value] : other), symbol, status);
}

#define ASK_WORD(q, key, symbol, words) \
	ask_word(q, key, symbol, words, sizeof(words) / sizeof(words)[0])

static void ask_watts(struct question *q, const char *key, const char *symbol)
{
	unsigned milliwatts;
	int status = ct_nvml_number(q->nvml, q->device, symbol, &milliwatts);

	answer(q, key, json_real(milliwatts / 1e3), symbol, status);
}

/* What is in force, and what will be after the next reset. */
static void ask_modes(struct question *q, const char *key, const char *pending, const char *symbol)
{
	unsigned modes[2];
	int status = ct_nvml_pair(q->nvml, q->device, symbol, modes);

	answer(q, key, json_boolean(modes[0]), symbol, status);
	answer(q, pending, json_boolean(modes[1]), symbol, status);
}

static void ask_clock(struct question *q, const char *key, const char *symbol,
		      enum ct_nvml_clock clock)
{
	unsigned mhz;
	int status = ct_nvml_clock(q->nvml, q->device, symbol, clock, &mhz);

	answer(q, key, json_integer(mhz), symbol, status);
}

/* ---- a GPU ---- */

static void ask_memory(struct question *q, unsigned long long *total)
{
	struct ct_nvml_memory memory;
	int status = ct_nvml_memory(q->nvml, q->device, &memory);

	*total = status == CT_NVML_OK ? memory.total : 0;
	answer(q, "memory_bytes", json_integer((json_int_t)memory.total), "nvmlDeviceGetMemoryInfo",
	       status);
}

static void ask_pci(struct question *q)
{
	char address[CT_NVML_PCI];
	int status = ct_nvml_pci(q->nvml, q->device, address);

	answer(q, "pci", json_string(address), "nvmlDeviceGetPciInfo_v3", status);
}

static void ask_power(struct question *q)
{
	static const char symbol[] = "nvmlDeviceGetPowerManagementLimitConstraints";
	unsigned limits[2];
	int status;

	ask_watts(q, "power_limit_w", "nvmlDeviceGetPowerManagementLimit");
	ask_watts(q, "power_limit_default_w", "nvmlDeviceGetPowerManagementDefaultLimit");
	status = ct_nvml_pair(q->nvml, q->device, symbol, limits);
	answer(q, "power_limit_min_w", json_real(limits[0] / 1e3), symbol, status);
	answer(q, "power_limit_max_w", json_real(limits[1] / 1e3), symbol, status);
}

static void ask_clocks(struct question *q)
{
	ask_clock(q, "sm_mhz", "nvmlDeviceGetClockInfo", CT_NVML_CLOCK_SM);
	ask_clock(q, "memory_mhz", "nvmlDeviceGetClockInfo", CT_NVML_CLOCK_MEMORY);
	ask_clock(q, "sm_max_mhz", "nvmlDeviceGetMaxClockInfo", CT_NVML_CLOCK_SM);
	ask_clock(q, "memory_max_mhz", "nvmlDeviceGetMaxClockInfo", CT_NVML_CLOCK_MEMORY);
}

static void ask_link(struct question *q)
{
	ask_number(q, "link_generation", "nvmlDeviceGetCurrPcieLinkGeneration");
	ask_number(q, "link_max_generation", "nvmlDeviceGetMaxPcieLinkGeneration");
	ask_number(q, "link_width", "nvmlDeviceGetCurrPcieLinkWidth");
	ask_number(q, "link_max_width", "nvmlDeviceGetMaxPcieLinkWidth");
}

/* Who shares the GPU, and how. */
static void ask_sharing(struct question *q)
{
	/* nvmlComputeMode_t; 1 was exclusive-thread. */
	static const char *const compute[] = {"default", "exclusive-thread", "prohibited",
					      "exclusive-process"};
	/* nvmlGpuVirtualizationMode_t, nvmlHostVgpuMode_t. */
	static const char *const virtualization[] = {"none", "passthrough", "vgpu", "host-vgpu",
						     "host-vsga"};
	static const char *const host_vgpu[] = {"non-sriov", "sriov"};
	static const char *const mps_symbols[] = {"nvmlDeviceGetMPSComputeRunningProcesses_v3",
						  "nvmlDeviceGetMPSComputeRunningProcesses_v2",
						  "nvmlDeviceGetMPSComputeRunningProcesses"};
	int status = CT_NVML_NO_FUNCTION;
	unsigned clients = 0;
	size_t i = 0;

	ASK_WORD(q, "compute_mode", "nvmlDeviceGetComputeMode", compute);
	ASK_WORD(q, "virtualization", "nvmlDeviceGetVirtualizationMode", virtualization);
	ASK_WORD(q, "host_vgpu_mode", "nvmlDeviceGetHostVgpuMode", host_vgpu);
	for (; i < 3 && status == CT_NVML_NO_FUNCTION; i++)
		status = ct_nvml_list_length(q->nvml, q->device, mps_symbols[i], &clients);
	answer(q, "mps_clients", json_integer(clients), mps_symbols[i - 1], status);
}

/* ---- MIG ---- */

static json_t *mig_device(struct ct_nvml *nvml, struct ct_nvml_device *device, unsigned index,
			  unsigned long long gpu_bytes, bool identify)
{
	char name[TEXT], profile[TEXT], word[CT_NVML_WORD];
	json_t *entry = json_pack("{s:i, s:s}", "index", (int)index, "evidence",
				  "nvmlDeviceGetMigDeviceHandleByIndex");
	struct question q = {nvml, device, entry, false};
	struct ct_nvml_attributes has;
	int status = ct_nvml_attributes(nvml, device, &has);

	if (ct_nvml_text(nvml, device, "nvmlDeviceGetName", name, sizeof name) != CT_NVML_OK)
		name[0] = '\0';
	ct_mig_profile(name, &has, gpu_bytes, profile, sizeof profile);
	if (status == CT_NVML_OK || strstr(name, " MIG "))
		ct_say(entry, "profile", printable(profile), "%s",
		       strstr(name, " MIG ") ? "nvmlDeviceGetName" : "nvmlDeviceGetAttributes_v2");
	else
		ct_say(entry, "profile", NULL, "nvmlDeviceGetAttributes_v2: %s",
		       ct_nvml_word(status, word));
	ask_number(&q, "gpu_instance", "nvmlDeviceGetGpuInstanceId");
	ask_number(&q, "compute_instance", "nvmlDeviceGetComputeInstanceId");
	answer(&q, "multiprocessors", json_integer(has.multiprocessors),
	       "nvmlDeviceGetAttributes_v2", status);
	answer(&q, "memory_bytes", json_integer((json_int_t)(has.memory_mib << 20)),
	       "nvmlDeviceGetAttributes_v2", status);
	if (identify)
		ask_text(&q, "uuid", "nvmlDeviceGetUUID");
	return entry;
}

/* Only where MIG is on: the list of a GPU that is whole would be an empty claim. */
static void ask_mig(struct question *q, unsigned long long gpu_bytes, bool identify)
{
	static const char count_symbol[] = "nvmlDeviceGetMaxMigDeviceCount";
	static const char symbol[] = "nvmlDeviceGetMigDeviceHandleByIndex";
	json_t *list;
	unsigned most;
	int status;

	ask_modes(q, "mig", "mig_pending", "nvmlDeviceGetMigMode");
	if (!json_is_true(ct_said(q->answers, NULL, "mig")))
		return;
	status = ct_nvml_number(q->nvml, q->device, count_symbol, &most);
	if (status != CT_NVML_OK) {
		answer(q, "mig_devices", NULL, count_symbol, status);
		return;
	}
	list = json_array();
	for (unsigned i = 0; i < most && i < MAX_MIG_DEVICES; i++) {
		struct ct_nvml_device *mig;

		status = ct_nvml_mig_device(q->nvml, q->device, i, &mig);
		if (status == CT_NVML_OK)
			json_array_append_new(list,
					      mig_device(q->nvml, mig, i, gpu_bytes, identify));
		else if (status != CT_NVML_NOT_FOUND)
			break;
	}
	/* An index without a device is a hole, not a failure. */
	answer(q, "mig_devices", list, symbol, status == CT_NVML_NOT_FOUND ? CT_NVML_OK : status);
}

/* ---- all of them ---- */

static json_t *gpu_entry(struct ct_nvml *nvml, unsigned index, bool identify)
{
	static const char *const on_off[] = {"off", "on"};
	struct question q = {.nvml = nvml};
	char name[16], word[CT_NVML_WORD];
	unsigned long long bytes;
	int status;

	snprintf(name, sizeof name, "gpu%u", index);
	q.answers = ct_device_entry(name, "nvmlDeviceGetHandleByIndex_v2");
	json_object_set_new(q.answers, "index", json_integer(index));
	status = ct_nvml_device(nvml, index, &q.device);
	if (status != CT_NVML_OK || !q.device) {
		ct_say(q.answers, "lost", json_boolean(status == CT_NVML_LOST),
		       "nvmlDeviceGetHandleByIndex_v2: %s", ct_nvml_word(status, word));
		return q.answers;
	}
	ask_text(&q, "model", "nvmlDeviceGetName");
	if (identify)
		ask_text(&q, "uuid", "nvmlDeviceGetUUID");
	ask_pci(&q);
	ask_memory(&q, &bytes);
	ask_mig(&q, bytes, identify);
	ask_sharing(&q);
	ASK_WORD(&q, "persistence", "nvmlDeviceGetPersistenceMode", on_off);
	ask_modes(&q, "ecc", "ecc_pending", "nvmlDeviceGetEccMode");
	ask_clocks(&q);
	ask_power(&q);
	ask_link(&q);
	ct_say(q.answers, "lost", json_boolean(q.lost), "%s",
	       q.lost ? "some of its calls: GPU is lost (15)" : "no call says so");
	return q.answers;
}

/* The words of `nvidia-smi topo -m`. */
static const char *distance_word(int level)
{
	switch (level) {
	case CT_NVML_SAME_BOARD:
		return "board";
	case CT_NVML_ONE_SWITCH:
		return "pix";
	case CT_NVML_SWITCHES:
		return "pxb";
	case CT_NVML_HOST_BRIDGE:
		return "phb";
	case CT_NVML_NODE:
		return "node";
	case CT_NVML_SYSTEM:
		return "sys";
	default:
		return NULL;
	}
}

static void add_distances(struct ct_nvml *nvml, json_t *gpus, unsigned count)
{
	static const char symbol[] = "nvmlDeviceGetTopologyCommonAncestor";
	struct ct_nvml_device *a, *b;

	for (unsigned i = 0; i < count; i++) {
		json_t *list = json_array();

		for (unsigned k = 0; k < count; k++) {
			char name[16];
			int level;

			snprintf(name, sizeof name, "gpu%u", k);
			if (i == k || ct_nvml_device(nvml, i, &a) != CT_NVML_OK ||
			    ct_nvml_device(nvml, k, &b) != CT_NVML_OK ||
			    ct_nvml_distance(nvml, a, b, &level) != CT_NVML_OK ||
			    !distance_word(level))
				continue;
			json_array_append_new(list,
					      json_pack("{s:s, s:s, s:s}", "to", name, "distance",
							distance_word(level), "evidence", symbol));
		}
		json_object_set_new(json_array_get(gpus, i), "near", list);
	}
}

static void say_system(struct ct_nvml *nvml, json_t *section)
{
	struct question q = {.nvml = nvml, .answers = section};
	char text[TEXT];
	int number;
	int status = ct_nvml_system_text(nvml, "nvmlSystemGetDriverVersion", text, sizeof text);

	answer(&q, "driver", printable(text), "nvmlSystemGetDriverVersion", status);
	status = ct_nvml_system_text(nvml, "nvmlSystemGetNVMLVersion", text, sizeof text);
	answer(&q, "version", printable(text), "nvmlSystemGetNVMLVersion", status);
	/* 12040 is 12.4. */
	status = ct_nvml_system_number(nvml, "nvmlSystemGetCudaDriverVersion_v2", &number);
	answer(&q, "cuda", json_integer(number), "nvmlSystemGetCudaDriverVersion_v2", status);
}

/* In the child: everything, as one object. */
static json_t *ask_library(const void *context)
{
	const struct ct_probe_source *source = context;
	json_t *section = json_object(), *gpus = json_array();
	char why[256] = "", word[CT_NVML_WORD];
	struct ct_nvml *nvml = ct_nvml_open(source->nvml, why, sizeof why);
	unsigned count;
	int status;

	ct_say(section, "loaded", json_boolean(nvml != NULL), "%.200s", nvml ? "nvmlInit_v2" : why);
	if (nvml) {
		say_system(nvml, section);
		status = ct_nvml_count(nvml, &count);
		if (status == CT_NVML_OK)
			ct_say(section, "gpus", json_integer(count), "nvmlDeviceGetCount_v2");
		else
			ct_say(section, "gpus", NULL, "nvmlDeviceGetCount_v2: %s",
			       ct_nvml_word(status, word));
		count = status != CT_NVML_OK ? 0 : count < MAX_GPUS ? count : MAX_GPUS;
		for (unsigned i = 0; i < count; i++)
			json_array_append_new(gpus, gpu_entry(nvml, i, source->identify));
		add_distances(nvml, gpus, count);
	}
	ct_nvml_close(nvml);
	return json_pack("{s:o, s:o}", "nvml", section, "nvidia_gpus", gpus);
}

/* ---- the way from a GPU to network and RDMA devices, which sysfs tells ---- */

/* How many slashes are behind a position: bridges that lie between it and the device. */
static size_t bridges_below(const char *path)
{
	size_t n = 0;

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/'))
		n++;
	return n;
}

/*
 * Two paths "/sys/devices/pci0000:40/0000:40:01.0/0000:41:00.0" (host bridge, bridges, device).
 * NULL: not below the same host bridge. A switch has one bridge upwards, which both have in
 * common, and one downwards to each device.
 */
static const char *path_distance(const char *a, const char *b)
{
	static const char devices[] = "/sys/devices/pci";
	size_t common = 0;
	const char *host_end;

	if (strncmp(a, devices, sizeof devices - 1) != 0)
		return NULL;
	host_end = strchr(a + sizeof devices - 1, '/');
	for (size_t i = 0; a[i] && a[i] == b[i]; i++) {
		if (a[i] == '/')
			common = i;
	}
	if (!host_end || common < (size_t)(host_end - a))
		return NULL;
	if (a + common == host_end)
		return "phb";
	return bridges_below(a + common + 1) <= 1 && bridges_below(b + common + 1) <= 1 ? "pix"
											: "pxb";
}

static const char *distance_between(const struct ct_probe_source *source, const char *a,
				    const char *b)
{
	char path_a[CT_SOURCE_PATH], path_b[CT_SOURCE_PATH];
	int64_t node_a, node_b;
	const char *word;

	if (!ct_source_real_path(source, path_a, sizeof path_a, CT_PCI "/%s", a) ||
	    !ct_source_real_path(source, path_b, sizeof path_b, CT_PCI "/%s", b))
		return NULL;
	word = path_distance(path_a, path_b);
	if (word)
		return word;
	if (!ct_source_number(source, &node_a, CT_PCI "/%s/numa_node", a) ||
	    !ct_source_number(source, &node_b, CT_PCI "/%s/numa_node", b) || node_a < 0 ||
	    node_b < 0)
		return NULL;
	return node_a == node_b ? "node" : "sys";
}

/* Virtual functions lie where their physical one does; only those are listed. */
static void add_near(const struct ct_probe_source *source, json_t *near, const char *gpu,
		     const json_t *devices)
{
	json_t *device;
	size_t i;

	json_array_foreach(devices, i, device)
	{
		const char *pci = json_string_value(json_object_get(device, "pci"));
		const char *word = pci && !json_object_get(device, "vf_of")
					   ? distance_between(source, gpu, pci)
					   : NULL;
		char evidence[160];

		if (!word)
			continue;
		snprintf(evidence, sizeof evidence, CT_PCI "/%.40s, %.40s", gpu, pci);
		json_array_append_new(near,
				      json_pack("{s:s, s:s, s:s}", "to",
						json_string_value(json_object_get(device, "name")),
						"distance", word, "evidence", evidence));
	}
}

static void add_network_distances(const struct ct_probe_source *source, const json_t *probe,
				  json_t *gpus)
{
	json_t *gpu;
	size_t i;

	json_array_foreach(gpus, i, gpu)
	{
		const char *pci = ct_said_text(gpu, NULL, "pci");
		json_t *near = json_object_get(gpu, "near");

		if (!pci || !near)
			continue;
		add_near(source, near, pci, json_object_get(probe, "network"));
		add_near(source, near, pci, json_object_get(probe, "rdma"));
	}
}

static void say_nothing_loaded(json_t *probe, const char *evidence)
{
	json_t *section = json_object();

	ct_say(section, "loaded", json_false(), "%s", evidence);
	json_object_set_new(probe, "nvml", section);
	json_object_set_new(probe, "nvidia_gpus", json_array());
}

void ct_probe_nvml(const struct ct_probe_source *source, json_t *probe)
{
	const int limit_ms = source->nvml_limit_ms > 0 ? source->nvml_limit_ms : CT_SOURCE_NVML_MS;
	char why[128] = "", evidence[400];
	json_t *answers, *gpus;

	if (!source->nvml) {
		say_nothing_loaded(probe, source->live ? "not asked" : "not asked: a recording");
		return;
	}
	answers = ct_aside(ask_library, source, limit_ms, why, sizeof why);
	gpus = json_object_get(answers, "nvidia_gpus");
	if (!json_is_array(gpus)) {
		snprintf(evidence, sizeof evidence, "%.200s: %s", source->nvml, why);
		say_nothing_loaded(probe, evidence);
	} else {
		add_network_distances(source, probe, gpus);
		json_object_set(probe, "nvml", json_object_get(answers, "nvml"));
		json_object_set(probe, "nvidia_gpus", gpus);
	}
	json_decref(answers);
}
