/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock-in of a campaign: what each aggressor does to each victim, from phases in which all of them
 * were switched on and off at once, each at a frequency of its own. The rows of the aggressors give
 * the reference (when each was really told to run) and prove that it did.
 */
#ifndef COTENANT_DECIDE_LOCKIN_H
#define COTENANT_DECIDE_LOCKIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/stats/lockin.h"
#include "harness/store/results.h"

enum { CT_LOCKIN_QUANTILES = 2 };
extern const double ct_lockin_q[CT_LOCKIN_QUANTILES]; /* 0.5, 0.99 */

/* The modulation of one aggressor as one phase shows it. */
struct ct_modulation {
	bool known;     /* edges were found where the pattern says */
	double start_s; /* of an on time, on the clock of the phase */
	double frequency_hz, duty;
	double full_rate; /* asked while on, units/s */
	double on_rate;   /* achieved while on */
	double off_rate;  /* achieved while off */
	double jitter_s;  /* largest distance of an edge from where the pattern says */
};

struct ct_lockin_effect {
	struct ct_lockin_line line; /* on the log scale (stats/lockin.h); NaN: not known */
	double q;                   /* its p, adjusted over all effects of the file and quantile */
};

struct ct_lockin_pair {
	const char *config;
	uint32_t victim, aggressor; /* rows of /victims, /aggressors */
	double intensity;           /* percent, while on */
	double frequency_hz, duty;
	size_t phases, left_out; /* used; without a proven modulation of every aggressor */
	double achieved;         /* rate while on over what was asked */
	double leakage;          /* rate while off over what was asked while on */
	double clipped;          /* share of epochs that were pulled in */
	struct ct_lockin_effect effects[CT_LOCKIN_QUANTILES];
	const char *why; /* nothing is known; NULL: it is */
};

struct ct_lockin_table {
	struct ct_lockin_pair *pairs;
	size_t n_pairs;
};

/* Rows of one aggressor among those of a phase; `origin_ns` is second 0. */
struct ct_modulation ct_modulation_of(const struct ct_noise_row *rows, size_t n, uint32_t aggressor,
				      double frequency_hz, double duty, uint64_t origin_ns);

/* Empty where no phase of the file is modulated. Free with ct_lockin_table_free. */
bool ct_lockin_table_make(struct ct_lockin_table *table, struct ct_results *results,
			  double confidence, struct ct_error *err);
void ct_lockin_table_free(struct ct_lockin_table *table);

#endif
