/* SPDX-License-Identifier: Apache-2.0 */
/* Lock-in, second half: segments become one answer; and the choice of frequencies. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/stats/distributions.h"
#include "harness/stats/lockin.h"

enum { TURNS = 9999, CANDIDATES = 200, MULTIPLES = 3 };
/* A segment counts at most four times as much as one of usual noise. */
static const double least_variance = 0.25;
static const double clear = 0.05; /* harmonics of what is not there are not told */

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Weights of the segments, by the noise in them; sum 1. NULL: no memory. */
static double *weigh(const struct ct_lockin *lockin)
{
	const size_t n = lockin->n_segments;
	double *weights = malloc(n * sizeof *weights);
	double least, sum = 0;

	if (!weights)
		return NULL;
	memcpy(weights, lockin->variance, n * sizeof *weights);
	qsort(weights, n, sizeof *weights, ascending);
	least = least_variance * weights[n / 2];
	for (size_t i = 0; i < n; i++) {
		weights[i] = least > 0 ? 1 / fmax(lockin->variance[i], least) : 1;
		sum += weights[i];
	}
	for (size_t i = 0; i < n; i++)
		weights[i] /= sum;
	return weights;
}

/* Segments of equal weight that these are worth. */
static double effective_number(const double *weights, size_t n)
{
	double squares = 0;

	for (size_t i = 0; i < n; i++)
		squares += weights[i] * weights[i];
	return 1 / squares;
}

struct mean {
	double value, error;
};

static struct mean weighted_mean(const double *x, const double *weights, size_t n)
{
	struct mean mean = {0, 0};

	for (size_t i = 0; i < n; i++)
		mean.value += weights[i] * x[i];
	for (size_t i = 0; i < n; i++)
		mean.error += pow(weights[i] * (x[i] - mean.value), 2);
	mean.error = sqrt(mean.error * (double)n / (double)(n - 1));
	return mean;
}

static struct ct_interval t_interval(struct mean mean, double t)
{
	return (struct ct_interval){mean.value, mean.value - t * mean.error,
				    mean.value + t * mean.error};
}

/* The share of random quarter turns of the segments that give at least the observed strength. */
static double turn_test(const struct ct_lockin *lockin, size_t reference, const double *weights,
			struct ct_rng *rng)
{
	const size_t n = lockin->n_segments;
	size_t stronger = 0;
	double observed = 0;

	for (int turn = -1; turn < TURNS; turn++) {
		double x = 0, y = 0;
		uint64_t bits = 0;

		for (size_t i = 0; i < n; i++) {
			const struct ct_lockin_estimate *one =
				&lockin->estimates[i * lockin->n_references + reference];
			double a = weights[i] * one->in_phase, b = weights[i] * one->quadrature;

			if (i % 32 == 0)
				bits = turn < 0 ? 0 : ct_rng_next(rng);
			x += bits & 1 ? (bits & 2 ? b : -b) : (bits & 2 ? -a : a);
			y += bits & 1 ? (bits & 2 ? -a : a) : (bits & 2 ? -b : b);
			bits >>= 2;
		}
		if (turn < 0)
			observed = x * x + y * y;
		else
			stronger += x * x + y * y >= observed;
	}
	return (1.0 + (double)stronger) / (TURNS + 1.0);
}

/* A harmonic over all segments, as a vector. */
static void vector_of(const struct ct_lockin *lockin, size_t reference, const double *weights,
		      size_t h, double *cosine, double *sine)
{
	*cosine = *sine = 0;
	for (size_t i = 0; i < lockin->n_segments; i++) {
		const struct ct_lockin_estimate *one =
			&lockin->estimates[i * lockin->n_references + reference];

		*cosine += weights[i] * one->cosine[h];
		*sine += weights[i] * one->sine[h];
	}
}

/* Components of the segments along and across the mean vector of the fundamental. */
static void components(const struct ct_lockin *lockin, size_t reference, const double *weights,
		       double *room, struct mean *along, struct mean *across, double *phase)
{
	const size_t n = lockin->n_segments;
	double cosine, sine, length;

	vector_of(lockin, reference, weights, 0, &cosine, &sine);
	length = hypot(cosine, sine);
	if (cosine < 0) { /* a load that speeds up, not one half a period late */
		length = -length;
		cosine = -cosine;
		sine = -sine;
	}
	*phase = atan2(sine, cosine);
	for (int part = 0; part < 2; part++) {
		double c = part ? -sin(*phase) : cos(*phase), s = part ? cos(*phase) : sin(*phase);

		for (size_t i = 0; i < n; i++) {
			const struct ct_lockin_estimate *one =
				&lockin->estimates[i * lockin->n_references + reference];

			room[i] = c * one->cosine[0] + s * one->sine[0];
		}
		*(part ? across : along) = weighted_mean(room, weights, n);
	}
	along->value = length;
}

