/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of `cotenant show`, in the order in which they are read. */
#ifndef COTENANT_REPORT_SUMMARY_H
#define COTENANT_REPORT_SUMMARY_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/core/error.h"
#include "harness/decide/coupling.h"
#include "harness/decide/quality.h"
#include "harness/report/table.h"
#include "harness/store/results.h"

struct ct_summary {
	struct ct_results *results;
	const struct ct_results_tables *tables;
	const struct ct_coupling *coupling;
	const struct ct_quality *quality;
	struct ct_style style;
	FILE *out;
};

/* What the file is, and whether the measurement can be believed. */
bool ct_summary_quality(const struct ct_summary *summary, struct ct_error *err);
/* Lines of it: on which network functions victims and aggressors sat, where they name any. */
void ct_summary_functions(const struct ct_summary *summary);
/* ... and what they had of which GPU. */
void ct_summary_gpus(const struct ct_summary *summary);
/* Each victim alone: quantiles of its baselines. */
bool ct_summary_baselines(const struct ct_summary *summary, struct ct_error *err);
/* Victims against aggressors at their highest intensity. */
bool ct_summary_matrix(const struct ct_summary *summary, struct ct_error *err);
/* Slowdown as a function of intensity, where there is more than one. */
bool ct_summary_sensitivity(const struct ct_summary *summary, struct ct_error *err);
/* One plain sentence: who disturbs whom most. */
bool ct_summary_sentence(const struct ct_summary *summary, struct ct_error *err);

#endif
