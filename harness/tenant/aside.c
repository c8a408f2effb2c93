/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/aside.h"

#include <sched.h>
#include <stdlib.h>

enum { MAX_CPUS = 8192 };

bool ct_affinity_get(hwloc_bitmap_t cpus, struct ct_error *err)
{
	size_t size = CPU_ALLOC_SIZE(MAX_CPUS);
	cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
	bool good = set && sched_getaffinity(0, size, set) == 0;

	if (!good) {
		CPU_FREE(set);
		return ct_broken_errno(err, "reading the CPU affinity");
	}
	hwloc_bitmap_zero(cpus);
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
		if (CPU_ISSET_S(cpu, size, set))
			hwloc_bitmap_set(cpus, cpu);
	}
	CPU_FREE(set);
	return true;
}

bool ct_affinity_set(hwloc_const_bitmap_t cpus, struct ct_error *err)
{
	size_t size = CPU_ALLOC_SIZE(MAX_CPUS);
	cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
	bool good = set != NULL;

	if (good) {
		CPU_ZERO_S(size, set);
		for (int cpu = hwloc_bitmap_first(cpus); cpu >= 0 && cpu < MAX_CPUS;
		     cpu = hwloc_bitmap_next(cpus, cpu))
			CPU_SET_S((size_t)cpu, size, set);
		good = sched_setaffinity(0, size, set) == 0;
	}
	if (!good)
		ct_broken_errno(err, "setting the CPU affinity");
	CPU_FREE(set);
	return good;
}

/* Removes `unwanted` from `cpus` unless nothing would be left. */
static void remove_if_any_remains(hwloc_bitmap_t cpus, hwloc_const_bitmap_t unwanted)
{
	hwloc_bitmap_t rest = hwloc_bitmap_alloc();

	if (rest && hwloc_bitmap_andnot(rest, cpus, unwanted) == 0 && !hwloc_bitmap_iszero(rest))
		hwloc_bitmap_copy(cpus, rest);
	hwloc_bitmap_free(rest);
}

bool ct_step_aside(hwloc_const_bitmap_t home, const char *const *lists, size_t n,
		   struct ct_error *err)
{
	hwloc_bitmap_t cpus = hwloc_bitmap_dup(home);
	hwloc_bitmap_t list = hwloc_bitmap_alloc();
	bool good = cpus && list;

	for (size_t i = 0; i < n && good; i++) {
		if (!lists[i] || !lists[i][0])
			continue;
		good = hwloc_bitmap_list_sscanf(list, lists[i]) == 0;
		if (good)
			remove_if_any_remains(cpus, list);
		else
			ct_usage(err, "'%s' is not a list of CPUs", lists[i]);
	}
	good = good && ct_affinity_set(cpus, err);
	hwloc_bitmap_free(list);
	hwloc_bitmap_free(cpus);
	return good;
}

bool ct_is_aside(const char *const *lists, size_t n)
{
	hwloc_bitmap_t cpus = hwloc_bitmap_alloc(), list = hwloc_bitmap_alloc();
	struct ct_error ignored;
	bool aside = cpus && list && ct_affinity_get(cpus, &ignored);

	for (size_t i = 0; i < n && aside; i++) {
		if (lists[i] && lists[i][0])
			aside = hwloc_bitmap_list_sscanf(list, lists[i]) == 0 &&
				!hwloc_bitmap_intersects(cpus, list);
	}
	hwloc_bitmap_free(list);
	hwloc_bitmap_free(cpus);
	return aside;
}
