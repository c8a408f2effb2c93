/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of all sections need: taking keys by tables, and refusing what is unknown. */
#include "harness/campaign/job_reader.h"

#include <stdio.h>
#include <string.h>

#include "harness/core/units.h"

/* "(did you mean 'x'?) " or "". */
static const char *suggestion(const char *word, const char *const *names, size_t n, char *out,
			      size_t size)
{
	const char *near = ct_nearest(word, names, n);

	out[0] = '\0';
	if (near)
		snprintf(out, size, " (did you mean '%s'?)", near);
	return out;
}

static const char *list_names(const char *const *names, size_t n, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n && used < size; i++) {
		int length = snprintf(out + used, size - used, "%s%s", i ? ", " : "", names[i]);

		used += length > 0 ? (size_t)length : 0;
	}
	return out;
}

bool ct_job_unknown_name(const char *what, const char *word, const char *const *names, size_t n,
			 struct ct_error *err)
{
	char near[96], all[512];

	return ct_usage(err, "%s '%s' is unknown%s; there are: %s", what, word,
			suggestion(word, names, n, near, sizeof near),
			list_names(names, n, all, sizeof all));
}

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

bool ct_job_refuse_leftovers(const struct ct_document *document, const struct ct_section *section,
			     const char *const *names, size_t n, struct ct_error *err)
{
	for (size_t i = 0; i < section->n_entries; i++) {
		char what[160];

		if (section->entries[i].used)
			continue;
		snprintf(what, sizeof what, "[%s%s%s] key", section->type,
			 section->name[0] ? " " : "", section->name);
		ct_job_unknown_name(what, section->entries[i].key, names, n, err);
		return ct_error_at_entry(document, &section->entries[i], err);
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

	return list_names(names, tenant_names(job, names), out, size);
}

bool ct_job_unknown_tenant(const struct ct_job *job, const char *name, struct ct_error *err)
{
	const char *names[CT_JOB_MAX_NAMES];

	return ct_job_unknown_name("tenant", name, names, tenant_names(job, names), err);
}
