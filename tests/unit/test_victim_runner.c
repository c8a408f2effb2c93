/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A victim that fails is kept until it is stopped: were it torn down at once, its other ends would
 * notice that it goes, and could be heard before its own words.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/tenant/victim_runner.h"

struct fragile {
	atomic_uint torn_down;
	unsigned operations_left;
};

static struct fragile fragile;

static bool set_up(struct ct_victim_env *env, const void *options, void **state,
		   struct ct_error *err)
{
	(void)env;
	(void)options;
	(void)err;
	fragile = (struct fragile){.operations_left = 100};
	*state = &fragile;
	return true;
}

static bool connect_in_vain(void *state, struct ct_error *err)
{
	(void)state;
	return ct_broken(err, "the switch has gone");
}

static bool rehearse_in_vain(void *state, struct ct_error *err)
{
	(void)state;
	return ct_broken(err, "element 7 is wrong");
}

static bool operate(void *state)
{
	struct fragile *self = state;

	return self->operations_left-- > 0;
}

static void tell_failure(void *state, struct ct_error *err)
{
	(void)state;
	ct_broken(err, "the device is lost");
}

static void tear_down(void *state)
{
	struct fragile *self = state;

	atomic_fetch_add(&self->torn_down, 1);
}

static const struct ct_victim_ops ops = {
	.name = "fragile",
	.setup = set_up,
	.connect = connect_in_vain,
	.rehearse = rehearse_in_vain,
	.operate = operate,
	.failure = tell_failure,
	.teardown = tear_down,
};

/* A runner of it, and all that it needs. */
struct bench {
	struct ct_victim_runner runner;
	struct ct_victim_common common;
	struct ct_victim_env env;
	struct ct_clock clock;
	struct ct_place place;
};

static void start(struct bench *bench)
{
	struct ct_error err = {0};

	memset(bench, 0, sizeof *bench);
	assert_true(ct_clock_init(&bench->clock, 5, &err));
	assert_true(ct_place_init(&bench->place, &err));
	hwloc_bitmap_set(bench->place.cpus, (unsigned)sched_getcpu());
	bench->common = (struct ct_victim_common){.duty = 100};
	bench->env = (struct ct_victim_env){.clock = &bench->clock, .place = &bench->place};
	if (!ct_victim_runner_start(&bench->runner, &ops, NULL, &bench->common, &bench->env, &err))
		fail_msg("%s", err.text);
}

static void is_kept_until_it_is_stopped(struct bench *bench, const char *words)
{
	enum { LONG_ENOUGH_TO_TEAR_DOWN_US = 50000 };
	struct ct_error err = {0};

	while (!ct_victim_runner_finished(&bench->runner))
		usleep(1000);
	assert_false(ct_victim_runner_result(&bench->runner, &err));
	assert_string_equal(err.text, words);
	usleep(LONG_ENOUGH_TO_TEAR_DOWN_US);
	assert_int_equal(atomic_load(&fragile.torn_down), 0);
	ct_victim_runner_stop(&bench->runner);
	assert_int_equal(atomic_load(&fragile.torn_down), 1);
	ct_place_free(&bench->place);
}

static void one_that_can_not_connect_is_kept(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench);
	ct_victim_runner_step(&bench.runner, ops.connect);
	is_kept_until_it_is_stopped(&bench, "the switch has gone");
}

static void one_that_fails_its_rehearsal_is_kept(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench);
	ct_victim_runner_step(&bench.runner, ops.rehearse);
	is_kept_until_it_is_stopped(&bench, "element 7 is wrong");
}

static void one_that_fails_while_it_measures_is_kept(void **state)
{
	static const struct ct_phase_request request = {
		.warmup_ns = 1000000, .measure_ns = 60000000000, .epoch_ns = 250000000};
	struct bench bench;

	(void)state;
	start(&bench);
	ct_victim_runner_begin(&bench.runner, &request);
	is_kept_until_it_is_stopped(&bench, "the device is lost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_can_not_connect_is_kept),
		cmocka_unit_test(one_that_fails_its_rehearsal_is_kept),
		cmocka_unit_test(one_that_fails_while_it_measures_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
