/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits by the processor: ways of the last-level cache (Intel CAT, AMD L3 QoS) and memory
 * bandwidth (MBA), through the resctrl file system. A group's schemata name every cache and memory
 * domain of the machine: the tenant gets the same share of each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/tenant/groups.h"

static const char mount[] = "/sys/fs/resctrl";
enum { SCHEMA_TEXT = 1024, MAX_WAYS = 32 };

static const char *asked_by(const struct ct_limits *limits)
{
	if (limits->cache_ways[0])
		return "cache_ways";
	return limits->memory_bandwidth > 0 ? "memory_bandwidth" : NULL;
}

bool ct_resctrl_plan(const struct ct_limits *limits, const char *group,
		     const struct ct_probe_source *source, struct ct_groups *groups,
		     struct ct_error *err)
{
	const char *key = asked_by(limits);

	if (!key)
		return true;
	if (!ct_source_exists(source, "%s/schemata", mount))
		return ct_broken(err,
				 "%s: no resctrl file system on %s: mount it (mount -t resctrl "
				 "resctrl %s) on a processor that has it",
				 key, mount, mount);
	groups->resctrl = ct_groups_add(groups, source, mount, group, err);
	return groups->resctrl != NULL;
}

/* "0-3": bits 0 to 3. The hardware takes one run of ways only. */
static bool ways_mask(const char *ways, uint32_t *mask, struct ct_error *err)
{
	unsigned first, last;
	char rest;
	int got = sscanf(ways, "%2u-%2u%c", &first, &last, &rest);

	if (got == 1 && strspn(ways, "0123456789") == strlen(ways))
		last = first;
	else if (got != 2)
		return ct_usage(err, "cache_ways = %s: not one run of ways such as 0-3", ways);
	if (first > last || last >= MAX_WAYS)
		return ct_usage(err, "cache_ways = %s: ways are 0 to %d, the lower one first", ways,
				MAX_WAYS - 1);
	*mask = (uint32_t)((UINT64_C(1) << (last + 1)) - (UINT64_C(1) << first));
	return true;
}

/* "L3:0=7ff;1=7ff": the same line with `value` for every domain. */
static bool same_for_all(const char *line, const char *value, char *out, size_t size)
{
	const char *at = strchr(line, ':');
	size_t used;

	if (!at)
		return false;
	used = (size_t)snprintf(out, size, "%.*s:", (int)(at - line), line);
	while (*at) {
		unsigned domain;

		if (sscanf(at + 1, "%u=", &domain) != 1)
			return false;
		used += (size_t)snprintf(out + used, used < size ? size - used : 0, "%s%u=%s",
					 *at == ':' ? "" : ";", domain, value);
		at += 1 + strcspn(at + 1, ";");
	}
	return used < size;
}

/* Writes `value` into all schemata whose name begins with `resource`. */
static bool set_schema(const struct ct_probe_source *source, const char *folder,
		       const char *resource, const char *value, struct ct_error *err)
{
	char *text = ct_source_file(source, "%s/schemata", mount);
	bool found = false, good = true;

	for (char *rest = text, *line; good && (line = strsep(&rest, "\n")) != NULL;) {
		char schema[SCHEMA_TEXT];

		line += strspn(line, " ");
		if (strncmp(line, resource, strlen(resource)) != 0)
			continue;
		found = true;
		good = (same_for_all(line, value, schema, sizeof schema) ||
			ct_broken(err, "%s/schemata: '%.100s' can't be understood", mount, line)) &&
		       ct_group_write(folder, "schemata", schema, err);
	}
	free(text);
	if (good && !found)
		return ct_broken(err, "this processor has no %s in %s/schemata", resource, mount);
	return good;
}

bool ct_resctrl_join(const struct ct_limits *limits, const struct ct_probe_source *source,
		     const struct ct_groups *groups, struct ct_error *err)
{
	char value[16];
	uint32_t mask = 0;

	if (!groups->resctrl)
		return true;
	if (limits->cache_ways[0] && !ways_mask(limits->cache_ways, &mask, err))
		return false;
	if (!ct_group_make(groups->resctrl, err))
		return ct_error_in(err, "%s", asked_by(limits));
	snprintf(value, sizeof value, "%x", mask);
	if (mask != 0 && !set_schema(source, groups->resctrl, "L3", value, err))
		return ct_error_in(err, "cache_ways = %s", limits->cache_ways);
	snprintf(value, sizeof value, "%.0f", limits->memory_bandwidth);
	if (limits->memory_bandwidth > 0 && !set_schema(source, groups->resctrl, "MB", value, err))
		return ct_error_in(err, "memory_bandwidth");
	/* A task, not a process: threads made from now on inherit the group. */
	snprintf(value, sizeof value, "%d", (int)getpid());
	return ct_group_write(groups->resctrl, "tasks", value, err);
}
