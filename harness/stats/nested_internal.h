/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the estimation (nested.c) and the intervals (nested_interval.c) of nested effects. */
#ifndef COTENANT_STATS_NESTED_INTERNAL_H
#define COTENANT_STATS_NESTED_INTERNAL_H

#include "harness/stats/nested.h"

enum { EPOCH, PHASE, BLOCK, LEVELS };

/* What the likelihood needs of one phase. */
struct phase_sum {
	uint32_t block, state;
	double n;           /* epochs */
	double mean;        /* of the epochs, less the grand mean */
	double squares;     /* of the epochs about their mean */
	double epoch_error; /* variance of an epoch's value that is due to its samples */
};

struct design {
	struct phase_sum *phases; /* ordered by block */
	size_t n_phases, blocks, states;
	double grand_mean;
	double epochs_per_phase; /* harmonic means */
	double phases_per_block;
	double epoch_error;
	double df[LEVELS];
};

/* Estimates: what the deviance leaves behind at its minimum. */
struct fit {
	double variance[LEVELS];
	double deviance;
	double mean[CT_NESTED_STATES];
	double covariance[CT_NESTED_STATES][CT_NESTED_STATES]; /* of the state means */
};

/* Raw (biased up) variance of the state means, and what their errors add to it on average. */
double ct_nested_effect_variance(const struct fit *fit, size_t states, double *bias);

bool ct_nested_intervals(const struct design *design, const struct fit *fit, double within_error,
			 double confidence, size_t draws, struct ct_rng *rng,
			 struct ct_nested *out);

#endif
