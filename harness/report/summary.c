/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/summary.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "harness/core/text.h"
#include "harness/core/units.h"

static const char *ns_text(double ns, char out[CT_UNIT_TEXT])
{
	if (isnan(ns)) {
		snprintf(out, CT_UNIT_TEXT, "-");
		return out;
	}
	return ct_format_ns(ns, out);
}

static void print_instrument(const struct ct_summary *summary)
{
	const struct ct_quality *quality = summary->quality;
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT], c[CT_UNIT_TEXT];

	if (quality->clock_source[0])
		fprintf(summary->out, "  clock      %s, step %s, cost %s\n", quality->clock_source,
			ns_text(quality->clock_resolution_ns, a),
			ns_text(quality->clock_cost_ns, b));
	if (!isnan(quality->null_p50_ns))
		fprintf(summary->out, "  null       p50 %s, p99 %s, max %s\n",
			ns_text(quality->null_p50_ns, a), ns_text(quality->null_p99_ns, b),
			ns_text(quality->null_max_ns, c));
	if (!isnan(quality->planted_error))
		fprintf(summary->out, "  planted    %s, recovered as %s (%+.3f %%)\n",
			ns_text(quality->planted_delay_ns, a),
			ns_text(quality->planted_recovered_ns, b), 100 * quality->planted_error);
}

bool ct_summary_quality(const struct ct_summary *summary, struct ct_error *err)
{
	const struct ct_quality *quality = summary->quality;
	const struct ct_results_tables *tables = summary->tables;
	FILE *out = summary->out;

	(void)err;
	fprintf(out, "%s: suite '%s', %s, seed %" PRIu64 "%s\n\n", tables->path, tables->suite,
		tables->created, tables->seed, tables->complete ? "" : ", NOT COMPLETE");
	ct_print_heading(out, &summary->style, "Quality of the measurement");
	print_instrument(summary);
	fprintf(out,
		"  blocks     %zu of %" PRIu64 " planned: %zu used, %zu failed, %zu where the "
		"aggressor did not load\n",
		quality->blocks, quality->planned ? quality->planned : quality->blocks,
		quality->used, quality->failed, quality->not_loaded);
	if (quality->epochs > 0)
		fprintf(out,
			"  overlap    %" PRIu64 " of %" PRIu64
			" treatment epochs had the aggressor loading all the time\n",
			quality->counted_epochs, quality->epochs);
	ct_summary_functions(summary);
	ct_summary_gpus(summary);
	for (size_t i = 0; i < quality->n_warnings; i++)
		fprintf(out, "  %s %s\n", summary->style.unicode ? "\u26a0" : "!",
			quality->warnings[i]);
	fputc('\n', out);
	return true;
}

/* What a histogram of baselines says about a victim under a config. */
struct baseline {
	struct ct_hist *hist;
	double min_ns, max_ns;
};

static bool collect_baseline(const struct ct_summary *summary, const char *config, uint32_t victim,
			     struct baseline *baseline, struct ct_error *err)
{
	const struct ct_results_tables *tables = summary->tables;

	ct_hist_clear(baseline->hist);
	baseline->min_ns = baseline->max_ns = NAN;
	for (size_t i = 0; i < tables->n_blocks; i++) {
		const struct ct_block_info *block = &tables->blocks[i];
		const struct ct_cell_info *cell = &tables->cells[block->cell];

		if (cell->victim != victim || strcmp(cell->config, config) != 0 ||
		    block->status == CT_BLOCK_FAILED)
			continue;
		for (uint32_t k = 0; k < block->n_phases; k++) {
			size_t row = block->first_phase + k;
			const struct ct_phase_info *phase = &tables->phases[row];

			if (phase->role != CT_ROLE_BASELINE)
				continue;
			if (!ct_results_add_hist(summary->results, row, baseline->hist, err))
				return false;
			baseline->min_ns = fmin(baseline->min_ns, phase->min_ns);
			baseline->max_ns = fmax(baseline->max_ns, phase->max_ns);
		}
	}
	return true;
}

