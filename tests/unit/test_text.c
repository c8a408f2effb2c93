/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Texts of others: what is printed of them is UTF-8 without control characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "harness/core/error.h"
#include "harness/core/text.h"

static void controls_become_spaces_and_no_utf8_question_marks(void **state)
{
	(void)state;
	char text[] = "a\033[31mb\n\xff\xc3\xa4\xe2\x82\xac\xc2\x9b\xed\xa0\x80";

	ct_text_clean(text);
	assert_string_equal(text, "a [31mb ?\xc3\xa4\xe2\x82\xac?\?\?\?\?");
}

static void a_character_that_was_cut_becomes_question_marks(void **state)
{
	(void)state;
	char text[] = "a \xe2\x82";

	ct_text_clean(text);
	assert_string_equal(text, "a ?\?");
}

static void what_is_printed_is_cut_and_cleaned(void **state)
{
	(void)state;
	char text[6];

	assert_ptr_equal(ct_text_print(text, sizeof text, "%s%d", "a\xe2\x82\xac", 10), text);
	assert_string_equal(text, "a\xe2\x82\xac"
				  "1");
	assert_string_equal(ct_text_print(text, sizeof text, "%s", "abc\xe2\x82\xac"), "abc?\?");
	assert_string_equal(ct_text_print(text, sizeof text, "\033%s", "\n"), "  ");
}

static void lines_stay_lines(void **state)
{
	(void)state;
	char text[] = "one\n\ttwo\r\x7f\033c\n";

	ct_lines_clean(text);
	assert_string_equal(text, "one\n\ttwo   c\n");
}

/* Every character that an escape can stand for, decoded by whoever reads the JSON. */
static void what_json_decodes_to_is_as_safe(void **state)
{
	(void)state;
	for (unsigned code = 1; code < 0x100; code++) {
		const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
		char text[64];
		json_t *json;
		const char *value;

		snprintf(text, sizeof text, "[\"<\\u%04x>\"]", code);
		ct_json_text_clean(text);
		json = json_loads(text, 0, NULL);
		value = json_string_value(json_array_get(json, 0));
		assert_non_null(value);
		if (control)
			assert_string_equal(value, "<      >");
		else
			assert_string_not_equal(value, "<      >");
		json_decref(json);
	}
}

static void short_escapes_go_and_those_of_quotes_stay(void **state)
{
	(void)state;
	char text[] = "{\"a\\n\\b\": \"\\\\n \\\\\\t \\\" \\/ \\u00e9 \\U001b \\ud83d\\ude00\"}";

	ct_json_text_clean(text);
	assert_string_equal(text, "{\"a    \": \"\\\\n \\\\   \\\" \\/ \\u00e9 \\U001b "
				  "\\ud83d\\ude00\"}");
}

/* JSON that is none is left to its reader, and nothing beyond its end is touched. */
static void broken_escapes_end_with_the_text(void **state)
{
	static const char *const broken[] = {"\\", "\\u", "\\u0", "\\u00", "\\u001", "x\\u001g"};

	(void)state;
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		char *text = strdup(broken[i]);

		ct_json_text_clean(text);
		assert_string_equal(text, broken[i]);
		free(text);
	}
}

static void a_message_is_one_line_of_utf8_however_it_is_cut(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 2; shift++) {
		struct ct_error err = {0};
		char name[2 * sizeof err.text];
		json_t *json;

		memset(name, 'x', sizeof name);
		for (size_t i = shift; i + 1 < sizeof name; i += 2)
			memcpy(name + i, "\xc3\xa9", 2);
		name[sizeof name - 2] = name[sizeof name - 1] = '\0';
		ct_usage(&err, "%s", name);
		json = json_string(err.text);
		assert_non_null(json);
		json_decref(json);
		ct_usage(&err, "line\n\033[2J");
		ct_error_in(&err, "%s", name + 1);
		json = json_string(err.text);
		assert_non_null(json);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controls_become_spaces_and_no_utf8_question_marks),
		cmocka_unit_test(a_character_that_was_cut_becomes_question_marks),
		cmocka_unit_test(what_is_printed_is_cut_and_cleaned),
		cmocka_unit_test(lines_stay_lines),
		cmocka_unit_test(what_json_decodes_to_is_as_safe),
		cmocka_unit_test(short_escapes_go_and_those_of_quotes_stay),
		cmocka_unit_test(broken_escapes_end_with_the_text),
		cmocka_unit_test(a_message_is_one_line_of_utf8_however_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
