/* SPDX-License-Identifier: Apache-2.0 */
/* Where a tenant that names a GPU and no CPUs belongs, on recorded machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/tenant/near_gpu.h"

static struct ct_topology *load(const char *source)
{
	struct ct_topology *topology = NULL;
	struct ct_error err = {0};

	if (!ct_topology_load_from(&topology, source, &err))
		fail_msg("%s", err.text);
	return topology;
}

/* `want` NULL: it can't be told. */
static void is(const char *source, const char *gpu, const char *within, const char *want)
{
	struct ct_topology *topology = load(source);
	char location[CT_NEAR_GPU_TEXT];
	const bool found = ct_near_gpu(topology, gpu, within, location);

	ct_topology_free(topology);
	assert_int_equal(found, want != NULL);
	if (want)
		assert_string_equal(location, want);
}

#define SERVER "tests/fixtures/topologies/gpu-server.xml"

static void a_gpu_is_found_by_index_by_address_and_beside_a_nic(void **state)
{
	(void)state;
	is(SERVER, NULL, NULL, "near:gpu0");
	is(SERVER, "", "core:0", "near:gpu0/core:0");
	is(SERVER, "gpu7/sms:0-63", NULL, "near:gpu7");
	is(SERVER, "3/priority:high", "core:0", "near:gpu3/core:0");
	is("tests/fixtures/topologies/gpu-nvml.xml", "0000:11:00.0", NULL, "near:0000:11:00.0");
	is(SERVER, "near:mlx5_1", NULL, "near:mlx5_1");
}

static void what_only_the_driver_knows_is_left_to_the_default(void **state)
{
	(void)state;
	is(SERVER, "GPU-5fb1c0de-0000-0000-0000-000000000000", NULL, NULL);
	is(SERVER, "mig:1g.10gb:2", NULL, NULL);
}

static void what_is_not_there_is_left_to_the_default(void **state)
{
	(void)state;
	is(SERVER, "8", NULL, NULL);
	is(SERVER, "0000:99:00.0", NULL, NULL);
	is(SERVER, "0", "core:4096", NULL);
	is(SERVER, "no such words", NULL, NULL);
	is("numa:2 core:2 pu:1", NULL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gpu_is_found_by_index_by_address_and_beside_a_nic),
		cmocka_unit_test(what_only_the_driver_knows_is_left_to_the_default),
		cmocka_unit_test(what_is_not_there_is_left_to_the_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
