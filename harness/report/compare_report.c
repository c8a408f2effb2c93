/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/compare_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/text.h"
#include "harness/core/units.h"
#include "harness/report/json.h"
#include "harness/report/junit.h"

enum { NAME_TEXT = 400, CASE_TEXT = 512, RATIO_TEXT = 112, SHOWN_TEXT = 61 };

static const char *ratio_text(const struct ct_interval *ratio, char out[RATIO_TEXT])
{
	char value[CT_RATIO_TEXT], lo[CT_RATIO_TEXT], hi[CT_RATIO_TEXT];

	if (isnan(ratio->value))
		snprintf(out, RATIO_TEXT, "not carried");
	else
		snprintf(out, RATIO_TEXT, "%s [%s, %s]", ct_format_ratio(ratio->value, value),
			 ct_format_ratio(ratio->lo, lo), ct_format_ratio(ratio->hi, hi));
	return out;
}

static const char *cell_name(const struct ct_compared_cell *cell, char out[NAME_TEXT])
{
	if (strcmp(cell->aggressor, "none") == 0)
		return ct_text_print(out, NAME_TEXT, "%s alone (%s)", cell->victim, cell->config);
	return ct_text_print(out, NAME_TEXT, "%s beside %s %g%% (%s)", cell->victim,
			     cell->aggressor, cell->intensity, cell->config);
}

/* The cell that the overall verdict is due to: the one of that verdict farthest from 1. */
static const struct ct_compared_cell *decisive(const struct ct_comparison *comparison)
{
	const struct ct_compared_cell *found = NULL;

	for (size_t i = 0; i < comparison->n_cells; i++) {
		const struct ct_compared_cell *cell = &comparison->cells[i];

		if (cell->verdict == comparison->verdict &&
		    (!found || fabs(log(cell->ratio.value)) > fabs(log(found->ratio.value))))
			found = cell;
	}
	return found;
}

const char *ct_comparison_sentence(const struct ct_comparison *comparison,
				   char out[CT_VERDICT_TEXT])
{
	const struct ct_compared_cell *cell = decisive(comparison);
	char name[NAME_TEXT], ratio[RATIO_TEXT];
	size_t same = 0;

	for (size_t i = 0; i < comparison->n_cells; i++)
		same += comparison->cells[i].verdict == comparison->verdict;
	if (!cell)
		return ct_text_print(out, CT_VERDICT_TEXT, "%s",
				     ct_verdict_names[comparison->verdict]);
	return ct_text_print(
		out, CT_VERDICT_TEXT, "%s: %zu of %zu cells, most of all %.100s: %s is %s",
		ct_verdict_names[comparison->verdict], same, comparison->n_cells,
		cell_name(cell, name), ct_quantile_names[cell->k], ratio_text(&cell->ratio, ratio));
}

/* ---- Terminal ---- */

/* As much of a value as a column has room for. */
static const char *shown(const char *value, char out[SHOWN_TEXT])
{
	return ct_text_print(out, SHOWN_TEXT, "%s", *value ? value : "-");
}

static bool print_environment(const struct ct_comparison *comparison, FILE *out,
			      const struct ct_style *style, struct ct_error *err)
{
	struct ct_table *table;
	bool ok;

	ct_print_heading(out, style, "What changed between the two");
	if (comparison->environment.n == 0) {
		fputs("Nothing that the files know of.\n\n", out);
		return true;
	}
	table = ct_table_new();
	if (table) {
		ct_table_column(table, "item", false);
		ct_table_column(table, "BASE", false);
		ct_table_column(table, "NEW", false);
	}
	for (size_t i = 0; table && i < comparison->environment.n; i++) {
		const struct ct_difference *row = &comparison->environment.rows[i];
		char value[SHOWN_TEXT];

		ct_table_cell(table, "%s", row->item);
		ct_table_cell(table, "%s", shown(row->base, value));
		ct_table_cell(table, "%s", shown(row->next, value));
	}
	ok = table && ct_table_print(table, out, style);
	ct_table_free(table);
	fputc('\n', out);
	return ok || ct_broken(err, "memory for a table");
}

