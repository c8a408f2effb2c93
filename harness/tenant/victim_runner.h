/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A victim in its worker: one measuring thread, bound to the tenant's first CPU, that sets the
 * victim up, runs phases and records; driven from the worker's control thread.
 */
#ifndef COTENANT_TENANT_VICTIM_RUNNER_H
#define COTENANT_TENANT_VICTIM_RUNNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/bench.h"
#include "harness/tenant/common.h"
#include "harness/core/recorder.h"
#include "harness/core/rng.h"
#include "harness/tenant/rest.h"

struct ct_phase_request {
	uint64_t warmup_ns, measure_ns, epoch_ns;
};

enum ct_runner_state {
	CT_RUNNER_STARTING,
	CT_RUNNER_IDLE,
	CT_RUNNER_STEPPING, /* connects or rehearses */
	CT_RUNNER_RUNNING,
	CT_RUNNER_FAILED
};

struct ct_victim_runner {
	const struct ct_victim_ops *ops;
	const void *options;
	const struct ct_victim_common *common;
	struct ct_victim_env env;
	struct ct_recorder recorder;
	struct ct_rng arrivals;
	struct ct_rest rest; /* of a victim with duty below 100 % */

	pthread_t thread;
	pid_t thread_id;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum ct_runner_state state; /* under lock, as all below */
	bool quit;
	struct ct_phase_request request;
	bool (*step)(void *victim_state, struct ct_error *err); /* of CT_RUNNER_STEPPING */
	struct ct_error error;

	/* Of the phase under way: set before the first sample is recorded. */
	struct ct_anchor anchor;
	struct ct_anchor agreed; /* when counter and kernel were last found to agree */
	uint64_t measure_begin_tick;
	atomic_bool stop;     /* ends the phase early */
	atomic_bool teardown; /* what env.stop points to: helper threads end */
	void *victim_state;
};

/* Starts the thread and waits until the victim is set up. `runner` must stay where it is. */
bool ct_victim_runner_start(struct ct_victim_runner *runner, const struct ct_victim_ops *ops,
			    const void *options, const struct ct_victim_common *common,
			    const struct ct_victim_env *env, struct ct_error *err);
/* Has a step called on the victim's thread: its `connect` or `rehearse`; NULL: it has none. It ends
 * as a phase does. */
void ct_victim_runner_step(struct ct_victim_runner *runner,
			   bool (*step)(void *victim_state, struct ct_error *err));
/* Begins a phase; epochs then come out of runner->recorder. Those that end before the warm-up is
 * over carry begin_tick < measure_begin_tick. */
void ct_victim_runner_begin(struct ct_victim_runner *runner,
			    const struct ct_phase_request *request);
/* True once the phase is over and every epoch is closed, or the step has returned. */
bool ct_victim_runner_finished(struct ct_victim_runner *runner);
/* After either: false when the victim failed in it, with its words. It is kept until it is stopped.
 */
bool ct_victim_runner_result(struct ct_victim_runner *runner, struct ct_error *err);
/* Ends a phase under way, tears the victim down and joins the thread. */
void ct_victim_runner_stop(struct ct_victim_runner *runner);

#endif
