/* SPDX-License-Identifier: Apache-2.0 */
/* Device and page-locked memory: the host's, with bounds that are kept. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/standin/cuda/standin.h"

enum { PAGE = 4096, GPU_PAGE = 64 << 10 };

struct block {
	unsigned char *base;
	size_t bytes;
	int device; /* -1: page-locked memory of the host */
	/* Device memory of a GPU's page or more is a file's, so that it can be exported. */
	int file; /* -1: none */
	void *reserved;
	size_t mapped; /* bytes of `reserved` */
	bool guarded;
	struct block *next;
};

static struct block *blocks;
static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned inside; /* between device_enter and device_leave */

static uint64_t used_bytes(int device)
{
	uint64_t used = 0;

	for (const struct block *b = blocks; b; b = b->next)
		used += b->device == device ? b->bytes : 0;
	return used;
}

static size_t whole(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

/* On a page of the host's, but never on one of the GPU's: nothing promises that. */
static bool map_file(struct block *block, size_t bytes)
{
	const size_t size = whole(bytes, PAGE);
	unsigned char *base;

	block->file = memfd_create("device memory", MFD_CLOEXEC);
	block->mapped = size + 2 * GPU_PAGE;
	block->reserved = mmap(NULL, block->mapped, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (block->file < 0 || block->reserved == MAP_FAILED ||
	    ftruncate(block->file, (off_t)size) != 0)
		return false;
	base = (unsigned char *)whole((size_t)block->reserved, GPU_PAGE) + PAGE;
	block->base =
		mmap(base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, block->file, 0);
	return block->base == base;
}

static void free_block(struct block *block)
{
	if (block->file < 0)
		free(block->base);
	else
		close(block->file);
	if (block->reserved && block->reserved != MAP_FAILED)
		munmap(block->reserved, block->mapped);
	free(block);
}

/* What was in it before is anything, as on a device; the byte 0xa5 makes a read of it show. */
static unsigned char *add(int device, size_t bytes)
{
	struct block *block = calloc(1, sizeof *block);

	if (!block)
		return NULL;
	block->file = -1;
	if (device >= 0 && bytes >= GPU_PAGE) {
		if (!map_file(block, bytes)) {
			free_block(block);
			return NULL;
		}
	} else {
		block->base = aligned_alloc(512, whole(bytes, 512));
	}
	if (!block->base) {
		free_block(block);
		return NULL;
	}
	memset(block->base, 0xa5, bytes);
	block->bytes = bytes;
	block->device = device;
	block->next = blocks;
	blocks = block;
	return block->base;
}

static bool drop(const unsigned char *base, bool on_host)
{
	for (struct block **at = &blocks; *at; at = &(*at)->next) {
		struct block *block = *at;

		if (block->base == base && (block->device < 0) == on_host) {
			*at = block->next;
			free_block(block);
			return true;
		}
	}
	return false;
}

/* The block that all of it is in; NULL: none. */
static struct block *find(uint64_t address, size_t bytes)
{
	for (struct block *b = blocks; b; b = b->next) {
		const uint64_t base = (uint64_t)(uintptr_t)b->base;

		if (address >= base && address - base <= b->bytes &&
		    bytes <= b->bytes - (address - base))
			return b;
	}
	return NULL;
}

static void protect(const struct block *block, int how)
{
	if (mprotect(block->base, whole(block->bytes, PAGE), how) != 0)
		abort();
}

bool device_guard(uint64_t address)
{
	struct block *block;

	pthread_mutex_lock(&blocks_lock);
	block = find(address, 1);
	if (block && block->file >= 0) {
		block->guarded = true;
		if (inside == 0)
			protect(block, PROT_NONE);
	}
	pthread_mutex_unlock(&blocks_lock);
	return block && block->device >= 0;
}

static void protect_guarded(int how)
{
	for (const struct block *b = blocks; b; b = b->next) {
		if (b->guarded)
			protect(b, how);
	}
}

void device_enter(void)
{
	pthread_mutex_lock(&blocks_lock);
	if (inside++ == 0)
		protect_guarded(PROT_READ | PROT_WRITE);
	pthread_mutex_unlock(&blocks_lock);
}

void device_leave(void)
{
	pthread_mutex_lock(&blocks_lock);
	if (--inside == 0)
		protect_guarded(PROT_NONE);
	pthread_mutex_unlock(&blocks_lock);
}

/* Opened anew: a copy of the descriptor would share its position. */
static int open_at(const struct block *block, uint64_t address)
{
	char name[64];
	int file;

	snprintf(name, sizeof name, "/proc/self/fd/%d", block->file);
	file = open(name, O_RDWR | O_CLOEXEC);
	if (file >= 0)
		lseek(file, (off_t)(address - (uint64_t)(uintptr_t)block->base), SEEK_SET);
	return file;
}

int standin_export(uint64_t address, size_t bytes)
{
	const struct block *block;
	int file = -1;

	pthread_mutex_lock(&blocks_lock);
	block = find(address, bytes);
	if (block && block->file >= 0)
		file = open_at(block, address);
	pthread_mutex_unlock(&blocks_lock);
	return file;
}

bool device_alloc(int device, size_t bytes, uint64_t *address)
{
	unsigned char *base = NULL;

	pthread_mutex_lock(&blocks_lock);
	if (bytes > 0 && used_bytes(device) + bytes <= machine.memory_bytes)
		base = add(device, bytes);
	pthread_mutex_unlock(&blocks_lock);
	*address = (uint64_t)(uintptr_t)base;
	return base != NULL;
}

bool device_free(uint64_t address)
{
	bool good;

	pthread_mutex_lock(&blocks_lock);
	good = drop((unsigned char *)(uintptr_t)address, false);
	pthread_mutex_unlock(&blocks_lock);
	return good;
}

bool device_holds(uint64_t address, size_t bytes)
{
	bool good;

	pthread_mutex_lock(&blocks_lock);
	good = find(address, bytes) != NULL;
	pthread_mutex_unlock(&blocks_lock);
	return good;
}

uint64_t device_free_bytes(int device)
{
	uint64_t bytes;

	pthread_mutex_lock(&blocks_lock);
	bytes = machine.memory_bytes - used_bytes(device);
	pthread_mutex_unlock(&blocks_lock);
	return bytes;
}

bool host_alloc(size_t bytes, void **memory)
{
	pthread_mutex_lock(&blocks_lock);
	*memory = bytes > 0 ? add(-1, bytes) : NULL;
	pthread_mutex_unlock(&blocks_lock);
	return *memory != NULL;
}

bool host_free(void *memory)
{
	bool good;

	pthread_mutex_lock(&blocks_lock);
	good = drop(memory, true);
	pthread_mutex_unlock(&blocks_lock);
	return good;
}
