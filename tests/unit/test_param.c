/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter tables: defaults, ranges, messages, and the way there and back as text and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/core/param.h"
#include "harness/core/rng.h"

struct options {
	uint64_t loops, working_set, period;
	double link, rate, share;
	bool huge;
	int mode;
	char *path;
};

static const char *const modes[] = {"read", "write", "copy", NULL};

static const struct ct_param table[] = {{.name = "loops",
					 .type = CT_PARAM_COUNT,
					 .offset = offsetof(struct options, loops),
					 .fallback = "16",
					 .min = "1",
					 .help = "rounds"},
					{.name = "working_set",
					 .type = CT_PARAM_SIZE,
					 .offset = offsetof(struct options, working_set),
					 .fallback = "64M",
					 .min = "4K",
					 .max = "64G",
					 .help = "bytes that are walked"},
					{.name = "period",
					 .type = CT_PARAM_TIME,
					 .offset = offsetof(struct options, period),
					 .fallback = "200us",
					 .min = "1us",
					 .max = "1s",
					 .help = "time between two"},
					{.name = "link",
					 .type = CT_PARAM_BITRATE,
					 .offset = offsetof(struct options, link),
					 .fallback = "10Gbit/s",
					 .help = "speed"},
					{.name = "rate",
					 .type = CT_PARAM_FREQUENCY,
					 .offset = offsetof(struct options, rate),
					 .fallback = "0",
					 .min = "0",
					 .max = "100MHz",
					 .help = "operations a second"},
					{.name = "share",
					 .type = CT_PARAM_PERCENT,
					 .offset = offsetof(struct options, share),
					 .fallback = "50%",
					 .max = "100%",
					 .help = "part"},
					{.name = "huge",
					 .type = CT_PARAM_BOOL,
					 .offset = offsetof(struct options, huge),
					 .fallback = "no",
					 .help = "huge pages"},
					{.name = "mode",
					 .type = CT_PARAM_CHOICE,
					 .offset = offsetof(struct options, mode),
					 .fallback = "write",
					 .choices = modes,
					 .help = "what is done"},
					{.name = "path",
					 .type = CT_PARAM_TEXT,
					 .offset = offsetof(struct options, path),
					 .fallback = "/tmp",
					 .help = "where"},
					{0}};

static int make_options(void **state)
{
	struct options *options = malloc(sizeof *options);

	if (!options)
		return -1;
	memset(options, 0xa5, sizeof *options);
	ct_params_init(table, options);
	*state = options;
	return 0;
}

static int free_options(void **state)
{
	ct_params_free(table, *state);
	free(*state);
	return 0;
}

static bool set(struct options *options, const char *name, const char *value, struct ct_error *err)
{
	const struct ct_param *param = ct_param_find(table, name);

	assert_non_null(param);
	return ct_param_set(param, options, value, err);
}

static void every_parameter_starts_at_its_default(void **state)
{
	const struct options *options = *state;

	assert_int_equal(options->loops, 16);
	assert_int_equal(options->working_set, 64 << 20);
	assert_int_equal(options->period, 200000);
	assert_true(options->link == 10e9);
	assert_true(options->rate == 0);
	assert_true(options->share == 50);
	assert_false(options->huge);
	assert_int_equal(options->mode, 1);
	assert_string_equal(options->path, "/tmp");
}

static void every_type_takes_a_value(void **state)
{
	struct options *options = *state;
	struct ct_error err = {0};

	assert_true(set(options, "loops", "3", &err));
	assert_true(set(options, "working_set", "67108864B", &err));
	assert_true(set(options, "period", "1000000ns", &err));
	assert_true(set(options, "link", "1000bit/s", &err));
	assert_true(set(options, "rate", "1000Hz", &err));
	assert_true(set(options, "share", "12.5%", &err));
	assert_true(set(options, "huge", "yes", &err));
	assert_true(set(options, "mode", "copy", &err));
	assert_true(set(options, "path", "", &err));
	assert_int_equal(options->loops, 3);
	assert_int_equal(options->working_set, 67108864);
	assert_int_equal(options->period, 1000000);
	assert_true(options->link == 1000 && options->rate == 1000 && options->share == 12.5);
	assert_true(options->huge);
	assert_int_equal(options->mode, 2);
	assert_string_equal(options->path, "");
}

