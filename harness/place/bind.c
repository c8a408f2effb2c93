/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binding threads. The system call itself is used, not hwloc: a worker binds to CPUs that have been
 * resolved already, and what counts is the kernel's answer afterwards, not a library's opinion.
 */
#include "harness/place/place.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* A cpu_set_t for any CPU number; free with CPU_FREE. */
static cpu_set_t *to_cpu_set(hwloc_const_bitmap_t cpus, size_t *size)
{
	int last = hwloc_bitmap_last(cpus);
	int count = last < 1023 ? 1024 : last + 1; /* sched_getaffinity wants the kernel's width */
	cpu_set_t *set = CPU_ALLOC(count);
	int cpu;

	*size = CPU_ALLOC_SIZE(count);
	if (!set)
		return NULL;
	CPU_ZERO_S(*size, set);
	for (cpu = hwloc_bitmap_first(cpus); cpu >= 0; cpu = hwloc_bitmap_next(cpus, cpu))
		CPU_SET_S((size_t)cpu, *size, set);
	return set;
}

/* sched_getaffinity fails with EINVAL when the kernel's mask is wider than the buffer: widen. */
static bool affinity_equals(const cpu_set_t *asked, size_t asked_size)
{
	for (int count = 1024; count <= 1 << 20; count *= 2) {
		size_t size = CPU_ALLOC_SIZE(count);
		cpu_set_t *now = CPU_ALLOC(count);
		bool equal = false;
		int rc;

		if (!now)
			return false;
		CPU_ZERO_S(size, now);
		rc = sched_getaffinity(0, size, now);
		if (rc == 0 && size >= asked_size) {
			size_t common = (size_t)CPU_COUNT_S(size, now);

			equal = memcmp(now, asked, asked_size) == 0 &&
				common == (size_t)CPU_COUNT_S(asked_size, asked);
		}
		CPU_FREE(now);
		if (rc == 0 && size >= asked_size)
			return equal;
		if (rc != 0 && errno != EINVAL)
			return false;
	}
	return false;
}

static bool bind_to(hwloc_const_bitmap_t cpus, struct ct_error *err)
{
	char text[128];
	size_t size;
	cpu_set_t *set;
	bool good = false;
	int cpu;

	hwloc_bitmap_list_snprintf(text, sizeof text, cpus);
	if (hwloc_bitmap_iszero(cpus) || hwloc_bitmap_last(cpus) < 0)
		return ct_broken(err, "binding a thread: the place has no CPU");
	set = to_cpu_set(cpus, &size);
	if (!set)
		return ct_broken(err, "no memory for a CPU set");
	if (sched_setaffinity(0, size, set) != 0) {
		if (errno == EINVAL)
			ct_broken(err,
				  "binding to CPU %s: the kernel refuses; the CPU is offline or "
				  "outside this process's cpuset (see Cpus_allowed_list in "
				  "/proc/self/status)",
				  text);
		else
			ct_broken_errno(err, "binding to CPU %s", text);
		goto out;
	}
	/* A cpuset narrows a mask silently, so success alone proves nothing. */
	if (!affinity_equals(set, size)) {
		ct_broken(err,
			  "binding to CPU %s: the kernel kept only a part of it; the rest is "
			  "offline or outside this process's cpuset",
			  text);
		goto out;
	}
	cpu = sched_getcpu();
	if (cpu < 0 || !hwloc_bitmap_isset(cpus, (unsigned)cpu)) {
		ct_broken(err, "binding to CPU %s: the thread still runs on CPU %d", text, cpu);
		goto out;
	}
	good = true;
out:
	CPU_FREE(set);
	return good;
}

bool ct_bind_thread(const struct ct_place *place, unsigned i, struct ct_error *err)
{
	hwloc_bitmap_t one = hwloc_bitmap_alloc();
	int cpu = ct_place_cpu(place, i);
	bool good;

	if (!one)
		return ct_broken(err, "no memory for a CPU set");
	if (cpu >= 0)
		hwloc_bitmap_set(one, (unsigned)cpu);
	good = bind_to(one, err);
	hwloc_bitmap_free(one);
	return good;
}

bool ct_bind_check(const struct ct_place *place, unsigned i, struct ct_error *err)
{
	hwloc_bitmap_t one = hwloc_bitmap_alloc();
	const int cpu = ct_place_cpu(place, i);
	cpu_set_t *set = NULL;
	size_t size;
	bool bound;

	if (one && cpu >= 0 && hwloc_bitmap_set(one, (unsigned)cpu) == 0)
		set = to_cpu_set(one, &size);
	hwloc_bitmap_free(one);
	if (!set)
		return ct_broken(err, "no memory for a CPU set");
	bound = affinity_equals(set, size) && sched_getcpu() == cpu;
	CPU_FREE(set);
	return bound ||
	       ct_broken(
		       err,
		       "CPU %d was taken from it while it ran: the CPU was unplugged, or a cpuset "
		       "changed; the kernel moved it to CPU %d",
		       cpu, sched_getcpu());
}

bool ct_bind_thread_all(const struct ct_place *place, struct ct_error *err)
{
	return bind_to(place->cpus, err);
}
