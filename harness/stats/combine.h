/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several loads together do, from what each does alone.
 *
 * No single rule holds on all machines, so there are five, each exact in a world of its own:
 *   larger    one bottleneck, and the busier load hides the other
 *   sum       delays add: excesses over 1 are summed
 *   product   each load scales what is left by the other: slowdowns are multiplied
 *   turns     the loads are never on at the same instant, so the shares of samples that each moves
 *             beyond a latency add. It works on whole distributions: two loads that are on for 30 %
 *             of the time leave the median alone one by one and move it together
 *   queue     one server near saturation: the slowdown is 1 / (1 - utilisation) and utilisations
 * add A prediction is their weighted mean on the log scale. The weights, not negative and with sum
 * 1, come from mixtures that were measured, by least squares that is drawn towards a prior
 * (stacking: Wolpert 1992, Neural Networks 5:241; Breiman 1996, Machine Learning 24:49). Weights of
 * one kind of mixture are drawn towards those of all kinds, so that few measurements of a kind
 * change little.
 *
 * All slowdowns here are natural logarithms.
 */
#ifndef COTENANT_STATS_COMBINE_H
#define COTENANT_STATS_COMBINE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/stats/quantile.h"

enum ct_world {
	CT_WORLD_LARGER,
	CT_WORLD_SUM,
	CT_WORLD_PRODUCT,
	CT_WORLD_TURNS,
	CT_WORLD_QUEUE,
	CT_WORLDS
};
extern const char *const ct_world_names[CT_WORLDS];
/* What is believed before any mixture was measured. */
extern const double ct_world_prior[CT_WORLDS];

/* A distribution as its quantiles at fixed log odds from 0.1 % to 99.9 %. */
enum { CT_PROFILE_POINTS = 257 };
struct ct_profile {
	double log_x[CT_PROFILE_POINTS]; /* ascending */
};
/* Of bins with positive values, in units of `unit`; false when there is no bin. */
bool ct_profile_make(struct ct_profile *profile, const struct ct_bin *bins, size_t n, double unit);
double ct_profile_quantile(const struct ct_profile *profile, double q); /* logarithm */
double ct_profile_above(const struct ct_profile *profile, double log_x);

/* One load alone. */
struct ct_alone {
	double slowdown; /* of the quantile in question */
	/* Both in units of the baseline's median; the treatment is shifted to fit `slowdown`. */
	const struct ct_profile *baseline, *treatment;
};
enum { CT_COMBINE_MAX = 16 };
/* What each world says of n loads together, 1 <= n <= CT_COMBINE_MAX. */
void ct_combine(const struct ct_alone *parts, size_t n, double q, double worlds[CT_WORLDS]);
/*
 * Distance between the largest and the smallest of them: what is at stake. The queue is not
 * counted: near saturation it is far from all others, and would make everything else look the same.
 */
double ct_worlds_spread(const double worlds[CT_WORLDS]);
double ct_worlds_mean(const double worlds[CT_WORLDS], const double weights[CT_WORLDS]);

/* The sums of least squares; start from zeros. They can be added and taken away again. */
struct ct_stack {
	double square[CT_WORLDS][CT_WORLDS], product[CT_WORLDS];
};
/*
 * Adds (`times` 1) or removes (-1) a mixture that was measured; `variance` is that of the
 * measurement and of what the worlds were computed from. A cell counts by how far it tells the
 * worlds apart.
 */
void ct_stack_add(struct ct_stack *stack, const double worlds[CT_WORLDS], double measured,
		  double variance, double times);
/* The weights, to a tenth. `prior` may be the same array as `weights`. */
void ct_stack_weights(const struct ct_stack *stack, const double prior[CT_WORLDS],
		      double weights[CT_WORLDS]);

#endif
