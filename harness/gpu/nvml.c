/* SPDX-License-Identifier: Apache-2.0 */
/* NVIDIA's management library by dlopen. See nvml.h. */
#include "harness/gpu/nvml.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ct_nvml {
	void *library;
};

/* nvmlPciInfo_t, version 3; earlier ones begin with the same address, and are no longer. */
struct pci_info {
	char address_v2[16];
	unsigned domain, bus, device, ids, subsystem;
	char address[32];
};
_Static_assert(sizeof(struct pci_info) == 68, "the ABI of nvmlDeviceGetPciInfo_v3");
_Static_assert(sizeof(struct ct_nvml_attributes) == 40, "the ABI of nvmlDeviceGetAttributes_v2");
_Static_assert(sizeof(struct ct_nvml_memory) == 24, "the ABI of nvmlDeviceGetMemoryInfo");

const char *ct_nvml_word(int status, char out[CT_NVML_WORD])
{
	static const char *const words[] = {
		"good",
		"not initialised",
		"invalid argument",
		"not supported",
		"no permission",
		"already initialised",
		"not found",
		"too little room",
		"power cable missing",
		"the driver is not loaded",
		"timed out",
		"interrupt issue",
		"library not found",
		"the library has no such function",
		"corrupted infoROM",
		"GPU is lost",
		"reset required",
		"blocked by the operating system",
		"library and driver are of different versions",
		"in use",
		"out of memory",
		"no data",
	};
	const size_t n = sizeof words / sizeof words[0];
	const char *word = status >= 0 && (size_t)status < n ? words[status] : "NVML error";

	snprintf(out, CT_NVML_WORD, "%s (%d)", word, status);
	return out;
}

/* A function pointer of whatever type; POSIX lets a data pointer hold it. */
static bool find(const struct ct_nvml *nvml, const char *symbol, void *function)
{
	void *found = dlsym(nvml->library, symbol);

	memcpy(function, &found, sizeof found);
	return found != NULL;
}

static int initialise(const struct ct_nvml *nvml)
{
	int (*function)(void);

	if (!find(nvml, "nvmlInit_v2", &function) && !find(nvml, "nvmlInit", &function))
		return CT_NVML_NO_FUNCTION;
	return function();
}

const char *ct_nvml_library(void)
{
	const char *named = getenv("COTENANT_NVML");

	return !named ? "libnvidia-ml.so.1" : named[0] ? named : NULL;
}

struct ct_nvml *ct_nvml_open(const char *library, char *why, size_t size)
{
	struct ct_nvml *nvml = calloc(1, sizeof *nvml);
	char word[CT_NVML_WORD];
	const char *error;
	int status;

	if (!nvml) {
		snprintf(why, size, "no memory");
		return NULL;
	}
	nvml->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!nvml->library) {
		error = dlerror();
		snprintf(why, size, "%s", error ? error : "not loaded");
		free(nvml);
		return NULL;
	}
	status = initialise(nvml);
	if (status != CT_NVML_OK) {
		snprintf(why, size, "nvmlInit_v2: %s", ct_nvml_word(status, word));
		dlclose(nvml->library);
		free(nvml);
		return NULL;
	}
	return nvml;
}

void ct_nvml_close(struct ct_nvml *nvml)
{
	int (*function)(void);

	if (!nvml)
		return;
	if (find(nvml, "nvmlShutdown", &function))
		function();
	dlclose(nvml->library);
	free(nvml);
}

/* Text comes back in a buffer that the library should end, but may not. */
int ct_nvml_system_text(struct ct_nvml *nvml, const char *symbol, char *out, size_t size)
{
	int (*function)(char *, unsigned);
	int status;

	memset(out, 0, size);
	if (!find(nvml, symbol, &function))
		return CT_NVML_NO_FUNCTION;
	status = function(out, (unsigned)size);
	out[status == CT_NVML_OK ? size - 1 : 0] = '\0';
	return status;
}

