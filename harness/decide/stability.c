/* SPDX-License-Identifier: Apache-2.0 */
/* How unstable one side of a cell is: spread, tail, dependence in time, drift and regimes. */
#include <stdlib.h>

#include "harness/core/rng.h"
#include "harness/decide/analysis_internal.h"
#include "harness/stats/changepoint.h"
#include "harness/stats/series.h"
#include "harness/stats/summary.h"
#include "harness/stats/tail.h"

enum {
	LEAST_EPOCHS = 8,  /* of a phase, for its autocorrelation to mean anything */
	LEAST_SEGMENT = 3, /* blocks of a regime */
	MOST_VALUES = 200  /* of a series: longer ones are averaged down */
};

struct level {
	uint32_t visit;
	double log_ns;
};

static int by_visit(const void *a, const void *b)
{
	const struct level *left = a, *right = b;

	return (left->visit > right->visit) - (left->visit < right->visit);
}

static void dependence(struct ct_stability *stability, const struct ct_cell_evidence *cell,
		       enum ct_role role, const struct ct_results_tables *tables)
{
	double weighted = 0, epochs = 0;

	stability->autocorrelation_ms = NAN;
	stability->effective_epochs = 0;
	for (size_t i = 0; i < cell->n_phases; i++) {
		const struct ct_phase_evidence *phase = &cell->phases[i];
		const struct ct_phase_info *info = &tables->phases[phase->row];
		double length_ms, time;

		if (phase->role != role || phase->n_epochs < LEAST_EPOCHS)
			continue;
		time = ct_autocorrelation_time(phase->epoch_ns, phase->n_epochs);
		if (!(time >= 1))
			continue;
		length_ms = (double)(info->end_ns - info->start_ns) / 1e6 / (double)phase->n_epochs;
		weighted += time * length_ms * (double)phase->n_epochs;
		epochs += (double)phase->n_epochs;
		stability->effective_epochs += (double)phase->n_epochs / time;
	}
	if (epochs > 0)
		stability->autocorrelation_ms = weighted / epochs;
	else
		stability->effective_epochs = NAN;
}

/* Medians of the blocks in the order of time, averaged down to MOST_VALUES, *per_value a value. */
static size_t levels_in_time(const struct ct_cell_evidence *cell, enum ct_role role,
			     struct level *levels, double *series, size_t *per_value)
{
	size_t n = 0, values = 0;

	for (size_t b = 0; b < cell->used; b++) {
		double ns = cell->blocks[b].side[role].ns[0];

		if (ns > 0)
			levels[n++] = (struct level){cell->blocks[b].visit, log(ns)};
	}
	qsort(levels, n, sizeof *levels, by_visit);
	*per_value = n / MOST_VALUES + 1;
	for (size_t i = 0; i + *per_value <= n; i += *per_value) {
		series[values] = 0;
		for (size_t k = 0; k < *per_value; k++)
			series[values] += levels[i + k].log_ns / (double)*per_value;
		values++;
	}
	return values;
}

static void mark(struct ct_stability *stability, const struct ct_changes *changes,
		 const struct level *levels, size_t per_value)
{
	stability->changes = changes->n;
	while (stability->n_marked < changes->n && stability->n_marked < CT_MARKED) {
		const size_t value = changes->at[stability->n_marked];

		stability->marked_visits[stability->n_marked++] = levels[value * per_value].visit;
	}
}

static bool regimes(struct ct_stability *stability, const struct ct_cell_evidence *cell,
		    enum ct_role role, double confidence, struct ct_error *err)
{
	struct level *levels = calloc(cell->used + 1, sizeof *levels);
	double *series = calloc(cell->used + 1, sizeof *series);
	struct ct_stationarity stationarity;
	struct ct_changes changes = {0};
	struct ct_rng rng;
	bool ok = levels && series;

	stability->p_drift = NAN;
	if (ok) {
		size_t per_value;
		size_t n = levels_in_time(cell, role, levels, series, &per_value);

		if (ct_stationarity(series, n, confidence, &stationarity)) {
			stability->p_drift = stationarity.p_drift;
			stability->stationary = stationarity.stationary;
		}
		/* A fixed seed: the same file gives the same answer. */
		ct_rng_seed(&rng, 1);
		if (ct_change_points(series, n, LEAST_SEGMENT, 1 - confidence, &rng, &changes))
			mark(stability, &changes, levels, per_value);
		ct_changes_free(&changes);
	}
	free(levels);
	free(series);
	return ok || ct_broken_errno(err, "memory for %zu blocks", cell->used);
}

bool ct_stability_make(struct ct_stability *stability, const struct ct_cell_evidence *cell,
		       enum ct_role role, const struct ct_bin *bins, size_t n_bins,
		       double confidence, const struct ct_results_tables *tables,
		       struct ct_error *err)
{
	struct ct_summary summary = {.cov = NAN, .mad = NAN};
	struct ct_tail tail;

	*stability = (struct ct_stability){.tail = CT_INTERVAL_NONE};
	ct_summarise_bins(bins, n_bins, &summary);
	stability->cov = summary.cov;
	stability->mad_ns = summary.mad;
	if (ct_tail_fit(bins, n_bins, ct_bins_quantile_type1(bins, n_bins, 0.99), confidence,
			&tail))
		stability->tail = tail.shape_interval;
	dependence(stability, cell, role, tables);
	return regimes(stability, cell, role, confidence, err);
}
