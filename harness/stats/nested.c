/* SPDX-License-Identifier: Apache-2.0 */
/* Nested variance components by restricted maximum likelihood. */
#include "harness/stats/nested.h"

#include <stdlib.h>
#include <string.h>

#include "harness/stats/distributions.h"
#include "harness/stats/nested_internal.h"

static int by_block(const void *left, const void *right)
{
	uint32_t a = ((const struct phase_sum *)left)->block;
	uint32_t b = ((const struct phase_sum *)right)->block;

	return (a > b) - (a < b);
}

static bool phase_ok(const struct ct_nested_phase *p)
{
	if (p->n_epochs < 1 || !(p->within_variance >= 0) || isinf(p->within_variance) ||
	    !(p->samples_per_epoch > 0))
		return false;
	for (size_t i = 0; i < p->n_epochs; i++)
		if (!isfinite(p->epochs[i]))
			return false;
	return true;
}

static struct phase_sum summarise(const struct ct_nested_phase *p)
{
	struct phase_sum s = {p->block, p->state, (double)p->n_epochs, 0, 0, 0};

	for (size_t i = 0; i < p->n_epochs; i++)
		s.mean += p->epochs[i] - p->epochs[0];
	s.mean = p->epochs[0] + s.mean / s.n;
	for (size_t i = 0; i < p->n_epochs; i++)
		s.squares += (p->epochs[i] - s.mean) * (p->epochs[i] - s.mean);
	s.epoch_error = p->within_variance / p->samples_per_epoch;
	return s;
}

/* Every block and state number below the largest must occur: a hole is a mistake of the caller. */
static bool numbers_dense(const struct design *d)
{
	bool state_seen[CT_NESTED_STATES] = {false};
	uint32_t block = 0;

	for (size_t i = 0; i < d->n_phases; i++) {
		if (d->phases[i].block > block + (i > 0) || (i == 0 && d->phases[i].block != 0))
			return false;
		block = d->phases[i].block;
		state_seen[d->phases[i].state] = true;
	}
	for (size_t s = 0; s < d->states; s++)
		if (!state_seen[s])
			return false;
	return true;
}

static bool make_design(const struct ct_nested_phase *phases, size_t n, struct design *d)
{
	double epochs = 0, inverse_epochs = 0, inverse_phases = 0;

	*d = (struct design){.n_phases = n};
	d->phases = n >= 2 ? malloc(n * sizeof *d->phases) : NULL;
	if (!d->phases)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!phase_ok(&phases[i]) || phases[i].state >= CT_NESTED_STATES)
			return false;
		d->phases[i] = summarise(&phases[i]);
		d->grand_mean += d->phases[i].mean / (double)n;
		d->epoch_error += d->phases[i].epoch_error / (double)n;
		if (phases[i].block >= d->blocks)
			d->blocks = (size_t)phases[i].block + 1;
		if (phases[i].state >= d->states)
			d->states = (size_t)phases[i].state + 1;
		epochs += d->phases[i].n;
		inverse_epochs += 1 / d->phases[i].n;
	}
	qsort(d->phases, n, sizeof *d->phases, by_block);
	if (!numbers_dense(d))
		return false;
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && d->phases[end].block == d->phases[i].block;)
			end++;
		inverse_phases += 1 / (double)(end - i);
	}
	for (size_t i = 0; i < n; i++)
		d->phases[i].mean -= d->grand_mean;
	d->epochs_per_phase = (double)n / inverse_epochs;
	d->phases_per_block = (double)d->blocks / inverse_phases;
	d->df[EPOCH] = epochs - (double)n;
	d->df[PHASE] = (double)n - (double)d->blocks - (double)(d->states - 1);
	d->df[BLOCK] = (double)d->blocks - 1;
	return d->df[EPOCH] > 0 || d->df[PHASE] > 0;
}

