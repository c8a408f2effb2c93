/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/text.h"
#include "harness/stats/fdr.h"
#include "harness/stats/series.h"
#include "harness/stats/tolerance.h"
#include "harness/stats/tost.h"
#include "harness/stats/welch.h"

const char *const ct_verdict_names[] = {"regressed", "improved", "equivalent", "inconclusive"};

static const double equivalence_alpha = 0.05, usual_power = 0.8;
/* One-sided 5 % of the normal distribution: the lag-1 autocorrelation of n independent values is
 * about normal with variance 1/n (Bartlett 1946). */
static const double lag1_limit = 1.645;
enum { LEAST_SERIES = 8 };

enum { BASE, NEW, FILES };

struct work {
	const struct ct_analysis *file[FILES];
	struct ct_comparison *out;
	double *logs[FILES]; /* of the cell at hand */
	struct ct_detectable detectable;
};

/* What a test is of: one cell's treatment, or a victim's baselines in one config. */
struct subject {
	const char *config;
	uint32_t victim[FILES]; /* rows of /victims */
	uint32_t cell[FILES];   /* rows of /cells */
	enum ct_role role;
};

/* ---- Blocks of a subject ---- */

static bool cell_counts(const struct work *work, int file, const struct subject *subject,
			uint32_t c)
{
	const struct ct_cell_info *info = &work->file[file]->tables->cells[c];

	if (subject->role == CT_ROLE_TREATMENT)
		return c == subject->cell[file];
	return info->victim == subject->victim[file] && strcmp(info->config, subject->config) == 0;
}

static size_t collect(const struct work *work, int file, const struct subject *subject,
		      enum ct_role role, size_t k, double *logs)
{
	const struct ct_analysis *analysis = work->file[file];
	size_t n = 0;

	for (uint32_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_analysis *cell = &analysis->cells[c];

		if (!cell_counts(work, file, subject, c))
			continue;
		for (size_t b = 0; b < cell->used; b++)
			logs[n++] = cell->log_ns[b][role][k];
	}
	return n;
}

static bool carried(const struct work *work, const struct subject *subject, size_t k)
{
	for (int file = 0; file < FILES; file++) {
		size_t n = collect(work, file, subject, subject->role, k, work->logs[file]);

		for (size_t i = 0; i < n; i++) {
			if (!isfinite(work->logs[file][i]))
				return false;
		}
	}
	return true;
}

static size_t gate_of(const struct work *work, const struct subject *subject)
{
	static const size_t tried[] = {3, 1}; /* p99, p90 */

	if (work->out->options.gate < CT_QUANTILES)
		return work->out->options.gate;
	for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++) {
		if (carried(work, subject, tried[i]))
			return tried[i];
	}
	return 0;
}

/* ---- Dependence in time ---- */

struct level {
	uint32_t visit;
	double log_ns;
};

static int by_visit(const void *a, const void *b)
{
	const struct level *left = a, *right = b;

	return (left->visit > right->visit) - (left->visit < right->visit);
}

/* A victim's baselines in the order of time; returns how many there are. */
static size_t baselines_in_time(const struct work *work, int file, const struct subject *subject,
				size_t k, struct level *levels)
{
	const struct ct_analysis *analysis = work->file[file];
	size_t n = 0;

	for (uint32_t c = 0; c < analysis->n_cells; c++) {
		const struct ct_cell_analysis *cell = &analysis->cells[c];
		const struct ct_cell_info *info = &analysis->tables->cells[c];

		if (info->victim != subject->victim[file] ||
		    strcmp(info->config, subject->config) != 0)
			continue;
		for (size_t b = 0; b < cell->used; b++) {
			double log_ns = cell->log_ns[b][CT_ROLE_BASELINE][k];

			if (isfinite(log_ns))
				levels[n++] = (struct level){cell->visits[b], log_ns};
		}
	}
	qsort(levels, n, sizeof *levels, by_visit);
	return n;
}

/* How far the blocks of a subject speak for each other, and for another hour. */
struct wander {
	double dependence; /* blocks that one independent block is worth */
	double drift;      /* over the campaign; 0 unless significant */
};

