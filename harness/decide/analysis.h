/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four answers of a campaign: how unstable, coupled by how much, how much of the variance is
 * the neighbour's, and what can be promised. Numbers only; words and JSON are report/analysis_*.c.
 *
 * Latencies are in ns. An interval whose members are NaN is not known; `carry` says why.
 */
#ifndef COTENANT_DECIDE_ANALYSIS_H
#define COTENANT_DECIDE_ANALYSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/decide/evidence.h"
#include "harness/decide/lockin.h"
#include "harness/decide/until.h"
#include "harness/stats/interval.h"
#include "harness/store/results.h"

enum { CT_MARKED = 16 };

/* Instability of one side of a cell. */
struct ct_stability {
	double cov;                /* standard deviation over mean of the pooled samples */
	double mad_ns;             /* median absolute deviation */
	struct ct_interval tail;   /* shape of the tail above p99 (stats/tail.h), 0 exponential */
	double autocorrelation_ms; /* integrated, of the epoch series; NaN unknown */
	double effective_epochs;   /* independent epochs behind it */
	double p_drift;            /* of a steady level over the campaign, block by block */
	bool stationary;           /* false as well where it can't be told: see p_drift */
	size_t changes;            /* change points in the blocks' medians, in order of time */
	/* Visits (places in the realised order) of the blocks that open a new regime, the first
	 * CT_MARKED of them. */
	uint32_t marked_visits[CT_MARKED];
	size_t n_marked;
};

struct ct_cell_quantile {
	struct ct_interval baseline, treatment; /* pooled over blocks (evidence.h) */
	double baseline_effective, treatment_effective;
	/* Paired by block: geometric mean of the ratios with its t interval. */
	struct ct_interval slowdown, recovery;
	double log_sd;           /* of the log ratios over blocks; NaN unless slowdown is known */
	double detectable;       /* smallest ratio found with power 0.8 at this number of blocks */
	uint64_t fewest, needed; /* samples a side of a block: there, and asked for a slowdown */
};

/* What the hardware tree predicts of a cell, and what was felt (tree.h). */
enum ct_tree_verdict {
	CT_TREE_UNKNOWN,
	CT_TREE_CARRIED, /* predicted and felt */
	CT_TREE_HIDDEN,  /* felt and not predicted: hidden sharing */
	CT_TREE_QUIET,   /* predicted and not felt */
	CT_TREE_APART    /* neither */
};
struct ct_tree_cell {
	enum ct_tree_verdict verdict;
	uint32_t common;   /* resources that the victim feels and the aggressor presses */
	uint32_t carriers; /* those of them that the two share in the tree */
};

struct ct_cell_analysis {
	uint32_t cell; /* row of /cells */
	size_t n_blocks, used, failed, not_loaded;
	enum ct_load load;
	double achieved_percent;
	/* The closest thing that the two tenants' CPUs share: "core", "l2", "l3", "numa",
	 * "package", "machine" (static); NULL where the file does not tell. */
	const char *shared;
	struct ct_tree_cell tree;
	struct ct_cell_quantile quantiles[CT_QUANTILES];
	struct ct_interval jitter; /* p99 over p50 of the treatment less 1, paired by block */
	struct ct_interval baseline_jitter;
	struct ct_stability stability[2]; /* CT_ROLE_BASELINE, CT_ROLE_TREATMENT */
	/* Log quantiles of each used block and side, NaN where not carried: log_ns[b][role][k]. */
	double (*log_ns)[CT_SIDES][CT_QUANTILES];
	uint32_t *visits; /* of each used block: its position in time */
};

/* Variance of log latency of one victim in one config, in squared log units (stats/nested.h). */
struct ct_decomposition {
	const char *config;
	uint32_t victim;
	bool known;
	const char *why; /* when not known */
	struct ct_interval within_epoch, between_epoch, between_phase, between_block, cotenant;
	struct ct_interval omega_squared;
	bool epochs_known, block_truncated, cotenant_truncated;
};

/* 'The q-quantile is at most bound_ns, with the confidence, under the worst neighbour tested.' */
struct ct_guarantee {
	const char *config;
	uint32_t victim;
	size_t k;            /* of ct_quantiles */
	double bound_ns;     /* NaN when the data can't carry it */
	double estimate_ns;  /* the quantile of the worst cell */
	uint32_t worst;      /* row of /cells */
	bool worst_is_alone; /* the baseline is worse than every treatment */
	size_t needs_blocks; /* more blocks of every cell; 0 when the bound is known */
	size_t untested;     /* cells whose aggressor never loaded: nothing is said of them */
};

/*
 * Grade of one config: by U, the largest upper confidence limit of the p99 slowdown over its cells
 * (p50 where no block carries p99). A: U <= 1.03, B: <= 1.10, C: <= 1.25, D: <= 2, E: above;
 * '-' when some cell has no interval.
 */
struct ct_grade {
	const char *config;
	char letter;
	double upper; /* U; NaN for '-' */
	size_t k;
	uint32_t worst;  /* row of /cells */
	size_t ungraded; /* cells without an interval */
};

/* The largest U of a grade, INFINITY for E. False for what is no grade. */
bool ct_grade_limit(char letter, double *limit);

/* What the partition itself costs: the victim alone in `config` over alone in `reference`. */
struct ct_price {
	const char *config, *reference;
	uint32_t victim; /* row of /victims */
	struct ct_interval ratio[CT_QUANTILES];
};

struct ct_analysis {
	const struct ct_results_tables *tables;
	double confidence;
	struct ct_cell_analysis *cells; /* one a row of /cells */
	size_t n_cells;
	const char **configs; /* in the order of the file; the first is the reference of prices */
	size_t n_configs;
	struct ct_decomposition *decompositions;
	size_t n_decompositions;
	struct ct_guarantee *guarantees; /* for each config and victim p50..p99.99 */
	size_t n_guarantees;
	struct ct_grade *grades; /* one a config */
	struct ct_price *prices;
	size_t n_prices;
	struct ct_until_table until;   /* empty unless it was to stop when decided */
	struct ct_lockin_table lockin; /* empty unless the campaign was one by lock-in */
};

/* `results` stays open as long as the analysis is used. Free with ct_analysis_free. */
bool ct_analysis_make(struct ct_analysis *analysis, struct ct_results *results, double confidence,
		      struct ct_error *err);
void ct_analysis_free(struct ct_analysis *analysis);

/* Whether some cell measures the victim in the config. */
bool ct_analysis_has(const struct ct_analysis *analysis, const char *config, uint32_t victim);

/* The quantile that decides for a cell: p99 where every block carries it, else p90, else p50. */
size_t ct_gate_quantile(const struct ct_cell_analysis *cell);

#endif