/*
 * Inverts a symmetric positive definite matrix in place by Gauss-Jordan; returns the logarithm of
 * its determinant, NaN when it is singular. Small: one row a co-tenant state.
 */
static double invert(double matrix[CT_NESTED_STATES][CT_NESTED_STATES], size_t n)
{
	double log_determinant = 0;

	for (size_t k = 0; k < n; k++) {
		double pivot = matrix[k][k];

		if (!(pivot > 0))
			return NAN;
		log_determinant += log(pivot);
		matrix[k][k] = 1;
		for (size_t j = 0; j < n; j++)
			matrix[k][j] /= pivot;
		for (size_t i = 0; i < n; i++) {
			double factor = matrix[i][k];

			if (i == k)
				continue;
			matrix[i][k] = 0;
			for (size_t j = 0; j < n; j++)
				matrix[i][j] -= factor * matrix[k][j];
		}
	}
	return log_determinant;
}

/* Sums of one block, weighted by the inverse variances of its phase means. */
struct block_sum {
	double weight, product; /* over all phases: weights, weights times means */
	double by_state[CT_NESTED_STATES];
};

/*
 * -2 log restricted likelihood. Within a phase the epochs are equally correlated, so the phase acts
 * through its mean, of variance phase + (epoch + error) / n, and its sum of squares; within a block
 * the phase means are equally correlated, which the rank-one terms undo (Sherman & Morrison).
 */
static double deviance(const struct design *d, struct fit *fit)
{
	double right[CT_NESTED_STATES] = {0}, total = 0, quadratic = 0;
	const double *v = fit->variance;

	memset(fit->covariance, 0, sizeof fit->covariance);
	for (size_t i = 0, end; i < d->n_phases; i = end) {
		struct block_sum b = {0};
		double shrink;

		for (end = i; end < d->n_phases && d->phases[end].block == d->phases[i].block;
		     end++) {
			const struct phase_sum *p = &d->phases[end];
			double epoch = v[EPOCH] + p->epoch_error, mean = v[PHASE] + epoch / p->n;
			double weight = 1 / mean;

			if (p->n > 1)
				total += (p->n - 1) * log(epoch) + p->squares / epoch;
			total += log(mean);
			quadratic += weight * p->mean * p->mean;
			right[p->state] += weight * p->mean;
			fit->covariance[p->state][p->state] += weight;
			b.weight += weight;
			b.product += weight * p->mean;
			b.by_state[p->state] += weight;
		}
		shrink = v[BLOCK] / (1 + v[BLOCK] * b.weight);
		total += log1p(v[BLOCK] * b.weight);
		quadratic -= shrink * b.product * b.product;
		for (size_t s = 0; s < d->states; s++) {
			right[s] -= shrink * b.by_state[s] * b.product;
			for (size_t t = 0; t < d->states; t++)
				fit->covariance[s][t] -= shrink * b.by_state[s] * b.by_state[t];
		}
	}
	total += invert(fit->covariance, d->states);
	for (size_t s = 0; s < d->states; s++) {
		fit->mean[s] = 0;
		for (size_t t = 0; t < d->states; t++)
			fit->mean[s] += fit->covariance[s][t] * right[t];
		quadratic -= fit->mean[s] * right[s];
	}
	fit->deviance = total + quadratic;
	return isnan(fit->deviance) ? INFINITY : fit->deviance;
}

/* The search is over square roots of the variances, so that zero is an ordinary point. */
struct vertex {
	double x[LEVELS];
	double value;
};

/* Which levels are free, and their number: a level without degrees of freedom stays zero. */
struct problem {
	const struct design *design;
	struct fit *fit;
	int level[LEVELS], n;
};

static double evaluate(const struct problem *p, struct vertex *at)
{
	memset(p->fit->variance, 0, sizeof p->fit->variance);
	for (int i = 0; i < p->n; i++)
		p->fit->variance[p->level[i]] = at->x[i] * at->x[i];
	at->value = deviance(p->design, p->fit);
	return at->value;
}