static bool wander_of(const struct work *work, int file, const struct subject *subject, size_t k,
		      size_t blocks, struct wander *out, struct ct_error *err)
{
	const size_t most = work->file[file]->tables->n_blocks;
	struct level *levels = calloc(most + 1, sizeof *levels);
	double *series = calloc(most + 1, sizeof *series);
	struct ct_stationarity stationarity;
	bool ok = levels && series;

	*out = (struct wander){.dependence = 1};
	if (ok) {
		size_t n = baselines_in_time(work, file, subject, k, levels);

		for (size_t i = 0; i < n; i++)
			series[i] = levels[i].log_ns;
		if (n >= LEAST_SERIES && ct_lag1(series, n) * sqrt((double)n) > lag1_limit)
			out->dependence =
				ct_autocorrelation_time(series, n) * (double)blocks / (double)n;
		if (!(out->dependence >= 1))
			out->dependence = 1;
		if (ct_stationarity(series, n, 0.95, &stationarity) && stationarity.p_drift < 0.05)
			out->drift = stationarity.drift.value;
	}
	free(levels);
	free(series);
	return ok || ct_broken_errno(err, "memory for %zu blocks", most);
}

/* ---- One test ---- */

static struct ct_group group_of(const struct work *work, int file, size_t n,
				const struct ct_compared_cell *cell)
{
	return (struct ct_group){.logs = work->logs[file],
				 .n = n,
				 .dependence = cell->dependence[file],
				 .level_variance = cell->drift[file] * cell->drift[file] / 4};
}

static void information(const struct work *work, const struct subject *subject,
			struct ct_compared_cell *out)
{
	for (size_t k = 0; k < CT_QUANTILES; k++) {
		struct ct_group groups[FILES];
		struct ct_paired summary;

		for (int file = 0; file < FILES; file++)
			groups[file] = group_of(
				work, file,
				collect(work, file, subject, subject->role, k, work->logs[file]),
				out);
		out->others[k] = CT_INTERVAL_NONE;
		if (ct_welch_summary(&groups[BASE], &groups[NEW], &summary))
			ct_paired_interval(&summary, work->out->options.confidence,
					   &out->others[k]);
	}
}

/* The ratio of the slowdowns: each block over its own baseline, so drift between files is out. */
static void interference(const struct work *work, const struct subject *subject,
			 struct ct_compared_cell *out)
{
	struct ct_group groups[FILES];
	struct ct_paired summary;

	out->slowdown_ratio = CT_INTERVAL_NONE;
	if (subject->role != CT_ROLE_TREATMENT)
		return;
	for (int file = 0; file < FILES; file++) {
		const struct ct_cell_analysis *cell = &work->file[file]->cells[subject->cell[file]];

		for (size_t b = 0; b < cell->used; b++)
			work->logs[file][b] = cell->log_ns[b][CT_ROLE_TREATMENT][out->k] -
					      cell->log_ns[b][CT_ROLE_BASELINE][out->k];
		groups[file] = (struct ct_group){
			.logs = work->logs[file], .n = cell->used, .dependence = 1};
	}
	if (ct_welch_summary(&groups[BASE], &groups[NEW], &summary))
		ct_paired_interval(&summary, work->out->options.confidence, &out->slowdown_ratio);
}

/* For two groups of n blocks the spread of a difference is that of one block times root two. */
static double detectable(struct work *work, const struct ct_paired *summary)
{
	size_t n = summary->df >= 1 ? (size_t)summary->df + 1 : 2;

	return ct_detectable_ratio(&work->detectable, n, summary->standard_error * sqrt((double)n));
}

static bool test(struct work *work, const struct subject *subject, struct ct_compared_cell *out,
		 struct ct_error *err)
{
	const struct ct_comparison_options *options = &work->out->options;
	struct ct_group groups[FILES];
	struct ct_paired summary;
	struct wander wander;
	struct ct_tost tost;