static void bounds_belong_to_the_range(void **state)
{
	struct options *options = *state;
	struct ct_error err = {0};

	assert_true(set(options, "working_set", "4K", &err));
	assert_true(set(options, "working_set", "64G", &err));
	assert_false(set(options, "working_set", "4095", &err));
	assert_false(set(options, "working_set", "68719476737", &err));
	assert_true(set(options, "share", "100%", &err));
	assert_false(set(options, "share", "100.5%", &err));
	assert_false(set(options, "loops", "0", &err));
}

static void refused(struct options *options, const char *name, const char *value,
		    const char *const *parts)
{
	struct ct_error err = {0};

	if (set(options, name, value, &err))
		fail_msg("%s = %s is accepted", name, value);
	assert_int_equal(err.kind, CT_ERR_USAGE);
	for (; *parts; parts++) {
		if (!strstr(err.text, *parts))
			fail_msg("'%s' lacks '%s'", err.text, *parts);
	}
}

#define REFUSED(name, value, ...) \
	refused(*state, name, value, (const char *const[]){__VA_ARGS__, NULL})

static void a_refusal_names_key_value_and_range(void **state)
{
	REFUSED("working_set", "12Q", "working_set = 12Q", "'12Q'", "64M", "4K to 64G");
	REFUSED("working_set", "1T", "working_set = 1T", "out of range", "4K to 64G");
	REFUSED("loops", "0", "loops = 0", "1 or more");
	REFUSED("share", "101%", "share = 101%", "at most 100%");
	REFUSED("share", "-1%", "share = -1%", "50%");
	REFUSED("period", "5", "period = 5", "300ms", "1us to 1s");
	REFUSED("link", "fast", "link = fast", "10Gbit/s");
	REFUSED("huge", "maybe", "huge = maybe", "yes");
	REFUSED("mode", "wriet", "mode = wriet", "read, write, copy", "did you mean 'write'");
	REFUSED("mode", "", "mode = ", "read, write, copy");
}

static void a_refusal_changes_nothing(void **state)
{
	struct options *options = *state;
	struct ct_error err = {0};

	set(options, "working_set", "1T", &err);
	set(options, "mode", "fly", &err);
	set(options, "share", "101%", &err);
	every_parameter_starts_at_its_default(state);
}

/* What ct_param_get writes is how a value travels to a worker: not a bit may be lost on the way. */
static void values_survive_the_way_there_and_back(void **state)
{
	struct options *options = *state, copy;
	struct ct_rng rng;
	struct ct_error err = {0};

	ct_rng_seed(&rng, 4);
	ct_params_init(table, &copy);
	for (int i = 0; i < 2000; i++) {
		options->loops = 1 + ct_rng_next(&rng) / 2;
		options->working_set = 4096 + ct_rng_below(&rng, UINT64_C(64) << 30);
		options->period = 1000 + ct_rng_below(&rng, 999999000);
		options->link = 1e15 * ct_rng_uniform(&rng);
		options->rate = 1e8 * ct_rng_uniform(&rng) * ct_rng_uniform(&rng);
		options->share = 100 * ct_rng_uniform(&rng);
		if (i == 0)
			options->rate = 1e-7;
		if (options->working_set > UINT64_C(64) << 30)
			options->working_set = UINT64_C(64) << 30;
		for (const struct ct_param *param = table; param->name; param++) {
			char *text = ct_param_get(param, options);

			assert_non_null(text);
			if (!ct_param_set(param, &copy, text, &err))
				fail_msg("%s", err.text);
			free(text);
		}
		assert_int_equal(copy.loops, options->loops);
		assert_int_equal(copy.working_set, options->working_set);
		assert_int_equal(copy.period, options->period);
		assert_true(copy.link == options->link);
		assert_true(copy.rate == options->rate);
		assert_true(copy.share == options->share);
	}
	ct_params_free(table, &copy);
}

