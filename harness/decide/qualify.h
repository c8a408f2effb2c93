/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A result against a specification. A requirement looks at every cell it names:
 *
 * pass          the whole interval of every cell is inside the limit
 * fail          the interval of some cell is wholly outside
 * inconclusive  neither, or there is nothing to look at
 *
 * That all cells pass needs no correction for their number (an intersection-union test: Berger
 * 1982, Technometrics 24:295). That one of n cells fails does: its interval is taken at
 * 1 - (1 - confidence) / n (Bonferroni), so that many cells raise no false alarm.
 */
#ifndef COTENANT_DECIDE_QUALIFY_H
#define COTENANT_DECIDE_QUALIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"
#include "harness/decide/analysis.h"
#include "harness/decide/spec.h"

enum ct_outcome { CT_PASS, CT_FAIL, CT_UNDECIDED };
extern const char *const ct_outcome_names[]; /* "pass", "fail", "inconclusive" */

struct ct_finding {
	const struct ct_requirement *requirement;
	enum ct_outcome outcome;
	size_t n_cells;                          /* looked at */
	const char *config, *victim, *aggressor; /* of the deciding cell; NULL: none */
	double intensity;
	struct ct_interval value; /* of the deciding cell, in the unit of the limit */
	size_t blocks;            /* that it has */
	bool blocks_known;        /* needs_blocks can be said */
	size_t needs_blocks;      /* more of them would settle it at this spread; 0 when settled */
	const char *reason;       /* why nothing can be said; NULL when something can */
};

struct ct_qualification {
	struct ct_finding *findings; /* one a requirement */
	size_t n;
	enum ct_outcome outcome;
	const char *emulated;         /* as in the file; "" when it was a real machine */
	struct ct_analysis *analyses; /* one a confidence level that was needed */
	size_t n_analyses;
};

/* `results` and `spec` stay in use until ct_qualification_free. */
bool ct_qualification_make(struct ct_qualification *qualification, struct ct_results *results,
			   const struct ct_spec *spec, struct ct_error *err);
void ct_qualification_free(struct ct_qualification *qualification);

#endif
