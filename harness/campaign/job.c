/* SPDX-License-Identifier: Apache-2.0 */
/* From the document, which knows sections and keys, to the job, which knows what they mean. */
#include "harness/campaign/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/document.h"
#include "harness/campaign/job_reader.h"

static const char *const section_types[] = {"suite", "tenant", "victim", "aggressor", "config"};
static const char *const expectations[] = {"baremetal", "vm",        "container", "cgroup",
					   "netns",     "mig",       "vgpu",      "mps",
					   "green",     "timeslice", "sriov",     "passthrough"};

static char *copy_text(const char *text, struct ct_error *err)
{
	char *copy = strdup(text);

	if (!copy)
		ct_broken_errno(err, "memory for the job");
	return copy;
}

static bool read_tenant(const struct ct_document *document, struct ct_section *section,
			struct ct_tenant *tenant, struct ct_error *err)
{
	if (!ct_tenant_init(tenant, section->name, err))
		return false;
	tenant->line = section->line;
	for (size_t i = 0; i < section->n_entries; i++) {
		struct ct_entry *entry = &section->entries[i];

		if (!ct_tenant_set(tenant, entry->key, entry->value, err))
			return ct_error_at_entry(document, entry, err);
	}
	return true;
}

/* "tenant.NAME.KEY = value": the tenant as this config sees it. */
static bool override_tenant(const struct ct_job *job, struct ct_config *config,
			    const struct ct_entry *entry, struct ct_error *err)
{
	const char *name = entry->key + strlen("tenant.");
	const char *dot = strchr(name, '.');
	char tenant_name[CT_NAME_MAX];
	int tenant;

	if (!dot || (size_t)(dot - name) >= sizeof tenant_name)
		return ct_usage(err, "'%s' is not tenant.NAME.KEY", entry->key);
	snprintf(tenant_name, sizeof tenant_name, "%.*s", (int)(dot - name), name);
	tenant = ct_job_find_tenant(job, tenant_name);
	if (tenant < 0)
		return ct_job_unknown_tenant(job, tenant_name, err);
	return ct_tenant_set(&config->tenants[tenant], dot + 1, entry->value, err);
}

static bool check_expectation(const char *value, struct ct_error *err)
{
	const size_t n = sizeof expectations / sizeof expectations[0];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(expectations[i], value) == 0)
			return true;
	}
	return ct_unknown_name("expect", value, expectations, n, err);
}

static bool read_config(const struct ct_job *job, const struct ct_document *document,
			struct ct_section *section, struct ct_config *config, struct ct_error *err)
{
	static const char *const keys[] = {"expect", "tenant.NAME.KEY"};

	snprintf(config->name, sizeof config->name, "%s", section ? section->name : "local");
	config->line = section ? section->line : 0;
	config->expect = copy_text("", err);
	config->tenants = calloc(job->n_tenants, sizeof *config->tenants);
	if (!config->expect || !config->tenants)
		return ct_broken_errno(err, "memory for the job");
	for (size_t i = 0; i < job->n_tenants; i++) {
		if (!ct_tenant_copy(&config->tenants[i], &job->tenants[i], err))
			return false;
	}
	for (size_t i = 0; section && i < section->n_entries; i++) {
		struct ct_entry *entry = &section->entries[i];
		bool good;

		if (strcmp(entry->key, "expect") == 0) {
			free(config->expect);
			config->expect = copy_text(entry->value, err);
			good = config->expect && check_expectation(entry->value, err);
		} else if (strncmp(entry->key, "tenant.", 7) == 0) {
			good = override_tenant(job, config, entry, err);
		} else {
			good = ct_unknown_name("config key", entry->key, keys, 2, err);
		}
		if (!good)
			return ct_error_at_entry(document, entry, err);
	}
	for (size_t i = 0; i < job->n_tenants; i++) {
		if (!ct_tenant_check(&config->tenants[i], err))
			return ct_error_in(err, "%s: config '%s'", document->path, config->name);
	}
	return true;
}