static void baseline_cells(struct ct_table *table, const struct ct_summary *summary,
			   const char *config, uint32_t victim, const struct baseline *baseline)
{
	const struct ct_workload_info *info = &summary->tables->victims[victim];
	char text[CT_UNIT_TEXT];

	ct_table_cell(table, "%s", config);
	ct_table_cell(table, "%s", info->name);
	ct_table_cell(table, "%s", info->kind);
	ct_table_cell(table, "%" PRIu64, baseline->hist->total);
	ct_table_cell(table, "%s", ns_text(baseline->min_ns, text));
	for (size_t k = 0; k < CT_COUPLING_QUANTILES; k++) {
		double q = ct_coupling_q[k];
		double ns = ct_quantile_carried(baseline->hist->total, q)
				    ? ct_hist_quantile(baseline->hist, q) / 1e3
				    : NAN;

		ct_table_cell(table, "%s", ns_text(ns, text));
	}
	ct_table_cell(table, "%s", ns_text(baseline->max_ns, text));
}

/* Whether a cell is the first of its config and victim, so that each pair is shown once. */
static bool first_of_pair(const struct ct_results_tables *tables, size_t cell)
{
	for (size_t i = 0; i < cell; i++) {
		if (tables->cells[i].victim == tables->cells[cell].victim &&
		    strcmp(tables->cells[i].config, tables->cells[cell].config) == 0)
			return false;
	}
	return true;
}

static bool print_table(struct ct_table *table, const struct ct_summary *summary,
			struct ct_error *err)
{
	bool ok = ct_table_print(table, summary->out, &summary->style);

	ct_table_free(table);
	return ok || ferror(summary->out) || ct_broken(err, "memory for a table");
}

bool ct_summary_baselines(const struct ct_summary *summary, struct ct_error *err)
{
	const struct ct_results_tables *tables = summary->tables;
	struct ct_table *table = ct_table_new();
	struct ct_hist hist;
	struct baseline baseline = {.hist = &hist};
	bool ok = ct_hist_init(&hist, err);

	ct_print_heading(summary->out, &summary->style, "Victims alone");
	ct_table_column(table, "config", false);
	ct_table_column(table, "victim", false);
	ct_table_column(table, "kind", false);
	ct_table_column(table, "samples", true);
	ct_table_column(table, "min", true);
	for (size_t k = 0; k < CT_COUPLING_QUANTILES; k++)
		ct_table_column(table, ct_coupling_q_names[k], true);
	ct_table_column(table, "max", true);
	for (size_t i = 0; ok && i < tables->n_cells; i++) {
		const struct ct_cell_info *cell = &tables->cells[i];

		if (!first_of_pair(tables, i))
			continue;
		ok = collect_baseline(summary, cell->config, cell->victim, &baseline, err);
		if (ok)
			baseline_cells(table, summary, cell->config, cell->victim, &baseline);
	}
	ct_hist_free(&hist);
	if (!ok) {
		ct_table_free(table);
		return false;
	}
	ok = print_table(table, summary, err);
	fputc('\n', summary->out);
	return ok;
}

/* "1.834 [1.790, 1.880]*", or why there is no number. */
static void effect_text(const struct ct_cell_coupling *cell, size_t k, char *out, size_t size)
{
	const struct ct_effect *effect = &cell->effects[k];
	char value[CT_RATIO_TEXT], lo[CT_RATIO_TEXT], hi[CT_RATIO_TEXT];

	switch (effect->carry) {
	case CT_CARRY_FEW_SAMPLES:
		snprintf(out, size, "needs %" PRIu64 " samples, has %" PRIu64, effect->needed,
			 effect->fewest);
		return;
	case CT_CARRY_NO_BLOCKS:
		snprintf(out, size, "%s",
			 cell->load == CT_LOAD_ABSENT ? "did not load" : "no blocks");
		return;
	case CT_CARRY_ZERO:
		snprintf(out, size, "latency is 0");
		return;
	case CT_CARRY_OK:
		break;
	}
	ct_format_ratio(effect->slowdown.value, value);
	if (isnan(effect->slowdown.lo)) {
		snprintf(out, size, "%s (one block) ", value);
		return;
	}
	snprintf(out, size, "%s [%s, %s]%s", value, ct_format_ratio(effect->slowdown.lo, lo),
		 ct_format_ratio(effect->slowdown.hi, hi), ct_effect_clear(effect) ? "*" : " ");
}

/* A bar of a slowdown: on a terminal that shows its blocks, and nowhere else. */
enum { BAR_CELLS = 4, BAR_TEXT = 8 + 3 * BAR_CELLS };
static const double bar_full = 4; /* times as long; the scale is logarithmic */

