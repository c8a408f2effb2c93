/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A result as OpenMetrics 1.0 text: what a Prometheus user wants of it on a dashboard. Base units,
 * no timestamps; what is not known is left out, never NaN. Limits of intervals are families of
 * their own, not a label, so that sums and averages over labels stay meaningful.
 */
#include "harness/report/export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/decide/analysis.h"
#include "harness/store/column.h"

enum { NUMBER_TEXT = 32 };
static const double confidence = 0.95;

enum side { SIDE_VALUE, SIDE_LOWER, SIDE_UPPER };

struct page {
	const struct ct_analysis *analysis;
	const struct ct_selection *selection;
	enum side side; /* of the family at hand */
	FILE *out;
};

/* The fewest digits that give the same number back. */
static const char *number_text(double value, char out[NUMBER_TEXT])
{
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(out, NUMBER_TEXT, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			break;
	}
	return out;
}

static void put_escaped(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\\' || *text == '"')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

/* `separator` is '{' before the first label of a sample, ',' before the others. */
static void put_label(const struct page *page, char separator, const char *name, const char *value)
{
	fprintf(page->out, "%c%s=\"", separator, name);
	put_escaped(value, page->out);
	fputc('"', page->out);
}

static void put_number_label(const struct page *page, const char *name, double value)
{
	char text[NUMBER_TEXT];

	put_label(page, ',', name, number_text(value, text));
}

static void put_value(const struct page *page, double value)
{
	char text[NUMBER_TEXT];

	fprintf(page->out, "} %s\n", number_text(value, text));
}

static double side_of(const struct page *page, const struct ct_interval *interval)
{
	return page->side == SIDE_LOWER   ? interval->lo
	       : page->side == SIDE_UPPER ? interval->hi
					  : interval->value;
}

static bool cell_selected(const struct page *page, const struct ct_cell_analysis *cell)
{
	struct ct_selection any_role = *page->selection;
	const struct ct_phase_info phase = {.cell = cell->cell};

	any_role.role = -1;
	return ct_selected(page->analysis->tables, &any_role, &phase);
}

static bool role_selected(const struct page *page, enum ct_role role)
{
	return page->selection->role < 0 || page->selection->role == (int)role;
}

/* What is said of a victim under a config holds over all aggressors, intensities and roles. */
static bool pair_selected(const struct page *page, const char *config, uint32_t victim)
{
	const struct ct_selection *selection = page->selection;

	return (!selection->config || strcmp(selection->config, config) == 0) &&
	       (!selection->victim ||
		strcmp(selection->victim, page->analysis->tables->victims[victim].name) == 0);
}

static void put_cell_labels(const struct page *page, const struct ct_cell_analysis *cell)
{
	const struct ct_results_tables *tables = page->analysis->tables;
	const struct ct_cell_info *info = &tables->cells[cell->cell];

	put_label(page, '{', "config", info->config);
	put_label(page, ',', "victim", tables->victims[info->victim].name);
	put_label(page, ',', "aggressor", tables->aggressors[info->aggressor].name);
	put_number_label(page, "intensity", info->intensity);
}

static void put_pair_labels(const struct page *page, const char *config, uint32_t victim)
{
	put_label(page, '{', "config", config);
	put_label(page, ',', "victim", page->analysis->tables->victims[victim].name);
}

static void put_quantile(const struct page *page, const char *name,
			 const struct ct_cell_analysis *cell, enum ct_role role, size_t k,
			 double value)
{
	if (!isfinite(value) || !role_selected(page, role))
		return;
	fputs(name, page->out);
	put_cell_labels(page, cell);
	put_label(page, ',', "role", ct_role_names[role]);
	put_number_label(page, "quantile", ct_quantiles[k]);
	put_value(page, value);
}

static void put_latency(const struct page *page, const char *name,
			const struct ct_cell_analysis *cell)
{
	for (size_t k = 0; k < CT_QUANTILES; k++) {
		const struct ct_cell_quantile *quantile = &cell->quantiles[k];

		put_quantile(page, name, cell, CT_ROLE_BASELINE, k,
			     side_of(page, &quantile->baseline) / 1e9);
		put_quantile(page, name, cell, CT_ROLE_TREATMENT, k,
			     side_of(page, &quantile->treatment) / 1e9);
	}
}

static void put_slowdown(const struct page *page, const char *name,
			 const struct ct_cell_analysis *cell)
{
	for (size_t k = 0; k < CT_QUANTILES; k++) {
		const struct ct_cell_quantile *quantile = &cell->quantiles[k];

		put_quantile(page, name, cell, CT_ROLE_TREATMENT, k,
			     side_of(page, &quantile->slowdown));
		put_quantile(page, name, cell, CT_ROLE_RECOVERY, k,
			     side_of(page, &quantile->recovery));
	}
}

static void put_achieved(const struct page *page, const char *name,
			 const struct ct_cell_analysis *cell)
{
	if (!isfinite(cell->achieved_percent))
		return;
	fputs(name, page->out);
	put_cell_labels(page, cell);
	put_value(page, cell->achieved_percent / 100);
}

static void put_blocks(const struct page *page, const char *name,
		       const struct ct_cell_analysis *cell)
{
	const struct {
		const char *state;
		size_t n;
	} states[] = {
		{"used", cell->used}, {"failed", cell->failed}, {"not_loaded", cell->not_loaded}};

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		fputs(name, page->out);
		put_cell_labels(page, cell);
		put_label(page, ',', "state", states[i].state);
		put_value(page, (double)states[i].n);
	}
}

