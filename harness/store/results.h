/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a result file that follows results-schema/SCHEMA.md, whoever wrote it. A file is data,
 * never trusted: every size is checked before memory is taken for it, and texts are UTF-8 without
 * control characters (harness/core/text.h), also where they are decoded from JSON. Tables are small
 * and read whole; histograms, epochs and raw samples are read a phase at a time.
 */
#ifndef COTENANT_STORE_RESULTS_H
#define COTENANT_STORE_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/core/hist.h"
#include "harness/store/record.h"
#include "harness/store/store.h"

struct ct_workload_info { /* a victim or an aggressor of the campaign */
	char *name, *kind, *tenant, *unit;
	char *summary;
	double bytes_per_operation; /* victims that move data; else 0 */
	char *params;               /* JSON object text */
};

struct ct_cell_info {
	char *config;
	uint32_t victim, aggressor; /* rows of victims / aggressors */
	double intensity;           /* percent */
};

struct ct_phase_info { /* scalars of ct_phase_record plus where its rows are */
	uint32_t cell, block, order;
	enum ct_role role;
	enum ct_load load;
	uint64_t start_ns, end_ns;
	double asked_rate, achieved_rate;
	uint64_t count, overflow, raw_dropped;
	double min_ns, mean_ns, max_ns;
	uint64_t hist_first, hist_rows;
	uint64_t epoch_first, epoch_rows;
	uint64_t noise_first, noise_rows;
	uint64_t slow_first, slow_rows;
	uint64_t reading_first, reading_rows;
	uint64_t raw_first, raw_rows;
};

struct ct_block_info {
	uint32_t cell, block, visit;
	enum ct_block_status status;
	char *message;
	double solo_rate;
	uint64_t seed;
	int64_t started_unix_ns;
	uint32_t first_phase, n_phases; /* rows of phases, contiguous */
};

struct ct_log_row { /* a line of the campaign's log */
	int64_t unix_ns;
	char *level, *text;
};

struct ct_results; /* an open file */

struct ct_results_tables {
	char *path; /* to be shown: what a terminal would obey in it is a space */
	char *suite, *title;
	char *created; /* ISO 8601, UTC */
	char *tool, *version, *build_id, *command_line;
	char *emulated; /* who ran in software emulation and the evidence; "" when nobody did */
	uint64_t seed;
	bool complete;
	uint64_t replicates, warmup_ns, measure_ns, recovery_ns, epoch_ns; /* 0: not stated */
	char *job_text, *job_overrides; /* "" where the writer had no job file */
	char *provenance;               /* JSON object text, "{}" where absent */
	char *hwloc_xml;                /* "" where absent */
	char *calibration;              /* JSON object text */
	char *plan;                     /* JSON object text */
	char *placement;                /* JSON object text */
	struct ct_workload_info *victims, *aggressors;
	size_t n_victims, n_aggressors;
	struct ct_cell_info *cells;
	size_t n_cells;
	struct ct_block_info *blocks;
	size_t n_blocks;
	struct ct_phase_info *phases;
	size_t n_phases;
	struct ct_counter_info *counters; /* none where the writer counted nothing */
	size_t n_counters;
	uint64_t n_epochs, n_raw, n_hist; /* rows of the tables that are not read whole */
};

/* Refuses what is not ours, of a newer major version, truncated or inconsistent, with the reason
 * (usage error). */
bool ct_results_open(struct ct_results **results, const char *path, struct ct_error *err);
void ct_results_close(struct ct_results *results);
/* Valid until close. */
const struct ct_results_tables *ct_results_tables(const struct ct_results *results);

/* The campaign's log, read whole; the caller frees with ct_log_rows_free. */
bool ct_results_log(struct ct_results *results, struct ct_log_row **rows, size_t *n,
		    struct ct_error *err);
void ct_log_rows_free(struct ct_log_row *rows, size_t n);

/* Adds a phase's histogram to `into`; where a foreign writer stored raw samples only, adds those.
 */
bool ct_results_add_hist(struct ct_results *results, size_t phase, struct ct_hist *into,
			 struct ct_error *err);
/* Histogram rows [first, first + n) of a phase into `out`. */
bool ct_results_buckets(struct ct_results *results, size_t phase, uint64_t first, size_t n,
			struct ct_bucket *out, struct ct_error *err);
/* Rows of one phase; the caller frees *rows. */
bool ct_results_epochs(struct ct_results *results, size_t phase, struct ct_epoch_row **rows,
		       size_t *n, struct ct_error *err);
bool ct_results_noise(struct ct_results *results, size_t phase, struct ct_noise_row **rows,
		      size_t *n, struct ct_error *err);
bool ct_results_slowest(struct ct_results *results, size_t phase, struct ct_slow_sample **rows,
			size_t *n, struct ct_error *err);
/* `counter` of a reading is a row of the file's counters. */
bool ct_results_readings(struct ct_results *results, size_t phase, struct ct_reading **rows,
			 size_t *n, struct ct_error *err);
/* Raw samples [first, first + n) of a phase into `out`. */
bool ct_results_raw(struct ct_results *results, size_t phase, uint64_t first, size_t n,
		    struct ct_raw_sample *out, struct ct_error *err);

/*
 * Checks every invariant of SCHEMA.md and hands each violation, one line of text, to `violation`.
 * False only when the file can't be examined at all (ct_results_open would say the same);
 * otherwise `*n` counts the violations, of which at most CT_MAX_VIOLATIONS are reported.
 */
enum { CT_MAX_VIOLATIONS = 100 };
typedef void ct_violation_fn(void *context, const char *text);
bool ct_results_validate(const char *path, ct_violation_fn *violation, void *context, size_t *n,
			 struct ct_error *err);

#endif
