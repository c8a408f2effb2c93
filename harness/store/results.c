/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/results.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/core/text.h"
#include "harness/store/check.h"
#include "harness/store/h5.h"
#include "harness/store/h5text.h"
#include "harness/store/header.h"
#include "harness/store/tablereader.h"

struct ct_results {
	struct ct_results_tables tables;
	hid_t file;
	uint64_t file_bytes;
	struct ct_table_reader histogram, epochs, noise, slowest, readings, raw, log;
};

const struct ct_results_tables *ct_results_tables(const struct ct_results *results)
{
	return &results->tables;
}

static bool check_is_file(struct ct_results *results, const char *path, struct ct_error *err)
{
	struct stat status;
	char journal[4096];

	if (stat(path, &status) != 0) {
		int cause = errno;

		snprintf(journal, sizeof journal, "%s.journal", path);
		if (cause == ENOENT && access(journal, F_OK) == 0)
			return ct_usage(err,
					"%s is not there yet: its campaign was interrupted; go on "
					"with 'cotenant run ... -o %s --resume'",
					path, path);
		return ct_usage(err, "%s: %s", path, strerror(cause));
	}
	if (!S_ISREG(status.st_mode))
		return ct_usage(err, "%s is not a file", path);
	if (access(path, R_OK) != 0)
		return ct_usage(err, "%s: %s", path, strerror(errno));
	results->file_bytes = (uint64_t)status.st_size;
	return true;
}

static bool open_file(struct ct_results *results, const char *path, struct ct_error *err)
{
	char reason[CT_H5_REASON];

	if (H5Fis_hdf5(path) <= 0) {
		H5Eclear2(H5E_DEFAULT);
		return ct_usage(err, "%s is not an HDF5 file, so not a result of cotenant", path);
	}
	results->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
	return results->file >= 0 ||
	       ct_usage(err, "%s is truncated or damaged: %s", path, ct_h5_reason(reason));
}

/* "cotenant.results/1": the name, a slash, the major version. */
static bool check_schema(struct ct_results *results, struct ct_error *err)
{
	char *schema, *end = NULL;
	unsigned long major = 0;
	bool ours, ok;

	if (!ct_h5_get_text_attribute(results->file, "schema", &schema, err))
		return false;
	ours = schema && strncmp(schema, CT_SCHEMA_STEM, strlen(CT_SCHEMA_STEM)) == 0;
	if (ours)
		major = strtoul(schema + strlen(CT_SCHEMA_STEM), &end, 10);
	if (!ours || *end != '\0' || end == schema + strlen(CT_SCHEMA_STEM)) {
		ok = ct_usage(err, "an HDF5 file, but not a result of cotenant (its root has no "
				   "attribute schema = \"" CT_SCHEMA "\")");
	} else {
		ok = major == CT_SCHEMA_MAJOR ||
		     ct_usage(err,
			      "written with schema %.40s; this version reads " CT_SCHEMA
			      ": read it with a newer cotenant",
			      schema);
	}
	free(schema);
	return ok;
}

static bool get_text(const struct ct_results *results, const char *name, bool required, char **text,
		     struct ct_error *err)
{
	if (!ct_h5_get_text_attribute(results->file, name, text, err))
		return false;
	if (!*text && required)
		return ct_usage(err, "the root attribute '%s' is missing", name);
	if (!*text)
		*text = strdup("");
	if (!*text)
		return ct_broken_errno(err, "memory for '%s'", name);
	ct_text_clean(*text);
	return true;
}

static bool get_number(const struct ct_results *results, const char *name, bool required,
		       uint64_t *value, struct ct_error *err)
{
	bool found;

	*value = 0;
	if (!ct_h5_get_u64_attribute(results->file, name, value, &found, err))
		return false;
	/* What writes these numbers holds them in 63 bits, and JSON's readers can take no more. */
	if (*value > INT64_MAX)
		return ct_usage(err,
				"the root attribute '%s' is %" PRIu64 ", which is no such number",
				name, *value);
	return found || !required || ct_usage(err, "the root attribute '%s' is missing", name);
}

