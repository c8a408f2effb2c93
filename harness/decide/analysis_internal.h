/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the parts of the analysis: one file an answer. */
#ifndef COTENANT_DECIDE_ANALYSIS_INTERNAL_H
#define COTENANT_DECIDE_ANALYSIS_INTERNAL_H

#include "harness/decide/analysis.h"
#include "harness/stats/tolerance.h"

/* What a cell can promise: the one-sided upper bound of each quantile of one side. */
struct ct_bound {
	double estimate_ns, bound_ns; /* NaN: not carried */
	size_t needs_blocks;
};

/* A phase as it enters the decomposition; the epochs are its own. */
struct ct_kept_phase {
	uint32_t cell, block; /* block: index into the cell's used ones */
	enum ct_role role;
	double log_mean, log_variance;
	uint64_t samples;
	double *epoch_ns;
	size_t n_epochs;
};

struct ct_analysis_work {
	struct ct_analysis *analysis;
	struct ct_bound (*bounds)[2][CT_QUANTILES]; /* of each cell, by role */
	struct ct_kept_phase *phases;
	size_t n_phases, room;
	struct ct_detectable detectable;
};

/* stability.c */
bool ct_stability_make(struct ct_stability *stability, const struct ct_cell_evidence *cell,
		       enum ct_role role, const struct ct_bin *bins, size_t n_bins,
		       double confidence, const struct ct_results_tables *tables,
		       struct ct_error *err);

/* decomposition.c */
bool ct_decomposition_keep(struct ct_analysis_work *work, const struct ct_cell_evidence *cell,
			   struct ct_error *err);
bool ct_decomposition_make(struct ct_analysis_work *work, struct ct_error *err);

/* guarantee.c */
bool ct_guarantee_bounds(const struct ct_cell_evidence *cell, enum ct_role role,
			 const struct ct_bin *bins, size_t n_bins, double confidence,
			 struct ct_bound bounds[CT_QUANTILES], struct ct_error *err);
bool ct_guarantee_make(struct ct_analysis_work *work, struct ct_error *err);
bool ct_grades_make(struct ct_analysis *analysis, struct ct_error *err);

/* sharing.c: fills `shared` of every cell. */
void ct_sharing_find(struct ct_analysis *analysis);

/* price.c */
bool ct_prices_make(struct ct_analysis *analysis, struct ct_error *err);

#endif
