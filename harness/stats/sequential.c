/* SPDX-License-Identifier: Apache-2.0 */
/* Confidence sequences for the mean of log ratios, and who gets the next block. */
#include "harness/stats/sequential.h"

#include <stdint.h>

/* The first estimate of a spread is too poor to give a cell up by. */
enum { FEWEST = 5, MOST = 100000 };

double ct_sequential_t(size_t n, double confidence)
{
	const double grown = 1 + (double)n * CT_SEQUENTIAL_SCALE * CT_SEQUENTIAL_SCALE;
	double alpha = 1 - confidence, level, x;

	if (n < 2 || !(confidence > 0 && confidence < 1))
		return NAN;
	/* E(t) = 1 / alpha, solved for t^2 / v. */
	level = pow(sqrt(grown) / alpha, 2 / (double)n);
	if (level >= grown)
		return INFINITY;
	x = (level - 1) / (1 - level / grown);
	return sqrt(x * (double)(n - 1));
}

/* Half the width of the interval if n ratios had this standard deviation. */
static double radius_of(size_t n, double sd, double confidence)
{
	return n < 2 ? INFINITY : ct_sequential_t(n, confidence) * sd / sqrt((double)n);
}

static double sd_of(const struct ct_sequential_cell *cell)
{
	return cell->n < 2 ? NAN : sqrt(cell->squares / (double)(cell->n - 1));
}

struct ct_interval ct_sequential_interval(const struct ct_sequential_cell *cell, double confidence)
{
	double radius = INFINITY;

	if (cell->n == 0)
		return CT_INTERVAL_NONE;
	/* Equal ratios have no spread, and no amount of infinity times it. */
	if (cell->n >= 2 && isfinite(ct_sequential_t(cell->n, confidence)))
		radius = radius_of(cell->n, sd_of(cell), confidence);
	return (struct ct_interval){cell->mean, cell->mean - radius, cell->mean + radius};
}

void ct_sequential_add(struct ct_sequential *sequential, size_t index, double log_ratio)
{
	struct ct_sequential_cell *cell = &sequential->cells[index];
	struct ct_interval interval;
	double step;

	sequential->spent++;
	if (!isfinite(log_ratio) || cell->verdict != CT_SEQUENTIAL_OPEN)
		return;
	step = log_ratio - cell->mean;
	cell->mean += step / (double)++cell->n;
	cell->squares += step * (log_ratio - cell->mean);
	interval = ct_sequential_interval(cell, sequential->confidence);
	if (interval.hi < sequential->margin)
		cell->verdict = CT_SEQUENTIAL_BELOW;
	else if (interval.lo > sequential->margin)
		cell->verdict = CT_SEQUENTIAL_ABOVE;
}

void ct_sequential_close(struct ct_sequential *sequential, size_t cell)
{
	if (sequential->cells[cell].verdict == CT_SEQUENTIAL_OPEN)
		sequential->cells[cell].verdict = CT_SEQUENTIAL_CLOSED;
}

size_t ct_sequential_need(const struct ct_sequential *sequential, size_t index)
{
	const struct ct_sequential_cell *cell = &sequential->cells[index];
	const double gap = fabs(cell->mean - sequential->margin), sd = sd_of(cell);

	if (cell->n < FEWEST)
		return FEWEST;
	/* The radius falls with n: doubling, then halving, finds where it passes the gap. */
	for (size_t lo = cell->n, hi = 2 * cell->n; lo < MOST; lo = hi, hi *= 2) {
		if (radius_of(hi, sd, sequential->confidence) >= gap)
			continue;
		while (hi - lo > 1) {
			size_t middle = lo + (hi - lo) / 2;

			if (radius_of(middle, sd, sequential->confidence) < gap)
				hi = middle;
			else
				lo = middle;
		}
		return hi;
	}
	return SIZE_MAX;
}

bool ct_sequential_wants(const struct ct_sequential *sequential, size_t index, bool even_hopeless)
{
	const struct ct_sequential_cell *cell = &sequential->cells[index];
	const size_t left = sequential->budget - sequential->spent;

	if (cell->verdict != CT_SEQUENTIAL_OPEN || sequential->spent >= sequential->budget)
		return false;
	return even_hopeless || ct_sequential_need(sequential, index) - cell->n <= left;
}
