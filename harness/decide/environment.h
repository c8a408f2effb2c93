/* SPDX-License-Identifier: Apache-2.0 */
/* How the machines and methods of two campaigns differ: what a comparison is the effect of. */
#ifndef COTENANT_DECIDE_ENVIRONMENT_H
#define COTENANT_DECIDE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"
#include "harness/store/results.h"

struct ct_difference {
	char *item;        /* "kernel.release", "mitigations.spectre_v2", "suite" */
	char *base, *next; /* as text; "" where that file does not say */
};

struct ct_differences {
	struct ct_difference *rows;
	size_t n;
};

/*
 * What stays the same while a machine runs: kernel, CPU, microcode, mitigations, hypervisor,
 * drivers, firmware, devices; and how it was measured. What changes by itself (free memory, the
 * process, the frequency of the moment) is not listed. Free with ct_differences_free.
 */
bool ct_differences_make(struct ct_differences *differences, const struct ct_results_tables *base,
			 const struct ct_results_tables *next, struct ct_error *err);
void ct_differences_free(struct ct_differences *differences);

/* The difference of that item, NULL when there is none. */
const struct ct_difference *ct_difference_of(const struct ct_differences *differences,
					     const char *item);

#endif
