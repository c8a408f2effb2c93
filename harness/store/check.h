/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants of results-schema/SCHEMA.md that tables alone can show: every row points to rows
 * that exist. The reader demands them before anybody uses a file; `validate` lists what breaks
 * them.
 */
#ifndef COTENANT_STORE_CHECK_H
#define COTENANT_STORE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "harness/store/results.h"

/* Rows of the tables that phases point into. */
struct ct_extents {
	uint64_t histogram, epochs, noise, slowest, readings, raw;
};

struct ct_violations {
	ct_violation_fn *report;
	void *context;
	size_t n;
};
void ct_violation(struct ct_violations *violations, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void ct_check_tables(const struct ct_results_tables *tables, const struct ct_extents *extents,
		     struct ct_violations *violations);

/* As ct_results_open, for a file whose rows may still point nowhere. */
bool ct_results_open_unchecked(struct ct_results **results, const char *path, struct ct_error *err);
struct ct_extents ct_results_extents(const struct ct_results *results);

#endif