/* Sections of a type; the first of an unknown type, or without a name it needs, is refused. */
static bool count_sections(const struct ct_document *document, struct ct_job *job,
			   struct ct_error *err)
{
	size_t counts[5] = {0};

	for (size_t i = 0; i < document->n_sections; i++) {
		const struct ct_section *section = &document->sections[i];
		size_t type = 0;

		while (type < 5 && strcmp(section_types[type], section->type) != 0)
			type++;
		if (type == 5) {
			ct_unknown_name("section", section->type, section_types, 5, err);
			return ct_error_at_section(document, section, err);
		}
		if ((type == 0) != (section->name[0] == '\0')) {
			ct_usage(err,
				 type == 0 ? "[suite] has no name of its own"
					   : "[%s NAME] needs a name",
				 section->type);
			return ct_error_at_section(document, section, err);
		}
		counts[type]++;
	}
	if (counts[1] == 0)
		return ct_usage(err, "%s: no [tenant NAME]: say where work runs", document->path);
	if (counts[2] == 0)
		return ct_usage(err, "%s: no [victim NAME]: nothing to measure", document->path);
	if (counts[3] == 0)
		return ct_usage(err,
				"%s: no [aggressor NAME]: for a victim alone use 'cotenant bench'",
				document->path);
	job->tenants = calloc(counts[1], sizeof *job->tenants);
	job->victims = calloc(counts[2], sizeof *job->victims);
	job->aggressors = calloc(counts[3] + 1, sizeof *job->aggressors);
	job->configs = calloc(counts[4] + 1, sizeof *job->configs);
	if (job->tenants && job->victims && job->aggressors && job->configs)
		return true;
	return ct_broken_errno(err, "memory for the job");
}

static bool is_type(const struct ct_section *section, const char *type)
{
	return strcmp(section->type, type) == 0;
}

static bool read_mixes(struct ct_job *job, const struct ct_document *document, struct ct_error *err)
{
	size_t next = 0;

	for (size_t i = 0; i < document->n_sections; i++) {
		const struct ct_section *section = &document->sections[i];
		struct ct_aggressor_entry *entry;

		if (!is_type(section, "aggressor"))
			continue;
		entry = &job->aggressors[next++];
		for (size_t k = 0; entry->ops == &ct_mix && k < section->n_entries; k++) {
			if (strcmp(section->entries[k].key, "of") == 0 &&
			    !ct_job_read_mix(job, entry, section->entries[k].value, err))
				return ct_error_at_entry(document, &section->entries[k], err);
		}
	}
	return true;
}

/* Tenants first: everything else refers to them, wherever it stands in the file. */
static bool read_sections(struct ct_job *job, const struct ct_document *document,
			  struct ct_error *err)
{
	if (!count_sections(document, job, err) || !ct_job_read_suite(job, document, err))
		return false;
	for (size_t i = 0; i < document->n_sections; i++) {
		if (is_type(&document->sections[i], "tenant") &&
		    !read_tenant(document, &document->sections[i], &job->tenants[job->n_tenants++],
				 err))
			return false;
	}
	for (size_t i = 0; i < document->n_sections; i++) {
		struct ct_section *section = &document->sections[i];

		if (is_type(section, "victim") &&
		    !ct_job_read_victim(job, document, section, &job->victims[job->n_victims++],
					err))
			return false;
		if (is_type(section, "aggressor") &&
		    !ct_job_read_aggressor(job, document, section,
					   &job->aggressors[job->n_aggressors++], err))
			return false;
		if (is_type(section, "config") &&
		    !read_config(job, document, section, &job->configs[job->n_configs++], err))
			return false;
	}
	if (!read_mixes(job, document, err) ||
	    (job->design == CT_DESIGN_LOCKIN && !ct_job_finish_lockin(job, err)))
		return false;
	if (job->n_configs == 0)
		return read_config(job, document, NULL, &job->configs[job->n_configs++], err);
	return true;
}

