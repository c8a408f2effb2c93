/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the variance of log latency comes from, for each config and victim over all its neighbours.
 *
 * The histogram gives the mean and variance of log latency of a phase exactly; the epochs' medians
 * say how much of that variance lies between epochs. So an epoch's value is its log median, moved
 * such that the epochs of a phase have the phase's mean.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/core/rng.h"
#include "harness/decide/analysis_internal.h"
#include "harness/stats/nested.h"

enum { DRAWS = 2000 };

static bool keep_phase(struct ct_kept_phase *kept, uint32_t cell,
		       const struct ct_phase_evidence *phase, struct ct_error *err)
{
	*kept = (struct ct_kept_phase){.cell = cell,
				       .block = phase->block,
				       .role = phase->role,
				       .log_mean = phase->log_mean,
				       .log_variance = phase->log_variance,
				       .samples = phase->samples,
				       .n_epochs = phase->n_epochs ? phase->n_epochs : 1};
	kept->epoch_ns = malloc(kept->n_epochs * sizeof *kept->epoch_ns);
	if (!kept->epoch_ns)
		return ct_broken_errno(err, "memory for %zu epochs", kept->n_epochs);
	kept->epoch_ns[0] = 1; /* a phase without epochs is one epoch at its own mean */
	if (phase->n_epochs)
		memcpy(kept->epoch_ns, phase->epoch_ns, phase->n_epochs * sizeof *kept->epoch_ns);
	return true;
}

bool ct_decomposition_keep(struct ct_analysis_work *work, const struct ct_cell_evidence *cell,
			   struct ct_error *err)
{
	if (work->n_phases + cell->n_phases > work->room) {
		size_t room = 2 * (work->n_phases + cell->n_phases);
		void *more = realloc(work->phases, room * sizeof *work->phases);

		if (!more)
			return ct_broken_errno(err, "memory for %zu phases", room);
		work->phases = more;
		work->room = room;
	}
	for (size_t i = 0; i < cell->n_phases; i++) {
		const struct ct_phase_evidence *phase = &cell->phases[i];

		if (phase->role == CT_ROLE_RECOVERY || !isfinite(phase->log_mean))
			continue;
		if (!keep_phase(&work->phases[work->n_phases], cell->cell, phase, err))
			return false;
		work->n_phases++;
	}
	return true;
}

/* Turns the medians into log values about the phase's mean; what is left is inside the epochs. */
static void center_epochs(const struct ct_kept_phase *kept, double *logs,
			  struct ct_nested_phase *out)
{
	const double n = (double)kept->n_epochs;
	double mean = 0, variance = 0;

	for (size_t i = 0; i < kept->n_epochs; i++)
		mean += log(kept->epoch_ns[i]) / n;
	for (size_t i = 0; i < kept->n_epochs; i++) {
		double off = log(kept->epoch_ns[i]) - mean;

		logs[i] = kept->log_mean + off;
		variance += off * off / n;
	}
	out->epochs = logs;
	out->n_epochs = kept->n_epochs;
	out->within_variance =
		isfinite(kept->log_variance) ? fmax(kept->log_variance - variance, 0) : 0;
	out->samples_per_epoch = fmax((double)kept->samples / n, 1);
}

struct design {
	struct ct_nested_phase *phases;
	size_t n_phases;
	double *logs;
	size_t states;
	bool epochs_known;
};

/* Blocks and states are numbered in the order in which they are first met. */
static bool make_design(const struct ct_analysis_work *work, struct ct_decomposition *out,
			struct design *design, struct ct_error *err)
{
	const struct ct_results_tables *tables = work->analysis->tables;
	uint32_t blocks = 0, block = UINT32_MAX, cell = UINT32_MAX;
	size_t epochs = 0, at = 0;

	for (size_t i = 0; i < work->n_phases; i++)
		epochs += work->phases[i].n_epochs;
	design->phases = calloc(work->n_phases + 1, sizeof *design->phases);
	design->logs = calloc(epochs + 1, sizeof *design->logs);
	if (!design->phases || !design->logs)
		return ct_broken_errno(err, "memory for %zu epochs", epochs);
	design->states = 1;
	for (size_t i = 0; i < work->n_phases; i++) {
		const struct ct_kept_phase *kept = &work->phases[i];
		const struct ct_cell_info *info = &tables->cells[kept->cell];
		struct ct_nested_phase *phase = &design->phases[design->n_phases];

		if (info->victim != out->victim || strcmp(info->config, out->config) != 0)
			continue;
		if (kept->cell != cell)
			design->states++;
		if (kept->cell != cell || kept->block != block)
			blocks++;
		cell = kept->cell;
		block = kept->block;
		center_epochs(kept, design->logs + at, phase);
		at += kept->n_epochs;
		phase->block = blocks - 1;
		phase->state = kept->role == CT_ROLE_BASELINE ? 0 : (uint32_t)(design->states - 1);
		design->epochs_known |= kept->n_epochs > 1;
		design->n_phases++;
	}
	return true;
}

static void estimate(const struct design *design, double confidence, struct ct_decomposition *out)
{
	struct ct_nested nested;
	struct ct_rng rng;

	ct_rng_seed(&rng, 1); /* the same file gives the same answer */
	if (design->n_phases == 0) {
		out->why = "no block counts";
	} else if (design->states > CT_NESTED_STATES) {
		out->why = "more neighbours than the model takes (63)";
	} else if (!ct_nested_components(design->phases, design->n_phases, confidence, DRAWS, &rng,
					 &nested)) {
		out->why = "too few blocks";
	} else {
		out->known = true;
		out->within_epoch = nested.within_epoch;
		out->between_epoch = nested.between_epoch;
		out->between_phase = nested.between_phase;
		out->between_block = nested.between_block;
		out->cotenant = nested.cotenant;
		out->omega_squared = nested.omega_squared;
		out->epochs_known = design->epochs_known;
		out->block_truncated = nested.block_truncated;
		out->cotenant_truncated = nested.cotenant_truncated;
	}
}

bool ct_decomposition_make(struct ct_analysis_work *work, struct ct_error *err)
{
	struct ct_analysis *analysis = work->analysis;
	const size_t most = analysis->n_configs * analysis->tables->n_victims;

	analysis->decompositions = calloc(most + 1, sizeof *analysis->decompositions);
	if (!analysis->decompositions)
		return ct_broken_errno(err, "memory for %zu decompositions", most);
	for (size_t c = 0; c < analysis->n_configs; c++) {
		for (uint32_t v = 0; v < analysis->tables->n_victims; v++) {
			struct ct_decomposition *out =
				&analysis->decompositions[analysis->n_decompositions];
			struct design design = {0};
			bool ok;

			if (!ct_analysis_has(analysis, analysis->configs[c], v))
				continue;
			*out = (struct ct_decomposition){.config = analysis->configs[c],
							 .victim = v,
							 .within_epoch = CT_INTERVAL_NONE,
							 .between_epoch = CT_INTERVAL_NONE,
							 .between_phase = CT_INTERVAL_NONE,
							 .between_block = CT_INTERVAL_NONE,
							 .cotenant = CT_INTERVAL_NONE,
							 .omega_squared = CT_INTERVAL_NONE};
			analysis->n_decompositions++;
			ok = make_design(work, out, &design, err);
			if (ok)
				estimate(&design, analysis->confidence, out);
			free(design.phases);
			free(design.logs);
			if (!ok)
				return false;
		}
	}
	return true;
}
