/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether victim and aggressor really meet in one network card: the functions that their tenants'
 * `nic` named, as their workers resolved them, compared pair by pair.
 */
#ifndef COTENANT_CAMPAIGN_FUNCTIONS_H
#define COTENANT_CAMPAIGN_FUNCTIONS_H

#include <stdbool.h>

#include "harness/campaign/crew.h"
#include "harness/campaign/job.h"
#include "harness/core/error.h"

/*
 * Adds to the function of every aggressor's tenant how it lies to those of the victims' tenants:
 * "beside": {"victim": "one-pf"} (names of function.h). Tenants that name no `nic` have none.
 */
bool ct_functions_relate(const struct ct_job *job, struct ct_placement *placements,
			 struct ct_error *err);
/*
 * `expect = sriov`: a victim's function must be a virtual one, and an aggressor's another function
 * of the same physical one, as far as that can be told from where they are.
 */
bool ct_functions_expect_sriov(const struct ct_job *job, size_t config,
			       const struct ct_placement *placements, struct ct_error *err);

#endif
