/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows that a measurement is made of, as workers send them, the store keeps them and readers
 * get them. Times are CLOCK_MONOTONIC nanoseconds; counters are differences over the epoch; what
 * could not be read is NaN.
 */
#ifndef COTENANT_CORE_MEASUREMENT_H
#define COTENANT_CORE_MEASUREMENT_H

#include <stdint.h>

/*
 * What a phase of a block is. A block has two baselines, two treatments and a recovery; or, in a
 * campaign by lock-in, one phase in which every aggressor is switched on and off.
 */
enum ct_role { CT_ROLE_BASELINE, CT_ROLE_TREATMENT, CT_ROLE_RECOVERY, CT_ROLE_MODULATED };
enum { CT_PHASES_PER_BLOCK = 5 };

/* One epoch of a victim. */
struct ct_epoch_row {
	uint64_t start_ns, end_ns;
	uint64_t count; /* samples */
	uint64_t overflow;
	double min_ns, mean_ns, p50_ns, p99_ns, max_ns;
	double steal_ns; /* time the hypervisor ran somebody else on the victim's CPUs */
	double involuntary_switches; /* of the measuring thread */
	double voluntary_switches;
	double minor_faults, major_faults;
	double interrupts;      /* on the victim's CPUs */
	double frequency_hz;    /* of the victim's first CPU */
	double aggressor_rate;  /* units/s achieved over this epoch; NaN without aggressor */
	double aggressor_share; /* achieved over asked, over the same time */
	uint32_t counted;       /* 1: enters the phase's histogram */
};

/* One epoch of an aggressor. */
struct ct_noise_row {
	uint64_t start_ns, end_ns;
	double units;       /* done in this epoch */
	double asked_units; /* that the pattern and the intensity asked for */
	double busy;        /* share of the epoch in which no thread was paced to sleep, 0..1 */
	double on_cpu;      /* CPU time over wall time times threads, 0..1 */
	double runnable;    /* on_cpu plus waiting in the run queue, 0..1 */
	uint32_t aggressor; /* row of /aggressors; where the cell's is one alone, 0 or that */
};

struct ct_slow_sample {
	uint64_t time_ns;
	double latency_ns;
};

/* What a counter (core/counter.h) is, in words. */
struct ct_counter_info {
	char *source; /* "victim", "nic", "gpu" */
	char *name, *units, *what;
};

/* A counter over one epoch. */
struct ct_reading {
	uint32_t epoch;   /* of its phase, from 0 */
	uint32_t counter; /* row of the list of counters that goes with it */
	double value;     /* finite: what could not be read has no row */
};

/* One sample, when they were asked for one by one: when it ended and how long it took. */
struct ct_raw_sample {
	uint64_t time_ns;
	uint64_t ps;
};

#endif
