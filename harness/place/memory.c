/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for working sets: bound to nodes before its first page is touched, then pre-faulted,
 * locked and checked, so that no page fault and no remote page enters a timed region unnoticed.
 * Room is checked before it is taken: a mapping that does not fit would make the kernel kill
 * somebody, and that somebody may be another tenant.
 */
#include "harness/place/place.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/core/units.h"
#include "harness/probe/cgroup.h"
#include "harness/probe/source.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

static const uint64_t LEAST_RESERVE = UINT64_C(256) << 20;
enum { RESERVE_DIVISOR = 20 /* 5 % */, CHECKED_PAGES = 64 };

const char *const ct_pages_names[] = {"base", "thp", "2M", "1G", NULL};

/* The size of a page of the kind asked for. */
static size_t page_bytes(enum ct_pages pages)
{
	int64_t huge;

	switch (pages) {
	case CT_PAGES_BASE:
		break;
	case CT_PAGES_TRANSPARENT:
		if (ct_source_number(&ct_probe_live, &huge,
				     "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") &&
		    huge >= 1 << 16 && huge <= 1 << 30 && (huge & (huge - 1)) == 0)
			return (size_t)huge;
		return (size_t)2 << 20;
	case CT_PAGES_HUGE_2M:
		return (size_t)2 << 20;
	case CT_PAGES_HUGE_1G:
		return (size_t)1 << 30;
	}
	return (size_t)sysconf(_SC_PAGESIZE);
}

static bool is_hugetlb(enum ct_pages pages)
{
	return pages == CT_PAGES_HUGE_2M || pages == CT_PAGES_HUGE_1G;
}

/* ---- room ---- */

static bool leaves_reserve(uint64_t wanted, uint64_t available, const char *where,
			   struct ct_error *err)
{
	uint64_t reserve = available / RESERVE_DIVISOR;
	char want[CT_UNIT_TEXT], have[CT_UNIT_TEXT], keep[CT_UNIT_TEXT];

	if (reserve < LEAST_RESERVE)
		reserve = LEAST_RESERVE;
	if (available >= reserve && wanted <= available - reserve)
		return true;
	return ct_broken(err,
			 "%s of memory: only %s are available (%s) and %s of that stay in reserve; "
			 "ask for less",
			 ct_format_size((double)wanted, want),
			 ct_format_size((double)available, have), where,
			 ct_format_size((double)reserve, keep));
}

static int64_t node_kib(const char *text, int node, const char *name)
{
	char field[64], value[64];
	int64_t kib;

	snprintf(field, sizeof field, "Node %d %s", node, name);
	return ct_text_field(text, field, value, sizeof value) && ct_text_number(value, &kib) &&
			       kib > 0 && kib < INT64_MAX / 1024
		       ? kib
		       : 0;
}

/* What the bound nodes can give: free pages and file pages, which the kernel drops first. */
static bool nodes_available(hwloc_const_bitmap_t nodes, uint64_t *bytes)
{
	int node;

	*bytes = 0;
	for (node = hwloc_bitmap_first(nodes); node >= 0; node = hwloc_bitmap_next(nodes, node)) {
		char *text = ct_source_file(&ct_probe_live,
					    "/sys/devices/system/node/node%d/meminfo", node);

		if (!text)
			return false;
		*bytes += (uint64_t)(node_kib(text, node, "MemFree") +
				     node_kib(text, node, "Active(file)") +
				     node_kib(text, node, "Inactive(file)")) *
			  1024u;
		free(text);
	}
	return true;
}

static bool check_room(size_t mapped, hwloc_const_bitmap_t nodes, struct ct_error *err)
{
	char where[CT_SOURCE_PATH + 64];
	uint64_t available;

	if (!ct_memory_available(&ct_probe_live, &available, where, sizeof where))
		return ct_broken(err, "/proc/meminfo does not say how much memory is available");
	if (!leaves_reserve(mapped, available, where, err))
		return false;
	if (nodes && nodes_available(nodes, &available)) {
		char list[128];

		hwloc_bitmap_list_snprintf(list, sizeof list, nodes);
		snprintf(where, sizeof where, "on NUMA node %s", list);
		return leaves_reserve(mapped, available, where, err);
	}
	return true;
}

