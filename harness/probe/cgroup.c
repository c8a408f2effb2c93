/* SPDX-License-Identifier: Apache-2.0 */
/* Finding this process's control groups and their limits. See cgroup.h. */
#include "harness/probe/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Files of version 1 say "unlimited" as the largest multiple of a page, about 2^63. */
static const double UNLIMITED_V1 = 4611686018427387904.0;

static bool word_in_list(const char *list, size_t length, const char *word)
{
	size_t n = strlen(word);
	const char *at = list, *end = list + length;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t have = (size_t)((comma ? comma : end) - at);

		if (have == n && strncmp(at, word, n) == 0)
			return true;
		at += have + 1;
	}
	return false;
}

/* "4:memory:/a/b" for version 1, "0::/a/b" for version 2: the path for the controller. */
static bool group_path(const char *cgroups, const char *controller, char *out, size_t size)
{
	const char *line = cgroups;

	while (*line) {
		const char *end = strchrnul(line, '\n');
		const char *names = memchr(line, ':', (size_t)(end - line));
		const char *path = names ? memchr(names + 1, ':', (size_t)(end - names - 1)) : NULL;

		if (path) {
			size_t length = (size_t)(path - names - 1);

			if (controller ? word_in_list(names + 1, length, controller)
				       : length == 0 && strncmp(line, "0:", 2) == 0) {
				snprintf(out, size, "%.*s", (int)(end - path - 1), path + 1);
				return true;
			}
		}
		line = *end ? end + 1 : end;
	}
	return false;
}

/*
 * Finds a mount in mountinfo: "... <root> <mount point> <options> ... - <type> <source> <super
 * options>". In a container the root of the mount is often the container's own group.
 */
static bool find_mount(const char *mounts, const char *type, const char *controller, char *root,
		       char *mount)
{
	char *copy = strdup(mounts), *rest = copy, *line;
	bool found = false;

	while (copy && !found && (line = strsep(&rest, "\n")) != NULL) {
		char *tail = strstr(line, " - ");
		char have[32], options[CT_SOURCE_PATH];

		if (!tail || sscanf(tail, " - %31s %*s %511s", have, options) != 2 ||
		    strcmp(have, type) != 0)
			continue;
		if (controller && !word_in_list(options, strlen(options), controller))
			continue;
		found = sscanf(line, "%*s %*s %*s %511s %511s", root, mount) == 2;
	}
	free(copy);
	return found;
}

static void set_folder(struct ct_cgroup *group, const char *root, const char *path)
{
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

	/* A path outside of what is mounted ("/../x") can't be seen: the mount stands for it. */
	if (strncmp(path, root, length) != 0 || strstr(path, ".."))
		path = "";
	else
		path += length;
	if (strcmp(path, "/") == 0)
		path = "";
	if ((size_t)snprintf(group->folder, sizeof group->folder, "%s%s", group->mount, path) >=
	    sizeof group->folder)
		memcpy(group->folder, group->mount, sizeof group->folder);
}

/* `file`: cgroup.controllers, what a group has; cgroup.subtree_control, what its children get. */
static bool has_controller(const struct ct_probe_source *source, const struct ct_cgroup *group,
			   const char *file, const char *controller)
{
	char *text = ct_source_file(source, "%s/%s", group->folder, file);
	bool found = false;

	for (char *rest = text, *word; (word = strsep(&rest, " \n")) != NULL;)
		found = found || strcmp(word, controller) == 0;
	free(text);
	return found;
}

/* The process's own group, whatever controllers it has; version 0: no such hierarchy. */
static struct ct_cgroup own_group(const struct ct_probe_source *source, const char *controller)
{
	struct ct_cgroup group = {0};
	char root[CT_SOURCE_PATH], path[CT_SOURCE_PATH];
	char *cgroups = ct_source_file(source, "/proc/self/cgroup");
	char *mounts = ct_source_file(source, "/proc/self/mountinfo");

	if (!cgroups || !mounts)
		goto out;
	/* Version 1 first: on a mixed system the controllers that matter are bound there. */
	if (group_path(cgroups, controller, path, sizeof path) &&
	    find_mount(mounts, "cgroup", controller, root, group.mount))
		group.version = 1;
	else if (group_path(cgroups, NULL, path, sizeof path) &&
		 find_mount(mounts, "cgroup2", NULL, root, group.mount))
		group.version = 2;
	if (group.version > 0)
		set_folder(&group, root, path);
out:
	free(cgroups);
	free(mounts);
	return group;
}

struct ct_cgroup ct_cgroup_find(const struct ct_probe_source *source, const char *controller)
{
	struct ct_cgroup group = own_group(source, controller);

	/* The root group has no limits, and no file that would list them. */
	if (group.version == 2 && !has_controller(source, &group, "cgroup.controllers", controller))
		group.version = 0;
	return group;
}

struct ct_cgroup ct_cgroup_parent(const struct ct_probe_source *source, const char *controller)
{
	struct ct_cgroup group = own_group(source, controller);

	while (group.version == 2 &&
	       !has_controller(source, &group, "cgroup.subtree_control", controller)) {
		if (!ct_cgroup_up(&group))
			group.version = 0;
	}
	return group;
}

