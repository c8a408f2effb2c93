/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities as people write them: what is read, what is refused, and how values are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/core/units.h"

typedef bool whole_parser(const char *text, uint64_t *value, struct ct_error *err);
typedef bool real_parser(const char *text, double *value, struct ct_error *err);

struct whole {
	const char *text;
	uint64_t value;
};

struct real {
	const char *text;
	double value;
};

static void reads_whole(whole_parser *parse, const struct whole *cases)
{
	for (; cases->text; cases++) {
		struct ct_error err = {0};
		uint64_t value = 12345;

		if (!parse(cases->text, &value, &err))
			fail_msg("'%s' is refused: %s", cases->text, err.text);
		if (value != cases->value)
			fail_msg("'%s' is read as %llu", cases->text, (unsigned long long)value);
	}
}

static void reads_real(real_parser *parse, const struct real *cases)
{
	for (; cases->text; cases++) {
		struct ct_error err = {0};
		double value = -1;

		if (!parse(cases->text, &value, &err))
			fail_msg("'%s' is refused: %s", cases->text, err.text);
		if (value != cases->value)
			fail_msg("'%s' is read as %.17g", cases->text, value);
	}
}

/* The message of a refusal quotes what was written and shows what would be right. */
static void check_refusal(const char *text, const struct ct_error *err, const char *example)
{
	char quoted[256];

	snprintf(quoted, sizeof quoted, "'%s'", text);
	assert_int_equal(err->kind, CT_ERR_USAGE);
	if (!strstr(err->text, quoted) || !strstr(err->text, example))
		fail_msg("'%s': the message '%s' lacks the text or '%s'", text, err->text, example);
}

static void refuses_whole(whole_parser *parse, const char *example, const char *const *texts)
{
	for (; *texts; texts++) {
		struct ct_error err = {0};
		uint64_t value;

		if (parse(*texts, &value, &err))
			fail_msg("'%s' is read as %llu", *texts, (unsigned long long)value);
		check_refusal(*texts, &err, example);
	}
}

static void refuses_real(real_parser *parse, const char *example, const char *const *texts)
{
	for (; *texts; texts++) {
		struct ct_error err = {0};
		double value;

		if (parse(*texts, &value, &err))
			fail_msg("'%s' is read as %g", *texts, value);
		check_refusal(*texts, &err, example);
	}
}

static void sizes_are_powers_of_1024(void **state)
{
	(void)state;
	static const struct whole cases[] = {{"0", 0},
					     {"64", 64},
					     {"64B", 64},
					     {"4K", 4096},
					     {"4k", 4096},
					     {"4KB", 4096},
					     {"4KiB", 4096},
					     {"64M", 67108864},
					     {"64 MiB", 67108864},
					     {"64m", 67108864},
					     {"1.5G", 1610612736},
					     {"1.50G", 1610612736},
					     {"0.5K", 512},
					     {"2T", UINT64_C(2199023255552)},
					     {"007", 7},
					     {"9223372036854775807", INT64_MAX},
					     {NULL, 0}};

	reads_whole(ct_parse_size, cases);
}

static void sizes_refuse_what_is_no_size(void **state)
{
	(void)state;
	static const char *const texts[] = {"",
					    " ",
					    "M",
					    "64Q",
					    "64MM",
					    "64M ",
					    " 64M",
					    "64 ",
					    "-1",
					    "-64M",
					    "+64M",
					    "0x40",
					    "1e6",
					    "1E6B",
					    "nan",
					    "inf",
					    "1.M",
					    ".5M",
					    "1..5M",
					    "1.5.5M",
					    "1,5M",
					    "64Mbit",
					    "0.3K",
					    "0.5",
					    "9223372036854775808",
					    "18446744073709551616",
					    "8388608T",
					    "99999999999999999999999999999999999999999999M",
					    "1.0000000000000000000000000001G",
					    NULL};

	refuses_whole(ct_parse_size, "64M", texts);
}

static void times_need_their_unit(void **state)
{
	(void)state;
	static const struct whole cases[] = {{"0s", 0},
					     {"1ns", 1},
					     {"1us", 1000},
					     {"300ms", 300000000},
					     {"300 ms", 300000000},
					     {"0.3us", 300},
					     {"0.1s", 100000000},
					     {"1.5s", 1500000000},
					     {"10m", UINT64_C(600000000000)},
					     {"2h", UINT64_C(7200000000000)},
					     {"1d", UINT64_C(86400000000000)},
					     {"1000000ns", 1000000},
					     {"90000000000001ns", UINT64_C(90000000000001)},
					     {"9223372036854775807ns", INT64_MAX},
					     {NULL, 0}};
	static const char *const texts[] = {
		"",      "0",        "5",    "5 ",      "-5s",  "5S",   "5sec",    "5 min",
		"1.5ns", "0.0001us", "1e3s", "300000d", "infs", "5s5s", "106752d", NULL};

	reads_whole(ct_parse_time, cases);
	refuses_whole(ct_parse_time, "300ms", texts);
}

