/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/h5write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/store/h5.h"
#include "harness/store/header.h"
#include "harness/store/journal.h"
#include "harness/store/tablewriter.h"

/* The tables that grow with the campaign, in the order of `layouts`. */
enum { BLOCKS, PHASES, HISTOGRAM, EPOCHS, NOISE, SLOWEST, READINGS, RAW, LOG, N_TABLES };
static const struct ct_layout *const layouts[N_TABLES] = {
	&ct_layout_blocks,   &ct_layout_phases, &ct_layout_histogram,
	&ct_layout_epochs,   &ct_layout_noise,  &ct_layout_slowest,
	&ct_layout_readings, &ct_layout_raw,    &ct_layout_log};

struct build {
	const char *journal_path;
	hid_t file;
	const struct ct_journal_index *index;
	json_t *header;
	struct ct_table_writer tables[N_TABLES];
	size_t commit; /* the commit whose frames come next */
	/* Raw rows of the block under way, by position of the phase. */
	uint64_t raw_first[CT_PHASES_PER_BLOCK], raw_rows[CT_PHASES_PER_BLOCK];
	uint32_t first_phase;
	struct ct_counter_info *counters; /* of all phases so far, each once */
	size_t n_counters;
};

static bool hdf5_failed(const char *what, struct ct_error *err)
{
	char reason[CT_H5_REASON];

	return ct_broken(err, "writing %s: %s", what, ct_h5_reason(reason));
}

/* A scalar string dataset with a long name. */
static bool write_text(hid_t group, const char *name, const char *long_name, const char *text)
{
	hid_t type = ct_h5_text_type();
	hid_t space = H5Screate(H5S_SCALAR);
	hid_t dataset = H5Dcreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
	bool ok = dataset >= 0 &&
		  H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text) >= 0 &&
		  ct_h5_set_text(dataset, "long_name", long_name);

	ct_h5_close(dataset);
	ct_h5_close(space);
	ct_h5_close(type);
	return ok;
}

static bool write_json(hid_t group, const char *long_name, const json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("{}");
	bool ok = text && write_text(group, "json", long_name, text);

	free(text);
	return ok;
}

/* Scalars of a JSON object as attributes, two levels deep, so that h5dump -A shows what matters. */
static bool write_scalars(hid_t group, const char *prefix, const json_t *object, int depth)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		char name[128];
		bool ok = true;

		snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "", key);
		if (H5Aexists(group, name) > 0)
			continue;
		if (json_is_string(value))
			ok = ct_h5_set_text(group, name, json_string_value(value));
		else if (json_is_boolean(value))
			ok = ct_h5_set_u64(group, name, json_is_true(value));
		else if (json_is_integer(value) && json_integer_value(value) >= 0)
			ok = ct_h5_set_u64(group, name, (uint64_t)json_integer_value(value));
		else if (json_is_number(value))
			ok = ct_h5_set_f64(group, name, json_number_value(value));
		else if (json_is_object(value) && depth > 1)
			ok = write_scalars(group, name, value, depth - 1);
		if (!ok)
			return false;
	}
	return true;
}

static const char *member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static uint64_t number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static bool write_root(const struct build *build, bool complete, struct ct_error *err)
{
	static const char *const texts[] = {"title",    "suite",        "created",  "version",
					    "build_id", "command_line", "emulated", NULL};
	const json_t *plan = json_object_get(build->header, "plan");
	bool ok = ct_h5_set_text(build->file, "schema", CT_SCHEMA) &&
		  ct_h5_set_text(build->file, "schema_version", CT_SCHEMA_VERSION) &&
		  ct_h5_set_text(build->file, "tool", "cotenant") &&
		  ct_h5_set_u64(build->file, "complete", complete);

	for (size_t i = 0; ok && texts[i]; i++)
		ok = ct_h5_set_text(build->file, texts[i], member(build->header, texts[i]));
	for (size_t i = 0; ok && ct_header_numbers[i]; i++)
		ok = ct_h5_set_u64(build->file, ct_header_numbers[i],
				   number(plan, ct_header_numbers[i]));
	return ok || hdf5_failed("the root attributes", err);
}

static bool write_job(const struct build *build, hid_t group)
{
	const json_t *job = json_object_get(build->header, "job");

	return ct_h5_set_text(group, "path", member(job, "path")) &&
	       write_text(group, "text", "job file as read", member(job, "text")) &&
	       write_text(group, "overrides", "words of --set, one a line",
			  member(job, "overrides"));
}

