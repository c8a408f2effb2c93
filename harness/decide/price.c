/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The price of a partition: each victim alone in a config over alone in the first config of the
 * file. Nobody else is there on either side, so this number and the neighbours' never mix.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/decide/analysis_internal.h"
#include "harness/stats/welch.h"

/* Log quantile k of every used block's baseline; `logs` has room for all blocks. */
static size_t baselines(const struct ct_analysis *analysis, const char *config, uint32_t victim,
			size_t k, double *logs)
{
	size_t n = 0;

	for (size_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_info *info = &analysis->tables->cells[c];
		const struct ct_cell_analysis *cell = &analysis->cells[c];

		if (info->victim != victim || strcmp(info->config, config) != 0)
			continue;
		for (size_t b = 0; b < cell->used; b++)
			logs[n++] = cell->log_ns[b][CT_ROLE_BASELINE][k];
	}
	return n;
}

static void price(const struct ct_analysis *analysis, struct ct_price *out, double *logs)
{
	for (size_t k = 0; k < CT_QUANTILES; k++) {
		struct ct_group reference = {.logs = logs, .dependence = 1};
		struct ct_group config = {.dependence = 1};
		struct ct_paired summary;

		out->ratio[k] = CT_INTERVAL_NONE;
		reference.n = baselines(analysis, out->reference, out->victim, k, logs);
		config.logs = logs + reference.n;
		config.n = baselines(analysis, out->config, out->victim, k, logs + reference.n);
		if (ct_welch_summary(&reference, &config, &summary))
			ct_paired_interval(&summary, analysis->confidence, &out->ratio[k]);
	}
}

bool ct_prices_make(struct ct_analysis *analysis, struct ct_error *err)
{
	const struct ct_results_tables *tables = analysis->tables;
	const size_t most = analysis->n_configs * tables->n_victims;
	double *logs = calloc(tables->n_blocks + 1, sizeof *logs);

	analysis->prices = calloc(most + 1, sizeof *analysis->prices);
	if (!logs || !analysis->prices) {
		free(logs);
		return ct_broken_errno(err, "memory for %zu prices", most);
	}
	for (size_t c = 1; c < analysis->n_configs; c++) {
		for (uint32_t v = 0; v < tables->n_victims; v++) {
			struct ct_price *out = &analysis->prices[analysis->n_prices];

			if (!ct_analysis_has(analysis, analysis->configs[c], v) ||
			    !ct_analysis_has(analysis, analysis->configs[0], v))
				continue;
			*out = (struct ct_price){.config = analysis->configs[c],
						 .reference = analysis->configs[0],
						 .victim = v};
			price(analysis, out, logs);
			analysis->n_prices++;
		}
	}
	free(logs);
	return true;
}
