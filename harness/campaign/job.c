/* SPDX-License-Identifier: Apache-2.0 */
/* From the document, which knows sections and keys, to the job, which knows what they mean. */
#include "harness/campaign/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/campaign/document.h"
#include "harness/core/units.h"

enum { MAX_FILE = 1 << 20, MAX_NAMES = 256 };

static const char *const section_types[] = {"suite", "tenant", "victim", "aggressor", "config"};
static const char *const expectations[] = {"baremetal", "vm",        "container", "cgroup",
					   "netns",     "mig",       "vgpu",      "mps",
					   "green",     "timeslice", "sriov",     "passthrough"};

/* The suite's keys are parameters like any other. */
struct suite {
	char *name, *description;
	uint64_t replicates, warmup_ns, measure_ns, recovery_ns, epoch_ns;
};

static const struct ct_param suite_params[] = {{.name = "name",
						.type = CT_PARAM_TEXT,
						.offset = offsetof(struct suite, name),
						.fallback = "suite"},
					       {.name = "description",
						.type = CT_PARAM_TEXT,
						.offset = offsetof(struct suite, description),
						.fallback = ""},
					       {.name = "replicates",
						.type = CT_PARAM_COUNT,
						.offset = offsetof(struct suite, replicates),
						.fallback = "8",
						.min = "2",
						.max = "10000"},
					       {.name = "warmup",
						.type = CT_PARAM_TIME,
						.offset = offsetof(struct suite, warmup_ns),
						.fallback = "300ms",
						.min = "0s",
						.max = "1h"},
					       {.name = "measure",
						.type = CT_PARAM_TIME,
						.offset = offsetof(struct suite, measure_ns),
						.fallback = "1s",
						.min = "10ms",
						.max = "24h"},
					       {.name = "recovery",
						.type = CT_PARAM_TIME,
						.offset = offsetof(struct suite, recovery_ns),
						.fallback = "500ms",
						.min = "10ms",
						.max = "24h"},
					       {.name = "epoch",
						.type = CT_PARAM_TIME,
						.offset = offsetof(struct suite, epoch_ns),
						.fallback = "100ms",
						.min = "10ms",
						.max = "1m"},
					       {0}};

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

static bool unknown_name(const char *what, const char *word, const char *const *names, size_t n,
			 struct ct_error *err)
{
	char near[96], all[512];

	return ct_usage(err, "%s '%s' is unknown%s; there are: %s", what, word,
			suggestion(word, names, n, near, sizeof near),
			list_names(names, n, all, sizeof all));
}

static char *copy_text(const char *text, struct ct_error *err)
{
	char *copy = strdup(text);

	if (!copy)
		ct_broken_errno(err, "memory for the job");
	return copy;
}

static size_t add_param_names(const struct ct_param *table, const char **names, size_t n)
{
	for (; table && table->name && n < MAX_NAMES; table++)
		names[n++] = table->name;
	return n;
}

