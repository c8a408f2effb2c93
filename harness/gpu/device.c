/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing and opening a GPU. See device.h; its parts (green contexts) are in share.c. */
#include "harness/gpu/device.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/gpu/kernel.h"
#include "harness/gpu/mig.h"
#include "harness/gpu/share.h"
#include "harness/gpu/where.h"

/* ---- before cuInit: what the driver reads from the environment ---- */

static bool set_variable(const char *name, const char *value, bool replace, struct ct_error *err)
{
	return setenv(name, value, replace) == 0 ||
	       ct_broken_errno(err, "setting %s = %s", name, value);
}

/*
 * Devices in the order of their addresses, as nvidia-smi and hwloc count them; kernels loaded at
 * once, because loading one lazily waits for the whole device in the middle of a measurement.
 */
static bool prepare(const struct ct_gpu_where *where, char mig[CT_MIG_UUID], struct ct_error *err)
{
	char percent[32];

	mig[0] = '\0';
	if (where->by == CT_GPU_BY_PROFILE && !ct_mig_find(where->name, where->index, mig, err))
		return false;
	if (where->by == CT_GPU_BY_UUID && where->is_mig)
		snprintf(mig, CT_MIG_UUID, "%s", where->name);
	snprintf(percent, sizeof percent, "%g", where->mps_percent);
	return set_variable("CUDA_DEVICE_ORDER", "PCI_BUS_ID", false, err) &&
	       set_variable("CUDA_MODULE_LOADING", "EAGER", false, err) &&
	       (mig[0] == '\0' || set_variable("CUDA_VISIBLE_DEVICES", mig, true, err)) &&
	       (where->mps_percent == 0 ||
		set_variable("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", percent, true, err));
}

/* ---- choosing ---- */

/* A device that the driver shows, described. */
struct seen {
	char uuid[CT_GPU_UUID];
	char pci[CT_GPU_PCI];
};

