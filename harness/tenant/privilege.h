/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker that was started by root gives up before a workload runs in it. */
#ifndef COTENANT_TENANT_PRIVILEGE_H
#define COTENANT_TENANT_PRIVILEGE_H

#include <stdbool.h>

#include "harness/core/error.h"

/*
 * For this thread and all that it starts from now on, for good: every capability goes that no
 * workload has a use for (privilege.c says which stay, and why), also out of the bounding set, and
 * running a program gains none. Harmless without capabilities. Call it while there is one thread.
 */
bool ct_privileges_drop(struct ct_error *err);

#endif
