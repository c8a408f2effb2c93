/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

void ct_violation(struct ct_violations *violations, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (violations->n < CT_MAX_VIOLATIONS)
		violations->report(violations->context, text);
	violations->n++;
}

static void check_cells(const struct ct_results_tables *tables, struct ct_violations *violations)
{
	for (size_t i = 0; i < tables->n_cells; i++) {
		const struct ct_cell_info *cell = &tables->cells[i];

		if (cell->victim >= tables->n_victims)
			ct_violation(violations,
				     "/cells/victim[%zu] is %u, but /victims has %zu rows", i,
				     cell->victim, tables->n_victims);
		if (cell->aggressor >= tables->n_aggressors)
			ct_violation(violations,
				     "/cells/aggressor[%zu] is %u, but /aggressors has %zu rows", i,
				     cell->aggressor, tables->n_aggressors);
		if (!(cell->intensity >= 0 && cell->intensity <= 100))
			ct_violation(violations, "/cells/intensity[%zu] is %g, not 0..100", i,
				     cell->intensity);
	}
}

static int compare_blocks(const void *left, const void *right)
{
	const struct ct_block_info *a = *(const struct ct_block_info *const *)left;
	const struct ct_block_info *b = *(const struct ct_block_info *const *)right;

	if (a->cell != b->cell)
		return a->cell < b->cell ? -1 : 1;
	return a->block < b->block ? -1 : a->block > b->block;
}

/* A block that is there twice would count twice. */
static void check_unique(const struct ct_results_tables *tables, struct ct_violations *violations)
{
	const struct ct_block_info **sorted = calloc(tables->n_blocks + 1, sizeof(void *));

	if (!sorted) {
		ct_violation(violations, "not enough memory to compare %zu blocks",
			     tables->n_blocks);
		return;
	}
	for (size_t i = 0; i < tables->n_blocks; i++)
		sorted[i] = &tables->blocks[i];
	qsort(sorted, tables->n_blocks, sizeof(void *), compare_blocks);
	for (size_t i = 1; i < tables->n_blocks; i++) {
		if (compare_blocks(&sorted[i - 1], &sorted[i]) == 0)
			ct_violation(violations, "/blocks holds cell %u block %u twice",
				     sorted[i]->cell, sorted[i]->block);
	}
	free(sorted);
}

static void check_block(const struct ct_results_tables *tables, size_t i,
			struct ct_violations *violations)
{
	const struct ct_block_info *block = &tables->blocks[i];

	if (block->cell >= tables->n_cells)
		ct_violation(violations, "/blocks/cell[%zu] is %u, but /cells has %zu rows", i,
			     block->cell, tables->n_cells);
	if (block->first_phase > tables->n_phases ||
	    block->n_phases > tables->n_phases - block->first_phase) {
		ct_violation(violations, "/blocks[%zu] points to phases %u..%llu of %zu", i,
			     block->first_phase,
			     (unsigned long long)block->first_phase + block->n_phases,
			     tables->n_phases);
		return;
	}
	for (uint32_t k = 0; k < block->n_phases; k++) {
		const struct ct_phase_info *phase = &tables->phases[block->first_phase + k];

		if (phase->cell != block->cell || phase->block != block->block)
			ct_violation(violations,
				     "/phases[%u] is of cell %u block %u, but /blocks[%zu], which "
				     "points to it, is cell %u block %u",
				     block->first_phase + k, phase->cell, phase->block, i,
				     block->cell, block->block);
	}
}

static void check_range(const char *table, const char *what, size_t i, uint64_t first, uint64_t n,
			uint64_t rows, struct ct_violations *violations)
{
	if (first > rows || n > rows - first)
		ct_violation(violations,
			     "/phases[%zu] points to %llu %s rows from %llu, but /%s has %llu", i,
			     (unsigned long long)n, what, (unsigned long long)first, table,
			     (unsigned long long)rows);
}

static void check_phase(const struct ct_results_tables *tables, const struct ct_extents *extents,
			size_t i, struct ct_violations *violations)
{
	const struct ct_phase_info *phase = &tables->phases[i];

	if (phase->cell >= tables->n_cells)
		ct_violation(violations, "/phases/cell[%zu] is %u, but /cells has %zu rows", i,
			     phase->cell, tables->n_cells);
	if (phase->end_ns < phase->start_ns)
		ct_violation(violations, "/phases[%zu] ends before it starts", i);
	check_range("histogram", "hist", i, phase->hist_first, phase->hist_rows, extents->histogram,
		    violations);
	if (phase->hist_rows > CT_HIST_BUCKETS)
		ct_violation(violations, "/phases/hist_rows[%zu] is above %u", i, CT_HIST_BUCKETS);
	check_range("epochs", "epoch", i, phase->epoch_first, phase->epoch_rows, extents->epochs,
		    violations);
	check_range("noise", "noise", i, phase->noise_first, phase->noise_rows, extents->noise,
		    violations);
	check_range("slowest", "slow", i, phase->slow_first, phase->slow_rows, extents->slowest,
		    violations);
	check_range("readings", "reading", i, phase->reading_first, phase->reading_rows,
		    extents->readings, violations);
	check_range("raw", "raw", i, phase->raw_first, phase->raw_rows, extents->raw, violations);
	if (phase->count > 0 && phase->hist_rows == 0 && phase->raw_rows == 0)
		ct_violation(violations,
			     "/phases[%zu] counts samples, but has no histogram and no raw rows",
			     i);
}

static void check_json(const char *name, const char *text, struct ct_violations *violations)
{
	json_error_t where;
	json_t *value = json_loads(text, 0, &where);

	if (!value)
		ct_violation(violations, "/%s/json is not JSON: %.100s", name, where.text);
	else if (!json_is_object(value))
		ct_violation(violations, "/%s/json is not a JSON object", name);
	json_decref(value);
}

void ct_check_tables(const struct ct_results_tables *tables, const struct ct_extents *extents,
		     struct ct_violations *violations)
{
	check_json("provenance", tables->provenance, violations);
	check_json("calibration", tables->calibration, violations);
	check_json("plan", tables->plan, violations);
	check_json("placement", tables->placement, violations);
	check_cells(tables, violations);
	check_unique(tables, violations);
	for (size_t i = 0; i < tables->n_blocks; i++)
		check_block(tables, i, violations);
	for (size_t i = 0; i < tables->n_phases; i++)
		check_phase(tables, extents, i, violations);
}
