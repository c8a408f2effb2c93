/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collective (harness/net/collective.h) as a victim and its peers. A victim's file gives its kind
 * by two functions of one line; all others are shared.
 */
#ifndef COTENANT_BENCH_COLLECTIVE_VICTIM_H
#define COTENANT_BENCH_COLLECTIVE_VICTIM_H

#include "bench/bench.h"
#include "harness/net/collective.h"
#include "harness/rdma/transport_verbs.h"

struct ct_collective_options {
	uint64_t bytes, chunk;
	int transport, memory; /* enum ct_rdma_place */
	struct ct_transport_verbs_options verbs;
};

/* Ends with {0}. */
extern const struct ct_param ct_collective_params[];

bool ct_collective_setup(const struct ct_collective_kind *kind, struct ct_victim_env *env,
			 const void *options, void **state, struct ct_error *err);
bool ct_collective_peer_setup(const struct ct_collective_kind *kind, const struct ct_peer_env *env,
			      const void *options, void **state, char endpoint[CT_ENDPOINT_MAX],
			      struct ct_error *err);

bool ct_collective_victim_connect(void *state, struct ct_error *err);
bool ct_collective_victim_rehearse(void *state, struct ct_error *err);
bool ct_collective_victim_operate(void *state);
void ct_collective_victim_failure(void *state, struct ct_error *err);
void ct_collective_victim_count(void *state, double *values);
void ct_collective_victim_teardown(void *state);
bool ct_collective_peer_connect(void *state, const struct ct_peer_links *links,
				struct ct_error *err);
bool ct_collective_peer_rehearse(void *state, struct ct_error *err);
bool ct_collective_peer_serve(void *state, struct ct_error *err);
void ct_collective_peer_teardown(void *state);

#endif