static void fundamental(const struct ct_lockin *lockin, size_t reference, const double *weights,
			double t, double *room, struct ct_lockin_line *line)
{
	const double frequency = lockin->frequency_hz[reference];
	/* The fundamental of a square wave from 0 to 1. */
	const double unit = 2 / M_PI * sin(M_PI * lockin->duty[reference]);
	struct mean along, across;
	double phase, sine;

	components(lockin, reference, weights, room, &along, &across, &phase);
	along.value /= unit;
	along.error /= unit;
	line->amplitude = t_interval(along, t);
	sine = t * across.error / (fabs(along.value) * unit);
	line->delay_s = (struct ct_interval){phase / (2 * M_PI * frequency), -INFINITY, INFINITY};
	if (sine < 1) {
		line->delay_s.lo = (phase - asin(sine)) / (2 * M_PI * frequency);
		line->delay_s.hi = (phase + asin(sine)) / (2 * M_PI * frequency);
	}
}

static void tell_harmonics(const struct ct_lockin *lockin, size_t reference, const double *weights,
			   struct ct_lockin_line *line)
{
	double cosine, sine, first = 0;

	for (size_t h = 0; h < CT_LOCKIN_HARMONICS; h++) {
		double frequency = (double)(h + 1) * lockin->frequency_hz[reference];

		line->harmonics[h] = NAN;
		if (line->p > clear || frequency * lockin->epoch_s > 0.5)
			continue;
		vector_of(lockin, reference, weights, h, &cosine, &sine);
		if (h == 0)
			first = hypot(cosine, sine);
		line->harmonics[h] = hypot(cosine, sine) / first;
	}
}

static void unknown(struct ct_lockin_line *line)
{
	*line = (struct ct_lockin_line){.shift = CT_INTERVAL_NONE,
					.p = NAN,
					.detectable = NAN,
					.amplitude = CT_INTERVAL_NONE,
					.delay_s = CT_INTERVAL_NONE,
					.effective = NAN};
	for (size_t h = 0; h < CT_LOCKIN_HARMONICS; h++)
		line->harmonics[h] = NAN;
}

bool ct_lockin_result(const struct ct_lockin *lockin, size_t reference, double confidence,
		      struct ct_rng *rng, struct ct_lockin_line *line)
{
	const size_t n = lockin->n_segments;
	double *weights, *room;
	struct mean shift;
	double df, t;

	unknown(line);
	if (n < CT_LOCKIN_MIN_SEGMENTS || reference >= lockin->n_references ||
	    !(confidence > 0 && confidence < 1))
		return false;
	weights = weigh(lockin);
	room = malloc(n * sizeof *room);
	if (!weights || !room) {
		free(weights);
		free(room);
		return false;
	}
	line->segments = n;
	line->effective = effective_number(weights, n);
	df = line->effective - 1;
	t = ct_t_quantile((1 + confidence) / 2, df);
	for (size_t i = 0; i < n; i++)
		room[i] = lockin->estimates[i * lockin->n_references + reference].in_phase;
	shift = weighted_mean(room, weights, n);
	line->shift = t_interval(shift, t);
	line->detectable = (ct_t_quantile(0.975, df) + ct_t_quantile(0.95, df)) * shift.error;
	line->p = turn_test(lockin, reference, weights, rng);
	fundamental(lockin, reference, weights, t, room, line);
	tell_harmonics(lockin, reference, weights, line);
	free(weights);
	free(room);
	return true;
}

/* The smallest distance between multiples of two different frequencies of the set. */
static double separation(const double *frequencies, size_t n)
{
	double smallest = INFINITY;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i; k++) {
			for (int p = 1; p <= MULTIPLES; p++) {
				for (int q = 1; q <= MULTIPLES; q++)
					smallest = fmin(smallest, fabs(p * frequencies[i] -
								       q * frequencies[k]));
			}
		}
	}
	return smallest;
}

bool ct_lockin_frequencies(size_t n, double lo_hz, double hi_hz, double *frequencies)
{
	double candidate[CT_LOCKIN_MAX_REFERENCES], best = -1;
	struct ct_rng rng;

	if (n == 0 || n > CT_LOCKIN_MAX_REFERENCES || !(lo_hz > 0 && lo_hz < hi_hz))
		return false;
	ct_rng_seed(&rng, n);
	for (int i = 0; i < CANDIDATES; i++) {
		double step = (hi_hz - lo_hz) / (double)n, distance;

		/* Evenly spread, each moved by up to a third of the step. */
		for (size_t k = 0; k < n; k++)
			candidate[k] = lo_hz + step * ((double)k + 0.5 +
						       (ct_rng_uniform(&rng) - 0.5) * 2 / 3);
		distance = separation(candidate, n);
		if (distance > best) {
			best = distance;
			memcpy(frequencies, candidate, n * sizeof *frequencies);
		}
	}
	/* To a millihertz, so that a job file can say the same. */
	for (size_t k = 0; k < n; k++)
		frequencies[k] = round(frequencies[k] * 1000) / 1000;
	return true;
}