static int bar_width(const struct ct_summary *summary)
{
	return summary->style.unicode ? 1 + BAR_CELLS : 0;
}

static void append_bar(const struct ct_summary *summary, double slowdown, char *out, size_t size)
{
	static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
	const double share = slowdown > 1 ? fmin(log(slowdown) / log(bar_full), 1) : 0;
	const int filled = (int)lround(8 * BAR_CELLS * share);
	char bar[BAR_TEXT] = " ";

	if (!summary->style.unicode)
		return;
	for (int i = 0; i < BAR_CELLS; i++) {
		const int left = filled - 8 * i;

		strcat(bar, eighths[left < 0 ? 0 : left > 8 ? 8 : left]);
	}
	snprintf(out + strlen(out), size - strlen(out), "%s", bar);
}

/* The colour of an entry whose interval is clear of 1: by its upper limit, as grades are given. */
static const char *severity(const struct ct_effect *effect)
{
	const int clear = ct_effect_clear(effect);

	if (clear == 0)
		return "";
	if (clear < 0 || effect->slowdown.hi <= 1.1)
		return "\033[32m";
	return effect->slowdown.hi <= 1.25 ? "\033[33m" : "\033[31m";
}

/* The table's cell of an effect, with bar and colour where the terminal takes them. */
static void effect_cell(struct ct_table *table, const struct ct_summary *summary,
			const struct ct_cell_coupling *cell, size_t k)
{
	const struct ct_effect *effect = &cell->effects[k];
	const char *colour = "";
	char text[96 + BAR_TEXT];

	effect_text(cell, k, text, sizeof text);
	if (effect->carry == CT_CARRY_OK) {
		append_bar(summary, effect->slowdown.value, text, sizeof text);
		if (summary->style.bold)
			colour = severity(effect);
	}
	ct_table_cell(table, "%s%s%s", colour, text, colour[0] ? "\033[0m" : "");
}

/* The cell of a config, victim and aggressor with the highest intensity; n_cells when none. */
static size_t strongest(const struct ct_results_tables *tables, const char *config, uint32_t victim,
			uint32_t aggressor)
{
	size_t best = tables->n_cells;

	for (size_t i = 0; i < tables->n_cells; i++) {
		const struct ct_cell_info *cell = &tables->cells[i];

		if (cell->victim == victim && cell->aggressor == aggressor &&
		    strcmp(cell->config, config) == 0 &&
		    (best == tables->n_cells || cell->intensity > tables->cells[best].intensity))
			best = i;
	}
	return best;
}

static bool config_has(const struct ct_results_tables *tables, const char *config, bool is_victim,
		       uint32_t row)
{
	for (size_t i = 0; i < tables->n_cells; i++) {
		if (strcmp(tables->cells[i].config, config) == 0 &&
		    (is_victim ? tables->cells[i].victim : tables->cells[i].aggressor) == row)
			return true;
	}
	return false;
}

static void matrix_row(struct ct_table *table, const struct ct_summary *summary, const char *config,
		       uint32_t victim, size_t k, const uint32_t *aggressors, size_t n)
{
	const struct ct_results_tables *tables = summary->tables;

	ct_table_cell(table, "%s", k == 0 ? tables->victims[victim].name : "");
	ct_table_cell(table, "%s", ct_coupling_q_names[k]);
	for (size_t a = 0; a < n; a++) {
		size_t cell = strongest(tables, config, victim, aggressors[a]);

		if (cell == tables->n_cells)
			ct_table_cell(table, "- %*s", bar_width(summary), "");
		else
			effect_cell(table, summary, &summary->coupling->cells[cell], k);
	}
}

static bool print_matrix(const struct ct_summary *summary, const char *config,
			 const uint32_t *aggressors, size_t n, struct ct_error *err)
{
	const struct ct_results_tables *tables = summary->tables;
	struct ct_table *table = ct_table_new();
	bool ok;

	ct_table_column(table, "victim", false);
	ct_table_column(table, "", false);
	for (size_t a = 0; a < n; a++) {
		char heading[128];

		/* The space stands above the mark, more of it above the bar. */
		ct_text_print(heading, sizeof heading, "%.120s %*s",
			      tables->aggressors[aggressors[a]].name, bar_width(summary), "");
		ct_table_column(table, heading, true);
	}
	for (uint32_t victim = 0; victim < tables->n_victims; victim++) {
		if (!config_has(tables, config, true, victim))
			continue;
		for (size_t k = 0; k < CT_COUPLING_QUANTILES; k++)
			matrix_row(table, summary, config, victim, k, aggressors, n);
	}
	ok = print_table(table, summary, err);
	fputc('\n', summary->out);
	return ok;
}

