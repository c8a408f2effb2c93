/* SPDX-License-Identifier: Apache-2.0 */
/* The assembler reads the files: no generated source, no time to compile a megabyte of array. */
#include "harness/report/page_assets.h"

#ifndef CT_ECHARTS_FILE
#define CT_ECHARTS_FILE "/dev/null"
#endif

#define EMBED(name, file)                                                    \
	__asm__(".pushsection .rodata\n"                                     \
		".global ct_asset_" #name "_begin, ct_asset_" #name "_end\n" \
		"ct_asset_" #name "_begin:\n.incbin \"" file "\"\n"          \
		"ct_asset_" #name "_end:\n.byte 0\n.popsection\n");          \
	extern const char ct_asset_##name##_begin[], ct_asset_##name##_end[]

#define ASSET(name)                                            \
	{                                                      \
		ct_asset_##name##_begin, ct_asset_##name##_end \
	}

EMBED(style, "harness/report/page/page.css");
EMBED(tools, "harness/report/page/tools.js");
EMBED(charts, "harness/report/page/charts.js");
EMBED(sections, "harness/report/page/sections.js");
EMBED(page, "harness/report/page/page.js");
EMBED(echarts, CT_ECHARTS_FILE);

const struct ct_asset ct_page_style = ASSET(style);
const struct ct_asset ct_page_scripts[] = {ASSET(tools), ASSET(charts), ASSET(sections),
					   ASSET(page)};
const size_t ct_page_n_scripts = sizeof ct_page_scripts / sizeof ct_page_scripts[0];
const struct ct_asset ct_page_echarts = ASSET(echarts);
