/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's management library, found at run time: one program runs with and without it. Types and
 * numbers are those of the NVML API reference; only what is used is declared. Every function may be
 * missing (an older driver) and every call may fail (a GPU that fell off the bus): callers ask for
 * one value at a time and get the reason in NVML's own words.
 *
 * Calls can take milliseconds: never on a victim's or an aggressor's CPU while it is measured.
 */
#ifndef COTENANT_GPU_NVML_H
#define COTENANT_GPU_NVML_H

#include <stdbool.h>
#include <stddef.h>

#define CT_NVML_LIBRARY "libnvidia-ml.so.1"

enum { CT_NVML_TEXT = 96, CT_NVML_WHY = 160 };

struct ct_nvml;
typedef void *ct_nvml_device; /* a GPU or a MIG device; valid until close */

/* Numbers of one device; which are asked for by name. All are of a GPU but where said. */
enum ct_nvml_number {
	CT_NVML_SM_CLOCK_MHZ,
	CT_NVML_MEMORY_CLOCK_MHZ,
	CT_NVML_MAX_SM_CLOCK_MHZ,
	CT_NVML_MAX_MEMORY_CLOCK_MHZ,
	CT_NVML_POWER_LIMIT_MW,
	CT_NVML_POWER_MW,
	CT_NVML_LINK_GENERATION,
	CT_NVML_LINK_WIDTH,
	CT_NVML_MAX_LINK_GENERATION,
	CT_NVML_MAX_LINK_WIDTH,
	CT_NVML_MAX_MIG_DEVICES,
	CT_NVML_COMPUTE_MODE, /* 0 default, 1 exclusive thread, 2 prohibited, 3 exclusive process */
	CT_NVML_PERSISTENCE,  /* 0 or 1 */
	CT_NVML_VIRTUALIZATION, /* 0 none, 1 passthrough, 2 vGPU guest, 3 vGPU host, 4 vSGA host */
	CT_NVML_GPU_INSTANCE,   /* of a MIG device */
	CT_NVML_COMPUTE_INSTANCE,
	CT_NVML_NUMBERS
};

/* What a MIG device is a slice of. */
struct ct_nvml_slice {
	unsigned multiprocessors;
	unsigned gpu_slices, compute_slices; /* of its GPU instance and of itself */
	unsigned long long memory_mib;
};

/* `library`: a name for dlopen. NULL when it can't be loaded or says no; `why` tells. */
struct ct_nvml *ct_nvml_open(const char *library, char why[CT_NVML_WHY]);
void ct_nvml_close(struct ct_nvml *nvml); /* NULL is fine */

/* False with the reason in `why` in all that follow; what they write is then undefined. */
bool ct_nvml_driver(const struct ct_nvml *nvml, char out[CT_NVML_TEXT], char why[CT_NVML_WHY]);
bool ct_nvml_cuda(const struct ct_nvml *nvml, int *version, char why[CT_NVML_WHY]);
bool ct_nvml_count(const struct ct_nvml *nvml, unsigned *n, char why[CT_NVML_WHY]);
bool ct_nvml_device_at(const struct ct_nvml *nvml, unsigned index, ct_nvml_device *device,
		       char why[CT_NVML_WHY]);
/* The i-th MIG device of a GPU; places between 0 and CT_NVML_MAX_MIG_DEVICES may be empty. */
bool ct_nvml_mig_at(const struct ct_nvml *nvml, ct_nvml_device gpu, unsigned index,
		    ct_nvml_device *device, char why[CT_NVML_WHY]);

bool ct_nvml_name(const struct ct_nvml *nvml, ct_nvml_device device, char out[CT_NVML_TEXT],
		  char why[CT_NVML_WHY]);
bool ct_nvml_uuid(const struct ct_nvml *nvml, ct_nvml_device device, char out[CT_NVML_TEXT],
		  char why[CT_NVML_WHY]);
/* "0000:41:00.0", as the kernel writes it. */
bool ct_nvml_pci(const struct ct_nvml *nvml, ct_nvml_device device, char out[CT_NVML_TEXT],
		 char why[CT_NVML_WHY]);
bool ct_nvml_number(const struct ct_nvml *nvml, ct_nvml_device device, enum ct_nvml_number which,
		    unsigned *value, char why[CT_NVML_WHY]);
/* Now, and after the next reset. */
bool ct_nvml_mig_mode(const struct ct_nvml *nvml, ct_nvml_device device, unsigned *current,
		      unsigned *pending, char why[CT_NVML_WHY]);
bool ct_nvml_ecc(const struct ct_nvml *nvml, ct_nvml_device device, unsigned *current,
		 unsigned *pending, char why[CT_NVML_WHY]);
bool ct_nvml_slice(const struct ct_nvml *nvml, ct_nvml_device device, struct ct_nvml_slice *slice,
		   char why[CT_NVML_WHY]);
/* "1g.10gb", "1c.3g.40gb": the profile's name, from what the device has. */
void ct_nvml_profile(const struct ct_nvml_slice *slice, char out[CT_NVML_TEXT]);

#endif
