/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a campaign that stopped when it was decided (`run --until`) has decided. Its t intervals are
 * those of a single look; these hold whenever it stopped.
 */
#ifndef COTENANT_DECIDE_UNTIL_H
#define COTENANT_DECIDE_UNTIL_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"
#include "harness/stats/sequential.h"

struct ct_analysis;

extern const char *const ct_sequential_names[]; /* enum ct_sequential_verdict */

struct ct_until_table {
	char text[32]; /* "p99:2%"; "": the campaign ran a fixed plan, and there are no cells */
	size_t k;      /* of ct_quantiles */
	double margin; /* 0.02 */
	struct ct_sequential sequential; /* its cells are rows of /cells; owned */
};

/* Needs the cells of the analysis. Free with ct_until_table_free. */
bool ct_until_make(struct ct_until_table *table, const struct ct_analysis *analysis,
		   struct ct_error *err);
void ct_until_table_free(struct ct_until_table *table);

#endif
