/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/core/text.h"
#include "harness/store/emulated.h"
#include "harness/store/header.h"
#include "harness/store/results.h"
#include "harness/store/store.h"

enum { RAW_AT_ONCE = 65536 };

struct part {
	struct ct_results *results;
	const struct ct_results_tables *tables;
	int64_t shift_ns; /* to add to its times */
};

struct parts {
	struct part items[CT_MERGE_MAX];
	size_t n;
};

/* A block and the part it lies in. */
struct source {
	const struct part *part;
	size_t block;
	uint32_t visit;
};

static void close_parts(struct parts *parts)
{
	while (parts->n > 0)
		ct_results_close(parts->items[--parts->n].results);
}

/* Which part comes first must not depend on the order of the arguments. */
static int earlier_first(const void *left, const void *right)
{
	const struct ct_results_tables *a = ((const struct part *)left)->tables;
	const struct ct_results_tables *b = ((const struct part *)right)->tables;
	const int64_t at = a->n_blocks ? a->blocks[0].started_unix_ns : INT64_MAX;
	const int64_t bt = b->n_blocks ? b->blocks[0].started_unix_ns : INT64_MAX;

	if (at != bt)
		return at < bt ? -1 : 1;
	return strcmp(a->created, b->created);
}

static bool open_parts(struct parts *parts, const char *const *paths, size_t n,
		       struct ct_error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct part *part = &parts->items[parts->n];

		if (!ct_results_open(&part->results, paths[i], err))
			return false;
		part->tables = ct_results_tables(part->results);
		parts->n++;
	}
	qsort(parts->items, parts->n, sizeof parts->items[0], earlier_first);
	return true;
}

/* ---- the same plan ---- */

static bool same_text(const struct part *first, const struct part *part, const char *what,
		      const char *a, const char *b, struct ct_error *err)
{
	return strcmp(a, b) == 0 ||
	       ct_usage(err, "%s and %s are not parts of one plan: their %s differ",
			first->tables->path, part->tables->path, what);
}

static bool same_plan(const struct part *first, const struct part *part, struct ct_error *err)
{
	json_t *a = json_loads(first->tables->plan, 0, NULL);
	json_t *b = json_loads(part->tables->plan, 0, NULL);
	char difference[256];
	bool same = true;

	if (!a || !b)
		same = ct_usage(err, "%s has no plan: it can't be merged",
				a ? part->tables->path : first->tables->path);
	else if (ct_json_difference(a, b, difference, sizeof difference))
		same = ct_usage(err, "%s and %s are not parts of one plan: %s", first->tables->path,
				part->tables->path, difference);
	json_decref(a);
	json_decref(b);
	return same;
}

static bool check_plans(const struct parts *parts, struct ct_error *err)
{
	const struct part *first = &parts->items[0];

	for (size_t i = 1; i < parts->n; i++) {
		const struct part *part = &parts->items[i];

		if (!same_text(first, part, "job files", first->tables->job_text,
			       part->tables->job_text, err) ||
		    !same_text(first, part, "overrides (--set)", first->tables->job_overrides,
			       part->tables->job_overrides, err) ||
		    !same_plan(first, part, err))
			return false;
	}
	return true;
}

/* ---- the header ---- */

static json_t *parsed(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	return value ? value : json_object();
}

/* What a part said about its machine and itself, whole. */
static json_t *describe_part(const struct part *part)
{
	const struct ct_results_tables *t = part->tables;

	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:o, s:s, s:o, s:o}", "created",
			 t->created, "version", t->version, "build_id", t->build_id, "command_line",
			 t->command_line, "blocks", (json_int_t)t->n_blocks, "shift_ns",
			 (json_int_t)part->shift_ns, "complete", t->complete, "provenance",
			 parsed(t->provenance), "hwloc_xml", t->hwloc_xml, "calibration",
			 parsed(t->calibration), "placement", parsed(t->placement));
}

static json_t *joined_placement(const struct parts *parts)
{
	json_t *all = json_object();

	for (size_t i = 0; i < parts->n; i++) {
		json_t *one = parsed(parts->items[i].tables->placement);

		json_object_update_missing(all, one);
		json_decref(one);
	}
	return all;
}

