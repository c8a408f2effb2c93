/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a victim: a workload whose latency is measured. A victim is one file that ends in
 * one descriptor; it says what one sample is and how to prepare it. The measuring loop, epochs,
 * warm-up, open-loop pacing, pinning, storing and printing live in the harness, once.
 */
#ifndef COTENANT_BENCH_BENCH_H
#define COTENANT_BENCH_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/clock.h"
#include "harness/core/counter.h"
#include "harness/core/error.h"
#include "harness/core/param.h"
#include "harness/core/resource.h"
#include "harness/net/peer.h"
#include "harness/place/place.h"

/* What the harness gives to a victim. Valid from setup to teardown. */
struct ct_victim_env {
	const struct ct_clock *clock;
	const struct ct_place *place; /* the measuring thread is bound to its CPU 0 before setup */
	const char *endpoint;         /* of the first peer, for victims that have one; else NULL */
	const char *const *endpoints; /* of all ranks: [1] of the first peer; its own, [0], is "" */
	unsigned n_ranks;             /* itself and its peers: 1 without any */
	char *answer; /* CT_ANSWER_MAX bytes, "": what setup has to say to its peers (see peer.h) */
	const char *token;
	const char *gpu; /* the tenant's `gpu` and `nic`, as the job file names them; NULL: none */
	const char *nic;
	uint64_t seed;
	const atomic_bool *stop; /* helper threads of a victim end when this is set */

	/* Set by setup. */
	uint64_t operations_per_sample; /* latency is per operation: the loop divides by it; 1
					   unless set */
	uint64_t bytes_per_operation; /* for victims that move data: rate = this over latency; else
					 0 */
	json_t *device; /* what is in force of the GPU or NIC it opened: goes into the result. The
			   harness releases it, also when setup fails after it was set. */
};

struct ct_victim_ops {
	const char *name;    /* lower case with underscores, as in job files */
	const char *summary; /* one line for `list`, no full stop */
	const char *unit;    /* of a latency: "ns" */
	const char *sample;  /* what one sample is: "one dependent load, averaged over 256" */
	uint32_t stresses;   /* enum ct_resource bits this victim is sensitive to */

	const struct ct_param *params; /* its own; ends with {0} */
	size_t options_size;

	/* NULL: everywhere. Returns false and one sentence why it can't run here. */
	bool (*available)(char *why, size_t size);

	/* Everything that allocates, maps or starts threads. On failure nothing is left behind. */
	bool (*setup)(struct ct_victim_env *env, const void *options, void **state,
		      struct ct_error *err);
	/* NULL: nothing. After setup, on its thread, while the peers' connect runs; see peer.h. It
	 * gives up in time, at once when *env->stop. */
	bool (*connect)(void *state, struct ct_error *err);
	/* NULL: nothing; else its peers have one too. As connect, once everybody's has returned. */
	bool (*rehearse)(void *state, struct ct_error *err);
	/*
	 * Exactly one of the two. `operate` is timed from outside, by the loop. `operate_timed`
	 * times itself and returns clock ticks (a victim whose latency counts from an intended
	 * instant). False: it can't go on; `failure` then says why. No allocation, and no system
	 * call that is not itself what is being measured.
	 */
	bool (*operate)(void *state);
	bool (*operate_timed)(void *state, uint64_t *ticks);
	void (*failure)(void *state, struct ct_error *err); /* NULL where operate can't fail */
	void (*teardown)(void *state);
	/* Called on the measuring thread before the first sample of every phase, untimed; for a
	 * victim whose samples begin where the previous one ended. NULL where none is needed. */
	void (*phase_begin)(void *state);

	/*
	 * What the victim itself knows about every epoch beside its latencies, for example what the
	 * device saw; ends with {0}, at most CT_COUNTERS_MAX. NULL: nothing. `read_counters` fills
	 * one value each and is called on the measuring thread whenever an epoch closes, between
	 * two samples: no system call, no wait; NaN for a value it does not have.
	 */
	const struct ct_counter *counters;
	void (*read_counters)(void *state, double *values);

	/* CPUs that `cotenant bench` gives it when none are named; 0 means 1. */
	unsigned wanted_cpus;

	const struct ct_peer_ops *peer; /* NULL: needs no other end */
};

/* The registry: one line a victim, in bench/registry.c. NULL-terminated. */
extern const struct ct_victim_ops *const ct_victims[];
const struct ct_victim_ops *ct_victim_find(const char *name);

#endif
