/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/listen/signature.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How far a neighbour of the same kind may be from the one of the matrix: a part of its shift, and
 * of the logarithm at least. */
static const double relative_spread = 0.25, least_spread = 0.03;
static const double weakest = 0.1, strongest = 2;
/* A mean squared distance above this, in spreads, is like nothing. */
static const double unlike = 9;

void ct_signatures_free(struct ct_signatures *signatures)
{
	for (size_t i = 0; signatures->items && i < signatures->n; i++) {
		free(signatures->items[i].aggressor);
		free(signatures->items[i].kind);
		free(signatures->items[i].shift);
		free(signatures->items[i].spread);
		free(signatures->items[i].count);
	}
	free(signatures->items);
	*signatures = (struct ct_signatures){0};
}

/* Spread of a channel: what the measurement leaves open, what kindred neighbours differ by, and
 * what the blocks of the matrix differed by. */
static double spread_of(const struct ct_signature *signature, size_t channel, double error)
{
	const double kin = least_spread + relative_spread * fabs(signature->shift[channel]);
	const double blocks = signature->spread[channel];

	return sqrt(kin * kin + blocks * blocks + error * error);
}

static bool is_known(const struct ct_signature *signature, size_t channel, const double *shift,
		     const double *error)
{
	return !isnan(signature->shift[channel]) && !isnan(shift[channel]) &&
	       !isnan(error[channel]);
}

/* The strength at which the signature lies nearest. */
static double best_strength(const struct ct_signature *signature, size_t channels,
			    const double *shift, const double *error)
{
	double cross = 0, squares = 0;

	for (size_t c = 0; c < channels; c++) {
		double expected, spread;

		if (!is_known(signature, c, shift, error))
			continue;
		expected = signature->shift[c];
		spread = spread_of(signature, c, error[c]);
		cross += expected * shift[c] / (spread * spread);
		squares += expected * expected / (spread * spread);
	}
	return squares > 0 ? fmax(weakest, fmin(strongest, cross / squares)) : 1;
}

/* How far a disturbance is from a signature, as means over the channels that both have. */
struct distance {
	double strength;
	double misfit;   /* squared, in spreads; NaN: no channel has both */
	double surprise; /* minus twice the logarithm of the normal density, but for a constant */
};

static struct distance distance_to(const struct ct_signature *signature, size_t channels,
				   const double *shift, const double *error)
{
	struct distance distance = {.strength = best_strength(signature, channels, shift, error)};
	size_t n = 0;

	for (size_t c = 0; c < channels; c++) {
		double spread, off;

		if (!is_known(signature, c, shift, error))
			continue;
		spread = spread_of(signature, c, error[c]);
		off = (shift[c] - signature->shift[c] * distance.strength) / spread;
		distance.misfit += off * off;
		distance.surprise += off * off + 2 * log(spread);
		n++;
	}
	distance.misfit = n ? distance.misfit / (double)n : NAN;
	distance.surprise = n ? distance.surprise / (double)n : NAN;
	return distance;
}

static bool same_aggressor(const struct ct_signature *a, const struct ct_signature *b)
{
	return strcmp(a->aggressor, b->aggressor) == 0;
}

/* The least surprise of the aggressor of row `i`; infinite when an earlier row has spoken for it.
 */
static double surprise_of_aggressor(const struct ct_signatures *signatures,
				    const struct distance *distances, size_t i)
{
	double best = INFINITY;

	for (size_t k = 0; k < signatures->n; k++) {
		if (!same_aggressor(&signatures->items[i], &signatures->items[k]))
			continue;
		if (k < i)
			return INFINITY;
		best = fmin(best, distances[k].surprise);
	}
	return best;
}

/* Likelihood of all other aggressors together, against that of the nearest one. The quantiles of
 * one victim move together, and the kernel's counters do: two channels count as one. */
static double rivals(const struct ct_signatures *signatures, const struct distance *distances,
		     size_t nearest)
{
	const double independent = (double)signatures->channels / 2;
	double sum = 0;

	for (size_t i = 0; i < signatures->n; i++) {
		if (!same_aggressor(&signatures->items[i], &signatures->items[nearest]))
			sum += exp(independent / 2 *
				   (distances[nearest].surprise -
				    surprise_of_aggressor(signatures, distances, i)));
	}
	return sum;
}

struct ct_likeness ct_signature_match(const struct ct_signatures *signatures, const double *shift,
				      const double *error)
{
	struct ct_likeness likeness = {.odds = 0};
	struct distance *distances = malloc((signatures->n + 1) * sizeof *distances);
	size_t nearest = signatures->n;

	for (size_t i = 0; distances && i < signatures->n; i++) {
		distances[i] =
			distance_to(&signatures->items[i], signatures->channels, shift, error);
		if (!isnan(distances[i].surprise) &&
		    (nearest == signatures->n ||
		     distances[i].surprise < distances[nearest].surprise))
			nearest = i;
	}
	if (distances && nearest < signatures->n && distances[nearest].misfit <= unlike) {
		likeness.nearest = &signatures->items[nearest];
		likeness.strength = distances[nearest].strength;
		likeness.odds = 1 / (1 + rivals(signatures, distances, nearest));
	}
	free(distances);
	return likeness;
}
