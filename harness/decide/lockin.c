/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/lockin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/core/units.h"
#include "harness/stats/fdr.h"

const double ct_lockin_q[CT_LOCKIN_QUANTILES] = {0.5, 0.99};

/* A median of an epoch can be had of few samples; a p99 of a hundred. */
static const uint64_t least_samples[CT_LOCKIN_QUANTILES] = {10, 100};

/* The aggressors of a cell whose phases are modulated. */
struct parts {
	uint32_t aggressor[CT_LOCKIN_MAX_REFERENCES];
	double intensity[CT_LOCKIN_MAX_REFERENCES];
	double frequency_hz[CT_LOCKIN_MAX_REFERENCES], duty[CT_LOCKIN_MAX_REFERENCES];
	size_t n;
};

/* One cell under work: each quantile has its own fits, of the same epochs. */
struct work {
	struct ct_results *results;
	const struct ct_results_tables *tables;
	struct parts parts;
	struct ct_lockin lockin[CT_LOCKIN_QUANTILES];
	size_t phases, left_out;
	double achieved[CT_LOCKIN_MAX_REFERENCES], leakage[CT_LOCKIN_MAX_REFERENCES];
};

static int find_aggressor(const struct ct_results_tables *tables, const char *name)
{
	for (size_t i = 0; name && i < tables->n_aggressors; i++) {
		if (strcmp(tables->aggressors[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* {"of": [names], "intensity": [percent]} of the mix, and each part's own parameters. */
static bool read_parts(const struct ct_results_tables *tables, uint32_t mix, struct parts *parts)
{
	json_t *params = json_loads(tables->aggressors[mix].params, 0, NULL);
	const json_t *of = json_object_get(params, "of");
	const json_t *intensity = json_object_get(params, "intensity");
	bool good = json_array_size(of) > 0 && json_array_size(of) <= CT_LOCKIN_MAX_REFERENCES;

	parts->n = 0;
	for (size_t i = 0; good && i < json_array_size(of); i++) {
		int found = find_aggressor(tables, json_string_value(json_array_get(of, i)));
		json_t *own =
			found < 0 ? NULL : json_loads(tables->aggressors[found].params, 0, NULL);
		const char *frequency_text = json_string_value(json_object_get(own, "frequency"));
		const char *duty_text = json_string_value(json_object_get(own, "duty"));
		double frequency = 0, duty = 0;

		good = frequency_text && duty_text &&
		       ct_parse_frequency(frequency_text, &frequency, NULL) &&
		       ct_parse_percent(duty_text, &duty, NULL) && frequency > 0 && duty > 0 &&
		       duty < 100;
		parts->aggressor[parts->n] = (uint32_t)found;
		parts->intensity[parts->n] = json_number_value(json_array_get(intensity, i));
		parts->frequency_hz[parts->n] = frequency;
		parts->duty[parts->n++] = duty / 100;
		json_decref(own);
	}
	json_decref(params);
	return good;
}

/* Whether every aggressor was switched as its pattern says; the references are filled. */
static bool read_references(struct work *work, size_t phase, uint64_t origin_ns,
			    struct ct_lockin_reference *references, bool *proven,
			    struct ct_error *err)
{
	struct ct_noise_row *rows;
	size_t n;

	if (!ct_results_noise(work->results, phase, &rows, &n, err))
		return false;
	*proven = true;
	for (size_t i = 0; i < work->parts.n; i++) {
		struct ct_modulation modulation = ct_modulation_of(
			rows, n, work->parts.aggressor[i], work->parts.frequency_hz[i],
			work->parts.duty[i], origin_ns);

		*proven = *proven && modulation.known;
		references[i] = (struct ct_lockin_reference){
			.frequency_hz = work->parts.frequency_hz[i],
			.start_s = modulation.start_s,
			.duty = work->parts.duty[i],
		};
		work->achieved[i] += modulation.on_rate / modulation.full_rate;
		work->leakage[i] += modulation.off_rate / modulation.full_rate;
	}
	free(rows);
	return true;
}

/* Log latencies of a phase's epochs; NaN where an epoch does not carry the quantile. */
static bool add_epochs(struct work *work, const struct ct_epoch_row *rows, size_t n,
		       const struct ct_lockin_reference *references, struct ct_error *err)
{
	const uint64_t origin_ns = rows[0].start_ns;
	double *begin = calloc(n, sizeof *begin), *end = calloc(n, sizeof *end);
	double *value = calloc(n, sizeof *value);
	bool good = begin && end && value;

	for (size_t i = 0; good && i < n; i++) {
		begin[i] = (double)(rows[i].start_ns - origin_ns) / 1e9;
		end[i] = (double)(rows[i].end_ns - origin_ns) / 1e9;
	}
	for (size_t k = 0; good && k < CT_LOCKIN_QUANTILES; k++) {
		const struct ct_lockin_series series = {begin, end, value, n};

		for (size_t i = 0; i < n; i++) {
			double ns = k == 0 ? rows[i].p50_ns : rows[i].p99_ns;

			value[i] = rows[i].count >= least_samples[k] && ns > 0 ? log(ns) : NAN;
		}
		good = ct_lockin_add(&work->lockin[k], &series, references, work->parts.n);
	}
	free(begin);
	free(end);
	free(value);
	return good || ct_broken(err, "memory for %zu epochs", n);
}

static bool take_phase(struct work *work, size_t phase, struct ct_error *err)
{
	struct ct_lockin_reference references[CT_LOCKIN_MAX_REFERENCES];
	struct ct_epoch_row *rows;
	bool proven = false, good;
	size_t n;

	if (!ct_results_epochs(work->results, phase, &rows, &n, err))
		return false;
	good = n == 0 || read_references(work, phase, rows[0].start_ns, references, &proven, err);
	if (proven) {
		work->phases++;
		good = good && add_epochs(work, rows, n, references, err);
	} else {
		work->left_out++;
	}
	free(rows);
	return good;
}

/* The clocks of a tenant on another host may be off by their error: the delay can't be better. */
static double clock_error_s(const struct ct_results_tables *tables, const char *config,
			    const char *tenant)
{
	json_t *placement = json_loads(tables->placement, 0, NULL);
	const json_t *where = json_object_get(json_object_get(placement, config), tenant);
	double error = json_number_value(json_object_get(where, "clock_error_ns")) / 1e9;

	json_decref(placement);
	return error;
}

static void conclude(struct work *work, const struct ct_cell_info *cell, double confidence,
		     struct ct_lockin_pair *pairs)
{
	const struct ct_results_tables *tables = work->tables;
	struct ct_rng rng;

	ct_rng_seed(&rng, tables->seed);
	for (size_t i = 0; i < work->parts.n; i++) {
		struct ct_lockin_pair *pair = &pairs[i];
		const double tried = (double)(work->phases + work->left_out);
		double doubt;

		*pair = (struct ct_lockin_pair){
			.config = cell->config,
			.victim = cell->victim,
			.aggressor = work->parts.aggressor[i],
			.intensity = work->parts.intensity[i],
			.frequency_hz = work->parts.frequency_hz[i],
			.duty = work->parts.duty[i],
			.phases = work->phases,
			.left_out = work->left_out,
			.achieved = work->achieved[i] / tried,
			.leakage = work->leakage[i] / tried,
			.clipped = work->lockin[0].epochs ? (double)work->lockin[0].clipped /
								    (double)work->lockin[0].epochs
							  : NAN,
		};
		doubt = clock_error_s(tables, cell->config, tables->victims[cell->victim].tenant) +
			clock_error_s(tables, cell->config,
				      tables->aggressors[pair->aggressor].tenant);
		for (size_t k = 0; k < CT_LOCKIN_QUANTILES; k++) {
			struct ct_lockin_line *line = &pair->effects[k].line;

			pair->effects[k].q = NAN;
			if (ct_lockin_result(&work->lockin[k], i, confidence, &rng, line)) {
				line->delay_s.lo -= doubt;
				line->delay_s.hi += doubt;
			} else if (k == 0) {
				pair->why = work->phases == 0
						    ? "no phase in which every aggressor was "
						      "switched as its pattern says"
						    : "too few epochs to tell the loads apart";
			}
		}
	}
}

static bool is_modulated(const struct ct_results_tables *tables, const struct ct_block_info *block)
{
	return block->status == CT_BLOCK_OK && block->n_phases > 0 &&
	       tables->phases[block->first_phase].role == CT_ROLE_MODULATED;
}

static bool take_cell(struct ct_lockin_table *table, struct ct_results *results, uint32_t c,
		      double confidence, struct ct_error *err)
{
	struct work work = {.results = results, .tables = ct_results_tables(results)};
	const struct ct_cell_info *cell = &work.tables->cells[c];
	struct ct_lockin_pair *grown;
	bool any = false, good = true;

	for (size_t b = 0; b < work.tables->n_blocks; b++)
		any |= work.tables->blocks[b].cell == c &&
		       is_modulated(work.tables, &work.tables->blocks[b]);
	if (!any || !read_parts(work.tables, cell->aggressor, &work.parts))
		return true;
	for (size_t b = 0; good && b < work.tables->n_blocks; b++) {
		const struct ct_block_info *block = &work.tables->blocks[b];

		for (uint32_t k = 0; good && block->cell == c && is_modulated(work.tables, block) &&
				     k < block->n_phases;
		     k++)
			good = take_phase(&work, block->first_phase + k, err);
	}
	grown = good ? realloc(table->pairs, (table->n_pairs + work.parts.n) * sizeof *grown)
		     : NULL;
	if (grown) {
		table->pairs = grown;
		conclude(&work, cell, confidence, grown + table->n_pairs);
		table->n_pairs += work.parts.n;
	} else if (good) {
		good = ct_broken_errno(err, "memory for %zu loads", work.parts.n);
	}
	for (size_t k = 0; k < CT_LOCKIN_QUANTILES; k++)
		ct_lockin_free(&work.lockin[k]);
	return good;
}

static bool adjust(struct ct_lockin_table *table, struct ct_error *err)
{
	double *p = calloc(table->n_pairs + 1, sizeof *p);
	bool good = p != NULL;

	for (size_t k = 0; good && k < CT_LOCKIN_QUANTILES; k++) {
		for (size_t i = 0; i < table->n_pairs; i++)
			p[i] = table->pairs[i].effects[k].line.p;
		good = ct_benjamini_hochberg(p, table->n_pairs, p);
		for (size_t i = 0; good && i < table->n_pairs; i++)
			table->pairs[i].effects[k].q = p[i];
	}
	free(p);
	return good || ct_broken_errno(err, "memory for %zu loads", table->n_pairs);
}

bool ct_lockin_table_make(struct ct_lockin_table *table, struct ct_results *results,
			  double confidence, struct ct_error *err)
{
	const size_t n_cells = ct_results_tables(results)->n_cells;
	bool good = true;

	*table = (struct ct_lockin_table){0};
	for (uint32_t c = 0; good && c < n_cells; c++)
		good = take_cell(table, results, c, confidence, err);
	good = good && adjust(table, err);
	if (!good)
		ct_lockin_table_free(table);
	return good;
}

void ct_lockin_table_free(struct ct_lockin_table *table)
{
	free(table->pairs);
	*table = (struct ct_lockin_table){0};
}
