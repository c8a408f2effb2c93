/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of an aggressor: a load whose only purpose is interference. An aggressor is one file
 * that ends in one descriptor; it says what one burst of work is and how many units it moved.
 * Threads, pinning, calibration, pacing to an intensity, patterns and accounting live in the
 * harness, once.
 */
#ifndef COTENANT_NOISE_NOISE_H
#define COTENANT_NOISE_NOISE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "harness/core/clock.h"
#include "harness/core/error.h"
#include "harness/core/param.h"
#include "harness/core/resource.h"
#include "harness/net/peer.h"
#include "harness/place/place.h"

/* What the harness gives to an aggressor. Valid from setup to teardown. */
struct ct_aggressor_env {
	const struct ct_clock *clock;
	const struct ct_place *place; /* thread i is bound to CPU i modulo its count */
	unsigned threads;
	const char *endpoint; /* of the first consenting sink, for network floods; else NULL */
	const char *const *endpoints; /* of all ranks: [1] of the first sink; its own, [0], is "" */
	unsigned n_ranks;             /* itself and its sinks: 1 without any */
	char *answer; /* CT_ANSWER_MAX bytes, "": what setup has to say to its sinks (see peer.h) */
	const char *token;
	const char *gpu; /* the tenant's `gpu` and `nic`, as the job file names them; NULL: none */
	const char *nic;
	json_t **device; /* to be set to what it was given of a GPU (ct_gpu_json); the harness's
			    then */
	uint64_t seed;
	const atomic_bool *stop; /* blocking work must notice this within 100 ms */
};

struct ct_aggressor_ops {
	const char *name;
	const char *summary; /* one line for `list`, no full stop */
	const char *unit;    /* of the work done, physical: "B", "op", "packet"; rates are unit/s */
	uint32_t stresses;   /* enum ct_resource bits it loads */

	const struct ct_param *params; /* its own; ends with {0} */
	size_t options_size;

	bool (*available)(char *why, size_t size); /* as for victims; NULL: everywhere */

	/* Once per process, on a thread bound to the place. On failure nothing is left behind. */
	bool (*setup)(const struct ct_aggressor_env *env, const void *options, void **state,
		      struct ct_error *err);
	/* Once per thread, on that thread, already bound; allocates that thread's memory. May be
	 * NULL. */
	bool (*thread_setup)(void *state, unsigned thread, void **thread_state,
			     struct ct_error *err);
	/* NULL: nothing. After setup and thread_setup, while the sinks' connect runs; see peer.h.
	 */
	bool (*connect)(void *state, struct ct_error *err);
	/*
	 * One burst: 20 to 200 us of work at full speed (more where the gap between two costs
	 * bandwidth, or a single operation takes longer), so that pacing is fine-grained. Adds the
	 * units it completed. `thread_state` is what thread_setup made, or `state` where that is
	 * NULL. False: it can't go on.
	 */
	bool (*burst)(void *thread_state, uint64_t *units, struct ct_error *err);
	void (*thread_teardown)(void *thread_state); /* NULL where thread_setup is NULL */
	void (*teardown)(void *state);               /* may be NULL when there is no state */

	/* Its threads wait inside the kernel as part of the work (I/O, sockets, sleep). */
	bool blocks;
	unsigned max_threads; /* 0: no limit of its own */

	const struct ct_peer_ops *peer; /* NULL: needs no sink */
};

/* The registry: one line an aggressor, in noise/registry.c. NULL-terminated. */
extern const struct ct_aggressor_ops *const ct_aggressors[];
const struct ct_aggressor_ops *ct_aggressor_find(const char *name);

#endif