static void put_shares(const struct page *page, const char *name)
{
	for (size_t i = 0; i < page->analysis->n_decompositions; i++) {
		const struct ct_decomposition *one = &page->analysis->decompositions[i];
		const double value = side_of(page, &one->omega_squared);

		if (!one->known || !isfinite(value) ||
		    !pair_selected(page, one->config, one->victim))
			continue;
		fputs(name, page->out);
		put_pair_labels(page, one->config, one->victim);
		put_value(page, value);
	}
}

static void put_guarantees(const struct page *page, const char *name)
{
	for (size_t i = 0; i < page->analysis->n_guarantees; i++) {
		const struct ct_guarantee *one = &page->analysis->guarantees[i];

		if (one->needs_blocks > 0 || !isfinite(one->bound_ns) ||
		    !pair_selected(page, one->config, one->victim))
			continue;
		fputs(name, page->out);
		put_pair_labels(page, one->config, one->victim);
		put_number_label(page, "quantile", ct_quantiles[one->k]);
		put_number_label(page, "confidence", page->analysis->confidence);
		put_value(page, one->bound_ns / 1e9);
	}
}

static const struct family {
	const char *name, *unit; /* the name ends in the unit, as the format asks for */
	enum side side;
	/* One of the two: samples of one cell, or of all pairs of config and victim. */
	void (*cell)(const struct page *page, const char *name,
		     const struct ct_cell_analysis *cell);
	void (*pairs)(const struct page *page, const char *name);
	const char *help;
} families[] = {
	{.name = "cotenant_latency_seconds",
	 .unit = "seconds",
	 .cell = put_latency,
	 .help = "Quantile of the victim's latency over all blocks that count, alone "
		 "(role=baseline) or beside the aggressor (role=treatment) at an intensity in "
		 "percent of its maximum."},
	{.name = "cotenant_latency_lower_seconds",
	 .unit = "seconds",
	 .side = SIDE_LOWER,
	 .cell = put_latency,
	 .help = "Lower 95 % confidence limit of cotenant_latency_seconds."},
	{.name = "cotenant_latency_upper_seconds",
	 .unit = "seconds",
	 .side = SIDE_UPPER,
	 .cell = put_latency,
	 .help = "Upper 95 % confidence limit of cotenant_latency_seconds."},
	{.name = "cotenant_slowdown_ratio",
	 .unit = "ratio",
	 .cell = put_slowdown,
	 .help = "Latency quantile beside the aggressor (role=treatment), or after it has gone "
		 "(role=recovery), over the same quantile alone, paired by block. Its limits are "
		 "cotenant_slowdown_lower_ratio and cotenant_slowdown_upper_ratio."},
	{.name = "cotenant_slowdown_lower_ratio",
	 .unit = "ratio",
	 .side = SIDE_LOWER,
	 .cell = put_slowdown,
	 .help = "Lower 95 % confidence limit of cotenant_slowdown_ratio; above 1 the slowdown "
		 "is proved."},
	{.name = "cotenant_slowdown_upper_ratio",
	 .unit = "ratio",
	 .side = SIDE_UPPER,
	 .cell = put_slowdown,
	 .help = "Upper 95 % confidence limit of cotenant_slowdown_ratio."},
	{.name = "cotenant_load_achieved_ratio",
	 .unit = "ratio",
	 .cell = put_achieved,
	 .help = "Rate that the aggressor achieved beside the victim over the most it achieves "
		 "alone."},
	{.name = "cotenant_cotenant_share_ratio",
	 .unit = "ratio",
	 .pairs = put_shares,
	 .help = "Omega squared: share of the variance of the victim's log latency that is the "
		 "neighbours'."},
	{.name = "cotenant_cotenant_share_lower_ratio",
	 .unit = "ratio",
	 .side = SIDE_LOWER,
	 .pairs = put_shares,
	 .help = "Lower 95 % confidence limit of cotenant_cotenant_share_ratio."},
	{.name = "cotenant_cotenant_share_upper_ratio",
	 .unit = "ratio",
	 .side = SIDE_UPPER,
	 .pairs = put_shares,
	 .help = "Upper 95 % confidence limit of cotenant_cotenant_share_ratio."},
	{.name = "cotenant_guarantee_seconds",
	 .unit = "seconds",
	 .pairs = put_guarantees,
	 .help = "With this confidence the victim's quantile is at most this long under the worst "
		 "neighbour tested; absent where more blocks are needed."},
	{.name = "cotenant_blocks",
	 .cell = put_blocks,
	 .help = "Blocks of a cell by what became of them."},
};

