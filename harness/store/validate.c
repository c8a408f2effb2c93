/* SPDX-License-Identifier: Apache-2.0 */
/* `validate`: the invariants of results-schema/SCHEMA.md that take reading every row. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/store/check.h"
#include "harness/store/results.h"

/* Exact values are doubles in ns, buckets are cut in integer ps: they may differ by one bucket. */
static bool in_bucket(double ns, uint32_t bucket)
{
	uint32_t index = ct_hist_index((uint64_t)llround(fmax(ns, 0) * 1e3));

	return index + 1 >= bucket && index <= bucket + 1;
}

struct histogram_sums {
	uint64_t count;
	double sum_ps; /* of bucket midpoints */
	uint32_t first, last;
};

/* False when the rows can't be read; violations are reported. */
static bool sum_histogram(struct ct_results *results, size_t phase, struct histogram_sums *sums,
			  struct ct_violations *violations, struct ct_error *err)
{
	enum { PIECE = 1024 };
	const struct ct_phase_info *info = &ct_results_tables(results)->phases[phase];
	struct ct_bucket buckets[PIECE];
	int64_t before = -1;

	for (uint64_t done = 0; done < info->hist_rows; done += PIECE) {
		uint64_t left = info->hist_rows - done;
		size_t n = left < PIECE ? left : PIECE;

		if (!ct_results_buckets(results, phase, done, n, buckets, err))
			return false;
		for (size_t i = 0; i < n; i++) {
			if (buckets[i].index >= CT_HIST_BUCKETS || buckets[i].count == 0 ||
			    (int64_t)buckets[i].index <= before) {
				ct_violation(
					violations,
					"/histogram[%llu], of phase %zu: bucket %u, count %llu "
					"(buckets ascend and are below %u, counts are above 0)",
					(unsigned long long)(info->hist_first + done + i), phase,
					buckets[i].index, (unsigned long long)buckets[i].count,
					CT_HIST_BUCKETS);
				return true;
			}
			if (before < 0)
				sums->first = buckets[i].index;
			sums->last = buckets[i].index;
			before = buckets[i].index;
			sums->count += buckets[i].count;
			sums->sum_ps += (double)buckets[i].count * ct_hist_mid(buckets[i].index);
		}
	}
	return true;
}

static bool check_histogram(struct ct_results *results, size_t phase,
			    struct ct_violations *violations, struct ct_error *err)
{
	const struct ct_phase_info *info = &ct_results_tables(results)->phases[phase];
	struct histogram_sums sums = {0};
	const size_t before = violations->n;
	double mean_ns;

	if (info->hist_rows == 0) {
		/* Raw samples of epochs that do not count are kept all the same. */
		if (info->count > 0 && info->raw_rows != info->count)
			ct_violation(violations,
				     "/phases/count[%zu] is %llu, but it has %llu raw rows and no "
				     "histogram",
				     phase, (unsigned long long)info->count,
				     (unsigned long long)info->raw_rows);
		return true;
	}
	if (!sum_histogram(results, phase, &sums, violations, err))
		return false;
	if (violations->n > before)
		return true;
	if (sums.count != info->count)
		ct_violation(violations, "/phases/count[%zu] is %llu, its histogram holds %llu",
			     phase, (unsigned long long)info->count,
			     (unsigned long long)sums.count);
	if (isfinite(info->min_ns) && !in_bucket(info->min_ns, sums.first))
		ct_violation(violations, "/phases/min_ns[%zu] is %g, its histogram begins at %g ns",
			     phase, info->min_ns, (double)ct_hist_low(sums.first) / 1e3);
	if (isfinite(info->max_ns) && !in_bucket(info->max_ns, sums.last))
		ct_violation(violations, "/phases/max_ns[%zu] is %g, its histogram ends at %g ns",
			     phase, info->max_ns, (double)ct_hist_low(sums.last + 1) / 1e3);
	/* A midpoint is off by at most half a bucket, 1/2048; overflow has lost its value. */
	mean_ns = sums.count ? sums.sum_ps / (double)sums.count / 1e3 : NAN;
	if (isfinite(info->mean_ns) && info->overflow == 0 &&
	    fabs(info->mean_ns - mean_ns) > 1e-3 * mean_ns + 1e-3)
		ct_violation(violations,
			     "/phases/mean_ns[%zu] is %g, its histogram has a mean of %g ns", phase,
			     info->mean_ns, mean_ns);
	return true;
}

static bool check_epochs(struct ct_results *results, size_t phase, struct ct_violations *violations,
			 struct ct_error *err)
{
	const struct ct_phase_info *info = &ct_results_tables(results)->phases[phase];
	struct ct_epoch_row *rows;
	uint64_t counted = 0;
	size_t n;

	if (info->epoch_rows == 0)
		return true;
	if (!ct_results_epochs(results, phase, &rows, &n, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].end_ns < rows[i].start_ns ||
		    (i > 0 && rows[i].start_ns < rows[i - 1].start_ns)) {
			ct_violation(violations, "/epochs[%llu], of phase %zu, is out of time",
				     (unsigned long long)info->epoch_first + i, phase);
			break;
		}
		if (rows[i].counted > 1)
			ct_violation(violations, "/epochs/counted[%llu] is %u, not 0 or 1",
				     (unsigned long long)info->epoch_first + i, rows[i].counted);
		counted += rows[i].counted ? rows[i].count : 0;
	}
	if (counted != info->count)
		ct_violation(violations, "/phases/count[%zu] is %llu, its counted epochs hold %llu",
			     phase, (unsigned long long)info->count, (unsigned long long)counted);
	free(rows);
	return true;
}

