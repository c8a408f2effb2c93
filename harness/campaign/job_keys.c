/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of all sections need: taking keys by tables, and refusing what is unknown. */
#include "harness/campaign/job_reader.h"

#include <stdio.h>
#include <string.h>

#include "harness/core/units.h"

size_t ct_job_add_names(const struct ct_param *table, const char **names, size_t n)
{
	for (; table && table->name && n < CT_JOB_MAX_NAMES; table++)
		names[n++] = table->name;
	return n;
}

/* Sets what the tables know; the first key that nobody has taken is refused. */
bool ct_job_take_params(const struct ct_document *document, struct ct_section *section,
			const struct ct_param *table, void *options, struct ct_error *err)
{
	for (size_t i = 0; i < section->n_entries; i++) {
		struct ct_entry *entry = &section->entries[i];
		const struct ct_param *param =
			entry->used ? NULL : ct_param_find(table, entry->key);

		if (!param)
			continue;
		entry->used = true;
		if (!ct_param_set(param, options, entry->value, err))
			return ct_error_at_entry(document, entry, err);
	}
	return true;
}

int ct_job_find_tenant(const struct ct_job *job, const char *name)
{
	for (size_t i = 0; i < job->n_tenants; i++) {
		if (strcmp(job->tenants[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static size_t tenant_names(const struct ct_job *job, const char **names)
{
	size_t n = 0;

	for (; n < job->n_tenants && n < CT_JOB_MAX_NAMES; n++)
		names[n] = job->tenants[n].name;
	return n;
}

const char *ct_job_list_tenants(const struct ct_job *job, char *out, size_t size)
{
	const char *names[CT_JOB_MAX_NAMES];

	return ct_list_names(names, tenant_names(job, names), out, size);
}

bool ct_job_unknown_tenant(const struct ct_job *job, const char *name, struct ct_error *err)
{
	const char *names[CT_JOB_MAX_NAMES];

	return ct_unknown_name("tenant", name, names, tenant_names(job, names), err);
}
