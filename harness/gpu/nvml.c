/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/nvml.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOCK_SM = 1, CLOCK_MEMORY = 2, LEGACY_BUS_ID = 16, BUS_ID = 32 };

struct pci_info { /* nvmlPciInfo_t */
	char bus_id_legacy[LEGACY_BUS_ID];
	unsigned domain, bus, device, device_id, subsystem_id;
	char bus_id[BUS_ID];
};

struct attributes { /* nvmlDeviceAttributes_t */
	unsigned multiprocessors, copy_engines, decoders, encoders, jpeg, ofa;
	unsigned gpu_slices, compute_slices;
	unsigned long long memory_mib;
};

/* The library's functions, by the shape of their arguments. 0 is success in all. */
typedef int call_none(void);
typedef const char *call_words(int);
typedef int call_system_text(char *, unsigned);
typedef int call_system_int(int *);
typedef int call_system_number(unsigned *);
typedef int call_device_at(unsigned, ct_nvml_device *);
typedef int call_child_at(ct_nvml_device, unsigned, ct_nvml_device *);
typedef int call_text(ct_nvml_device, char *, unsigned);
typedef int call_number(ct_nvml_device, unsigned *);
typedef int call_number_of(ct_nvml_device, unsigned, unsigned *);
typedef int call_pair(ct_nvml_device, unsigned *, unsigned *);
typedef int call_pci(ct_nvml_device, struct pci_info *);
typedef int call_attributes(ct_nvml_device, struct attributes *);

struct ct_nvml {
	void *library;
	call_none *shutdown;
	call_words *words;
};

static bool fail(char *why, const char *what, const char *reason)
{
	snprintf(why, CT_NVML_WHY, "%s: %s", what, reason);
	return false;
}

/* A pointer to an object made one to a function: POSIX promises that this works for dlsym. */
#define FIND(nvml, type, name) ((type *)(uintptr_t)dlsym((nvml)->library, (name)))

static bool missing(char *why, const char *name)
{
	return fail(why, name, "this NVML does not have it");
}

/* Turns a return code into true, or into the library's own words. */
static bool good(const struct ct_nvml *nvml, int code, const char *name, char *why)
{
	const char *words = code != 0 && nvml->words ? nvml->words(code) : NULL;
	char number[32];

	if (code == 0)
		return true;
	snprintf(number, sizeof number, "NVML error %d", code);
	return fail(why, name, words ? words : number);
}

struct ct_nvml *ct_nvml_open(const char *library, char why[CT_NVML_WHY])
{
	struct ct_nvml nvml = {.library = dlopen(library, RTLD_NOW | RTLD_LOCAL)};
	struct ct_nvml *opened;
	call_none *init;

	if (!nvml.library) {
		fail(why, library, "not found");
		return NULL;
	}
	init = FIND(&nvml, call_none, "nvmlInit_v2");
	nvml.shutdown = FIND(&nvml, call_none, "nvmlShutdown");
	nvml.words = FIND(&nvml, call_words, "nvmlErrorString");
	opened = malloc(sizeof *opened);
	if (!init)
		missing(why, "nvmlInit_v2");
	else if (!opened)
		fail(why, library, "no memory");
	else if (good(&nvml, init(), "nvmlInit_v2", why)) {
		*opened = nvml;
		return opened;
	}
	free(opened);
	dlclose(nvml.library);
	return NULL;
}

void ct_nvml_close(struct ct_nvml *nvml)
{
	if (!nvml)
		return;
	if (nvml->shutdown)
		nvml->shutdown();
	dlclose(nvml->library);
	free(nvml);
}

bool ct_nvml_driver(const struct ct_nvml *nvml, char out[CT_NVML_TEXT], char why[CT_NVML_WHY])
{
	static const char name[] = "nvmlSystemGetDriverVersion";
	call_system_text *call = FIND(nvml, call_system_text, name);

	return call ? good(nvml, call(out, CT_NVML_TEXT), name, why) : missing(why, name);
}

