/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An aggressor in its worker: its threads, each bound to one of the tenant's CPUs, run flat out for
 * calibration or are paced to an intensity; the control thread samples what they achieved.
 */
#ifndef COTENANT_TENANT_NOISE_RUNNER_H
#define COTENANT_TENANT_NOISE_RUNNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/tenant/common.h"
#include "harness/core/measurement.h"
#include "harness/tenant/pacer.h"
#include "noise/noise.h"

enum ct_noise_mode { CT_NOISE_IDLE, CT_NOISE_FULL, CT_NOISE_PACED, CT_NOISE_QUIT };

/* One line of cache each: a thread's counters must not be shared with another's. */
struct ct_noise_thread {
	_Alignas(64) atomic_ullong units;
	atomic_ullong idle_ns; /* time the pacer made it sleep */
	struct ct_noise_runner *runner;
	unsigned index;
	pthread_t handle;
	pid_t id;
	void *state;
};

struct ct_noise_totals {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	double units, idle_ns, on_cpu_ns, waiting_ns, throttled_ns, due;
};

struct ct_noise_runner {
	const struct ct_aggressor_ops *ops;
	const void *options;
	const struct ct_aggressor_common *common;
	struct ct_aggressor_env env;
	void *shared;
	struct ct_noise_thread *threads;
	unsigned n_threads;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum ct_noise_mode
		mode; /* under lock; `generation` tells running threads that it changed */
	atomic_uint generation;
	unsigned n_ready, n_idle; /* under lock */
	bool failed;              /* under lock; `error` holds the first failure */
	struct ct_error error;
	atomic_bool stop;

	/* Of the load under way. */
	uint64_t load_start_ns, load_seed;
	double units_per_s; /* of all threads together */
	double forgiven_ns; /* how old a debt may be that is still caught up with */
	struct ct_pacer accounting;
	struct ct_noise_totals last;
};

/* Sets the aggressor up and starts its threads, idle. `runner` must stay where it is. */
bool ct_noise_runner_start(struct ct_noise_runner *runner, const struct ct_aggressor_ops *ops,
			   const void *options, const struct ct_aggressor_common *common,
			   const struct ct_aggressor_env *env, struct ct_error *err);
/* Solo maximum in units/s: runs flat out for `seconds`, median of 20 ms windows after a tenth of
 * it. */
bool ct_noise_runner_calibrate(struct ct_noise_runner *runner, double seconds, double *rate,
			       struct ct_error *err);
/* Starts loading: units_per_s in all (infinite: flat out), following the common pattern. */
void ct_noise_runner_load(struct ct_noise_runner *runner, double units_per_s, uint64_t seed);
/* What was done since the last call, or since the load began. */
void ct_noise_runner_sample(struct ct_noise_runner *runner, struct ct_noise_row *row);
void ct_noise_runner_unload(struct ct_noise_runner *runner);
bool ct_noise_runner_failed(struct ct_noise_runner *runner, struct ct_error *err);
void ct_noise_runner_stop(struct ct_noise_runner *runner);

#endif
