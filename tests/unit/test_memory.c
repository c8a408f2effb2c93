/* SPDX-License-Identifier: Apache-2.0 */
/* Memory on this machine: really there, really of the kind asked for, and never too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/place/place.h"
#include "harness/probe/cgroup.h"

enum { MIB = 1 << 20 };

#if defined(__has_feature)
#define UNDER_ADDRESS_SANITIZER __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define UNDER_ADDRESS_SANITIZER 1
#else
#define UNDER_ADDRESS_SANITIZER 0
#endif

/* A line of the mapping that begins at `base` in /proc/self/smaps, in bytes; -1: none. */
static long long smaps_bytes(const void *base, const char *name)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512], field[64];
	unsigned long long begin, end;
	long long kib, found = -1;
	bool inside = false;

	assert_non_null(smaps);
	while (found < 0 && fgets(line, sizeof line, smaps)) {
		if (sscanf(line, "%llx-%llx", &begin, &end) == 2)
			inside = begin == (uintptr_t)base;
		else if (inside && sscanf(line, "%63[^:]: %lld kB", field, &kib) == 2 &&
			 strcmp(field, name) == 0)
			found = kib * 1024;
	}
	fclose(smaps);
	return found;
}

static bool huge_pages_possible(void)
{
	char mode[64];

	return ct_source_text(&ct_probe_live, mode, sizeof mode,
			      "/sys/kernel/mm/transparent_hugepage/enabled") &&
	       !strstr(mode, "[never]");
}

static void base_pages_are_there_before_the_first_touch(void **state)
{
	(void)state;
	struct ct_memory memory;
	struct ct_error err = {0};
	struct rusage before, after;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!ct_memory_map(&memory, NULL, 8 * MIB + 1, CT_PAGES_BASE, &err))
		fail_msg("%s", err.text);
	assert_int_equal(memory.bytes, 8 * MIB + 1);
	assert_int_equal(memory.mapped, 8 * MIB + page);
	assert_int_equal((uintptr_t)memory.base % page, 0);
	assert_int_equal(smaps_bytes(memory.base, "Size"), memory.mapped);
	assert_int_equal(smaps_bytes(memory.base, "Rss"), memory.mapped);
	getrusage(RUSAGE_SELF, &before);
	memset(memory.base, 1, memory.mapped);
	getrusage(RUSAGE_SELF, &after);
	/* 2049 pages were written. None of them may fault; a sanitizer's shadow of them may. */
	assert_true(after.ru_minflt - before.ru_minflt < 512);
	ct_memory_unmap(&memory);
	assert_null(memory.base);
	ct_memory_unmap(&memory);
}

static void base_pages_are_base_pages(void **state)
{
	(void)state;
	struct ct_memory memory;
	struct ct_error err = {0};

	assert_true(ct_memory_map(&memory, NULL, 8 * MIB, CT_PAGES_BASE, &err));
	assert_true(smaps_bytes(memory.base, "AnonHugePages") <= 0);
	ct_memory_unmap(&memory);
}

static void transparent_huge_pages_are_huge_or_refused(void **state)
{
	(void)state;
	struct ct_memory memory;
	struct ct_error err = {0};
	bool made = ct_memory_map(&memory, NULL, 3 * MIB, CT_PAGES_TRANSPARENT, &err);

	if (!huge_pages_possible()) {
		assert_false(made);
		assert_non_null(strstr(err.text, "transparent huge pages are off"));
		return;
	}
	if (!made) { /* a long-running machine may be too fragmented; then it has to say so */
		assert_non_null(strstr(err.text, "memory is fragmented"));
		return;
	}
	assert_true(memory.mapped >= 3 * MIB);
	assert_int_equal(smaps_bytes(memory.base, "AnonHugePages"), memory.mapped);
	ct_memory_unmap(&memory);
}

static void locking_needs_a_right_and_is_no_error_without_it(void **state)
{
	(void)state;
	struct ct_memory memory;
	struct ct_error err = {0};

	/* Address sanitizers make mlock do nothing and say that it worked. */
	if (UNDER_ADDRESS_SANITIZER)
		skip();
	assert_true(ct_memory_map(&memory, NULL, MIB, CT_PAGES_BASE, &err));
	assert_int_equal(smaps_bytes(memory.base, "Locked"), memory.locked ? MIB : 0);
	ct_memory_unmap(&memory);
}

