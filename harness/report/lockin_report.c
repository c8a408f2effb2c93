/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/lockin_report.h"

#include <math.h>

#include "harness/report/json.h"

enum { CELL_TEXT = 64 };
static const double clear = 0.05; /* of the adjusted p: what is marked */

/* A change of the logarithm in percent. */
static double percent(double log_change)
{
	return 100 * expm1(log_change);
}

static const char *shift_text(const struct ct_interval *shift, char out[CELL_TEXT])
{
	if (isnan(shift->value))
		snprintf(out, CELL_TEXT, "?");
	else
		snprintf(out, CELL_TEXT, "%+.3g %% [%+.3g, %+.3g]", percent(shift->value),
			 percent(shift->lo), percent(shift->hi));
	return out;
}

static const char *p_text(double p, char out[CELL_TEXT])
{
	if (isnan(p))
		snprintf(out, CELL_TEXT, "?");
	else
		snprintf(out, CELL_TEXT, "%.2g%s", p, p <= clear ? " *" : "");
	return out;
}

static const char *delay_text(const struct ct_lockin_effect *effect, char out[CELL_TEXT])
{
	const struct ct_interval *delay = &effect->line.delay_s;

	if (!(effect->q <= clear) || !isfinite(delay->lo))
		snprintf(out, CELL_TEXT, "-");
	else
		snprintf(out, CELL_TEXT, "%+.0f ms [%+.0f, %+.0f]", 1e3 * delay->value,
			 1e3 * delay->lo, 1e3 * delay->hi);
	return out;
}

static void row(struct ct_table *text, const struct ct_lockin_pair *pair,
		const struct ct_results_tables *tables)
{
	const struct ct_lockin_effect *median = &pair->effects[0];
	char cell[CELL_TEXT];

	ct_table_cell(text, "%s", pair->config);
	ct_table_cell(text, "%s", tables->victims[pair->victim].name);
	ct_table_cell(text, "%s %g%%", tables->aggressors[pair->aggressor].name, pair->intensity);
	ct_table_cell(text, "%.3f Hz", pair->frequency_hz);
	if (isnan(pair->achieved))
		ct_table_cell(text, "?");
	else
		ct_table_cell(text, "%.0f / %.0f %%", 100 * pair->achieved, 100 * pair->leakage);
	ct_table_cell(text, "%s", shift_text(&median->line.shift, cell));
	ct_table_cell(text, "%s", p_text(median->q, cell));
	ct_table_cell(text, "%s", delay_text(median, cell));
	ct_table_cell(text, "%s", shift_text(&pair->effects[1].line.shift, cell));
	ct_table_cell(text, "%s", p_text(pair->effects[1].q, cell));
	if (isnan(median->line.detectable))
		ct_table_cell(text, "?");
	else
		ct_table_cell(text, "%.2g %%", percent(median->line.detectable));
}

bool ct_lockin_print(const struct ct_lockin_table *table, const struct ct_results_tables *tables,
		     FILE *out, const struct ct_style *style, struct ct_error *err)
{
	static const char *const headings[] = {"config",    "victim",    "aggressor", "switched at",
					       "on / off",  "p50 shift", "p",         "delay",
					       "p99 shift", "p",         "detectable"};
	const size_t texts = 3;
	struct ct_table *text;
	size_t found = 0;
	bool ok;

	if (table->n_pairs == 0)
		return true;
	for (size_t i = 0; i < table->n_pairs; i++)
		found += table->pairs[i].effects[0].q <= clear;
	ct_print_heading(out, style, "Lock-in");
	fprintf(out,
		"%zu of %zu pairs of victim and aggressor have a shift of the median that follows "
		"the aggressor\n(false discovery rate at most 5 %%).\n\n",
		found, table->n_pairs);
	text = ct_table_new();
	for (size_t i = 0; text && i < sizeof headings / sizeof headings[0]; i++)
		ct_table_column(text, headings[i], i >= texts);
	for (size_t i = 0; text && i < table->n_pairs; i++)
		row(text, &table->pairs[i], tables);
	ok = text && ct_table_print(text, out, style);
	ct_table_free(text);
	for (size_t i = 0; i < table->n_pairs; i++) {
		const struct ct_lockin_pair *pair = &table->pairs[i];

		if (pair->why)
			fprintf(out, "%s beside %s: %s\n", tables->victims[pair->victim].name,
				tables->aggressors[pair->aggressor].name, pair->why);
	}
	fputs("shift: while the aggressor is on against off, all aggressors told apart, without "
	      "delay; p: of none,\nadjusted for all pairs; on / off: what the aggressor did while "
	      "on and while off, of what was asked\nwhile on; detectable: p50 shift that is found "
	      "with power 0.95 by this much data\n\n",
	      out);
	return ok || ct_broken(err, "memory for a table");
}

static json_t *shift_json(const struct ct_interval *shift)
{
	const struct ct_interval value = {percent(shift->value), percent(shift->lo),
					  percent(shift->hi)};

	return ct_json_interval(&value);
}

static json_t *effect_json(const struct ct_lockin_effect *effect, double q)
{
	const struct ct_lockin_line *line = &effect->line;
	json_t *harmonics = json_array();

	for (size_t h = 0; h < CT_LOCKIN_HARMONICS; h++)
		json_array_append_new(harmonics, ct_json_number(line->harmonics[h]));
	return json_pack(
		"{s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "q", q, "shift_percent",
		shift_json(&line->shift), "p", ct_json_number(line->p), "p_adjusted",
		ct_json_number(effect->q), "amplitude_percent", shift_json(&line->amplitude),
		"delay_s", ct_json_interval(&line->delay_s), "harmonics", harmonics,
		"detectable_percent", ct_json_number(percent(line->detectable)), "segments",
		(json_int_t)line->segments, "effective_segments", ct_json_number(line->effective));
}

static json_t *pair_json(const struct ct_lockin_pair *pair, const struct ct_results_tables *tables)
{
	json_t *effects = json_array();

	for (size_t k = 0; k < CT_LOCKIN_QUANTILES; k++)
		json_array_append_new(effects, effect_json(&pair->effects[k], ct_lockin_q[k]));
	return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:I, s:I, s:o, s:o, s:o, s:s?, s:o}",
			 "config", pair->config, "victim", tables->victims[pair->victim].name,
			 "aggressor", tables->aggressors[pair->aggressor].name, "intensity",
			 pair->intensity, "frequency_hz", pair->frequency_hz, "duty", pair->duty,
			 "phases", (json_int_t)pair->phases, "phases_left_out",
			 (json_int_t)pair->left_out, "achieved", ct_json_number(pair->achieved),
			 "leakage", ct_json_number(pair->leakage), "clipped_epochs",
			 ct_json_number(pair->clipped), "why", pair->why, "effects", effects);
}

json_t *ct_lockin_json(const struct ct_lockin_table *table, const struct ct_results_tables *tables)
{
	json_t *list = json_array();

	for (size_t i = 0; i < table->n_pairs; i++)
		json_array_append_new(list, pair_json(&table->pairs[i], tables));
	return list;
}