int ct_nvml_system_number(struct ct_nvml *nvml, const char *symbol, int *value)
{
	int (*function)(int *);

	*value = 0;
	return find(nvml, symbol, &function) ? function(value) : CT_NVML_NO_FUNCTION;
}

int ct_nvml_count(struct ct_nvml *nvml, unsigned *count)
{
	int (*function)(unsigned *);

	*count = 0;
	if (!find(nvml, "nvmlDeviceGetCount_v2", &function) &&
	    !find(nvml, "nvmlDeviceGetCount", &function))
		return CT_NVML_NO_FUNCTION;
	return function(count);
}

int ct_nvml_device(struct ct_nvml *nvml, unsigned index, struct ct_nvml_device **device)
{
	int (*function)(unsigned, struct ct_nvml_device **);

	*device = NULL;
	if (!find(nvml, "nvmlDeviceGetHandleByIndex_v2", &function) &&
	    !find(nvml, "nvmlDeviceGetHandleByIndex", &function))
		return CT_NVML_NO_FUNCTION;
	return function(index, device);
}

int ct_nvml_mig_device(struct ct_nvml *nvml, struct ct_nvml_device *gpu, unsigned index,
		       struct ct_nvml_device **mig)
{
	int (*function)(struct ct_nvml_device *, unsigned, struct ct_nvml_device **);

	*mig = NULL;
	return find(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", &function)
		       ? function(gpu, index, mig)
		       : CT_NVML_NO_FUNCTION;
}

int ct_nvml_text(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol, char *out,
		 size_t size)
{
	int (*function)(struct ct_nvml_device *, char *, unsigned);
	int status;

	memset(out, 0, size);
	if (!find(nvml, symbol, &function))
		return CT_NVML_NO_FUNCTION;
	status = function(device, out, (unsigned)size);
	out[status == CT_NVML_OK ? size - 1 : 0] = '\0';
	return status;
}

int ct_nvml_number(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
		   unsigned *value)
{
	int (*function)(struct ct_nvml_device *, unsigned *);

	*value = 0;
	return find(nvml, symbol, &function) ? function(device, value) : CT_NVML_NO_FUNCTION;
}

int ct_nvml_pair(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
		 unsigned values[2])
{
	int (*function)(struct ct_nvml_device *, unsigned *, unsigned *);

	values[0] = values[1] = 0;
	return find(nvml, symbol, &function) ? function(device, &values[0], &values[1])
					     : CT_NVML_NO_FUNCTION;
}

int ct_nvml_clock(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
		  enum ct_nvml_clock clock, unsigned *mhz)
{
	int (*function)(struct ct_nvml_device *, int, unsigned *);

	*mhz = 0;
	return find(nvml, symbol, &function) ? function(device, (int)clock, mhz)
					     : CT_NVML_NO_FUNCTION;
}

/* Asked for no entries, the library says how many it would have. */
int ct_nvml_list_length(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
			unsigned *length)
{
	int (*function)(struct ct_nvml_device *, unsigned *, void *);
	int status;

	*length = 0;
	if (!find(nvml, symbol, &function))
		return CT_NVML_NO_FUNCTION;
	status = function(device, length, NULL);
	return status == CT_NVML_TOO_SMALL ? CT_NVML_OK : status;
}

int ct_nvml_pci(struct ct_nvml *nvml, struct ct_nvml_device *device, char address[CT_NVML_PCI])
{
	int (*function)(struct ct_nvml_device *, struct pci_info *);
	unsigned domain, bus, slot, unit;
	struct pci_info info = {0};
	char text[sizeof info.address + 1] = "";
	int status;

	address[0] = '\0';
	if (find(nvml, "nvmlDeviceGetPciInfo_v3", &function)) {
		status = function(device, &info);
		memcpy(text, info.address, sizeof info.address);
	} else if (find(nvml, "nvmlDeviceGetPciInfo_v2", &function) ||
		   find(nvml, "nvmlDeviceGetPciInfo", &function)) {
		status = function(device, &info);
		memcpy(text, info.address_v2, sizeof info.address_v2);
	} else {
		return CT_NVML_NO_FUNCTION;
	}
	if (status != CT_NVML_OK)
		return status;
	/* The domain has eight digits there; sysfs writes four, and more only where needed. */
	if (sscanf(text, "%8x:%2x:%2x.%1x", &domain, &bus, &slot, &unit) != 4)
		return CT_NVML_NOT_FOUND;
	snprintf(address, CT_NVML_PCI, "%04x:%02x:%02x.%x", domain, bus, slot, unit);
	return CT_NVML_OK;
}

int ct_nvml_memory(struct ct_nvml *nvml, struct ct_nvml_device *device,
		   struct ct_nvml_memory *memory)
{
	int (*function)(struct ct_nvml_device *, struct ct_nvml_memory *);

