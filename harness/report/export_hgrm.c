/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The percentile format of HdrHistogram (its "percentile distribution" output): a line a step, the
 * steps halving their distance to 100 % every TICKS lines, and a footer of moments. Latencies are
 * in nanoseconds.
 */
#include "harness/report/export.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/store/column.h"

enum { TICKS = 5 }; /* lines a halving: what HdrHistogram's own tools use */

static double deviation(const struct ct_hist *hist, double mean_ps)
{
	double sum = 0;

	for (uint32_t i = hist->begin; i < hist->end; i++) {
		double d = ct_hist_mid(i) - mean_ps;

		if (hist->counts[i])
			sum += (double)hist->counts[i] * d * d;
	}
	return hist->total ? sqrt(sum / (double)hist->total) : NAN;
}

/* The next percentile (0..1) after `level`: closer to 1 by a TICKS-th of a halving. */
static double next_level(double level)
{
	double half = exp2(floor(log2(1 / (1 - level))) + 1);

	return level + 1 / (TICKS * half);
}

static void write_lines(const struct ct_hist *hist, double max_ns, FILE *out)
{
	double level = 0;
	uint64_t seen = 0;

	for (uint32_t i = hist->begin; i < hist->end; i++) {
		double value = ct_hist_mid(i) / 1e3, reached;

		if (hist->counts[i] == 0)
			continue;
		seen += hist->counts[i];
		reached = (double)seen / (double)hist->total;
		if (value > max_ns || seen == hist->total)
			value = isnan(max_ns) ? value : max_ns;
		while (seen < hist->total && level <= reached) {
			fprintf(out, "%12.3f %2.12f %10" PRIu64 " %14.2f\n", value, level, seen,
				1 / (1 - level));
			level = next_level(level);
		}
		if (seen == hist->total)
			fprintf(out, "%12.3f %2.12f %10" PRIu64 "\n", value, 1.0, seen);
	}
}

void ct_hgrm_write(const struct ct_hist *hist, double max_ns, FILE *out)
{
	const double mean_ps = ct_hist_mean(hist);

	fputs("       Value     Percentile TotalCount 1/(1-Percentile)\n\n", out);
	write_lines(hist, max_ns, out);
	fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean_ps / 1e3,
		deviation(hist, mean_ps) / 1e3);
	fprintf(out, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n", max_ns, hist->total);
	fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n",
		CT_HIST_BUCKETS >> CT_HIST_SUB_BITS, 1u << CT_HIST_SUB_BITS);
}

/* One group: a cell and a role, over all blocks that count. */
static bool write_group(struct ct_results *results, uint32_t cell, enum ct_role role,
			struct ct_hist *hist, FILE *out, struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	const struct ct_cell_info *info = &tables->cells[cell];
	double max_ns = NAN;

	ct_hist_clear(hist);
	for (size_t i = 0; i < tables->n_blocks; i++) {
		const struct ct_block_info *block = &tables->blocks[i];

		if (block->cell != cell || block->status != CT_BLOCK_OK)
			continue;
		for (uint32_t k = 0; k < block->n_phases; k++) {
			size_t row = block->first_phase + k;
			const struct ct_phase_info *phase = &tables->phases[row];

			if (phase->role != role || phase->load == CT_LOAD_ABSENT)
				continue;
			if (!ct_results_add_hist(results, row, hist, err))
				return false;
			max_ns = fmax(max_ns, phase->max_ns);
		}
	}
	if (hist->total == 0)
		return true;
	ct_hgrm_write(hist, max_ns, out);
	fprintf(out,
		"#[Unit = ns, config = %s, victim = %s, aggressor = %s, intensity = %g %%, role = "
		"%s%s]\n",
		info->config, tables->victims[info->victim].name,
		tables->aggressors[info->aggressor].name, info->intensity, ct_role_names[role],
		tables->emulated[0] ? ", emulated" : "");
	return true;
}

bool ct_export_hgrm(struct ct_results *results, const struct ct_selection *selection, FILE *out,
		    struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	struct ct_hist hist;
	bool ok = ct_hist_init(&hist, err);

	for (uint32_t cell = 0; ok && cell < tables->n_cells; cell++) {
		for (int role = 0; ok && role <= CT_ROLE_RECOVERY; role++) {
			const struct ct_phase_info sample = {.cell = cell,
							     .role = (enum ct_role)role};

			if (ct_selected(tables, selection, &sample))
				ok = write_group(results, cell, (enum ct_role)role, &hist, out,
						 err);
		}
	}
	ct_hist_free(&hist);
	return ok;
}