/* As many aggressors side by side as the terminal is wide. */
static bool print_config(const struct ct_summary *summary, const char *config, struct ct_error *err)
{
	enum { MOST = 60, LABELS = 20, CELL = 26 };
	const struct ct_results_tables *tables = summary->tables;
	const unsigned cell = CELL + (unsigned)bar_width(summary);
	size_t room = summary->style.width == 0 ? MOST
		      : summary->style.width > LABELS + cell
			      ? (summary->style.width - LABELS) / cell
			      : 1;
	uint32_t aggressors[MOST];
	size_t n = 0;

	if (room > MOST)
		room = MOST;
	for (uint32_t a = 0; a < tables->n_aggressors; a++) {
		if (config_has(tables, config, false, a))
			aggressors[n++] = a;
		if (n == room || (a + 1 == tables->n_aggressors && n > 0)) {
			if (!print_matrix(summary, config, aggressors, n, err))
				return false;
			n = 0;
		}
	}
	return true;
}

static bool first_of_config(const struct ct_results_tables *tables, size_t cell)
{
	for (size_t i = 0; i < cell; i++) {
		if (strcmp(tables->cells[i].config, tables->cells[cell].config) == 0)
			return false;
	}
	return true;
}

/* The legend, with how many marks chance alone would make. */
static void print_legend(const struct ct_summary *summary)
{
	const struct ct_coupling *coupling = summary->coupling;
	size_t marked = 0, tested = 0, contended = 0;

	for (size_t i = 0; i < coupling->n_cells; i++) {
		contended += coupling->cells[i].load == CT_LOAD_CONTENDED;
		for (size_t k = 0; k < CT_COUPLING_QUANTILES; k++) {
			const struct ct_effect *effect = &coupling->cells[i].effects[k];

			tested += effect->carry == CT_CARRY_OK && !isnan(effect->slowdown.lo);
			marked += ct_effect_clear(effect) != 0;
		}
	}
	fprintf(summary->out,
		"* the %g %% interval is clear of 1: %zu of %zu entries over all intensities; "
		"chance alone marks about %.0f.\n",
		100 * coupling->confidence, marked, tested,
		ceil((1 - coupling->confidence) * (double)tested));
	if (summary->style.unicode)
		fprintf(summary->out, "Bars are logarithmic, full at %g times.\n", bar_full);
	if (summary->style.bold)
		fputs("Colours: clear of 1, by the upper limit: green to 1.1, yellow to 1.25, red "
		      "above.\n",
		      summary->out);
	if (contended > 0)
		fprintf(summary->out,
			"In %zu cells the aggressor stayed below its asked rate although it never "
			"paused: contention limited it as well.\n",
			contended);
	fputc('\n', summary->out);
}

/* Victims alone, and nobody started beside them: what `listen` writes. */
static bool is_listening(const struct ct_results_tables *tables)
{
	for (size_t i = 0; i < tables->n_cells; i++) {
		if (tables->cells[i].intensity > 0)
			return false;
	}
	return tables->n_cells > 0;
}

bool ct_summary_matrix(const struct ct_summary *summary, struct ct_error *err)
{
	const struct ct_results_tables *tables = summary->tables;

	if (is_listening(tables))
		return true;
	for (size_t i = 0; i < tables->n_cells; i++) {
		char heading[192];

		if (!first_of_config(tables, i))
			continue;
		ct_text_print(heading, sizeof heading,
			      "Coupling under '%.100s': slowdown at the highest intensity",
			      tables->cells[i].config);
		ct_print_heading(summary->out, &summary->style, heading);
		if (!print_config(summary, tables->cells[i].config, err))
			return false;
	}
	print_legend(summary);
	return true;
}