static bool write_provenance(const struct build *build, hid_t group)
{
	const json_t *value = json_object_get(build->header, "provenance");

	return write_json(group, "what the machine was, as `cotenant probe --json`", value) &&
	       write_text(group, "hwloc_xml", "topology, as hwloc exports it",
			  member(build->header, "hwloc_xml")) &&
	       write_scalars(group, "", value, 2);
}

static bool write_calibration(const struct build *build, hid_t group)
{
	const json_t *value = json_object_get(build->header, "calibration");

	return write_json(group, "self-calibration of the instrument", value) &&
	       write_scalars(group, "", value, 2);
}

static bool write_plan(const struct build *build, hid_t group)
{
	return write_json(group, "the plan: configs, tenants, workloads, cells, order of visits",
			  json_object_get(build->header, "plan"));
}

static bool write_placement(const struct build *build, hid_t group)
{
	return write_json(group, "CPUs and memory nodes that every tenant really had",
			  json_object_get(build->header, "placement"));
}

/* Members of the header that this version does not know are kept, not dropped. */
static bool write_extra(const struct build *build, hid_t group)
{
	static const char *const known[] = {
		"schema",     "suite",        "title",       "created",  "version",
		"build_id",   "command_line", "job",         "plan",     "hwloc_xml",
		"provenance", "placement",    "calibration", "emulated", NULL};
	json_t *extra = json_copy(build->header);
	bool ok;

	for (size_t i = 0; extra && known[i]; i++)
		json_object_del(extra, known[i]);
	ok = extra && write_json(group, "members of the campaign header beyond this schema", extra);
	json_decref(extra);
	return ok;
}

static bool write_documents(const struct build *build, struct ct_error *err)
{
	static const struct {
		const char *name;
		bool (*write)(const struct build *build, hid_t group);
	} groups[] = {
		{"job", write_job},
		{"provenance", write_provenance},
		{"calibration", write_calibration},
		{"plan", write_plan},
		{"placement", write_placement},
		{"extra", write_extra},
	};

	for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
		hid_t group = H5Gcreate2(build->file, groups[i].name, H5P_DEFAULT, H5P_DEFAULT,
					 H5P_DEFAULT);
		bool ok = group >= 0 && groups[i].write(build, group);

		if (!ok)
			hdf5_failed(groups[i].name, err);
		ct_h5_close(group);
		if (!ok)
			return false;
	}
	return true;
}

static bool write_whole_table(hid_t file, const struct ct_layout *layout, const void *rows,
			      size_t n, struct ct_error *err)
{
	struct ct_table_writer writer = {0};
	bool ok = ct_table_create(&writer, file, layout, n, err) &&
		  ct_table_append(&writer, rows, n, err) && ct_table_finish(&writer, err);

	ct_table_writer_free(&writer);
	return ok;
}

static bool write_workloads(const struct build *build, struct ct_error *err)
{
	struct ct_header header;
	bool ok = ct_header_parse(&header, build->header, err);

	if (!ok)
		return false;
	ok = write_whole_table(build->file, &ct_layout_victims, header.victims, header.n_victims,
			       err) &&
	     write_whole_table(build->file, &ct_layout_aggressors, header.aggressors,
			       header.n_aggressors, err) &&
	     write_whole_table(build->file, &ct_layout_cells, header.cells, header.n_cells, err);
	ct_header_free(&header);
	return ok;
}

static bool write_buckets(const struct build *build, struct ct_error *err)
{
	struct ct_table_writer writer = {0};
	bool ok = ct_table_create(&writer, build->file, &ct_layout_buckets, CT_HIST_BUCKETS, err);

	for (uint32_t i = 0; ok && i < CT_HIST_BUCKETS; i++) {
		const struct ct_bucket_edge edge = {.low_ps = ct_hist_low(i),
						    .mid_ps = ct_hist_mid(i)};

		ok = ct_table_append(&writer, &edge, 1, err);
	}
	ok = ok && ct_table_finish(&writer, err);
	ct_table_writer_free(&writer);
	return ok;
}

static bool append_raw(struct build *build, const struct ct_journal_frame *frame,
		       struct ct_error *err)
{
	struct ct_table_writer *table = &build->tables[RAW];
	const unsigned char *at = frame->payload + CT_JOURNAL_RAW_HEAD;
	struct ct_raw_sample samples[512];
	uint32_t order;
	uint64_t n;

