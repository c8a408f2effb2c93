/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A specification: the limits that hardware or a platform has to keep. An INI file with one section
 * [require NAME] for each limit.
 */
#ifndef COTENANT_DECIDE_SPEC_H
#define COTENANT_DECIDE_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"

enum ct_metric {
	CT_METRIC_LATENCY,   /* p99: of the pooled treatment, or of the victim alone; ns */
	CT_METRIC_SLOWDOWN,  /* slowdown_p99: treatment over baseline, paired by block */
	CT_METRIC_RECOVERY,  /* recovery_p99: after the aggressor over before it */
	CT_METRIC_PRICE,     /* price_p99: alone in this config over alone in the first one */
	CT_METRIC_GUARANTEE, /* guarantee_p999: upper bound under the worst neighbour; ns */
	CT_METRIC_JITTER,    /* p99 over p50 less 1 */
	CT_METRIC_SHARE,     /* cotenant_share: omega squared of the decomposition */
	CT_METRIC_GRADE      /* isolation grade of the config, as its limit on the slowdown */
};

struct ct_requirement {
	char *name;
	char *victim, *aggressor, *config; /* a name or kind, or "any"; aggressor also "none" */
	double intensity;                  /* percent; negative: any */
	char *metric_text;
	enum ct_metric metric;
	size_t k;          /* of ct_quantiles, for the metrics that have one */
	double limit;      /* at most: ns, a ratio or a share */
	char *limit_text;  /* as written */
	double confidence; /* 0.95 */
	char *why;         /* the reason for the limit, "" where none is given */
};

struct ct_spec {
	char *name, *description;
	struct ct_requirement *requirements;
	size_t n;
};

/* Every unknown section, key, metric, unit or value is refused with file and line. */
bool ct_spec_load(struct ct_spec *spec, const char *path, struct ct_error *err);
bool ct_spec_parse(struct ct_spec *spec, const char *path, const char *text, struct ct_error *err);
void ct_spec_free(struct ct_spec *spec);

#endif
