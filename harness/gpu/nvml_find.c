/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/nvml_find.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "harness/gpu/mig.h"
#include "harness/gpu/near.h"
#include "harness/gpu/where.h"

enum { MAX_GPUS = 64, UUID = 96 };

/* UUIDs may be cut short, and come in either case. */
static bool is_called(struct ct_nvml *nvml, struct ct_nvml_device *device, const char *name)
{
	char uuid[UUID];

	return ct_nvml_text(nvml, device, "nvmlDeviceGetUUID", uuid, sizeof uuid) == CT_NVML_OK &&
	       strncasecmp(uuid, name, strlen(name)) == 0;
}

static unsigned count(struct ct_nvml *nvml)
{
	unsigned n;

	if (ct_nvml_count(nvml, &n) != CT_NVML_OK)
		return 0;
	return n < MAX_GPUS ? n : MAX_GPUS;
}

static bool by_uuid(struct ct_nvml *nvml, const char *name, struct ct_nvml_found *found)
{
	for (unsigned i = 0; i < count(nvml); i++) {
		if (ct_nvml_device(nvml, i, &found->gpu) == CT_NVML_OK &&
		    is_called(nvml, found->gpu, name))
			return true;
	}
	return false;
}

static bool mig_of(struct ct_nvml *nvml, const char *name, struct ct_nvml_found *found)
{
	static const char most_symbol[] = "nvmlDeviceGetMaxMigDeviceCount";
	unsigned most = 0, instance;

	if (ct_nvml_number(nvml, found->gpu, most_symbol, &most) != CT_NVML_OK)
		return false;
	for (unsigned i = 0; i < most; i++) {
		struct ct_nvml_device *mig;

		if (ct_nvml_mig_device(nvml, found->gpu, i, &mig) != CT_NVML_OK ||
		    !is_called(nvml, mig, name))
			continue;
		if (ct_nvml_number(nvml, mig, "nvmlDeviceGetGpuInstanceId", &instance) !=
		    CT_NVML_OK)
			return false;
		found->instance = (int)instance;
		return true;
	}
	return false;
}

static bool by_mig(struct ct_nvml *nvml, const char *name, struct ct_nvml_found *found)
{
	for (unsigned i = 0; i < count(nvml); i++) {
		if (ct_nvml_device(nvml, i, &found->gpu) == CT_NVML_OK && mig_of(nvml, name, found))
			return true;
	}
	return false;
}

/* Addresses of all GPUs, "" where one says none; returns how many. */
static size_t list_addresses(struct ct_nvml *nvml, char addresses[MAX_GPUS][CT_GPU_PCI])
{
	const unsigned n = count(nvml);

	for (unsigned i = 0; i < n; i++) {
		struct ct_nvml_device *gpu;

		addresses[i][0] = '\0';
		if (ct_nvml_device(nvml, i, &gpu) == CT_NVML_OK)
			ct_nvml_pci(nvml, gpu, addresses[i]);
	}
	return n;
}

static bool by_pci(struct ct_nvml *nvml, const char *name, struct ct_nvml_found *found)
{
	char addresses[MAX_GPUS][CT_GPU_PCI];
	const size_t n = list_addresses(nvml, addresses);

	for (unsigned i = 0; i < n; i++) {
		if (addresses[i][0] && strcasecmp(addresses[i], name) == 0)
			return ct_nvml_device(nvml, i, &found->gpu) == CT_NVML_OK;
	}
	return false;
}

static bool by_near(struct ct_nvml *nvml, const char *name, struct ct_nvml_found *found)
{
	char addresses[MAX_GPUS][CT_GPU_PCI];
	const size_t n = list_addresses(nvml, addresses);
	struct ct_error ignored;
	size_t nearest = 0;

	return ct_gpu_nearest("/sys", name, (const char(*)[CT_GPU_PCI])addresses, n, &nearest,
			      &ignored) &&
	       ct_nvml_device(nvml, (unsigned)nearest, &found->gpu) == CT_NVML_OK;
}

bool ct_nvml_find(struct ct_nvml *nvml, const char *gpu, const char *nic,
		  struct ct_nvml_found *found)
{
	struct ct_gpu_where where;
	struct ct_error ignored;
	char uuid[CT_MIG_UUID];

	*found = (struct ct_nvml_found){.instance = CT_NVML_WHOLE_GPU};
	if (!ct_gpu_where_parse(&where, gpu, &ignored))
		return false;
	switch (where.by) {
	case CT_GPU_BY_INDEX:
		return ct_nvml_device(nvml, where.index, &found->gpu) == CT_NVML_OK;
	case CT_GPU_BY_UUID:
		return where.is_mig ? by_mig(nvml, where.name, found)
				    : by_uuid(nvml, where.name, found);
	case CT_GPU_BY_PCI:
		return by_pci(nvml, where.name, found);
	case CT_GPU_BY_NEAR:
		return strcmp(where.name, "nic") != 0 ? by_near(nvml, where.name, found)
						      : nic && by_near(nvml, nic, found);
	case CT_GPU_BY_PROFILE:
		return ct_mig_find(where.name, where.index, uuid, &ignored) &&
		       by_mig(nvml, uuid, found);
	}
	return false;
}
