/* SPDX-License-Identifier: Apache-2.0 */
/* Lock-in, first half: the fit of every segment. */
#include "harness/stats/lockin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/stats/lsq.h"

enum {
	PERIODS = 8,       /* of the slowest load, in a segment */
	FITS = 3,          /* the first, and two with far epochs pulled in */
	MAX_DEGREE = 12,   /* of the drift */
	COLUMNS_OF_ONE = 2 /* in phase, quadrature */
};
static const double huber_k = 2.5;           /* of standard deviations by the MAD */
static const double drift_per_period = 0.75; /* degrees; half of that many cycles are drift */

/* On time of a 0/1 square wave from its start to t. */
static double on_time(const struct ct_lockin_reference *reference, double t)
{
	const double period = 1 / reference->frequency_hz, on = period * reference->duty;
	double periods = floor(t / period);

	return periods * on + fmin(t - periods * period, on);
}

double ct_lockin_square(const struct ct_lockin_reference *reference, double begin_s, double end_s,
			double delay_s)
{
	const double start = reference->start_s + delay_s;

	return (on_time(reference, end_s - start) - on_time(reference, begin_s - start)) /
	       (end_s - begin_s);
}

/* Mean over an epoch of the h-th harmonic, from the middle of the on time. */
static void harmonic(const struct ct_lockin_reference *reference, int h, double begin_s,
		     double end_s, double *cosine, double *sine)
{
	const double omega = 2 * M_PI * h * reference->frequency_hz;
	const double middle = (begin_s + end_s) / 2 - reference->start_s -
			      reference->duty / reference->frequency_hz / 2;
	const double half = omega * (end_s - begin_s) / 2;
	const double mean = half > 0 ? sin(half) / half : 1;

	*cosine = mean * cos(omega * middle);
	*sine = mean * sin(omega * middle);
}

double ct_lockin_segment_s(const struct ct_lockin_reference *references, size_t n)
{
	double slowest = INFINITY, closest = INFINITY;

	for (size_t i = 0; i < n; i++) {
		slowest = fmin(slowest, references[i].frequency_hz);
		for (size_t k = 0; k < i; k++)
			closest = fmin(closest, fabs(references[i].frequency_hz -
						     references[k].frequency_hz));
	}
	return fmax(PERIODS / slowest, isfinite(closest) ? 2 / closest : 0);
}

/* A segment under work: the epochs that count, the design, and what the fit leaves. */
struct segment {
	const struct ct_lockin_reference *references;
	size_t n_references, n, degree, columns;
	double begin_s, length_s;
	double *begin, *end, *value; /* n each */
	double *fitted, *residual;
	double *design, *work, *right, *x; /* columns * n, the same, n, columns */
};

static void free_segment(struct segment *segment)
{
	free(segment->begin);
	free(segment->end);
	free(segment->value);
	free(segment->fitted);
	free(segment->residual);
	free(segment->design);
	free(segment->work);
	free(segment->right);
	free(segment->x);
}

static bool make_segment(struct segment *segment, const struct ct_lockin_reference *references,
			 size_t n_references, size_t room)
{
	const double segment_s = ct_lockin_segment_s(references, n_references);
	double slowest = INFINITY, degree;
	size_t widest;

	for (size_t i = 0; i < n_references; i++)
		slowest = fmin(slowest, references[i].frequency_hz);
	degree = floor(drift_per_period * segment_s * slowest);
	*segment = (struct segment){.references = references,
				    .n_references = n_references,
				    .length_s = segment_s,
				    .degree = degree < MAX_DEGREE ? (size_t)degree : MAX_DEGREE};
	segment->columns = segment->degree + 1 + COLUMNS_OF_ONE * n_references;
	widest = segment->columns + (size_t)2 * CT_LOCKIN_HARMONICS;
	segment->begin = calloc(room + 1, sizeof(double));
	segment->end = calloc(room + 1, sizeof(double));
	segment->value = calloc(room + 1, sizeof(double));
	segment->fitted = calloc(room + 1, sizeof(double));
	segment->residual = calloc(room + 1, sizeof(double));
	segment->design = calloc((room + 1) * widest, sizeof(double));
	segment->work = calloc((room + 1) * widest, sizeof(double));
	segment->right = calloc(room + 1, sizeof(double));
	segment->x = calloc(widest, sizeof(double));
	return segment->begin && segment->end && segment->value && segment->fitted &&
	       segment->residual && segment->design && segment->work && segment->right &&
	       segment->x;
}