static void bit_rates_are_decimal(void **state)
{
	(void)state;
	static const struct real cases[] = {{"0bit/s", 0},        {"1bit/s", 1},
					    {"10Gbit/s", 10e9},   {"10 Gbit/s", 10e9},
					    {"2.5Gbit/s", 2.5e9}, {"100kbit/s", 100e3},
					    {"1Tbit/s", 1e12},    {"1B/s", 8},
					    {"1.25GB/s", 10e9},   {NULL, 0}};
	/* "Gb/s" may mean bits or bytes; it must not silently become either. */
	static const char *const texts[] = {"",        "10",     "10G",      "10Gb/s",   "10Gbps",
					    "-1bit/s", "10gB/s", "1e9bit/s", "nanbit/s", NULL};

	reads_real(ct_parse_bitrate, cases);
	refuses_real(ct_parse_bitrate, "10Gbit/s", texts);
}

static void frequencies_tell_mega_from_milli(void **state)
{
	(void)state;
	static const struct real cases[] = {{"0", 0},         {"0Hz", 0},        {"1Hz", 1},
					    {"0.25Hz", 0.25}, {"10kHz", 10e3},   {"10KHz", 10e3},
					    {"1000Hz", 1000}, {"1.5MHz", 1.5e6}, {"2GHz", 2e9},
					    {"500/s", 500},   {"1 kHz", 1000},   {NULL, 0}};
	static const char *const texts[] = {"",      "1",     "00",  "10k",  "1mHz",  "-1Hz",
					    "1e3Hz", "infHz", "nan", "1Hz ", "1HzHz", NULL};

	reads_real(ct_parse_frequency, cases);
	refuses_real(ct_parse_frequency, "10kHz", texts);
}

static void percentages_need_their_sign(void **state)
{
	(void)state;
	static const struct real cases[] = {{"0%", 0},     {"50%", 50},   {"50 %", 50},
					    {"0.1%", 0.1}, {"150%", 150}, {"33.25%", 33.25},
					    {NULL, 0}};
	static const char *const texts[] = {"", "50", "%", "50%%", "-5%", "0x5%", "5%x", NULL};

	reads_real(ct_parse_percent, cases);
	refuses_real(ct_parse_percent, "50%", texts);
}

static void shares_are_percentages_or_fractions(void **state)
{
	(void)state;
	static const struct real cases[] = {{"95%", 0.95}, {"0.95", 0.95}, {"3%", 0.03},
					    {"0", 0},      {"100%", 1},    {NULL, 0}};
	static const char *const texts[] = {"",    "%",   "95",   "-1%", "1.1",
					    "5 %", "nan", "95%%", "x",   NULL};

	reads_real(ct_parse_share, cases);
	refuses_real(ct_parse_share, "95%", texts);
}

static void counts_are_bare_integers(void **state)
{
	(void)state;
	static const struct whole cases[] = {
		{"0", 0}, {"8", 8}, {"9223372036854775807", INT64_MAX}, {NULL, 0}};
	static const char *const texts[] = {
		"", "-1", "+1", "1.0", "1e3", "8 ", "0x8", "eight", "9223372036854775808", NULL};

	reads_whole(ct_parse_count, cases);
	refuses_whole(ct_parse_count, "8", texts);
}

static void booleans_are_words(void **state)
{
	(void)state;
	static const char *const yes[] = {"yes", "true", "on", "1", "YES", "On"};
	static const char *const no[] = {"no", "false", "off", "0", "No", "FALSE"};
	static const char *const neither[] = {"", "y", "2", "yes ", "maybe", "onoff"};
	struct ct_error err = {0};

	for (size_t i = 0; i < 6; i++) {
		bool value = false;

		assert_true(ct_parse_bool(yes[i], &value, &err) && value);
		assert_true(ct_parse_bool(no[i], &value, &err) && !value);
		assert_false(ct_parse_bool(neither[i], &value, &err));
		check_refusal(neither[i], &err, "yes");
	}
}

static void a_refusal_leaves_the_value_alone(void **state)
{
	(void)state;
	uint64_t whole = 7;
	double real = 7;
	bool flag = true;

	assert_false(ct_parse_size("7Q", &whole, NULL));
	assert_false(ct_parse_size("0.3K", &whole, NULL));
	assert_false(ct_parse_time("7", &whole, NULL));
	assert_false(ct_parse_percent("8", &real, NULL));
	assert_false(ct_parse_bool("8", &flag, NULL));
	assert_int_equal(whole, 7);
	assert_true(real == 7 && flag);
}

