/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTML report draws, as JSON: the analysis as `analyze --json` has it, and beside it what
 * only a picture needs. Everything is bounded, so that a file of any size makes a page of a few
 * megabytes.
 */
#ifndef COTENANT_REPORT_PAGE_DATA_H
#define COTENANT_REPORT_PAGE_DATA_H

#include <jansson.h>

#include "harness/decide/analysis.h"

/*
 * Distributions: {"grid": [percent below, ...], "cells": [{"baseline": [ns, ...], "treatment":
 * [ns, ...]}, ...]} in the order of analysis->cells; an array is as long as the samples carry the
 * grid, empty where no block was used. NULL with err on failure.
 */
json_t *ct_page_curves(struct ct_results *results, struct ct_error *err);

/*
 * Series in time: for each cell {"phases": [[role, start_s, end_s], ...], "points": [[s, p50_ns,
 * p99_ns, role], ...], "changes": {"baseline": [s, ...], "treatment": [s, ...]}}. Seconds since the
 * first phase. Long series are thinned within their phases: median of p50, largest p99.
 */
json_t *ct_page_series(struct ct_results *results, const struct ct_analysis *analysis,
		       struct ct_error *err);

/* The hardware tree: {"name", "kind", "tenants": ["victim", ...], "children"}; null where the file
 * has none. Like siblings that no tenant runs on are one node. */
json_t *ct_page_topology(const struct ct_results_tables *tables);

/* What decides a repeat: [[section, item, value], ...], text. `anonymous` leaves out what names the
 * maker of the hardware. */
json_t *ct_page_provenance(const struct ct_results_tables *tables, bool anonymous);

#endif