	out->k = gate_of(work, subject);
	out->ratio = CT_INTERVAL_NONE;
	out->p = out->p_adjusted = out->p_equivalent = out->detectable = NAN;
	for (int file = 0; file < FILES; file++) {
		size_t n = collect(work, file, subject, subject->role, out->k, work->logs[file]);

		if (!wander_of(work, file, subject, out->k, n, &wander, err))
			return false;
		out->dependence[file] = wander.dependence;
		out->drift[file] = wander.drift;
		groups[file] = group_of(work, file, n, out);
	}
	out->base_blocks = groups[BASE].n;
	out->new_blocks = groups[NEW].n;
	if (ct_welch_summary(&groups[BASE], &groups[NEW], &summary) &&
	    ct_tost_paired(&summary, options->margin, equivalence_alpha, &tost)) {
		ct_paired_interval(&summary, options->confidence, &out->ratio);
		out->p = tost.p_different;
		out->p_equivalent = tost.p_equivalent;
		out->detectable = detectable(work, &summary);
	}
	information(work, subject, out);
	interference(work, subject, out);
	return true;
}

/* ---- Matching ---- */

static void leave_out(struct work *work, int file, uint32_t c, const char *reason,
		      const char *detail)
{
	const struct ct_results_tables *tables = work->file[file]->tables;
	const struct ct_cell_info *info = &tables->cells[c];
	struct ct_unmatched *out = &work->out->unmatched[work->out->n_unmatched++];

	*out = (struct ct_unmatched){.config = info->config,
				     .victim = tables->victims[info->victim].name,
				     .aggressor = tables->aggressors[info->aggressor].name,
				     .intensity = info->intensity};
	ct_text_print(out->reason, sizeof out->reason, "%s%s%s", reason, *detail ? ": " : "",
		      detail);
}

static bool same_cell(const struct ct_results_tables *a, const struct ct_cell_info *left,
		      const struct ct_results_tables *b, const struct ct_cell_info *right)
{
	return strcmp(left->config, right->config) == 0 &&
	       fabs(left->intensity - right->intensity) < 1e-9 &&
	       strcmp(a->victims[left->victim].name, b->victims[right->victim].name) == 0 &&
	       strcmp(a->aggressors[left->aggressor].name, b->aggressors[right->aggressor].name) ==
		       0;
}

static uint32_t find_cell(const struct work *work, int in, int of, uint32_t c)
{
	const struct ct_results_tables *tables = work->file[in]->tables;
	const struct ct_results_tables *others = work->file[of]->tables;

	for (uint32_t i = 0; i < tables->n_cells; i++) {
		if (same_cell(tables, &tables->cells[i], others, &others->cells[c]))
			return i;
	}
	return UINT32_MAX;
}

/* The kernel is read from another CPU, between epochs: that changes nothing of what is measured. */
static json_t *what_is_measured(const char *params)
{
	json_t *measured = json_loads(params, 0, NULL);

	json_object_del(measured, "host_counters");
	return measured;
}

static bool same_params(const char *base, const char *next)
{
	json_t *left, *right;
	bool same;

	if (strcmp(base, next) == 0)
		return true;
	left = what_is_measured(base);
	right = what_is_measured(next);
	same = json_equal(left, right);
	json_decref(left);
	json_decref(right);
	return same;
}

/* Why two workloads of one name are not the same; NULL when they are. */
static const char *workload_differs(const struct ct_workload_info *base,
				    const struct ct_workload_info *next)
{
	if (strcmp(base->kind, next->kind) != 0)
		return "another kind";
	if (!same_params(base->params, next->params))
		return "other parameters";
	if (strcmp(base->tenant, next->tenant) != 0)
		return "another tenant";
	return NULL;
}

static const char *cell_differs(const struct work *work, uint32_t base, uint32_t next,
				const char **name)
{
	const struct ct_results_tables *a = work->file[BASE]->tables, *b = work->file[NEW]->tables;
	const struct ct_cell_info *left = &a->cells[base], *right = &b->cells[next];
	const char *reason =
		workload_differs(&a->victims[left->victim], &b->victims[right->victim]);

	*name = a->victims[left->victim].name;
	if (!reason) {
		reason = workload_differs(&a->aggressors[left->aggressor],
					  &b->aggressors[right->aggressor]);
		*name = a->aggressors[left->aggressor].name;
	}
	if (reason)
		return reason;
	*name = "";
	if (work->file[BASE]->cells[base].used < 2)
		return "fewer than two blocks count in BASE";
	return work->file[NEW]->cells[next].used < 2 ? "fewer than two blocks count in NEW" : NULL;
}

