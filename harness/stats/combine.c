/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/stats/combine.h"

#include <math.h>
#include <string.h>

const char *const ct_world_names[CT_WORLDS] = {"larger", "sum", "product", "turns", "queue"};
/* Delays that add are the usual case; a tenth for what is rare. All on the grid of the weights. */
const double ct_world_prior[CT_WORLDS] = {0.1, 0.4, 0.2, 0.2, 0.1};

/* Log odds of 1 in 1100 and of 1099 in 1100. */
static const double widest = 7;
/* A cell that tells two worlds apart by all that is at stake weighs as much as the prior. */
static const double prior_weight = 16;
/* What a measurement is never trusted beyond, on the log scale. */
static const double resolution = 0.01;
/* A world that is right is expected to be so to a quarter of what is at stake. */
static const double share_of_spread = 0.25;
enum { GRID = 10, HALVINGS = 60 };

static double level_of(size_t k)
{
	return widest * (2.0 * (double)k / (CT_PROFILE_POINTS - 1) - 1);
}

static double share_above(double level)
{
	return 1 / (1 + exp(level));
}

bool ct_profile_make(struct ct_profile *profile, const struct ct_bin *bins, size_t n, double unit)
{
	const double total = (double)ct_bins_total(bins, n);
	double below = 0;
	size_t bin = 0;

	if (n == 0 || !(total > 0 && unit > 0 && bins[0].value > 0))
		return false;
	for (size_t k = 0; k < CT_PROFILE_POINTS; k++) {
		const double rank = ceil(total * (1 - share_above(level_of(k))));

		while (bin + 1 < n && below + (double)bins[bin].count < rank)
			below += (double)bins[bin++].count;
		profile->log_x[k] = log(bins[bin].value / unit);
	}
	return true;
}

double ct_profile_quantile(const struct ct_profile *profile, double q)
{
	const double step = 2 * widest / (CT_PROFILE_POINTS - 1);
	double at = (log(q / (1 - q)) + widest) / step;
	size_t k;

	if (!(at > 0))
		return profile->log_x[0];
	if (at >= CT_PROFILE_POINTS - 1)
		return profile->log_x[CT_PROFILE_POINTS - 1];
	k = (size_t)at;
	at -= (double)k;
	return (1 - at) * profile->log_x[k] + at * profile->log_x[k + 1];
}

double ct_profile_above(const struct ct_profile *profile, double log_x)
{
	size_t first = 0, last = CT_PROFILE_POINTS; /* the first point beyond log_x lies here */
	double before, at;

	while (first < last) {
		size_t middle = first + (last - first) / 2;

		if (profile->log_x[middle] > log_x)
			last = middle;
		else
			first = middle + 1;
	}
	if (first == 0)
		return 1;
	if (first == CT_PROFILE_POINTS)
		return 0;
	before = profile->log_x[first - 1];
	at = (log_x - before) / (profile->log_x[first] - before);
	return share_above((1 - at) * level_of(first - 1) + at * level_of(first));
}

/* By how much the treatment's profile must be moved to show the slowdown that pairing found. */
static double shift_of(const struct ct_alone *part, double q)
{
	return part->slowdown -
	       (ct_profile_quantile(part->treatment, q) - ct_profile_quantile(part->baseline, q));
}

struct turns {
	const struct ct_alone *parts;
	double shift[CT_COMBINE_MAX];
	size_t n;
};

/* Share of samples above x, with all loads or with none. */
static double above(const struct turns *turns, double log_x, bool loaded)
{
	double alone = 0, moved = 0;

	for (size_t i = 0; i < turns->n; i++) {
		const struct ct_alone *part = &turns->parts[i];
		double baseline = ct_profile_above(part->baseline, log_x);

		alone += baseline / (double)turns->n;
		moved += ct_profile_above(part->treatment, log_x - turns->shift[i]) - baseline;
	}
	return loaded ? alone + moved : alone;
}

static double quantile_of(const struct turns *turns, double q, bool loaded)
{
	double lo = INFINITY, hi = -INFINITY;

	for (size_t i = 0; i < turns->n; i++) {
		const struct ct_alone *part = &turns->parts[i];
		const double reach = fabs(turns->shift[i]) + 1e-9;

		lo = fmin(lo, fmin(part->baseline->log_x[0], part->treatment->log_x[0]) - reach);
		hi = fmax(hi, fmax(part->baseline->log_x[CT_PROFILE_POINTS - 1],
				   part->treatment->log_x[CT_PROFILE_POINTS - 1]) +
				      reach);
	}
	for (int i = 0; i < HALVINGS; i++) {
		const double middle = (lo + hi) / 2;

		if (above(turns, middle, loaded) > 1 - q)
			lo = middle;
		else
			hi = middle;
	}
	return (lo + hi) / 2;
}

