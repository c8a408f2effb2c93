/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* What the kernel counts of the whole machine: its texts read into numbers, and the real ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/tenant/source_host.h"
#include "harness/tenant/sources.h"

/* No counter has this value: who finds it was not written to. */
static const double untouched = -1;

static void clear(double *values)
{
	for (size_t i = 0; i < CT_HOST_COUNTERS; i++)
		values[i] = untouched;
}

static void parse(const char *stat, const char *vmstat, double *values)
{
	clear(values);
	ct_host_parse_stat(stat, 100, values);
	ct_host_parse_vmstat(vmstat, values);
}

static void all_are_nan(const double *values)
{
	for (size_t i = 0; i < CT_HOST_COUNTERS; i++) {
		if (!isnan(values[i]))
			fail_msg("counter %zu is %g", i, values[i]);
	}
}

static const char typical_stat[] = "cpu  1000 200 300 99999 77777 40 50 66666 900 80\n"
				   "cpu0 1000 200 300 99999 77777 40 50 66666 900 80\n"
				   "intr 51593645 0 0 12 0 7 99\n"
				   "ctxt 217611610\n"
				   "btime 1795689492\n"
				   "processes 772418\n"
				   "procs_running 3\n"
				   "procs_blocked 0\n"
				   "softirq 59608779 1 2 3 46539986 948444 6 7 8 9 10\n";
static const char typical_vmstat[] = "nr_free_pages 4711\n"
				     "pgpgin 3000\n"
				     "pgpgout 500\n"
				     "pgpgoutrun 88888\n"
				     "pgalloc_dma 1\n"
				     "pgalloc_dma32 20\n"
				     "pgalloc_normal 300\n"
				     "pgalloc_movable 4000\n"
				     "pgallocated 99999\n"
				     "allocstall_normal 99999\n"
				     "pgfault 123456\n"
				     "pgmajfault 99999\n";

static void typical_texts_are_read(void **state)
{
	double values[CT_HOST_COUNTERS];

	(void)state;
	parse(typical_stat, typical_vmstat, values);
	assert_true(fabs(values[CT_HOST_BUSY] - 15.9) < 1e-9);
	assert_true(values[CT_HOST_FORKS] == 772418);
	assert_true(values[CT_HOST_SWITCHES] == 217611610);
	assert_true(values[CT_HOST_INTERRUPTS] == 51593645);
	assert_true(values[CT_HOST_SOFTIRQS_NET] == 46539986);
	assert_true(values[CT_HOST_SOFTIRQS_BLOCK] == 948444);
	assert_true(values[CT_HOST_PAGE_FAULTS] == 123456);
	assert_true(values[CT_HOST_PAGES_ALLOCATED] == 4321);
	assert_true(values[CT_HOST_DISK] == 3500 * 1024.0);
}

static void each_file_leaves_the_counters_of_the_other_alone(void **state)
{
	double values[CT_HOST_COUNTERS];

	(void)state;
	clear(values);
	ct_host_parse_stat(typical_stat, 100, values);
	for (size_t i = CT_HOST_PAGE_FAULTS; i < CT_HOST_COUNTERS; i++)
		assert_true(values[i] == untouched);
	clear(values);
	ct_host_parse_vmstat(typical_vmstat, values);
	for (size_t i = 0; i < CT_HOST_PAGE_FAULTS; i++)
		assert_true(values[i] == untouched);
}

static void what_is_missing_is_nan_and_the_rest_is_read(void **state)
{
	double values[CT_HOST_COUNTERS];

	(void)state;
	/* A kernel of old has short lines, and /proc/vmstat without zones or half of the disk. */
	parse("cpu 1 2 3 4\nctxt 5\nsoftirq 9 1 2 3 44", "pgfault 6\npgpgin 7\n", values);
	assert_true(isnan(values[CT_HOST_BUSY]));
	assert_true(isnan(values[CT_HOST_FORKS]));
	assert_true(values[CT_HOST_SWITCHES] == 5);
	assert_true(isnan(values[CT_HOST_INTERRUPTS]));
	assert_true(values[CT_HOST_SOFTIRQS_NET] == 44);
	assert_true(isnan(values[CT_HOST_SOFTIRQS_BLOCK]));
	assert_true(values[CT_HOST_PAGE_FAULTS] == 6);
	assert_true(isnan(values[CT_HOST_PAGES_ALLOCATED]));
	assert_true(isnan(values[CT_HOST_DISK]));
}

