/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for libnvidia-ml.so.1, loaded by the real dlopen path of the program. What machine it
 * plays comes from COTENANT_STANDIN_NVML:
 *   mig      eight H100-like GPUs; GPUs 0 and 1 cut into 3g.40gb, 2g.20gb, 1g.10gb
 *   vgpu     one GPU as a guest sees it
 *   whole    two whole GPUs, the second with a link of half its width
 *   lost     two GPUs, the second fell off the bus
 *   nodriver the library is there, the driver is not
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, NO_DRIVER = 9, LOST = 15 };

struct gpu {
	unsigned index;
	int mig; /* place on its GPU; -1: the GPU itself */
};

struct pci_info {
	char legacy[16];
	unsigned domain, bus, device, device_id, subsystem_id;
	char bus_id[32];
};

struct attributes {
	unsigned multiprocessors, copy_engines, decoders, encoders, jpeg, ofa, gpu_slices,
		compute_slices;
	unsigned long long memory_mib;
};

enum { GPUS = 8, PLACES = 7, SLICES = 3 };
static struct gpu whole[GPUS], slices[GPUS][PLACES];
static const struct attributes layout[SLICES] = {{60, 3, 0, 0, 0, 0, 3, 3, 40448},
						 {32, 2, 0, 0, 0, 0, 2, 2, 20096},
						 {16, 1, 0, 0, 0, 0, 1, 1, 9984}};

static int plays(const char *machine)
{
	const char *asked = getenv("COTENANT_STANDIN_NVML");

	return strcmp(asked ? asked : "whole", machine) == 0;
}

static unsigned count(void)
{
	return plays("mig") ? GPUS : plays("vgpu") ? 1 : 2;
}

static int is_lost(const struct gpu *gpu)
{
	return plays("lost") && gpu->index == 1;
}

int nvmlInit_v2(void);
int nvmlInit_v2(void)
{
	for (unsigned i = 0; i < GPUS; i++) {
		whole[i] = (struct gpu){i, -1};
		for (int k = 0; k < PLACES; k++)
			slices[i][k] = (struct gpu){i, k};
	}
	return plays("nodriver") ? NO_DRIVER : SUCCESS;
}

int nvmlShutdown(void);
int nvmlShutdown(void)
{
	return SUCCESS;
}

const char *nvmlErrorString(int code);
const char *nvmlErrorString(int code)
{
	switch (code) {
	case NOT_SUPPORTED:
		return "Not Supported";
	case NOT_FOUND:
		return "Not Found";
	case NO_DRIVER:
		return "Driver Not Loaded";
	case LOST:
		return "GPU is lost";
	default:
		return "Invalid Argument";
	}
}

int nvmlSystemGetDriverVersion(char *out, unsigned size);
int nvmlSystemGetDriverVersion(char *out, unsigned size)
{
	snprintf(out, size, "580.65.06");
	return SUCCESS;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version);
int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	*version = 13000;
	return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *n);
int nvmlDeviceGetCount_v2(unsigned *n)
{
	*n = count();
	return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
	if (index >= count())
		return INVALID;
	*device = &whole[index];
	return SUCCESS;
}

int nvmlDeviceGetName(const struct gpu *gpu, char *out, unsigned size);
int nvmlDeviceGetName(const struct gpu *gpu, char *out, unsigned size)
{
	if (is_lost(gpu))
		return LOST;
	snprintf(out, size, "%s", plays("vgpu") ? "NVIDIA L40S-8Q" : "NVIDIA H100 80GB HBM3");
	return SUCCESS;
}