static bool compare_cell(struct work *work, uint32_t base, uint32_t next, struct ct_error *err)
{
	const struct ct_results_tables *tables = work->file[BASE]->tables;
	const struct ct_cell_info *info = &tables->cells[base];
	struct ct_compared_cell *out = &work->out->cells[work->out->n_cells++];
	const struct subject subject = {
		.config = info->config,
		.victim = {info->victim, work->file[NEW]->tables->cells[next].victim},
		.cell = {base, next},
		.role = CT_ROLE_TREATMENT};

	*out = (struct ct_compared_cell){.config = info->config,
					 .victim = tables->victims[info->victim].name,
					 .aggressor = tables->aggressors[info->aggressor].name,
					 .intensity = info->intensity};
	return test(work, &subject, out, err);
}

/* The victim alone, once for each config and victim that a matched cell has. */
static bool compare_alone(struct work *work, uint32_t base, uint32_t next, struct ct_error *err)
{
	const struct ct_results_tables *tables = work->file[BASE]->tables;
	const struct ct_cell_info *info = &tables->cells[base];
	const struct subject subject = {
		.config = info->config,
		.victim = {info->victim, work->file[NEW]->tables->cells[next].victim},
		.role = CT_ROLE_BASELINE};
	struct ct_compared_cell *out;

	for (size_t i = 0; i < work->out->n_cells; i++) {
		const struct ct_compared_cell *one = &work->out->cells[i];

		if (strcmp(one->aggressor, "none") == 0 && strcmp(one->config, info->config) == 0 &&
		    strcmp(one->victim, tables->victims[info->victim].name) == 0)
			return true;
	}
	out = &work->out->cells[work->out->n_cells++];
	*out = (struct ct_compared_cell){.config = info->config,
					 .victim = tables->victims[info->victim].name,
					 .aggressor = "none"};
	return test(work, &subject, out, err);
}

static bool match_cells(struct work *work, struct ct_error *err)
{
	for (uint32_t c = 0; c < work->file[BASE]->n_cells; c++) {
		uint32_t other = find_cell(work, NEW, BASE, c);
		const char *reason, *name;

		if (other == UINT32_MAX) {
			leave_out(work, BASE, c, "only in BASE", "");
			continue;
		}
		reason = cell_differs(work, c, other, &name);
		if (reason)
			leave_out(work, BASE, c, reason, name);
		else if (!compare_alone(work, c, other, err) || !compare_cell(work, c, other, err))
			return false;
	}
	for (uint32_t c = 0; c < work->file[NEW]->n_cells; c++) {
		if (find_cell(work, BASE, NEW, c) == UINT32_MAX)
			leave_out(work, NEW, c, "only in NEW", "");
	}
	return true;
}

/* ---- Verdicts ---- */

static enum ct_verdict judge(const struct ct_compared_cell *cell,
			     const struct ct_comparison_options *options)
{
	const bool different = cell->p_adjusted <= options->fdr;

	if (different && cell->ratio.value > 1 + options->margin)
		return CT_REGRESSED;
	if (different && cell->ratio.value < 1 / (1 + options->margin))
		return CT_IMPROVED;
	return cell->p_equivalent <= equivalence_alpha ? CT_EQUIVALENT : CT_INCONCLUSIVE;
}