static void memory_on_a_node_can_be_bound(void **state)
{
	(void)state;
	struct ct_topology *topology;
	struct ct_place place;
	struct ct_memory memory;
	struct ct_error err = {0};

	assert_true(ct_topology_load(&topology, false, &err));
	assert_true(ct_place_init(&place, &err));
	assert_true(ct_place_resolve(topology, "core:0", NULL, NULL, 0, &place, &err));
	assert_false(hwloc_bitmap_iszero(place.nodes));
	if (!ct_memory_map(&memory, &place, MIB, CT_PAGES_BASE, &err))
		fail_msg("%s", err.text);
	ct_memory_unmap(&memory);
	ct_place_free(&place);
	ct_topology_free(topology);
}

static void a_reserve_is_left_to_others(void **state)
{
	(void)state;
	struct ct_memory memory;
	struct ct_error err = {0};
	char where[1024];
	uint64_t available;

	assert_true(ct_memory_available(&ct_probe_live, &available, where, sizeof where));
	assert_true(available > 0);
	/* All that is available is too much: the reserve is missing. */
	assert_false(ct_memory_map(&memory, NULL, available, CT_PAGES_BASE, &err));
	assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
	assert_non_null(strstr(err.text, "stay in reserve"));
	assert_null(memory.base);
	assert_null(memory.reservation);
	assert_false(ct_memory_map(&memory, NULL, SIZE_MAX / 8, CT_PAGES_TRANSPARENT, &err));
}

static void nonsense_sizes_are_refused(void **state)
{
	(void)state;
	struct ct_memory memory;
	struct ct_error err = {0};

	assert_false(ct_memory_map(&memory, NULL, 0, CT_PAGES_BASE, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_false(ct_memory_map(&memory, NULL, SIZE_MAX, CT_PAGES_BASE, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
}

static void missing_huge_pages_are_counted(void **state)
{
	(void)state;
	static const struct {
		enum ct_pages pages;
		const char *kib;
		uint64_t bytes;
	} pools[] = {{CT_PAGES_HUGE_2M, "2048", UINT64_C(2) << 20},
		     {CT_PAGES_HUGE_1G, "1048576", UINT64_C(1) << 30}};

	for (size_t i = 0; i < 2; i++) {
		struct ct_memory memory;
		struct ct_error err = {0};
		char want[128], path[64];
		int64_t free_pages;

		if (!ct_source_number(&ct_probe_live, &free_pages,
				      "/sys/kernel/mm/hugepages/hugepages-%skB/free_hugepages",
				      pools[i].kib)) {
			assert_false(ct_memory_map(&memory, NULL, MIB, pools[i].pages, &err));
			assert_non_null(strstr(err.text, "this kernel has none of that size"));
			continue;
		}
		assert_false(ct_memory_map(&memory, NULL,
					   ((uint64_t)free_pages + 3) * pools[i].bytes,
					   pools[i].pages, &err));
		assert_int_equal(err.kind, CT_ERR_ENVIRONMENT);
		snprintf(want, sizeof want, "%lld huge pages of ", (long long)free_pages + 3);
		assert_non_null(strstr(err.text, want));
		snprintf(path, sizeof path, "hugepages-%skB/nr_hugepages", pools[i].kib);
		assert_non_null(strstr(err.text, path));
		assert_null(memory.base);
	}
}

static void configured_huge_pages_are_used(void **state)
{
	(void)state;
	struct ct_memory memory;
	struct ct_error err = {0};
	int64_t before, promised, during;

	if (!ct_source_number(&ct_probe_live, &before,
			      "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") ||
	    !ct_source_number(&ct_probe_live, &promised,
			      "/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages") ||
	    before - promised < 2)
		skip();
	if (!ct_memory_map(&memory, NULL, 3 * MIB, CT_PAGES_HUGE_2M, &err))
		fail_msg("%s", err.text);
	assert_int_equal(memory.mapped, 4 * MIB);
	memset(memory.base, 1, memory.mapped);
	assert_true(ct_source_number(&ct_probe_live, &during,
				     "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"));
	assert_true(during <= before - 2);
	ct_memory_unmap(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_pages_are_there_before_the_first_touch),
		cmocka_unit_test(base_pages_are_base_pages),
		cmocka_unit_test(transparent_huge_pages_are_huge_or_refused),
		cmocka_unit_test(locking_needs_a_right_and_is_no_error_without_it),
		cmocka_unit_test(memory_on_a_node_can_be_bound),
		cmocka_unit_test(a_reserve_is_left_to_others),
		cmocka_unit_test(nonsense_sizes_are_refused),
		cmocka_unit_test(missing_huge_pages_are_counted),
		cmocka_unit_test(configured_huge_pages_are_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