static void nothing_and_garbage_are_nan(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n\n",
		"cpu",
		"cpu0 1 2 3 4 5 6 7\ncpuset 1 2 3 4 5 6 7\n",
		" ctxt 1\n ctxt 1\nxctxt 1\nctxt\t1\nctxt: 1\n",
		"intr\n12\nctxt\n34\nprocesses \n56\npgfault \n78\npgalloc_\n1\n",
		"ctxt -1\nprocesses +1\nintr 0x10\npgfault 1.5\npgpgin 1e3\npgpgout 1\n",
		"pgalloc_normal many\npgalloc_dma 1\n",
		"\x01\xff\xfe softirq \x80\nsoftirq 1 2 x 4 5 6\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		double values[CT_HOST_COUNTERS];

		parse(texts[i], texts[i], values);
		all_are_nan(values);
	}
}

static void numbers_have_64_bits_and_no_more(void **state)
{
	double values[CT_HOST_COUNTERS];

	(void)state;
	parse("ctxt 18446744073709551615\n", "pgfault 18446744073709551615\n", values);
	assert_true(values[CT_HOST_SWITCHES] == 0x1p64);
	assert_true(values[CT_HOST_PAGE_FAULTS] == 0x1p64);
	parse("cpu 1 2 3 4 5 6 99999999999999999999999999\n"
	      "intr 18446744073709551616\nctxt 184467440737095516150\n"
	      "processes 99999999999999999999\nsoftirq 18446744073709551616 1 2 3 4 5\n",
	      "pgfault 18446744073709551616\npgalloc_dma 1\n"
	      "pgalloc_normal 18446744073709551616\npgpgin 1\npgpgout 18446744073709551616\n",
	      values);
	all_are_nan(values);
}

static bool open_real(void **source, const struct ct_counter **table)
{
	const struct ct_worker worker = {.host_counters = true};

	return ct_source_host.open(&worker, NULL, source, table);
}

static void it_is_opened_only_where_it_was_asked_for(void **state)
{
	const struct ct_worker worker = {.host_counters = false};
	const struct ct_counter *table;
	void *source;

	(void)state;
	assert_false(ct_source_host.open(&worker, NULL, &source, &table));
}

static void the_table_has_a_row_for_every_counter(void **state)
{
	const struct ct_counter *table;
	void *source;
	size_t n = 0;

	(void)state;
	if (!open_real(&source, &table))
		skip();
	for (; table[n].name; n++)
		assert_int_equal(table[n].kind, CT_COUNTER_TOTAL);
	assert_int_equal(n, CT_HOST_COUNTERS);
	assert_string_equal(table[CT_HOST_BUSY].name, "busy");
	assert_string_equal(table[CT_HOST_DISK].name, "disk");
	ct_source_host.close(source);
}

static void fork_children(int n)
{
	for (int i = 0; i < n; i++) {
		const pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0)
			_exit(0);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
}

static void touch_fresh_pages(size_t n)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory =
		mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	/* One fault a page. A kernel that refuses has no huge pages. */
	(void)madvise(memory, n * page, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < n; i++)
		((volatile char *)memory)[i * page] = 1;
	munmap(memory, n * page);
}

static void the_real_ones_rise_by_what_this_test_does(void **state)
{
	enum { FORKS = 10, PAGES = 500 };
	double before[CT_HOST_COUNTERS], after[CT_HOST_COUNTERS];
	const struct ct_counter *table;
	void *source;

	(void)state;
	if (!open_real(&source, &table))
		skip();
	ct_source_host.read(source, before);
	fork_children(FORKS);
	touch_fresh_pages(PAGES);
	ct_source_host.read(source, after);
	ct_source_host.close(source);
	for (size_t i = 0; i < CT_HOST_COUNTERS; i++)
		assert_false(after[i] < before[i]);
	assert_true(after[CT_HOST_FORKS] - before[CT_HOST_FORKS] >= FORKS);
	/* A sandbox may hide /proc/vmstat. */
	if (isnan(before[CT_HOST_PAGE_FAULTS]))
		skip();
	assert_true(after[CT_HOST_PAGE_FAULTS] - before[CT_HOST_PAGE_FAULTS] >= PAGES);
	assert_true(after[CT_HOST_PAGES_ALLOCATED] - before[CT_HOST_PAGES_ALLOCATED] >= PAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typical_texts_are_read),
		cmocka_unit_test(each_file_leaves_the_counters_of_the_other_alone),
		cmocka_unit_test(what_is_missing_is_nan_and_the_rest_is_read),
		cmocka_unit_test(nothing_and_garbage_are_nan),
		cmocka_unit_test(numbers_have_64_bits_and_no_more),
		cmocka_unit_test(it_is_opened_only_where_it_was_asked_for),
		cmocka_unit_test(the_table_has_a_row_for_every_counter),
		cmocka_unit_test(the_real_ones_rise_by_what_this_test_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
