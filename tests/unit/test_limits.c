/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What limits write, on recorded control groups of version 2 and a recorded resctrl: their files
 * are there before, and what stands in them afterwards is what the kernel would have been told.
 * The real thing, of whichever version this machine has, is in tests/cli/test_tenants.py.
 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/tenant/limits.h"

static char root[64];

static void write_file(const char *path, const char *text)
{
	char full[256];
	FILE *file;

	snprintf(full, sizeof full, "%s/%s", root, path);
	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void assert_file(const char *path, const char *text)
{
	char full[256], have[256] = "";
	FILE *file;

	snprintf(full, sizeof full, "%s/%s", root, path);
	file = fopen(full, "r");
	assert_non_null(file);
	have[fread(have, 1, sizeof have - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(have, text);
}

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/cotenant-limits-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A service of a user, in a slice whose parent passes cpu and memory on; io is not passed on. */
static void make_version_2(void)
{
	write_file("proc/self/cgroup", "0::/user.slice/app.service\n");
	write_file("proc/self/mountinfo",
		   "30 24 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n");
	write_file("sys/fs/cgroup/cgroup.subtree_control", "cpu memory cpuset\n");
	write_file("sys/fs/cgroup/user.slice/cgroup.subtree_control", "cpu memory\n");
	write_file("sys/fs/cgroup/user.slice/app.service/cgroup.subtree_control", "");
	write_file("sys/fs/cgroup/user.slice/cotenant-t-v/cpu.max", "");
	write_file("sys/fs/cgroup/user.slice/cotenant-t-v/cpu.weight", "");
	write_file("sys/fs/cgroup/user.slice/cotenant-t-v/memory.max", "");
	write_file("sys/fs/cgroup/user.slice/cotenant-t-v/cgroup.procs", "");
}

/* In a child, since limits hold for a process as a whole. Returns whether they were taken. */
static bool apply(const char *const words[][2], char message[512])
{
	const struct ct_probe_source source = {.root = root};
	struct ct_limits limits = {0};
	struct ct_place place;
	struct ct_error err = {0};
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		bool good = ct_place_init(&place, &err);

		ct_params_init(ct_limit_params, &limits);
		for (; good && (*words)[0]; words++)
			good = ct_param_set(ct_param_find(ct_limit_params, (*words)[0]), &limits,
					    (*words)[1], &err);
		hwloc_bitmap_set(place.cpus, 3);
		hwloc_bitmap_set(place.nodes, 1);
		good = good && ct_limits_apply(&limits, &place, "cotenant-t-v", &source, &err);
		ct_params_free(ct_limit_params, &limits);
		ct_place_free(&place);
		if (write(ends[1], err.text, sizeof err.text) < 0)
			_exit(2);
		_exit(good ? 0 : 1);
	}
	close(ends[1]);
	memset(message, 0, 512);
	assert_true(read(ends[0], message, 511) >= 0);
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

static void version_2_takes_quota_weight_and_memory_in_one_group(void **state)
{
	(void)state;
	const char *const words[][2] = {
		{"cpu_quota", "150%"}, {"cpu_weight", "20"}, {"memory_limit", "1G"}, {NULL, NULL}};
	char message[512];

	make_version_2();
	if (!apply(words, message))
		fail_msg("%s", message);
	assert_file("sys/fs/cgroup/user.slice/cotenant-t-v/cpu.max", "150000 100000");
	assert_file("sys/fs/cgroup/user.slice/cotenant-t-v/cpu.weight", "20");
	assert_file("sys/fs/cgroup/user.slice/cotenant-t-v/memory.max", "1073741824");
	assert_file("sys/fs/cgroup/user.slice/cotenant-t-v/cgroup.procs", "0");
}

/* Only the root passes cpuset on: the group is made there. */
static void a_controller_is_looked_for_further_up(void **state)
{
	(void)state;
	const char *const words[][2] = {{"cpuset", "yes"}, {NULL, NULL}};
	char message[512];

	make_version_2();
	write_file("sys/fs/cgroup/cotenant-t-v/cpuset.cpus", "");
	write_file("sys/fs/cgroup/cotenant-t-v/cpuset.mems", "");
	write_file("sys/fs/cgroup/cotenant-t-v/cgroup.procs", "");
	if (!apply(words, message))
		fail_msg("%s", message);
	assert_file("sys/fs/cgroup/cotenant-t-v/cpuset.cpus", "3");
	assert_file("sys/fs/cgroup/cotenant-t-v/cpuset.mems", "1");
}

static void a_controller_that_nobody_passes_on_is_told_with_the_key(void **state)
{
	(void)state;
	const char *const words[][2] = {{"memory_limit", "1G"}, {NULL, NULL}};
	char message[512];

	make_version_2();
	write_file("sys/fs/cgroup/cgroup.subtree_control", "cpu\n");
	write_file("sys/fs/cgroup/user.slice/cgroup.subtree_control", "cpu\n");
	assert_false(apply(words, message));
	assert_non_null(strstr(message, "memory_limit"));
	assert_non_null(strstr(message, "cgroup.subtree_control"));
}

static void without_any_hierarchy_nothing_is_made(void **state)
{
	(void)state;
	const char *const words[][2] = {{"cpu_quota", "50%"}, {NULL, NULL}};
	char message[512];

	write_file("proc/self/cgroup", "");
	write_file("proc/self/mountinfo", "");
	assert_false(apply(words, message));
	assert_non_null(strstr(message, "cpu_quota"));
}

static void make_resctrl(void)
{
	write_file("sys/fs/resctrl/schemata", "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n");
	write_file("sys/fs/resctrl/cotenant-t-v/schemata", "");
	write_file("sys/fs/resctrl/cotenant-t-v/tasks", "");
}

static void ways_become_a_mask_for_every_cache(void **state)
{
	(void)state;
	const char *const words[][2] = {{"cache_ways", "4-7"}, {NULL, NULL}};
	char message[512];

	make_resctrl();
	if (!apply(words, message))
		fail_msg("%s", message);
	assert_file("sys/fs/resctrl/cotenant-t-v/schemata", "L3:0=f0;1=f0");
}

static void bandwidth_is_throttled_on_every_node(void **state)
{
	(void)state;
	const char *const words[][2] = {{"memory_bandwidth", "40%"}, {NULL, NULL}};
	char message[512];

	make_resctrl();
	if (!apply(words, message))
		fail_msg("%s", message);
	assert_file("sys/fs/resctrl/cotenant-t-v/schemata", "MB:0=40;1=40");
}

static void ways_that_are_no_run_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"4-", "7-4", "0,2", "x", "0-99", "-1"};
	char message[512];

	make_resctrl();
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *const words[][2] = {{"cache_ways", bad[i]}, {NULL, NULL}};

		assert_false(apply(words, message));
		assert_non_null(strstr(message, "cache_ways"));
	}
}

static void a_processor_without_the_means_is_told(void **state)
{
	(void)state;
	const char *const words[][2] = {{"memory_bandwidth", "40%"}, {NULL, NULL}};
	char message[512];

	make_resctrl();
	write_file("sys/fs/resctrl/schemata", "    L3:0=7ff\n");
	assert_false(apply(words, message));
	assert_non_null(strstr(message, "no MB"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(version_2_takes_quota_weight_and_memory_in_one_group),
		TEST(a_controller_is_looked_for_further_up),
		TEST(a_controller_that_nobody_passes_on_is_told_with_the_key),
		TEST(without_any_hierarchy_nothing_is_made),
		TEST(ways_become_a_mask_for_every_cache),
		TEST(bandwidth_is_throttled_on_every_node),
		TEST(ways_that_are_no_run_are_refused),
		TEST(a_processor_without_the_means_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