static int by_deviance(const void *left, const void *right)
{
	double a = ((const struct vertex *)left)->value, b = ((const struct vertex *)right)->value;

	return (a > b) - (a < b);
}

/* centre + factor * (worst - centre). */
static struct vertex moved(const struct problem *p, const struct vertex *simplex, double factor)
{
	struct vertex result = {{0}, 0};

	for (int k = 0; k < p->n; k++) {
		double centre = 0;

		for (int i = 0; i < p->n; i++)
			centre += simplex[i].x[k] / p->n;
		result.x[k] = centre + factor * (simplex[p->n].x[k] - centre);
	}
	evaluate(p, &result);
	return result;
}

/* Nelder & Mead 1965: at most three dimensions, smooth, cheap; derivatives are not worth their
 * code. */
static struct vertex simplex_search(const struct problem *p, const struct vertex *start)
{
	struct vertex simplex[LEVELS + 1] = {{{0}, 0}};

	for (int i = 0; i <= p->n; i++) {
		simplex[i] = *start;
		if (i > 0)
			simplex[i].x[i - 1] *= 1.5;
		evaluate(p, &simplex[i]);
	}
	for (int round = 0; round < 2000; round++) {
		struct vertex reflected, next;
		double size = 0;

		qsort(simplex, (size_t)p->n + 1, sizeof *simplex, by_deviance);
		for (int k = 0; k < p->n; k++)
			size = fmax(size, fabs(simplex[p->n].x[k] - simplex[0].x[k]) /
						  (fabs(simplex[0].x[k]) + 1e-6 * start->x[0]));
		if (size < 1e-9)
			break;
		reflected = moved(p, simplex, -1);
		if (reflected.value < simplex[0].value) {
			next = moved(p, simplex, -2);
			simplex[p->n] = next.value < reflected.value ? next : reflected;
			continue;
		}
		if (reflected.value < simplex[p->n - 1].value) {
			simplex[p->n] = reflected;
			continue;
		}
		next = moved(p, simplex, reflected.value < simplex[p->n].value ? -0.5 : 0.5);
		if (next.value < simplex[p->n].value) {
			simplex[p->n] = next;
			continue;
		}
		for (int i = 1; i <= p->n; i++) {
			for (int k = 0; k < p->n; k++)
				simplex[i].x[k] = (simplex[i].x[k] + simplex[0].x[k]) / 2;
			evaluate(p, &simplex[i]);
		}
	}
	return simplex[0];
}

/* A rough size for every component: the spread of phase means and of epochs. */
static double typical_variance(const struct design *d, int level)
{
	double epochs = 0, means = 0;

	for (size_t i = 0; i < d->n_phases; i++) {
		epochs += d->phases[i].squares;
		means += d->phases[i].mean * d->phases[i].mean;
	}
	epochs /= fmax(1, d->df[EPOCH]);
	means /= (double)(d->n_phases - 1);
	if (level == EPOCH)
		return epochs > 0 ? epochs : means;
	return means > 0 ? means / 2 : epochs;
}

static bool estimate(const struct design *d, struct fit *fit)
{
	struct problem p = {.design = d, .fit = fit};
	struct vertex best = {{0}, 0}, again;

	for (int level = EPOCH; level < LEVELS; level++) {
		if (d->df[level] < 1)
			continue;
		best.x[p.n] = sqrt(typical_variance(d, level));
		if (!(best.x[p.n] > 0))
			return false;
		p.level[p.n++] = level;
	}
	best = simplex_search(&p, &best);
	/* A simplex may collapse beside the minimum: start again from what it found, opened up. */
	for (int round = 0; round < 3; round++) {
		struct vertex start = best;

		for (int i = 0; i < p.n; i++)
			start.x[i] =
				fabs(start.x[i]) + 0.01 * sqrt(typical_variance(d, p.level[i]));
		again = simplex_search(&p, &start);
		if (!(again.value < best.value - 1e-10 * fabs(best.value)))
			break;
		best = again;
	}
	/* Zero is a boundary that a search only approaches: take it where it is as likely. */
	for (int i = 0; i < p.n; i++) {
		struct vertex zero = best;

		zero.x[i] = 0;
		if (evaluate(&p, &zero) <= best.value + 1e-9 * fabs(best.value))
			best = zero;
	}
	return isfinite(evaluate(&p, &best));
}