static json_t *configs_run(const json_t *placement)
{
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)placement, name, value)
		json_array_append_new(list, json_string(name));
	return list;
}

/* Every part's own line; what no longer fits is in the parts. */
static const char *joined_emulated(const struct parts *parts, char out[CT_EMULATED_TEXT])
{
	out[0] = '\0';
	for (size_t i = 0; i < parts->n; i++) {
		const char *one = parts->items[i].tables->emulated;
		size_t used = strlen(out);

		if (*one && !strstr(out, one))
			snprintf(out + used, CT_EMULATED_TEXT - used, "%s%s", used ? "; " : "",
				 one);
	}
	ct_text_clean(out);
	return out;
}

/* The first part's, with every part whole in "merged". */
static json_t *make_header(const struct parts *parts)
{
	const struct ct_results_tables *t = parts->items[0].tables;
	json_t *merged = json_array(), *placement = joined_placement(parts);
	json_t *plan = parsed(t->plan);
	char emulated[CT_EMULATED_TEXT];
	json_t *header = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s}, s:o, s:o, s:s, s:o, s:o, "
		"s:s, s:o}",
		"schema", CT_SCHEMA, "suite", t->suite, "title", t->title, "created", t->created,
		"version", t->version, "build_id", t->build_id, "command_line", t->command_line,
		"job", "path", "", "text", t->job_text, "overrides", t->job_overrides, "plan", plan,
		"provenance", parsed(t->provenance), "hwloc_xml", t->hwloc_xml, "calibration",
		parsed(t->calibration), "placement", placement, "emulated",
		joined_emulated(parts, emulated), "configs_run", configs_run(placement));

	for (size_t i = 0; i < parts->n; i++)
		json_array_append_new(merged, describe_part(&parts->items[i]));
	if (header && json_object_set(header, "merged", merged) != 0) {
		json_decref(header);
		header = NULL;
	}
	json_decref(merged);
	return header;
}

/* ---- the blocks ---- */

/* The wall clock at this part's monotonic zero; unsigned, since a file may hold any times. */
static bool monotonic_zero(const struct ct_results_tables *tables, uint64_t *unix_ns)
{
	for (size_t b = 0; b < tables->n_blocks; b++) {
		const struct ct_block_info *block = &tables->blocks[b];

		if (block->n_phases == 0 || tables->phases[block->first_phase].start_ns == 0)
			continue;
		*unix_ns = (uint64_t)block->started_unix_ns -
			   tables->phases[block->first_phase].start_ns;
		return true;
	}
	return false;
}

static void align_clocks(struct parts *parts)
{
	uint64_t first, other;

	if (!monotonic_zero(parts->items[0].tables, &first))
		return;
	for (size_t i = 1; i < parts->n; i++) {
		if (monotonic_zero(parts->items[i].tables, &other))
			parts->items[i].shift_ns = (int64_t)(other - first);
	}
}

static uint64_t moved(const struct part *part, uint64_t ns)
{
	return ns == 0 ? 0 : ns + (uint64_t)part->shift_ns;
}

static bool read_counters(const struct part *part, size_t row, struct ct_phase_record *record,
			  struct ct_error *err)
{
	const struct ct_results_tables *t = part->tables;

	if (part->tables->phases[row].reading_rows == 0)
		return true;
	record->counters = calloc(t->n_counters + 1, sizeof *record->counters);
	if (!record->counters)
		return ct_broken_errno(err, "memory for counters");
	for (size_t i = 0; i < t->n_counters; i++) {
		if (!ct_counter_copy(&record->counters[i], &t->counters[i], err))
			return false;
		record->n_counters = i + 1;
	}
	return ct_results_readings(part->results, row, &record->readings, &record->n_readings, err);
}

static bool read_rows(const struct part *part, size_t row, struct ct_phase_record *record,
		      struct ct_error *err)
{
	const struct ct_phase_info *info = &part->tables->phases[row];

