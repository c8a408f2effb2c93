/* SPDX-License-Identifier: Apache-2.0 */
/* Memory regions. That of a GPU is not the process's own, and mapped where only the device sees it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/standin/verbs/standin.h"

enum { PAGE = 4096, GPU_PAGE = 64 << 10 };

struct region {
	struct ibv_mr base;
	void *mapping; /* of memory that is not the process's; NULL: none */
	size_t mapped;
};

/* Of a file, from `at` bytes beyond its position on. False: errno says why. */
static bool map_region(struct region *region, int file, uint64_t at, size_t length,
		       uint64_t *memory)
{
	const off_t begin = lseek(file, 0, SEEK_CUR) + (off_t)at;
	const size_t before = (size_t)(begin % PAGE);
	void *mapping;

	if (begin < (off_t)at || lseek(file, 0, SEEK_END) < begin + (off_t)length ||
	    lseek(file, begin - (off_t)at, SEEK_SET) < 0) {
		errno = EINVAL;
		return false;
	}
	mapping = mmap(NULL, before + length, PROT_READ | PROT_WRITE, MAP_SHARED, file,
		       begin - (off_t)before);
	if (mapping == MAP_FAILED)
		return false;
	region->mapping = mapping;
	region->mapped = before + length;
	*memory = (uint64_t)(uintptr_t)mapping + before;
	return true;
}

static void unmap_region(struct region *region)
{
	if (region->mapping)
		munmap(region->mapping, region->mapped);
	region->mapping = NULL;
}

/* As the kernel pins pages: it asks, and is told, instead of faulting. */
static bool is_readable(const void *address)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)address, 1};

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

/* Memory of a GPU that the kernel can get from its driver's stand-in. -1: it can't. */
static int peer_memory(const void *address, size_t length)
{
	const char *peer = getenv("COTENANT_VERBS_PEER"), *driver = getenv("COTENANT_CUDA");
	void *library = peer && driver && strcmp(peer, "1") == 0
				? dlopen(driver, RTLD_NOW | RTLD_NOLOAD)
				: NULL;
	int (*export)(uint64_t address, size_t bytes) = NULL;
	void *found = library ? dlsym(library, "standin_export") : NULL;

	memcpy(&export, &found, sizeof export);
	if (library)
		dlclose(library);
	/* The module hands out whole pages of the GPU's, which begin on such a page. */
	if (!export || (uintptr_t)address % GPU_PAGE != 0)
		return -1;
	return export((uint64_t)(uintptr_t)address, length);
}

/* Takes a key for the region, which is all there but for that. */
static struct ibv_mr *enter_region(struct region *region, struct ibv_pd *pd, uint64_t address,
				   uint64_t memory, size_t length, int access)
{
	struct ibv_mr *mr = &region->base;
	unsigned slot;

	lock();
	for (slot = 0; slot < MAX_MRS && shared->mrs[slot].used; slot++) {
	}
	if (slot == MAX_MRS) {
		unlock();
		unmap_region(region);
		free(region);
		errno = ENOMEM;
		return NULL;
	}
	shared->mrs[slot] = (struct shared_mr){.used = true,
					       .pid = getpid(),
					       .pd = pd->handle,
					       .generation = shared->mrs[slot].generation + 1,
					       .access = access,
					       .address = address,
					       .length = length,
					       .memory = memory};
	*mr = (struct ibv_mr){.context = pd->context,
			      .pd = pd,
			      .addr = (void *)(uintptr_t)address,
			      .length = length,
			      .handle = slot};
	mr->lkey = mr->rkey = (slot << 8) | (shared->mrs[slot].generation & 0xff);
	unlock();
	return mr;
}

static struct ibv_mr *enter_file(struct ibv_pd *pd, int file, uint64_t at, uint64_t address,
				 size_t length, int access)
{
	struct region *region = calloc(1, sizeof *region);
	uint64_t memory;

	if (region && map_region(region, file, at, length, &memory))
		return enter_region(region, pd, address, memory, length, access);
	free(region);
	return NULL;
}

static struct ibv_mr *enter_peer_memory(struct ibv_pd *pd, void *address, size_t length, int access)
{
	const int file = peer_memory(address, length);
	struct ibv_mr *mr = NULL;

	if (file < 0) {
		errno = EFAULT;
		return NULL;
	}
	mr = enter_file(pd, file, 0, (uint64_t)(uintptr_t)address, length, access);
	close(file);
	return mr;
}

#undef ibv_reg_mr
struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *address, size_t length, int access)
{
	struct region *region;

	if (fails("reg_mr"))
		return NULL;
	if (!is_readable(address))
		return enter_peer_memory(pd, address, length, access);
	region = calloc(1, sizeof *region);
	return region ? enter_region(region, pd, (uint64_t)(uintptr_t)address,
				     (uint64_t)(uintptr_t)address, length, access)
		      : NULL;
}

#ifndef STANDIN_OLD
struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length, uint64_t iova,
				 int fd, int access)
{
	if (fails("reg_dmabuf_mr"))
		return NULL;
	if ((offset ^ iova) % PAGE != 0) {
		errno = EINVAL;
		return NULL;
	}
	return enter_file(pd, fd, offset, iova, length, access);
}
#endif

int ibv_dereg_mr(struct ibv_mr *mr)
{
	if (fails("dereg_mr"))
		return errno;
	lock();
	shared->mrs[mr->handle].used = false;
	unlock();
	unmap_region((struct region *)mr);
	free(mr);
	return 0;
}