/* Legendre's polynomials over the segment: nearly orthogonal, whatever the degree. */
static void drift_columns(struct segment *segment)
{
	for (size_t i = 0; i < segment->n; i++) {
		double middle = (segment->begin[i] + segment->end[i]) / 2;
		double t = 2 * (middle - segment->begin_s) / segment->length_s - 1;
		double before = 0, now = 1;

		for (size_t d = 0; d <= segment->degree; d++) {
			double next = ((2.0 * (double)d + 1) * t * now - (double)d * before) /
				      ((double)d + 1);

			segment->design[d * segment->n + i] = now;
			before = now;
			now = next;
		}
	}
}

static void load_columns(struct segment *segment)
{
	double *column = segment->design + (segment->degree + 1) * segment->n;

	for (size_t r = 0; r < segment->n_references; r++) {
		const struct ct_lockin_reference *reference = &segment->references[r];

		for (int turn = 0; turn < COLUMNS_OF_ONE; turn++) {
			double delay = turn * 0.25 / reference->frequency_hz;

			for (size_t i = 0; i < segment->n; i++)
				*column++ = ct_lockin_square(reference, segment->begin[i],
							     segment->end[i], delay);
		}
	}
}

/* The first `columns` of the design against `values`; the design stays. */
static bool fit(struct segment *segment, const double *values, size_t columns, double *squares)
{
	memcpy(segment->work, segment->design, columns * segment->n * sizeof(double));
	memcpy(segment->right, values, segment->n * sizeof(double));
	return ct_least_squares(segment->work, segment->right, segment->n, columns, segment->x,
				squares);
}

static void take_residuals(struct segment *segment)
{
	for (size_t i = 0; i < segment->n; i++) {
		double sum = 0;

		for (size_t c = 0; c < segment->columns; c++)
			sum += segment->x[c] * segment->design[c * segment->n + i];
		segment->fitted[i] = sum;
		segment->residual[i] = segment->value[i] - sum;
	}
}

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Pulls epochs in that lie further from the fit than the others' spread allows; how many. */
static size_t pull_in(struct segment *segment)
{
	size_t n = segment->n, pulled = 0;
	double limit;

	for (size_t i = 0; i < n; i++)
		segment->right[i] = fabs(segment->residual[i]);
	qsort(segment->right, n, sizeof(double), ascending);
	limit = huber_k * 1.4826 * segment->right[n / 2];
	for (size_t i = 0; i < n; i++) {
		if (fabs(segment->residual[i]) <= limit)
			continue;
		segment->value[i] = segment->fitted[i] + copysign(limit, segment->residual[i]);
		pulled++;
	}
	return pulled;
}

/* What remains for one reference when the others' part is taken away, by its harmonics. */
static bool fit_harmonics(struct segment *segment, size_t r, const double *x,
			  struct ct_lockin_estimate *estimate)
{
	const size_t own = segment->degree + 1 + COLUMNS_OF_ONE * r, n = segment->n;
	double *left = segment->residual, *columns;
	double squares;

	for (size_t i = 0; i < n; i++) {
		left[i] = segment->value[i];
		for (size_t c = segment->degree + 1; c < segment->columns; c++) {
			if (c != own && c != own + 1)
				left[i] -= x[c] * segment->design[c * n + i];
		}
	}
	memcpy(segment->work, segment->design, (segment->degree + 1) * n * sizeof(double));
	columns = segment->work + (segment->degree + 1) * n;
	for (int h = 1; h <= CT_LOCKIN_HARMONICS; h++, columns += 2 * n) {
		for (size_t i = 0; i < n; i++)
			harmonic(&segment->references[r], h, segment->begin[i], segment->end[i],
				 &columns[i], &columns[n + i]);
	}
	memcpy(segment->right, left, n * sizeof(double));
	if (!ct_least_squares(segment->work, segment->right, n,
			      segment->degree + 1 + (size_t)2 * CT_LOCKIN_HARMONICS, segment->x,
			      &squares))
		return false;
	for (size_t h = 0; h < CT_LOCKIN_HARMONICS; h++) {
		estimate->cosine[h] = segment->x[segment->degree + 1 + 2 * h];
		estimate->sine[h] = segment->x[segment->degree + 2 + 2 * h];
	}
	return true;
}

