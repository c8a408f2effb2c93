/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a tenant, shared by job files, --set, and the words of `bench` and `noise`. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/campaign/job.h"
#include "harness/core/units.h"

const char *const ct_tenant_keys[] = {"cpus", "memory", "via", "address", "nic", "shared", NULL};

bool ct_tenant_init(struct ct_tenant *tenant, const char *name, struct ct_error *err)
{
	*tenant = (struct ct_tenant){.cpus = strdup(""),
				     .memory = strdup(""),
				     .via = strdup(""),
				     .address = strdup(""),
				     .nic = strdup("")};
	snprintf(tenant->name, sizeof tenant->name, "%s", name);
	return (tenant->cpus && tenant->memory && tenant->via && tenant->address && tenant->nic) ||
	       ct_broken_errno(err, "memory for a tenant");
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
	const char *near;
	size_t n = 0;

	while (ct_tenant_keys[n])
		n++;
	near = ct_nearest(key, ct_tenant_keys, n);
	return ct_usage(err,
			"a tenant has no key '%s'%s%s%s; it has cpus, memory, via, address, nic, "
			"shared",
			key, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

bool ct_tenant_set(struct ct_tenant *tenant, const char *key, const char *value,
		   struct ct_error *err)
{
	if (strcmp(key, "cpus") == 0)
		return set_text(&tenant->cpus, value, err);
	if (strcmp(key, "memory") == 0)
		return set_text(&tenant->memory, value, err);
	if (strcmp(key, "via") == 0)
		return set_text(&tenant->via, value, err);
	if (strcmp(key, "nic") == 0)
		return set_text(&tenant->nic, value, err);
	if (strcmp(key, "address") == 0)
		return set_address(tenant, value, err);
	if (strcmp(key, "shared") == 0)
		return ct_parse_bool(value, &tenant->shared, err) || ct_error_in(err, "shared");
	return unknown(key, err);
}

void ct_tenant_free(struct ct_tenant *tenant)
{
	free(tenant->cpus);
	free(tenant->memory);
	free(tenant->via);
	free(tenant->address);
	free(tenant->nic);
	*tenant = (struct ct_tenant){0};
}
