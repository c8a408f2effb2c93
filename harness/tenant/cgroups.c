/* SPDX-License-Identifier: Apache-2.0 */
/* Limits by control groups, version 1 and 2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/tenant/groups.h"

enum { PERIOD_US = 100000, WEIGHT_DEFAULT = 100, SHARES_DEFAULT = 1024, VALUE_TEXT = 256 };

static const char *const controllers[CT_CONTROLLERS] = {"cpu", "cpuset", "memory"};

/* The key that asks for a controller, for messages; NULL: nothing does. */
static const char *asked_by(const struct ct_limits *limits, int controller)
{
	switch (controller) {
	case CT_CPU:
		return limits->cpu_quota > 0 ? "cpu_quota"
		       : limits->cpu_weight  ? "cpu_weight"
					     : NULL;
	case CT_CPUSET:
		return limits->cpuset ? "cpuset" : NULL;
	default:
		return limits->memory_limit ? "memory_limit" : NULL;
	}
}

const char *ct_groups_add(struct ct_groups *groups, const struct ct_probe_source *source,
			  const char *parent, const char *group, struct ct_error *err)
{
	char *folder = groups->folders[groups->n];
	const char *root = strcmp(source->root, "/") == 0 ? "" : source->root;

	if ((size_t)snprintf(folder, CT_GROUP_FOLDER, "%s%s/%s", root, parent, group) >=
	    CT_GROUP_FOLDER) {
		ct_broken(err, "%s: the path of a control group is too long", parent);
		return NULL;
	}
	for (size_t i = 0; i < groups->n; i++) {
		if (strcmp(groups->folders[i], folder) == 0)
			return groups->folders[i]; /* version 2 has one for all controllers */
	}
	groups->n++;
	return folder;
}

bool ct_cgroups_plan(const struct ct_limits *limits, const char *group,
		     const struct ct_probe_source *source, struct ct_groups *groups,
		     struct ct_error *err)
{
	for (int i = 0; i < CT_CONTROLLERS; i++) {
		const char *key = asked_by(limits, i);
		struct ct_cgroup parent;

		if (!key)
			continue;
		parent = ct_cgroup_parent(source, controllers[i]);
		if (parent.version == 0)
			return ct_broken(err,
					 "%s: no control group can be made with the controller "
					 "'%s': it is in no mounted hierarchy, or no group above "
					 "this process enables it (cgroup.subtree_control)",
					 key, controllers[i]);
		groups->cgroups[i].parent = parent;
		groups->cgroups[i].folder =
			ct_groups_add(groups, source, parent.folder, group, err);
		if (!groups->cgroups[i].folder)
			return false;
	}
	return true;
}

/* "quota period" of version 2, or two files of version 1. */
static bool set_quota(const char *folder, int version, double percent, struct ct_error *err)
{
	char value[VALUE_TEXT];
	const long long quota = (long long)(percent / 100 * PERIOD_US + 0.5);

	if (version == 2) {
		snprintf(value, sizeof value, "%lld %d", quota, PERIOD_US);
		return ct_group_write(folder, "cpu.max", value, err);
	}
	snprintf(value, sizeof value, "%d", PERIOD_US);
	if (!ct_group_write(folder, "cpu.cfs_period_us", value, err))
		return false;
	snprintf(value, sizeof value, "%lld", quota);
	return ct_group_write(folder, "cpu.cfs_quota_us", value, err);
}

static bool set_weight(const char *folder, int version, uint64_t weight, struct ct_error *err)
{
	char value[VALUE_TEXT];
	uint64_t shares = weight * SHARES_DEFAULT / WEIGHT_DEFAULT;

	snprintf(value, sizeof value, "%llu",
		 (unsigned long long)(version == 2 ? weight
				      : shares < 2 ? 2
						   : shares));
	return ct_group_write(folder, version == 2 ? "cpu.weight" : "cpu.shares", value, err);
}

static bool write_set(const char *folder, const char *file, hwloc_const_bitmap_t set,
		      struct ct_error *err)
{
	char *list = NULL;
	bool good;

	if (hwloc_bitmap_list_asprintf(&list, set) < 0)
		return ct_broken_errno(err, "memory for a CPU set");
	good = ct_group_write(folder, file, list, err);
	free(list);
	return good;
}

/* Version 1 takes no process before both are set; a place without nodes gets the parent's. */
static bool set_cpuset(const char *folder, int version, const struct ct_place *place,
		       const struct ct_cgroup *parent, const struct ct_probe_source *source,
		       struct ct_error *err)
{
	char mems[VALUE_TEXT];

	if (!write_set(folder, "cpuset.cpus", place->cpus, err))
		return false;
	if (!hwloc_bitmap_iszero(place->nodes))
		return write_set(folder, "cpuset.mems", place->nodes, err);
	if (version == 2)
		return true;
	return (ct_source_text(source, mems, sizeof mems, "%s/cpuset.mems", parent->folder) ||
		ct_broken(err, "%s/cpuset.mems can't be read", parent->folder)) &&
	       ct_group_write(folder, "cpuset.mems", mems, err);
}

static bool set_memory(const char *folder, int version, uint64_t bytes, struct ct_error *err)
{
	char value[VALUE_TEXT];

	snprintf(value, sizeof value, "%llu", (unsigned long long)bytes);
	return ct_group_write(folder, version == 2 ? "memory.max" : "memory.limit_in_bytes", value,
			      err);
}

static bool set_limit(const struct ct_limits *limits, int controller, const char *folder,
		      const struct ct_place *place, const struct ct_cgroup *parent,
		      const struct ct_probe_source *source, struct ct_error *err)
{
	switch (controller) {
	case CT_CPU:
		return (limits->cpu_quota <= 0 ||
			set_quota(folder, parent->version, limits->cpu_quota, err)) &&
		       (limits->cpu_weight == 0 ||
			set_weight(folder, parent->version, limits->cpu_weight, err));
	case CT_CPUSET:
		return set_cpuset(folder, parent->version, place, parent, source, err);
	default:
		return set_memory(folder, parent->version, limits->memory_limit, err);
	}
}

bool ct_cgroups_join(const struct ct_limits *limits, const struct ct_place *place,
		     const struct ct_probe_source *source, const struct ct_groups *groups,
		     struct ct_error *err)
{
	for (int i = 0; i < CT_CONTROLLERS; i++) {
		const char *folder = groups->cgroups[i].folder;

		if (folder && (!ct_group_make(folder, err) ||
			       !set_limit(limits, i, folder, place, &groups->cgroups[i].parent,
					  source, err) ||
			       !ct_group_write(folder, "cgroup.procs", "0", err)))
			return ct_error_in(err, "%s", asked_by(limits, i));
	}
	return true;
}
