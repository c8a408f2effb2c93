/* SPDX-License-Identifier: Apache-2.0 */
/* Inside ct_limits_apply: the groups it makes, and who removes them. */
#ifndef COTENANT_TENANT_GROUPS_H
#define COTENANT_TENANT_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/probe/cgroup.h"
#include "harness/tenant/limits.h"

enum { CT_GROUPS_MAX = 4, CT_GROUP_FOLDER = 1024 };

enum ct_controller { CT_CPU, CT_CPUSET, CT_MEMORY, CT_CONTROLLERS };

/* The groups that this worker will make or join. */
struct ct_groups {
	char folders[CT_GROUPS_MAX][CT_GROUP_FOLDER]; /* with the source's root in front */
	size_t n;
	/* Only of controllers that a limit asks for. Several may share a folder. */
	struct {
		struct ct_cgroup parent;
		const char *folder;
	} cgroups[CT_CONTROLLERS];
	const char *resctrl; /* folder, or NULL */
};

/* Adds root/parent/group unless it is there already; NULL: too long. */
const char *ct_groups_add(struct ct_groups *groups, const struct ct_probe_source *source,
			  const char *parent, const char *group, struct ct_error *err);

/* Starts the process that removes the folders once this process has ended. */
bool ct_guardian_start(const struct ct_groups *groups, struct ct_error *err);

/* Writes one value to a file of a group; the message quotes both. */
bool ct_group_write(const char *folder, const char *file, const char *value, struct ct_error *err);
/* Makes the folder unless a fellow worker has; what an earlier crash left beside it goes. */
bool ct_group_make(const char *folder, struct ct_error *err);

/* Control groups. Plan: which folders; join: makes them, sets the limits, moves this process. */
bool ct_cgroups_plan(const struct ct_limits *limits, const char *group,
		     const struct ct_probe_source *source, struct ct_groups *groups,
		     struct ct_error *err);
bool ct_cgroups_join(const struct ct_limits *limits, const struct ct_place *place,
		     const struct ct_probe_source *source, const struct ct_groups *groups,
		     struct ct_error *err);

/* The same for cache ways and memory bandwidth. */
bool ct_resctrl_plan(const struct ct_limits *limits, const char *group,
		     const struct ct_probe_source *source, struct ct_groups *groups,
		     struct ct_error *err);
bool ct_resctrl_join(const struct ct_limits *limits, const struct ct_probe_source *source,
		     const struct ct_groups *groups, struct ct_error *err);

#endif