bool ct_cgroup_up(struct ct_cgroup *group)
{
	char *slash = strrchr(group->folder, '/');

	if (!slash || strlen(group->folder) <= strlen(group->mount))
		return false;
	*slash = '\0';
	return true;
}

/* Keeps the tighter of two limits. */
static void tighten(struct ct_cgroup_limit *limit, double value, const char *folder,
		    const char *file, const char *text)
{
	if (limit->limited && limit->value <= value)
		return;
	limit->limited = true;
	limit->value = value;
	snprintf(limit->evidence, sizeof limit->evidence, "%.420s/%s: %.60s", folder, file, text);
}

struct ct_cgroup_limit ct_cgroup_memory_limit(const struct ct_probe_source *source)
{
	static const char *const files[3][2] = {
		{NULL, NULL},
		{"memory.limit_in_bytes", NULL},
		{"memory.max", "memory.high"},
	};
	struct ct_cgroup_limit limit = {0};
	struct ct_cgroup group = ct_cgroup_find(source, "memory");

	if (group.version == 0)
		return limit;
	do {
		for (int i = 0; i < 2; i++) {
			const char *file = files[group.version][i];
			char text[64];
			int64_t value;

			if (file &&
			    ct_source_text(source, text, sizeof text, "%s/%s", group.folder,
					   file) &&
			    ct_text_number(text, &value) && value >= 0 &&
			    (double)value < UNLIMITED_V1)
				tighten(&limit, (double)value, group.folder, file, text);
		}
	} while (ct_cgroup_up(&group));
	return limit;
}

struct ct_cgroup_limit ct_cgroup_cpu_limit(const struct ct_probe_source *source)
{
	struct ct_cgroup_limit limit = {0};
	struct ct_cgroup group = ct_cgroup_find(source, "cpu");

	if (group.version == 0)
		return limit;
	do {
		int64_t quota = -1, period = 0;
		char text[64];

		if (group.version == 2) {
			long long q, p;

			if (ct_source_text(source, text, sizeof text, "%s/cpu.max", group.folder) &&
			    sscanf(text, "%lld %lld", &q, &p) == 2) {
				quota = q;
				period = p;
			}
		} else if (!ct_source_text(source, text, sizeof text, "%s/cpu.cfs_quota_us",
					   group.folder) ||
			   !ct_text_number(text, &quota) ||
			   !ct_source_number(source, &period, "%s/cpu.cfs_period_us",
					     group.folder)) {
			quota = -1;
		}
		if (quota > 0 && period > 0)
			tighten(&limit, (double)quota / (double)period, group.folder,
				group.version == 2 ? "cpu.max" : "cpu.cfs_quota_us", text);
	} while (ct_cgroup_up(&group));
	return limit;
}

static int64_t stat_field(const struct ct_probe_source *source, const char *folder,
			  const char *name)
{
	char *stat = ct_source_file(source, "%s/memory.stat", folder);
	char value[32];
	int64_t bytes = 0;

	if (!stat || !ct_text_field(stat, name, value, sizeof value) ||
	    !ct_text_number(value, &bytes) || bytes < 0)
		bytes = 0;
	free(stat);
	return bytes;
}

/* What one group leaves of one of its limits; false when it doesn't limit. */
static bool group_room(const struct ct_probe_source *source, const struct ct_cgroup *group,
		       const char *limit_file, double *room)
{
	bool second = group->version == 2;
	int64_t limit, usage;

	if (!ct_source_number(source, &limit, "%s/%s", group->folder, limit_file) || limit < 0 ||
	    (double)limit >= UNLIMITED_V1)
		return false;
	if (!ct_source_number(source, &usage, "%s/%s", group->folder,
			      second ? "memory.current" : "memory.usage_in_bytes") ||
	    usage < 0)
		usage = 0;
	*room = (double)limit - (double)usage +
		(double)stat_field(source, group->folder,
				   second ? "inactive_file" : "total_inactive_file");
	if (*room < 0)
		*room = 0;
	if (*room > (double)limit)
		*room = (double)limit;
	return true;
}

bool ct_memory_available(const struct ct_probe_source *source, uint64_t *bytes, char *evidence,
			 size_t size)
{
	char *meminfo = ct_source_file(source, "/proc/meminfo");
	struct ct_cgroup group = ct_cgroup_find(source, "memory");
	char value[64];
	int64_t available;
	double room;
	bool good = false;

	if (!meminfo || !ct_text_field(meminfo, "MemAvailable", value, sizeof value) ||
	    !ct_text_number(value, &available) || available < 0 || available > INT64_MAX / 1024)
		goto out;
	*bytes = (uint64_t)available * 1024u;
	snprintf(evidence, size, "/proc/meminfo MemAvailable");
	good = true;
	if (group.version == 0)
		goto out;
	do {
		for (int i = 0; i < group.version; i++) {
			const char *file = group.version == 1 ? "memory.limit_in_bytes"
					   : i == 0           ? "memory.max"
							      : "memory.high";

			if (group_room(source, &group, file, &room) && room < (double)*bytes) {
				*bytes = (uint64_t)room;
				snprintf(evidence, size, "%s/%s", group.folder, file);
			}
		}
	} while (ct_cgroup_up(&group));
out:
	free(meminfo);
	return good;
}