	*memory = (struct ct_nvml_memory){0};
	return find(nvml, "nvmlDeviceGetMemoryInfo", &function) ? function(device, memory)
								: CT_NVML_NO_FUNCTION;
}

int ct_nvml_attributes(struct ct_nvml *nvml, struct ct_nvml_device *mig,
		       struct ct_nvml_attributes *attributes)
{
	int (*function)(struct ct_nvml_device *, struct ct_nvml_attributes *);

	*attributes = (struct ct_nvml_attributes){0};
	return find(nvml, "nvmlDeviceGetAttributes_v2", &function) ? function(mig, attributes)
								   : CT_NVML_NO_FUNCTION;
}

int ct_nvml_distance(struct ct_nvml *nvml, struct ct_nvml_device *a, struct ct_nvml_device *b,
		     int *level)
{
	int (*function)(struct ct_nvml_device *, struct ct_nvml_device *, int *);

	*level = 0;
	return find(nvml, "nvmlDeviceGetTopologyCommonAncestor", &function) ? function(a, b, level)
									    : CT_NVML_NO_FUNCTION;
}

/* ---- what a GPU counts ---- */

int ct_nvml_wide(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
		 unsigned long long *value)
{
	int (*function)(struct ct_nvml_device *, unsigned long long *);

	*value = 0;
	return find(nvml, symbol, &function) ? function(device, value) : CT_NVML_NO_FUNCTION;
}

int ct_nvml_temperature(struct ct_nvml *nvml, struct ct_nvml_device *device, unsigned *celsius)
{
	enum { DIE = 0 }; /* nvmlTemperatureSensors_t */
	int (*function)(struct ct_nvml_device *, int, unsigned *);

	*celsius = 0;
	return find(nvml, "nvmlDeviceGetTemperature", &function) ? function(device, DIE, celsius)
								 : CT_NVML_NO_FUNCTION;
}

int ct_nvml_utilization(struct ct_nvml *nvml, struct ct_nvml_device *device, unsigned percent[2])
{
	int (*function)(struct ct_nvml_device *, unsigned *);

	percent[0] = percent[1] = 0;
	return find(nvml, "nvmlDeviceGetUtilizationRates", &function) ? function(device, percent)
								      : CT_NVML_NO_FUNCTION;
}

int ct_nvml_ecc_errors(struct ct_nvml *nvml, struct ct_nvml_device *device, enum ct_nvml_ecc kind,
		       unsigned long long *errors)
{
	enum { SINCE_LOADED = 0 }; /* nvmlEccCounterType_t */
	int (*function)(struct ct_nvml_device *, int, int, unsigned long long *);

	*errors = 0;
	return find(nvml, "nvmlDeviceGetTotalEccErrors", &function)
		       ? function(device, (int)kind, SINCE_LOADED, errors)
		       : CT_NVML_NO_FUNCTION;
}

int ct_nvml_held_back(struct ct_nvml *nvml, struct ct_nvml_device *device,
		      enum ct_nvml_policy policy, unsigned long long *ns)
{
	struct {
		unsigned long long reference_us, ns;
	} violation = {0, 0};
	int (*function)(struct ct_nvml_device *, int, void *);
	int status = CT_NVML_NO_FUNCTION;

