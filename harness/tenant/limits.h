/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tenant may use of the machine, and how its work is scheduled: the keys of a tenant that
 * the worker puts into force on itself, behind whatever boundary it runs.
 *
 * Control groups (version 1 and 2) and resctrl groups are made for the time of the workers only. A
 * guardian process of each worker removes them when the worker has ended, however it ended.
 * Sources: Linux Documentation/admin-guide/cgroup-v1, cgroup-v2.rst, arch/x86/resctrl.rst,
 * sched(7), prctl(2).
 */
#ifndef COTENANT_TENANT_LIMITS_H
#define COTENANT_TENANT_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/core/param.h"
#include "harness/place/place.h"
#include "harness/probe/source.h"

enum ct_sched { CT_SCHED_OTHER, CT_SCHED_BATCH, CT_SCHED_IDLE, CT_SCHED_FIFO, CT_SCHED_RR };
enum ct_huge_pages { CT_HUGE_PAGES_DEFAULT, CT_HUGE_PAGES_NEVER };

/* Zero and "" mean: not limited. Options of ct_limit_params; free with ct_params_free. */
struct ct_limits {
	double cpu_quota;        /* percent of one CPU's time: 50 is half a CPU, 200 two CPUs */
	uint64_t cpu_weight;     /* 1 to 10000; a group without one has 100 */
	bool cpuset;             /* the kernel itself keeps the tenant on its CPUs and nodes */
	uint64_t memory_limit;   /* bytes */
	char *cache_ways;        /* ways of the last-level cache it may fill: "0-3" */
	double memory_bandwidth; /* percent, by the hardware's throttle (MBA) */
	int sched;               /* enum ct_sched */
	uint64_t priority;       /* of fifo and rr, 1 to 99 */
	int huge_pages;          /* enum ct_huge_pages */
	int numa_policy;         /* enum ct_numa_policy of place.h */
};
extern const struct ct_param ct_limit_params[];

/* Combinations that no single value shows: a priority without a real-time class. */
bool ct_limits_check(const struct ct_limits *limits, struct ct_error *err);
/*
 * Lifts the calling thread, which looks after real-time threads of the same process, above them:
 * on the same CPU it would else never run.
 */
bool ct_limits_stand_above(const struct ct_limits *limits, struct ct_error *err);
/* True when any of them is not its default. */
bool ct_limits_any(const struct ct_limits *limits);

/*
 * Puts this process under the limits, before it has any other thread. `group` names the group that
 * all workers of the tenant share ("cotenant-1a2b3c4d-victim"). `source` says where /proc and
 * /sys are; "/" but for tests. On failure nothing stays behind.
 */
bool ct_limits_apply(const struct ct_limits *limits, const struct ct_place *place,
		     const char *group, const struct ct_probe_source *source, struct ct_error *err);

#endif
