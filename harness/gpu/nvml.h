/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's management library, loaded when it is there. Nothing of it is needed to build: its few
 * structures are declared here anew, as its API reference describes them (NVML API, "Structs",
 * "Device Queries", "Multi Instance GPU Management"; the ABI behind a name with a version, such as
 * nvmlInit_v2, does not change).
 *
 * Calls that share a signature share a function here and are named by their symbol. Each may be
 * missing in the driver's release: then its status is CT_NVML_NO_FUNCTION. Calls may take
 * milliseconds, and on a GPU that has died much longer: never call from a timed loop.
 */
#ifndef COTENANT_GPU_NVML_H
#define COTENANT_GPU_NVML_H

#include <stddef.h>

/* The statuses that somebody here asks for; all others have at least their word. */
enum ct_nvml_status {
	CT_NVML_OK = 0,
	CT_NVML_NOT_SUPPORTED = 3,
	CT_NVML_NOT_FOUND = 6,
	CT_NVML_TOO_SMALL = 7,
	CT_NVML_NO_DRIVER = 9,
	CT_NVML_NO_FUNCTION = 13,
	CT_NVML_LOST = 15,
	CT_NVML_NO_MEMORY = 20,
};
/* "GPU is lost (15)", in a room of its own for unknown ones. */
enum { CT_NVML_WORD = 64 };
const char *ct_nvml_word(int status, char out[CT_NVML_WORD]);

struct ct_nvml;        /* the library, loaded and initialised */
struct ct_nvml_device; /* a GPU or a MIG device: the library's own handle, good until close */

/* The one that the environment variable COTENANT_NVML names, else libnvidia-ml.so.1; NULL where it
 * is set to nothing: GPUs are not to be asked. */
const char *ct_nvml_library(void);
/* NULL, and why: no such library, not an NVML, or its driver is not loaded. */
struct ct_nvml *ct_nvml_open(const char *library, char *why, size_t size);
void ct_nvml_close(struct ct_nvml *nvml); /* NULL is fine */

/* nvmlSystemGetDriverVersion, nvmlSystemGetNVMLVersion; nvmlSystemGetCudaDriverVersion_v2. */
int ct_nvml_system_text(struct ct_nvml *nvml, const char *symbol, char *out, size_t size);
int ct_nvml_system_number(struct ct_nvml *nvml, const char *symbol, int *value);

int ct_nvml_count(struct ct_nvml *nvml, unsigned *count);
int ct_nvml_device(struct ct_nvml *nvml, unsigned index, struct ct_nvml_device **device);
/* Indexes run to nvmlDeviceGetMaxMigDeviceCount and have holes: CT_NVML_NOT_FOUND. */
int ct_nvml_mig_device(struct ct_nvml *nvml, struct ct_nvml_device *gpu, unsigned index,
		       struct ct_nvml_device **mig);

/* (device, char *, unsigned): nvmlDeviceGetName, nvmlDeviceGetUUID. */
int ct_nvml_text(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol, char *out,
		 size_t size);
/* (device, unsigned *): nvmlDeviceGetComputeMode, nvmlDeviceGetPowerManagementLimit (mW), ... */
int ct_nvml_number(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
		   unsigned *value);
/* (device, unsigned *, unsigned *): nvmlDeviceGetMigMode (current, pending), ... */
int ct_nvml_pair(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
		 unsigned values[2]);
/* (device, clock, unsigned *) in MHz: nvmlDeviceGetClockInfo, nvmlDeviceGetMaxClockInfo. */
enum ct_nvml_clock { CT_NVML_CLOCK_SM = 1, CT_NVML_CLOCK_MEMORY = 2 };
int ct_nvml_clock(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
		  enum ct_nvml_clock clock, unsigned *mhz);
/* (device, unsigned *, list): how many processes, without the list. */
int ct_nvml_list_length(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
			unsigned *length);

enum { CT_NVML_PCI = 32 };
/* As sysfs names it: "0000:81:00.0". */
int ct_nvml_pci(struct ct_nvml *nvml, struct ct_nvml_device *device, char address[CT_NVML_PCI]);

