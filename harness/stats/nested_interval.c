/* SPDX-License-Identifier: Apache-2.0 */
/* Generalised confidence intervals of nested variance components. */
#include <stdlib.h>

#include "harness/stats/distributions.h"
#include "harness/stats/nested_internal.h"

/* The quantities whose draws are kept. */
enum { DRAW_EPOCH, DRAW_PHASE, DRAW_BLOCK, DRAW_COTENANT, DRAW_OMEGA, DRAW_KINDS };

/* P(X <= x) for noncentral chi squared: exact for one degree of freedom, else Sankaran 1959. */
static double noncentral_chi2_cdf(double x, double df, double lambda)
{
	double sum = df + lambda, h, p, m, scale;

	if (df == 1)
		return ct_normal_cdf(sqrt(x) - sqrt(lambda)) -
		       ct_normal_cdf(-sqrt(x) - sqrt(lambda));
	h = 1 - 2 * sum * (df + 3 * lambda) / (3 * (df + 2 * lambda) * (df + 2 * lambda));
	p = (df + 2 * lambda) / (sum * sum);
	m = (h - 1) * (1 - 3 * h);
	scale = h * sqrt(2 * p) * (1 + 0.5 * m * p);
	return ct_normal_cdf((pow(x / sum, h) - 1 - h * p * (h - 1 - 0.5 * (2 - h) * m * p)) /
			     scale);
}

/* The noncentrality under which x has cumulative probability u; 0 when even none makes x likely. */
static double draw_noncentrality(double x, double df, double u)
{
	double lo = 0, hi = x + 40 + 12 * sqrt(x + df);

	if (noncentral_chi2_cdf(x, df, 0) <= u)
		return 0;
	for (int i = 0; i < 60 && hi - lo > 1e-6 * hi; i++) {
		double middle = (lo + hi) / 2;

		if (noncentral_chi2_cdf(x, df, middle) > u)
			lo = middle;
		else
			hi = middle;
	}
	return (lo + hi) / 2;
}

static double draw_normal(struct ct_rng *rng)
{
	return sqrt(2 * ct_rng_exponential(rng)) * cos(2 * M_PI * ct_rng_uniform(rng));
}

/* Marsaglia & Tsang 2000, ACM TOMS 26:363, on gamma(df/2 + 1), then brought down by one. */
static double draw_chi2(double df, struct ct_rng *rng)
{
	double d = df / 2 + 2.0 / 3, c = 1 / sqrt(9 * d), x, v;

	do {
		x = draw_normal(rng);
		v = pow(1 + c * x, 3);
	} while (!(v > 0) || !(log(ct_rng_uniform(rng)) < x * x / 2 + d - d * v + d * log(v)));
	return 2 * d * v * pow(ct_rng_uniform(rng), 2 / df);
}

static double draw_mean_square(double estimate, double df, struct ct_rng *rng)
{
	return df >= 1 ? estimate * df / draw_chi2(df, rng) : 0;
}

/* Squared size of the state effects in units of their error: Wald's statistic over the contrasts.
 */
static double effect_statistic(const struct fit *fit, size_t states)
{
	double contrast[CT_NESTED_STATES], row[CT_NESTED_STATES][CT_NESTED_STATES];
	double statistic = 0;
	size_t n = states - 1;

	/* Contrasts with state 0, whitened by a Cholesky factor of their covariance. */
	for (size_t i = 0; i < n; i++) {
		contrast[i] = fit->mean[i + 1] - fit->mean[0];
		for (size_t j = 0; j <= i; j++)
			row[i][j] = fit->covariance[i + 1][j + 1] - fit->covariance[i + 1][0] -
				    fit->covariance[j + 1][0] + fit->covariance[0][0];
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j <= i; j++) {
			for (size_t k = 0; k < j; k++)
				row[i][j] -= row[i][k] * row[j][k];
			row[i][j] = j < i ? row[i][j] / row[j][j] : sqrt(row[i][i]);
		}
		for (size_t k = 0; k < i; k++)
			contrast[i] -= row[i][k] * contrast[k];
		contrast[i] /= row[i][i];
		statistic += contrast[i] * contrast[i];
	}
	return statistic;
}

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void bounds(double *drawn, size_t n, double confidence, struct ct_interval *out)
{
	double beyond = (1 - confidence) / 2;

	qsort(drawn, n, sizeof *drawn, ascending);
	out->lo = drawn[(size_t)(beyond * (double)(n - 1))];
	out->hi = drawn[(size_t)ceil((1 - beyond) * (double)(n - 1))];
}

