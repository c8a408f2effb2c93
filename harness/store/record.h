/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a campaign hands to the store: one record a block, made of phases, epochs and sparse
 * histograms. Times are CLOCK_MONOTONIC nanoseconds of the controller's host; latencies are
 * nanoseconds as double in rows, picosecond buckets in histograms. Counters are differences over
 * the epoch; a covariate that could not be read is NaN.
 */
#ifndef COTENANT_STORE_RECORD_H
#define COTENANT_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/core/hist.h"
#include "harness/core/measurement.h"

/* Verdict on the dose of a treatment. */
enum ct_load {
	CT_LOAD_NONE,      /* no aggressor in this phase */
	CT_LOAD_HELD,      /* at least 90 % of the asked rate in the epochs counted */
	CT_LOAD_CONTENDED, /* below that although it never paused: the contention itself limits it
			    */
	CT_LOAD_ABSENT     /* did not load: nothing of this phase counts */
};

struct ct_phase_record {
	enum ct_role role;
	uint32_t order;            /* position within the block, 0.. */
	uint64_t start_ns, end_ns; /* measured part, warm-up excluded */
	enum ct_load load;
	double asked_rate, achieved_rate; /* units/s; NaN without aggressor */
	uint64_t count;                   /* samples in the histogram: of counted epochs only */
	uint64_t overflow, raw_dropped;
	double min_ns, mean_ns, max_ns; /* exact, of counted epochs; NaN when count is 0 */
	struct ct_bucket *buckets;      /* ascending, n_buckets */
	size_t n_buckets;
	struct ct_epoch_row *epochs;
	size_t n_epochs;
	struct ct_noise_row *noise;
	size_t n_noise;
	struct ct_slow_sample *slowest; /* descending, at most CT_SLOWEST */
	size_t n_slowest;
	struct ct_counter_info *counters; /* what readings refer to; texts owned */
	size_t n_counters;
	struct ct_reading *readings; /* by epoch, then counter */
	size_t n_readings;
};

enum ct_block_status { CT_BLOCK_OK, CT_BLOCK_FAILED, CT_BLOCK_NOT_LOADED };

struct ct_block_record {
	uint32_t cell, block;
	uint32_t visit; /* position in the realised order */
	uint64_t seed;
	int64_t started_unix_ns; /* wall clock, for the log only */
	enum ct_block_status status;
	char message[512]; /* why it failed or did not load; "" when OK */
	double solo_rate;  /* the calibrated solo maximum in force, units/s; NaN without */
	struct ct_phase_record phases[CT_PHASES_PER_BLOCK];
	size_t n_phases;
};

/* Texts of its own; on failure `to` has none. */
bool ct_counter_copy(struct ct_counter_info *to, const struct ct_counter_info *from,
		     struct ct_error *err);
void ct_counters_free(struct ct_counter_info *counters, size_t n);
void ct_block_record_free(
	struct ct_block_record *record); /* what phases point to; then zeroes it */

#endif
