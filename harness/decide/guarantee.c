/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be promised, without assuming a distribution: upper tolerance bounds (Wilks 1941) on as
 * many independent samples as the blocks are worth (stats/clusters.h), and grades.
 *
 * The worst cell is not known, only estimated. Each cell has its own bound, and the largest of them
 * is promised: it is at least the bound of the cell that truly is the worst, so the confidence
 * holds without a correction for looking at many. Where one cell has no bound there is no promise.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/decide/analysis_internal.h"
#include "harness/stats/tolerance.h"

/* A bucket's middle stands for its samples: the bound is at the bucket's end. */
static const double bucket_end = 1 + 1.0 / 2048;

static const double grade_limits[] = {1.03, 1.10, 1.25, 2.0};

/* Effective size at quantile k, or at the highest quantile below it that the pool carries. */
static bool effective_at(const struct ct_cell_evidence *cell, enum ct_role role,
			 const struct ct_bin *bins, size_t n_bins, size_t k, double confidence,
			 double *effective, struct ct_error *err)
{
	for (size_t i = k + 1; i-- > 0;) {
		struct ct_pooled pooled;

		/* Two-sided at 2 c - 1 is one-sided at c. */
		if (!ct_evidence_quantile(cell, role, bins, n_bins, ct_quantiles[i],
					  2 * confidence - 1, &pooled, err))
			return false;
		*effective = pooled.effective;
		if (!isnan(*effective))
			return true;
	}
	return true;
}

static size_t blocks_for(uint64_t draws, double effective, size_t used)
{
	double more = ceil((double)draws / (effective / (double)used)) - (double)used;

	return more >= 1 ? (size_t)more : 1;
}

static bool bound_of(const struct ct_cell_evidence *cell, enum ct_role role,
		     const struct ct_bin *bins, size_t n_bins, size_t k, double confidence,
		     struct ct_bound *bound, struct ct_error *err)
{
	const uint64_t total = ct_bins_total(bins, n_bins);
	struct ct_tolerance tolerance;
	double effective = NAN;
	uint64_t draws, rank;

	*bound = (struct ct_bound){NAN, NAN, 2};
	if (total == 0)
		return true;
	if ((double)total * (1 - ct_quantiles[k]) >= 1 - 1e-9)
		bound->estimate_ns = ct_bins_quantile_type1(bins, n_bins, ct_quantiles[k]);
	if (!effective_at(cell, role, bins, n_bins, k, confidence, &effective, err))
		return false;
	if (isnan(effective)) /* one block: two at least, and then one sees */
		return true;
	draws = (uint64_t)effective;
	if (!ct_tolerance_upper(draws, ct_quantiles[k], confidence, &tolerance))
		return true;
	if (tolerance.rank == 0) {
		bound->needs_blocks = blocks_for(tolerance.needs, effective, cell->used);
		return true;
	}
	rank = (uint64_t)fmin((double)total,
			      ceil((double)tolerance.rank * (double)total / (double)draws));
	bound->needs_blocks = 0;
	bound->bound_ns = bucket_end * ct_bins_at_rank(bins, n_bins, rank);
	return true;
}

/*
 * What bounds a quantile bounds the lower ones. (Where blocks differ in level, their medians may be
 * worth fewer independent samples than their tails.)
 */
static void carry_down(struct ct_bound *lower, const struct ct_bound *higher)
{
	if (higher->needs_blocks > 0)
		return;
	if (lower->needs_blocks > 0 || higher->bound_ns < lower->bound_ns) {
		lower->needs_blocks = 0;
		lower->bound_ns = higher->bound_ns;
	}
}

bool ct_guarantee_bounds(const struct ct_cell_evidence *cell, enum ct_role role,
			 const struct ct_bin *bins, size_t n_bins, double confidence,
			 struct ct_bound bounds[CT_QUANTILES], struct ct_error *err)
{
	for (size_t k = CT_QUANTILES; k-- > 0;) {
		if (!bound_of(cell, role, bins, n_bins, k, confidence, &bounds[k], err))
			return false;
		if (k + 1 < CT_QUANTILES)
			carry_down(&bounds[k], &bounds[k + 1]);
	}
	return true;
}