static void uuid_text(const struct ct_cu_uuid *uuid, bool is_mig, char out[CT_GPU_UUID])
{
	const unsigned char *b = uuid->bytes;

	snprintf(out, CT_GPU_UUID,
		 "%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 is_mig ? "MIG" : "GPU", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* The driver writes a domain of four digits or eight, in capitals; sysfs four, in small ones. */
static bool pci_text(const char *said, char out[CT_GPU_PCI])
{
	unsigned domain, bus, slot, function;

	if (sscanf(said, "%8x:%2x:%2x.%1x", &domain, &bus, &slot, &function) != 4)
		return false;
	snprintf(out, CT_GPU_PCI, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

static bool look_at(const struct ct_cuda *cuda, int ordinal, bool is_mig, struct seen *seen,
		    struct ct_error *err)
{
	struct ct_cu_uuid uuid;
	ct_cu_device device;
	char said[CT_GPU_PCI] = "";

	if (!CT_CUDA(cuda, DeviceGet, err, &device, ordinal) ||
	    !CT_CUDA(cuda, DeviceGetUuid, err, &uuid, device) ||
	    !CT_CUDA(cuda, DeviceGetPCIBusId, err, said, sizeof said, device))
		return false;
	uuid_text(&uuid, is_mig, seen->uuid);
	return pci_text(said, seen->pci) ||
	       ct_broken(err, "cuDeviceGetPCIBusId: '%s' is no PCI address", said);
}

static bool by_index(const struct ct_gpu_where *where, int count, int *ordinal,
		     struct ct_error *err)
{
	*ordinal = (int)where->index;
	return *ordinal < count ||
	       ct_usage(err, "gpu = %u: the driver shows %d GPU%s here, 0 to %d", where->index,
			count, count == 1 ? "" : "s", count - 1);
}

/* Full, or the beginning where that is unique. */
static bool by_uuid(const char *name, const struct seen *seen, int count, int *ordinal,
		    struct ct_error *err)
{
	int found = 0;

	for (int i = 0; i < count; i++) {
		if (strncasecmp(seen[i].uuid, name, strlen(name)) == 0) {
			*ordinal = i;
			found++;
		}
	}
	if (found > 1)
		return ct_usage(err, "gpu = %s: %d GPUs have a UUID that begins so", name, found);
	return found == 1 ||
	       ct_usage(err, "gpu = %s: the driver shows no GPU with this UUID here", name);
}

static bool by_pci(const char *name, const struct seen *seen, int count, int *ordinal,
		   struct ct_error *err)
{
	char address[CT_GPU_PCI] = "";

	pci_text(name, address);
	for (int i = 0; i < count; i++) {
		if (strcmp(seen[i].pci, address) == 0) {
			*ordinal = i;
			return true;
		}
	}
	return ct_usage(err, "gpu = %s: the driver shows no GPU at this address", name);
}

static bool by_near(const char *name, const char *nic, const struct seen *seen, int count,
		    int *ordinal, struct ct_error *err)
{
	char addresses[CT_GPU_MAX][CT_GPU_PCI];
	size_t nearest = 0;

	if (strcmp(name, "nic") == 0) {
		if (!nic)
			return ct_usage(err, "gpu = near:nic: the tenant has no `nic`");
		name = nic;
	}
	for (int i = 0; i < count; i++)
		memcpy(addresses[i], seen[i].pci, CT_GPU_PCI);
	if (!ct_gpu_nearest("/sys", name, (const char(*)[CT_GPU_PCI])addresses, (size_t)count,
			    &nearest, err))
		return ct_error_in(err, "gpu");
	*ordinal = (int)nearest;
	return true;
}

/* A MIG device is the only one that its process sees: it must be there, and be the one meant. */
static bool by_mig(const char *mig, const struct seen *seen, int count, int *ordinal,
		   struct ct_error *err)
{
	*ordinal = 0;
	if (count != 1)
		return ct_broken(err,
				 "gpu = %s: made the only visible device, the driver shows %d; "
				 "'cotenant probe' lists MIG devices",
				 mig, count);
	/* Before driver 470 a name was made of the GPU's UUID: "MIG-GPU-.../7/0". */
	return strchr(mig, '/') || strncasecmp(mig, seen[0].uuid, strlen(mig)) == 0 ||
	       ct_broken(err, "gpu = %s: the driver shows %s instead", mig, seen[0].uuid);
}

static bool choose(const struct ct_cuda *cuda, const struct ct_gpu_where *where, const char *mig,
		   const char *nic, int *ordinal, struct ct_error *err)
{
	struct seen seen[CT_GPU_MAX];
	int count = 0;

	if (!CT_CUDA(cuda, DeviceGetCount, err, &count))
		return false;
	if (count == 0 && !mig[0])
		return ct_broken(err, "the NVIDIA driver shows no GPU to this process");
	if (where->by == CT_GPU_BY_INDEX)
		return by_index(where, count, ordinal, err);
	count = count < CT_GPU_MAX ? count : CT_GPU_MAX;
	for (int i = 0; i < count; i++) {
		if (!look_at(cuda, i, mig[0] != '\0', &seen[i], err))
			return false;
	}
	if (mig[0])
		return by_mig(mig, seen, count, ordinal, err);
	if (where->by == CT_GPU_BY_UUID)
		return by_uuid(where->name, seen, count, ordinal, err);
	if (where->by == CT_GPU_BY_PCI)
		return by_pci(where->name, seen, count, ordinal, err);
	return by_near(where->name, nic, seen, count, ordinal, err);
}

/* ---- opening ---- */

static bool attribute(const struct ct_gpu *gpu, int which, unsigned *value, struct ct_error *err)
{
	int said = 0;

	if (!CT_CUDA(gpu->cuda, DeviceGetAttribute, err, &said, which, gpu->device))
		return false;
	*value = said > 0 ? (unsigned)said : 0;
	return true;
}

static bool describe(struct ct_gpu *gpu, int ordinal, bool is_mig, struct ct_error *err)
{
	unsigned major, minor, l2;
	struct seen seen;
	size_t bytes;

	if (!look_at(gpu->cuda, ordinal, is_mig, &seen, err) ||
	    !CT_CUDA(gpu->cuda, DeviceGet, err, &gpu->device, ordinal) ||
	    !CT_CUDA(gpu->cuda, DeviceGetName, err, gpu->name, CT_GPU_NAME, gpu->device) ||
	    !CT_CUDA(gpu->cuda, DeviceTotalMem, err, &bytes, gpu->device) ||
	    !attribute(gpu, CT_CU_CAPABILITY_MAJOR, &major, err) ||
	    !attribute(gpu, CT_CU_CAPABILITY_MINOR, &minor, err) ||
	    !attribute(gpu, CT_CU_MULTIPROCESSORS, &gpu->all_sms, err) ||
	    !attribute(gpu, CT_CU_L2_BYTES, &l2, err))
		return false;
	memcpy(gpu->uuid, seen.uuid, sizeof gpu->uuid);
	memcpy(gpu->pci, seen.pci, sizeof gpu->pci);
	gpu->name[CT_GPU_NAME - 1] = '\0';
	gpu->capability = 10 * major + minor;
	gpu->l2_bytes = l2;
	gpu->memory_bytes = bytes;
	gpu->sms = gpu->all_sms;
	return true;
}

/* The primary context: libraries such as cuBLASLt use it, and green contexts stand on it. */
static bool open_context(struct ct_gpu *gpu, enum ct_cu_wait wait, struct ct_error *err)
{
	if (!CT_CUDA(gpu->cuda, DevicePrimaryCtxSetFlags, err, gpu->device, (unsigned)wait) ||
	    !CT_CUDA(gpu->cuda, DevicePrimaryCtxRetain, err, &gpu->context, gpu->device))
		return false;
	gpu->retained = true;
	return CT_CUDA(gpu->cuda, CtxSetCurrent, err, gpu->context);
}

/* The driver's numbers go down as importance goes up. */
static bool wanted_priority(const struct ct_gpu *gpu, const struct ct_gpu_where *where,
			    int *priority, struct ct_error *err)
{
	int least = 0, greatest = 0;

	*priority = 0;
	if (where->priority == CT_GPU_PRIORITY_DEFAULT)
		return true;
	if (!CT_CUDA(gpu->cuda, CtxGetStreamPriorityRange, err, &least, &greatest))
		return false;
	*priority = where->priority == CT_GPU_PRIORITY_HIGH  ? greatest
		    : where->priority == CT_GPU_PRIORITY_LOW ? least
							     : where->priority_number;
	return (*priority >= greatest && *priority <= least) ||
	       ct_usage(err, "gpu = .../priority:%d: this GPU has priorities %d (high) to %d (low)",
			*priority, greatest, least);
}

static bool open_stream(struct ct_gpu *gpu, const struct ct_gpu_where *where, struct ct_error *err)
{
	int asked;
	bool made;

	if (!wanted_priority(gpu, where, &asked, err))
		return false;
	made = gpu->green ? CT_CUDA(gpu->cuda, GreenCtxStreamCreate, err, &gpu->stream, gpu->green,
				    CT_CU_STREAM_NON_BLOCKING, asked)
			  : CT_CUDA(gpu->cuda, StreamCreateWithPriority, err, &gpu->stream,
				    CT_CU_STREAM_NON_BLOCKING, asked);
	if (!made || !CT_CUDA(gpu->cuda, StreamGetPriority, err, gpu->stream, &gpu->priority))
		return false;
	return gpu->priority == asked ||
	       ct_broken(err, "gpu: asked for a stream of priority %d, the driver made one of %d",
			 asked, gpu->priority);
}

static bool open_all(struct ct_gpu *gpu, const struct ct_gpu_where *where, const char *nic,
		     enum ct_cu_wait wait, struct ct_error *err)
{
	char mig[CT_MIG_UUID];
	int ordinal;

	if (!prepare(where, mig, err))
		return false;
	gpu->cuda = ct_cuda_open(err);
	return gpu->cuda && CT_CUDA(gpu->cuda, Init, err, 0) &&
	       choose(gpu->cuda, where, mig, nic, &ordinal, err) &&
	       describe(gpu, ordinal, mig[0] != '\0', err) && open_context(gpu, wait, err) &&
	       ct_gpu_share(gpu, where, err) && open_stream(gpu, where, err);
}

bool ct_gpu_open(struct ct_gpu *gpu, const char *where, const char *nic, enum ct_cu_wait wait,
		 struct ct_error *err)
{
	struct ct_gpu_where asked;

	*gpu = (struct ct_gpu){.cuda = NULL};
	if (!ct_gpu_where_parse(&asked, where, err))
		return false;
	if (open_all(gpu, &asked, nic, wait, err))
		return true;
	ct_gpu_close(gpu);
	return false;
}

/* Nothing can be done about a failure here, and after a lost context every call fails. */
void ct_gpu_close(struct ct_gpu *gpu)
{
	struct ct_cuda *cuda = gpu->cuda;

	if (gpu->module)
		ct_gpu_unload(gpu);
	if (cuda && gpu->stream)
		CT_CUDA_QUIET(cuda, StreamDestroy, gpu->stream);
	if (cuda && gpu->green)
		CT_CUDA_QUIET(cuda, GreenCtxDestroy, gpu->green);
	if (cuda && gpu->retained)
		CT_CUDA_QUIET(cuda, DevicePrimaryCtxRelease, gpu->device);
	ct_cuda_close(cuda);
	*gpu = (struct ct_gpu){.cuda = NULL};
}

bool ct_gpu_use(const struct ct_gpu *gpu, struct ct_error *err)
{
	return CT_CUDA(gpu->cuda, CtxSetCurrent, err, gpu->context);
}

json_t *ct_gpu_json(const struct ct_gpu *gpu)
{
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:i, s:f, s:i, s:i, s:I, s:I, s:b, s:i}", "name", gpu->name,
		"uuid", gpu->uuid, "pci", gpu->pci, "cuda", gpu->cuda->version, "capability",
		gpu->capability / 10.0, "sms", (int)gpu->sms, "all_sms", (int)gpu->all_sms,
		"l2_bytes", (json_int_t)gpu->l2_bytes, "memory_bytes",
		(json_int_t)gpu->memory_bytes, "mps", gpu->mps, "priority", gpu->priority);

	if (json && gpu->mps_percent > 0)
		json_object_set_new(json, "mps_percent", json_real(gpu->mps_percent));
	if (json && gpu->sm_group > 0)
		json_object_set_new(json, "green",
				    json_pack("{s:i, s:i, s:i}", "first_sm", (int)gpu->first_sm,
					      "sms", (int)gpu->sms, "group", (int)gpu->sm_group));
	return json;
}

/* ---- memory ---- */

bool ct_gpu_alloc(const struct ct_gpu *gpu, size_t bytes, ct_cu_address *address,
		  struct ct_error *err)
{
	return CT_CUDA(gpu->cuda, MemAlloc, err, address, bytes) ||
	       ct_error_in(err, "%zu bytes of GPU memory", bytes);
}

/* A set-up that fails half-way frees memory that its first half is still filling. */
static void let_work_end(const struct ct_gpu *gpu)
{
	if (gpu->stream)
		CT_CUDA_QUIET(gpu->cuda, StreamSynchronize, gpu->stream);
}

void ct_gpu_free(const struct ct_gpu *gpu, ct_cu_address address)
{
	if (!address)
		return;
	let_work_end(gpu);
	CT_CUDA_QUIET(gpu->cuda, MemFree, address);
}

bool ct_gpu_host_alloc(const struct ct_gpu *gpu, size_t bytes, void **memory, ct_cu_address *device,
		       struct ct_error *err)
{
	if (!CT_CUDA(gpu->cuda, MemHostAlloc, err, memory, bytes, CT_CU_HOST_MAPPED))
		return ct_error_in(err, "%zu bytes of page-locked memory", bytes);
	if (CT_CUDA(gpu->cuda, MemHostGetDevicePointer, err, device, *memory, 0))
		return true;
	CT_CUDA_QUIET(gpu->cuda, MemFreeHost, *memory);
	*memory = NULL;
	return false;
}

void ct_gpu_host_free(const struct ct_gpu *gpu, void *memory)
{
	if (!memory)
		return;
	let_work_end(gpu);
	CT_CUDA_QUIET(gpu->cuda, MemFreeHost, memory);
}

bool ct_gpu_available(char *why, size_t size)
{
	return ct_cuda_present(why, size);
}
