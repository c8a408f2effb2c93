/* SPDX-License-Identifier: Apache-2.0 */
/* The analysis in the terminal: four sections, each opened by its answer in one sentence. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/resource.h"
#include "harness/core/units.h"
#include "harness/decide/tree.h"
#include "harness/report/analysis_report.h"
#include "harness/report/answers.h"
#include "harness/report/lockin_report.h"
#include "harness/report/until_report.h"
#include "harness/store/column.h"

enum { CELL_TEXT = 112 };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct page {
	const struct ct_analysis *analysis;
	const struct ct_slo *slo;
	FILE *out;
	const struct ct_style *style;
};

static const char *ns_text(double ns, char out[CT_UNIT_TEXT])
{
	if (!isfinite(ns)) {
		snprintf(out, CT_UNIT_TEXT, isinf(ns) ? (ns > 0 ? "inf" : "0") : "?");
		return out;
	}
	return ct_format_ns(ns, out);
}

static const char *latency_text(const struct ct_interval *ns, char out[CELL_TEXT])
{
	char value[CT_UNIT_TEXT], lo[CT_UNIT_TEXT], hi[CT_UNIT_TEXT];

	if (isnan(ns->value))
		snprintf(out, CELL_TEXT, "not carried");
	else if (isnan(ns->lo))
		snprintf(out, CELL_TEXT, "%s", ns_text(ns->value, value));
	else
		snprintf(out, CELL_TEXT, "%s [%s, %s]", ns_text(ns->value, value),
			 ns_text(ns->lo, lo), ns_text(ns->hi, hi));
	return out;
}

static const char *ratio_text(const struct ct_interval *ratio, char out[CELL_TEXT])
{
	char value[CT_RATIO_TEXT], lo[CT_RATIO_TEXT], hi[CT_RATIO_TEXT];

	if (isnan(ratio->value))
		snprintf(out, CELL_TEXT, "not carried");
	else if (isnan(ratio->lo))
		snprintf(out, CELL_TEXT, "%s", ct_format_ratio(ratio->value, value));
	else
		snprintf(out, CELL_TEXT, "%s [%s, %s]", ct_format_ratio(ratio->value, value),
			 ct_format_ratio(ratio->lo, lo), ct_format_ratio(ratio->hi, hi));
	return out;
}

static struct ct_table *table_of(const char *const *headings, size_t n, size_t texts)
{
	struct ct_table *table = ct_table_new();

	for (size_t i = 0; table && i < n; i++)
		ct_table_column(table, headings[i], i >= texts);
	return table;
}

static bool finish(const struct page *page, struct ct_table *table, struct ct_error *err)
{
	bool ok = table && ct_table_print(table, page->out, page->style);

	ct_table_free(table);
	fputc('\n', page->out);
	return ok || ct_broken(err, "memory for a table");
}

static void name_cell(struct ct_table *table, const struct ct_analysis *analysis, uint32_t row)
{
	const struct ct_cell_info *cell = &analysis->tables->cells[row];

	ct_table_cell(table, "%s", cell->config);
	ct_table_cell(table, "%s", analysis->tables->victims[cell->victim].name);
	ct_table_cell(table, "%s %g%%", analysis->tables->aggressors[cell->aggressor].name,
		      cell->intensity);
}

static void answer(const struct page *page, size_t section)
{
	char text[CT_ANSWER_TEXT];

	fprintf(page->out, "%s\n\n", ct_answer(page->analysis, section, text));
}

/* ---- Instability ---- */

static void quantile_row(struct ct_table *table, const struct ct_analysis *analysis,
			 const struct ct_cell_analysis *cell, enum ct_role role)
{
	char text[CELL_TEXT];

	name_cell(table, analysis, cell->cell);
	ct_table_cell(table, "%s", role == CT_ROLE_BASELINE ? "alone" : "beside");
	for (size_t k = 0; k < CT_QUANTILES; k++) {
		const struct ct_cell_quantile *quantile = &cell->quantiles[k];

		if (k == 1 || k == 2) /* p90, p95: in the JSON */
			continue;
		ct_table_cell(table, "%s",
			      latency_text(role == CT_ROLE_BASELINE ? &quantile->baseline
								    : &quantile->treatment,
					   text));
	}
}

static bool quantiles(const struct page *page, struct ct_error *err)
{
	static const char *const headings[] = {"config", "victim", "aggressor", "side",
					       "p50",    "p99",    "p99.9",     "p99.99"};
	struct ct_table *table = table_of(headings, COUNT(headings), 4);

	for (size_t c = 0; table && c < page->analysis->n_cells; c++) {
		quantile_row(table, page->analysis, &page->analysis->cells[c], CT_ROLE_BASELINE);
		quantile_row(table, page->analysis, &page->analysis->cells[c], CT_ROLE_TREATMENT);
	}
	return finish(page, table, err);
}