/* Sets what the tables know; the first key that nobody has taken is refused. */
static bool take_params(const struct ct_document *document, struct ct_section *section,
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

static bool refuse_leftovers(const struct ct_document *document, const struct ct_section *section,
			     const char *const *names, size_t n, struct ct_error *err)
{
	for (size_t i = 0; i < section->n_entries; i++) {
		char what[160];

		if (section->entries[i].used)
			continue;
		snprintf(what, sizeof what, "[%s%s%s] key", section->type,
			 section->name[0] ? " " : "", section->name);
		unknown_name(what, section->entries[i].key, names, n, err);
		return ct_error_at_entry(document, &section->entries[i], err);
	}
	return true;
}

static bool read_suite(struct ct_job *job, const struct ct_document *document, struct ct_error *err)
{
	struct ct_section *section = ct_document_find(document, "suite", "");
	const char *names[MAX_NAMES];
	struct suite suite;
	bool has_recovery = false, good = true;

	ct_params_init(suite_params, &suite);
	if (section) {
		for (size_t i = 0; i < section->n_entries; i++)
			has_recovery |= strcmp(section->entries[i].key, "recovery") == 0;
		good = take_params(document, section, suite_params, &suite, err) &&
		       refuse_leftovers(document, section, names,
					add_param_names(suite_params, names, 0), err);
	}
	if (good && suite.epoch_ns > suite.measure_ns) {
		ct_usage(err, "epoch is longer than measure: a phase needs at least one epoch");
		good = section ? ct_error_at_section(document, section, err) : false;
	}
	snprintf(job->name, sizeof job->name, "%s", suite.name);
	job->replicates = suite.replicates;
	job->warmup_ns = suite.warmup_ns;
	job->measure_ns = suite.measure_ns;
	job->recovery_ns = has_recovery ? suite.recovery_ns : suite.measure_ns / 2;
	job->epoch_ns = suite.epoch_ns;
	job->description = suite.description;
	suite.description = NULL;
	ct_params_free(suite_params, &suite);
	return good;
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

static int find_tenant(const struct ct_job *job, const char *name)
{
	for (size_t i = 0; i < job->n_tenants; i++) {
		if (strcmp(job->tenants[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static bool unknown_tenant(const struct ct_job *job, const char *name, struct ct_error *err)
{
	const char *names[MAX_NAMES];
	size_t n = 0;

	for (; n < job->n_tenants && n < MAX_NAMES; n++)
		names[n] = job->tenants[n].name;
	return unknown_name("tenant", name, names, n, err);
}

/* `tenant = NAME`; without it the only tenant, or the one called as is usual. */
static bool read_tenant_of(const struct ct_job *job, const struct ct_document *document,
			   struct ct_section *section, const char *usual, unsigned *tenant,
			   struct ct_error *err)
{
	struct ct_entry *entry = ct_section_take(section, "tenant");
	int found = job->n_tenants == 1 ? 0 : find_tenant(job, usual);

	if (entry)
		found = find_tenant(job, entry->value);
	if (entry && found < 0) {
		unknown_tenant(job, entry->value, err);
		return ct_error_at_entry(document, entry, err);
	}
	if (found < 0) {
		ct_usage(err, "[%s %s] needs 'tenant = NAME'", section->type, section->name);
		return ct_error_at_section(document, section, err);
	}
	*tenant = (unsigned)found;
	return true;
}

static bool read_peer(const struct ct_job *job, const struct ct_document *document,
		      struct ct_section *section, const char *kind, bool has_peer, int *peer,
		      struct ct_error *err)
{
	struct ct_entry *entry = ct_section_take(section, "peer");

	*peer = -1;
	if (!entry)
		return true;
	if (!has_peer) {
		ct_usage(err, "'%s' has no other end: leave 'peer' out", kind);
		return ct_error_at_entry(document, entry, err);
	}
	*peer = find_tenant(job, entry->value);
	if (*peer >= 0)
		return true;
	unknown_tenant(job, entry->value, err);
	return ct_error_at_entry(document, entry, err);
}

/* `kind = NAME`; without it the section's own name. */
static const char *kind_of(struct ct_section *section, struct ct_entry **entry)
{
	*entry = ct_section_take(section, "kind");
	return *entry ? (*entry)->value : section->name;
}

static bool unknown_kind(const struct ct_document *document, const struct ct_section *section,
			 const struct ct_entry *entry, const char *const *names, size_t n,
			 const char *kind, struct ct_error *err)
{
	if (entry) {
		unknown_name(section->type, kind, names, n, err);
		return ct_error_at_entry(document, entry, err);
	}
	unknown_name(section->type, kind, names, n, err);
	ct_error_in(err, "[%s %s] has no 'kind'", section->type, section->name);
	return ct_error_at_section(document, section, err);
}

static bool read_victim(const struct ct_job *job, const struct ct_document *document,
			struct ct_section *section, struct ct_victim_entry *victim,
			struct ct_error *err)
{
	const char *names[MAX_NAMES];
	struct ct_entry *entry;
	const char *kind = kind_of(section, &entry);
	size_t n = 0;

	snprintf(victim->name, sizeof victim->name, "%s", section->name);
	victim->line = section->line;
	victim->ops = ct_victim_find(kind);
	if (!victim->ops) {
		for (; ct_victims[n] && n < MAX_NAMES; n++)
			names[n] = ct_victims[n]->name;
		return unknown_kind(document, section, entry, names, n, kind, err);
	}
	victim->options = calloc(1, victim->ops->options_size + 1);
	if (!victim->options)
		return ct_broken_errno(err, "memory for the job");
	ct_params_init(victim->ops->params, victim->options);
	ct_params_init(ct_victim_common_params, &victim->common);
	n = add_param_names(victim->ops->params, names, 0);
	n = add_param_names(ct_victim_common_params, names, n);
	names[n++] = "kind";
	names[n++] = "tenant";
	if (victim->ops->peer)
		names[n++] = "peer";
	return read_tenant_of(job, document, section, "victim", &victim->tenant, err) &&
	       read_peer(job, document, section, kind, victim->ops->peer != NULL, &victim->peer,
			 err) &&
	       take_params(document, section, victim->ops->params, victim->options, err) &&
	       take_params(document, section, ct_victim_common_params, &victim->common, err) &&
	       refuse_leftovers(document, section, names, n, err);
}

/* One dose: "50" and "50%" mean the same. */
static bool read_dose(const char *word, double *dose, struct ct_error *err)
{
	char text[32];
	size_t length = strlen(word);

	if (length == 0 || length + 2 > sizeof text)
		return ct_usage(err, "intensity '%s': a list such as 25,50,100", word);
	snprintf(text, sizeof text, "%s%s", word, word[length - 1] == '%' ? "" : "%");
	if (!ct_parse_percent(text, dose, err))
		return ct_error_in(err, "intensity");
	if (*dose >= 0.1 && *dose <= 100)
		return true;
	return ct_usage(err, "intensity %s: allowed: 0.1%% to 100%%", word);
}

static bool read_doses(const char *list, struct ct_aggressor_entry *aggressor, struct ct_error *err)
{
	char copy[256];
	char *save, *word;

	if (strlen(list) >= sizeof copy)
		return ct_usage(err, "intensity: the list is too long");
	strcpy(copy, list);
	aggressor->n_intensities = 0;
	for (word = strtok_r(copy, ", \t", &save); word; word = strtok_r(NULL, ", \t", &save)) {
		double dose;

		if (!read_dose(word, &dose, err))
			return false;
		if (aggressor->n_intensities == CT_MAX_INTENSITIES)
			return ct_usage(err, "intensity: more than %d values", CT_MAX_INTENSITIES);
		for (unsigned i = 0; i < aggressor->n_intensities; i++) {
			if (aggressor->intensities[i] == dose)
				return ct_usage(err, "intensity: %s stands twice in the list",
						word);
		}
		aggressor->intensities[aggressor->n_intensities++] = dose;
	}
	return aggressor->n_intensities > 0 ||
	       ct_usage(err, "intensity is empty: a list such as 25,50,100");
}

static bool take_doses(const struct ct_document *document, struct ct_section *section,
		       struct ct_aggressor_entry *aggressor, struct ct_error *err)
{
	struct ct_entry *entry = ct_section_take(section, "intensity");

	aggressor->intensities[0] = 100;
	aggressor->n_intensities = 1;
	if (!entry || read_doses(entry->value, aggressor, err))
		return true;
	return ct_error_at_entry(document, entry, err);
}

static bool read_aggressor(const struct ct_job *job, const struct ct_document *document,
			   struct ct_section *section, struct ct_aggressor_entry *aggressor,
			   struct ct_error *err)
{
	const char *names[MAX_NAMES];
	struct ct_entry *entry;
	const char *kind = kind_of(section, &entry);
	size_t n = 0;

	snprintf(aggressor->name, sizeof aggressor->name, "%s", section->name);
	aggressor->line = section->line;
	aggressor->ops = ct_aggressor_find(kind);
	if (!aggressor->ops) {
		for (; ct_aggressors[n] && n < MAX_NAMES; n++)
			names[n] = ct_aggressors[n]->name;
		return unknown_kind(document, section, entry, names, n, kind, err);
	}
	aggressor->options = calloc(1, aggressor->ops->options_size + 1);
	if (!aggressor->options)
		return ct_broken_errno(err, "memory for the job");
	ct_params_init(aggressor->ops->params, aggressor->options);
	ct_params_init(ct_aggressor_common_params, &aggressor->common);
	n = add_param_names(aggressor->ops->params, names, 0);
	n = add_param_names(ct_aggressor_common_params, names, n);
	names[n++] = "kind";
	names[n++] = "tenant";
	if (aggressor->ops->peer)
		names[n++] = "peer";
	return read_tenant_of(job, document, section, "neighbour", &aggressor->tenant, err) &&
	       read_peer(job, document, section, kind, aggressor->ops->peer != NULL,
			 &aggressor->peer, err) &&
	       take_doses(document, section, aggressor, err) &&
	       take_params(document, section, aggressor->ops->params, aggressor->options, err) &&
	       take_params(document, section, ct_aggressor_common_params, &aggressor->common,
			   err) &&
	       refuse_leftovers(document, section, names, n, err);
}

static bool copy_tenant(struct ct_tenant *to, const struct ct_tenant *from, struct ct_error *err)
{
	if (!ct_tenant_init(to, from->name, err))
		return false;
	to->line = from->line;
	to->shared = from->shared;
	return ct_tenant_set(to, "cpus", from->cpus, err) &&
	       ct_tenant_set(to, "memory", from->memory, err) &&
	       ct_tenant_set(to, "via", from->via, err) &&
	       ct_tenant_set(to, "address", from->address, err) &&
	       ct_tenant_set(to, "nic", from->nic, err);
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
	tenant = find_tenant(job, tenant_name);
	if (tenant < 0)
		return unknown_tenant(job, tenant_name, err);
	return ct_tenant_set(&config->tenants[tenant], dot + 1, entry->value, err);
}

static bool check_expectation(const char *value, struct ct_error *err)
{
	const size_t n = sizeof expectations / sizeof expectations[0];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(expectations[i], value) == 0)
			return true;
	}
	return unknown_name("expect", value, expectations, n, err);
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
		if (!copy_tenant(&config->tenants[i], &job->tenants[i], err))
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
			good = unknown_name("config key", entry->key, keys, 2, err);
		}
		if (!good)
			return ct_error_at_entry(document, entry, err);
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
			unknown_name("section", section->type, section_types, 5, err);
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
	job->aggressors = calloc(counts[3], sizeof *job->aggressors);
	job->configs = calloc(counts[4] + 1, sizeof *job->configs);
	if (job->tenants && job->victims && job->aggressors && job->configs)
		return true;
	return ct_broken_errno(err, "memory for the job");
}

static bool is_type(const struct ct_section *section, const char *type)
{
	return strcmp(section->type, type) == 0;
}

/* Tenants first: everything else refers to them, wherever it stands in the file. */
static bool read_sections(struct ct_job *job, const struct ct_document *document,
			  struct ct_error *err)
{
	if (!count_sections(document, job, err) || !read_suite(job, document, err))
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
		    !read_victim(job, document, section, &job->victims[job->n_victims++], err))
			return false;
		if (is_type(section, "aggressor") &&
		    !read_aggressor(job, document, section, &job->aggressors[job->n_aggressors++],
				    err))
			return false;
		if (is_type(section, "config") &&
		    !read_config(job, document, section, &job->configs[job->n_configs++], err))
			return false;
	}
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

static char *read_file(const char *path, struct ct_error *err)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t length;

	if (!file) {
		ct_broken_errno(err, "job file %s", path);
		err->kind = CT_ERR_USAGE;
		return NULL;
	}
	text = malloc(MAX_FILE + 1);
	length = text ? fread(text, 1, MAX_FILE + 1, file) : 0;
	if (!text || ferror(file)) {
		ct_broken_errno(err, "job file %s", path);
		err->kind = CT_ERR_USAGE;
	} else if (length > MAX_FILE || memchr(text, '\0', length)) {
		ct_usage(err, "%s is no job file: it is over 1 MiB or not text", path);
	} else {
		text[length] = '\0';
		fclose(file);
		return text;
	}
	free(text);
	fclose(file);
	return NULL;
}

bool ct_job_load(struct ct_job *job, const char *path, const char *const *sets, size_t n_sets,
		 struct ct_error *err)
{
	char *text = read_file(path, err);
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