static bool read_root(struct ct_results *results, struct ct_error *err)
{
	struct ct_results_tables *tables = &results->tables;
	const struct {
		const char *name;
		char **text;
		bool required;
	} texts[] = {
		{"suite", &tables->suite, true},
		{"created", &tables->created, true},
		{"title", &tables->title, false},
		{"tool", &tables->tool, false},
		{"version", &tables->version, false},
		{"build_id", &tables->build_id, false},
		{"command_line", &tables->command_line, false},
		{"emulated", &tables->emulated, false},
	};
	const struct {
		const char *name;
		uint64_t *value;
	} numbers[] = {
		{"replicates", &tables->replicates},   {"warmup_ns", &tables->warmup_ns},
		{"measure_ns", &tables->measure_ns},   {"epoch_ns", &tables->epoch_ns},
		{"recovery_ns", &tables->recovery_ns},
	};
	uint64_t complete;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (!get_text(results, texts[i].name, texts[i].required, texts[i].text, err))
			return false;
	}
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		if (!get_number(results, numbers[i].name, false, numbers[i].value, err))
			return false;
	}
	if (!get_number(results, "seed", true, &tables->seed, err) ||
	    !get_number(results, "complete", true, &complete, err))
		return false;
	tables->complete = complete != 0;
	return true;
}

static bool read_documents(struct ct_results *results, struct ct_error *err)
{
	struct ct_results_tables *tables = &results->tables;
	const struct {
		const char *group, *name, *fallback;
		char **text;
		void (*clean)(char *text);
	} documents[] = {
		{"job", "text", "", &tables->job_text, ct_lines_clean},
		{"job", "overrides", "", &tables->job_overrides, ct_lines_clean},
		{"provenance", "json", "{}", &tables->provenance, ct_json_text_clean},
		{"provenance", "hwloc_xml", "", &tables->hwloc_xml, ct_lines_clean},
		{"calibration", "json", "{}", &tables->calibration, ct_json_text_clean},
		{"plan", "json", "{}", &tables->plan, ct_json_text_clean},
		{"placement", "json", "{}", &tables->placement, ct_json_text_clean},
	};

	for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
		if (!ct_h5_get_text(results->file, documents[i].group, documents[i].name,
				    documents[i].text, err))
			return false;
		if (!*documents[i].text)
			*documents[i].text = strdup(documents[i].fallback);
		if (!*documents[i].text)
			return ct_broken_errno(err, "memory for /%s", documents[i].group);
		documents[i].clean(*documents[i].text);
	}
	return true;
}

static void clean_params(struct ct_workload_info *workloads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ct_json_text_clean(workloads[i].params);
}

/* Reads all of a table. A row takes at least a byte of the file, so that bounds the memory. */
static bool read_whole(const struct ct_results *results, const struct ct_table_reader *reader,
		       void **rows, size_t *n, struct ct_error *err)
{
	const struct ct_layout *layout = reader->layout;

	*rows = NULL;
	*n = 0;
	if (reader->rows > results->file_bytes || reader->rows > UINT32_MAX)
		return ct_usage(err,
				"/%s claims %llu rows, more than a file of %llu bytes can hold",
				layout->name, (unsigned long long)reader->rows,
				(unsigned long long)results->file_bytes);
	*rows = calloc(reader->rows + 1, layout->row_size);
	if (!*rows)
		return ct_broken_errno(err, "memory for %llu rows of /%s",
				       (unsigned long long)reader->rows, layout->name);
	if (!ct_table_read(reader, 0, (size_t)reader->rows, *rows, err)) {
		free(*rows);
		*rows = NULL;
		return false;
	}
	*n = (size_t)reader->rows;
	return true;
}

/* What the text of the schema says about columns that a writer may leave out. */
static void derive_absent(const struct ct_table_reader *reader, void *rows, size_t n)
{
	struct ct_phase_info *phases = rows;
	struct ct_block_info *blocks = rows;

	if (reader->layout == &ct_layout_phases && !ct_table_has(reader, "load")) {
		for (size_t i = 0; i < n; i++)
			phases[i].load =
				phases[i].role == CT_ROLE_TREATMENT ? CT_LOAD_HELD : CT_LOAD_NONE;
	}
	if (reader->layout == &ct_layout_blocks && !ct_table_has(reader, "visit")) {
		for (size_t i = 0; i < n; i++)
			blocks[i].visit = (uint32_t)i;
	}
}

