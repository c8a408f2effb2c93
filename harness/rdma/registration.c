/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/rdma/registration.h"

#include <errno.h>
#include <string.h>

const char *const ct_rdma_place_names[] = {"host", "gpu", NULL};

bool ct_rdma_needs_gpu(const char *gpu, struct ct_error *err)
{
	return gpu || ct_usage(err, "memory = gpu needs a GPU of the tenant: gpu = 0, or any other "
				    "that 'cotenant probe' lists");
}

const char *ct_rdma_peer_module(const struct ct_probe_source *machine)
{
	/* NVIDIA's, its forerunner, and the place where either announces itself to ib_core. */
	static const struct {
		const char *path, *name;
	} signs[] = {{"/sys/module/nvidia_peermem", "nvidia_peermem"},
		     {"/sys/module/nv_peer_mem", "nv_peer_mem"},
		     {"/sys/kernel/mm/memory_peers/nv_mem", "nv_mem"}};

	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
		if (ct_source_exists(machine, "%s", signs[i].path))
			return signs[i].name;
	}
	return NULL;
}

struct part {
	const struct ct_gpu_memory *memory;
	size_t offset, bytes;
};

static ct_cu_address address_of(const struct part *part)
{
	return part->memory->address + part->offset;
}

static struct ibv_mr *by_dma_buf(const struct ct_verbs *verbs, struct ibv_pd *pd,
				 const struct part *part, struct ct_error *why)
{
	struct ibv_mr *mr = NULL;

	if (part->memory->dma_buf < 0) {
		*why = part->memory->no_dma_buf;
	} else if (!verbs->reg_dmabuf_mr) {
		ct_broken(why, "libibverbs has no ibv_reg_dmabuf_mr, which came with rdma-core 34");
	} else {
		mr = verbs->reg_dmabuf_mr(pd, part->offset, part->bytes, address_of(part),
					  part->memory->dma_buf, CT_RDMA_ACCESS);
		if (!mr)
			ct_broken_errno(why, "ibv_reg_dmabuf_mr");
	}
	return mr;
}

/*
 * Tried also where no module is seen: another may do it, and without one the kernel just refuses an
 * address that is none of the CPU's.
 */
static struct ibv_mr *by_peer_memory(const struct ct_verbs *verbs, struct ibv_pd *pd,
				     const struct part *part, struct ct_error *why)
{
	void *address = (void *)(uintptr_t)address_of(part);
	struct ibv_mr *mr = verbs->reg_mr(pd, address, part->bytes, CT_RDMA_ACCESS);
	const int code = errno;
	const char *module;

	if (mr)
		return mr;
	module = ct_rdma_peer_module(&ct_probe_live);
	if (module)
		ct_broken(why, "ibv_reg_mr: %s, although %s is loaded", strerror(code), module);
	else
		ct_broken(why,
			  "ibv_reg_mr: %s, as no module offers it ('modprobe nvidia-peermem' "
			  "loads NVIDIA's)",
			  strerror(code));
	return NULL;
}

struct ibv_mr *ct_rdma_register_gpu(const struct ct_rdma_device *device, struct ibv_pd *pd,
				    const struct ct_gpu_memory *memory, size_t offset, size_t bytes,
				    enum ct_rdma_memory *way, struct ct_error *err)
{
	const struct part part = {memory, offset, bytes};
	struct ct_error no_dma_buf = {.text = "another part of it has none"};
	struct ct_error no_peer = {.text = "another part of it is a dma-buf"};
	struct ibv_mr *mr = NULL;

	if (*way != CT_RDMA_PEER_MEMORY)
		mr = by_dma_buf(&device->verbs, pd, &part, &no_dma_buf);
	if (mr) {
		*way = CT_RDMA_DMA_BUF;
		return mr;
	}
	if (*way != CT_RDMA_DMA_BUF)
		mr = by_peer_memory(&device->verbs, pd, &part, &no_peer);
	if (mr) {
		*way = CT_RDMA_PEER_MEMORY;
		return mr;
	}
	ct_broken(
		err,
		"RDMA device %s can't reach memory of GPU %s. By dma-buf: %s. By peer memory: %s. "
		"Without either take memory = host",
		device->name, memory->gpu->pci, no_dma_buf.text, no_peer.text);
	return NULL;
}
