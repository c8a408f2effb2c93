/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/limits.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

#include "harness/tenant/groups.h"

static const char *const classes[] = {"other", "batch", "idle", "fifo", "rr", NULL};
static const char *const huge_pages[] = {"default", "never", NULL};
static const char *const numa_policies[] = {"bind", "preferred", "interleave", NULL};

const struct ct_param ct_limit_params[] = {
	{.name = "cpu_quota",
	 .type = CT_PARAM_PERCENT,
	 .offset = offsetof(struct ct_limits, cpu_quota),
	 .fallback = "0%",
	 .min = "0%",
	 .max = "1000000%",
	 .help = "CPU time, in percent of one CPU, by a control group; 0 is no limit"},
	{.name = "cpu_weight",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_limits, cpu_weight),
	 .fallback = "0",
	 .min = "0",
	 .max = "10000",
	 .help = "share of CPU time against other control groups, which have 100; 0 is none"},
	{.name = "cpuset",
	 .type = CT_PARAM_BOOL,
	 .offset = offsetof(struct ct_limits, cpuset),
	 .fallback = "no",
	 .help = "a control group keeps the tenant on its CPUs and memory nodes"},
	{.name = "memory_limit",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_limits, memory_limit),
	 .fallback = "0",
	 .min = "0",
	 .max = "1024T",
	 .help = "memory, by a control group; 0 is no limit"},
	{.name = "cache_ways",
	 .type = CT_PARAM_TEXT,
	 .offset = offsetof(struct ct_limits, cache_ways),
	 .fallback = "",
	 .help = "ways of the last-level cache it may fill, such as 0-3, by resctrl (CAT)"},
	{.name = "memory_bandwidth",
	 .type = CT_PARAM_PERCENT,
	 .offset = offsetof(struct ct_limits, memory_bandwidth),
	 .fallback = "0%",
	 .min = "0%",
	 .max = "100%",
	 .help = "memory bandwidth, by resctrl (MBA); 0 is no limit"},
	{.name = "sched",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_limits, sched),
	 .fallback = "other",
	 .choices = classes,
	 .help = "scheduling class; fifo and rr take a priority"},
	{.name = "priority",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_limits, priority),
	 .fallback = "0",
	 .min = "0",
	 .max = "99",
	 .help = "real-time priority, 1 to 99, of sched = fifo or rr"},
	{.name = "huge_pages",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_limits, huge_pages),
	 .fallback = "default",
	 .choices = huge_pages,
	 .help = "never: the kernel gives this tenant no transparent huge pages"},
	{.name = "numa_policy",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_limits, numa_policy),
	 .fallback = "bind",
	 .choices = numa_policies,
	 .help = "how memory is spread over the tenant's nodes"},
	{0}};

static bool is_realtime(int sched)
{
	return sched == CT_SCHED_FIFO || sched == CT_SCHED_RR;
}

bool ct_limits_check(const struct ct_limits *limits, struct ct_error *err)
{
	if (is_realtime(limits->sched) && limits->priority == 0)
		return ct_usage(err, "sched = %s needs a priority of 1 to 99",
				classes[limits->sched]);
	if (!is_realtime(limits->sched) && limits->priority > 0)
		return ct_usage(err, "priority = %u: only for sched = fifo or rr",
				(unsigned)limits->priority);
	return true;
}

bool ct_limits_any(const struct ct_limits *limits)
{
	return limits->cpu_quota > 0 || limits->cpu_weight > 0 || limits->cpuset ||
	       limits->memory_limit > 0 || limits->cache_ways[0] || limits->memory_bandwidth > 0 ||
	       limits->sched != CT_SCHED_OTHER || limits->huge_pages != CT_HUGE_PAGES_DEFAULT ||
	       limits->numa_policy != CT_NUMA_BIND;
}

static const int policies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR};

bool ct_limits_stand_above(const struct ct_limits *limits, struct ct_error *err)
{
	const int highest = sched_get_priority_max(SCHED_FIFO);
	const int above = (int)limits->priority + 1;
	const struct sched_param param = {.sched_priority = above < highest ? above : highest};

	return !is_realtime(limits->sched) ||
	       sched_setscheduler(0, policies[limits->sched], &param) == 0 ||
	       ct_broken_errno(err, "sched = %s, priority = %d", classes[limits->sched],
			       param.sched_priority);
}

static bool set_class(const struct ct_limits *limits, struct ct_error *err)
{
	const struct sched_param param = {.sched_priority = (int)limits->priority};

	if (limits->sched == CT_SCHED_OTHER ||
	    sched_setscheduler(0, policies[limits->sched], &param) == 0)
		return true;
	if (errno == EPERM)
		return ct_broken(err,
				 "sched = %s, priority = %d: not permitted: needs CAP_SYS_NICE or "
				 "a real-time limit (ulimit -r), and in a control group of version "
				 "1 a share of cpu.rt_runtime_us",
				 classes[limits->sched], (int)limits->priority);
	return ct_broken_errno(err, "sched = %s", classes[limits->sched]);
}

static bool set_huge_pages(const struct ct_limits *limits, struct ct_error *err)
{
	if (limits->huge_pages == CT_HUGE_PAGES_DEFAULT ||
	    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0)
		return true;
	return ct_broken_errno(err, "huge_pages = never");
}

bool ct_limits_apply(const struct ct_limits *limits, const struct ct_place *place,
		     const char *group, const struct ct_probe_source *source, struct ct_error *err)
{
	struct ct_groups groups = {.n = 0};

	if (!ct_cgroups_plan(limits, group, source, &groups, err) ||
	    !ct_resctrl_plan(limits, group, source, &groups, err))
		return false;
	/* The guardian first: whatever happens after this line, nothing stays behind. */
	if (groups.n > 0 && !ct_guardian_start(&groups, err))
		return false;
	return ct_cgroups_join(limits, place, source, &groups, err) &&
	       ct_resctrl_join(limits, source, &groups, err) && set_class(limits, err) &&
	       set_huge_pages(limits, err);
}
