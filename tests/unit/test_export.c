/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Exports and tables: formats that other programs read, so their details count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/report/export.h"
#include "harness/report/table.h"
#include "tests/unit/json_schema.h"
#include "tests/unit/sample_campaign.h"

struct place {
	char directory[64], path[96];
	struct ct_results *results;
};
static const struct ct_selection everything = {.intensity = -1, .role = -1};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);
	struct ct_error err = {0};

	sample_directory(place->directory);
	snprintf(place->path, sizeof place->path, "%s/out.h5", place->directory);
	*state = place;
	if (sample_write(place->path, 2, 1000, 0.01, true, &err) &&
	    ct_results_open(&place->results, place->path, &err))
		return 0;
	print_error("%s\n", err.text);
	return -1;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	ct_results_close(place->results);
	sample_remove(place->directory);
	free(place);
	return 0;
}

typedef bool export_fn(struct ct_results *results, const struct ct_selection *selection, FILE *out,
		       struct ct_error *err);

/* What an export writes, as one string. The caller frees it. */
static char *text_of(export_fn *export, const struct place *place,
		     const struct ct_selection *selection)
{
	struct ct_error err = {0};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!export(place->results, selection, out, &err))
		fail_msg("%s", err.text);
	fclose(out);
	return text;
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static void csv_has_a_row_for_every_phase(void **state)
{
	const struct place *place = *state;
	char *text = text_of(ct_export_csv, place, &everything);
	size_t columns;
	char *end = strchr(text, '\n');

	assert_int_equal(count_of(text, "\n"), 1 + SAMPLE_CELLS * 2 * CT_PHASES_PER_BLOCK);
	assert_int_equal(strncmp(text, "config,victim,aggressor,intensity_percent,", 42), 0);
	*end = '\0';
	columns = count_of(text, ",");
	*end = '\n';
	assert_int_equal(count_of(text, ","),
			 columns * (1 + SAMPLE_CELLS * 2 * CT_PHASES_PER_BLOCK));
	/* 1000 samples do not carry p99.99, and a baseline has no rates: empty, not 0 or nan. */
	assert_null(strstr(text, "nan"));
	assert_non_null(strstr(text, "\nlocal,dram,stream,50,0,0,ok,0,baseline,none,1000000000,"
				     "1001000000,1000,0,,,100,149.95,"));
	free(text);
}

static void a_selection_narrows(void **state)
{
	const struct place *place = *state;
	struct ct_selection selection = {.victim = "dram",
					 .aggressor = "stream",
					 .config = "local",
					 .intensity = 100,
					 .role = CT_ROLE_TREATMENT};
	char *text = text_of(ct_export_csv, place, &selection);

	assert_int_equal(count_of(text, "\n"), 1 + 2 * 2);
	free(text);
	selection.victim = "nobody";
	text = text_of(ct_export_csv, place, &selection);
	assert_int_equal(count_of(text, "\n"), 1);
	free(text);
}

static void json_keeps_to_its_schema(void **state)
{
	const struct place *place = *state;
	char *text = text_of(ct_export_json, place, &everything);
	struct schema_check check = {.path = "export"};
	json_error_t where;
	json_t *value = json_loads(text, 0, &where), *cell, *effect;

	free(text);
	if (!value)
		fail_msg("%s at line %d", where.text, where.line);
	assert_int_equal(json_array_size(json_object_get(value, "phases")),
			 SAMPLE_CELLS * 2 * CT_PHASES_PER_BLOCK);
	cell = json_array_get(json_object_get(value, "cells"), 1);
	effect = json_array_get(json_object_get(cell, "quantiles"), 0);
	assert_true(fabs(json_number_value(
				 json_object_get(json_object_get(effect, "slowdown"), "value")) -
			 3) < 0.01);
	check.root = json_load_file("results-schema/export.schema.json", 0, &where);
	if (!check.root) {
		json_decref(value);
		skip(); /* not run from the root of the tree */
	}
	if (!schema_fits(&check, check.root, value))
		fail_msg("%s", check.fault);
	/* The check itself can fail. */
	json_object_set_new(cell, "load", json_string("heavy"));
	assert_false(schema_fits(&check, check.root, value));
	json_object_set_new(cell, "load", json_string("held"));
	json_object_del(cell, "used");
	assert_false(schema_fits(&check, check.root, value));
	json_decref(check.root);
	json_decref(value);
}