static void stability_row(struct ct_table *table, const struct ct_analysis *analysis,
			  const struct ct_cell_analysis *cell, enum ct_role role)
{
	const struct ct_stability *stability = &cell->stability[role];
	char mad[CT_UNIT_TEXT];

	name_cell(table, analysis, cell->cell);
	ct_table_cell(table, "%s", role == CT_ROLE_BASELINE ? "alone" : "beside");
	ct_table_cell(table, "%.3g", stability->cov);
	ct_table_cell(table, "%s", ns_text(stability->mad_ns, mad));
	if (isnan(stability->tail.value))
		ct_table_cell(table, "?");
	else
		ct_table_cell(table, "%.2f", stability->tail.value);
	if (isnan(stability->autocorrelation_ms))
		ct_table_cell(table, "?");
	else
		ct_table_cell(table, "%.0f ms", stability->autocorrelation_ms);
	if (isnan(stability->p_drift))
		ct_table_cell(table, "?");
	else
		ct_table_cell(table, "%s (p %.2g)", stability->stationary ? "steady" : "drifts",
			      stability->p_drift);
	ct_table_cell(table, "%zu", stability->changes);
}

static bool stability(const struct page *page, struct ct_error *err)
{
	static const char *const headings[] = {"config", "victim", "aggressor", "side",  "CoV",
					       "MAD",    "tail",   "autocorr.", "level", "regimes"};
	struct ct_table *table = table_of(headings, COUNT(headings), 4);

	for (size_t c = 0; table && c < page->analysis->n_cells; c++) {
		stability_row(table, page->analysis, &page->analysis->cells[c], CT_ROLE_BASELINE);
		stability_row(table, page->analysis, &page->analysis->cells[c], CT_ROLE_TREATMENT);
	}
	if (!finish(page, table, err))
		return false;
	fputs("tail: shape above p99, 0 for exponential, above 0 heavier; regimes: changes of "
	      "level between blocks; ?: too few values to tell\n\n",
	      page->out);
	return true;
}

/* ---- Coupling ---- */

/* A GPU that both workloads use is nearer to them than what their CPUs share. */
static const char *shares_text(const struct ct_cell_analysis *cell, char out[CELL_TEXT])
{
	snprintf(out, CELL_TEXT, "%s%s", cell->tree.carriers & CT_RES_GPU ? "gpu, " : "",
		 cell->shared ? cell->shared : "?");
	return out;
}

static bool coupling(const struct page *page, struct ct_error *err)
{
	static const char *const headings[] = {"config",     "victim", "aggressor", "load",
					       "shares",     "p50",    "p99",       "p99.9",
					       "detectable", "blocks"};
	struct ct_table *table = table_of(headings, COUNT(headings), 5);

	for (size_t c = 0; table && c < page->analysis->n_cells; c++) {
		const struct ct_cell_analysis *cell = &page->analysis->cells[c];
		const size_t gate = ct_gate_quantile(cell);
		char text[CELL_TEXT];

		name_cell(table, page->analysis, cell->cell);
		ct_table_cell(table, "%s", ct_load_names[cell->load]);
		ct_table_cell(table, "%s", shares_text(cell, text));
		ct_table_cell(table, "%s", ratio_text(&cell->quantiles[0].slowdown, text));
		ct_table_cell(table, "%s", ratio_text(&cell->quantiles[3].slowdown, text));
		ct_table_cell(table, "%s", ratio_text(&cell->quantiles[4].slowdown, text));
		if (isfinite(cell->quantiles[gate].detectable))
			ct_table_cell(table, "%s by %.2g %%", ct_quantile_names[gate],
				      100 * (cell->quantiles[gate].detectable - 1));
		else
			ct_table_cell(table, "?");
		ct_table_cell(table, "%zu", cell->used);
	}
	return finish(page, table, err);
}

/* ---- The hardware tree ---- */

static void tree_row(struct ct_table *table, const struct ct_analysis *analysis,
		     const struct ct_cell_analysis *cell)
{
	const size_t gate = ct_gate_quantile(cell);
	char text[CELL_TEXT];

	name_cell(table, analysis, cell->cell);
	ct_table_cell(table, "%s", cell->tree.verdict == CT_TREE_HIDDEN ? "hidden" : "not felt");
	ct_table_cell(table, "%s", ct_resources_text(cell->tree.common, text, sizeof text));
	ct_table_cell(table, "%s", shares_text(cell, text));
	ct_table_cell(table, "%s", ct_resources_text(cell->tree.carriers, text, sizeof text));
	ct_table_cell(table, "%s", ratio_text(&cell->quantiles[0].slowdown, text));
	ct_table_cell(table, "%s", ratio_text(&cell->quantiles[gate].slowdown, text));
}