bool ct_nvml_cuda(const struct ct_nvml *nvml, int *version, char why[CT_NVML_WHY])
{
	static const char name[] = "nvmlSystemGetCudaDriverVersion_v2";
	call_system_int *call = FIND(nvml, call_system_int, name);

	return call ? good(nvml, call(version), name, why) : missing(why, name);
}

bool ct_nvml_count(const struct ct_nvml *nvml, unsigned *n, char why[CT_NVML_WHY])
{
	static const char name[] = "nvmlDeviceGetCount_v2";
	call_system_number *call = FIND(nvml, call_system_number, name);

	return call ? good(nvml, call(n), name, why) : missing(why, name);
}

bool ct_nvml_device_at(const struct ct_nvml *nvml, unsigned index, ct_nvml_device *device,
		       char why[CT_NVML_WHY])
{
	static const char name[] = "nvmlDeviceGetHandleByIndex_v2";
	call_device_at *call = FIND(nvml, call_device_at, name);

	return call ? good(nvml, call(index, device), name, why) : missing(why, name);
}

bool ct_nvml_mig_at(const struct ct_nvml *nvml, ct_nvml_device gpu, unsigned index,
		    ct_nvml_device *device, char why[CT_NVML_WHY])
{
	static const char name[] = "nvmlDeviceGetMigDeviceHandleByIndex";
	call_child_at *call = FIND(nvml, call_child_at, name);

	return call ? good(nvml, call(gpu, index, device), name, why) : missing(why, name);
}

static bool get_text(const struct ct_nvml *nvml, ct_nvml_device device, const char *name, char *out,
		     char *why)
{
	call_text *call = FIND(nvml, call_text, name);

	return call ? good(nvml, call(device, out, CT_NVML_TEXT), name, why) : missing(why, name);
}

bool ct_nvml_name(const struct ct_nvml *nvml, ct_nvml_device device, char out[CT_NVML_TEXT],
		  char why[CT_NVML_WHY])
{
	return get_text(nvml, device, "nvmlDeviceGetName", out, why);
}

bool ct_nvml_uuid(const struct ct_nvml *nvml, ct_nvml_device device, char out[CT_NVML_TEXT],
		  char why[CT_NVML_WHY])
{
	return get_text(nvml, device, "nvmlDeviceGetUUID", out, why);
}

bool ct_nvml_pci(const struct ct_nvml *nvml, ct_nvml_device device, char out[CT_NVML_TEXT],
		 char why[CT_NVML_WHY])
{
	static const char name[] = "nvmlDeviceGetPciInfo_v3";
	call_pci *call = FIND(nvml, call_pci, name);
	struct pci_info info = {.domain = 0};

	if (!call)
		return missing(why, name);
	if (!good(nvml, call(device, &info), name, why))
		return false;
	/* NVML writes eight digits of domain, the kernel four; the function is always 0. */
	snprintf(out, CT_NVML_TEXT, "%04x:%02x:%02x.0", info.domain, info.bus & 0xffu,
		 info.device & 0x1fu);
	return true;
}

