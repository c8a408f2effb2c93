/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping the harness's own threads out of the way of what they measure. */
#ifndef COTENANT_TENANT_ASIDE_H
#define COTENANT_TENANT_ASIDE_H

#include <stdbool.h>
#include <stddef.h>

#include <hwloc.h>

#include "harness/core/error.h"

/* The CPUs in the calling thread's affinity mask. */
bool ct_affinity_get(hwloc_bitmap_t cpus, struct ct_error *err);
/* Binds the calling thread; threads and children made later inherit it. */
bool ct_affinity_set(hwloc_const_bitmap_t cpus, struct ct_error *err);

/*
 * Binds the calling thread to `home` without the CPUs of each list ("0-3,8"; "" for none) in turn,
 * as far as CPUs remain: the first list matters most (the victims'), the next less.
 */
bool ct_step_aside(hwloc_const_bitmap_t home, const char *const *lists, size_t n,
		   struct ct_error *err);

/* Whether the calling thread may run on none of the lists' CPUs. */
bool ct_is_aside(const char *const *lists, size_t n);

#endif