static char *join_sets(const char *const *sets, size_t n, struct ct_error *err)
{
	size_t size = 1;
	char *all;

	for (size_t i = 0; i < n; i++)
		size += strlen(sets[i]) + 1;
	all = malloc(size);
	if (!all) {
		ct_broken_errno(err, "memory for the job");
		return NULL;
	}
	all[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		strcat(all, sets[i]);
		strcat(all, "\n");
	}
	return all;
}

bool ct_job_parse(struct ct_job *job, const char *path, const char *text, const char *const *sets,
		  size_t n_sets, struct ct_error *err)
{
	struct ct_document document = {0};
	bool good;

	*job = (struct ct_job){0};
	job->path = copy_text(path, err);
	job->text = copy_text(text, err);
	job->overrides = join_sets(sets, n_sets, err);
	good = job->path && job->text && job->overrides &&
	       ct_document_parse(&document, path, text, err);
	for (size_t i = 0; i < n_sets && good; i++)
		good = ct_document_set(&document, sets[i], err);
	good = good && read_sections(job, &document, err);
	ct_document_free(&document);
	if (!good)
		ct_job_free(job);
	return good;
}

static int find_config(const struct ct_job *job, const char *name)
{
	for (size_t i = 0; i < job->n_configs; i++) {
		if (strcmp(job->configs[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static bool unknown_config(const struct ct_job *job, const char *name, struct ct_error *err)
{
	const char *names[CT_JOB_MAX_NAMES];
	size_t n = 0;

	for (; n < job->n_configs && n < CT_JOB_MAX_NAMES; n++)
		names[n] = job->configs[n].name;
	return ct_unknown_name("config", name, names, n, err);
}

bool ct_job_select_configs(struct ct_job *job, const char *names, struct ct_error *err)
{
	char *copy = strdup(names), *rest = copy, *name;
	bool good = copy != NULL || ct_broken_errno(err, "memory for the job");

	if (good && names[0]) {
		for (size_t i = 0; i < job->n_configs; i++)
			job->configs[i].left_out = true;
	}
	while (good && names[0] && (name = strsep(&rest, ",")) != NULL) {
		int found = find_config(job, name);

		good = found >= 0 || unknown_config(job, name, err);
		if (good)
			job->configs[found].left_out = false;
	}
	free(copy);
	return good;
}

size_t ct_job_first_config(const struct ct_job *job)
{
	size_t first = 0;

	while (first + 1 < job->n_configs && job->configs[first].left_out)
		first++;
	return first;
}

bool ct_job_load(struct ct_job *job, const char *path, const char *const *sets, size_t n_sets,
		 struct ct_error *err)
{
	char *text = ct_document_text(path, "job file", err);
	bool good;

	*job = (struct ct_job){0};
	if (!text)
		return false;
	good = ct_job_parse(job, path, text, sets, n_sets, err);
	free(text);
	return good;
}

void ct_job_free(struct ct_job *job)
{
	for (size_t i = 0; i < job->n_victims; i++) {
		if (job->victims[i].options)
			ct_params_free(job->victims[i].ops->params, job->victims[i].options);
		free(job->victims[i].options);
	}
	for (size_t i = 0; i < job->n_aggressors; i++) {
		if (job->aggressors[i].options)
			ct_params_free(job->aggressors[i].ops->params, job->aggressors[i].options);
		free(job->aggressors[i].options);
	}
	for (size_t i = 0; i < job->n_configs; i++) {
		for (size_t t = 0; job->configs[i].tenants && t < job->n_tenants; t++)
			ct_tenant_free(&job->configs[i].tenants[t]);
		free(job->configs[i].tenants);
		free(job->configs[i].expect);
	}
	for (size_t i = 0; i < job->n_tenants; i++)
		ct_tenant_free(&job->tenants[i]);
	free(job->tenants);
	free(job->victims);
	free(job->aggressors);
	free(job->configs);
	free(job->path);
	free(job->text);
	free(job->overrides);
	free(job->description);
	*job = (struct ct_job){0};
}