	record->n_buckets = (size_t)info->hist_rows;
	record->buckets = calloc(record->n_buckets + 1, sizeof *record->buckets);
	if (!record->buckets)
		return ct_broken_errno(err, "memory for a histogram");
	if (!ct_results_buckets(part->results, row, 0, record->n_buckets, record->buckets, err) ||
	    !ct_results_epochs(part->results, row, &record->epochs, &record->n_epochs, err) ||
	    !ct_results_noise(part->results, row, &record->noise, &record->n_noise, err) ||
	    !ct_results_slowest(part->results, row, &record->slowest, &record->n_slowest, err) ||
	    !read_counters(part, row, record, err))
		return false;
	for (size_t i = 0; i < record->n_epochs; i++) {
		record->epochs[i].start_ns = moved(part, record->epochs[i].start_ns);
		record->epochs[i].end_ns = moved(part, record->epochs[i].end_ns);
	}
	for (size_t i = 0; i < record->n_noise; i++) {
		record->noise[i].start_ns = moved(part, record->noise[i].start_ns);
		record->noise[i].end_ns = moved(part, record->noise[i].end_ns);
	}
	for (size_t i = 0; i < record->n_slowest; i++)
		record->slowest[i].time_ns = moved(part, record->slowest[i].time_ns);
	return true;
}

static bool read_phase(const struct part *part, size_t row, struct ct_phase_record *record,
		       struct ct_error *err)
{
	const struct ct_phase_info *info = &part->tables->phases[row];

	*record = (struct ct_phase_record){
		.role = info->role,
		.order = info->order,
		.start_ns = moved(part, info->start_ns),
		.end_ns = moved(part, info->end_ns),
		.load = info->load,
		.asked_rate = info->asked_rate,
		.achieved_rate = info->achieved_rate,
		.count = info->count,
		.overflow = info->overflow,
		.raw_dropped = info->raw_dropped,
		.min_ns = info->min_ns,
		.mean_ns = info->mean_ns,
		.max_ns = info->max_ns,
	};
	return read_rows(part, row, record, err);
}

/* Raw samples in pieces: a phase may have more than memory. */
static bool copy_raw(struct ct_store *store, const struct part *part, size_t row,
		     struct ct_error *err)
{
	const struct ct_phase_info *info = &part->tables->phases[row];
	struct ct_raw_sample *samples;
	bool good = true;

	if (info->raw_rows == 0)
		return true;
	samples = malloc(RAW_AT_ONCE * sizeof *samples);
	if (!samples)
		return ct_broken_errno(err, "memory for raw samples");
	for (uint64_t at = 0; at < info->raw_rows && good; at += RAW_AT_ONCE) {
		const uint64_t left = info->raw_rows - at;
		const size_t n = left < RAW_AT_ONCE ? (size_t)left : RAW_AT_ONCE;

		good = ct_results_raw(part->results, row, at, n, samples, err);
		for (size_t i = 0; i < n && good; i++)
			samples[i].time_ns = moved(part, samples[i].time_ns);
		good = good && ct_store_raw(store, info->cell, info->block, info->order, 0, samples,
					    n, err);
	}
	free(samples);
	return good;
}

static bool copy_block(struct ct_store *store, const struct source *source, struct ct_error *err)
{
	const struct part *part = source->part;
	const struct ct_block_info *block = &part->tables->blocks[source->block];
	struct ct_block_record record = {
		.cell = block->cell,
		.block = block->block,
		.visit = block->visit,
		.seed = block->seed,
		.started_unix_ns = block->started_unix_ns,
		.status = block->status,
		.solo_rate = block->solo_rate,
	};
	bool good = block->n_phases <= CT_PHASES_PER_BLOCK ||
		    ct_usage(err, "%s: a block of more than %d phases", part->tables->path,
			     CT_PHASES_PER_BLOCK);

	snprintf(record.message, sizeof record.message, "%s", block->message);
	for (uint32_t i = 0; i < block->n_phases && good; i++) {
		record.n_phases = i + 1;
		good = read_phase(part, block->first_phase + i, &record.phases[i], err) &&
		       copy_raw(store, part, block->first_phase + i, err);
	}
	good = good && ct_store_block(store, &record, err);
	ct_block_record_free(&record);
	return good;
}