int nvmlDeviceGetUUID(const struct gpu *gpu, char *out, unsigned size);
int nvmlDeviceGetUUID(const struct gpu *gpu, char *out, unsigned size)
{
	if (is_lost(gpu))
		return LOST;
	snprintf(out, size, "%s-00000000-0000-4000-8000-0000000000%u%d",
		 gpu->mig < 0 ? "GPU" : "MIG", gpu->index, gpu->mig < 0 ? 9 : gpu->mig);
	return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(const struct gpu *gpu, struct pci_info *info);
int nvmlDeviceGetPciInfo_v3(const struct gpu *gpu, struct pci_info *info)
{
	memset(info, 0, sizeof *info);
	info->bus = 0x19 + 0x10 * gpu->index;
	return SUCCESS;
}

int nvmlDeviceGetMigMode(const struct gpu *gpu, unsigned *current, unsigned *pending);
int nvmlDeviceGetMigMode(const struct gpu *gpu, unsigned *current, unsigned *pending)
{
	if (plays("vgpu"))
		return NOT_SUPPORTED;
	*current = plays("mig") && gpu->index < 2;
	*pending = plays("mig") && gpu->index < 3;
	return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(const struct gpu *gpu, unsigned *n);
int nvmlDeviceGetMaxMigDeviceCount(const struct gpu *gpu, unsigned *n)
{
	(void)gpu;
	*n = plays("mig") ? PLACES : 0;
	return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(const struct gpu *gpu, unsigned index, void **device);
int nvmlDeviceGetMigDeviceHandleByIndex(const struct gpu *gpu, unsigned index, void **device)
{
	if (gpu->index >= 2 || index >= SLICES)
		return NOT_FOUND;
	*device = &slices[gpu->index][index];
	return SUCCESS;
}

int nvmlDeviceGetAttributes_v2(const struct gpu *gpu, struct attributes *attributes);
int nvmlDeviceGetAttributes_v2(const struct gpu *gpu, struct attributes *attributes)
{
	if (gpu->mig < 0)
		return NOT_SUPPORTED;
	*attributes = layout[gpu->mig];
	return SUCCESS;
}

int nvmlDeviceGetGpuInstanceId(const struct gpu *gpu, unsigned *id);
int nvmlDeviceGetGpuInstanceId(const struct gpu *gpu, unsigned *id)
{
	*id = (unsigned)gpu->mig + 1;
	return gpu->mig < 0 ? INVALID : SUCCESS;
}

int nvmlDeviceGetComputeInstanceId(const struct gpu *gpu, unsigned *id);
int nvmlDeviceGetComputeInstanceId(const struct gpu *gpu, unsigned *id)
{
	*id = 0;
	return gpu->mig < 0 ? INVALID : SUCCESS;
}

int nvmlDeviceGetVirtualizationMode(const struct gpu *gpu, unsigned *mode);
int nvmlDeviceGetVirtualizationMode(const struct gpu *gpu, unsigned *mode)
{
	(void)gpu;
	*mode = plays("vgpu") ? 2 : 0;
	return SUCCESS;
}

int nvmlDeviceGetEccMode(const struct gpu *gpu, unsigned *current, unsigned *pending);
int nvmlDeviceGetEccMode(const struct gpu *gpu, unsigned *current, unsigned *pending)
{
	*current = *pending = 1;
	return is_lost(gpu) ? LOST : SUCCESS;
}

int nvmlDeviceGetComputeMode(const struct gpu *gpu, unsigned *mode);
int nvmlDeviceGetComputeMode(const struct gpu *gpu, unsigned *mode)
{
	*mode = 0;
	return is_lost(gpu) ? LOST : SUCCESS;
}

int nvmlDeviceGetPowerManagementLimit(const struct gpu *gpu, unsigned *milliwatts);
int nvmlDeviceGetPowerManagementLimit(const struct gpu *gpu, unsigned *milliwatts)
{
	*milliwatts = 700000;
	return is_lost(gpu) ? LOST : SUCCESS;
}

int nvmlDeviceGetCurrPcieLinkWidth(const struct gpu *gpu, unsigned *width);
int nvmlDeviceGetCurrPcieLinkWidth(const struct gpu *gpu, unsigned *width)
{
	*width = plays("whole") && gpu->index == 1 ? 8 : 16;
	return is_lost(gpu) ? LOST : SUCCESS;
}

int nvmlDeviceGetMaxPcieLinkWidth(const struct gpu *gpu, unsigned *width);
int nvmlDeviceGetMaxPcieLinkWidth(const struct gpu *gpu, unsigned *width)
{
	*width = 16;
	return is_lost(gpu) ? LOST : SUCCESS;
}
