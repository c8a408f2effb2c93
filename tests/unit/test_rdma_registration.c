/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of modules that offer a GPU's memory to RDMA devices, on recorded machines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/rdma/registration.h"

enum { PATH = 256 };

/* A machine that has this folder, made step by step, and what is found on it. */
static const char *module_with(const char *folder)
{
	char root[] = "/tmp/cotenant-peer-XXXXXX", path[PATH];
	struct ct_probe_source machine;
	const char *found;

	assert_non_null(mkdtemp(root));
	for (const char *at = folder; at; at = strchr(at + 1, '/')) {
		const char *next = strchr(at + 1, '/');
		const int length = next ? (int)(next - folder) : (int)strlen(folder);

		snprintf(path, sizeof path, "%s%.*s", root, length, folder);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	machine = ct_probe_recorded(root);
	found = ct_rdma_peer_module(&machine);
	for (char *slash; strcmp(path, root) != 0; *slash = '\0') {
		assert_int_equal(rmdir(path), 0);
		slash = strrchr(path, '/');
	}
	assert_int_equal(rmdir(root), 0);
	return found;
}

static void each_module_is_known(void **state)
{
	(void)state;
	assert_string_equal(module_with("/sys/module/nvidia_peermem"), "nvidia_peermem");
	assert_string_equal(module_with("/sys/module/nv_peer_mem"), "nv_peer_mem");
	assert_string_equal(module_with("/sys/kernel/mm/memory_peers/nv_mem"), "nv_mem");
}

static void no_other_is_taken_for_one(void **state)
{
	(void)state;
	assert_null(module_with("/sys/module/nvidia"));
	assert_null(module_with("/sys/kernel/mm/memory_peers"));
}

static void a_gpu_must_be_named(void **state)
{
	struct ct_error err = {0};

	(void)state;
	assert_true(ct_rdma_needs_gpu("0", &err));
	assert_false(ct_rdma_needs_gpu(NULL, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "gpu = 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_module_is_known),
		cmocka_unit_test(no_other_is_taken_for_one),
		cmocka_unit_test(a_gpu_must_be_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