/* Free pages of a pool; `node` < 0: of the machine, less what others have been promised. */
static int64_t free_huge_pages(size_t page, int node)
{
	int64_t pages, promised = 0;

	if (node >= 0)
		return ct_source_number(&ct_probe_live, &pages,
					"/sys/devices/system/node/node%d/hugepages/"
					"hugepages-%zukB/free_hugepages",
					node, page >> 10)
			       ? pages
			       : 0;
	if (!ct_source_number(&ct_probe_live, &pages,
			      "/sys/kernel/mm/hugepages/hugepages-%zukB/free_hugepages",
			      page >> 10))
		return -1;
	if (ct_source_number(&ct_probe_live, &promised,
			     "/sys/kernel/mm/hugepages/hugepages-%zukB/resv_hugepages", page >> 10))
		pages -= promised;
	return pages > 0 ? pages : 0;
}

static bool check_huge_pool(size_t mapped, size_t page, hwloc_const_bitmap_t nodes,
			    struct ct_error *err)
{
	int64_t needed = (int64_t)(mapped / page), have = free_huge_pages(page, -1);
	char size[CT_UNIT_TEXT], on[160] = "", where[160];
	int node;

	ct_format_size((double)page, size);
	if (have < 0)
		return ct_broken(err, "huge pages of %s: this kernel has none of that size", size);
	snprintf(where, sizeof where, "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
		 page >> 10);
	if (nodes) {
		int64_t there = 0;

		for (node = hwloc_bitmap_first(nodes); node >= 0;
		     node = hwloc_bitmap_next(nodes, node))
			there += free_huge_pages(page, node);
		if (there < have)
			have = there;
		node = hwloc_bitmap_first(nodes);
		snprintf(on, sizeof on, " on NUMA node %d", node);
		snprintf(where, sizeof where,
			 "/sys/devices/system/node/node%d/hugepages/hugepages-%zukB/nr_hugepages",
			 node, page >> 10);
	}
	return have >= needed ||
	       ct_broken(err,
			 "%lld huge pages of %s needed%s and %lld free: %lld are missing; raise %s "
			 "(root)",
			 (long long)needed, size, on, (long long)have, (long long)(needed - have),
			 where);
}

/* ---- mapping ---- */

static bool map_failed(const struct ct_memory *memory, struct ct_error *err)
{
	char text[CT_UNIT_TEXT];

	return ct_broken_errno(err, "mapping %s of memory",
			       ct_format_size((double)memory->mapped, text));
}

static bool map_huge_pool(struct ct_memory *memory, size_t page, struct ct_error *err)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
	void *base;

	flags |= __builtin_ctzl(page) << MAP_HUGE_SHIFT;
	base = mmap(NULL, memory->mapped, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (base == MAP_FAILED)
		return map_failed(memory, err);
	memory->base = memory->reservation = base;
	memory->reserved = memory->mapped;
	return true;
}

/*
 * A guard page at either end keeps the kernel from merging it with other mappings, whose pages
 * would then be counted as ours.
 */
static bool map_aligned(struct ct_memory *memory, size_t page, struct ct_error *err)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	size_t reserved = memory->mapped + page + 2 * guard;
	void *reservation =
		mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t at;

	if (reservation == MAP_FAILED)
		return map_failed(memory, err);
	memory->reservation = reservation;
	memory->reserved = reserved;
	at = ((uintptr_t)reservation + guard + page - 1) & ~(uintptr_t)(page - 1);
	memory->base = (void *)at;
	return mprotect(memory->base, memory->mapped, PROT_READ | PROT_WRITE) == 0 ||
	       map_failed(memory, err);
}