static void prints_three_significant_digits(void **state)
{
	(void)state;
	static const struct {
		double value;
		const char *text;
	} times[] = {{0, "0 ns"},        {0.5, "0.50 ns"},   {1.234, "1.23 ns"}, {9.994, "9.99 ns"},
		     {9.996, "10.0 ns"}, {99.96, "100 ns"},  {999.4, "999 ns"},  {999.6, "1.00 us"},
		     {1240, "1.24 us"},  {50e6, "50.0 ms"},  {1e9, "1.00 s"},    {3600e9, "3600 s"},
		     {1e18, "1e+09 s"},  {-1240, "-1.24 us"}};
	char out[CT_UNIT_TEXT];

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
		assert_string_equal(ct_format_ns(times[i].value, out), times[i].text);
	assert_string_equal(ct_format_ns(0.0 / 0.0, out), "-");
	assert_string_equal(ct_format_ns(1.0 / 0.0, out), "-");
}

static void prints_sizes_and_rates(void **state)
{
	(void)state;
	char out[CT_UNIT_TEXT];

	assert_string_equal(ct_format_size(0, out), "0 B");
	assert_string_equal(ct_format_size(67108864, out), "64 MiB");
	assert_string_equal(ct_format_size(1536, out), "1.50 KiB");
	assert_string_equal(ct_format_size(1000, out), "1000 B");
	assert_string_equal(ct_format_size(0x1p50, out), "1024 TiB");
	assert_string_equal(ct_format_rate(11.3e9, "B", out), "11.3 GB/s");
	assert_string_equal(ct_format_rate(950, "op", out), "950 op/s");
	assert_string_equal(ct_format_rate(2e6, "packet", out), "2.00 Mpacket/s");
	assert_string_equal(ct_format_rate(1e3, "transaction!", out), "1.00 ktransaction!/s");
	assert_string_equal(ct_format_rate(0.0 / 0.0, "B", out), "-");
}

static const char *nearest(const char *word)
{
	static const char *const names[] = {"working_set", "mem_latency", "replicates", "cpus",
					    "via",         "membw",       "victim"};

	return ct_nearest(word, names, sizeof names / sizeof names[0]);
}

static void a_slip_finds_its_name(void **state)
{
	(void)state;
	assert_string_equal(nearest("workingset"), "working_set");
	assert_string_equal(nearest("wroking_sett"), "working_set");
	assert_string_equal(nearest("WORKING_SET"), "working_set");
	assert_string_equal(nearest("mem_latenci"), "mem_latency");
	assert_string_equal(nearest("cpu"), "cpus");
	assert_string_equal(nearest("cpsu"), "cpus"); /* two neighbours swapped: one slip */
	assert_string_equal(nearest("VAI"), "via");
	assert_string_equal(nearest("victims"), "victim");
	assert_string_equal(nearest("membw"), "membw");
}

static void another_word_finds_nothing(void **state)
{
	(void)state;
	char long_word[200];

	memset(long_word, 'x', sizeof long_word);
	long_word[sizeof long_word - 1] = '\0';
	assert_null(nearest(""));
	assert_null(nearest("x"));
	assert_null(nearest("ipi"));
	assert_null(nearest("gpu_fire"));
	assert_null(nearest("xyzzyxyzzy"));
	assert_null(nearest(long_word));
	assert_null(ct_nearest("cpus", NULL, 0));
}

static void the_nearest_of_several_wins(void **state)
{
	(void)state;
	static const char *const names[] = {"victims", "victim_a", "victim_b"};

	assert_string_equal(ct_nearest("victim_b", names, 3), "victim_b");
	assert_string_equal(ct_nearest("victim_bb", names, 3), "victim_b");
	assert_string_equal(ct_nearest("victimz", names, 3), "victims");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(sizes_refuse_what_is_no_size),
		cmocka_unit_test(times_need_their_unit),
		cmocka_unit_test(bit_rates_are_decimal),
		cmocka_unit_test(frequencies_tell_mega_from_milli),
		cmocka_unit_test(percentages_need_their_sign),
		cmocka_unit_test(shares_are_percentages_or_fractions),
		cmocka_unit_test(counts_are_bare_integers),
		cmocka_unit_test(booleans_are_words),
		cmocka_unit_test(a_refusal_leaves_the_value_alone),
		cmocka_unit_test(prints_three_significant_digits),
		cmocka_unit_test(prints_sizes_and_rates),
		cmocka_unit_test(a_slip_finds_its_name),
		cmocka_unit_test(another_word_finds_nothing),
		cmocka_unit_test(the_nearest_of_several_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
