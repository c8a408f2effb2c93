/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategy: which config keeps a promise. A service-level objective (SLO) names a victim, a
 * quantile and a latency; configs are ranked by whether their guarantee keeps it.
 */
#ifndef COTENANT_DECIDE_STRATEGY_H
#define COTENANT_DECIDE_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"
#include "harness/decide/analysis.h"

struct ct_slo {
	char victim[128]; /* name or kind; "" for any victim */
	size_t k;         /* of ct_quantiles */
	double limit_ns;
};

/* "[VICTIM:]QUANTILE<=TIME", as in "p99.9<=50us" or "dram:p99<=400ns". Usage error otherwise. */
bool ct_slo_parse(const char *text, struct ct_slo *slo, struct ct_error *err);

enum ct_promise {
	CT_PROMISE_KEPT,    /* the guarantee of every victim meant is within the limit */
	CT_PROMISE_UNKNOWN, /* no guarantee yet, or one beyond the limit though the estimate is not
			     */
	CT_PROMISE_BROKEN   /* some estimate under the worst neighbour is beyond the limit */
};
extern const char *const ct_promise_names[]; /* "kept", "unknown", "broken" */

struct ct_ranking {
	size_t config; /* of analysis->configs */
	enum ct_promise promise;
	double bound_ns;    /* largest of the victims meant; NaN unknown */
	double estimate_ns; /* the same of the estimates */
	size_t needs_blocks;
};

/*
 * Best first: kept before unknown before broken, then by the bound (the estimate where there is
 * none). `rankings` has room for n_configs; returns how many configs have a victim that is meant.
 */
size_t ct_rank_configs(const struct ct_analysis *analysis, const struct ct_slo *slo,
		       struct ct_ranking *rankings);

#endif
