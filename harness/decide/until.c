/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/until.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/core/units.h"
#include "harness/decide/analysis.h"

const char *const ct_sequential_names[] = {"undecided", "below", "above", "not measured", NULL};

/* "p99:2%" of the plan; false: there is none, or a foreign writer's that is not understood. */
static bool read_until(struct ct_until_table *table, const struct ct_results_tables *tables)
{
	json_t *plan = json_loads(tables->plan, 0, NULL);
	const char *text = json_string_value(json_object_get(plan, "until"));
	char name[sizeof table->text] = "";
	const char *colon = text ? strchr(text, ':') : NULL;
	double percent = 0;
	bool good = colon && strlen(text) < sizeof table->text &&
		    ct_parse_percent(colon + 1, &percent, NULL);

	if (good) {
		snprintf(name, sizeof name, "%.*s", (int)(colon - text), text);
		table->k = ct_quantile_find(name);
		good = table->k < CT_QUANTILES;
	}
	if (good)
		strcpy(table->text, text);
	table->margin = percent / 100;
	json_decref(plan);
	return good;
}

bool ct_until_make(struct ct_until_table *table, const struct ct_analysis *analysis,
		   struct ct_error *err)
{
	struct ct_sequential *sequential = &table->sequential;

	*table = (struct ct_until_table){.k = 0};
	if (!read_until(table, analysis->tables))
		return true;
	*sequential = (struct ct_sequential){
		.margin = log1p(table->margin),
		.confidence = analysis->confidence,
		.cells = calloc(analysis->n_cells + 1, sizeof *sequential->cells),
		.n_cells = analysis->n_cells,
		.budget = analysis->tables->replicates * analysis->n_cells,
	};
	if (!sequential->cells)
		return ct_broken_errno(err, "memory for %zu cells", analysis->n_cells);
	for (size_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_analysis *cell = &analysis->cells[c];

		for (size_t b = 0; b < cell->used; b++)
			ct_sequential_add(sequential, c,
					  cell->log_ns[b][CT_ROLE_TREATMENT][table->k] -
						  cell->log_ns[b][CT_ROLE_BASELINE][table->k]);
		if (sequential->cells[c].n == 0)
			ct_sequential_close(sequential, c);
	}
	sequential->spent = analysis->tables->n_blocks;
	return true;
}

void ct_until_table_free(struct ct_until_table *table)
{
	free(table->sequential.cells);
	*table = (struct ct_until_table){0};
}
