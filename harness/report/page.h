/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as one HTML file that needs no network: style, script, chart library and data are in
 * it. The program writes data; the page's script (page/) makes charts and tables of them.
 */
#ifndef COTENANT_REPORT_PAGE_H
#define COTENANT_REPORT_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/core/error.h"
#include "harness/decide/analysis.h"
#include "harness/decide/strategy.h"

struct ct_page_source {
	struct ct_results *results;
	struct ct_analysis analysis;
	const char *label; /* what the report calls it */
	bool aliased;      /* the label stands for a vendor: nothing may name the hardware */
};

struct ct_page {
	const struct ct_page_source *sources; /* the first is what the others are compared with */
	size_t n_sources;
	const char *title, *author; /* "" for none */
	const char *notes;          /* Markdown text, "" for none */
	const struct ct_slo *slo;   /* NULL: configs are not ranked */
	double margin;              /* of the comparisons */
	bool identify;              /* host names and paths stay in */
};

bool ct_page_has_charts(void);
bool ct_page_write(const struct ct_page *page, FILE *out, struct ct_error *err);

#endif