/* The choice between base and transparent huge pages, made before the first touch. */
static bool advise(const struct ct_memory *memory, enum ct_pages pages, struct ct_error *err)
{
	char mode[128];

	if (pages == CT_PAGES_BASE) {
		/* EINVAL: a kernel without transparent huge pages makes base pages anyway. */
		return madvise(memory->base, memory->mapped, MADV_NOHUGEPAGE) == 0 ||
		       errno == EINVAL || ct_broken_errno(err, "asking for base pages");
	}
	if (!ct_source_text(&ct_probe_live, mode, sizeof mode,
			    "/sys/kernel/mm/transparent_hugepage/enabled") ||
	    strstr(mode, "[never]"))
		return ct_broken(err, "transparent huge pages are off: write 'madvise' to "
				      "/sys/kernel/mm/transparent_hugepage/enabled (root), or use "
				      "pages = base");
	return madvise(memory->base, memory->mapped, MADV_HUGEPAGE) == 0 ||
	       ct_broken_errno(err, "asking for transparent huge pages");
}

/* With a single node in the machine there is nothing to bind, and no right for it is needed. */
static bool machine_has_one_node(void)
{
	struct ct_names names = ct_source_list(&ct_probe_live, "/sys/devices/system/node");
	size_t nodes = 0;

	for (size_t i = 0; i < names.n; i++) {
		if (strncmp(names.names[i], "node", 4) == 0)
			nodes++;
	}
	ct_names_free(&names);
	return nodes <= 1;
}

static bool bind_nodes(const struct ct_memory *memory, hwloc_const_bitmap_t nodes,
		       enum ct_numa_policy policy, struct ct_error *err)
{
	static const int modes[] = {[CT_NUMA_BIND] = MPOL_BIND,
				    [CT_NUMA_PREFERRED] = MPOL_PREFERRED,
				    [CT_NUMA_INTERLEAVE] = MPOL_INTERLEAVE};
	int words = hwloc_bitmap_nr_ulongs(nodes);
	unsigned long *mask;
	char list[128];
	long rc;

	if (words <= 0)
		return ct_broken(err, "binding memory: the place's nodes are not a finite set");
	mask = calloc((size_t)words + 1, sizeof mask[0]);
	if (!mask)
		return ct_broken(err, "no memory for a node mask");
	hwloc_bitmap_to_ulongs(nodes, (unsigned)words, mask);
	/* The kernel reads one bit less than it is told. */
	rc = syscall(SYS_mbind, memory->base, memory->mapped, modes[policy], mask,
		     (unsigned long)words * 8 * sizeof mask[0] + 1, 0);
	free(mask);
	if (rc == 0)
		return true;
	hwloc_bitmap_list_snprintf(list, sizeof list, nodes);
	if (errno == EPERM)
		return ct_broken(
			err,
			"binding memory to NUMA node %s: not permitted; a container's "
			"seccomp filter does that: give it CAP_SYS_NICE, or say memory = any",
			list);
	return ct_broken_errno(err, "binding memory to NUMA node %s", list);
}

/* Writes to every page. MADV_POPULATE_WRITE reports what a plain touch would die of. */
static bool populate(const struct ct_memory *memory, size_t page, struct ct_error *err)
{
	volatile char *at = memory->base;
	char text[CT_UNIT_TEXT];

	while (madvise(memory->base, memory->mapped, MADV_POPULATE_WRITE) != 0) {
		if (errno == EINTR || errno == EAGAIN)
			continue;
		if (errno != EINVAL)
			return ct_broken_errno(err, "taking %s of memory",
					       ct_format_size((double)memory->mapped, text));
		for (size_t i = 0; i < memory->mapped; i += page)
			at[i] = 0;
		break;
	}
	return true;
}

/* ---- checking ---- */

/* Asks the kernel where a sample of the pages is. Kernels and filters that don't tell are excused.
 */
static bool check_nodes(const struct ct_memory *memory, hwloc_const_bitmap_t nodes, size_t page,
			struct ct_error *err)
{
	size_t count = memory->mapped / page;
	size_t step = count > CHECKED_PAGES ? count / CHECKED_PAGES : 1;
	void *pages[CHECKED_PAGES];
	int status[CHECKED_PAGES];
	unsigned long n = 0;

