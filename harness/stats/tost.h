/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two one-sided tests: is a paired ratio inside a margin? (Schuirmann 1987, Journal of
 * Pharmacokinetics and Biopharmaceutics 15:657.)
 *
 * 'Not significantly different' is not 'equal': equivalence is its own hypothesis, shown only when
 * the ratio is shown to be above 1/(1 + margin) and below 1 + margin. The margin is symmetric in
 * the logarithm, so that swapping baseline and treatment can't change the verdict.
 */
#ifndef COTENANT_STATS_TOST_H
#define COTENANT_STATS_TOST_H

#include <stdbool.h>

#include "harness/stats/paired.h"

struct ct_tost {
	double p_equivalent; /* small: the ratio lies inside the margin; the larger of the next two
			      */
	double p_above_low;  /* small: the ratio is above 1/(1 + margin) */
	double p_below_high; /* small: the ratio is below 1 + margin */
	double p_worse;      /* small: the ratio is beyond 1 + margin */
	double p_better;     /* small: the ratio is beyond 1/(1 + margin) */
	double p_different;  /* small: the ratio is not 1 (two-sided) */
	/*
	 * The 1 - 2 alpha interval that TOST at level alpha looks at: equivalent exactly when it
	 * lies inside the margins.
	 */
	struct ct_interval interval;
};

/*
 * margin: 0.03 for 3 %, > 0. alpha: level of each one-sided test, 0 < alpha < 0.5. False, with NaN
 * everywhere, when the summary holds fewer than two blocks or margin or alpha is out of range.
 */
bool ct_tost_paired(const struct ct_paired *paired, double margin, double alpha,
		    struct ct_tost *out);

#endif
