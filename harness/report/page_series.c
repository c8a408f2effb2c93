/* SPDX-License-Identifier: Apache-2.0 */
/* Epochs of each cell over the campaign's time, thinned to what a picture can show. */
#include <math.h>
#include <stdlib.h>

#include "harness/report/page_data.h"

enum {
	MOST_POINTS = 40000, /* of the whole page */
	MOST_OF_A_CELL = 400,
	LEAST_OF_A_CELL = 60
};

struct series {
	struct ct_results *results;
	const struct ct_results_tables *tables;
	uint64_t begin_ns;
};

static json_t *seconds(const struct series *series, uint64_t ns)
{
	return json_real(round((double)(ns - series->begin_ns) / 1e6) / 1e3);
}

static json_t *latency(double ns)
{
	const double scale = ns > 0 ? pow(10, floor(log10(ns)) - 3) : 1;

	return isfinite(ns) ? json_real(round(ns / scale) * scale) : json_null();
}

static int ascending(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Epochs [first, last) as one point: the median of their medians, the largest of their p99. */
static json_t *merged(const struct series *series, const struct ct_epoch_row *rows, size_t first,
		      size_t last, enum ct_role role, double *medians)
{
	double highest = NAN;
	size_t n = 0;

	for (size_t i = first; i < last; i++) {
		if (!rows[i].counted)
			continue;
		if (isfinite(rows[i].p50_ns))
			medians[n++] = rows[i].p50_ns;
		if (!(rows[i].p99_ns <= highest))
			highest = rows[i].p99_ns;
	}
	if (n == 0)
		return NULL;
	qsort(medians, n, sizeof *medians, ascending);
	return json_pack("[o, o, o, i]", seconds(series, rows[first].start_ns),
			 latency(medians[(n - 1) / 2]), latency(highest), (int)role);
}

static bool add_phase(const struct series *series, uint32_t row, size_t most, json_t *points,
		      struct ct_error *err)
{
	const enum ct_role role = series->tables->phases[row].role;
	struct ct_epoch_row *rows;
	double *medians;
	size_t n, step;

	if (!ct_results_epochs(series->results, row, &rows, &n, err))
		return false;
	step = n / most + 1;
	medians = calloc(step + 1, sizeof *medians);
	for (size_t i = 0; medians && i < n; i += step) {
		json_t *point = merged(series, rows, i, i + step < n ? i + step : n, role, medians);

		if (point)
			json_array_append_new(points, point);
	}
	free(rows);
	free(medians);
	return medians || ct_broken(err, "memory for the report");
}

/* When the blocks of a cell began whose numbers in time are regime changes. */
static json_t *changes(const struct series *series, const struct ct_cell_analysis *cell,
		       enum ct_role role)
{
	const struct ct_stability *stability = &cell->stability[role];
	json_t *list = json_array();

	for (size_t i = 0; i < stability->n_marked; i++) {
		for (size_t b = 0; b < series->tables->n_blocks; b++) {
			const struct ct_block_info *block = &series->tables->blocks[b];

			if (block->cell == cell->cell &&
			    block->visit == stability->marked_visits[i] && block->n_phases > 0)
				json_array_append_new(
					list,
					seconds(series, series->tables->phases[block->first_phase]
								.start_ns));
		}
	}
	return list;
}

static json_t *cell_series(const struct series *series, const struct ct_cell_analysis *cell,
			   size_t most, struct ct_error *err)
{
	const struct ct_results_tables *tables = series->tables;
	json_t *phases = json_array(), *points = json_array();
	size_t n = 0;

	for (uint32_t row = 0; row < tables->n_phases; row++)
		n += tables->phases[row].cell == cell->cell;
	for (uint32_t row = 0; row < tables->n_phases; row++) {
		const struct ct_phase_info *phase = &tables->phases[row];

		if (phase->cell != cell->cell)
			continue;
		json_array_append_new(phases, json_pack("[i, o, o]", (int)phase->role,
							seconds(series, phase->start_ns),
							seconds(series, phase->end_ns)));
		if (!add_phase(series, row, most / n + 1, points, err)) {
			json_decref(phases);
			json_decref(points);
			return NULL;
		}
	}
	return json_pack("{s:o, s:o, s:{s:o, s:o}}", "phases", phases, "points", points, "changes",
			 "baseline", changes(series, cell, CT_ROLE_BASELINE), "treatment",
			 changes(series, cell, CT_ROLE_TREATMENT));
}

static size_t most_of_a_cell(size_t n_cells)
{
	const size_t share = MOST_POINTS / (n_cells + 1);

	if (share < LEAST_OF_A_CELL)
		return LEAST_OF_A_CELL;
	return share < MOST_OF_A_CELL ? share : MOST_OF_A_CELL;
}

json_t *ct_page_series(struct ct_results *results, const struct ct_analysis *analysis,
		       struct ct_error *err)
{
	struct series series = {.results = results,
				.tables = analysis->tables,
				.begin_ns = analysis->tables->n_phases ? UINT64_MAX : 0};
	json_t *cells = json_array();

	for (size_t row = 0; row < series.tables->n_phases; row++) {
		if (series.tables->phases[row].start_ns < series.begin_ns)
			series.begin_ns = series.tables->phases[row].start_ns;
	}
	for (size_t c = 0; c < analysis->n_cells; c++) {
		json_t *cell = cell_series(&series, &analysis->cells[c],
					   most_of_a_cell(analysis->n_cells), err);

		if (!cell) {
			json_decref(cells);
			return NULL;
		}
		json_array_append_new(cells, cell);
	}
	return cells;
}
