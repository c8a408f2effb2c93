/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Reading files that anybody may have written or damaged: a clear refusal, never a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <hdf5.h>

#include <cmocka.h>

#include "harness/store/column.h"
#include "harness/store/guard.h"
#include "harness/store/h5text.h"
#include "harness/store/results.h"
#include "tests/unit/sample_campaign.h"

struct files {
	char directory[64], good[96], bad[96];
	unsigned char *bytes; /* of the good file */
	size_t size;
};

static int set_up(void **state)
{
	struct files *files = calloc(1, sizeof *files);
	struct ct_error err = {0};
	struct stat status;
	int fd;

	sample_directory(files->directory);
	snprintf(files->good, sizeof files->good, "%s/good.h5", files->directory);
	snprintf(files->bad, sizeof files->bad, "%s/bad.h5", files->directory);
	if (!sample_write(files->good, 2, 200, 0.01, true, &err)) {
		print_error("%s\n", err.text);
		return -1;
	}
	fd = open(files->good, O_RDONLY);
	fstat(fd, &status);
	files->size = (size_t)status.st_size;
	files->bytes = malloc(files->size);
	if (read(fd, files->bytes, files->size) != status.st_size)
		return -1;
	close(fd);
	*state = files;
	return 0;
}

static int tear_down(void **state)
{
	struct files *files = *state;

	sample_remove(files->directory);
	free(files->bytes);
	free(files);
	return 0;
}

