/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/analysis_internal.h"
bool ct_prices_make(struct ct_analysis *analysis, struct ct_error *err)
{
	(void)analysis;
	(void)err;
	return true;
}
