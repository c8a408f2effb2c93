/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two campaigns against each other: did NEW regress from BASE?
 *
 * Cells are matched by name, kind and parameters. A cell's test is of its treatment, NEW over BASE;
 * each victim has one more test of itself alone, with the aggressor "none". One quantile decides
 * for a cell (quantiles of a cell depend on each other), the others inform. Blocks are the
 * replicates; the groups are independent, so the test is Welch's on log quantiles (stats/welch.h).
 *
 * The level of a machine wanders, so blocks that are near in time may be alike. Where a victim's
 * baselines in the order of time show that (lag-1 autocorrelation above its one-sided 5 % limit),
 * the errors of its cells are widened by the autocorrelation time, as far as it reaches from one
 * block of a cell to the next. Where they drift (a straight line, at 5 %), half the drift is taken
 * as the standard deviation of the level itself: another hour would have given another level.
 *
 * regressed     the difference test rejects (Benjamini-Hochberg over all cells) and the estimate
 *               lies beyond the margin
 * improved      the same on the other side
 * equivalent    the ratio is shown to lie inside the margin (TOST at 5 %)
 * inconclusive  neither
 */
#ifndef COTENANT_DECIDE_COMPARE_H
#define COTENANT_DECIDE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/decide/analysis.h"
#include "harness/decide/environment.h"

enum ct_verdict { CT_REGRESSED, CT_IMPROVED, CT_EQUIVALENT, CT_INCONCLUSIVE };
extern const char *const ct_verdict_names[]; /* "regressed", ... */

struct ct_comparison_options {
	double margin;     /* 0.03 for 3 % */
	double fdr;        /* 0.05 */
	double confidence; /* of the intervals */
	size_t gate;       /* of ct_quantiles; CT_QUANTILES: the highest of p99, p90, p50 carried */
};

struct ct_compared_cell {
	const char *config, *victim, *aggressor; /* aggressor "none": the victim alone */
	double intensity;
	size_t k; /* the quantile that decides */
	size_t base_blocks, new_blocks;
	struct ct_interval ratio;                /* NEW over BASE */
	struct ct_interval others[CT_QUANTILES]; /* the same of every quantile, for information */
	struct ct_interval
		slowdown_ratio; /* of the slowdowns, which a machine's level leaves out */
	double p, p_adjusted, p_equivalent; /* NaN: no test */
	double detectable;                  /* ratio found with power 0.8 */
	double dependence[2];               /* of BASE's and NEW's blocks (stats/welch.h) */
	double drift[2]; /* log change over each campaign where it is significant, else 0 */
	enum ct_verdict verdict;
};

struct ct_unmatched {
	const char *config, *victim, *aggressor;
	double intensity;
	char reason[200];
};

struct ct_comparison {
	struct ct_comparison_options options;
	struct ct_differences environment;
	struct ct_compared_cell *cells;
	size_t n_cells;
	struct ct_unmatched *unmatched;
	size_t n_unmatched;
	enum ct_verdict verdict;
	const char *emulated[2]; /* of base and next, as in the files; "" on real machines */
	/*
	 * Of base and next, from the beginning of the first block to that of the last: a level that
	 * changes more slowly is seen in no interval. 0 where the file does not say.
	 */
	double lasted_s[2];
};

/*
 * Refuses, as inconclusive, what can't be compared: another CPU, phases or epochs of other length,
 * no cell in common. Both analyses stay in use. Free with ct_comparison_free.
 */
bool ct_comparison_make(struct ct_comparison *comparison, const struct ct_analysis *base,
			const struct ct_analysis *next, const struct ct_comparison_options *options,
			struct ct_error *err);
void ct_comparison_free(struct ct_comparison *comparison);

#endif