	if (!ct_journal_raw_decode(frame, &order, &n))
		return ct_usage(err, "%s: damaged raw samples", build->journal_path);
	if (build->raw_rows[order] == 0)
		build->raw_first[order] = ct_table_position(table);
	build->raw_rows[order] += n;
	/* A frame's payload has no alignment; samples are copied out a few at a time. */
	while (n > 0) {
		size_t piece = n < 512 ? n : 512;

		memcpy(samples, at, piece * sizeof *samples);
		if (!ct_table_append(table, samples, piece, err))
			return false;
		at += piece * sizeof *samples;
		n -= piece;
	}
	return true;
}

/* Row of the file's /counters, where it is put at first sight; SIZE_MAX: no memory. */
static size_t file_counter(struct build *build, const struct ct_counter_info *counter,
			   struct ct_error *err)
{
	struct ct_counter_info *grown;

	for (size_t i = 0; i < build->n_counters; i++) {
		const struct ct_counter_info *known = &build->counters[i];

		if (strcmp(known->source, counter->source) == 0 &&
		    strcmp(known->name, counter->name) == 0 &&
		    strcmp(known->units, counter->units) == 0 &&
		    strcmp(known->what, counter->what) == 0)
			return i;
	}
	grown = realloc(build->counters, (build->n_counters + 1) * sizeof *grown);
	if (!grown) {
		ct_broken_errno(err, "memory for counters");
		return SIZE_MAX;
	}
	build->counters = grown;
	if (!ct_counter_copy(&grown[build->n_counters], counter, err))
		return SIZE_MAX;
	return build->n_counters++;
}

/* Readings refer to the phase's own counters in the journal, to those of the file in the file. */
static bool number_counters(struct build *build, struct ct_journal_phase *phase,
			    struct ct_error *err)
{
	size_t *rows = calloc(phase->n_counters + 1, sizeof *rows);
	bool ok = rows || ct_broken_errno(err, "memory for counters");

	for (size_t i = 0; ok && i < phase->n_counters; i++) {
		rows[i] = file_counter(build, &phase->counters[i], err);
		ok = rows[i] != SIZE_MAX;
	}
	for (uint64_t i = 0; ok && i < phase->info.reading_rows; i++)
		phase->readings[i].counter = (uint32_t)rows[phase->readings[i].counter];
	free(rows);
	return ok;
}

static bool append_phase(struct build *build, const struct ct_journal_frame *frame,
			 struct ct_error *err)
{
	struct ct_table_writer *tables = build->tables;
	struct ct_journal_phase phase;
	struct ct_phase_info *info = &phase.info;
	bool ok;

	if (!ct_journal_phase_decode(&phase, frame))
		return ct_usage(err, "%s: damaged phase", build->journal_path);
	info->hist_first = ct_table_position(&tables[HISTOGRAM]);
	info->epoch_first = ct_table_position(&tables[EPOCHS]);
	info->noise_first = ct_table_position(&tables[NOISE]);
	info->slow_first = ct_table_position(&tables[SLOWEST]);
	info->reading_first = ct_table_position(&tables[READINGS]);
	info->raw_first = build->raw_first[info->order];
	info->raw_rows = build->raw_rows[info->order];
	build->raw_rows[info->order] = 0;
	ok = ct_table_append(&tables[PHASES], info, 1, err) &&
	     ct_table_append(&tables[HISTOGRAM], phase.buckets, info->hist_rows, err) &&
	     ct_table_append(&tables[EPOCHS], phase.epochs, info->epoch_rows, err) &&
	     ct_table_append(&tables[NOISE], phase.noise, info->noise_rows, err) &&
	     ct_table_append(&tables[SLOWEST], phase.slowest, info->slow_rows, err) &&
	     number_counters(build, &phase, err) &&
	     ct_table_append(&tables[READINGS], phase.readings, info->reading_rows, err);
	ct_journal_phase_free(&phase);
	return ok;
}

static bool append_block(struct build *build, const struct ct_journal_frame *frame,
			 struct ct_error *err)
{
	struct ct_block_info block;
	bool ok;

	if (!ct_journal_block_decode(&block, frame))
		return ct_usage(err, "%s: damaged block", build->journal_path);
	block.first_phase = build->first_phase;
	build->first_phase += block.n_phases;
	ok = ct_table_append(&build->tables[BLOCKS], &block, 1, err);
	free(block.message);
	memset(build->raw_first, 0, sizeof build->raw_first);
	memset(build->raw_rows, 0, sizeof build->raw_rows);
	return ok;
}

