/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/quality.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/core/text.h"

static void warn(struct ct_quality *quality, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(struct ct_quality *quality, const char *format, ...)
{
	va_list args;

	if (quality->n_warnings == CT_MAX_WARNINGS)
		return;
	va_start(args, format);
	vsnprintf(quality->warnings[quality->n_warnings], CT_WARNING_TEXT, format, args);
	va_end(args);
	ct_text_clean(quality->warnings[quality->n_warnings++]);
}

static double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static void read_calibration(struct ct_quality *quality, const char *text)
{
	json_t *root = json_loads(text, 0, NULL);
	const json_t *clock = json_object_get(root, "clock");
	const json_t *null = json_object_get(root, "null");
	const json_t *planted = json_object_get(root, "planted");
	const char *source = json_string_value(json_object_get(clock, "source"));

	ct_text_print(quality->clock_source, sizeof quality->clock_source, "%s",
		      source ? source : "");
	quality->clock_resolution_ns = number(clock, "resolution_ns");
	quality->clock_cost_ns = number(clock, "cost_ns");
	quality->null_p50_ns = number(null, "p50_ns");
	quality->null_p99_ns = number(null, "p99_ns");
	quality->null_max_ns = number(null, "max_ns");
	quality->planted_delay_ns = number(planted, "delay_ns");
	quality->planted_recovered_ns = number(planted, "recovered_ns");
	quality->planted_error = number(planted, "error");
	json_decref(root);
}

/* An emulator's timings are its own: true for the lab's plumbing, never for a machine. */
static void judge_emulation(struct ct_quality *quality, const struct ct_results_tables *tables)
{
	if (tables->emulated[0])
		warn(quality,
		     "EMULATED: measured in software emulation (%.120s). No figure of this file "
		     "says anything about hardware.",
		     tables->emulated);
}

static void judge_instrument(struct ct_quality *quality)
{
	if (isnan(quality->planted_error))
		warn(quality, "The file holds no self-calibration: nothing shows that its "
			      "instrument was right.");
	else if (fabs(quality->planted_error) > 0.01)
		warn(quality,
		     "The planted delay came back %.2f %% off: do not trust small differences; "
		     "measure again on a quieter machine.",
		     100 * quality->planted_error);
}

/*
 * Blocks that this file was to have: a part of a plan that several machines share has placed only
 * the configs that it ran.
 */
static uint64_t count_own(const struct ct_results_tables *tables)
{
	json_t *placed = json_loads(tables->placement, 0, NULL);
	size_t own = 0;

	for (size_t i = 0; i < tables->n_cells; i++)
		own += json_object_get(placed, tables->cells[i].config) != NULL;
	if (json_object_size(placed) == 0)
		own = tables->n_cells;
	json_decref(placed);
	return tables->replicates * own;
}

static void judge_blocks(struct ct_quality *quality, const struct ct_results_tables *tables)
{
	if (!tables->complete)
		warn(quality, "The campaign is not complete: 'cotenant run ... --resume' goes on "
			      "with it.");
	else if (quality->planned > quality->blocks)
		warn(quality, "%llu of %llu planned blocks are missing.",
		     (unsigned long long)quality->planned - quality->blocks,
		     (unsigned long long)quality->planned);
	if (quality->elsewhere > 0)
		warn(quality,
		     "%llu more blocks of the plan belong to configs that other machines run: "
		     "'cotenant merge' joins the parts.",
		     (unsigned long long)quality->elsewhere);
	if (quality->failed > 0)
		warn(quality,
		     "%zu of %zu blocks failed and are left out; 'cotenant export' "
		     "says why.",
		     quality->failed, quality->blocks);
	if (quality->not_loaded > 0)
		warn(quality,
		     "In %zu of %zu blocks the aggressor did not load: they say nothing about "
		     "isolation and are left out.",
		     quality->not_loaded, quality->blocks);
	if (quality->epochs > 0 && (double)quality->counted_epochs < 0.9 * (double)quality->epochs)
		warn(quality,
		     "Only %.0f %% of the treatment epochs had the aggressor loading and count.",
		     100 * (double)quality->counted_epochs / (double)quality->epochs);
}

/* An aggressor that does nothing is an A/A test: an effect of it is an error of ours. */
static void judge_controls(struct ct_quality *quality, const struct ct_results_tables *tables,
			   const struct ct_coupling *coupling)
{
	for (size_t i = 0; i < coupling->n_cells; i++) {
		const struct ct_cell_info *cell = &tables->cells[i];
		const struct ct_effect *effect = &coupling->cells[i].effects[0];
		const char *kind = tables->aggressors[cell->aggressor].kind;

		if (strcmp(kind, "null") == 0 && ct_effect_clear(effect) != 0)
			warn(quality,
			     "Control: '%.60s' beside the idle '%.60s' changed its p50 by a factor "
			     "of %.4f. Effects of that size are not to be believed.",
			     tables->victims[cell->victim].name,
			     tables->aggressors[cell->aggressor].name, effect->slowdown.value);
	}
}

/* Named functions on different cards: the card they were to share is not what was measured. */
static void judge_functions(struct ct_quality *quality, const char *text)
{
	json_t *placement = json_loads(text, 0, NULL), *config, *tenant, *relation;
	const char *config_name, *tenant_name, *victim;

	json_object_foreach(placement, config_name, config)
	{
		json_object_foreach(config, tenant_name, tenant)
		{
			json_t *beside =
				json_object_get(json_object_get(tenant, "function"), "beside");

			json_object_foreach(beside, victim, relation)
			{
				const char *name = json_string_value(relation);

				if (name && strcmp(name, "apart") == 0)
					warn(quality,
					     "Under '%.60s' the tenants '%.60s' and '%.60s' use "
					     "different network cards: what sharing one costs is "
					     "not in their cells.",
					     config_name, victim, tenant_name);
			}
		}
	}
	json_decref(placement);
}

/* The row of /counters that says where the GPU's counters were read; n_counters: there is none. */
static uint32_t find_read_aside(const struct ct_results_tables *tables)
{
	uint32_t i = 0;

	while (i < tables->n_counters && (strcmp(tables->counters[i].source, "gpu") != 0 ||
					  strcmp(tables->counters[i].name, "read_aside") != 0))
		i++;
	return i;
}

/* NVML may take milliseconds over an answer: on a measuring CPU that is in a sample. */
static bool judge_counters(struct ct_quality *quality, struct ct_results *results,
			   struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);
	const uint32_t aside = find_read_aside(tables);
	bool on_theirs = false;

	/* Tenants keep their CPUs from block to block: one of each cell is enough. */
	for (size_t b = 0; aside < tables->n_counters && !on_theirs && b < tables->n_blocks; b++) {
		const struct ct_block_info *block = &tables->blocks[b];
		struct ct_reading *readings;
		size_t n;

		if (block->block > 0 || block->n_phases == 0)
			continue;
		if (!ct_results_readings(results, block->first_phase + block->n_phases - 1,
					 &readings, &n, err))
			return false;
		for (size_t i = 0; i < n; i++)
			on_theirs |= readings[i].counter == aside && readings[i].value == 0;
		free(readings);
	}
	if (on_theirs)
		warn(quality, "The GPU's counters were read on a CPU of victim or aggressor, which "
			      "may show in its latencies: leave one CPU to neither.");
	return true;
}

