/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles of each cell on one grid, dense in the body and towards the tail. */
#include <math.h>
#include <stdlib.h>

#include "harness/decide/evidence.h"
#include "harness/report/page_data.h"

enum { GRID = 80 };

/* Percent below: each second percent of the body, then six steps a decade of the tail. */
static size_t make_grid(double grid[GRID])
{
	size_t n = 0;

	grid[n++] = 1;
	for (int percent = 2; percent <= 88; percent += 2) {
		grid[n++] = percent;
		if (percent == 24 || percent == 74) /* the quartiles, for boxes */
			grid[n++] = percent + 1;
	}
	for (int step = 0; step <= 24; step++)
		grid[n++] = 100 * (1 - pow(10, -1 - step / 6.0));
	return n;
}

/* Four digits: below what a histogram's bucket resolves, and a page stays small. */
static json_t *rounded(double ns)
{
	const double scale = pow(10, floor(log10(ns)) - 4);

	return json_real(round(ns / scale) * scale);
}

static json_t *curve(const struct ct_cell_evidence *cell, enum ct_role role, const double *grid,
		     size_t n_grid, struct ct_error *err)
{
	json_t *points = json_array();
	struct ct_bin *bins;
	size_t n_bins;
	uint64_t total;

	if (!ct_evidence_pool(cell, role, &bins, &n_bins, err)) {
		json_decref(points);
		return NULL;
	}
	total = ct_bins_total(bins, n_bins);
	for (size_t i = 0; i < n_grid; i++) {
		/* Ten samples beyond a quantile, or it is the maximum by another name. */
		if ((double)total * (1 - grid[i] / 100) < 10)
			break;
		json_array_append_new(points,
				      rounded(ct_bins_quantile_type1(bins, n_bins, grid[i] / 100)));
	}
	free(bins);
	return points;
}

struct curves {
	double grid[GRID];
	size_t n_grid;
	json_t *cells;
};

static bool add_cell(void *context, const struct ct_cell_evidence *cell, struct ct_error *err)
{
	struct curves *curves = context;
	json_t *baseline = curve(cell, CT_ROLE_BASELINE, curves->grid, curves->n_grid, err);
	json_t *treatment = curve(cell, CT_ROLE_TREATMENT, curves->grid, curves->n_grid, err);

	if (baseline && treatment)
		return json_array_append_new(curves->cells,
					     json_pack("{s:o, s:o}", "baseline", baseline,
						       "treatment", treatment)) == 0 ||
		       ct_broken(err, "memory for the report");
	json_decref(baseline);
	json_decref(treatment);
	return false;
}

json_t *ct_page_curves(struct ct_results *results, struct ct_error *err)
{
	struct curves curves = {.cells = json_array()};
	json_t *grid = json_array();

	curves.n_grid = make_grid(curves.grid);
	for (size_t i = 0; i < curves.n_grid; i++)
		json_array_append_new(grid, json_real(curves.grid[i]));
	if (ct_evidence_each(results, add_cell, &curves, err))
		return json_pack("{s:o, s:o}", "grid", grid, "cells", curves.cells);
	json_decref(grid);
	json_decref(curves.cells);
	return NULL;
}