static bool copy_log(struct ct_store *store, const struct part *part, struct ct_error *err)
{
	struct ct_log_row *rows = NULL;
	size_t n = 0;
	bool good = ct_results_log(part->results, &rows, &n, err);

	for (size_t i = 0; i < n && good; i++)
		good = ct_store_log(store, rows[i].level, rows[i].text, err);
	ct_log_rows_free(rows, n);
	return good;
}

static int by_visit(const void *left, const void *right)
{
	const struct source *a = left, *b = right;

	return a->visit < b->visit ? -1 : a->visit > b->visit;
}

/* All blocks in the order of the plan; NULL when two parts have the same one. */
static struct source *list_sources(const struct parts *parts, size_t *n, struct ct_error *err)
{
	struct source *sources;
	size_t total = 0;

	for (size_t i = 0; i < parts->n; i++)
		total += parts->items[i].tables->n_blocks;
	sources = calloc(total + 1, sizeof *sources);
	if (!sources) {
		ct_broken_errno(err, "memory for %zu blocks", total);
		return NULL;
	}
	*n = 0;
	for (size_t i = 0; i < parts->n; i++) {
		const struct ct_results_tables *tables = parts->items[i].tables;

		for (size_t b = 0; b < tables->n_blocks; b++)
			sources[(*n)++] =
				(struct source){&parts->items[i], b, tables->blocks[b].visit};
	}
	qsort(sources, total, sizeof *sources, by_visit);
	for (size_t i = 1; i < total; i++) {
		const struct ct_results_tables *tables = sources[i].part->tables;
		const struct ct_block_info *block = &tables->blocks[sources[i].block];

		if (sources[i].visit != sources[i - 1].visit)
			continue;
		ct_usage(err, "%s and %s both have block %u of config '%s': parts share no block",
			 sources[i - 1].part->tables->path, tables->path, block->block + 1,
			 tables->cells[block->cell].config);
		free(sources);
		return NULL;
	}
	return sources;
}

static bool copy_all(struct ct_store *store, const struct parts *parts,
		     const struct source *sources, size_t n, struct ct_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!copy_block(store, &sources[i], err))
			return false;
	}
	for (size_t i = 0; i < parts->n; i++) {
		if (!copy_log(store, &parts->items[i], err))
			return false;
	}
	return true;
}

static bool are_complete(const struct parts *parts)
{
	for (size_t i = 0; i < parts->n; i++) {
		if (!parts->items[i].tables->complete)
			return false;
	}
	return true;
}

/*
 * Written under another name: what a killed merge leaves is swept by the next one, and is never
 * taken for an interrupted campaign. An incomplete part makes an incomplete whole.
 */
static bool write_merged(const struct parts *parts, const char *output, const json_t *header,
			 struct ct_error *err)
{
	struct ct_store *store = NULL;
	struct source *sources;
	char building[4096], journal[4200];
	size_t n;
	bool good;

	sources = list_sources(parts, &n, err);
	if (!sources)
		return false;
	snprintf(building, sizeof building, "%s.merging", output);
	snprintf(journal, sizeof journal, "%s.journal", building);
	remove(building);
	remove(journal);
	good = ct_store_create(&store, building, header, err);
	if (good) {
		good = copy_all(store, parts, sources, n, err);
		if (good)
			good = ct_store_finish(store, are_complete(parts), err);
		else
			ct_store_abandon(store);
		good = good && (rename(building, output) == 0 ||
				ct_broken_errno(err, "renaming %s to %s", building, output));
		remove(building);
		remove(journal);
	}
	free(sources);
	return good;
}

bool ct_merge(const char *const *paths, size_t n, const char *output, struct ct_error *err)
{
	struct parts parts = {.n = 0};
	json_t *header = NULL;
	bool good;

	if (n > CT_MERGE_MAX)
		return ct_usage(err, "merge: at most %d files at a time", CT_MERGE_MAX);
	good = ct_store_check(output, false, err) && open_parts(&parts, paths, n, err) &&
	       check_plans(&parts, err);
	if (good) {
		align_clocks(&parts);
		header = make_header(&parts);
		good = header ? write_merged(&parts, output, header, err)
			      : ct_broken(err, "memory for the header of %s", output);
	}
	json_decref(header);
	close_parts(&parts);
	return good;
}
