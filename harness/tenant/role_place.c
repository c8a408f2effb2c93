/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that only says where its tenant is: READY carries the CPUs and nodes, nothing runs. */
#include "harness/tenant/worker.h"

const struct ct_worker_role ct_worker_role_place = {.name = "place"};