static void sensitivity_row(struct ct_table *table, const struct ct_summary *summary, size_t i)
{
	const struct ct_results_tables *tables = summary->tables;
	const struct ct_cell_info *info = &tables->cells[i];
	const struct ct_cell_coupling *cell = &summary->coupling->cells[i];

	ct_table_cell(table, "%s", info->config);
	ct_table_cell(table, "%s", tables->victims[info->victim].name);
	ct_table_cell(table, "%s", tables->aggressors[info->aggressor].name);
	ct_table_cell(table, "%g %%", info->intensity);
	if (isnan(cell->achieved_percent))
		ct_table_cell(table, "-");
	else
		ct_table_cell(table, "%.1f %%", cell->achieved_percent);
	for (size_t k = 0; k < CT_COUPLING_QUANTILES; k++)
		effect_cell(table, summary, cell, k);
	ct_table_cell(table, "%zu/%zu", cell->used, cell->blocks);
}

bool ct_summary_sensitivity(const struct ct_summary *summary, struct ct_error *err)
{
	const struct ct_results_tables *tables = summary->tables;
	struct ct_table *table;
	bool ok;

	if (is_listening(tables))
		return true;
	table = ct_table_new();
	ct_print_heading(summary->out, &summary->style,
			 "Sensitivity: slowdown by intensity (offered and achieved)");
	ct_table_column(table, "config", false);
	ct_table_column(table, "victim", false);
	ct_table_column(table, "aggressor", false);
	ct_table_column(table, "offered", true);
	ct_table_column(table, "achieved", true);
	for (size_t k = 0; k < CT_COUPLING_QUANTILES; k++)
		ct_table_column(table, ct_coupling_q_names[k], true);
	ct_table_column(table, "blocks", true);
	for (size_t i = 0; i < tables->n_cells; i++)
		sensitivity_row(table, summary, i);
	ok = print_table(table, summary, err);
	fputc('\n', summary->out);
	return ok;
}

/* The narrowest effect that the widest p50 interval would still have hidden. */
static double blind_below(const struct ct_coupling *coupling)
{
	double widest = NAN;

	for (size_t i = 0; i < coupling->n_cells; i++) {
		const struct ct_interval *slowdown = &coupling->cells[i].effects[0].slowdown;

		if (coupling->cells[i].effects[0].carry == CT_CARRY_OK)
			widest = fmax(widest, slowdown->hi / slowdown->value);
	}
	return widest;
}

/* What was heard, from the log. */
static bool print_events(const struct ct_summary *summary, struct ct_error *err)
{
	struct ct_log_row *rows = NULL;
	size_t n = 0, events = 0;

	if (!ct_results_log(summary->results, &rows, &n, err))
		return false;
	ct_print_heading(summary->out, &summary->style, "Heard");
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].level, "event") != 0)
			continue;
		fprintf(summary->out, "%s\n", rows[i].text);
		events++;
	}
	if (events == 0)
		fputs("No neighbour: nothing changed by more than its own noise.\n", summary->out);
	ct_log_rows_free(rows, n);
	return true;
}

bool ct_summary_sentence(const struct ct_summary *summary, struct ct_error *err)
{
	/* The tail is what a tenant suffers from; the median speaks where the tail can't. */
	static const size_t order[] = {1, 0};
	const struct ct_results_tables *tables = summary->tables;
	const struct ct_coupling *coupling = summary->coupling;
	char value[CT_RATIO_TEXT], lo[CT_RATIO_TEXT], hi[CT_RATIO_TEXT];

	if (is_listening(tables))
		return print_events(summary, err);
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		size_t k = order[i], worst = ct_coupling_worst(coupling, k);
		const struct ct_cell_info *cell;
		const struct ct_interval *slowdown;

		if (worst == coupling->n_cells)
			continue;
		cell = &tables->cells[worst];
		slowdown = &coupling->cells[worst].effects[k].slowdown;
		fprintf(summary->out,
			"'%s' disturbs '%s' most: at %g %% intensity under '%s' its %s is %s times "
			"as long (%g %% interval %s to %s).\n",
			tables->aggressors[cell->aggressor].name,
			tables->victims[cell->victim].name, cell->intensity, cell->config,
			ct_coupling_q_names[k], ct_format_ratio(slowdown->value, value),
			100 * coupling->confidence, ct_format_ratio(slowdown->lo, lo),
			ct_format_ratio(slowdown->hi, hi));
		return true;
	}
	fputs("No aggressor measurably slows any victim: no interval lies wholly above 1",
	      summary->out);
	if (!isnan(blind_below(coupling)))
		fprintf(summary->out, " (a p50 slowdown below %s could have been missed)",
			ct_format_ratio(blind_below(coupling), value));
	fputs(".\n", summary->out);
	return true;
}
