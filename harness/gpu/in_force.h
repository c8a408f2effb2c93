/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tenant's context really has of a GPU, as the driver told it when a workload opened it
 * (ct_gpu_json): kept with the campaign, compared block by block, checked against `expect`.
 *
 * {"name", "pci", "sms", "all_sms", "mig", "mps", "mps_percent"?, "priority", "green"?}. It names
 * no UUID: those tell one machine from all others.
 */
#ifndef COTENANT_GPU_IN_FORCE_H
#define COTENANT_GPU_IN_FORCE_H

#include <stdbool.h>

#include <jansson.h>

#include "harness/core/error.h"

enum { CT_GPU_IN_FORCE_TEXT = 256 };

/* Of a device as a worker told it; NULL where it told none. The caller's. */
json_t *ct_gpu_in_force(const json_t *device);

/* Whether two workers of a tenant, some blocks apart, were given the same; else what differs. Both
 * as the workers told them. */
bool ct_gpu_in_force_same(const json_t *before, const json_t *now, struct ct_error *err);

/* Whether this is a GPU as `expect` promises it (mig, mps, green, timeslice); all else is true. */
bool ct_gpu_in_force_expect(const json_t *gpu, const char *expect, struct ct_error *err);

/* "NVIDIA H100 at 0000:41:00.0, a green context of 64 of 132 multiprocessors". Any JSON will do:
 * what is missing is left out. */
const char *ct_gpu_in_force_text(const json_t *gpu, char out[CT_GPU_IN_FORCE_TEXT]);

/* How two tenants come to one GPU: "in turns (time-slicing)"; NULL where theirs are two. */
const char *ct_gpu_in_force_between(const json_t *one, const json_t *other);

#endif
