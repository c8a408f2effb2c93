/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock-in: how much of a series follows loads that are switched on and off at known frequencies.
 *
 * The series is the logarithm of an epoch's latency. It is cut into segments of several periods.
 * In each segment one least squares fit explains it by a polynomial (the drift) and, for every load
 * at once, by the load's square wave and the same wave a quarter of a period later, both averaged
 * over each epoch exactly. Epochs far from the fit are pulled in (Huber 1964) and the fit repeated,
 * so that a stall does not decide. The segments are the replicates: whatever correlation the noise
 * has within a segment is in their spread, and no model of it is needed.
 *
 * Null: a load without effect can't know its own phase. In each segment the reference is turned by
 * a random multiple of a quarter period, which maps (in phase, quadrature) to (-quadrature, in
 * phase) and so on; the share of 9,999 such turns that give at least the observed strength is p.
 *
 * Several loads at once must be told apart within a segment: their frequencies, and three times
 * them, should lie at least two over the length of a segment apart (ct_lockin_frequencies).
 *
 * Sources: Meade, Lock-in Amplifiers (1983), for demodulation; Huber, Annals of Mathematical
 * Statistics 35:73 (1964); Winkler et al., NeuroImage 92:381 (2014), for randomised signs under
 * least squares with nuisance terms.
 */
#ifndef COTENANT_STATS_LOCKIN_H
#define COTENANT_STATS_LOCKIN_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/rng.h"
#include "harness/stats/interval.h"

enum {
	CT_LOCKIN_MAX_REFERENCES = 32,
	CT_LOCKIN_HARMONICS = 3,   /* the first is the fundamental */
	CT_LOCKIN_MIN_SEGMENTS = 6 /* below this an interval says nothing */
};

/* One phase of a victim: epochs in the order of time. Seconds from any origin. */
struct ct_lockin_series {
	const double *begin_s, *end_s;
	const double *value; /* log latency; what is not finite is left out */
	size_t n;
};

/* One load: on from start_s + k / frequency_hz for duty / frequency_hz, k any integer. */
struct ct_lockin_reference {
	double frequency_hz;
	double start_s;
	double duty; /* 0..1, both excluded */
};

/* What a segment says of one reference. */
struct ct_lockin_estimate {
	double in_phase, quadrature;        /* log change, load on against off */
	double cosine[CT_LOCKIN_HARMONICS]; /* against the middle of the on time */
	double sine[CT_LOCKIN_HARMONICS];   /* positive: the effect comes later */
};

/* Phases are added one by one; free with ct_lockin_free. Zero it before, but for n_references. */
struct ct_lockin {
	size_t n_references;
	size_t n_segments, room;
	struct ct_lockin_estimate *estimates; /* n_references for each segment */
	double *variance;                     /* of the residuals of each segment */
	size_t clipped, epochs;               /* epochs pulled in, of all */
	double epoch_s;                       /* longest mean length of an epoch */
	double frequency_hz[CT_LOCKIN_MAX_REFERENCES], duty[CT_LOCKIN_MAX_REFERENCES];
};

/* What is known of one load when all phases are in. */
struct ct_lockin_line {
	/* Log change of the latency by the whole load, as far as it follows without delay. */
	struct ct_interval shift;
	double p;          /* of no effect at this frequency, at whatever delay; at least 1e-4 */
	double detectable; /* shift that is found with power 0.95 at 0.05 by this much data */
	/*
	 * The effect's fundamental as the log change of a square wave that had it, at the delay
	 * that is found; biased upward where there is no effect, as every magnitude is.
	 */
	struct ct_interval amplitude;
	/*
	 * From load to effect, from the phase of the fundamental: within a quarter of a period of
	 * 0, so a longer one is seen as another sign. Infinite bounds where the phase is not known
	 * (its interval is wider than that).
	 */
	struct ct_interval delay_s;
	/* Strength of harmonics of the fundamental relative to it; NaN beyond half of the epoch
	 * rate or where no effect was found at 0.05. A prompt effect of a square wave of duty 1/2
	 * has 1, 0, 1/3. */
	double harmonics[CT_LOCKIN_HARMONICS];
	size_t segments;
	double effective; /* segments of equal weight that they are worth */
};

/*
 * The length of a segment in which all references can be told apart, in seconds: eight periods of
 * the slowest, and twice the reciprocal of the smallest distance of their frequencies.
 */
double ct_lockin_segment_s(const struct ct_lockin_reference *references, size_t n);

/*
 * Cuts a phase into segments and fits each. A segment with too few epochs is left out. False when
 * memory runs out, a reference is out of range, or the references differ from those added before
 * in number, frequency or duty.
 */
bool ct_lockin_add(struct ct_lockin *lockin, const struct ct_lockin_series *series,
		   const struct ct_lockin_reference *references, size_t n_references);
/* False, and NaN in *line, when there are fewer than CT_LOCKIN_MIN_SEGMENTS. */
bool ct_lockin_result(const struct ct_lockin *lockin, size_t reference, double confidence,
		      struct ct_rng *rng, struct ct_lockin_line *line);
void ct_lockin_free(struct ct_lockin *lockin);

/* Mean over [begin, end] of the load's square wave, 0..1, delayed by `delay_s`. */
double ct_lockin_square(const struct ct_lockin_reference *reference, double begin_s, double end_s,
			double delay_s);

/*
 * n frequencies between lo and hi, ascending, which can be told apart: of 200 candidates the set
 * whose smallest distance between any p f and q f' is largest, p and q of 1, 2 and 3. The same
 * arguments give the same set. False when n is 0 or above CT_LOCKIN_MAX_REFERENCES, or not lo < hi.
 */
bool ct_lockin_frequencies(size_t n, double lo_hz, double hi_hz, double *frequencies);

#endif
