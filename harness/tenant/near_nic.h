/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COTENANT_TENANT_NEAR_NIC_H
#define COTENANT_TENANT_NEAR_NIC_H

#include <stdbool.h>

#include "harness/core/error.h"
#include "harness/probe/source.h"

/*
 * A location in which `near:nic` is replaced by the tenant's own function, such as
 * near:0000:41:00.2. `location` may be NULL: *out is then NULL. The caller frees *out.
 */
bool ct_near_nic(const char *location, const char *nic, const struct ct_probe_source *source,
		 char **out, struct ct_error *err);

#endif
