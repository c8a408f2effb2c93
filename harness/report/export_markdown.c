/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A result as GitHub-flavoured Markdown, for a pull request or an issue. Names come from a file
 * that anybody may have written: none may end a table cell, become markup, or notify somebody.
 */
#include "harness/report/export.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "harness/core/units.h"
#include "harness/decide/analysis.h"
#include "harness/decide/quality.h"
#include "harness/report/table.h"
#include "harness/store/column.h"

static const double confidence = 0.95;

struct page {
	const struct ct_analysis *analysis;
	const struct ct_quality *quality;
	const struct ct_selection *selection;
	FILE *out;
};

/*
 * Markup characters as numbers: unlike a backslash, a number is safe before a table is split into
 * cells as well as after. A zero-width space keeps '@' from calling people.
 */
static void put_text(const char *text, FILE *out)
{
	static const char markup[] = "|`<>&[]()\\~#!$:*_\"'{}+=^";

	for (char before = 0; *text; before = *text++) {
		const unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			fputc(' ', out);
		else if (c == '@')
			fputs("@&#8203;", out);
		else if (strchr(markup, c) || (c == '.' && (before == 'w' || before == 'W')))
			fprintf(out, "&#%d;", c);
		else
			fputc(c, out);
	}
}

/* Each cell opens itself; the row is closed by end_row. */
static void text_cell(const struct page *page, const char *text)
{
	fputs("| ", page->out);
	put_text(text, page->out);
	fputc(' ', page->out);
}

static void end_row(const struct page *page)
{
	fputs("|\n", page->out);
}

/* The first `texts` columns to the left, the others to the right. */
static void put_headings(const struct page *page, const char *const *headings, size_t n,
			 size_t texts)
{
	for (size_t i = 0; i < n; i++)
		fprintf(page->out, "| %s ", headings[i]);
	end_row(page);
	for (size_t i = 0; i < n; i++)
		fputs(i < texts ? "|---" : "|---:", page->out);
	end_row(page);
}

static void latency_cell(const struct page *page, double ns)
{
	char text[CT_UNIT_TEXT];

	fprintf(page->out, "| %s ", isfinite(ns) ? ct_format_ns(ns, text) : "–");
}

static void interval_text(const struct ct_interval *ratio, FILE *out)
{
	char value[CT_RATIO_TEXT], lo[CT_RATIO_TEXT], hi[CT_RATIO_TEXT];

	if (!isfinite(ratio->value))
		fputs("–", out);
	else if (isnan(ratio->lo) || isnan(ratio->hi))
		fprintf(out, "%s (no interval)", ct_format_ratio(ratio->value, value));
	else
		fprintf(out, "%s [%s, %s]", ct_format_ratio(ratio->value, value),
			ct_format_ratio(ratio->lo, lo), ct_format_ratio(ratio->hi, hi));
}

static bool cell_selected(const struct page *page, const struct ct_cell_analysis *cell)
{
	struct ct_selection any_role = *page->selection;
	const struct ct_phase_info phase = {.cell = cell->cell};

	any_role.role = -1;
	return ct_selected(page->analysis->tables, &any_role, &phase);
}

