/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/report/export.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "harness/decide/coupling.h"
#include "harness/store/column.h"

static const struct {
	const char *name;
	double q;
} quantiles[] = {{"p50_ns", 0.5},
		 {"p90_ns", 0.9},
		 {"p99_ns", 0.99},
		 {"p999_ns", 0.999},
		 {"p9999_ns", 0.9999}};
enum { N_QUANTILES = sizeof quantiles / sizeof quantiles[0] };

/* Quoted where RFC 4180 wants it. */
static void write_text(FILE *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

/* Empty where there is no number; 10 digits are beyond what a histogram resolves. */
static void write_number(FILE *out, double value)
{
	fputc(',', out);
	if (isfinite(value))
		fprintf(out, "%.10g", value);
}

static void write_header(FILE *out)
{
	fputs("config,victim,aggressor,intensity_percent,block,visit,status,order,role,load,"
	      "start_ns,end_ns,count,overflow,asked_rate_per_s,achieved_rate_per_s,min_ns,mean_ns",
	      out);
	for (size_t i = 0; i < N_QUANTILES; i++)
		fprintf(out, ",%s", quantiles[i].name);
	fputs(",max_ns,emulated\n", out);
}

static void write_row(FILE *out, const struct ct_results_tables *tables,
		      const struct ct_block_info *block, const struct ct_phase_info *phase,
		      const struct ct_hist *hist)
{
	const struct ct_cell_info *cell = &tables->cells[phase->cell];

	write_text(out, cell->config);
	fputc(',', out);
	write_text(out, tables->victims[cell->victim].name);
	fputc(',', out);
	write_text(out, tables->aggressors[cell->aggressor].name);
	write_number(out, cell->intensity);
	fprintf(out, ",%u,%u,%s,%u,%s,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
		phase->block, block->visit, ct_status_names[block->status], phase->order,
		ct_role_names[phase->role], ct_load_names[phase->load], phase->start_ns,
		phase->end_ns, phase->count, phase->overflow);
	write_number(out, phase->asked_rate);
	write_number(out, phase->achieved_rate);
	write_number(out, phase->min_ns);
	write_number(out, phase->mean_ns);
	for (size_t i = 0; i < N_QUANTILES; i++)
		write_number(out, ct_quantile_carried(hist->total, quantiles[i].q)
					  ? ct_hist_quantile(hist, quantiles[i].q) / 1e3
					  : NAN);
	write_number(out, phase->max_ns);
	fputs(tables->emulated[0] ? ",true\n" : ",false\n", out);
}

bool ct_export_csv(struct ct_results *results, const struct ct_selection *selection, FILE *out,
		   struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	struct ct_hist hist;
	bool ok = ct_hist_init(&hist, err);

	if (ok)
		write_header(out);
	for (size_t i = 0; ok && i < tables->n_blocks; i++) {
		const struct ct_block_info *block = &tables->blocks[i];

		for (uint32_t k = 0; ok && k < block->n_phases; k++) {
			size_t row = block->first_phase + k;

			if (!ct_selected(tables, selection, &tables->phases[row]))
				continue;
			ct_hist_clear(&hist);
			ok = ct_results_add_hist(results, row, &hist, err);
			if (ok)
				write_row(out, tables, block, &tables->phases[row], &hist);
		}
	}
	ct_hist_free(&hist);
	return ok;
}
