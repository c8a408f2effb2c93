/* SPDX-License-Identifier: Apache-2.0 */
/* What predictions need of a file: each cell's slowdowns and distributions, and what a mix is of.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/core/document.h"
#include "harness/decide/evidence.h"
#include "harness/decide/predict_internal.h"
#include "harness/stats/paired.h"

const double ct_predict_q[CT_PREDICT_QUANTILES] = {0.5, 0.9, 0.99};

/* Positions of ct_predict_q in ct_quantiles. */
static const size_t position[CT_PREDICT_QUANTILES] = {0, 1, 3};

static const char mix_kind[] = "mix";

struct reading {
	struct ct_predict_cell *cells;
	const struct ct_results_tables *tables;
	double confidence;
	double *baseline, *treatment; /* of the blocks of the cell at hand */
};

static void read_slowdown(const struct reading *reading, const struct ct_cell_evidence *evidence,
			  size_t k, struct ct_predict_cell *cell)
{
	struct ct_paired paired;

	for (size_t b = 0; b < evidence->used; b++) {
		const struct ct_side *side = evidence->blocks[b].side;

		reading->baseline[b] = side[CT_ROLE_BASELINE].ns[position[k]];
		reading->treatment[b] = side[CT_ROLE_TREATMENT].ns[position[k]];
	}
	cell->slowdown[k] = cell->variance[k] = NAN;
	cell->ratio[k] = CT_INTERVAL_NONE;
	if (!ct_paired_summary(reading->baseline, reading->treatment, evidence->used, &paired))
		return;
	cell->slowdown[k] = paired.mean;
	cell->variance[k] = paired.standard_error * paired.standard_error;
	ct_paired_interval(&paired, reading->confidence, &cell->ratio[k]);
}

static bool profile_of(const struct ct_cell_evidence *evidence, enum ct_role role, double unit,
		       struct ct_profile *profile, bool *made, struct ct_error *err)
{
	struct ct_bin *bins;
	size_t n;

	if (!ct_evidence_pool(evidence, role, &bins, &n, err))
		return false;
	*made = ct_profile_make(profile, bins, n, unit);
	free(bins);
	return true;
}

/* Both profiles in units of the baseline's median, so that cells can be laid on each other. */
static bool read_profiles(const struct ct_cell_evidence *evidence, struct ct_predict_cell *cell,
			  struct ct_error *err)
{
	bool baseline = false, treatment = false, ok;

	cell->profiles = calloc(2, sizeof *cell->profiles);
	ok = (cell->profiles || ct_broken_errno(err, "memory for distributions")) &&
	     profile_of(evidence, CT_ROLE_BASELINE, 1, &cell->profiles[0], &baseline, err) &&
	     profile_of(evidence, CT_ROLE_TREATMENT, 1, &cell->profiles[1], &treatment, err);
	if (ok && baseline && treatment) {
		const double middle = ct_profile_quantile(&cell->profiles[0], 0.5);

		for (size_t i = 0; i < CT_PROFILE_POINTS; i++) {
			cell->profiles[0].log_x[i] -= middle;
			cell->profiles[1].log_x[i] -= middle;
		}
	} else {
		free(cell->profiles);
		cell->profiles = NULL;
	}
	return ok;
}

static bool take_cell(void *context, const struct ct_cell_evidence *evidence, struct ct_error *err)
{
	const struct reading *reading = context;
	const struct ct_cell_info *info = &reading->tables->cells[evidence->cell];
	struct ct_predict_cell *cell = &reading->cells[evidence->cell];

	for (size_t k = 0; k < CT_PREDICT_QUANTILES; k++)
		read_slowdown(reading, evidence, k, cell);
	if (evidence->used == 0 || info->intensity == 0 ||
	    strcmp(reading->tables->aggressors[info->aggressor].kind, mix_kind) == 0)
		return true;
	return read_profiles(evidence, cell, err);
}