static void put_family(struct page *page, const struct family *family)
{
	fprintf(page->out, "# TYPE %s gauge\n", family->name);
	if (family->unit)
		fprintf(page->out, "# UNIT %s %s\n", family->name, family->unit);
	fprintf(page->out, "# HELP %s %s\n", family->name, family->help);
	page->side = family->side;
	if (family->pairs) {
		family->pairs(page, family->name);
		return;
	}
	for (size_t i = 0; i < page->analysis->n_cells; i++) {
		if (cell_selected(page, &page->analysis->cells[i]))
			family->cell(page, family->name, &page->analysis->cells[i]);
	}
}

static void put_info(const struct page *page)
{
	const struct ct_results_tables *tables = page->analysis->tables;

	fputs("# TYPE cotenant info\n# HELP cotenant The campaign: its suite, when it was begun, "
	      "by which version of cotenant, and whether it was run to its end.\ncotenant_info",
	      page->out);
	put_label(page, '{', "suite", tables->suite);
	put_label(page, ',', "created", tables->created);
	put_label(page, ',', "version", tables->version);
	put_label(page, ',', "emulated", tables->emulated[0] ? "true" : "false");
	put_label(page, ',', "complete", tables->complete ? "true" : "false");
	put_value(page, 1);
}

bool ct_export_openmetrics(struct ct_results *results, const struct ct_selection *selection,
			   FILE *out, struct ct_error *err)
{
	struct ct_analysis analysis;
	struct page page = {.analysis = &analysis, .selection = selection, .out = out};

	if (!ct_analysis_make(&analysis, results, confidence, err))
		return false;
	put_info(&page);
	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
		put_family(&page, &families[i]);
	fputs("# EOF\n", out);
	ct_analysis_free(&analysis);
	return true;
}
