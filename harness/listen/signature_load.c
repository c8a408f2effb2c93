/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures from the blocks of a stored campaign. */
#include "harness/listen/signature.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/counter.h"

static size_t victim_row(const struct ct_results_tables *tables, const char *name, const char *kind)
{
	for (size_t i = 0; i < tables->n_victims; i++) {
		if (strcmp(tables->victims[i].name, name) == 0 &&
		    strcmp(tables->victims[i].kind, kind) == 0)
			return i;
	}
	for (size_t i = 0; i < tables->n_victims; i++) {
		if (strcmp(tables->victims[i].kind, kind) == 0)
			return i;
	}
	return tables->n_victims;
}

static struct ct_signature *signature_of(struct ct_signatures *signatures,
					 const struct ct_workload_info *aggressor, double intensity)
{
	struct ct_signature *at;

	for (size_t i = 0; i < signatures->n; i++) {
		at = &signatures->items[i];
		if (strcmp(at->aggressor, aggressor->name) == 0 && at->intensity == intensity)
			return at;
	}
	at = &signatures->items[signatures->n];
	*at = (struct ct_signature){.intensity = intensity};
	signatures->n++;
	at->aggressor = strdup(aggressor->name);
	at->kind = strdup(aggressor->kind);
	at->shift = malloc(signatures->channels * sizeof *at->shift);
	at->spread = calloc(signatures->channels, sizeof *at->spread);
	at->count = calloc(signatures->channels, sizeof *at->count);
	for (size_t c = 0; at->shift && c < signatures->channels; c++)
		at->shift[c] = NAN;
	return at->aggressor && at->kind && at->shift && at->spread && at->count ? at : NULL;
}

/* The idle neighbour and nobody are no likenesses. */
static bool is_loud(const struct ct_results_tables *tables, const struct ct_cell_info *cell)
{
	return cell->intensity > 0 && strcmp(tables->aggressors[cell->aggressor].kind, "null") != 0;
}

/* The values of one channel in the epochs of one side of a block. */
struct side {
	double *values;
	size_t n, room;
};

enum { SIDE_CHANNELS = CT_LISTEN_CHANNELS + CT_HOST_CHANNELS };

struct loading {
	struct ct_signatures *signatures;
	struct ct_results *matrix;
	const struct ct_results_tables *tables;
	size_t victim; /* whose cells are being read */
	struct side sides[2][SIDE_CHANNELS];
	size_t host_of[CT_COUNTERS_MAX]; /* by row of /counters: its channel */
};

static bool add_value(struct side *side, double value, struct ct_error *err)
{
	if (!isfinite(value))
		return true;
	if (side->n == side->room) {
		const size_t room = 2 * side->room + 64;
		double *values = realloc(side->values, room * sizeof *values);

		if (!values)
			return ct_broken_errno(err, "memory for epochs");
		side->values = values;
		side->room = room;
	}
	side->values[side->n++] = value;
	return true;
}

static double log_ns(double ns)
{
	return ns > 0 ? log(ns) : NAN;
}

static bool add_epochs(struct side *sides, const struct ct_epoch_row *rows, size_t n,
		       struct ct_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].counted &&
		    (!add_value(&sides[CT_LISTEN_P50], log_ns(rows[i].p50_ns), err) ||
		     !add_value(&sides[CT_LISTEN_P99], log_ns(rows[i].p99_ns), err)))
			return false;
	}
	return true;
}

static bool add_readings(struct loading *loading, size_t phase, const struct ct_epoch_row *rows,
			 size_t n, struct side *sides, struct ct_error *err)
{
	struct ct_reading *readings;
	size_t n_readings;
	bool good = true;

	if (!ct_results_readings(loading->matrix, phase, &readings, &n_readings, err))
		return false;
	for (size_t i = 0; good && i < n_readings; i++) {
		const struct ct_reading *at = &readings[i];
		const size_t channel = at->counter < CT_COUNTERS_MAX ? loading->host_of[at->counter]
								     : CT_HOST_CHANNELS;
		const struct ct_epoch_row *row = at->epoch < n ? &rows[at->epoch] : NULL;

		if (row && row->counted && channel < CT_HOST_CHANNELS)
			good = add_value(&sides[channel],
					 ct_host_value(channel, at->value,
						       (double)(row->end_ns - row->start_ns) / 1e9),
					 err);
	}
	free(readings);
	return good;
}

static bool add_phase(struct loading *loading, size_t phase, struct ct_error *err)
{
	const struct ct_phase_info *info = &loading->tables->phases[phase];
	struct side *sides = loading->sides[info->role == CT_ROLE_TREATMENT];
	struct ct_epoch_row *rows;
	size_t n;
	bool good;

	if (info->epoch_rows == 0 ||
	    (info->role != CT_ROLE_BASELINE && info->role != CT_ROLE_TREATMENT))
		return true;
	if (!ct_results_epochs(loading->matrix, phase, &rows, &n, err))
		return false;
	good = add_epochs(sides, rows, n, err) &&
	       (info->reading_rows == 0 ||
		add_readings(loading, phase, rows, n, sides + CT_LISTEN_CHANNELS, err));
	free(rows);
	return good;
}

