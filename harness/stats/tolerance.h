/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guarantees without a distribution (Wilks 1941, Annals of Mathematical Statistics 12:91), and how
 * many blocks a decision needs.
 *
 * 'draws' are independent values: block maxima, thinned samples or effective samples, whichever the
 * caller can defend; never the raw count of an autocorrelated series.
 */
#ifndef COTENANT_STATS_TOLERANCE_H
#define COTENANT_STATS_TOLERANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ct_tolerance {
	/*
	 * The rank (1 is the smallest) of the value that is at least the p-quantile with the asked
	 * confidence: the smallest such rank, n for the maximum; 0 when n draws can't carry any.
	 */
	uint64_t rank;
	uint64_t needs;      /* draws for the maximum to do: ceil(ln(1 - confidence) / ln p) */
	uint64_t needs_more; /* how many of them are still missing; 0 when rank > 0 */
	double achieved;     /* confidence that the rank really has; 1 - p^n when rank is 0 */
};

/* One-sided upper bound on the p-quantile. False for p or confidence outside (0, 1). */
bool ct_tolerance_upper(uint64_t n, double p, double confidence, struct ct_tolerance *out);

/*
 * Planning for the paired design of paired.h: sd is that of the log ratios from the blocks at hand,
 * taken as the true one (with few blocks itself uncertain: a plan, not a promise). alpha is
 * two-sided for a difference, one-sided each for equivalence. Exact for normal log ratios: the
 * normal probability is averaged over the chi distribution of the estimated sd.
 * NaN, or 0 blocks, for arguments out of range.
 */
double ct_power_difference(size_t blocks, double sd, double ratio, double alpha);
double ct_power_equivalence(size_t blocks, double sd, double ratio, double margin, double alpha);

/* The smallest ratio above 1 found with the given power; INFINITY if no ratio up to 10^6 is. */
double ct_minimum_detectable_ratio(size_t blocks, double sd, double alpha, double power);

/*
 * The same for many sds. How many standard errors are found depends on the number of blocks alone,
 * and that is what takes the time: it is kept. Set alpha and power, the rest is 0.
 */
enum { CT_DETECTABLE_SLOTS = 32 };
struct ct_detectable {
	double alpha, power;
	struct ct_detectable_shift {
		size_t blocks; /* 0: empty */
		double shift;
	} slots[CT_DETECTABLE_SLOTS];
};
double ct_detectable_ratio(struct ct_detectable *known, size_t blocks, double sd);

/* Blocks for the given power; 0 when a million do not suffice (or nothing can: ratio at the
 * margin). */
size_t ct_blocks_for_difference(double sd, double ratio, double alpha, double power);
size_t ct_blocks_for_equivalence(double sd, double ratio, double margin, double alpha,
				 double power);
/* Blocks for a t interval of the ratio no wider than from ratio/(1 + width) to ratio*(1 + width).
 */
size_t ct_blocks_for_width(double sd, double width, double confidence);

#endif
