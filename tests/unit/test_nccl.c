/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank of nccl_allreduce in this process, against the stand-ins for the driver and for NCCL: what
 * the command line can't show, because the controller is gone by then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/victims.h"
#include "harness/gpu/nccl.h"

/* Of the folder that this program lies in: build/tests/unit. */
static void use_standin(const char *variable, const char *name)
{
	char path[4096], program[2048] = "";
	char *slash;

	assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
	slash = strrchr(program, '/');
	assert_non_null(slash);
	*slash = '\0';
	snprintf(path, sizeof path, "%s/../standin/%s", program, name);
	setenv(variable, path, 1);
}

/* Another rank could not be set up: the peer is told to stop and was never asked to connect. */
static void a_rank_that_never_joined_leaves(void **unused)
{
	const struct ct_victim_ops *ops = &ct_bench_nccl_allreduce;
	void *options = calloc(1, ops->options_size);
	char endpoint[CT_ENDPOINT_MAX] = "";
	struct ct_error err = {0};
	atomic_bool stop = false;
	struct ct_place place;
	void *state;

	(void)unused;
	assert_non_null(options);
	use_standin("COTENANT_CUDA", "libcuda.so.1");
	use_standin("COTENANT_NCCL", "libnccl.so.2");
	setenv("COTENANT_CUDA_STANDIN", "gpus=2 sms=4", 1);
	ct_params_init(ops->params, options);
	assert_true(ct_place_init(&place, &err));
	const struct ct_peer_env env = {.place = &place, .rank = 1, .n_ranks = 2, .stop = &stop};
	if (!ops->peer->setup(&env, options, &state, endpoint, &err))
		fail_msg("%s", err.text);
	assert_non_null(strstr(endpoint, "0000:42:00.0"));
	atomic_store(&stop, true);
	assert_true(ops->peer->serve(state, &err));
	ops->peer->teardown(state);
	ct_place_free(&place);
	ct_params_free(ops->params, options);
	free(options);
}

static void versions_are_written_as_people_say_them(void **unused)
{
	char text[CT_NCCL_VERSION_TEXT];

	(void)unused;
	assert_string_equal(ct_nccl_version_text(2708, text), "2.7.8");
	assert_string_equal(ct_nccl_version_text(21003, text), "2.10.3");
	assert_string_equal(ct_nccl_version_text(22809, text), "2.28.9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rank_that_never_joined_leaves),
		cmocka_unit_test(versions_are_written_as_people_say_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
