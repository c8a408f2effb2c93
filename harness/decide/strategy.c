/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/strategy.h"

#include <stdlib.h>
#include <string.h>

#include "harness/core/units.h"

const char *const ct_promise_names[] = {"kept", "unknown", "broken"};

static const char slo_form[] = "write [VICTIM:]QUANTILE<=TIME, for instance p99.9<=50us";

bool ct_slo_parse(const char *text, struct ct_slo *slo, struct ct_error *err)
{
	const char *colon = strchr(text, ':'), *sign = strstr(text, "<=");
	const char *name = colon && colon < sign ? colon + 1 : text;
	char quantile[16] = "";
	uint64_t ns;

	*slo = (struct ct_slo){0};
	if (!sign)
		return ct_usage(err, "SLO '%s': %s", text, slo_form);
	if (name != text) {
		if ((size_t)(colon - text) >= sizeof slo->victim)
			return ct_usage(err, "SLO '%s': the victim's name is too long", text);
		memcpy(slo->victim, text, (size_t)(colon - text));
	}
	if ((size_t)(sign - name) < sizeof quantile)
		memcpy(quantile, name, (size_t)(sign - name));
	slo->k = ct_quantile_find(quantile);
	if (slo->k == CT_QUANTILES)
		return ct_usage(err,
				"SLO '%s': no such quantile; there are p50, p90, p95, p99, "
				"p99.9 and p99.99",
				text);
	if (!ct_parse_time(sign + 2, &ns, err))
		return ct_error_in(err, "SLO '%s'", text);
	slo->limit_ns = (double)ns;
	return true;
}

static bool meant(const struct ct_analysis *analysis, const struct ct_slo *slo,
		  const struct ct_guarantee *guarantee)
{
	const struct ct_workload_info *victim = &analysis->tables->victims[guarantee->victim];

	return guarantee->k == slo->k &&
	       (slo->victim[0] == '\0' || strcmp(slo->victim, victim->name) == 0 ||
		strcmp(slo->victim, victim->kind) == 0);
}

static void add(struct ct_ranking *ranking, const struct ct_guarantee *guarantee, bool first)
{
	if (guarantee->needs_blocks > ranking->needs_blocks)
		ranking->needs_blocks = guarantee->needs_blocks;
	if (first || guarantee->estimate_ns > ranking->estimate_ns)
		ranking->estimate_ns = guarantee->estimate_ns;
	if (first || guarantee->bound_ns > ranking->bound_ns)
		ranking->bound_ns = guarantee->bound_ns;
	if (ranking->needs_blocks > 0)
		ranking->bound_ns = NAN;
}

static bool rank(const struct ct_analysis *analysis, const struct ct_slo *slo, size_t config,
		 struct ct_ranking *ranking)
{
	bool first = true;

	*ranking = (struct ct_ranking){.config = config, .bound_ns = NAN, .estimate_ns = NAN};
	for (size_t i = 0; i < analysis->n_guarantees; i++) {
		const struct ct_guarantee *guarantee = &analysis->guarantees[i];

		if (strcmp(guarantee->config, analysis->configs[config]) != 0 ||
		    !meant(analysis, slo, guarantee))
			continue;
		add(ranking, guarantee, first);
		first = false;
	}
	ranking->promise = CT_PROMISE_UNKNOWN;
	if (ranking->bound_ns <= slo->limit_ns)
		ranking->promise = CT_PROMISE_KEPT;
	else if (ranking->estimate_ns > slo->limit_ns)
		ranking->promise = CT_PROMISE_BROKEN;
	return !first;
}

static int by_promise(const void *a, const void *b)
{
	const struct ct_ranking *left = a, *right = b;
	double x = isnan(left->bound_ns) ? left->estimate_ns : left->bound_ns;
	double y = isnan(right->bound_ns) ? right->estimate_ns : right->bound_ns;

	if (left->promise != right->promise)
		return left->promise < right->promise ? -1 : 1;
	return (x > y) - (x < y);
}

size_t ct_rank_configs(const struct ct_analysis *analysis, const struct ct_slo *slo,
		       struct ct_ranking *rankings)
{
	size_t n = 0;

	for (size_t c = 0; c < analysis->n_configs; c++)
		n += rank(analysis, slo, c, &rankings[n]);
	qsort(rankings, n, sizeof *rankings, by_promise);
	return n;
}