bool ct_predict_read(struct ct_predict_cell **cells, struct ct_results *results, double confidence,
		     struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	struct reading reading = {.tables = tables, .confidence = confidence};
	bool ok;

	reading.cells = calloc(tables->n_cells + 1, sizeof *reading.cells);
	reading.baseline = calloc(tables->n_blocks + 1, sizeof *reading.baseline);
	reading.treatment = calloc(tables->n_blocks + 1, sizeof *reading.treatment);
	ok = ((reading.cells && reading.baseline && reading.treatment) ||
	      ct_broken_errno(err, "memory for cells")) &&
	     ct_evidence_each(results, take_cell, &reading, err);
	free(reading.baseline);
	free(reading.treatment);
	if (!ok) {
		ct_predict_cells_free(reading.cells, tables->n_cells);
		reading.cells = NULL;
	}
	*cells = reading.cells;
	return ok;
}

void ct_predict_cells_free(struct ct_predict_cell *cells, size_t n)
{
	for (size_t i = 0; cells && i < n; i++)
		free(cells[i].profiles);
	free(cells);
}

/* ---- mixtures ---- */

bool ct_mixture_equal(const struct ct_mixture *a, const struct ct_mixture *b)
{
	return a->n == b->n && memcmp(a->parts, b->parts, a->n * sizeof *a->parts) == 0;
}

static uint32_t find_aggressor(const struct ct_results_tables *tables, const char *name)
{
	uint32_t row = 0;

	while (row < tables->n_aggressors && strcmp(tables->aggressors[row].name, name) != 0)
		row++;
	return row;
}

/* Keeps the parts ascending; false when it stands there already, or there is no room. */
static bool insert(struct ct_mixture *mixture, uint32_t row)
{
	size_t at = mixture->n;

	for (size_t i = 0; i < mixture->n; i++) {
		if (mixture->parts[i] == row)
			return false;
	}
	if (mixture->n == CT_COMBINE_MAX)
		return false;
	for (; at > 0 && mixture->parts[at - 1] > row; at--)
		mixture->parts[at] = mixture->parts[at - 1];
	mixture->parts[at] = row;
	mixture->n++;
	return true;
}

void ct_mixture_of(const struct ct_results_tables *tables, uint32_t row, struct ct_mixture *mixture)
{
	const struct ct_workload_info *info = &tables->aggressors[row];
	json_t *params =
		strcmp(info->kind, mix_kind) == 0 ? json_loads(info->params, 0, NULL) : NULL;
	const json_t *of = json_object_get(params, "of");
	/* Intensities of the parts: a mix by lock-in, whose phases are no treatment of constant
	 * load. */
	bool good = !json_object_get(params, "intensity");

	*mixture = (struct ct_mixture){0};
	for (size_t i = 0; good && i < json_array_size(of); i++) {
		const char *name = json_string_value(json_array_get(of, i));
		const uint32_t part = name ? find_aggressor(tables, name) : UINT32_MAX;

		good = part < tables->n_aggressors && insert(mixture, part);
	}
	if (!good || mixture->n < 2)
		mixture->n = 0;
	json_decref(params);
}

static bool unknown(const struct ct_results_tables *tables, const char *name, struct ct_error *err)
{
	const char **names = calloc(tables->n_aggressors + 1, sizeof *names);
	bool ok = names || ct_broken_errno(err, "memory for names");

	for (size_t i = 0; ok && i < tables->n_aggressors; i++)
		names[i] = tables->aggressors[i].name;
	ok = ok && ct_unknown_name("aggressor", name, names, tables->n_aggressors, err);
	free(names);
	return ok;
}

bool ct_mixture_parse(const struct ct_results_tables *tables, const char *text,
		      struct ct_mixture *mixture, struct ct_error *err)
{
	char *copy = strdup(text), *save = NULL;
	bool ok = copy || ct_broken_errno(err, "memory for names");

	*mixture = (struct ct_mixture){0};
	for (char *name = ok ? strtok_r(copy, "+", &save) : NULL; ok && name;
	     name = strtok_r(NULL, "+", &save)) {
		const uint32_t row = find_aggressor(tables, name);

		if (row == tables->n_aggressors)
			ok = unknown(tables, name, err);
		else if (strcmp(tables->aggressors[row].kind, mix_kind) == 0)
			ok = ct_usage(err, "'%s' is a mix itself: name its parts", name);
		else if (!insert(mixture, row))
			ok = ct_usage(err, "'%s' stands twice, or is one more than %d", name,
				      CT_COMBINE_MAX);
	}
	free(copy);
	if (ok && mixture->n < 2)
		return ct_usage(err, "'%s': at least two aggressors, as in membw+llc", text);
	return ok;
}