static void write_bad(const struct files *files, const void *bytes, size_t size)
{
	int fd = open(files->bad, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void ignore_violation(void *context, const char *text)
{
	char *first = context;

	if (first && !first[0])
		snprintf(first, 512, "%s", text);
}

static bool read_all(void *path, struct ct_error *err)
{
	struct ct_results *results;
	struct ct_hist hist;
	size_t n;
	bool ok;

	if (!ct_results_validate(path, ignore_violation, NULL, &n, err) ||
	    !ct_results_open(&results, path, err))
		return false;
	ok = ct_hist_init(&hist, err);
	for (size_t i = 0; ok && i < ct_results_tables(results)->n_phases; i++)
		ok = ct_results_add_hist(results, i, &hist, err);
	ct_hist_free(&hist);
	ct_results_close(results);
	return ok && (n == 0 || ct_usage(err, "%zu violations", n));
}

/* Opens it, and reads all of it when it opens, as the commands do. True when nothing was wrong. */
static bool examine(const char *path, struct ct_error *err)
{
	*err = (struct ct_error){0};
	return ct_guarded(read_all, (void *)(uintptr_t)path, path, err);
}

static void a_good_file_passes(void **state)
{
	const struct files *files = *state;
	struct ct_error err;

	if (!examine(files->good, &err))
		fail_msg("%s", err.text);
}

static void a_truncated_file_is_refused(void **state)
{
	const struct files *files = *state;
	struct ct_error err;

	for (size_t size = 0; size < files->size; size += size < 2048 ? 7 : 997) {
		write_bad(files, files->bytes, size);
		assert_false(examine(files->bad, &err));
		assert_int_equal(err.kind, CT_ERR_USAGE);
		assert_non_null(strstr(err.text, files->bad));
		assert_true(strstr(err.text, "truncated") || strstr(err.text, "not an HDF5 file"));
	}
}

/* Checksums of the format catch damage to metadata and to chunks; whatever does get through must
 * not crash, hang or ask for the machine's memory. */
static void a_damaged_file_is_refused_or_read_but_never_crashes(void **state)
{
	const struct files *files = *state;
	unsigned char *bytes = malloc(files->size);
	unsigned refused = 0, n = 0;
	struct ct_error err;

	for (size_t at = 0; at < files->size; at += 491) {
		memcpy(bytes, files->bytes, files->size);
		bytes[at] ^= (unsigned char)(1u << (at % 8));
		write_bad(files, bytes, files->size);
		if (!examine(files->bad, &err)) {
			assert_int_equal(err.kind, CT_ERR_USAGE);
			refused++;
		}
		n++;
	}
	free(bytes);
	print_message("%u of %u flipped bits were noticed\n", refused, n);
	assert_true(refused > 0);
}

static void what_is_not_ours_is_told_apart(void **state)
{
	const struct files *files = *state;
	struct ct_results *results;
	struct ct_error err = {0};
	char journal[128];
	hid_t file;

	assert_false(ct_results_open(&results, files->bad, &err));
	assert_non_null(strstr(err.text, "No such file"));
	snprintf(journal, sizeof journal, "%s.journal", files->bad);
	close(open(journal, O_WRONLY | O_CREAT, 0666));
	assert_false(ct_results_open(&results, files->bad, &err));
	assert_non_null(strstr(err.text, "--resume"));

	assert_false(ct_results_open(&results, files->directory, &err));
	assert_non_null(strstr(err.text, "not a file"));

	write_bad(files, "time,latency\n1,2\n", 17);
	assert_false(ct_results_open(&results, files->bad, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "not an HDF5 file"));

	file = H5Fcreate(files->bad, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
	H5Fclose(file);
	assert_false(ct_results_open(&results, files->bad, &err));
	assert_non_null(strstr(err.text, "not a result of cotenant"));
}

/* --- files that are wrong in one respect -------------------------------------------------- */

static hid_t open_bad(const struct files *files)
{
	hid_t file;

	write_bad(files, files->bytes, files->size);
	file = H5Fopen(files->bad, H5F_ACC_RDWR, H5P_DEFAULT);
	assert_true(file >= 0);
	return file;
}

static void replace(hid_t file, const char *name, hid_t type, int rank, const hsize_t *extent,
		    const void *values, hid_t creation)
{
	hid_t space = H5Screate_simple(rank, extent, NULL), dataset;

	if (H5Lexists(file, name, H5P_DEFAULT) > 0)
		H5Ldelete(file, name, H5P_DEFAULT);
	dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
	assert_true(dataset >= 0);
	if (values)
		assert_true(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
	H5Dclose(dataset);
	H5Sclose(space);
}

static void set_text_attribute(hid_t object, const char *name, const char *text)
{
	hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), attribute;

	H5Tset_size(type, strlen(text));
	if (H5Aexists(object, name) > 0)
		H5Adelete(object, name);
	attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
	assert_true(H5Awrite(attribute, type, text) >= 0);
	H5Aclose(attribute);
	H5Sclose(space);
	H5Tclose(type);
}

/* Opening must fail as a usage error that says `why`. */
static void assert_refused(const struct files *files, const char *why)
{
	struct ct_results *results;
	struct ct_error err = {0};

	if (ct_results_open(&results, files->bad, &err)) {
		ct_results_close(results);
		fail_msg("opened, but should have said '%s'", why);
	}
	assert_int_equal(err.kind, CT_ERR_USAGE);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void other_versions_are_named(void **state)
{
	const struct files *files = *state;
	hid_t file = open_bad(files);

	set_text_attribute(file, "schema", "cotenant.results/2");
	H5Fclose(file);
	assert_refused(files, "written with schema cotenant.results/2");
	file = open_bad(files);
	set_text_attribute(file, "schema", "cotenant.results/1x");
	H5Fclose(file);
	assert_refused(files, "not a result of cotenant");
}

static void missing_parts_are_named(void **state)
{
	static const char *const parts[] = {"/victims",        "/cells",
					    "/phases",         "/cells/victim",
					    "/phases/count",   "/blocks/phase_first",
					    "/histogram/count"};
	const struct files *files = *state;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		hid_t file = open_bad(files);

		assert_true(H5Ldelete(file, parts[i], H5P_DEFAULT) >= 0);
		H5Fclose(file);
		assert_refused(files, parts[i]);
	}
	hid_t file = open_bad(files);
	H5Adelete(file, "suite");
	H5Fclose(file);
	assert_refused(files, "'suite' is missing");
}

static void wrong_shapes_and_types_are_named(void **state)
{
	const struct files *files = *state;
	const hsize_t cells[2] = {SAMPLE_CELLS, 1}, few = SAMPLE_CELLS - 1;
	const double floats[SAMPLE_CELLS] = {0};
	const int64_t negative[SAMPLE_CELLS] = {0, -1, 0}, huge[SAMPLE_CELLS] = {0, 1ll << 40, 0};
	const uint8_t roles[30] = {0, 1, 2, 4};
	const hsize_t phases = 30;
	hid_t file = open_bad(files);

	replace(file, "/cells/victim", H5T_NATIVE_DOUBLE, 1, cells, floats, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(files, "/cells/victim does not hold integers");
	file = open_bad(files);
	replace(file, "/cells/intensity", H5T_C_S1, 1, cells, NULL, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(files, "/cells/intensity does not hold numbers");
	file = open_bad(files);
	replace(file, "/cells/config", H5T_NATIVE_INT, 1, cells, NULL, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(files, "/cells/config does not hold strings");
	file = open_bad(files);
	replace(file, "/cells/victim", H5T_NATIVE_INT, 2, cells, NULL, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(files, "one dimension");
	file = open_bad(files);
	replace(file, "/cells/victim", H5T_NATIVE_INT, 1, &few, NULL, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(files, "/cells/victim has 2 rows");
	file = open_bad(files);
	replace(file, "/cells/victim", H5T_NATIVE_INT64, 1, cells, negative, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(files, "/cells/victim can't be read");
	file = open_bad(files);
	replace(file, "/cells/victim", H5T_NATIVE_INT64, 1, cells, huge, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(files, "/cells/victim can't be read");
	file = open_bad(files);
	replace(file, "/phases/role", H5T_NATIVE_UINT8, 1, &phases, roles, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(files, "/phases/role[3] is 4, which has no meaning");
	file = open_bad(files);
	H5Ldelete(file, "/cells/victim", H5P_DEFAULT);
	H5Gclose(H5Gcreate2(file, "/cells/victim", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
	H5Fclose(file);
	assert_refused(files, "/cells/victim is not a dataset");
	file = open_bad(files);
	hid_t dataset = H5Dopen2(file, "/epochs/p50_ns", H5P_DEFAULT);
	set_text_attribute(dataset, "units", "us");
	H5Dclose(dataset);
	H5Fclose(file);
	assert_refused(files, "/epochs/p50_ns is in \"us\" and has to be in \"ns\"");
}

/* A few bytes can claim a table of any size; nothing may be allocated for the claim. */
static void claims_of_huge_size_cost_no_memory(void **state)
{
	const struct files *files = *state;
	const hsize_t rows = 1ull << 40, chunk = 1 << 20, big_chunk = 1 << 28;
	hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
	struct rusage before, after;
	hid_t file;

	getrusage(RUSAGE_SELF, &before);
	H5Pset_chunk(creation, 1, &chunk);
	file = open_bad(files);
	for (size_t c = 0; c < ct_layout_cells.n_columns; c++) {
		char name[64];

		snprintf(name, sizeof name, "/cells/%s", ct_layout_cells.columns[c].name);
		if (ct_layout_cells.columns[c].type == CT_COLUMN_TEXT) {
			hid_t type = H5Tcopy(H5T_C_S1);

			H5Tset_size(type, 8);
			replace(file, name, type, 1, &rows, NULL, creation);
			H5Tclose(type);
		} else {
			replace(file, name, H5T_NATIVE_UINT32, 1, &rows, NULL, creation);
		}
	}
	H5Fclose(file);
	assert_refused(files, "/cells claims 1099511627776 rows");

	file = open_bad(files);
	H5Pset_chunk(creation, 1, &big_chunk);
	replace(file, "/histogram/bucket", H5T_NATIVE_UINT32, 1, &rows, NULL, creation);
	H5Fclose(file);
	assert_refused(files, "chunks above 16 MiB");
	H5Pclose(creation);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss < before.ru_maxrss + (64 << 10));
}

static void data_outside_the_file_are_refused(void **state)
{
	const struct files *files = *state;
	const hsize_t cells = SAMPLE_CELLS;
	hid_t creation = H5Pcreate(H5P_DATASET_CREATE), source, file = open_bad(files);

	H5Pset_external(creation, "/etc/passwd", 0, SAMPLE_CELLS * sizeof(int));
	replace(file, "/cells/victim", H5T_NATIVE_INT, 1, &cells, NULL, creation);
	H5Pclose(creation);
	H5Fclose(file);
	assert_refused(files, "external or virtual storage");

	creation = H5Pcreate(H5P_DATASET_CREATE);
	source = H5Screate_simple(1, &cells, NULL);
	H5Pset_virtual(creation, source, files->good, "/cells/victim", source);
	file = open_bad(files);
	replace(file, "/cells/victim", H5T_NATIVE_INT, 1, &cells, NULL, creation);
	H5Pclose(creation);
	H5Sclose(source);
	H5Fclose(file);
	assert_refused(files, "external or virtual storage");

	file = open_bad(files);
	H5Ldelete(file, "/cells/victim", H5P_DEFAULT);
	H5Lcreate_external(files->good, "/cells/victim", file, "/cells/victim", H5P_DEFAULT,
			   H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(files, "/cells/victim is missing");
}

/* Sets element `row` of an integer column. */
static void poke(const struct files *files, const char *name, hsize_t row, uint64_t value)
{
	hid_t file = open_bad(files), dataset = H5Dopen2(file, name, H5P_DEFAULT);
	hid_t space = H5Dget_space(dataset), one = H5Screate(H5S_SCALAR);

	H5Sselect_elements(space, H5S_SELECT_SET, 1, &row);
	assert_true(H5Dwrite(dataset, H5T_NATIVE_UINT64, one, space, H5P_DEFAULT, &value) >= 0);
	H5Sclose(one);
	H5Sclose(space);
	H5Dclose(dataset);
	H5Fclose(file);
}

static void rows_that_lead_nowhere_are_refused(void **state)
{
	static const struct {
		const char *column;
		uint64_t value;
		const char *why;
	} cases[] = {
		{"/cells/victim", 7, "/cells/victim[1] is 7, but /victims has 1 rows"},
		{"/cells/aggressor", 2, "/cells/aggressor[1] is 2"},
		{"/cells/intensity", 101, "not 0..100"},
		{"/blocks/cell", 3, "/blocks/cell[1] is 3"},
		{"/blocks/cell", 0, "/blocks holds cell 0 block 0 twice"},
		{"/blocks/phase_first", 28, "/blocks[1] points to phases 28..33 of 30"},
		{"/blocks/phase_rows", UINT32_MAX, "/blocks[1] points to phases"},
		{"/blocks/phase_first", 6, "which points to it, is cell 1 block 0"},
		{"/phases/cell", 99, "/phases[1] is of cell 99"},
		{"/phases/hist_first", UINT64_MAX, "/phases[1] points to"},
		{"/phases/hist_rows", UINT64_MAX, "/phases[1] points to"},
		{"/phases/epoch_rows", 1 << 20, "/phases[1] points to"},
		{"/phases/noise_first", 1 << 20, "/phases[1] points to"},
		{"/phases/slow_rows", 1 << 20, "/phases[1] points to"},
		{"/phases/reading_rows", 1 << 20, "/phases[1] points to"},
		{"/phases/raw_rows", 1, "/phases[1] points to"},
		{"/phases/hist_rows", 0, "no histogram and no raw rows"},
		{"/phases/end_ns", 1, "/phases[1] ends before it starts"},
	};
	const struct files *files = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		poke(files, cases[i].column, 1, cases[i].value);
		assert_refused(files, cases[i].why);
	}
}

static void validate_finds_what_readers_need_not_look_for(void **state)
{
	static const struct {
		const char *column;
		hsize_t row;
		uint64_t value;
		const char *why;
	} cases[] = {
		{"/histogram/count", 3, 0, "count 0 (buckets ascend"},
		{"/histogram/count", 3, 1000, "/phases/count[0] is 200, its histogram holds"},
		{"/histogram/bucket", 3, 0, "buckets ascend"},
		{"/histogram/bucket", 3, 38912, "below 38912"},
		{"/phases/min_ns", 0, 50, "/phases/min_ns[0] is 50"},
		{"/phases/max_ns", 0, 900, "/phases/max_ns[0] is 900"},
		{"/phases/mean_ns", 0, 160, "/phases/mean_ns[0] is 160"},
		{"/phases/order", 1, 0, "there twice"},
		{"/epochs/count", 0, 99, "its counted epochs hold 199"},
		{"/epochs/counted", 0, 7, "not 0 or 1"},
		{"/epochs/start_ns", 0, UINT64_MAX / 4, "is out of time"},
		{"/noise/end_ns", 0, 1, "ends before it starts"},
		{"/slowest/latency_ns", 0, 1, "does not descend"},
		{"/readings/epoch", 0, 2, "/readings[0], of phase 0: epoch 2 of 2"},
		{"/readings/counter", 1, 2, "counter 2 of 2"},
	};
	const struct files *files = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ct_error err = {0};
		char first[512] = "";
		size_t n;

		poke(files, cases[i].column, cases[i].row, cases[i].value);
		assert_true(ct_results_validate(files->bad, ignore_violation, first, &n, &err));
		assert_true(n > 0);
		if (!strstr(first, cases[i].why))
			fail_msg("'%s' does not say '%s'", first, cases[i].why);
	}
}

/* Enumerations of a foreign writer are matched by name, whatever numbers stand behind them. */
static void enumerations_are_matched_by_name(void **state)
{
	const struct files *files = *state;
	const hsize_t phases = 30;
	hid_t type = H5Tenum_create(H5T_NATIVE_INT16), file;
	const int16_t recovery = 10, baseline = 20, treatment = 30;
	int16_t roles[30];
	struct ct_results *results;
	struct ct_error err = {0};

	H5Tenum_insert(type, "recovery", &recovery);
	H5Tenum_insert(type, "baseline", &baseline);
	H5Tenum_insert(type, "treatment", &treatment);
	for (size_t i = 0; i < 30; i++)
		roles[i] = (int16_t[]){20, 30, 30, 20, 10}[i % 5];
	file = open_bad(files);
	replace(file, "/phases/role", type, 1, &phases, roles, H5P_DEFAULT);
	H5Tclose(type);
	H5Fclose(file);
	if (!ct_results_open(&results, files->bad, &err))
		fail_msg("%s", err.text);
	assert_int_equal(ct_results_tables(results)->phases[1].role, CT_ROLE_TREATMENT);
	assert_int_equal(ct_results_tables(results)->phases[4].role, CT_ROLE_RECOVERY);
	ct_results_close(results);
}

/* A terminal would obey what a name in the placement is decoded to. */
static void documents_hold_no_control_characters(void **state)
{
	struct files *files = *state;
	json_t *header = sample_header(2, 42);
	struct ct_results *results = NULL;
	struct ct_error err = {0};

	json_object_set_new(header, "placement",
			    json_pack("{s:{s:s}}", "\033]0;local\007", "cpus", "1\033[2J\177"));
	json_object_set_new(
		json_array_get(json_object_get(json_object_get(header, "plan"), "aggressors"), 0),
		"params", json_pack("{s:s}", "op", "\b\033[31m"));
	remove(files->good);
	if (!sample_write_of(header, files->good, 2, 100, 0, true, &err) ||
	    !ct_results_open(&results, files->good, &err))
		fail_msg("%s", err.text);
	assert_non_null(results);
	assert_string_equal(ct_results_tables(results)->placement,
			    "{\"      ]0;local      \":{\"cpus\":\"1      [2J \"}}");
	assert_string_equal(ct_results_tables(results)->aggressors[0].params,
			    "{\"op\":\"        [31m\"}");
	ct_results_close(results);
}

/* The schema is the interface: what the code calls a column is in its text, with type and units. */
static void the_schema_page_names_every_column(void **state)
{
	static const char *const types[] = {"u32", "u64", "i64", "f64", "enum", "text"};
	FILE *file = fopen("results-schema/SCHEMA.md", "r");
	char *page = calloc(1, 1 << 16);
	size_t n;

	(void)state;
	if (!file) {
		free(page);
		skip(); /* not run from the root of the tree */
	}
	n = fread(page, 1, (1 << 16) - 1, file);
	fclose(file);
	assert_true(n > 0);
	for (size_t t = 0; ct_layouts[t]; t++) {
		const struct ct_layout *layout = ct_layouts[t];
		char heading[64];
		const char *section, *end;

		snprintf(heading, sizeof heading, "### /%s:", layout->name);
		section = strstr(page, heading);
		assert_non_null(section);
		end = strstr(section + 3, "###");
		for (size_t c = 0; c < layout->n_columns; c++) {
			const struct ct_column *column = &layout->columns[c];
			char row[128];
			const char *at;

			snprintf(row, sizeof row, "| `%s` | %s | %s | %s", column->name,
				 types[column->type], column->units,
				 column->absent == CT_ABSENT_NO ? "yes" : "no");
			at = strstr(section, row);
			if (!at || at > end)
				fail_msg("SCHEMA.md, section %s, has no row '%s'", heading, row);
		}
	}
	free(page);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_good_file_passes),
		TEST(a_truncated_file_is_refused),
		TEST(a_damaged_file_is_refused_or_read_but_never_crashes),
		TEST(what_is_not_ours_is_told_apart),
		TEST(other_versions_are_named),
		TEST(missing_parts_are_named),
		TEST(documents_hold_no_control_characters),
		TEST(wrong_shapes_and_types_are_named),
		TEST(claims_of_huge_size_cost_no_memory),
		TEST(data_outside_the_file_are_refused),
		TEST(rows_that_lead_nowhere_are_refused),
		TEST(validate_finds_what_readers_need_not_look_for),
		TEST(enumerations_are_matched_by_name),
		TEST(the_schema_page_names_every_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