static bool judge_all(struct ct_comparison *out, struct ct_error *err)
{
	size_t n[4] = {0};
	double *p = calloc(out->n_cells + 1, sizeof *p);

	if (!p)
		return ct_broken_errno(err, "memory for %zu cells", out->n_cells);
	for (size_t i = 0; i < out->n_cells; i++)
		p[i] = out->cells[i].p;
	ct_benjamini_hochberg(p, out->n_cells, p);
	for (size_t i = 0; i < out->n_cells; i++) {
		out->cells[i].p_adjusted = p[i];
		out->cells[i].verdict = judge(&out->cells[i], &out->options);
		n[out->cells[i].verdict]++;
	}
	free(p);
	out->verdict = CT_EQUIVALENT;
	if (n[CT_REGRESSED])
		out->verdict = CT_REGRESSED;
	else if (n[CT_INCONCLUSIVE])
		out->verdict = CT_INCONCLUSIVE;
	else if (n[CT_IMPROVED])
		out->verdict = CT_IMPROVED;
	return true;
}

/* ---- What can't be compared ---- */

static bool comparable(const struct ct_differences *environment, struct ct_error *err)
{
	static const struct {
		const char *item, *what;
	} fixed[] = {{"cpu.model_name", "another CPU"},
		     {"measure_ns", "phases of another length"},
		     {"epoch_ns", "epochs of another length"}};

	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
		const struct ct_difference *row = ct_difference_of(environment, fixed[i].item);

		if (row)
			return ct_fail(err, CT_ERR_INCONCLUSIVE,
				       "not comparable: %s: %s was '%s' and is '%s'", fixed[i].what,
				       fixed[i].item, row->base, row->next);
	}
	return true;
}

static double lasted_s(const struct ct_results_tables *tables)
{
	int64_t first = INT64_MAX, last = INT64_MIN;

	for (size_t i = 0; i < tables->n_blocks; i++) {
		const int64_t started = tables->blocks[i].started_unix_ns;

		if (started <= 0) /* never begun, or not told by a foreign writer */
			continue;
		first = started < first ? started : first;
		last = started > last ? started : last;
	}
	return last > first ? (double)last / 1e9 - (double)first / 1e9 : 0;
}

static bool reserve(struct work *work, struct ct_error *err)
{
	const size_t cells = work->file[BASE]->n_cells + work->file[NEW]->n_cells;

	work->out->cells = calloc(2 * cells + 1, sizeof *work->out->cells);
	work->out->unmatched = calloc(cells + 1, sizeof *work->out->unmatched);
	for (int file = 0; file < FILES; file++) {
		work->logs[file] =
			calloc(work->file[file]->tables->n_blocks + 1, sizeof *work->logs[file]);
		if (!work->logs[file])
			return ct_broken_errno(err, "memory for a comparison");
	}
	return (work->out->cells && work->out->unmatched) ||
	       ct_broken_errno(err, "memory for a comparison");
}

bool ct_comparison_make(struct ct_comparison *comparison, const struct ct_analysis *base,
			const struct ct_analysis *next, const struct ct_comparison_options *options,
			struct ct_error *err)
{
	struct work work = {.file = {base, next},
			    .out = comparison,
			    .detectable = {.alpha = options->fdr, .power = usual_power}};
	bool ok;

	*comparison = (struct ct_comparison){
		.options = *options,
		.emulated = {base->tables->emulated, next->tables->emulated},
		.lasted_s = {lasted_s(base->tables), lasted_s(next->tables)}};
	ok = ct_differences_make(&comparison->environment, base->tables, next->tables, err) &&
	     comparable(&comparison->environment, err) && reserve(&work, err) &&
	     match_cells(&work, err);
	if (ok && comparison->n_cells == 0)
		ok = ct_fail(err, CT_ERR_INCONCLUSIVE,
			     "not comparable: no cell is the same in both%s%s",
			     comparison->n_unmatched ? "; the first: " : "",
			     comparison->n_unmatched ? comparison->unmatched[0].reason : "");
	ok = ok && judge_all(comparison, err);
	free(work.logs[BASE]);
	free(work.logs[NEW]);
	if (!ok)
		ct_comparison_free(comparison);
	return ok;
}

void ct_comparison_free(struct ct_comparison *comparison)
{
	ct_differences_free(&comparison->environment);
	free(comparison->cells);
	free(comparison->unmatched);
	*comparison = (struct ct_comparison){0};
}