static bool print_cells(const struct ct_comparison *comparison, FILE *out,
			const struct ct_style *style, struct ct_error *err)
{
	static const char *const headings[] = {"verdict",   "config",     "victim",
					       "aggressor", "NEW / BASE", "of",
					       "p adj.",    "detectable", "blocks"};
	struct ct_table *table = ct_table_new();
	bool ok;

	ct_print_heading(out, style, "Cells");
	for (size_t i = 0; table && i < sizeof headings / sizeof headings[0]; i++)
		ct_table_column(table, headings[i], i >= 4);
	for (size_t i = 0; table && i < comparison->n_cells; i++) {
		const struct ct_compared_cell *cell = &comparison->cells[i];
		char ratio[RATIO_TEXT];

		ct_table_cell(table, "%s", ct_verdict_names[cell->verdict]);
		ct_table_cell(table, "%s", cell->config);
		ct_table_cell(table, "%s", cell->victim);
		if (strcmp(cell->aggressor, "none") == 0)
			ct_table_cell(table, "none");
		else
			ct_table_cell(table, "%s %g%%", cell->aggressor, cell->intensity);
		ct_table_cell(table, "%s", ratio_text(&cell->ratio, ratio));
		ct_table_cell(table, "%s", ct_quantile_names[cell->k]);
		ct_table_cell(table, "%.2g", cell->p_adjusted);
		ct_table_cell(table, "%.2g %%", 100 * (cell->detectable - 1));
		ct_table_cell(table, "%zu + %zu", cell->base_blocks, cell->new_blocks);
	}
	ok = table && ct_table_print(table, out, style);
	ct_table_free(table);
	fputc('\n', out);
	return ok || ct_broken(err, "memory for a table");
}

static void print_unmatched(const struct ct_comparison *comparison, FILE *out,
			    const struct ct_style *style)
{
	if (comparison->n_unmatched == 0)
		return;
	ct_print_heading(out, style, "Not compared");
	for (size_t i = 0; i < comparison->n_unmatched; i++) {
		const struct ct_unmatched *cell = &comparison->unmatched[i];

		fprintf(out, "  %s beside %s %g%% (%s): %s\n", cell->victim, cell->aggressor,
			cell->intensity, cell->config, cell->reason);
	}
	fputc('\n', out);
}

/* What no interval can know: how the machine would have been at another hour. */
static void print_span(const struct ct_comparison *comparison, FILE *out)
{
	char base[CT_UNIT_TEXT], next[CT_UNIT_TEXT];

	if (comparison->lasted_s[0] > 0 && comparison->lasted_s[1] > 0)
		fprintf(out,
			"Blocks of BASE lie within %s, of NEW within %s: a level that changes more "
			"slowly is in no interval.\n",
			ct_format_ns(comparison->lasted_s[0] * 1e9, base),
			ct_format_ns(comparison->lasted_s[1] * 1e9, next));
}

bool ct_comparison_print(const struct ct_comparison *comparison, FILE *out,
			 const struct ct_style *style, struct ct_error *err)
{
	char sentence[CT_VERDICT_TEXT];

	if (!print_environment(comparison, out, style, err) ||
	    !print_cells(comparison, out, style, err))
		return false;
	print_unmatched(comparison, out, style);
	fprintf(out, "Margin %g %%, false discovery rate %g, one test for each cell.\n",
		100 * comparison->options.margin, comparison->options.fdr);
	print_span(comparison, out);
	for (size_t i = 0; i < 2; i++) {
		if (comparison->emulated[i][0])
			fprintf(out, "EMULATED: %s was measured in software emulation (%s).\n",
				i == 0 ? "BASE" : "NEW", comparison->emulated[i]);
	}
	fprintf(out, "Verdict: %s.\n", ct_comparison_sentence(comparison, sentence));
	return true;
}

/* ---- JSON ---- */

