/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control groups this process lives in, version 1 and 2, and what they allow it. Limits hold
 * for a group and all groups below it, so each is the least over the way up to the root.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
 */
#ifndef COTENANT_PROBE_CGROUP_H
#define COTENANT_PROBE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/probe/source.h"

/* Where a controller's files are for this process. */
struct ct_cgroup {
	int version;                 /* 1 or 2; 0: this controller is not there */
	char mount[CT_SOURCE_PATH];  /* mount point */
	char folder[CT_SOURCE_PATH]; /* the group's own folder, at or below `mount` */
};

/* `controller`: "memory", "cpu", "cpuset", ... */
struct ct_cgroup ct_cgroup_find(const struct ct_probe_source *source, const char *controller);
/*
 * The group below which a new one can be made with this controller: the process's own in version 1;
 * in version 2, where a group with processes can't pass controllers on, the nearest one above that
 * enables it for its children. Version 0: there is none.
 */
struct ct_cgroup ct_cgroup_parent(const struct ct_probe_source *source, const char *controller);
/* Moves `group` to its parent; false when it is at its mount point. */
bool ct_cgroup_up(struct ct_cgroup *group);

/* A limit in force: `evidence` is the file and what it says. */
struct ct_cgroup_limit {
	bool limited;
	double value; /* bytes, or CPUs */
	char evidence[CT_SOURCE_PATH + 64];
};
struct ct_cgroup_limit ct_cgroup_memory_limit(const struct ct_probe_source *source);
struct ct_cgroup_limit ct_cgroup_cpu_limit(const struct ct_probe_source *source);

/*
 * Memory that can be taken without swapping and without an OOM kill: the kernel's MemAvailable, or
 * what the tightest group leaves (its inactive file pages count as free, the kernel drops them
 * first). `evidence` names what bounds it. False when /proc/meminfo does not tell.
 */
bool ct_memory_available(const struct ct_probe_source *source, uint64_t *bytes, char *evidence,
			 size_t size);

#endif