/* Blocks of lock-in's phases: they count, though they have no baseline of their own. */
static size_t count_modulated(const struct ct_results_tables *tables)
{
	size_t n = 0;

	for (size_t i = 0; i < tables->n_blocks; i++) {
		const struct ct_block_info *block = &tables->blocks[i];

		n += block->status == CT_BLOCK_OK && block->n_phases > 0 &&
		     tables->phases[block->first_phase].role == CT_ROLE_MODULATED;
	}
	return n;
}

static bool stops_when_decided(const struct ct_results_tables *tables)
{
	json_t *plan = json_loads(tables->plan, 0, NULL);
	bool until = json_is_string(json_object_get(plan, "until"));

	json_decref(plan);
	return until;
}

bool ct_quality_make(struct ct_quality *quality, struct ct_results *results,
		     const struct ct_coupling *coupling, struct ct_error *err)
{
	const struct ct_results_tables *tables = ct_results_tables(results);

	*quality = (struct ct_quality){.planned = count_own(tables)};
	quality->elsewhere = tables->replicates * tables->n_cells - quality->planned;
	/* A campaign that stops when it is decided is whole with what it needed. */
	if (tables->complete && stops_when_decided(tables))
		quality->planned = tables->n_blocks;
	read_calibration(quality, tables->calibration);
	for (size_t i = 0; i < coupling->n_cells; i++) {
		const struct ct_cell_coupling *cell = &coupling->cells[i];

		quality->blocks += cell->blocks;
		quality->used += cell->used;
		quality->failed += cell->failed;
		quality->not_loaded += cell->not_loaded;
		quality->epochs += cell->epochs;
		quality->counted_epochs += cell->counted_epochs;
	}
	quality->used += count_modulated(tables);
	quality->not_loaded -= count_modulated(tables);
	judge_emulation(quality, tables);
	judge_instrument(quality);
	judge_blocks(quality, tables);
	judge_controls(quality, tables, coupling);
	judge_functions(quality, tables->placement);
	return judge_counters(quality, results, err);
}