static void take_worst(struct ct_guarantee *out, const struct ct_bound *bound, uint32_t cell,
		       bool alone, bool first)
{
	if (bound->needs_blocks > out->needs_blocks)
		out->needs_blocks = bound->needs_blocks;
	if (first || bound->bound_ns > out->bound_ns)
		out->bound_ns = bound->bound_ns;
	if (first || isnan(out->estimate_ns) || bound->estimate_ns > out->estimate_ns) {
		out->estimate_ns = bound->estimate_ns;
		out->worst = cell;
		out->worst_is_alone = alone;
	}
}

static void guarantee(const struct ct_analysis_work *work, struct ct_guarantee *out)
{
	const struct ct_analysis *analysis = work->analysis;
	bool first = true;

	for (uint32_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_info *info = &analysis->tables->cells[c];

		if (info->victim != out->victim || strcmp(info->config, out->config) != 0)
			continue;
		if (analysis->cells[c].used == 0) {
			out->untested++;
			continue;
		}
		take_worst(out, &work->bounds[c][CT_ROLE_TREATMENT][out->k], c, false, first);
		first = false;
		take_worst(out, &work->bounds[c][CT_ROLE_BASELINE][out->k], c, true, false);
	}
	if (first)
		out->needs_blocks = 2;
	if (out->needs_blocks > 0)
		out->bound_ns = NAN;
}

bool ct_guarantee_make(struct ct_analysis_work *work, struct ct_error *err)
{
	struct ct_analysis *analysis = work->analysis;
	const size_t most = analysis->n_configs * analysis->tables->n_victims * CT_QUANTILES;

	analysis->guarantees = calloc(most + 1, sizeof *analysis->guarantees);
	if (!analysis->guarantees)
		return ct_broken_errno(err, "memory for %zu guarantees", most);
	for (size_t c = 0; c < analysis->n_configs; c++) {
		for (uint32_t v = 0; v < analysis->tables->n_victims; v++) {
			if (!ct_analysis_has(analysis, analysis->configs[c], v))
				continue;
			for (size_t k = 0; k < CT_QUANTILES; k++) {
				struct ct_guarantee *out =
					&analysis->guarantees[analysis->n_guarantees++];

				*out = (struct ct_guarantee){.config = analysis->configs[c],
							     .victim = v,
							     .k = k,
							     .bound_ns = NAN,
							     .estimate_ns = NAN};
				guarantee(work, out);
			}
		}
	}
	return true;
}

bool ct_grade_limit(char letter, double *limit)
{
	const size_t n = sizeof grade_limits / sizeof grade_limits[0];

	if (letter < 'A' || (size_t)(letter - 'A') > n)
		return false;
	*limit = (size_t)(letter - 'A') < n ? grade_limits[letter - 'A'] : INFINITY;
	return true;
}

static void grade(const struct ct_analysis *analysis, struct ct_grade *out)
{
	out->upper = NAN;
	for (uint32_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_analysis *cell = &analysis->cells[c];
		const size_t k = ct_gate_quantile(cell);

		if (strcmp(analysis->tables->cells[c].config, out->config) != 0)
			continue;
		if (!isfinite(cell->quantiles[k].slowdown.hi)) {
			out->ungraded++;
		} else if (!(cell->quantiles[k].slowdown.hi <= out->upper)) {
			out->upper = cell->quantiles[k].slowdown.hi;
			out->worst = c;
			out->k = k;
		}
	}
	if (out->ungraded > 0 || isnan(out->upper)) {
		out->letter = '-';
		return;
	}
	out->letter = 'A';
	for (size_t i = 0; i < sizeof grade_limits / sizeof grade_limits[0]; i++)
		out->letter = (char)(out->letter + (out->upper > grade_limits[i]));
}

bool ct_grades_make(struct ct_analysis *analysis, struct ct_error *err)
{
	analysis->grades = calloc(analysis->n_configs + 1, sizeof *analysis->grades);
	if (!analysis->grades)
		return ct_broken_errno(err, "memory for %zu configs", analysis->n_configs);
	for (size_t i = 0; i < analysis->n_configs; i++) {
		analysis->grades[i].config = analysis->configs[i];
		grade(analysis, &analysis->grades[i]);
	}
	return true;
}