bool ct_nested_intervals(const struct design *design, const struct fit *fit, double within_error,
			 double confidence, size_t draws, struct ct_rng *rng, struct ct_nested *out)
{
	const double *v = fit->variance;
	double *values = malloc(DRAW_KINDS * draws * sizeof *values), *drawn[DRAW_KINDS];
	double epoch_ms = v[EPOCH] + design->epoch_error;
	double phase_ms = v[PHASE] + epoch_ms / design->epochs_per_phase;
	double block_ms = v[BLOCK] + phase_ms / design->phases_per_block;
	double contrasts = (double)design->states - 1, statistic = 0, raw = 0, bias, half;
	/* Without a level of its own the error of a phase mean is that of its epochs. */
	int error_level = design->df[PHASE] >= 1 ? PHASE : EPOCH;

	if (!values)
		return false;
	for (int kind = 0; kind < DRAW_KINDS; kind++)
		drawn[kind] = values + (size_t)kind * draws;
	if (contrasts >= 1) {
		statistic = effect_statistic(fit, design->states);
		raw = ct_nested_effect_variance(fit, design->states, &bias);
	}
	for (size_t i = 0; i < draws; i++) {
		double epoch = draw_mean_square(epoch_ms, design->df[EPOCH], rng);
		double phase = draw_mean_square(phase_ms, design->df[PHASE], rng);
		double block = draw_mean_square(block_ms, design->df[BLOCK], rng);
		double error = error_level == PHASE ? phase / phase_ms : epoch / epoch_ms;
		double within = out->within_epoch.value + within_error * draw_normal(rng);
		double sum;

		drawn[DRAW_EPOCH][i] = fmax(0, epoch - design->epoch_error);
		drawn[DRAW_PHASE][i] = fmax(0, phase - epoch / design->epochs_per_phase);
		drawn[DRAW_BLOCK][i] =
			fmax(0, block - (error_level == PHASE ? phase
							      : epoch / design->epochs_per_phase) /
						design->phases_per_block);
		drawn[DRAW_COTENANT][i] =
			statistic > 0 ? raw * error *
						draw_noncentrality(statistic / error, contrasts,
								   ct_rng_uniform(rng)) /
						statistic
				      : 0;
		sum = fmax(0, within) + drawn[DRAW_EPOCH][i] + drawn[DRAW_PHASE][i] +
		      drawn[DRAW_BLOCK][i] + drawn[DRAW_COTENANT][i];
		drawn[DRAW_OMEGA][i] = sum > 0 ? drawn[DRAW_COTENANT][i] / sum : 0;
	}
	bounds(drawn[DRAW_EPOCH], draws, confidence, &out->between_epoch);
	bounds(drawn[DRAW_PHASE], draws, confidence, &out->between_phase);
	bounds(drawn[DRAW_BLOCK], draws, confidence, &out->between_block);
	bounds(drawn[DRAW_COTENANT], draws, confidence, &out->cotenant);
	bounds(drawn[DRAW_OMEGA], draws, confidence, &out->omega_squared);
	half = within_error * ct_t_quantile(0.5 + confidence / 2, (double)design->n_phases - 1);
	out->within_epoch.lo = fmax(0, out->within_epoch.value - half);
	out->within_epoch.hi = out->within_epoch.value + half;
	free(values);
	return true;
}