/* Only where the tree and what was felt do not agree. */
static bool hardware_tree(const struct page *page, struct ct_error *err)
{
	static const char *const headings[] = {"config",   "victim",   "aggressor",
					       "coupling", "both use", "share",
					       "of that",  "p50",      "gate"};
	const struct ct_analysis *analysis = page->analysis;
	const size_t n[] = {
		ct_tree_count(analysis, CT_TREE_CARRIED), ct_tree_count(analysis, CT_TREE_HIDDEN),
		ct_tree_count(analysis, CT_TREE_QUIET), ct_tree_count(analysis, CT_TREE_APART)};
	struct ct_table *table;

	if (n[0] + n[1] + n[2] + n[3] == 0)
		return true;
	fprintf(page->out,
		"Hardware tree: %zu coupling%s predicted and felt, %zu felt and not predicted "
		"(hidden sharing),\n%zu predicted and not felt, %zu neither.\n",
		n[0], n[0] == 1 ? "" : "s", n[1], n[2], n[3]);
	if (n[1] + n[2] == 0) {
		fputs("\n", page->out);
		return true;
	}
	table = table_of(headings, COUNT(headings), 7);
	for (size_t c = 0; table && c < analysis->n_cells; c++) {
		if (analysis->cells[c].tree.verdict == CT_TREE_HIDDEN)
			tree_row(table, analysis, &analysis->cells[c]);
	}
	for (size_t c = 0; table && c < analysis->n_cells; c++) {
		if (analysis->cells[c].tree.verdict == CT_TREE_QUIET)
			tree_row(table, analysis, &analysis->cells[c]);
	}
	return finish(page, table, err);
}

/* ---- Decomposition ---- */

static void share_cell(struct ct_table *table, double part, double total)
{
	if (total > 0)
		ct_table_cell(table, "%.1f %%", 100 * part / total);
	else
		ct_table_cell(table, "0 %%");
}

static bool decomposition(const struct page *page, struct ct_error *err)
{
	static const char *const headings[] = {"config",         "victim",         "within epoch",
					       "between epochs", "between phases", "between blocks",
					       "neighbour",      "omega squared"};
	struct ct_table *table = table_of(headings, COUNT(headings), 2);

	for (size_t i = 0; table && i < page->analysis->n_decompositions; i++) {
		const struct ct_decomposition *one = &page->analysis->decompositions[i];
		const double parts[] = {one->within_epoch.value, one->between_epoch.value,
					one->between_phase.value, one->between_block.value,
					one->cotenant.value};
		double total = 0;

		ct_table_cell(table, "%s", one->config);
		ct_table_cell(table, "%s", page->analysis->tables->victims[one->victim].name);
		for (size_t k = 0; k < 5; k++)
			total += parts[k];
		for (size_t k = 0; k < 5; k++) {
			if (one->known)
				share_cell(table, parts[k], total);
			else
				ct_table_cell(table, "?");
		}
		if (one->known)
			ct_table_cell(table, "%.3f [%.3f, %.3f]", one->omega_squared.value,
				      one->omega_squared.lo, one->omega_squared.hi);
		else
			ct_table_cell(table, "%s", one->why);
	}
	return finish(page, table, err);
}

/* ---- Guarantee and strategy ---- */

/* A column a quantile; "needs N more" are blocks of every cell. */
static bool guarantees(const struct page *page, struct ct_error *err)
{
	const struct ct_analysis *analysis = page->analysis;
	struct ct_table *table = ct_table_new();

	if (table) {
		ct_table_column(table, "config", false);
		ct_table_column(table, "victim", false);
		for (size_t k = 0; k < CT_QUANTILES; k++)
			ct_table_column(table, ct_quantile_names[k], true);
	}
	for (size_t i = 0; table && i < analysis->n_guarantees; i++) {
		const struct ct_guarantee *one = &analysis->guarantees[i];
		char text[CT_UNIT_TEXT];

		if (one->k == 0) {
			ct_table_cell(table, "%s", one->config);
			ct_table_cell(table, "%s", analysis->tables->victims[one->victim].name);
		}
		if (one->needs_blocks == 0)
			ct_table_cell(table, "<= %s", ns_text(one->bound_ns, text));
		else
			ct_table_cell(table, "needs %zu more", one->needs_blocks);
	}
	return finish(page, table, err);
}

