/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a tenant, shared by job files, --set, and the words of `bench` and `noise`. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/campaign/job.h"
#include "harness/core/document.h"
#include "harness/core/units.h"

/* The keys whose values are texts. */
static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	{"cpus", offsetof(struct ct_tenant, cpus)},
	{"memory", offsetof(struct ct_tenant, memory)},
	{"via", offsetof(struct ct_tenant, via)},
	{"address", offsetof(struct ct_tenant, address)},
	{"nic", offsetof(struct ct_tenant, nic)},
	{"gpu", offsetof(struct ct_tenant, gpu)},
	{"program", offsetof(struct ct_tenant, program)},
};
enum { N_TEXTS = sizeof texts / sizeof texts[0] };

const char *const ct_tenant_keys[] = {
	"cpus",       "memory",           "via",       "address",    "nic",        "gpu",
	"program",    "shared",           "cpu_quota", "cpu_weight", "cpuset",     "memory_limit",
	"cache_ways", "memory_bandwidth", "sched",     "priority",   "huge_pages", "numa_policy",
	NULL};

static char **text_at(const struct ct_tenant *tenant, size_t i)
{
	return (char **)(void *)((char *)(uintptr_t)tenant + texts[i].offset);
}

bool ct_tenant_init(struct ct_tenant *tenant, const char *name, struct ct_error *err)
{
	bool good = true;

	*tenant = (struct ct_tenant){.shared = false};
	snprintf(tenant->name, sizeof tenant->name, "%s", name);
	ct_params_init(ct_limit_params, &tenant->limits);
	for (size_t i = 0; i < N_TEXTS; i++) {
		*text_at(tenant, i) = strdup("");
		good = good && *text_at(tenant, i);
	}
	return good || ct_broken_errno(err, "memory for a tenant");
}

static bool set_text(char **place, const char *text, struct ct_error *err)
{
	char *copy = strdup(text);

	if (!copy)
		return ct_broken_errno(err, "memory for a tenant");
	free(*place);
	*place = copy;
	return true;
}

static bool set_address(struct ct_tenant *tenant, const char *value, struct ct_error *err)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	if (value[0] && inet_pton(AF_INET, value, bytes) != 1 &&
	    inet_pton(AF_INET6, value, bytes) != 1)
		return ct_usage(err, "address = %s: not a numeric address such as 10.0.0.2", value);
	return set_text(&tenant->address, value, err);
}

static bool unknown(const char *key, struct ct_error *err)
{
	char list[512];
	const char *near;
	size_t n = 0;

	while (ct_tenant_keys[n])
		n++;
	near = ct_nearest(key, ct_tenant_keys, n);
	return ct_usage(
		err, "a tenant has no key '%s'%s%s%s; it has %s", key,
		near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
		ct_list_names((const char **)(uintptr_t)ct_tenant_keys, n, list, sizeof list));
}

bool ct_tenant_set(struct ct_tenant *tenant, const char *key, const char *value,
		   struct ct_error *err)
{
	const struct ct_param *limit = ct_param_find(ct_limit_params, key);

	if (strcmp(key, "address") == 0)
		return set_address(tenant, value, err);
	if (strcmp(key, "shared") == 0)
		return ct_parse_bool(value, &tenant->shared, err) || ct_error_in(err, "shared");
	if (limit)
		return ct_param_set(limit, &tenant->limits, value, err);
	for (size_t i = 0; i < N_TEXTS; i++) {
		if (strcmp(key, texts[i].key) == 0)
			return set_text(text_at(tenant, i), value, err);
	}
	return unknown(key, err);
}

bool ct_tenant_check(const struct ct_tenant *tenant, struct ct_error *err)
{
	return ct_limits_check(&tenant->limits, err) ||
	       ct_error_in(err, "tenant '%s'", tenant->name);
}

static bool copy_limits(struct ct_limits *to, const struct ct_limits *from, struct ct_error *err)
{
	char *ways = strdup(from->cache_ways);

	if (!ways)
		return ct_broken_errno(err, "memory for a tenant");
	free(to->cache_ways);
	*to = *from;
	to->cache_ways = ways;
	return true;
}

bool ct_tenant_copy(struct ct_tenant *to, const struct ct_tenant *from, struct ct_error *err)
{
	if (!ct_tenant_init(to, from->name, err) || !copy_limits(&to->limits, &from->limits, err))
		return false;
	to->line = from->line;
	to->shared = from->shared;
	for (size_t i = 0; i < N_TEXTS; i++) {
		if (!set_text(text_at(to, i), *text_at(from, i), err))
			return false;
	}
	return true;
}

void ct_tenant_free(struct ct_tenant *tenant)
{
	for (size_t i = 0; i < N_TEXTS; i++)
		free(*text_at(tenant, i));
	ct_params_free(ct_limit_params, &tenant->limits);
	*tenant = (struct ct_tenant){.shared = false};
}
