/* SPDX-License-Identifier: Apache-2.0 */
/* What NVIDIA's management library says about the GPUs: one entry a GPU, with its MIG devices. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/gpu/nvml.h"
#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

enum { MAX_GPUS = 64, MAX_MIG_DEVICES = 64 };

struct inquiry {
	const struct ct_nvml *nvml;
	bool identify; /* UUIDs name the hardware */
};

static const char *const compute_modes[] = {"default", "exclusive thread", "prohibited",
					    "exclusive process"};
static const char *const virtualizations[] = {"none", "passthrough", "vgpu", "vgpu host",
					      "vsga host"};

/* Nothing for what can't be told: a GPU that was lost answers some questions and not others. */
static void add_number(const struct inquiry *inquiry, json_t *entry, const char *key,
		       ct_nvml_device device, enum ct_nvml_number which)
{
	char why[CT_NVML_WHY];
	unsigned value;

	if (ct_nvml_number(inquiry->nvml, device, which, &value, why))
		json_object_set_new(entry, key, json_integer(value));
}

static void add_word(const struct inquiry *inquiry, json_t *entry, const char *key,
		     ct_nvml_device device, enum ct_nvml_number which, const char *const *words,
		     size_t n)
{
	char why[CT_NVML_WHY];
	unsigned value;

	if (ct_nvml_number(inquiry->nvml, device, which, &value, why) && value < n)
		json_object_set_new(entry, key, json_string(words[value]));
}

typedef bool get_pair(const struct ct_nvml *nvml, ct_nvml_device device, unsigned *current,
		      unsigned *pending, char *why);

/* A mode that only a reset brings into force is told apart from the one that is. */
static void add_mode(const struct inquiry *inquiry, json_t *entry, const char *key,
		     ct_nvml_device device, get_pair *get)
{
	char why[CT_NVML_WHY], pending_key[32];
	unsigned current, pending;

	if (!get(inquiry->nvml, device, &current, &pending, why))
		return;
	json_object_set_new(entry, key, json_boolean(current == 1));
	snprintf(pending_key, sizeof pending_key, "%s_pending", key);
	if (current != pending)
		json_object_set_new(entry, pending_key, json_boolean(pending == 1));
}

static void add_text(json_t *entry, const char *key, char *text)
{
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	}
	json_object_set_new(entry, key, json_string(text));
}

static json_t *mig_device(const struct inquiry *inquiry, unsigned index, ct_nvml_device device)
{
	json_t *entry = json_pack("{s:i}", "index", (int)index);
	char text[CT_NVML_TEXT], why[CT_NVML_WHY];
	struct ct_nvml_slice slice;

	if (ct_nvml_slice(inquiry->nvml, device, &slice, why)) {
		ct_nvml_profile(&slice, text);
		add_text(entry, "profile", text);
		json_object_set_new(entry, "multiprocessors", json_integer(slice.multiprocessors));
		json_object_set_new(entry, "memory_mib",
				    json_integer((json_int_t)slice.memory_mib));
	}
	add_number(inquiry, entry, "gpu_instance", device, CT_NVML_GPU_INSTANCE);
	add_number(inquiry, entry, "compute_instance", device, CT_NVML_COMPUTE_INSTANCE);
	if (inquiry->identify && ct_nvml_uuid(inquiry->nvml, device, text, why))
		add_text(entry, "uuid", text);
	return entry;
}

static void add_mig_devices(const struct inquiry *inquiry, json_t *entry, ct_nvml_device gpu)
{
	char why[CT_NVML_WHY];
	json_t *list;
	unsigned places;

	if (!ct_nvml_number(inquiry->nvml, gpu, CT_NVML_MAX_MIG_DEVICES, &places, why) ||
	    places == 0)
		return;
	list = json_array();
	for (unsigned i = 0; i < places && i < MAX_MIG_DEVICES; i++) {
		ct_nvml_device device;

		if (ct_nvml_mig_at(inquiry->nvml, gpu, i, &device, why))
			json_array_append_new(list, mig_device(inquiry, i, device));
	}
	json_object_set_new(entry, "mig_devices", list);
}

