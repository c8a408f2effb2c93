/* SPDX-License-Identifier: Apache-2.0 */
/* The [suite] section: how often and how long. */
#include "harness/campaign/job_reader.h"

#include <stdio.h>
#include <string.h>

#include "harness/core/units.h"

/* The suite's keys are parameters like any other. */
struct suite {
	char *name, *description;
	int design; /* enum ct_design */
	uint64_t replicates, warmup_ns, measure_ns, recovery_ns, epoch_ns;
};

static const char *const designs[] = {"blocks", "lockin", NULL};

static const struct ct_param suite_params[] = {{.name = "name",
						.type = CT_PARAM_TEXT,
						.offset = offsetof(struct suite, name),
						.fallback = "suite"},
					       {.name = "description",
						.type = CT_PARAM_TEXT,
						.offset = offsetof(struct suite, description),
						.fallback = ""},
					       {.name = "design",
						.type = CT_PARAM_CHOICE,
						.offset = offsetof(struct suite, design),
						.fallback = "blocks",
						.choices = designs},
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

/* Checks between keys; --set may have moved any of them, so the section is what is named. */
static bool check_suite(const struct suite *suite, struct ct_error *err)
{
	char epoch[CT_UNIT_TEXT], measure[CT_UNIT_TEXT];

	if (suite->name[0] == '\0' || strlen(suite->name) >= CT_NAME_MAX)
		return ct_usage(err, "name has 1 to %d characters", CT_NAME_MAX - 1);
	if (suite->epoch_ns <= suite->measure_ns)
		return true;
	return ct_usage(err,
			"epoch (%s) is longer than measure (%s): a phase needs at least one epoch",
			ct_format_ns((double)suite->epoch_ns, epoch),
			ct_format_ns((double)suite->measure_ns, measure));
}

static bool says(const struct ct_section *section, const char *key)
{
	for (size_t i = 0; section && i < section->n_entries; i++) {
		if (strcmp(section->entries[i].key, key) == 0)
			return true;
	}
	return false;
}

/*
 * Defaults that depend on other keys. Lock-in wants long phases and short epochs: its loads are
 * switched several times a second.
 */
static void settle(const struct ct_section *section, struct suite *suite)
{
	if (suite->design == CT_DESIGN_LOCKIN) {
		if (!says(section, "replicates"))
			suite->replicates = 2;
		if (!says(section, "measure"))
			suite->measure_ns = UINT64_C(30000000000);
		if (!says(section, "epoch"))
			suite->epoch_ns = 20000000;
	}
	if (!says(section, "recovery"))
		suite->recovery_ns = suite->measure_ns / 2;
}

bool ct_job_read_suite(struct ct_job *job, const struct ct_document *document, struct ct_error *err)
{
	struct ct_section *section = ct_document_find(document, "suite", "");
	const char *names[CT_JOB_MAX_NAMES];
	struct suite suite;
	bool good = true;

	ct_params_init(suite_params, &suite);
	if (section) {
		good = ct_job_take_params(document, section, suite_params, &suite, err) &&
		       ct_section_refuse_leftovers(document, section, names,
						   ct_job_add_names(suite_params, names, 0), err);
	}
	settle(section, &suite);
	if (good && section)
		good = check_suite(&suite, err) || ct_error_at_section(document, section, err);
	snprintf(job->name, sizeof job->name, "%s", suite.name);
	job->replicates = suite.replicates;
	job->warmup_ns = suite.warmup_ns;
	job->measure_ns = suite.measure_ns;
	job->recovery_ns = suite.recovery_ns;
	job->design = (enum ct_design)suite.design;
	job->epoch_ns = suite.epoch_ns;
	job->description = suite.description;
	suite.description = NULL;
	ct_params_free(suite_params, &suite);
	return good;
}
