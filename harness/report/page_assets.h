/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the build embeds for the HTML report: style, script and the chart library. */
#ifndef COTENANT_REPORT_PAGE_ASSETS_H
#define COTENANT_REPORT_PAGE_ASSETS_H

#include <stddef.h>

struct ct_asset {
	const char *begin, *end; /* not terminated */
};

extern const struct ct_asset ct_page_style;
extern const struct ct_asset ct_page_scripts[]; /* in the order they run */
extern const size_t ct_page_n_scripts;
/* Apache ECharts; empty in a build that could not fetch it. */
extern const struct ct_asset ct_page_echarts;

#endif