	for (size_t i = 0; i < count && n < CHECKED_PAGES; i += step)
		pages[n++] = (char *)memory->base + i * page;
	if (syscall(SYS_move_pages, 0, n, pages, NULL, status, 0) != 0)
		return true;
	for (unsigned long i = 0; i < n; i++) {
		char list[128];

		if (status[i] < 0 || hwloc_bitmap_isset(nodes, (unsigned)status[i]))
			continue;
		hwloc_bitmap_list_snprintf(list, sizeof list, nodes);
		return ct_broken(err, "memory bound to NUMA node %s has a page on node %d", list,
				 status[i]);
	}
	return true;
}

/* Bytes of the mapping at `base` that lie in huge pages; -1 when the kernel does not tell. */
static int64_t huge_bytes(const struct ct_memory *memory)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512];
	bool inside = false;
	long long kib, found = -1;
	unsigned long long begin, end;

	if (!smaps)
		return -1;
	while (found < 0 && fgets(line, sizeof line, smaps)) {
		if (sscanf(line, "%llx-%llx", &begin, &end) == 2)
			inside = begin == (uintptr_t)memory->base;
		else if (inside && sscanf(line, "AnonHugePages: %lld kB", &kib) == 1)
			found = kib;
	}
	fclose(smaps);
	return found < 0 ? -1 : (int64_t)found * 1024;
}

static bool check_transparent(const struct ct_memory *memory, struct ct_error *err)
{
	int64_t huge = huge_bytes(memory);
	char have[CT_UNIT_TEXT], want[CT_UNIT_TEXT];

	if (huge >= 0 && (size_t)huge < memory->mapped &&
	    madvise(memory->base, memory->mapped, MADV_COLLAPSE) == 0)
		huge = huge_bytes(memory);
	if (huge < 0 || (size_t)huge >= memory->mapped)
		return true;
	return ct_broken(
		err,
		"only %s of %s are in transparent huge pages: memory is fragmented; write 1 "
		"to /proc/sys/vm/compact_memory (root), or use pages = 2M",
		ct_format_size((double)huge, have), ct_format_size((double)memory->mapped, want));
}

bool ct_memory_map(struct ct_memory *memory, const struct ct_place *place, size_t bytes,
		   enum ct_pages pages, struct ct_error *err)
{
	size_t page = page_bytes(pages);
	hwloc_const_bitmap_t nodes = NULL;

	*memory = (struct ct_memory){.bytes = bytes};
	if (bytes == 0)
		return ct_usage(err, "mapping no memory at all: ask for at least one byte");
	if (bytes > SIZE_MAX / 4)
		return ct_usage(err, "mapping %zu bytes: more than any machine has", bytes);
	memory->mapped = (bytes + page - 1) / page * page;
	if (place && !hwloc_bitmap_iszero(place->nodes) && !machine_has_one_node())
		nodes = place->nodes;
	if (is_hugetlb(pages)
		    ? !check_huge_pool(memory->mapped, page, nodes, err) ||
			      !map_huge_pool(memory, page, err)
		    : !check_room(memory->mapped, nodes, err) || !map_aligned(memory, page, err) ||
			      !advise(memory, pages, err))
		goto fail;
	if ((nodes && !bind_nodes(memory, nodes, place->numa_policy, err)) ||
	    !populate(memory, page, err))
		goto fail;
	memory->locked = mlock(memory->base, memory->mapped) == 0;
	if ((nodes && !check_nodes(memory, nodes, page, err)) ||
	    (pages == CT_PAGES_TRANSPARENT && !check_transparent(memory, err)))
		goto fail;
	return true;
fail:
	ct_memory_unmap(memory);
	return false;
}

void ct_memory_unmap(struct ct_memory *memory)
{
	/* The reservation spans guards and mapping; without it the pages are unlocked as well. */
	if (memory->reservation)
		munmap(memory->reservation, memory->reserved);
	*memory = (struct ct_memory){0};
}
