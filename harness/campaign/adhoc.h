/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job without a file: `bench` and `noise` make one from their key=value words. A key is a
 * parameter of the workload, one that all workloads of its kind take, or a tenant key (cpus,
 * memory, via, ...). `peer.` in front of a tenant key means the tenants of all its other ends,
 * `peer2.` that of the second; `peers` says how many there are. `with.` means the aggressor.
 */
#ifndef COTENANT_CAMPAIGN_ADHOC_H
#define COTENANT_CAMPAIGN_ADHOC_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/campaign/ground.h"
#include "harness/campaign/job.h"
#include "harness/core/error.h"

/* Owns everything that `job` points to; `job` has one config, "local". */
struct ct_adhoc {
	struct ct_job job;
	struct ct_tenant tenants[2 * CT_RANKS_MAX]; /* victim, its peers, aggressor, its peers */
	struct ct_victim_entry victim;
	struct ct_aggressor_entry aggressor;
	struct ct_config config;
};

/* `victim` or `aggressor` may be NULL. */
bool ct_adhoc_make(struct ct_adhoc *adhoc, const char *victim, const char *aggressor,
		   const char *const *words, size_t n_words, struct ct_error *err);
void ct_adhoc_free(struct ct_adhoc *adhoc);

#endif
