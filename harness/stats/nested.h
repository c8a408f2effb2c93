/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the variance of log latency comes from: nested random effects.
 *
 *   y = mean of its co-tenant state + block + phase within block + epoch within phase + sample
 *
 * Block, phase and epoch are random, the co-tenant state is fixed. Components are estimated by
 * restricted maximum likelihood (Patterson & Thompson 1971; Searle, Casella & McCulloch, Variance
 * Components, ch. 6), which for balanced data without negative components is the classical analysis
 * of variance and stays right when phases are missing or of different length. A component whose
 * estimate would be negative is zero and marked.
 *
 * Intervals are generalised confidence intervals (Weerahandi 1993, JASA 88:899): each expected mean
 * square is replaced by its estimate times df / chi squared, the state effects by the inverse of
 * their noncentral chi squared distribution, and the quantiles of many such draws are taken. They
 * hold for few blocks and reach zero where the data allow zero.
 */
#ifndef COTENANT_STATS_NESTED_H
#define COTENANT_STATS_NESTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/rng.h"
#include "harness/stats/interval.h"

/* One phase: what was measured between two changes of the co-tenant state. */
struct ct_nested_phase {
	uint32_t block;       /* 0 .. blocks - 1 */
	uint32_t state;       /* co-tenant state, 0 .. states - 1; 0 is usually the baseline */
	const double *epochs; /* mean (or median) of log latency of each epoch; finite */
	size_t n_epochs;      /* at least 1 */
	/*
	 * Variance of log latency of the samples inside an epoch, pooled over the phase, and the
	 * independent samples behind one epoch's value (its variance is the quotient). Zero and any
	 * positive number when nothing is known of samples: epochs are then taken as exact.
	 */
	double within_variance;
	double samples_per_epoch;
};

#define CT_NESTED_STATES 64

struct ct_nested {
	struct ct_interval within_epoch;  /* mean of within_variance; t interval over phases */
	struct ct_interval between_epoch; /* all in squared log units */
	struct ct_interval
		between_phase; /* zero with false below when it can't be told from epochs */
	struct ct_interval between_block;
	struct ct_interval cotenant; /* variance of the state means, each state counting alike */
	struct ct_interval omega_squared; /* cotenant over the sum of all five */
	double state_mean[CT_NESTED_STATES];
	bool epoch_truncated, phase_truncated, block_truncated, cotenant_truncated;
	bool phase_estimated, block_estimated; /* the design has degrees of freedom for it */
	double restricted_deviance;            /* -2 log restricted likelihood, up to a constant */
};

/*
 * draws: for the intervals; 2000 is usual, at least 200. False, with NaN, when there are fewer than
 * 2 phases, a block or state number without phases below the largest, more than CT_NESTED_STATES
 * states, no residual degrees of freedom at any level, values that are not finite or no memory.
 */
bool ct_nested_components(const struct ct_nested_phase *phases, size_t n_phases, double confidence,
			  size_t draws, struct ct_rng *rng, struct ct_nested *out);

#endif