static json_t *cell_json(const struct ct_compared_cell *cell)
{
	json_t *others = json_array();

	for (size_t k = 0; k < CT_QUANTILES; k++)
		json_array_append_new(others, json_pack("{s:f, s:o}", "q", ct_quantiles[k], "ratio",
							ct_json_interval(&cell->others[k])));
	return json_pack(
		"{s:s, s:s, s:s, s:f, s:f, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:I, s:I, "
		"s:[f, f], s:[f, f], s:o}",
		"config", cell->config, "victim", cell->victim, "aggressor", cell->aggressor,
		"intensity", cell->intensity, "q", ct_quantiles[cell->k], "ratio",
		ct_json_interval(&cell->ratio), "p", ct_json_number(cell->p), "p_adjusted",
		ct_json_number(cell->p_adjusted), "p_equivalent",
		ct_json_number(cell->p_equivalent), "verdict", ct_verdict_names[cell->verdict],
		"slowdown_ratio", ct_json_interval(&cell->slowdown_ratio), "detectable",
		ct_json_number(cell->detectable), "base_blocks", (json_int_t)cell->base_blocks,
		"new_blocks", (json_int_t)cell->new_blocks, "dependence", cell->dependence[0],
		cell->dependence[1], "drift", cell->drift[0], cell->drift[1], "others", others);
}

json_t *ct_comparison_json(const struct ct_comparison *comparison)
{
	json_t *cells = json_array(), *unmatched = json_array(), *environment = json_array();

	for (size_t i = 0; i < comparison->n_cells; i++)
		json_array_append_new(cells, cell_json(&comparison->cells[i]));
	for (size_t i = 0; i < comparison->n_unmatched; i++) {
		const struct ct_unmatched *one = &comparison->unmatched[i];

		json_array_append_new(unmatched, json_pack("{s:s, s:s, s:s, s:f, s:s}", "config",
							   one->config, "victim", one->victim,
							   "aggressor", one->aggressor, "intensity",
							   one->intensity, "reason", one->reason));
	}
	for (size_t i = 0; i < comparison->environment.n; i++) {
		const struct ct_difference *row = &comparison->environment.rows[i];

		json_array_append_new(environment, json_pack("{s:s, s:s, s:s}", "item", row->item,
							     "base", row->base, "new", row->next));
	}
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:[f, f], s:f, s:f, s:f, s:o, s:o, s:o}",
			 "schema", "cotenant.compare/1", "verdict",
			 ct_verdict_names[comparison->verdict], "emulated", "base",
			 comparison->emulated[0], "new", comparison->emulated[1], "lasted_s",
			 comparison->lasted_s[0], comparison->lasted_s[1], "margin",
			 comparison->options.margin, "fdr", comparison->options.fdr, "confidence",
			 comparison->options.confidence, "cells", cells, "unmatched", unmatched,
			 "environment", environment);
}

/* ---- JUnit ---- */

struct case_text {
	char name[NAME_TEXT], message[CASE_TEXT];
};

bool ct_comparison_junit(const struct ct_comparison *comparison, FILE *out, struct ct_error *err)
{
	static const enum ct_junit_outcome outcomes[] = {CT_JUNIT_FAIL, CT_JUNIT_PASS,
							 CT_JUNIT_PASS, CT_JUNIT_SKIP};
	struct ct_junit_case *cases = calloc(comparison->n_cells + 1, sizeof *cases);
	struct case_text *texts = calloc(comparison->n_cells + 1, sizeof *texts);
	bool ok = cases && texts;

	for (size_t i = 0; ok && i < comparison->n_cells; i++) {
		const struct ct_compared_cell *cell = &comparison->cells[i];
		char ratio[RATIO_TEXT];

		cell_name(cell, texts[i].name);
		snprintf(texts[i].message, CASE_TEXT,
			 "%s: %s is %s, margin %g %%, adjusted p %.3g, blocks %zu + %zu",
			 ct_verdict_names[cell->verdict], ct_quantile_names[cell->k],
			 ratio_text(&cell->ratio, ratio), 100 * comparison->options.margin,
			 cell->p_adjusted, cell->base_blocks, cell->new_blocks);
		cases[i] = (struct ct_junit_case){.classname = "cotenant.compare",
						  .name = texts[i].name,
						  .outcome = outcomes[cell->verdict],
						  .message = texts[i].message};
	}
	ok = ok && ct_junit_write(out,
				  comparison->emulated[0][0] || comparison->emulated[1][0]
					  ? "cotenant compare (emulated)"
					  : "cotenant compare",
				  cases, comparison->n_cells);
	free(cases);
	free(texts);
	return ok || ct_broken(err, "memory for JUnit XML");
}