/* nvmlMemory_t, in bytes. */
struct ct_nvml_memory {
	unsigned long long total, free, used;
};
int ct_nvml_memory(struct ct_nvml *nvml, struct ct_nvml_device *device,
		   struct ct_nvml_memory *memory);

/* nvmlDeviceAttributes_t: what a MIG device has of its GPU. */
struct ct_nvml_attributes {
	unsigned multiprocessors;
	unsigned copy_engines, decoders, encoders, jpegs, ofas;
	unsigned gpu_slices, compute_slices;
	unsigned long long memory_mib;
};
int ct_nvml_attributes(struct ct_nvml *nvml, struct ct_nvml_device *mig,
		       struct ct_nvml_attributes *attributes);

/* (device, unsigned long long *): nvmlDeviceGetTotalEnergyConsumption (mJ), ... */
int ct_nvml_wide(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *symbol,
		 unsigned long long *value);
/* nvmlDeviceGetTemperature of the die, in degrees Celsius. */
int ct_nvml_temperature(struct ct_nvml *nvml, struct ct_nvml_device *device, unsigned *celsius);
/* nvmlUtilization_t, in percent: of the GPU, of its memory. */
int ct_nvml_utilization(struct ct_nvml *nvml, struct ct_nvml_device *device, unsigned percent[2]);
/* nvmlDeviceGetTotalEccErrors since the driver was loaded; nvmlMemoryErrorType_t. */
enum ct_nvml_ecc { CT_NVML_ECC_CORRECTED = 0, CT_NVML_ECC_UNCORRECTED = 1 };
int ct_nvml_ecc_errors(struct ct_nvml *nvml, struct ct_nvml_device *device, enum ct_nvml_ecc kind,
		       unsigned long long *errors);
/* nvmlDeviceGetViolationStatus: how long this kept clocks low; nvmlPerfPolicyType_t. */
enum ct_nvml_policy { CT_NVML_POLICY_POWER = 0, CT_NVML_POLICY_THERMAL = 1 };
int ct_nvml_held_back(struct ct_nvml *nvml, struct ct_nvml_device *device,
		      enum ct_nvml_policy policy, unsigned long long *ns);

/* nvmlGpuTopologyLevel_t: what the paths of two GPUs have in common. */
enum ct_nvml_level {
	CT_NVML_SAME_BOARD = 0,
	CT_NVML_ONE_SWITCH = 10,
	CT_NVML_SWITCHES = 20,
	CT_NVML_HOST_BRIDGE = 30,
	CT_NVML_NODE = 40,
	CT_NVML_SYSTEM = 50,
};
int ct_nvml_distance(struct ct_nvml *nvml, struct ct_nvml_device *a, struct ct_nvml_device *b,
		     int *level);

/*
 * GPM, since Hopper: what the GPU's own counters did between two samples, which the library wants
 * at least 100 ms apart. A MIG device is sampled through its GPU and the number of its GPU
 * instance.
 */
struct ct_nvml_sample; /* the library's; from alloc to free */
enum { CT_NVML_WHOLE_GPU = -1, CT_NVML_METRICS_MAX = 32, CT_NVML_GPM_MS = 100 };
struct ct_nvml_metric {
	unsigned id;  /* nvmlGpmMetricId_t */
	int status;   /* of this metric */
	double value; /* where the status is good; in the library's unit: nvmlGpmMetricId_t */
};
/* CT_NVML_NOT_SUPPORTED where the GPU has no such counters. */
int ct_nvml_gpm_support(struct ct_nvml *nvml, struct ct_nvml_device *gpu);
int ct_nvml_sample_alloc(struct ct_nvml *nvml, struct ct_nvml_sample **sample);
void ct_nvml_sample_free(struct ct_nvml *nvml, struct ct_nvml_sample *sample); /* NULL is fine */
int ct_nvml_sample_get(struct ct_nvml *nvml, struct ct_nvml_device *gpu, int instance,
		       struct ct_nvml_sample *sample);
/* At most CT_NVML_METRICS_MAX of them in one call. */
int ct_nvml_metrics(struct ct_nvml *nvml, struct ct_nvml_sample *older,
		    struct ct_nvml_sample *newer, struct ct_nvml_metric *metrics, size_t n);

#endif