static bool append_log(struct build *build, const struct ct_journal_frame *frame,
		       struct ct_error *err)
{
	struct ct_decoder decoder = {.at = frame->payload, .left = frame->length};
	void *rows;
	bool ok;

	if (!ct_decode_rows(&decoder, &ct_layout_log, 1, &rows))
		return ct_usage(err, "%s: damaged log", build->journal_path);
	ok = ct_table_append(&build->tables[LOG], rows, 1, err);
	ct_rows_free_text(&ct_layout_log, rows, 1);
	free(rows);
	return ok;
}

static bool append_frame(void *context, const struct ct_journal_frame *frame, struct ct_error *err)
{
	struct build *build = context;
	const struct ct_journal_index *index = build->index;

	if (frame->type == CT_JOURNAL_LOG)
		return append_log(build, frame, err);
	if (build->commit >= index->n_commits || frame->begin < index->commits[build->commit].begin)
		return true; /* never committed */
	switch (frame->type) {
	case CT_JOURNAL_RAW:
		return append_raw(build, frame, err);
	case CT_JOURNAL_PHASE:
		return append_phase(build, frame, err);
	case CT_JOURNAL_BLOCK:
		build->commit++;
		return append_block(build, frame, err);
	default:
		return true;
	}
}

static bool write_tables(struct build *build, int fd, struct ct_error *err)
{
	const struct ct_journal_index *index = build->index;
	const uint64_t rows[N_TABLES] = {
		[BLOCKS] = index->n_commits,
		[PHASES] = index->phases,
		[HISTOGRAM] = index->histogram,
		[EPOCHS] = index->epochs,
		[NOISE] = index->noise,
		[SLOWEST] = index->slowest,
		[READINGS] = index->readings,
		[RAW] = index->raw,
		[LOG] = index->log,
	};
	uint64_t end;

	for (size_t i = 0; i < N_TABLES; i++) {
		if (!ct_table_create(&build->tables[i], build->file, layouts[i], rows[i], err))
			return false;
	}
	if (!ct_journal_walk(fd, build->journal_path, append_frame, build, &end, err))
		return false;
	for (size_t i = 0; i < N_TABLES; i++) {
		if (!ct_table_finish(&build->tables[i], err))
			return false;
	}
	return write_whole_table(build->file, &ct_layout_counters, build->counters,
				 build->n_counters, err);
}

static hid_t create_file(const char *path)
{
	hid_t access = H5Pcreate(H5P_FILE_ACCESS);
	hid_t file;

	/* The 1.10 format checksums all metadata; closing the file closes all that is open in it.
	 */
	H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
	H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
	file = H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, access);
	ct_h5_close(access);
	return file;
}

/* Everything is flushed by close: on a full disk this is where it shows. */
static bool close_file(struct build *build, struct ct_error *err)
{
	hid_t file = build->file;
	bool ok;

	for (size_t i = 0; i < N_TABLES; i++)
		ct_table_writer_free(&build->tables[i]);
	build->file = H5I_INVALID_HID;
	if (file < 0)
		return true;
	ok = H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0 || hdf5_failed("to the disk", err);
	if (H5Fclose(file) < 0 && ok)
		ok = hdf5_failed("to the disk", err);
	return ok;
}

bool ct_h5_build(const char *path, int fd, const char *journal_path,
		 const struct ct_journal_index *index, bool complete, struct ct_error *err)
{
	struct build build = {
		.journal_path = journal_path, .file = H5I_INVALID_HID, .index = index};
	json_error_t where;
	struct ct_error ignored;
	bool ok;

	ct_h5_quiet();
	build.header = json_loads(index->header, 0, &where);
	ok = build.header ||
	     ct_usage(err, "%s: its header is not JSON: %s", journal_path, where.text);
	if (ok) {
		build.file = create_file(path);
		ok = build.file >= 0 || hdf5_failed("the file", err);
	}
	ok = ok && write_root(&build, complete, err) && write_documents(&build, err) &&
	     write_workloads(&build, err) && write_buckets(&build, err) &&
	     write_tables(&build, fd, err);
	ok = close_file(&build, ok ? err : &ignored) && ok;
	json_decref(build.header);
	ct_counters_free(build.counters, build.n_counters);
	return ok || ct_error_in(err, "%s", path);
}