static bool check_noise(struct ct_results *results, size_t phase, struct ct_violations *violations,
			struct ct_error *err)
{
	const struct ct_phase_info *info = &ct_results_tables(results)->phases[phase];
	struct ct_noise_row *rows;
	size_t n;

	if (info->noise_rows == 0)
		return true;
	if (!ct_results_noise(results, phase, &rows, &n, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].end_ns < rows[i].start_ns || !(rows[i].units >= 0)) {
			ct_violation(violations,
				     "/noise[%llu], of phase %zu: ends before it starts, or "
				     "negative work",
				     (unsigned long long)info->noise_first + i, phase);
			break;
		}
	}
	free(rows);
	return true;
}

static bool check_slowest(struct ct_results *results, size_t phase,
			  struct ct_violations *violations, struct ct_error *err)
{
	const struct ct_phase_info *info = &ct_results_tables(results)->phases[phase];
	struct ct_slow_sample *rows;
	size_t n;

	if (info->slow_rows == 0)
		return true;
	if (!ct_results_slowest(results, phase, &rows, &n, err))
		return false;
	for (size_t i = 1; i < n; i++) {
		if (rows[i].latency_ns > rows[i - 1].latency_ns) {
			ct_violation(violations, "/slowest[%llu], of phase %zu, does not descend",
				     (unsigned long long)info->slow_first + i, phase);
			break;
		}
	}
	free(rows);
	return true;
}

static bool check_readings(struct ct_results *results, size_t phase,
			   struct ct_violations *violations, struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	const struct ct_phase_info *info = &tables->phases[phase];
	struct ct_reading *rows;
	size_t n;

	if (info->reading_rows == 0)
		return true;
	if (!ct_results_readings(results, phase, &rows, &n, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].epoch >= info->epoch_rows || rows[i].counter >= tables->n_counters ||
		    !isfinite(rows[i].value)) {
			ct_violation(violations,
				     "/readings[%llu], of phase %zu: epoch %u of %llu, counter %u "
				     "of %zu, value %g (both below, finite)",
				     (unsigned long long)info->reading_first + i, phase,
				     rows[i].epoch, (unsigned long long)info->epoch_rows,
				     rows[i].counter, tables->n_counters, rows[i].value);
			break;
		}
	}
	free(rows);
	return true;
}

/* A block that counts has both sides, and its treatments loaded. */
static void check_roles(const struct ct_results_tables *tables, size_t i,
			struct ct_violations *violations)
{
	const struct ct_block_info *block = &tables->blocks[i];
	bool baseline = false, treatment = false, modulated = false;
	uint32_t seen = 0;

	for (uint32_t k = 0; k < block->n_phases; k++) {
		const struct ct_phase_info *phase = &tables->phases[block->first_phase + k];

		baseline |= phase->role == CT_ROLE_BASELINE;
		treatment |= phase->role == CT_ROLE_TREATMENT;
		modulated |= phase->role == CT_ROLE_MODULATED;
		if (phase->order >= 32 || (seen & (1u << phase->order)))
			ct_violation(violations, "/phases/order[%u] is %u, there twice or above 31",
				     block->first_phase + k, phase->order);
		else
			seen |= 1u << phase->order;
	}
	/* Where nobody disturbs, as in listening, there is nothing to treat with. */
	if (block->cell < tables->n_cells && tables->cells[block->cell].intensity == 0)
		treatment = true;
	if (block->status == CT_BLOCK_OK && !modulated && !(baseline && treatment))
		ct_violation(violations, "/blocks[%zu] is ok, but has no %s", i,
			     baseline ? "treatment" : "baseline");
	if (block->status != CT_BLOCK_OK && block->message[0] == '\0')
		ct_violation(violations, "/blocks[%zu] does not count, but does not say why", i);
}

static bool check_phases(struct ct_results *results, struct ct_violations *violations,
			 struct ct_error *err)
{
	const size_t n = ct_results_tables(results)->n_phases;

	for (size_t i = 0; i < n && violations->n < CT_MAX_VIOLATIONS; i++) {
		if (!check_histogram(results, i, violations, err) ||
		    !check_epochs(results, i, violations, err) ||
		    !check_noise(results, i, violations, err) ||
		    !check_slowest(results, i, violations, err) ||
		    !check_readings(results, i, violations, err))
			return false;
	}
	return true;
}

bool ct_results_validate(const char *path, ct_violation_fn *report, void *context, size_t *n,
			 struct ct_error *err)
{
	struct ct_violations violations = {.report = report, .context = context};
	struct ct_results *results;
	struct ct_extents extents;
	bool ok = true;

	*n = 0;
	if (!ct_results_open_unchecked(&results, path, err))
		return false;
	extents = ct_results_extents(results);
	ct_check_tables(ct_results_tables(results), &extents, &violations);
	/* Rows are only followed once it is known that they lead somewhere. */
	if (violations.n == 0) {
		for (size_t i = 0; i < ct_results_tables(results)->n_blocks; i++)
			check_roles(ct_results_tables(results), i, &violations);
		ok = check_phases(results, &violations, err);
	}
	ct_results_close(results);
	*n = violations.n;
	return ok;
}
