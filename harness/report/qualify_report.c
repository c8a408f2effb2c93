/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/qualify_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/text.h"
#include "harness/core/units.h"
#include "harness/report/json.h"
#include "harness/report/junit.h"

enum { VALUE_TEXT = 48, INTERVAL_TEXT = 160 };

static bool is_latency(enum ct_metric metric)
{
	return metric == CT_METRIC_LATENCY || metric == CT_METRIC_GUARANTEE;
}

static const char *unit_of(enum ct_metric metric)
{
	return is_latency(metric) ? "ns" : "1";
}

static const char *value_text(enum ct_metric metric, double value, char out[VALUE_TEXT])
{
	if (!isfinite(value))
		snprintf(out, VALUE_TEXT, isinf(value) ? "unbounded" : "?");
	else if (is_latency(metric))
		ct_format_ns(value, out);
	else
		snprintf(out, VALUE_TEXT, "%.4g", value);
	return out;
}

static const char *interval_text(const struct ct_finding *finding, char out[INTERVAL_TEXT])
{
	const enum ct_metric metric = finding->requirement->metric;
	char value[VALUE_TEXT], lo[VALUE_TEXT], hi[VALUE_TEXT];

	if (isnan(finding->value.value))
		snprintf(out, INTERVAL_TEXT, "-");
	else
		snprintf(out, INTERVAL_TEXT, "%s [%s, %s]",
			 value_text(metric, finding->value.value, value),
			 value_text(metric, finding->value.lo, lo),
			 value_text(metric, finding->value.hi, hi));
	return out;
}

const char *ct_finding_sentence(const struct ct_finding *finding, char out[CT_EVIDENCE_TEXT])
{
	const struct ct_requirement *requirement = finding->requirement;
	char value[INTERVAL_TEXT];
	size_t used;

	if (!finding->victim)
		return ct_text_print(out, CT_EVIDENCE_TEXT, "%s: %s", requirement->metric_text,
				     finding->reason);
	used = (size_t)snprintf(
		out, CT_EVIDENCE_TEXT, "%s of %.80s beside %.80s %g%% (%.60s) is %s, limit %.40s",
		requirement->metric_text, finding->victim, finding->aggressor, finding->intensity,
		finding->config, interval_text(finding, value), requirement->limit_text);
	if (used < CT_EVIDENCE_TEXT && finding->reason)
		used += (size_t)snprintf(out + used, CT_EVIDENCE_TEXT - used, ": %s",
					 finding->reason);
	if (used < CT_EVIDENCE_TEXT && finding->outcome == CT_UNDECIDED && finding->blocks_known)
		snprintf(out + used, CT_EVIDENCE_TEXT - used, "; %zu more blocks would settle it",
			 finding->needs_blocks);
	ct_text_clean(out);
	return out;
}

/* ---- Terminal ---- */

static void print_row(struct ct_table *table, const struct ct_finding *finding)
{
	char value[INTERVAL_TEXT];

	ct_table_cell(table, "%s", ct_outcome_names[finding->outcome]);
	ct_table_cell(table, "%s", finding->requirement->name);
	ct_table_cell(table, "%s", finding->requirement->metric_text);
	ct_table_cell(table, "%s", interval_text(finding, value));
	ct_table_cell(table, "%s", finding->requirement->limit_text);
	if (finding->victim)
		ct_table_cell(table, "%s beside %s %g%% (%s)", finding->victim, finding->aggressor,
			      finding->intensity, finding->config);
	else
		ct_table_cell(table, "%s", finding->reason);
	if (finding->blocks_known)
		ct_table_cell(table, "%zu", finding->needs_blocks);
	else
		ct_table_cell(table, "?");
}

static void print_reasons(const struct ct_qualification *qualification, FILE *out)
{
	for (size_t i = 0; i < qualification->n; i++) {
		const struct ct_finding *finding = &qualification->findings[i];
		char sentence[CT_EVIDENCE_TEXT];

		if (finding->outcome == CT_PASS)
			continue;
		fprintf(out, "%s: %s.\n", finding->requirement->name,
			ct_finding_sentence(finding, sentence));
		if (finding->requirement->why[0])
			fprintf(out, "    why: %s\n", finding->requirement->why);
	}
}

