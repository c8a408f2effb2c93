/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First touch of an anonymous page: the exception, the kernel's page tables and locks, a page from
 * the allocator, clearing it, and in a guest the second level of tables below. The pages of a
 * region are touched one by one, a sample each; when all are used up, all are given back at once
 * with MADV_DONTNEED, between two samples and so outside of every measured time.
 */
#include "bench/victims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* In the order of enum ct_pages; reserved huge pages are never handed back, so they can't fault. */
static const char *const pages_names[] = {"base", "thp", NULL};

struct fault_options {
	uint64_t region;
	int pages;
};

struct fault_state {
	const struct ct_clock *clock;
	char *base;
	size_t bytes, step, at;
	int error;
	struct ct_memory memory;
};

static bool transparent_pages_forbidden(void)
{
	char line[128] = "";
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
	bool forbidden;

	if (!file)
		return true;
	forbidden = !fgets(line, sizeof line, file) || strstr(line, "[never]");
	fclose(file);
	return forbidden;
}

/* What one fault brings: 2 MiB on most machines when huge, 512 MiB on arm64 with 64 KiB pages. */
static size_t fault_size(int pages)
{
	size_t size = 2 << 20;
	FILE *file;

	if (pages != CT_PAGES_TRANSPARENT)
		return (size_t)sysconf(_SC_PAGESIZE);
	file = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");
	if (!file)
		return size;
	if (fscanf(file, "%zu", &size) != 1 || size == 0)
		size = 2 << 20;
	fclose(file);
	return size;
}

static bool check_options(const struct fault_options *asked, size_t step, struct ct_error *err)
{
	if (asked->pages != CT_PAGES_TRANSPARENT)
		return true;
	if (transparent_pages_forbidden())
		return ct_broken(err, "pagefault: pages = thp: transparent huge pages are off; set "
				      "/sys/kernel/mm/transparent_hugepage/enabled to madvise, or "
				      "use pages = base");
	if (asked->region < step)
		return ct_usage(
			err, "region = %llu: with pages = thp it must hold a page of %zu at least",
			(unsigned long long)asked->region, step);
	return true;
}

/* All pages go back to the kernel; the mapping and its memory policy stay. */
static bool give_back(struct fault_state *fault)
{
	fault->at = 0;
	if (madvise(fault->base, fault->bytes, MADV_DONTNEED) == 0)
		return true;
	fault->error = errno;
	return false;
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct fault_options *asked = options;
	struct fault_state *fault;
	const size_t step = fault_size(asked->pages);

	if (!check_options(asked, step, err))
		return false;
	fault = calloc(1, sizeof *fault);
	if (!fault)
		return ct_broken_errno(err, "pagefault: no memory for its state");
	if (!ct_memory_map(&fault->memory, env->place, asked->region / step * step,
			   (enum ct_pages)asked->pages, err)) {
		free(fault);
		return ct_error_in(err, "pagefault: region");
	}
	fault->clock = env->clock;
	fault->base = fault->memory.base;
	fault->bytes = asked->region / step * step;
	fault->step = step;
	/* Locked pages can't be given back. */
	if (munlock(fault->memory.base, fault->memory.mapped) != 0 || !give_back(fault)) {
		ct_broken_errno(err, "pagefault: giving back the pages of its region");
		ct_memory_unmap(&fault->memory);
		free(fault);
		return false;
	}
	*state = fault;
	return true;
}

static bool operate_timed(void *state, uint64_t *ticks)
{
	struct fault_state *fault = state;
	uint64_t begin;

	if (fault->at == fault->bytes && !give_back(fault))
		return false;
	begin = ct_ticks(fault->clock);
	*(volatile char *)(fault->base + fault->at) = 1;
	*ticks = ct_ticks(fault->clock) - begin;
	fault->at += fault->step;
	return true;
}

static void failure(void *state, struct ct_error *err)
{
	const struct fault_state *fault = state;

	errno = fault->error;
	ct_broken_errno(err, "pagefault: giving back the pages of its region");
}

static void teardown(void *state)
{
	struct fault_state *fault = state;

	ct_memory_unmap(&fault->memory);
	free(fault);
}

static const struct ct_param params[] = {
	{.name = "region",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct fault_options, region),
	 .fallback = "8M",
	 .min = "64K",
	 .max = "64G",
	 .help = "memory that is touched page by page, then given back at once"},
	{.name = "pages",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct fault_options, pages),
	 .fallback = "base",
	 .choices = pages_names,
	 .help = "base: a fault for every base page; thp: one for every transparent huge page of "
		 "2M"},
	{0},
};

const struct ct_victim_ops ct_bench_pagefault = {
	.name = "pagefault",
	.summary = "first touch of an anonymous page: fault, allocation and clearing",
	.unit = "ns",
	.sample = "one store to a page that is not there yet",
	.stresses = CT_RES_KERNEL | CT_RES_MEMORY | CT_RES_TLB | CT_RES_HYPERVISOR,
	.params = params,
	.options_size = sizeof(struct fault_options),
	.setup = setup,
	.operate_timed = operate_timed,
	.failure = failure,
	.teardown = teardown,
};