/* False: too few epochs, or the loads can't be told apart in these. */
static bool fit_segment(struct segment *segment, struct ct_lockin_estimate *estimates,
			double *variance, size_t *clipped)
{
	double *kept;
	double squares = 0;
	bool good = true;

	if (segment->n < 2 * (segment->columns + (size_t)2 * CT_LOCKIN_HARMONICS))
		return false;
	drift_columns(segment);
	load_columns(segment);
	for (int i = 0; i < FITS; i++) {
		if (!fit(segment, segment->value, segment->columns, &squares))
			return false;
		take_residuals(segment);
		if (i + 1 < FITS)
			*clipped = pull_in(segment);
	}
	*variance = squares / (double)(segment->n - segment->columns);
	kept = malloc(segment->columns * sizeof *kept);
	if (!kept)
		return false;
	memcpy(kept, segment->x, segment->columns * sizeof *kept);
	for (size_t r = 0; good && r < segment->n_references; r++) {
		const size_t own = segment->degree + 1 + COLUMNS_OF_ONE * r;

		estimates[r].in_phase = kept[own];
		estimates[r].quadrature = kept[own + 1];
		good = fit_harmonics(segment, r, kept, &estimates[r]);
	}
	free(kept);
	return good;
}

static bool make_room(struct ct_lockin *lockin, size_t more)
{
	const size_t room = lockin->n_segments + more;
	double *variance;
	struct ct_lockin_estimate *estimates;

	if (room <= lockin->room)
		return true;
	variance = realloc(lockin->variance, room * sizeof *variance);
	if (variance)
		lockin->variance = variance;
	estimates = realloc(lockin->estimates, room * lockin->n_references * sizeof *estimates);
	if (estimates)
		lockin->estimates = estimates;
	if (!variance || !estimates)
		return false;
	lockin->room = room;
	return true;
}

static bool same_references(struct ct_lockin *lockin, const struct ct_lockin_reference *references,
			    size_t n)
{
	if (n == 0 || n > CT_LOCKIN_MAX_REFERENCES)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct ct_lockin_reference *one = &references[i];

		if (!(one->frequency_hz > 0 && isfinite(one->frequency_hz) && one->duty > 0 &&
		      one->duty < 1 && isfinite(one->start_s)))
			return false;
		if (lockin->n_references == 0)
			continue;
		if (one->frequency_hz != lockin->frequency_hz[i] || one->duty != lockin->duty[i])
			return false;
	}
	if (lockin->n_references != 0)
		return lockin->n_references == n;
	lockin->n_references = n;
	for (size_t i = 0; i < n; i++) {
		lockin->frequency_hz[i] = references[i].frequency_hz;
		lockin->duty[i] = references[i].duty;
	}
	return true;
}

/* The epochs whose middle lies in [from, from + length); *next is where the following ones begin.
 */
static void take_epochs(struct segment *segment, const struct ct_lockin_series *series,
			size_t *next)
{
	segment->n = 0;
	for (; *next < series->n; (*next)++) {
		double begin = series->begin_s[*next], end = series->end_s[*next];

		if ((begin + end) / 2 >= segment->begin_s + segment->length_s)
			return;
		if (!isfinite(series->value[*next]) || !(end > begin))
			continue;
		segment->begin[segment->n] = begin;
		segment->end[segment->n] = end;
		segment->value[segment->n++] = series->value[*next];
	}
}

bool ct_lockin_add(struct ct_lockin *lockin, const struct ct_lockin_series *series,
		   const struct ct_lockin_reference *references, size_t n_references)
{
	struct segment segment;
	double length;
	size_t pieces, next = 0;
	bool good;

	if (!same_references(lockin, references, n_references))
		return false;
	if (series->n == 0)
		return true;
	good = make_segment(&segment, references, n_references, series->n);
	length = series->end_s[series->n - 1] - series->begin_s[0];
	/* Times that do not ascend are no length; a piece without an epoch is none. */
	pieces =
		good && length > 0 ? (size_t)fmin(length / segment.length_s, (double)series->n) : 0;
	good = good && make_room(lockin, pieces);
	if (length / (double)series->n > lockin->epoch_s)
		lockin->epoch_s = length / (double)series->n;
	/* Stretched so that nothing is left over at the end. */
	if (pieces > 0)
		segment.length_s = length / (double)pieces;
	for (size_t i = 0; good && i < pieces; i++) {
		size_t at = lockin->n_segments, clipped = 0;

		segment.begin_s = series->begin_s[0] + (double)i * segment.length_s;
		take_epochs(&segment, series, &next);
		if (!fit_segment(&segment, lockin->estimates + at * n_references,
				 &lockin->variance[at], &clipped))
			continue;
		lockin->n_segments++;
		lockin->clipped += clipped;
		lockin->epochs += segment.n;
	}
	free_segment(&segment);
	return good;
}

void ct_lockin_free(struct ct_lockin *lockin)
{
	free(lockin->estimates);
	free(lockin->variance);
	*lockin = (struct ct_lockin){0};
}
