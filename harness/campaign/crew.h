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
#include "harness/core/error.h"
#include "harness/net/peer.h"
#include "harness/tenant/link.h"

/* Where a tenant really is: what its worker answered. */
struct ct_placement {
	char *cpus;              /* "0-3": OS indexes */
	char *nodes;             /* "0" or "" */
	char *boot_id;           /* tells hosts apart */
	char *netns;             /* its network namespace, as the kernel names it; "": not known */
	int64_t clock_offset_ns; /* to add to its clock to get the controller's */
	int64_t clock_error_ns;  /* the offset is right within this; 0: the same clock */
	json_t *probe;           /* its own environment, as seen from behind the boundary */
	json_t *function;        /* what its `nic` is (harness/net/function.h); NULL: names none */
	/* What its workloads were given of a GPU, as the first that uses one told it (device.h);
	 * NULL: none did. Later ones must be given the same. */
	json_t *gpu;
};

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

/*
 * Asks a worker behind the tenant's boundary where the tenant is. `others` (n of them) are tenants
 * resolved before, to which its location may refer. Strings of *placement are the caller's.
 */
bool ct_place_tenant(struct ct_links *links, const struct ct_tenant *tenant,
		     const struct ct_tenant *others, const struct ct_placement *other_placements,
		     size_t n, const char *token, struct ct_placement *placement,
		     struct ct_error *err);
/*
 * As the result file keeps it: the tenant's own probe only where it can differ from the machine's,
 * behind a launcher or under limits.
 */
json_t *ct_placement_json(const struct ct_placement *placement, const struct ct_tenant *tenant);
void ct_placement_free(struct ct_placement *placement);

/* Fills `token` with random hex digits. */
bool ct_token_make(char token[CT_TOKEN_LENGTH + 1], struct ct_error *err);

#endif
