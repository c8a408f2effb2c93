/* SPDX-License-Identifier: Apache-2.0 */
/* The journal header (results-schema/SCHEMA.md): a campaign as JSON, checked and made into rows. */
#ifndef COTENANT_STORE_HEADER_H
#define COTENANT_STORE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/store/results.h"

#define CT_SCHEMA         "cotenant.results/1"
#define CT_SCHEMA_VERSION "1.0" /* the minor grows when tables or columns are added */
#define CT_SCHEMA_STEM    "cotenant.results/"
#define CT_SCHEMA_MAJOR   1

struct ct_header {
	struct ct_workload_info *victims, *aggressors;
	size_t n_victims, n_aggressors;
	struct ct_cell_info *cells;
	size_t n_cells;
};

/* Members of the plan that the result has as attributes of its root; NULL-terminated. */
extern const char *const ct_header_numbers[];

/* Broken error (the header is made by our own campaign) that names the member that is wrong. */
bool ct_header_parse(struct ct_header *header, const json_t *root, struct ct_error *err);
void ct_header_free(struct ct_header *header);

/*
 * Where two JSON values differ first: "replicates: 8 before, 10 now". False, and `out` untouched,
 * when they are equal.
 */
bool ct_json_difference(const json_t *before, const json_t *now, char *out, size_t size);

#endif