bool ct_nvml_number(const struct ct_nvml *nvml, ct_nvml_device device, enum ct_nvml_number which,
		    unsigned *value, char why[CT_NVML_WHY])
{
	static const struct {
		const char *name;
		int clock; /* of those that take one; 0: none */
	} functions[CT_NVML_NUMBERS] = {
		[CT_NVML_SM_CLOCK_MHZ] = {"nvmlDeviceGetClockInfo", CLOCK_SM},
		[CT_NVML_MEMORY_CLOCK_MHZ] = {"nvmlDeviceGetClockInfo", CLOCK_MEMORY},
		[CT_NVML_MAX_SM_CLOCK_MHZ] = {"nvmlDeviceGetMaxClockInfo", CLOCK_SM},
		[CT_NVML_MAX_MEMORY_CLOCK_MHZ] = {"nvmlDeviceGetMaxClockInfo", CLOCK_MEMORY},
		[CT_NVML_POWER_LIMIT_MW] = {"nvmlDeviceGetPowerManagementLimit", 0},
		[CT_NVML_POWER_MW] = {"nvmlDeviceGetPowerUsage", 0},
		[CT_NVML_LINK_GENERATION] = {"nvmlDeviceGetCurrPcieLinkGeneration", 0},
		[CT_NVML_LINK_WIDTH] = {"nvmlDeviceGetCurrPcieLinkWidth", 0},
		[CT_NVML_MAX_LINK_GENERATION] = {"nvmlDeviceGetMaxPcieLinkGeneration", 0},
		[CT_NVML_MAX_LINK_WIDTH] = {"nvmlDeviceGetMaxPcieLinkWidth", 0},
		[CT_NVML_MAX_MIG_DEVICES] = {"nvmlDeviceGetMaxMigDeviceCount", 0},
		[CT_NVML_COMPUTE_MODE] = {"nvmlDeviceGetComputeMode", 0},
		[CT_NVML_PERSISTENCE] = {"nvmlDeviceGetPersistenceMode", 0},
		[CT_NVML_VIRTUALIZATION] = {"nvmlDeviceGetVirtualizationMode", 0},
		[CT_NVML_GPU_INSTANCE] = {"nvmlDeviceGetGpuInstanceId", 0},
		[CT_NVML_COMPUTE_INSTANCE] = {"nvmlDeviceGetComputeInstanceId", 0},
	};
	const char *name = functions[which].name;
	call_number_of *of_clock = FIND(nvml, call_number_of, name);
	call_number *plain = FIND(nvml, call_number, name);

	if (!plain)
		return missing(why, name);
	if (functions[which].clock)
		return good(nvml, of_clock(device, (unsigned)functions[which].clock, value), name,
			    why);
	return good(nvml, plain(device, value), name, why);
}

static bool get_pair(const struct ct_nvml *nvml, ct_nvml_device device, const char *name,
		     unsigned *current, unsigned *pending, char *why)
{
	call_pair *call = FIND(nvml, call_pair, name);

	return call ? good(nvml, call(device, current, pending), name, why) : missing(why, name);
}

bool ct_nvml_mig_mode(const struct ct_nvml *nvml, ct_nvml_device device, unsigned *current,
		      unsigned *pending, char why[CT_NVML_WHY])
{
	return get_pair(nvml, device, "nvmlDeviceGetMigMode", current, pending, why);
}

bool ct_nvml_ecc(const struct ct_nvml *nvml, ct_nvml_device device, unsigned *current,
		 unsigned *pending, char why[CT_NVML_WHY])
{
	return get_pair(nvml, device, "nvmlDeviceGetEccMode", current, pending, why);
}

bool ct_nvml_slice(const struct ct_nvml *nvml, ct_nvml_device device, struct ct_nvml_slice *slice,
		   char why[CT_NVML_WHY])
{
	static const char name[] = "nvmlDeviceGetAttributes_v2";
	call_attributes *call = FIND(nvml, call_attributes, name);
	struct attributes have = {.multiprocessors = 0};

	if (!call)
		return missing(why, name);
	if (!good(nvml, call(device, &have), name, why))
		return false;
	*slice = (struct ct_nvml_slice){.multiprocessors = have.multiprocessors,
					.gpu_slices = have.gpu_slices,
					.compute_slices = have.compute_slices,
					.memory_mib = have.memory_mib};
	return true;
}

/* Profiles are named by GB that the driver's own share has been taken from: rounded up. */
void ct_nvml_profile(const struct ct_nvml_slice *slice, char out[CT_NVML_TEXT])
{
	const unsigned long long gb = (slice->memory_mib + 1023) / 1024;

	if (slice->compute_slices != 0 && slice->compute_slices != slice->gpu_slices)
		snprintf(out, CT_NVML_TEXT, "%uc.%ug.%llugb", slice->compute_slices,
			 slice->gpu_slices, gb);
	else
		snprintf(out, CT_NVML_TEXT, "%ug.%llugb", slice->gpu_slices, gb);
}
