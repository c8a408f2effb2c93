/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a crash may have left on this machine: control groups and resctrl groups of ours whose
 * guardian was killed as well, and what the scripts in scripts/ have noted to be put back.
 */
#ifndef COTENANT_TENANT_LEFTOVERS_H
#define COTENANT_TENANT_LEFTOVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"

struct ct_leftovers_request {
	const char *root;      /* "/", or a folder for tests */
	const char *state_dir; /* where the scripts note what was there */
	const char *scripts;   /* the folder of the scripts; NULL: not found */
	bool dry_run;          /* say what would be done */
	bool force;            /* young groups and devices in use as well */
	/* A line for everything that was found: what was done with it, or why it was left. */
	void (*say)(void *context, const char *line);
	void *context;
};

struct ct_leftovers_tally {
	size_t found, left; /* left: found, and still there against our will */
};

/* False only when the search itself fails; what could not be undone is in the tally. */
bool ct_leftovers_restore(const struct ct_leftovers_request *request,
			  struct ct_leftovers_tally *tally, struct ct_error *err);

#endif