/* The plotter of HdrHistogram wants four numbers a line, percentiles and counts ascending. */
static void hgrm_lines_ascend_to_one(void **state)
{
	const struct place *place = *state;
	const struct ct_selection selection = {
		.aggressor = "stream", .intensity = 50, .role = CT_ROLE_BASELINE};
	char *text = text_of(ct_export_hgrm, place, &selection), *line, *rest;
	double value, level, inverse, last_value = 0, last_level = -1;
	unsigned long long count, last_count = 0;
	unsigned lines = 0;

	assert_int_equal(
		strncmp(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n", 57),
		0);
	assert_non_null(strstr(text, "#[Mean    = "));
	assert_non_null(strstr(text, "#[Max     = "));
	assert_non_null(strstr(text, "#[Unit = ns, config = local, victim = dram, aggressor = "
				     "stream, intensity = 50 %, role = baseline]"));
	line = strtok_r(text, "\n", &rest);
	while ((line = strtok_r(NULL, "\n", &rest)) && line[0] != '#') {
		int n = sscanf(line, "%lf %lf %llu %lf", &value, &level, &count, &inverse);

		assert_true(n == 4 || (n == 3 && level == 1));
		assert_true(value >= last_value && level > last_level && count >= last_count);
		if (n == 4)
			assert_true(fabs(inverse - 1 / (1 - level)) < 0.01 * inverse);
		last_value = value;
		last_level = level;
		last_count = count;
		lines++;
	}
	assert_true(last_level == 1);
	assert_int_equal(last_count, 4000); /* two blocks of two baselines of 1000 */
	assert_true(fabs(last_value - 1.01 * 199.9) < 1e-3);
	assert_true(lines > 20);
	free(text);
}

/* A histogram of 1..1000 ns, each once: the values at its percentiles are known. */
static void hgrm_values_are_the_percentiles(void **state)
{
	struct ct_hist hist;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_true(ct_hist_init(&hist, NULL));
	for (uint64_t ns = 1; ns <= 1000; ns++)
		ct_hist_add(&hist, 1000 * ns, 1);
	ct_hgrm_write(&hist, 1000, out);
	fclose(out);
	ct_hist_free(&hist);
	assert_non_null(strstr(text, " 0.500000000000        500           2.00\n"));
	assert_non_null(strstr(text, " 0.990625000000        991         106.67\n"));
	assert_non_null(strstr(text, "    1000.000 1.000000000000       1000\n"));
	free(text);
}

static void ratios_keep_four_digits(void **state)
{
	static const struct {
		double ratio;
		const char *text;
	} cases[] = {{1, "1.000"},      {1.83449, "1.834"}, {0.99871, "0.9987"},
		     {12.345, "12.35"}, {123.45, "123.5"},  {5432.1, "5432"},
		     {NAN, "-"},        {0.01234, "0.0123"}};
	char text[CT_RATIO_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(ct_format_ratio(cases[i].ratio, text), cases[i].text);
}

static void tables_align_and_stay_plain_in_a_pipe(void **state)
{
	struct ct_table *table = ct_table_new();
	struct ct_style plain = {0}, rich = {.bold = true, .unicode = true};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	ct_table_column(table, "name", false);
	ct_table_column(table, "n", true);
	ct_table_cell(table, "\xc3\xa4\xc3\xb6"); /* two letters in four bytes */
	ct_table_cell(table, "%d", 7);
	ct_table_cell(table, "longer");
	ct_table_cell(table, "%d", 1234);
	assert_true(ct_table_print(table, out, &plain));
	fflush(out);
	assert_string_equal(text, "name       n\n"
				  "------------\n"
				  "\xc3\xa4\xc3\xb6         7\n"
				  "longer  1234\n");
	rewind(out);
	assert_true(ct_table_print(table, out, &rich));
	fflush(out);
	assert_int_equal(strncmp(text, "\033[1mname", 8), 0);
	assert_non_null(strstr(text, "\u2500\u2500"));
	fclose(out);
	free(text);
	ct_table_free(table);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(csv_has_a_row_for_every_phase),
		TEST(a_selection_narrows),
		TEST(json_keeps_to_its_schema),
		TEST(hgrm_lines_ascend_to_one),
		cmocka_unit_test(hgrm_values_are_the_percentiles),
		cmocka_unit_test(ratios_keep_four_digits),
		cmocka_unit_test(tables_align_and_stay_plain_in_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
