/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/until_report.h"

#include <math.h>

#include "harness/report/json.h"

/* The cell's interval as a slowdown. */
static struct ct_interval slowdown_of(const struct ct_analysis *analysis, size_t cell)
{
	struct ct_interval log_ratio = ct_sequential_interval(
		&analysis->until.sequential.cells[cell], analysis->confidence);

	return (struct ct_interval){exp(log_ratio.value), exp(log_ratio.lo), exp(log_ratio.hi)};
}

static void row(struct ct_table *table, const struct ct_analysis *analysis, size_t i)
{
	const struct ct_cell_info *cell = &analysis->tables->cells[i];
	const struct ct_sequential_cell *decided = &analysis->until.sequential.cells[i];
	const struct ct_interval slowdown = slowdown_of(analysis, i);
	char value[CT_RATIO_TEXT], lo[CT_RATIO_TEXT], hi[CT_RATIO_TEXT];

	ct_table_cell(table, "%s", cell->config);
	ct_table_cell(table, "%s", analysis->tables->victims[cell->victim].name);
	ct_table_cell(table, "%s %g%%", analysis->tables->aggressors[cell->aggressor].name,
		      cell->intensity);
	ct_table_cell(table, "%s", ct_sequential_names[decided->verdict]);
	if (decided->n == 0)
		ct_table_cell(table, "?");
	else if (isinf(slowdown.hi))
		ct_table_cell(table, "%s, no interval yet", ct_format_ratio(slowdown.value, value));
	else
		ct_table_cell(table, "%s [%s, %s]", ct_format_ratio(slowdown.value, value),
			      ct_format_ratio(slowdown.lo, lo), ct_format_ratio(slowdown.hi, hi));
	ct_table_cell(table, "%zu", decided->n);
}

bool ct_until_print(const struct ct_analysis *analysis, FILE *out, const struct ct_style *style,
		    struct ct_error *err)
{
	static const char *const headings[] = {"config",  "victim",   "aggressor",
					       "verdict", "slowdown", "blocks"};
	const struct ct_until_table *until = &analysis->until;
	struct ct_table *table;
	bool ok;

	if (!until->text[0])
		return true;
	ct_print_heading(out, style, "Until decided");
	fprintf(out,
		"This campaign asked whether %s is slowed by more than %g %% and stopped when "
		"that was decided:\n%zu blocks of at most %zu. These intervals hold whenever it "
		"stopped; those below are of a single look.\n\n",
		ct_quantile_names[until->k], 100 * until->margin, until->sequential.spent,
		until->sequential.budget);
	table = ct_table_new();
	for (size_t i = 0; table && i < sizeof headings / sizeof headings[0]; i++)
		ct_table_column(table, headings[i], i >= 4);
	for (size_t i = 0; table && i < analysis->n_cells; i++)
		row(table, analysis, i);
	ok = table && ct_table_print(table, out, style);
	ct_table_free(table);
	fputc('\n', out);
	return ok || ct_broken(err, "memory for a table");
}

json_t *ct_until_json(const struct ct_analysis *analysis)
{
	const struct ct_until_table *until = &analysis->until;
	json_t *cells;

	if (!until->text[0])
		return NULL;
	cells = json_array();
	for (size_t i = 0; i < analysis->n_cells; i++) {
		const struct ct_cell_info *cell = &analysis->tables->cells[i];
		const struct ct_interval slowdown = slowdown_of(analysis, i);

		json_array_append_new(
			cells,
			json_pack("{s:s, s:s, s:s, s:f, s:s, s:o, s:I}", "config", cell->config,
				  "victim", analysis->tables->victims[cell->victim].name,
				  "aggressor", analysis->tables->aggressors[cell->aggressor].name,
				  "intensity", cell->intensity, "verdict",
				  ct_sequential_names[until->sequential.cells[i].verdict],
				  "slowdown", ct_json_interval(&slowdown), "blocks",
				  (json_int_t)until->sequential.cells[i].n));
	}
	return json_pack("{s:f, s:f, s:I, s:I, s:o}", "q", ct_quantiles[until->k], "margin",
			 until->margin, "spent_blocks", (json_int_t)until->sequential.spent,
			 "budget_blocks", (json_int_t)until->sequential.budget, "cells", cells);
}