static double in_turns(const struct ct_alone *parts, size_t n, double q)
{
	struct turns turns = {.parts = parts, .n = n};

	for (size_t i = 0; i < n; i++)
		turns.shift[i] = shift_of(&parts[i], q);
	return quantile_of(&turns, q, true) - quantile_of(&turns, q, false);
}

void ct_combine(const struct ct_alone *parts, size_t n, double q, double worlds[CT_WORLDS])
{
	double larger = parts[0].slowdown, product = 0, excess = 0, utilisation = 0;

	for (size_t i = 0; i < n; i++) {
		larger = fmax(larger, parts[i].slowdown);
		product += parts[i].slowdown;
		excess += expm1(parts[i].slowdown);
		utilisation += -expm1(-parts[i].slowdown);
	}
	worlds[CT_WORLD_LARGER] = larger;
	worlds[CT_WORLD_PRODUCT] = product;
	/* Loads that each help by more than half leave nothing to add up: the product bounds it. */
	worlds[CT_WORLD_SUM] = log(fmax(1 + excess, exp(product) / 2));
	/* An open queue has no end beyond saturation; twice the product is where this one ends. */
	worlds[CT_WORLD_QUEUE] = -log(fmax(1 - utilisation, exp(-product) / 2));
	worlds[CT_WORLD_TURNS] = in_turns(parts, n, q);
}

double ct_worlds_spread(const double worlds[CT_WORLDS])
{
	double lo = worlds[0], hi = worlds[0];

	for (size_t i = 1; i < CT_WORLD_QUEUE; i++) {
		lo = fmin(lo, worlds[i]);
		hi = fmax(hi, worlds[i]);
	}
	return hi - lo;
}

double ct_worlds_mean(const double worlds[CT_WORLDS], const double weights[CT_WORLDS])
{
	double mean = 0;

	for (size_t i = 0; i < CT_WORLDS; i++)
		mean += weights[i] * worlds[i];
	return mean;
}

void ct_stack_add(struct ct_stack *stack, const double worlds[CT_WORLDS], double measured,
		  double variance, double times)
{
	const double stake = share_of_spread * ct_worlds_spread(worlds);
	const double weight = times / (variance + resolution * resolution + stake * stake);

	/* Weights have sum 1, so a constant may be taken from both sides; that keeps digits. */
	for (size_t i = 0; i < CT_WORLDS; i++) {
		const double one = worlds[i] - worlds[0];

		stack->product[i] += weight * one * (measured - worlds[0]);
		for (size_t j = 0; j < CT_WORLDS; j++)
			stack->square[i][j] += weight * one * (worlds[j] - worlds[0]);
	}
}

/* Sum of squares of these weights less a constant, and their distance from the prior. */
static double cost_of(const struct ct_stack *stack, const double prior[CT_WORLDS],
		      const double weights[CT_WORLDS])
{
	double cost = 0;

	for (size_t i = 0; i < CT_WORLDS; i++) {
		const double away = weights[i] - prior[i];

		cost += prior_weight * away * away - 2 * weights[i] * stack->product[i];
		for (size_t j = 0; j < CT_WORLDS; j++)
			cost += weights[i] * weights[j] * stack->square[i][j];
	}
	return cost;
}

/* The next way to share out GRID tenths among the worlds; false after the last. */
static bool next_shares(int shares[CT_WORLDS])
{
	size_t i = 0;
	int first;

	while (i < CT_WORLDS && shares[i] == 0)
		i++;
	if (i + 1 >= CT_WORLDS)
		return false;
	first = shares[i];
	shares[i] = 0;
	shares[0] = first - 1;
	shares[i + 1]++;
	return true;
}

/* A search of all 1,001 points of the grid: it can't get stuck, and it costs microseconds. */
void ct_stack_weights(const struct ct_stack *stack, const double prior[CT_WORLDS],
		      double weights[CT_WORLDS])
{
	int shares[CT_WORLDS] = {GRID};
	double best[CT_WORLDS] = {1}, lowest = INFINITY;

	do {
		double tried[CT_WORLDS], cost;

		for (size_t i = 0; i < CT_WORLDS; i++)
			tried[i] = (double)shares[i] / GRID;
		cost = cost_of(stack, prior, tried);
		if (cost < lowest) {
			lowest = cost;
			memcpy(best, tried, sizeof best);
		}
	} while (next_shares(shares));
	memcpy(weights, best, sizeof best);
}
