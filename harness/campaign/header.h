/* SPDX-License-Identifier: Apache-2.0 */
/* The campaign as JSON, as the store wants it (results-schema/SCHEMA.md, "journal header"). */
#ifndef COTENANT_CAMPAIGN_HEADER_H
#define COTENANT_CAMPAIGN_HEADER_H

#include <jansson.h>

#include "harness/campaign/campaign.h"
#include "harness/campaign/ground.h"

/* `selfcheck` is what ct_selfcheck made; it is stolen. NULL when memory is out. */
json_t *ct_campaign_header(const struct ct_campaign_request *request,
			   const struct ct_ground *ground, json_t *selfcheck);

#endif
