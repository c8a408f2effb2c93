/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers of one block: a victim, its other ends if it has any, an aggressor and its sinks. A
 * crew is set up afresh for every block, so that luck in page placement is drawn anew and belongs
 * to the variance between blocks, where it is seen.
 */
#ifndef COTENANT_CAMPAIGN_CREW_H
#define COTENANT_CAMPAIGN_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/campaign/job.h"
#include "harness/campaign/placement.h"
#include "harness/core/error.h"
#include "harness/net/peer.h"
#include "harness/tenant/link.h"

/* A workload to start: one entry of the job as one config sees it. Nothing here is owned. */
struct ct_actor {
	const char *role; /* "victim" or "aggressor" */
	const char *name, *kind;
	const struct ct_param *params, *common_params;
	const void *options, *common;
	const struct ct_tenant *tenant;
	const struct ct_placement *placement; /* NULL: not resolved yet, as for peers */
	unsigned n_peers;
	bool connects;  /* it or its peers have a connect step */
	bool rehearses; /* both have a rehearsal, once all are connected; aggressors have none */
	const struct ct_tenant *peer_tenants[CT_PEERS_MAX];
	const struct ct_placement *peer_placements[CT_PEERS_MAX];
};

struct ct_crew_setup {
	struct ct_actor victim; /* .name NULL: there is none */
	struct ct_actor aggressors[CT_MAX_PARTS];
	size_t n_aggressors;
	const char *avoid_cpus; /* CPUs of all victims on this host: "0,4-7" or "" */
	const char *noise_cpus; /* of all aggressors; NULL: none are known */
	const char *token;
	uint64_t seed;
};

struct ct_crew {
	struct ct_links *links;
	struct ct_link victim, aggressors[CT_MAX_PARTS];
	size_t n_aggressors;
	struct ct_link
		peers[CT_LINKS_MAX]; /* of the victim, then of each aggressor; rank 1 first */
	size_t n_peers;
	json_t *victim_ready, *aggressor_ready; /* READY messages; of the first aggressor */
};

struct ct_actor ct_actor_of_victim(const struct ct_victim_entry *entry,
				   const struct ct_tenant *tenants,
				   const struct ct_placement *placements);
struct ct_actor ct_actor_of_aggressor(const struct ct_aggressor_entry *entry,
				      const struct ct_tenant *tenants,
				      const struct ct_placement *placements);

/* Starts, sets up and connects all of them, idle. On failure all are closed. */
bool ct_crew_open(struct ct_crew *crew, struct ct_links *links, const struct ct_crew_setup *setup,
		  struct ct_error *err);
void ct_crew_close(struct ct_crew *crew);

/* Fills `token` with random hex digits. */
bool ct_token_make(char token[CT_TOKEN_LENGTH + 1], struct ct_error *err);

#endif