static int ascending(const void *left, const void *right)
{
	const double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double median(struct side *side)
{
	const size_t n = side->n;

	if (n == 0)
		return NAN;
	qsort(side->values, n, sizeof *side->values, ascending);
	return (side->values[n / 2] + side->values[(n - 1) / 2]) / 2;
}

/* Mean and spread over blocks, as they come (Welford 1962, Technometrics 4:419). */
static void add_shift(struct ct_signature *signature, size_t channel, double shift)
{
	double *mean = &signature->shift[channel], *spread = &signature->spread[channel];
	double n, off;

	if (isnan(shift))
		return;
	if (isnan(*mean))
		*mean = 0;
	n = ++signature->count[channel];
	off = shift - *mean;
	*mean += off / n;
	if (n > 1)
		*spread = sqrt((*spread * *spread * (n - 2) + off * (shift - *mean)) / (n - 1));
}

static bool add_block(struct loading *loading, const struct ct_block_info *block,
		      struct ct_signature *signature, struct ct_error *err)
{
	const size_t host_from = loading->signatures->channels - CT_HOST_CHANNELS;

	for (size_t c = 0; c < SIDE_CHANNELS; c++)
		loading->sides[0][c].n = loading->sides[1][c].n = 0;
	for (uint32_t k = 0; k < block->n_phases; k++) {
		if (!add_phase(loading, block->first_phase + k, err))
			return false;
	}
	for (size_t c = 0; c < SIDE_CHANNELS; c++)
		add_shift(signature,
			  c < CT_LISTEN_CHANNELS ? loading->victim * CT_LISTEN_CHANNELS + c
						 : host_from + c - CT_LISTEN_CHANNELS,
			  median(&loading->sides[1][c]) - median(&loading->sides[0][c]));
	return true;
}

/* All that the matrix has of the victim in row `row` of its list. */
static bool fill(struct loading *loading, size_t row, struct ct_error *err)
{
	const struct ct_results_tables *tables = loading->tables;

	for (size_t i = 0; i < tables->n_blocks; i++) {
		const struct ct_block_info *block = &tables->blocks[i];
		const struct ct_cell_info *cell = &tables->cells[block->cell];
		struct ct_signature *at;

		if (cell->victim != row || !is_loud(tables, cell) || block->status != CT_BLOCK_OK)
			continue;
		at = signature_of(loading->signatures, &tables->aggressors[cell->aggressor],
				  cell->intensity);
		if (!at)
			return ct_broken_errno(err, "memory for signatures");
		if (!add_block(loading, block, at, err))
			return false;
	}
	return true;
}

static void find_host_counters(struct loading *loading)
{
	const struct ct_results_tables *tables = loading->tables;

	for (size_t i = 0; i < CT_COUNTERS_MAX; i++)
		loading->host_of[i] =
			i < tables->n_counters
				? ct_host_find(tables->counters[i].source, tables->counters[i].name)
				: CT_HOST_CHANNELS;
}

static bool load(struct loading *loading, const char *const *victims, const char *const *kinds,
		 size_t n, struct ct_error *err)
{
	struct ct_signatures *signatures = loading->signatures;
	const struct ct_results_tables *tables = loading->tables;

	signatures->items = calloc(tables->n_cells + 1, sizeof *signatures->items);
	if (!signatures->items)
		return ct_broken_errno(err, "memory for signatures");
	find_host_counters(loading);
	for (size_t i = 0; i < n; i++) {
		const size_t row = victim_row(tables, victims[i], kinds[i]);

		if (row == tables->n_victims)
			continue;
		signatures->matched++;
		loading->victim = i;
		if (!fill(loading, row, err))
			return false;
	}
	if (signatures->matched == 0 || signatures->n == 0)
		return ct_usage(err,
				"%s has no coupling of any victim that listens: measure one with "
				"'cotenant run suites/listen.ini'",
				tables->path);
	return true;
}

bool ct_signatures_load(struct ct_signatures *signatures, struct ct_results *matrix,
			const char *const *victims, const char *const *kinds, size_t n,
			struct ct_error *err)
{
	struct loading loading = {
		.signatures = signatures, .matrix = matrix, .tables = ct_results_tables(matrix)};
	bool good;

	*signatures = (struct ct_signatures){.channels = n * CT_LISTEN_CHANNELS + CT_HOST_CHANNELS};
	good = load(&loading, victims, kinds, n, err);
	for (size_t c = 0; c < SIDE_CHANNELS; c++) {
		free(loading.sides[0][c].values);
		free(loading.sides[1][c].values);
	}
	if (!good)
		ct_signatures_free(signatures);
	return good;
}