static bool read_table(struct ct_results *results, const struct ct_layout *layout, void **rows,
		       size_t *n, struct ct_error *err)
{
	struct ct_table_reader reader;
	bool ok;

	if (!ct_table_open(&reader, results->file, layout, err))
		return false;
	ok = (reader.present || ct_usage(err, "the table /%s is missing", layout->name)) &&
	     read_whole(results, &reader, rows, n, err);
	if (ok)
		derive_absent(&reader, *rows, *n);
	ct_table_reader_free(&reader);
	return ok;
}

static bool read_optional(struct ct_results *results, const struct ct_layout *layout, void **rows,
			  size_t *n, struct ct_error *err)
{
	struct ct_table_reader reader;
	bool ok;

	*rows = NULL;
	*n = 0;
	if (!ct_table_open(&reader, results->file, layout, err))
		return false;
	ok = !reader.present || read_whole(results, &reader, rows, n, err);
	ct_table_reader_free(&reader);
	return ok;
}

static bool read_tables(struct ct_results *results, struct ct_error *err)
{
	struct ct_results_tables *tables = &results->tables;
	void *rows;

#define READ(table)                                                                   \
	if (!read_table(results, &ct_layout_##table, &rows, &tables->n_##table, err)) \
		return false;                                                         \
	tables->table = rows
	READ(victims);
	READ(aggressors);
	READ(cells);
	READ(blocks);
	READ(phases);
#undef READ
	clean_params(tables->victims, tables->n_victims);
	clean_params(tables->aggressors, tables->n_aggressors);
	/* Only a victim or a device that counts something makes this table. */
	if (!read_optional(results, &ct_layout_counters, &rows, &tables->n_counters, err))
		return false;
	tables->counters = rows;
	if (!ct_table_open(&results->histogram, results->file, &ct_layout_histogram, err) ||
	    !ct_table_open(&results->epochs, results->file, &ct_layout_epochs, err) ||
	    !ct_table_open(&results->noise, results->file, &ct_layout_noise, err) ||
	    !ct_table_open(&results->slowest, results->file, &ct_layout_slowest, err) ||
	    !ct_table_open(&results->readings, results->file, &ct_layout_readings, err) ||
	    !ct_table_open(&results->raw, results->file, &ct_layout_raw, err) ||
	    !ct_table_open(&results->log, results->file, &ct_layout_log, err))
		return false;
	tables->n_hist = results->histogram.rows;
	tables->n_epochs = results->epochs.rows;
	tables->n_raw = results->raw.rows;
	return results->histogram.present || results->raw.present ||
	       ct_usage(err, "there is neither a table /histogram nor a table /raw");
}

/* Keeps the first violation: enough to refuse a file. */
static void keep_first(void *context, const char *text)
{
	struct ct_error *err = context;

	if (err->kind == CT_OK)
		ct_usage(err, "%s; 'cotenant validate' lists all that is wrong", text);
}

struct ct_extents ct_results_extents(const struct ct_results *results)
{
	return (struct ct_extents){.histogram = results->histogram.rows,
				   .epochs = results->epochs.rows,
				   .noise = results->noise.rows,
				   .slowest = results->slowest.rows,
				   .readings = results->readings.rows,
				   .raw = results->raw.rows};
}

bool ct_results_open_unchecked(struct ct_results **out, const char *path, struct ct_error *err)
{
	struct ct_results *results = calloc(1, sizeof *results);

	*out = NULL;
	if (!results)
		return ct_broken_errno(err, "memory for %s", path);
	ct_h5_quiet();
	results->file = H5I_INVALID_HID;
	results->tables.path = strdup(path);
	if (results->tables.path)
		ct_text_clean(results->tables.path);
	if (!check_is_file(results, path, err) || !open_file(results, path, err)) {
		ct_results_close(results);
		return false;
	}
	if (!check_schema(results, err) || !read_root(results, err) ||
	    !read_documents(results, err) || !read_tables(results, err)) {
		ct_results_close(results);
		return ct_error_in(err, "%s", path);
	}
	*out = results;
	return true;
}

bool ct_results_open(struct ct_results **out, const char *path, struct ct_error *err)
{
	struct ct_error first = {0};
	struct ct_violations violations = {.report = keep_first, .context = &first};
	struct ct_extents extents;

	if (!ct_results_open_unchecked(out, path, err))
		return false;
	extents = ct_results_extents(*out);
	ct_check_tables(&(*out)->tables, &extents, &violations);
	if (violations.n == 0)
		return true;
	ct_results_close(*out);
	*out = NULL;
	if (err)
		*err = first;
	return ct_error_in(err, "%s", path);
}

static void free_table(const struct ct_layout *layout, void *rows, size_t n)
{
	if (rows)
		ct_rows_free_text(layout, rows, n);
	free(rows);
}

static void free_tables(struct ct_results_tables *tables)
{
	char *const texts[] = {
		tables->path,      tables->suite,         tables->title,
		tables->emulated,  tables->created,       tables->tool,
		tables->version,   tables->build_id,      tables->command_line,
		tables->job_text,  tables->job_overrides, tables->provenance,
		tables->hwloc_xml, tables->calibration,   tables->plan,
		tables->placement,
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		free(texts[i]);
	free_table(&ct_layout_victims, tables->victims, tables->n_victims);
	free_table(&ct_layout_aggressors, tables->aggressors, tables->n_aggressors);
	free_table(&ct_layout_cells, tables->cells, tables->n_cells);
	free_table(&ct_layout_blocks, tables->blocks, tables->n_blocks);
	free_table(&ct_layout_phases, tables->phases, tables->n_phases);
	free_table(&ct_layout_counters, tables->counters, tables->n_counters);
}

void ct_results_close(struct ct_results *results)
{
	if (!results)
		return;
	ct_table_reader_free(&results->histogram);
	ct_table_reader_free(&results->epochs);
	ct_table_reader_free(&results->noise);
	ct_table_reader_free(&results->slowest);
	ct_table_reader_free(&results->readings);
	ct_table_reader_free(&results->raw);
	ct_table_reader_free(&results->log);
	ct_h5_close(results->file);
	free_tables(&results->tables);
	free(results);
}

bool ct_results_log(struct ct_results *results, struct ct_log_row **rows, size_t *n,
		    struct ct_error *err)
{
	void *found;

	if (!read_whole(results, &results->log, &found, n, err))
		return false;
	*rows = found;
	return true;
}

void ct_log_rows_free(struct ct_log_row *rows, size_t n)
{
	free_table(&ct_layout_log, rows, n);
}

bool ct_results_buckets(struct ct_results *results, size_t phase, uint64_t first, size_t n,
			struct ct_bucket *out, struct ct_error *err)
{
	const struct ct_phase_info *info = &results->tables.phases[phase];

	if (first > info->hist_rows || n > info->hist_rows - first)
		return ct_usage(err, "%s: phase %zu has %llu histogram rows", results->tables.path,
				phase, (unsigned long long)info->hist_rows);
	return ct_table_read(&results->histogram, info->hist_first + first, n, out, err) ||
	       ct_error_in(err, "%s", results->tables.path);
}

/* Latencies alone, in pieces of many chunks: a file of 10^9 samples is read at the disk's pace. */
static bool add_raw(struct ct_results *results, size_t phase, struct ct_hist *into,
		    struct ct_error *err)
{
	enum { PIECE = 1 << 20 };
	const struct ct_phase_info *info = &results->tables.phases[phase];
	const size_t most = info->raw_rows < PIECE ? (size_t)info->raw_rows : PIECE;
	uint64_t *ps = malloc((most + 1) * sizeof *ps);
	bool ok = ps || ct_broken_errno(err, "memory for raw samples");

	for (uint64_t done = 0; ok && done < info->raw_rows; done += PIECE) {
		size_t n = info->raw_rows - done < PIECE ? info->raw_rows - done : PIECE;

		ok = ct_table_read_u64(&results->raw, "latency_ps", info->raw_first + done, n, ps,
				       err) ||
		     ct_error_in(err, "%s", results->tables.path);
		for (size_t i = 0; ok && i < n; i++)
			ct_hist_add(into, ps[i], 1);
	}
	free(ps);
	return ok;
}

bool ct_results_add_hist(struct ct_results *results, size_t phase, struct ct_hist *into,
			 struct ct_error *err)
{
	enum { PIECE = 4096 };
	const struct ct_phase_info *info = &results->tables.phases[phase];
	struct ct_bucket *buckets;
	bool ok = true;

	if (info->count == 0)
		return true;
	if (info->hist_rows == 0)
		return add_raw(results, phase, into, err);
	buckets = malloc(PIECE * sizeof *buckets);
	if (!buckets)
		return ct_broken_errno(err, "memory for a histogram");
	for (uint64_t done = 0; ok && done < info->hist_rows; done += PIECE) {
		uint64_t left = info->hist_rows - done;
		size_t n = left < PIECE ? left : PIECE;

		ok = ct_results_buckets(results, phase, done, n, buckets, err) &&
		     (ct_hist_merge_sparse(into, buckets, n, err) ||
		      ct_error_in(err, "%s: phase %zu", results->tables.path, phase));
	}
	free(buckets);
	return ok;
}

/* Rows of one phase, as many as the file can really hold. */
static bool read_rows(struct ct_results *results, const struct ct_table_reader *reader,
		      uint64_t first, uint64_t rows, void **out, size_t *n, struct ct_error *err)
{
	*out = NULL;
	*n = 0;
	if (rows > results->file_bytes)
		return ct_usage(
			err, "%s: /%s: a phase claims %llu rows, more than the file can hold",
			results->tables.path, reader->layout->name, (unsigned long long)rows);
	*out = calloc(rows + 1, reader->layout->row_size);
	if (!*out)
		return ct_broken_errno(err, "memory for %llu rows of /%s", (unsigned long long)rows,
				       reader->layout->name);
	if (!ct_table_read(reader, first, (size_t)rows, *out, err)) {
		free(*out);
		*out = NULL;
		return ct_error_in(err, "%s", results->tables.path);
	}
	*n = (size_t)rows;
	return true;
}

bool ct_results_epochs(struct ct_results *results, size_t phase, struct ct_epoch_row **rows,
		       size_t *n, struct ct_error *err)
{
	const struct ct_phase_info *info = &results->tables.phases[phase];
	void *found;
	bool ok = read_rows(results, &results->epochs, info->epoch_first, info->epoch_rows, &found,
			    n, err);

	*rows = found;
	return ok;
}

bool ct_results_noise(struct ct_results *results, size_t phase, struct ct_noise_row **rows,
		      size_t *n, struct ct_error *err)
{
	const struct ct_phase_info *info = &results->tables.phases[phase];
	void *found;
	bool ok = read_rows(results, &results->noise, info->noise_first, info->noise_rows, &found,
			    n, err);

	*rows = found;
	return ok;
}

bool ct_results_slowest(struct ct_results *results, size_t phase, struct ct_slow_sample **rows,
			size_t *n, struct ct_error *err)
{
	const struct ct_phase_info *info = &results->tables.phases[phase];
	void *found;
	bool ok = read_rows(results, &results->slowest, info->slow_first, info->slow_rows, &found,
			    n, err);

	*rows = found;
	return ok;
}

bool ct_results_readings(struct ct_results *results, size_t phase, struct ct_reading **rows,
			 size_t *n, struct ct_error *err)
{
	const struct ct_phase_info *info = &results->tables.phases[phase];
	void *found;
	bool ok = read_rows(results, &results->readings, info->reading_first, info->reading_rows,
			    &found, n, err);

	*rows = found;
	return ok;
}

bool ct_results_raw(struct ct_results *results, size_t phase, uint64_t first, size_t n,
		    struct ct_raw_sample *out, struct ct_error *err)
{
	const struct ct_phase_info *info = &results->tables.phases[phase];

	if (first > info->raw_rows || n > info->raw_rows - first)
		return ct_usage(err, "%s: phase %zu has %llu raw samples", results->tables.path,
				phase, (unsigned long long)info->raw_rows);
	return ct_table_read(&results->raw, info->raw_first + first, n, out, err) ||
	       ct_error_in(err, "%s", results->tables.path);
}
