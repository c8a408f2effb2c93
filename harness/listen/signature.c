/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/listen/signature.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/decide/coupling.h"

/* How far a neighbour of the same kind may be from the one of the matrix: a part of its shift, and
 * of the logarithm at least. */
static const double relative_spread = 0.25, least_spread = 0.03;
static const double weakest = 0.1, strongest = 2;
/* A mean squared distance above this, in spreads, is like nothing. */
static const double unlike = 9;

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

static double log_slowdown(const struct ct_effect *effect)
{
	return effect->carry == CT_CARRY_OK ? log(effect->slowdown.value) : NAN;
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
	snprintf(at->aggressor, sizeof at->aggressor, "%s", aggressor->name);
	snprintf(at->kind, sizeof at->kind, "%s", aggressor->kind);
	at->shift = malloc(signatures->channels * sizeof *at->shift);
	if (!at->shift)
		return NULL;
	for (size_t c = 0; c < signatures->channels; c++)
		at->shift[c] = NAN;
	signatures->n++;
	return at;
}

/* The idle neighbour and nobody are no likenesses. */
static bool is_loud(const struct ct_results_tables *tables, const struct ct_cell_info *cell)
{
	return cell->intensity > 0 && strcmp(tables->aggressors[cell->aggressor].kind, "null") != 0;
}

static bool fill(struct ct_signatures *signatures, const struct ct_results_tables *tables,
		 const struct ct_coupling *coupling, size_t victim, size_t row,
		 struct ct_error *err)
{
	for (size_t i = 0; i < tables->n_cells; i++) {
		const struct ct_cell_info *cell = &tables->cells[i];
		const struct ct_effect *effects = coupling->cells[i].effects;
		struct ct_signature *at;

		if (cell->victim != row || !is_loud(tables, cell))
			continue;
		at = signature_of(signatures, &tables->aggressors[cell->aggressor],
				  cell->intensity);
		if (!at || !at->shift)
			return ct_broken_errno(err, "memory for signatures");
		at->shift[victim * CT_LISTEN_CHANNELS + CT_LISTEN_P50] = log_slowdown(&effects[0]);
		at->shift[victim * CT_LISTEN_CHANNELS + CT_LISTEN_P99] = log_slowdown(&effects[1]);
	}
	return true;
}

bool ct_signatures_load(struct ct_signatures *signatures, struct ct_results *matrix,
			const char *const *victims, const char *const *kinds, size_t n,
			struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(matrix);
	struct ct_coupling coupling;
	bool good;

	*signatures = (struct ct_signatures){.channels = n * CT_LISTEN_CHANNELS};
	if (!ct_coupling_make(&coupling, matrix, 0.95, err))
		return false;
	signatures->items = calloc(tables->n_cells + 1, sizeof *signatures->items);
	good = signatures->items || ct_broken_errno(err, "memory for signatures");
	for (size_t i = 0; i < n && good; i++) {
		const size_t row = victim_row(tables, victims[i], kinds[i]);

		if (row == tables->n_victims)
			continue;
		signatures->matched++;
		good = fill(signatures, tables, &coupling, i, row, err);
	}
	ct_coupling_free(&coupling);
	if (good && (signatures->matched == 0 || signatures->n == 0))
		good = ct_usage(err,
				"%s has no coupling of any victim that listens: measure one with "
				"'cotenant run suites/listen.ini'",
				tables->path);
	if (!good)
		ct_signatures_free(signatures);
	return good;
}

void ct_signatures_free(struct ct_signatures *signatures)
{
	for (size_t i = 0; signatures->items && i < signatures->n; i++)
		free(signatures->items[i].shift);
	free(signatures->items);
	*signatures = (struct ct_signatures){0};
}

/* Spread of a channel: what the measurement leaves open, and what kindred neighbours differ by. */
static double spread_of(double expected, double error)
{
	const double kin = least_spread + relative_spread * fabs(expected);

	return sqrt(kin * kin + error * error);
}

/* Mean squared distance in spreads at the best strength; NaN when no channel has both. */
static double distance(const struct ct_signature *signature, size_t channels, const double *shift,
		       const double *error, double *strength)
{
	double cross = 0, squares = 0, sum = 0;
	size_t n = 0;

	*strength = 1;
	if (!signature->shift)
		return NAN;
	for (size_t c = 0; c < channels; c++) {
		const double expected = signature->shift[c];
		double spread;

		if (isnan(expected) || isnan(shift[c]) || isnan(error[c]))
			continue;
		spread = spread_of(expected, error[c]);
		cross += expected * shift[c] / (spread * spread);
		squares += expected * expected / (spread * spread);
	}
	*strength = squares > 0 ? fmax(weakest, fmin(strongest, cross / squares)) : 1;
	for (size_t c = 0; c < channels; c++) {
		const double expected = signature->shift[c] * *strength;
		double off;

		if (isnan(expected) || isnan(shift[c]) || isnan(error[c]))
			continue;
		off = (shift[c] - expected) / spread_of(expected, error[c]);
		sum += off * off;
		n++;
	}
	return n ? sum / (double)n : NAN;
}

static bool same_aggressor(const struct ct_signature *a, const struct ct_signature *b)
{
	return strcmp(a->aggressor, b->aggressor) == 0;
}

/* The least distance of the aggressor of row `i`; infinite when an earlier row has spoken for it.
 */
static double distance_of_aggressor(const struct ct_signatures *signatures, const double *distances,
				    size_t i)
{
	double best = INFINITY;

	for (size_t k = 0; k < signatures->n; k++) {
		if (!same_aggressor(&signatures->items[i], &signatures->items[k]))
			continue;
		if (k < i)
			return INFINITY;
		best = fmin(best, distances[k]);
	}
	return best;
}

/* Likelihood of all other aggressors together, against that of the nearest one. */
static double rivals(const struct ct_signatures *signatures, const double *distances,
		     size_t nearest)
{
	double sum = 0;

	for (size_t i = 0; i < signatures->n; i++) {
		if (!same_aggressor(&signatures->items[i], &signatures->items[nearest]))
			sum += exp((distances[nearest] -
				    distance_of_aggressor(signatures, distances, i)) /
				   2);
	}
	return sum;
}

struct ct_likeness ct_signature_match(const struct ct_signatures *signatures, const double *shift,
				      const double *error)
{
	struct ct_likeness likeness = {.odds = 0};
	double *distances = malloc((2 * signatures->n + 1) * sizeof *distances);
	double *strengths = distances ? distances + signatures->n : NULL;
	size_t nearest = signatures->n;

	for (size_t i = 0; distances && i < signatures->n; i++) {
		distances[i] = distance(&signatures->items[i], signatures->channels, shift, error,
					&strengths[i]);
		if (!isnan(distances[i]) &&
		    (nearest == signatures->n || distances[i] < distances[nearest]))
			nearest = i;
	}
	if (distances && nearest < signatures->n && distances[nearest] <= unlike) {
		likeness.nearest = &signatures->items[nearest];
		likeness.strength = strengths[nearest];
		/* The quantiles of one victim move together: two channels count as one. */
		for (size_t i = 0; i < signatures->n; i++)
			distances[i] *= (double)signatures->channels / 2;
		likeness.odds = 1 / (1 + rivals(signatures, distances, nearest));
	}
	free(distances);
	return likeness;
}