static json_t *gpu(const struct inquiry *inquiry, unsigned index, ct_nvml_device device)
{
	json_t *entry = json_pack("{s:i}", "index", (int)index);
	char text[CT_NVML_TEXT], why[CT_NVML_WHY];

	if (ct_nvml_name(inquiry->nvml, device, text, why))
		add_text(entry, "name", text);
	else
		add_text(entry, "error", why);
	if (ct_nvml_pci(inquiry->nvml, device, text, why))
		add_text(entry, "pci", text);
	if (inquiry->identify && ct_nvml_uuid(inquiry->nvml, device, text, why))
		add_text(entry, "uuid", text);
	add_mode(inquiry, entry, "mig", device, ct_nvml_mig_mode);
	add_mig_devices(inquiry, entry, device);
	add_mode(inquiry, entry, "ecc", device, ct_nvml_ecc);
	add_word(inquiry, entry, "virtualization", device, CT_NVML_VIRTUALIZATION, virtualizations,
		 sizeof virtualizations / sizeof virtualizations[0]);
	add_word(inquiry, entry, "compute_mode", device, CT_NVML_COMPUTE_MODE, compute_modes,
		 sizeof compute_modes / sizeof compute_modes[0]);
	add_number(inquiry, entry, "persistence", device, CT_NVML_PERSISTENCE);
	add_number(inquiry, entry, "sm_clock_mhz", device, CT_NVML_SM_CLOCK_MHZ);
	add_number(inquiry, entry, "max_sm_clock_mhz", device, CT_NVML_MAX_SM_CLOCK_MHZ);
	add_number(inquiry, entry, "memory_clock_mhz", device, CT_NVML_MEMORY_CLOCK_MHZ);
	add_number(inquiry, entry, "max_memory_clock_mhz", device, CT_NVML_MAX_MEMORY_CLOCK_MHZ);
	add_number(inquiry, entry, "power_limit_mw", device, CT_NVML_POWER_LIMIT_MW);
	add_number(inquiry, entry, "link_generation", device, CT_NVML_LINK_GENERATION);
	add_number(inquiry, entry, "max_link_generation", device, CT_NVML_MAX_LINK_GENERATION);
	add_number(inquiry, entry, "link_width", device, CT_NVML_LINK_WIDTH);
	add_number(inquiry, entry, "max_link_width", device, CT_NVML_MAX_LINK_WIDTH);
	return entry;
}

static json_t *list_gpus(const struct inquiry *inquiry, char why[CT_NVML_WHY])
{
	json_t *list;
	unsigned n;

	if (!ct_nvml_count(inquiry->nvml, &n, why))
		return NULL;
	list = json_array();
	for (unsigned i = 0; i < n && i < MAX_GPUS; i++) {
		ct_nvml_device device;

		if (ct_nvml_device_at(inquiry->nvml, i, &device, why))
			json_array_append_new(list, gpu(inquiry, i, device));
		else
			json_array_append_new(
				list, json_pack("{s:i, s:s}", "index", (int)i, "error", why));
	}
	return list;
}

static void say_versions(const struct ct_nvml *nvml, const char *library, json_t *section)
{
	char text[CT_NVML_TEXT], why[CT_NVML_WHY];
	int cuda;

	if (ct_nvml_driver(nvml, text, why))
		ct_say(section, "driver_version", json_string(text), "%s", library);
	else
		ct_say(section, "driver_version", NULL, "%s", why);
	if (ct_nvml_cuda(nvml, &cuda, why))
		ct_say(section, "cuda_version",
		       json_sprintf("%d.%d", cuda / 1000, cuda % 1000 / 10), "%s", library);
	else
		ct_say(section, "cuda_version", NULL, "%s", why);
}

/* A recorded machine has no library of its own: then only one that was named is asked. */
static const char *library_of(const struct ct_probe_source *source)
{
	const char *named = getenv("COTENANT_NVML");

	if (named && named[0])
		return named;
	return source->live ? CT_NVML_LIBRARY : NULL;
}

void ct_probe_nvml(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object_get(probe, "nvidia"), *gpus;
	const char *library = library_of(source);
	struct inquiry inquiry = {.identify = source->identify};
	char why[CT_NVML_WHY];
	struct ct_nvml *nvml;

	if (!library)
		return;
	nvml = ct_nvml_open(library, why);
	if (!nvml) {
		ct_say(section, "devices", NULL, "%s", why);
		return;
	}
	inquiry.nvml = nvml;
	say_versions(nvml, library, section);
	gpus = list_gpus(&inquiry, why);
	ct_say(section, "devices", gpus, "%s", gpus ? library : why);
	ct_nvml_close(nvml);
}
