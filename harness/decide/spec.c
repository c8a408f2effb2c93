/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/document.h"
#include "harness/core/units.h"
#include "harness/decide/analysis.h"
#include "harness/decide/evidence.h"

static const char *const sections[] = {"spec", "require"};
static const char *const spec_keys[] = {"name", "description"};
static const char *const keys[] = {"victim", "aggressor", "config",     "intensity",
				   "metric", "limit",     "confidence", "why"};
/* Metrics that take a quantile have it appended: slowdown_p99. "" is the latency: p99. */
static const struct {
	const char *name;
	enum ct_metric metric;
	bool quantile;
} metrics[] = {{"", CT_METRIC_LATENCY, true},
	       {"slowdown_", CT_METRIC_SLOWDOWN, true},
	       {"recovery_", CT_METRIC_RECOVERY, true},
	       {"price_", CT_METRIC_PRICE, true},
	       {"guarantee_", CT_METRIC_GUARANTEE, true},
	       {"jitter", CT_METRIC_JITTER, false},
	       {"cotenant_share", CT_METRIC_SHARE, false},
	       {"grade", CT_METRIC_GRADE, false}};
static const char *const metric_examples[] = {"p50",
					      "p99",
					      "p999",
					      "slowdown_p99",
					      "recovery_p99",
					      "price_p99",
					      "guarantee_p999",
					      "jitter",
					      "cotenant_share",
					      "grade"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool read_metric(const char *text, struct ct_requirement *out, struct ct_error *err)
{
	for (size_t i = 0; i < COUNT(metrics); i++) {
		const size_t length = strlen(metrics[i].name);

		if (strncmp(text, metrics[i].name, length) != 0)
			continue;
		out->metric = metrics[i].metric;
		out->k = metrics[i].quantile ? ct_quantile_find(text + length) : 0;
		if (metrics[i].quantile ? out->k < CT_QUANTILES && text[length] == 'p'
					: text[length] == '\0')
			return true;
	}
	return ct_unknown_name("metric", text, metric_examples, COUNT(metric_examples), err);
}

/* "1.10", "5%" or a grade, by what the metric is. */
static bool read_number(const char *text, double *value, struct ct_error *err)
{
	char *end;

	*value = strtod(text, &end);
	if (end != text && end[0] == '%' && end[1] == '\0') {
		*value /= 100;
		end++;
	}
	if (end == text || *end != '\0' || !(*value >= 0) || *value > 1e9)
		return ct_usage(err, "'%s' is no number like 1.10 or 5%%, from 0", text);
	return true;
}

static bool read_limit(struct ct_requirement *out, struct ct_error *err)
{
	const char *text = out->limit_text;
	uint64_t ns;

	switch (out->metric) {
	case CT_METRIC_LATENCY:
	case CT_METRIC_GUARANTEE:
		if (!ct_parse_time(text, &ns, err))
			return false;
		out->limit = (double)ns;
		return true;
	case CT_METRIC_GRADE:
		if (strlen(text) == 1 && ct_grade_limit(text[0], &out->limit))
			return true;
		return ct_usage(err, "'%s' is no grade: A, B, C, D or E", text);
	default:
		return read_number(text, &out->limit, err);
	}
}

/* The value of a key, copied; `otherwise` where it is not there. */
static char *take(struct ct_section *section, const char *key, const char *otherwise)
{
	struct ct_entry *entry = ct_section_take(section, key);

	return strdup(entry ? entry->value : otherwise);
}

static bool read_intensity(const struct ct_document *document, struct ct_section *section,
			   struct ct_requirement *out, struct ct_error *err)
{
	struct ct_entry *entry = ct_section_take(section, "intensity");

	out->intensity = -1;
	if (!entry || strcmp(entry->value, "any") == 0)
		return true;
	if (!ct_parse_percent(entry->value, &out->intensity, err))
		return ct_error_at_entry(document, entry, err);
	if (out->intensity > 100) {
		ct_usage(err, "intensity %s: at most 100%%", entry->value);
		return ct_error_at_entry(document, entry, err);
	}
	return true;
}

static bool read_confidence(const struct ct_document *document, struct ct_section *section,
			    struct ct_requirement *out, struct ct_error *err)
{
	struct ct_entry *entry = ct_section_take(section, "confidence");

	out->confidence = 0.95;
	if (!entry)
		return true;
	if (!ct_parse_share(entry->value, &out->confidence, err))
		return ct_error_at_entry(document, entry, err);
	if (!(out->confidence >= 0.5 && out->confidence < 1)) {
		ct_usage(err, "confidence %s: from 50%% to below 100%%", entry->value);
		return ct_error_at_entry(document, entry, err);
	}
	return true;
}

static bool read_requirement(const struct ct_document *document, struct ct_section *section,
			     struct ct_requirement *out, struct ct_error *err)
{
	struct ct_entry *metric = ct_section_take(section, "metric");
	struct ct_entry *limit = ct_section_take(section, "limit");

	*out = (struct ct_requirement){.name = strdup(section->name),
				       .victim = take(section, "victim", "any"),
				       .aggressor = take(section, "aggressor", "any"),
				       .config = take(section, "config", "any"),
				       .metric_text = strdup(metric ? metric->value : ""),
				       .limit_text = strdup(limit ? limit->value : ""),
				       .why = take(section, "why", "")};
	if (!out->name || !out->victim || !out->aggressor || !out->config || !out->metric_text ||
	    !out->limit_text || !out->why)
		return ct_broken_errno(err, "memory for the spec");
	if (!section->name[0] || !metric || !limit) {
		ct_usage(err, "[require %s] needs %s", section->name,
			 !section->name[0] ? "a name"
			 : !metric         ? "a metric"
					   : "a limit");
		return ct_error_at_section(document, section, err);
	}
	if (!read_intensity(document, section, out, err) ||
	    !read_confidence(document, section, out, err) ||
	    !ct_section_refuse_leftovers(document, section, keys, COUNT(keys), err))
		return false;
	if (!read_metric(metric->value, out, err))
		return ct_error_at_entry(document, metric, err);
	return read_limit(out, err) || ct_error_at_entry(document, limit, err);
}

static bool read_section(struct ct_spec *spec, const struct ct_document *document,
			 struct ct_section *section, struct ct_error *err)
{
	if (strcmp(section->type, "require") == 0)
		return read_requirement(document, section, &spec->requirements[spec->n++], err);
	if (strcmp(section->type, "spec") != 0) {
		ct_unknown_name("section", section->type, sections, COUNT(sections), err);
		return ct_error_at_section(document, section, err);
	}
	free(spec->name);
	free(spec->description);
	spec->name = take(section, "name", "");
	spec->description = take(section, "description", "");
	if (!spec->name || !spec->description)
		return ct_broken_errno(err, "memory for the spec");
	return ct_section_refuse_leftovers(document, section, spec_keys, COUNT(spec_keys), err);
}

bool ct_spec_parse(struct ct_spec *spec, const char *path, const char *text, struct ct_error *err)
{
	struct ct_document document = {0};
	bool ok = ct_document_parse(&document, path, text, err);

	*spec = (struct ct_spec){.name = strdup(""), .description = strdup("")};
	spec->requirements = calloc(document.n_sections + 1, sizeof *spec->requirements);
	if (ok && (!spec->name || !spec->description || !spec->requirements))
		ok = ct_broken_errno(err, "memory for the spec");
	for (size_t i = 0; ok && i < document.n_sections; i++)
		ok = read_section(spec, &document, &document.sections[i], err);
	if (ok && spec->n == 0)
		ok = ct_usage(err, "%s: no [require NAME] section: nothing to qualify", path);
	ct_document_free(&document);
	if (!ok)
		ct_spec_free(spec);
	return ok;
}

bool ct_spec_load(struct ct_spec *spec, const char *path, struct ct_error *err)
{
	char *text = ct_document_text(path, "spec", err);
	bool ok = text && ct_spec_parse(spec, path, text, err);

	free(text);
	return ok;
}

void ct_spec_free(struct ct_spec *spec)
{
	for (size_t i = 0; spec->requirements && i < spec->n; i++) {
		struct ct_requirement *one = &spec->requirements[i];

		free(one->name);
		free(one->victim);
		free(one->aggressor);
		free(one->config);
		free(one->metric_text);
		free(one->limit_text);
		free(one->why);
	}
	free(spec->requirements);
	free(spec->name);
	free(spec->description);
	*spec = (struct ct_spec){0};
}
