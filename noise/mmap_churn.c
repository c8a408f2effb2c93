/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps memory, touches every page of it, unmaps it, again and again: page faults, zeroing of pages,
 * the page allocator and its locks, and at every unmap a flush of translations on each CPU on
 * which this process runs.
 */
#include "noise/aggressors.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct options {
	uint64_t size;
};

struct mmap_churn {
	size_t size;
	size_t page;
};

/* Mapping all that the threads will hold at once, and giving it back, asks for the memory reserve
 * without keeping the memory. */
static bool check_reserve(const struct ct_aggressor_env *env, size_t size, struct ct_error *err)
{
	struct ct_memory memory;

	if (!ct_memory_map(&memory, env->place, size * env->threads, CT_PAGES_BASE, err))
		return ct_error_in(err, "mmap_churn: %u threads of size = %zu", env->threads, size);
	ct_memory_unmap(&memory);
	return true;
}

static bool setup(const struct ct_aggressor_env *env, const void *opaque, void **state,
		  struct ct_error *err)
{
	const struct options *options = opaque;
	struct mmap_churn *churn;

	if (!check_reserve(env, options->size, err))
		return false;
	churn = calloc(1, sizeof *churn);
	if (!churn)
		return ct_broken_errno(err, "mmap_churn: memory for its state");
	churn->size = options->size;
	churn->page = (size_t)sysconf(_SC_PAGESIZE);
	*state = churn;
	return true;
}

static bool burst(void *state, uint64_t *units, struct ct_error *err)
{
	const struct mmap_churn *churn = state;
	char *base =
		mmap(NULL, churn->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return ct_broken_errno(err, "mmap_churn: mapping %zu bytes", churn->size);
	/* One huge page for all of it would be one fault instead of many. */
	madvise(base, churn->size, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < churn->size; at += churn->page)
		*(volatile char *)(base + at) = 1;
	if (munmap(base, churn->size) != 0)
		return ct_broken_errno(err, "mmap_churn: unmapping %zu bytes", churn->size);
	(*units)++;
	return true;
}

static const struct ct_param params[] = {
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct options, size),
	 .fallback = "256K",
	 .min = "4K",
	 .max = "64G",
	 .help = "bytes of one mapping; every page of it is touched"},
	{0}};

const struct ct_aggressor_ops ct_noise_mmap_churn = {
	.name = "mmap_churn",
	.summary = "maps, touches and unmaps memory: page faults and the page allocator",
	.unit = "op",
	.stresses = CT_RES_KERNEL | CT_RES_TLB | CT_RES_MEMORY | CT_RES_HYPERVISOR,
	.params = params,
	.options_size = sizeof(struct options),
	.setup = setup,
	.burst = burst,
	.teardown = free,
};