double ct_nested_effect_variance(const struct fit *fit, size_t states, double *bias)
{
	double n = (double)states, mean = 0, raw = 0, trace = 0, all = 0;

	for (size_t s = 0; s < states; s++)
		mean += fit->mean[s] / n;
	for (size_t s = 0; s < states; s++) {
		raw += (fit->mean[s] - mean) * (fit->mean[s] - mean) / n;
		trace += fit->covariance[s][s];
		for (size_t t = 0; t < states; t++)
			all += fit->covariance[s][t];
	}
	*bias = (trace - all / n) / n;
	return raw;
}

/* Mean of the phases' within-epoch variances, and its standard error. */
static double within_epoch(const struct ct_nested_phase *phases, size_t n, double *error)
{
	double mean = 0, squares = 0;

	for (size_t i = 0; i < n; i++)
		mean += phases[i].within_variance / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += pow(phases[i].within_variance - mean, 2);
	*error = sqrt(squares / (double)(n - 1) / (double)n);
	return mean;
}

static void no_result(struct ct_nested *out)
{
	const struct ct_interval none = CT_INTERVAL_NONE;

	*out = (struct ct_nested){none, none, none, none, none, none, .restricted_deviance = NAN};
	for (size_t s = 0; s < CT_NESTED_STATES; s++)
		out->state_mean[s] = NAN;
}

bool ct_nested_components(const struct ct_nested_phase *phases, size_t n_phases, double confidence,
			  size_t draws, struct ct_rng *rng, struct ct_nested *out)
{
	struct design design = {0};
	struct fit *fit = calloc(1, sizeof *fit); /* two matrices of states: too much for a stack */
	double raw, bias, within_error, sum;
	bool ok = false;

	no_result(out);
	if (!fit || draws < 200 || !(confidence > 0 && confidence < 1) ||
	    !make_design(phases, n_phases, &design) || !estimate(&design, fit))
		goto out;
	raw = ct_nested_effect_variance(fit, design.states, &bias);
	out->within_epoch.value = within_epoch(phases, n_phases, &within_error);
	out->between_epoch.value = fit->variance[EPOCH];
	out->between_phase.value = fit->variance[PHASE];
	out->between_block.value = fit->variance[BLOCK];
	out->cotenant.value = fmax(0, raw - bias);
	sum = out->within_epoch.value + out->between_epoch.value + out->between_phase.value +
	      out->between_block.value + out->cotenant.value;
	out->omega_squared.value = sum > 0 ? out->cotenant.value / sum : NAN;
	for (size_t s = 0; s < design.states; s++)
		out->state_mean[s] = fit->mean[s] + design.grand_mean;
	out->phase_estimated = design.df[PHASE] >= 1;
	out->block_estimated = design.df[BLOCK] >= 1;
	out->epoch_truncated = design.df[EPOCH] >= 1 && fit->variance[EPOCH] == 0;
	out->phase_truncated = out->phase_estimated && fit->variance[PHASE] == 0;
	out->block_truncated = out->block_estimated && fit->variance[BLOCK] == 0;
	out->cotenant_truncated = design.states > 1 && raw <= bias;
	out->restricted_deviance = fit->deviance;
	ok = ct_nested_intervals(&design, fit, within_error, confidence, draws, rng, out);
out:
	if (!ok)
		no_result(out);
	free(design.phases);
	free(fit);
	return ok;
}