bool ct_qualification_print(const struct ct_qualification *qualification, FILE *out,
			    const struct ct_style *style, struct ct_error *err)
{
	static const char *const headings[] = {"verdict", "requirement", "metric",     "value",
					       "at most", "decided by",  "more blocks"};
	struct ct_table *table = ct_table_new();
	size_t n[3] = {0};
	bool ok;

	for (size_t i = 0; table && i < sizeof headings / sizeof headings[0]; i++)
		ct_table_column(table, headings[i], i == 3 || i == 4 || i == 6);
	for (size_t i = 0; i < qualification->n; i++) {
		if (table)
			print_row(table, &qualification->findings[i]);
		n[qualification->findings[i].outcome]++;
	}
	ok = table && ct_table_print(table, out, style);
	ct_table_free(table);
	fputc('\n', out);
	print_reasons(qualification, out);
	if (qualification->emulated[0])
		fprintf(out,
			"EMULATED: this file was measured in software emulation (%s). Whatever the "
			"verdict, no hardware is qualified by it.\n",
			qualification->emulated);
	fprintf(out, "Verdict: %s%s (%zu passed, %zu failed, %zu inconclusive).\n",
		ct_outcome_names[qualification->outcome],
		qualification->emulated[0] ? " on an emulated machine" : "", n[CT_PASS], n[CT_FAIL],
		n[CT_UNDECIDED]);
	return ok || ct_broken(err, "memory for a table");
}

/* ---- JSON ---- */

static json_t *finding_json(const struct ct_finding *finding)
{
	const struct ct_requirement *requirement = finding->requirement;
	char sentence[CT_EVIDENCE_TEXT];

	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:f, s:I, s:s?, s:s?, s:s?, "
		"s:f, s:s, s:s}",
		"name", requirement->name, "verdict", ct_outcome_names[finding->outcome], "value",
		ct_json_number(finding->value.value), "lo", ct_json_number(finding->value.lo), "hi",
		ct_json_number(finding->value.hi), "limit", ct_json_number(requirement->limit),
		"needs_blocks",
		finding->blocks_known ? json_integer((json_int_t)finding->needs_blocks)
				      : json_null(),
		"metric", requirement->metric_text, "unit", unit_of(requirement->metric),
		"confidence", requirement->confidence, "cells", (json_int_t)finding->n_cells,
		"config", finding->config, "victim", finding->victim, "aggressor",
		finding->aggressor, "intensity", finding->intensity, "evidence",
		ct_finding_sentence(finding, sentence), "why", requirement->why);
}

json_t *ct_qualification_json(const struct ct_qualification *qualification)
{
	json_t *requirements = json_array();

	for (size_t i = 0; i < qualification->n; i++)
		json_array_append_new(requirements, finding_json(&qualification->findings[i]));
	return json_pack("{s:s, s:s, s:s, s:o}", "schema", "cotenant.qualify/1", "verdict",
			 ct_outcome_names[qualification->outcome], "emulated",
			 qualification->emulated, "requirements", requirements);
}

/* ---- JUnit ---- */

struct sentence {
	char text[CT_EVIDENCE_TEXT];
};

bool ct_qualification_junit(const struct ct_qualification *qualification, FILE *out,
			    struct ct_error *err)
{
	static const enum ct_junit_outcome outcomes[] = {CT_JUNIT_PASS, CT_JUNIT_FAIL,
							 CT_JUNIT_SKIP};
	struct ct_junit_case *cases = calloc(qualification->n + 1, sizeof *cases);
	struct sentence *sentences = calloc(qualification->n + 1, sizeof *sentences);
	bool ok = cases && sentences;

	for (size_t i = 0; ok && i < qualification->n; i++) {
		const struct ct_finding *finding = &qualification->findings[i];

		cases[i] = (struct ct_junit_case){
			.classname = "cotenant.qualify",
			.name = finding->requirement->name,
			.outcome = outcomes[finding->outcome],
			.message = ct_finding_sentence(finding, sentences[i].text),
			.detail = finding->requirement->why};
	}
	ok = ok && ct_junit_write(out,
				  qualification->emulated[0] ? "cotenant qualify (emulated)"
							     : "cotenant qualify",
				  cases, qualification->n);
	free(cases);
	free(sentences);
	return ok || ct_broken(err, "memory for JUnit XML");
}