static bool pair_selected(const struct page *page, const char *config, uint32_t victim)
{
	const struct ct_selection *selection = page->selection;

	return (!selection->config || strcmp(selection->config, config) == 0) &&
	       (!selection->victim ||
		strcmp(selection->victim, page->analysis->tables->victims[victim].name) == 0);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void put_head(const struct page *page)
{
	const struct ct_results_tables *tables = page->analysis->tables;
	const struct ct_quality *quality = page->quality;

	fputs("## Noisy neighbours: ", page->out);
	put_text(tables->suite, page->out);
	fprintf(page->out,
		"\n\n%zu victim%s beside %zu aggressor%s under %zu config%s, %zu cell%s of "
		"randomised blocks, measured ",
		tables->n_victims, plural(tables->n_victims), tables->n_aggressors,
		plural(tables->n_aggressors), page->analysis->n_configs,
		plural(page->analysis->n_configs), tables->n_cells, plural(tables->n_cells));
	put_text(tables->created, page->out);
	fputs(tables->version[0] ? " by cotenant " : "", page->out);
	put_text(tables->version, page->out);
	fprintf(page->out,
		".\n\nQuality: %zu of %" PRIu64 " planned blocks, %zu used, %zu failed, %zu where "
		"the aggressor did not load",
		quality->blocks, quality->planned ? quality->planned : quality->blocks,
		quality->used, quality->failed, quality->not_loaded);
	if (isfinite(quality->planted_error))
		fprintf(page->out, "; a planted delay recovered to %+.3f %%",
			100 * quality->planted_error);
	fprintf(page->out, "%s.\n\n", tables->complete ? "" : "; **the campaign is not complete**");
	for (size_t i = 0; i < quality->n_warnings; i++) {
		fputs("- ⚠ ", page->out);
		put_text(quality->warnings[i], page->out);
		fputc('\n', page->out);
	}
	if (quality->n_warnings > 0)
		fputc('\n', page->out);
}

static void cell_row(const struct page *page, const struct ct_cell_analysis *cell)
{
	const struct ct_results_tables *tables = page->analysis->tables;
	const struct ct_cell_info *info = &tables->cells[cell->cell];
	const size_t gate = ct_gate_quantile(cell);

	text_cell(page, info->config);
	text_cell(page, tables->victims[info->victim].name);
	text_cell(page, tables->aggressors[info->aggressor].name);
	fprintf(page->out, "| %g %% ", info->intensity);
	latency_cell(page, cell->quantiles[0].baseline.value);
	latency_cell(page, cell->quantiles[ct_quantile_find("p99")].baseline.value);
	fputs("| ", page->out);
	interval_text(&cell->quantiles[0].slowdown, page->out);
	fprintf(page->out, " | %s: ", ct_quantile_names[gate]);
	interval_text(&cell->quantiles[gate].slowdown, page->out);
	fprintf(page->out, " | %s ", ct_load_names[cell->load]);
	end_row(page);
}

static void put_cells(const struct page *page)
{
	static const char *const headings[] = {"config",       "victim",    "aggressor",
					       "intensity",    "p50 alone", "p99 alone",
					       "slowdown p50", "slowdown",  "load"};

	fprintf(page->out,
		"Slowdown beside the aggressor, paired by block, with %g %% intervals; in the last "
		"column of them the highest of p50, p90 and p99 that every block carries.\n\n",
		100 * page->analysis->confidence);
	put_headings(page, headings, sizeof headings / sizeof headings[0], 3);
	for (size_t i = 0; i < page->analysis->n_cells; i++) {
		if (cell_selected(page, &page->analysis->cells[i]))
			cell_row(page, &page->analysis->cells[i]);
	}
	fputc('\n', page->out);
}

static void put_shares(const struct page *page)
{
	static const char *const headings[] = {"config", "victim", "omega squared"};

	fputs("### Share of the variance that is the neighbours'\n\n", page->out);
	put_headings(page, headings, sizeof headings / sizeof headings[0], 2);
	for (size_t i = 0; i < page->analysis->n_decompositions; i++) {
		const struct ct_decomposition *one = &page->analysis->decompositions[i];

		if (!pair_selected(page, one->config, one->victim))
			continue;
		text_cell(page, one->config);
		text_cell(page, page->analysis->tables->victims[one->victim].name);
		if (one->known)
			fprintf(page->out, "| %.3f [%.3f, %.3f] ", one->omega_squared.value,
				one->omega_squared.lo, one->omega_squared.hi);
		else
			text_cell(page, one->why ? one->why : "not known");
		end_row(page);
	}
	fputc('\n', page->out);
}

static void put_guarantees(const struct page *page)
{
	fprintf(page->out,
		"### Guarantees\n\nUpper bounds of the quantiles under the worst neighbour tested, "
		"%g %% confidence.\n\n| config | victim ",
		100 * page->analysis->confidence);
	for (size_t k = 0; k < CT_QUANTILES; k++)
		fprintf(page->out, "| %s ", ct_quantile_names[k]);
	fputs("|\n|---|---", page->out);
	for (size_t k = 0; k < CT_QUANTILES; k++)
		fputs("|---:", page->out);
	end_row(page);
	for (size_t i = 0; i < page->analysis->n_guarantees; i++) {
		const struct ct_guarantee *one = &page->analysis->guarantees[i];
		char text[CT_UNIT_TEXT];

		if (!pair_selected(page, one->config, one->victim))
			continue;
		if (one->k == 0) {
			text_cell(page, one->config);
			text_cell(page, page->analysis->tables->victims[one->victim].name);
		}
		if (one->needs_blocks > 0)
			fprintf(page->out, "| needs %zu more block%s ", one->needs_blocks,
				plural(one->needs_blocks));
		else if (isfinite(one->bound_ns))
			fprintf(page->out, "| &le; %s ", ct_format_ns(one->bound_ns, text));
		else
			fputs("| – ", page->out);
		if (one->k == CT_QUANTILES - 1)
			end_row(page);
	}
	fputc('\n', page->out);
}

static void grade_row(const struct page *page, const struct ct_grade *grade)
{
	const struct ct_results_tables *tables = page->analysis->tables;
	const struct ct_cell_info *worst = &tables->cells[grade->worst];

	text_cell(page, grade->config);
	fprintf(page->out, "| %c ", grade->letter);
	if (isfinite(grade->upper)) {
		fprintf(page->out, "| %.4g (%s) ", grade->upper, ct_quantile_names[grade->k]);
		text_cell(page, tables->victims[worst->victim].name);
		text_cell(page, tables->aggressors[worst->aggressor].name);
	} else {
		fputs("| – | – | – ", page->out);
	}
	fprintf(page->out, "| %zu ", grade->ungraded);
	end_row(page);
}

static void put_grades(const struct page *page)
{
	static const char *const headings[] = {
		"config", "grade",     "upper limit of the worst slowdown",
		"victim", "aggressor", "cells without an interval"};

	fputs("### Isolation grades\n\n", page->out);
	put_headings(page, headings, sizeof headings / sizeof headings[0], 2);
	for (size_t i = 0; i < page->analysis->n_configs; i++) {
		const struct ct_grade *grade = &page->analysis->grades[i];

		if (!page->selection->config || strcmp(page->selection->config, grade->config) == 0)
			grade_row(page, grade);
	}
	fputs("\nA: at most 1.03, B: 1.10, C: 1.25, D: 2, E: above.\n", page->out);
}

bool ct_export_markdown(struct ct_results *results, const struct ct_selection *selection, FILE *out,
			struct ct_error *err)
{
	struct ct_analysis analysis;
	struct ct_coupling coupling;
	struct ct_quality quality;
	const struct page page = {
		.analysis = &analysis, .quality = &quality, .selection = selection, .out = out};

	bool ok;

	if (!ct_coupling_make(&coupling, results, confidence, err))
		return false;
	ok = ct_quality_make(&quality, results, &coupling, err);
	ct_coupling_free(&coupling);
	if (!ok || !ct_analysis_make(&analysis, results, confidence, err))
		return false;
	put_head(&page);
	put_cells(&page);
	put_shares(&page);
	put_guarantees(&page);
	put_grades(&page);
	ct_analysis_free(&analysis);
	return true;
}
