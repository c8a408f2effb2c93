/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/answers.h"

#include <math.h>
#include <stdio.h>

#include "harness/core/text.h"
#include "harness/core/units.h"
#include "harness/report/table.h"

static const char *victim_of(const struct ct_analysis *analysis, uint32_t cell)
{
	return analysis->tables->victims[analysis->tables->cells[cell].victim].name;
}

static const char *aggressor_of(const struct ct_analysis *analysis, uint32_t cell)
{
	return analysis->tables->aggressors[analysis->tables->cells[cell].aggressor].name;
}

/* " in CONFIG" where there are several: with one, its name tells nothing. */
static const char *where(const struct ct_analysis *analysis, const char *config, char out[160])
{
	if (analysis->n_configs > 1)
		snprintf(out, 160, " in %s", config);
	else
		out[0] = '\0';
	return out;
}

static const char *instability(const struct ct_analysis *analysis, char out[CT_ANSWER_TEXT])
{
	uint32_t worst = 0;
	double most = -1;
	char config[160];

	for (uint32_t c = 0; c < analysis->n_cells; c++) {
		if (analysis->cells[c].jitter.value > most) {
			most = analysis->cells[c].jitter.value;
			worst = c;
		}
	}
	if (most < 0)
		snprintf(out, CT_ANSWER_TEXT, "No cell has the samples that a p99 needs.");
	else
		snprintf(out, CT_ANSWER_TEXT,
			 "Most unstable: %s beside %s%s, where p99 is %.3g times p50.",
			 victim_of(analysis, worst), aggressor_of(analysis, worst),
			 where(analysis, analysis->tables->cells[worst].config, config), most + 1);
	return out;
}

/* The largest slowdown whose interval is clear of 1 by more than the histogram's resolution. */
static const struct ct_cell_analysis *most_slowed(const struct ct_analysis *analysis)
{
	const struct ct_cell_analysis *worst = NULL;
	double most = 0;

	for (size_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_analysis *cell = &analysis->cells[c];
		const struct ct_interval *slowdown =
			&cell->quantiles[ct_gate_quantile(cell)].slowdown;

		if (slowdown->lo > 1 + 1.0 / 1024 && slowdown->value > most) {
			worst = cell;
			most = slowdown->value;
		}
	}
	return worst;
}

static const char *coupling(const struct ct_analysis *analysis, char out[CT_ANSWER_TEXT])
{
	const struct ct_cell_analysis *worst = most_slowed(analysis);
	char value[CT_RATIO_TEXT], lo[CT_RATIO_TEXT], hi[CT_RATIO_TEXT], config[160];
	const struct ct_interval *slowdown;

	if (!worst) {
		snprintf(out, CT_ANSWER_TEXT, "No slowdown is clear of 1.");
		return out;
	}
	slowdown = &worst->quantiles[ct_gate_quantile(worst)].slowdown;
	snprintf(out, CT_ANSWER_TEXT, "%s slows %s most%s: %s by %s [%s, %s].",
		 aggressor_of(analysis, worst->cell), victim_of(analysis, worst->cell),
		 where(analysis, analysis->tables->cells[worst->cell].config, config),
		 ct_quantile_names[ct_gate_quantile(worst)],
		 ct_format_ratio(slowdown->value, value), ct_format_ratio(slowdown->lo, lo),
		 ct_format_ratio(slowdown->hi, hi));
	return out;
}

static const char *decomposition(const struct ct_analysis *analysis, char out[CT_ANSWER_TEXT])
{
	const struct ct_decomposition *most = NULL;
	char config[160];

	for (size_t i = 0; i < analysis->n_decompositions; i++) {
		const struct ct_decomposition *one = &analysis->decompositions[i];

		if (one->known && (!most || one->omega_squared.value > most->omega_squared.value))
			most = one;
	}
	if (!most)
		snprintf(out, CT_ANSWER_TEXT, "The blocks are too few to split the variance.");
	else
		snprintf(out, CT_ANSWER_TEXT,
			 "Most of a neighbour's making: %s%s, %.3g %% [%.3g, %.3g] of the variance "
			 "of log latency.",
			 analysis->tables->victims[most->victim].name,
			 where(analysis, most->config, config), 100 * most->omega_squared.value,
			 100 * most->omega_squared.lo, 100 * most->omega_squared.hi);
	return out;
}

static const char *promise(const struct ct_analysis *analysis, const struct ct_guarantee *best,
			   char out[CT_ANSWER_TEXT])
{
	const char *victim = analysis->tables->victims[best->victim].name;
	char text[CT_UNIT_TEXT];

	if (best->needs_blocks == 0)
		snprintf(out, CT_ANSWER_TEXT,
			 "Under %s, %s %s <= %s at %g %% under the worst neighbour tested.",
			 best->config, victim, ct_quantile_names[best->k],
			 isfinite(best->bound_ns) ? ct_format_ns(best->bound_ns, text) : "inf",
			 100 * analysis->confidence);
	else
		snprintf(out, CT_ANSWER_TEXT,
			 "Under %s, %s %s can't be promised yet: needs %zu more block%s of each "
			 "cell.",
			 best->config, victim, ct_quantile_names[best->k], best->needs_blocks,
			 best->needs_blocks == 1 ? "" : "s");
	return out;
}

/* The promise that reaches farthest: the highest quantile with a bound; else the first lack. */
static const char *guarantee(const struct ct_analysis *analysis, char out[CT_ANSWER_TEXT])
{
	const struct ct_guarantee *best = NULL;

	for (size_t i = 0; i < analysis->n_guarantees; i++) {
		const struct ct_guarantee *one = &analysis->guarantees[i];

		if (!best ||
		    (one->needs_blocks == 0 && (best->needs_blocks > 0 || one->k > best->k)))
			best = one;
	}
	if (best)
		return promise(analysis, best, out);
	snprintf(out, CT_ANSWER_TEXT, "Nothing was measured that a promise could rest on.");
	return out;
}

const char *ct_answer(const struct ct_analysis *analysis, size_t section, char out[CT_ANSWER_TEXT])
{
	static const char *(*const answers[CT_ANSWERS])(const struct ct_analysis *, char *) = {
		instability, coupling, decomposition, guarantee};

	answers[section](analysis, out);
	ct_text_clean(out);
	return out;
}