	if (find(nvml, "nvmlDeviceGetViolationStatus", &function))
		status = function(device, (int)policy, &violation);
	*ns = violation.ns;
	return status;
}

/* ---- GPM ---- */

/* nvmlGpmMetric_t. */
struct gpm_metric {
	unsigned id;
	int status;
	double value;
	const char *names[3];
};
/* nvmlGpmMetricsGet_t, version 1. Its array grew from release to release under the same version;
 * the library goes by `n`, and room for more than any has had costs nothing. */
struct gpm_request {
	unsigned version, n;
	struct ct_nvml_sample *older, *newer;
	struct gpm_metric metrics[512];
};
_Static_assert(sizeof(struct gpm_metric) == 40, "the ABI of nvmlGpmMetric_t");
_Static_assert(offsetof(struct gpm_request, metrics) == 24, "the ABI of nvmlGpmMetricsGet_t");

int ct_nvml_gpm_support(struct ct_nvml *nvml, struct ct_nvml_device *gpu)
{
	struct {
		unsigned version, supported;
	} answer = {1, 0};
	int (*function)(struct ct_nvml_device *, void *);
	int status = CT_NVML_NO_FUNCTION;

	if (find(nvml, "nvmlGpmQueryDeviceSupport", &function))
		status = function(gpu, &answer);
	return status == CT_NVML_OK && !answer.supported ? CT_NVML_NOT_SUPPORTED : status;
}

int ct_nvml_sample_alloc(struct ct_nvml *nvml, struct ct_nvml_sample **sample)
{
	int (*function)(struct ct_nvml_sample **);

	*sample = NULL;
	return find(nvml, "nvmlGpmSampleAlloc", &function) ? function(sample) : CT_NVML_NO_FUNCTION;
}

void ct_nvml_sample_free(struct ct_nvml *nvml, struct ct_nvml_sample *sample)
{
	int (*function)(struct ct_nvml_sample *);

	if (sample && find(nvml, "nvmlGpmSampleFree", &function))
		function(sample);
}

int ct_nvml_sample_get(struct ct_nvml *nvml, struct ct_nvml_device *gpu, int instance,
		       struct ct_nvml_sample *sample)
{
	int (*whole)(struct ct_nvml_device *, struct ct_nvml_sample *);
	int (*part)(struct ct_nvml_device *, unsigned, struct ct_nvml_sample *);

	if (instance == CT_NVML_WHOLE_GPU)
		return find(nvml, "nvmlGpmSampleGet", &whole) ? whole(gpu, sample)
							      : CT_NVML_NO_FUNCTION;
	return find(nvml, "nvmlGpmMigSampleGet", &part) ? part(gpu, (unsigned)instance, sample)
							: CT_NVML_NO_FUNCTION;
}

int ct_nvml_metrics(struct ct_nvml *nvml, struct ct_nvml_sample *older,
		    struct ct_nvml_sample *newer, struct ct_nvml_metric *metrics, size_t n)
{
	int (*function)(struct gpm_request *);
	struct gpm_request *request;
	int status;

	if (n > CT_NVML_METRICS_MAX)
		return CT_NVML_TOO_SMALL;
	if (!find(nvml, "nvmlGpmMetricsGet", &function))
		return CT_NVML_NO_FUNCTION;
	request = calloc(1, sizeof *request);
	if (!request)
		return CT_NVML_NO_MEMORY;
	request->version = 1;
	request->n = (unsigned)n;
	request->older = older;
	request->newer = newer;
	for (size_t i = 0; i < n; i++)
		request->metrics[i].id = metrics[i].id;
	status = function(request);
	for (size_t i = 0; i < n; i++) {
		metrics[i].status = status == CT_NVML_OK ? request->metrics[i].status : status;
		metrics[i].value = request->metrics[i].value;
	}
	free(request);
	return status;
}
