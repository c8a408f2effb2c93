/* SPDX-License-Identifier: Apache-2.0 */
/* Where a tenant is: asked of a worker behind its boundary, once a campaign, and the same for all
 * its workers after that. */
#ifndef COTENANT_CAMPAIGN_PLACEMENT_H
#define COTENANT_CAMPAIGN_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "harness/campaign/job.h"
#include "harness/core/error.h"
#include "harness/tenant/link.h"

/* Setting up may fault in gigabytes; nothing takes longer than this without being stuck. */
#define CT_SETUP_TIMEOUT_NS (UINT64_C(60) * 1000000000u)

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

/*
 * Puts into a SETUP message where its worker has to be and what limits it: CPUs as the placement
 * has them, or without one as the job names them.
 */
bool ct_placement_ask(json_t *setup, const struct ct_tenant *tenant,
		      const struct ct_placement *placement, const char *token,
		      struct ct_error *err);
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

#endif