static void values_are_written_in_base_units(void **state)
{
	static const char *const expected[] = {"16",  "67108864B", "200000ns", "10000000000bit/s",
					       "0Hz", "50%",       "no",       "write",
					       "/tmp"};

	for (size_t i = 0; table[i].name; i++) {
		char *text = ct_param_get(&table[i], *state);

		assert_string_equal(text, expected[i]);
		free(text);
	}
}

static const json_t *described(const json_t *list, const char *name)
{
	const json_t *param;
	size_t i;

	json_array_foreach(list, i, param)
	{
		if (strcmp(json_string_value(json_object_get(param, "name")), name) == 0)
			return param;
	}
	fail_msg("%s is not described", name);
	return NULL;
}

static void listings_give_numbers_in_the_unit(void **state)
{
	(void)state;
	json_t *list = ct_params_describe(table);
	const json_t *size = described(list, "working_set"), *share = described(list, "share");
	const json_t *mode = described(list, "mode");

	assert_int_equal(json_array_size(list), 9);
	assert_string_equal(json_string_value(json_object_get(size, "unit")), "B");
	assert_int_equal(json_integer_value(json_object_get(size, "default")), 67108864);
	assert_int_equal(json_integer_value(json_object_get(size, "min")), 4096);
	assert_int_equal(json_integer_value(json_object_get(size, "max")), 68719476736);
	assert_string_equal(json_string_value(json_object_get(size, "help")),
			    "bytes that are walked");
	assert_string_equal(json_string_value(json_object_get(share, "unit")), "%");
	assert_true(json_number_value(json_object_get(share, "default")) == 50);
	assert_true(json_is_null(json_object_get(share, "min")));
	assert_true(json_is_false(json_object_get(described(list, "huge"), "default")));
	assert_string_equal(json_string_value(json_object_get(mode, "default")), "write");
	assert_int_equal(json_array_size(json_object_get(mode, "choices")), 3);
	assert_string_equal(json_string_value(json_object_get(described(list, "path"), "default")),
			    "/tmp");
	json_decref(list);
}

static void results_keep_every_value(void **state)
{
	json_t *values = ct_params_values(table, *state);

	assert_int_equal(json_object_size(values), 9);
	assert_string_equal(json_string_value(json_object_get(values, "period")), "200000ns");
	assert_string_equal(json_string_value(json_object_get(values, "mode")), "write");
	json_decref(values);
}

static void an_empty_table_is_a_table(void **state)
{
	(void)state;
	static const struct ct_param none[] = {{0}};
	json_t *list = ct_params_describe(NULL);

	ct_params_init(none, NULL);
	ct_params_init(NULL, NULL);
	ct_params_free(NULL, NULL);
	assert_null(ct_param_find(none, "x"));
	assert_null(ct_param_find(NULL, "x"));
	assert_null(ct_param_find(table, "working"));
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

int main(void)
{
#define WITH_OPTIONS(test) cmocka_unit_test_setup_teardown(test, make_options, free_options)
	const struct CMUnitTest tests[] = {
		WITH_OPTIONS(every_parameter_starts_at_its_default),
		WITH_OPTIONS(every_type_takes_a_value),
		WITH_OPTIONS(bounds_belong_to_the_range),
		WITH_OPTIONS(a_refusal_names_key_value_and_range),
		WITH_OPTIONS(a_refusal_changes_nothing),
		WITH_OPTIONS(values_survive_the_way_there_and_back),
		WITH_OPTIONS(values_are_written_in_base_units),
		WITH_OPTIONS(listings_give_numbers_in_the_unit),
		WITH_OPTIONS(results_keep_every_value),
		cmocka_unit_test(an_empty_table_is_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
