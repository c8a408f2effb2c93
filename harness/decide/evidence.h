/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every decision reads of a campaign, a cell at a time: the file is read once, phase by phase,
 * and nothing is kept that grows with the number of samples.
 *
 * A block is used when its status is ok and it has a baseline, and a treatment whose aggressor
 * loaded. Phases of a block with the same role are pooled: they are its side.
 */
#ifndef COTENANT_DECIDE_EVIDENCE_H
#define COTENANT_DECIDE_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/stats/quantile.h"
#include "harness/store/results.h"

enum { CT_QUANTILES = 6, CT_SIDES = 3 };                  /* sides by enum ct_role */
extern const double ct_quantiles[CT_QUANTILES];           /* 0.5 0.9 0.95 0.99 0.999 0.9999 */
extern const char *const ct_quantile_names[CT_QUANTILES]; /* "p50" ... "p99.99" */
/* The position of quantile `name` ("p99.9", "p999" or "0.999") or CT_QUANTILES. */
size_t ct_quantile_find(const char *name);

struct ct_side {
	uint64_t samples;
	double ns[CT_QUANTILES];   /* NaN where the samples do not carry the quantile */
	double mean_ns, max_ns;    /* NaN when empty */
	struct ct_bucket *buckets; /* its histogram; owned by the cell's evidence */
	size_t n_buckets;
};

/* A phase of a used block: what variance components need of it. */
struct ct_phase_evidence {
	uint32_t row;   /* of /phases */
	uint32_t block; /* index into `blocks` */
	enum ct_role role;
	uint64_t samples;
	double log_mean,
		log_variance; /* of the latency in ns, over its histogram; NaN when empty */
	double *epoch_ns;     /* median (mean where there is none) of each counted epoch */
	size_t n_epochs;      /* 0 where the file has no epochs */
};

struct ct_block_evidence {
	uint32_t row; /* of /blocks */
	uint32_t number, visit;
	struct ct_side side[CT_SIDES];
};

struct ct_cell_evidence {
	uint32_t cell;                       /* row of /cells */
	size_t n_blocks, failed, not_loaded; /* in the file */
	enum ct_load load;       /* worst of the used treatments; CT_LOAD_ABSENT: none loaded */
	double achieved_percent; /* mean achieved rate, of the solo maximum; NaN unknown */
	uint64_t epochs, counted_epochs;  /* of the treatments of used blocks; 0: not stored */
	struct ct_block_evidence *blocks; /* the used ones, by block number */
	size_t used;
	struct ct_phase_evidence *phases;
	size_t n_phases;
};

/* Called for each row of /cells in turn. `cell` is valid during the call only. */
typedef bool ct_evidence_fn(void *context, const struct ct_cell_evidence *cell,
			    struct ct_error *err);
bool ct_evidence_each(struct ct_results *results, ct_evidence_fn *use, void *context,
		      struct ct_error *err);

/* The histogram of all used blocks of one role, ascending, values in ns; the caller frees *bins. */
bool ct_evidence_pool(const struct ct_cell_evidence *cell, enum ct_role role, struct ct_bin **bins,
		      size_t *n_bins, struct ct_error *err);

/*
 * The q-quantile of the pooled side with its interval, in ns, blocks being the units of replication
 * (Woodruff 1952, JASA 47:635; logit scale after Korn & Graubard 1999, Analysis of Health Surveys,
 * 3.4): the share of samples below the quantile has an error that its spread between blocks shows
 * (stats/clusters.h); the share's t interval with blocks - 1 degrees of freedom is turned back into
 * latencies by the pool's own distribution, so none is assumed. hi is INFINITY where the pool does
 * not reach that far; lo and hi are NaN with a single block; value is NaN when the pool itself does
 * not carry the quantile. `effective` is how many independent samples the pool is worth at the
 * quantile, for bounds (NaN: unknown).
 */
struct ct_pooled {
	struct ct_interval ns;
	double effective;
};
bool ct_evidence_quantile(const struct ct_cell_evidence *cell, enum ct_role role,
			  const struct ct_bin *bins, size_t n_bins, double q, double confidence,
			  struct ct_pooled *out, struct ct_error *err);

#endif