static void grades(const struct page *page)
{
	const struct ct_analysis *analysis = page->analysis;

	for (size_t i = 0; i < analysis->n_configs; i++) {
		const struct ct_grade *grade = &analysis->grades[i];

		fprintf(page->out, "Isolation grade of %s: %c", grade->config, grade->letter);
		if (isfinite(grade->upper))
			fprintf(page->out, ", upper limit of the worst slowdown %.4g (%s)",
				grade->upper, ct_quantile_names[grade->k]);
		if (grade->ungraded > 0)
			fprintf(page->out, "; %zu cell%s without an interval", grade->ungraded,
				grade->ungraded == 1 ? "" : "s");
		fputs("\n", page->out);
	}
	fputs("A: at most 1.03, B: 1.10, C: 1.25, D: 2, E: above, by the largest upper confidence "
	      "limit of the\np99 slowdown (p90 or p50 where the blocks do not carry p99)\n\n",
	      page->out);
}

static bool prices(const struct page *page, struct ct_error *err)
{
	static const char *const headings[] = {"config", "over", "victim", "p50", "p99", "p99.9"};
	struct ct_table *table;

	if (page->analysis->n_prices == 0)
		return true;
	fputs("Price of the partition itself, nobody else there:\n", page->out);
	table = table_of(headings, COUNT(headings), 3);
	for (size_t i = 0; table && i < page->analysis->n_prices; i++) {
		const struct ct_price *price = &page->analysis->prices[i];
		char text[CELL_TEXT];

		ct_table_cell(table, "%s", price->config);
		ct_table_cell(table, "%s", price->reference);
		ct_table_cell(table, "%s", page->analysis->tables->victims[price->victim].name);
		ct_table_cell(table, "%s", ratio_text(&price->ratio[0], text));
		ct_table_cell(table, "%s", ratio_text(&price->ratio[3], text));
		ct_table_cell(table, "%s", ratio_text(&price->ratio[4], text));
	}
	return finish(page, table, err);
}

static bool ranking(const struct page *page, struct ct_error *err)
{
	static const char *const headings[] = {"rank", "config", "promise", "bound", "estimate"};
	const struct ct_analysis *analysis = page->analysis;
	struct ct_ranking *rankings;
	struct ct_table *table;
	size_t n;

	if (!page->slo)
		return true;
	rankings = calloc(analysis->n_configs + 1, sizeof *rankings);
	if (!rankings)
		return ct_broken_errno(err, "memory for %zu configs", analysis->n_configs);
	n = ct_rank_configs(analysis, page->slo, rankings);
	fputs("Configs for the SLO given, best first:\n", page->out);
	table = table_of(headings, COUNT(headings), 3);
	for (size_t i = 0; table && i < n; i++) {
		char bound[CT_UNIT_TEXT], estimate[CT_UNIT_TEXT];

		ct_table_cell(table, "%zu", i + 1);
		ct_table_cell(table, "%s", analysis->configs[rankings[i].config]);
		ct_table_cell(table, "%s", ct_promise_names[rankings[i].promise]);
		ct_table_cell(table, "%s", ns_text(rankings[i].bound_ns, bound));
		ct_table_cell(table, "%s", ns_text(rankings[i].estimate_ns, estimate));
	}
	free(rankings);
	return finish(page, table, err);
}

static bool any_used(const struct ct_analysis *analysis)
{
	for (size_t c = 0; c < analysis->n_cells; c++) {
		if (analysis->cells[c].used > 0)
			return true;
	}
	return false;
}

bool ct_analysis_print(const struct ct_analysis *analysis, const struct ct_slo *slo, FILE *out,
		       const struct ct_style *style, struct ct_error *err)
{
	const struct page page = {analysis, slo, out, style};

	if (analysis->tables->emulated[0])
		fprintf(out,
			"EMULATED: measured in software emulation (%s). No figure below says "
			"anything about hardware.\n\n",
			analysis->tables->emulated);
	if (!ct_until_print(analysis, out, style, err) ||
	    !ct_lockin_print(&analysis->lockin, analysis->tables, out, style, err))
		return false;
	/* A campaign by lock-in has no blocks for the rest. */
	if (analysis->lockin.n_pairs > 0 && !any_used(analysis))
		return true;
	ct_print_heading(out, style, "Instability");
	answer(&page, 0);
	if (!quantiles(&page, err) || !stability(&page, err))
		return false;
	ct_print_heading(out, style, "Coupling");
	answer(&page, 1);
	if (!coupling(&page, err) || !hardware_tree(&page, err))
		return false;
	ct_print_heading(out, style, "Decomposition");
	answer(&page, 2);
	if (!decomposition(&page, err))
		return false;
	ct_print_heading(out, style, "Guarantee and strategy");
	answer(&page, 3);
	if (!guarantees(&page, err))
		return false;
	grades(&page);
	return prices(&page, err) && ranking(&page, err);
}
