/* SPDX-License-Identifier: Apache-2.0 */
/* Device and page-locked memory: the host's, with bounds that are kept. */
#include <stdlib.h>
#include <string.h>

#include "tests/standin/cuda/standin.h"

struct block {
	unsigned char *base;
	size_t bytes;
	int device; /* -1: page-locked memory of the host */
	struct block *next;
};

static struct block *blocks;
static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t used_bytes(int device)
{
	uint64_t used = 0;

	for (const struct block *b = blocks; b; b = b->next)
		used += b->device == device ? b->bytes : 0;
	return used;
}

/* What was in it before is anything, as on a device; the byte 0xa5 makes a read of it show. */
static unsigned char *add(int device, size_t bytes)
{
	struct block *block = calloc(1, sizeof *block);

	if (block)
		block->base = aligned_alloc(512, (bytes + 511) & ~(size_t)511);
	if (!block || !block->base) {
		free(block);
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
			free(block->base);
			free(block);
			return true;
		}
	}
	return false;
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
	bool good = false;

	pthread_mutex_lock(&blocks_lock);
	for (const struct block *b = blocks; b && !good; b = b->next) {
		uint64_t base = (uint64_t)(uintptr_t)b->base;

		good = address >= base && address - base <= b->bytes &&
		       bytes <= b->bytes - (address - base);
	}
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
