/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Victims that need another side, ipc and tcp_rr: every round trip ends, a partner that ends or a
 * peer that dies is a failure with words and never a hang, and strangers get no answer.
 */
#include "tests/unit/victim_bench.h"

#include <pthread.h>
#include <unistd.h>

/* ---- ipc ---- */

static void the_ball_comes_back_every_time(void **state)
{
	static const char *const modes[] = {"mode=futex", "mode=spin", NULL};
	struct bench bench;

	(void)state;
	for (int i = 0; modes[i]; i++) {
		prepare(&bench, &ct_bench_ipc, OPTIONS(modes[i]));
		if (!set_up(&bench)) {
			assert_non_null(strstr(bench.err.text, "two CPUs"));
			discard(&bench);
			continue;
		}
		for (int n = 0; n < 200; n++)
			assert_true(bench.ops->operate(bench.state));
		close_bench(&bench);
	}
}

static void one_cpu_is_enough_for_futex_and_too_little_for_spin(void **state)
{
	struct bench bench;
	int first;

	(void)state;
	prepare(&bench, &ct_bench_ipc, NO_OPTIONS);
	first = hwloc_bitmap_first(bench.place.cpus);
	hwloc_bitmap_only(bench.place.cpus, (unsigned)first);
	assert_true(set_up(&bench));
	for (int n = 0; n < 100; n++)
		assert_true(bench.ops->operate(bench.state));
	close_bench(&bench);

	prepare(&bench, &ct_bench_ipc, OPTIONS("mode=spin"));
	hwloc_bitmap_only(bench.place.cpus, (unsigned)first);
	assert_false(set_up(&bench));
	assert_non_null(strstr(bench.err.text, "needs two CPUs"));
	discard(&bench);
}

/* A partner that ends hands the ball back: the victim fails with words and does not wait. */
static void a_partner_that_ends_is_a_failure_and_no_hang(void **state)
{
	struct bench bench;
	struct ct_error err = {0};
	int tries = 0;

	(void)state;
	open_bench(&bench, &ct_bench_ipc, NO_OPTIONS);
	atomic_store(&bench.stop, true);
	alarm(20);
	while (bench.ops->operate(bench.state) && tries < 1000)
		tries++;
	alarm(0);
	assert_true(tries < 1000);
	bench.ops->failure(bench.state, &err);
	assert_non_null(strstr(err.text, "partner"));
	close_bench(&bench);
}

/* ---- tcp_rr ---- */

struct echo {
	pthread_t thread;
	atomic_bool stop;
	struct ct_place place;
	struct ct_peer_env env;
	void *options;
	void *state;
	char endpoint[CT_ENDPOINT_MAX];
	bool good;
	struct ct_error err;
};

static void *serve(void *argument)
{
	struct echo *echo = argument;

	echo->good = ct_bench_tcp_rr.peer->serve(echo->state, &echo->err);
	return NULL;
}

/* With the options of `bench`, as the harness does. */
static void start_echo(struct echo *echo, const struct bench *bench, const char *address)
{
	memset(echo, 0, sizeof *echo);
	echo->env = (struct ct_peer_env){
		.place = &bench->place, .address = address, .token = token, .stop = &echo->stop};
	if (!ct_bench_tcp_rr.peer->setup(&echo->env, bench->options, &echo->state, echo->endpoint,
					 &echo->err))
		fail_msg("%s", echo->err.text);
	assert_int_equal(pthread_create(&echo->thread, NULL, serve, echo), 0);
}

static void stop_echo(struct echo *echo)
{
	atomic_store(&echo->stop, true);
	pthread_join(echo->thread, NULL);
	ct_bench_tcp_rr.peer->teardown(echo->state);
	if (!echo->good)
		fail_msg("%s", echo->err.text);
}

static void requests_of_any_size_are_answered(void **state)
{
	static const char *const sizes[][3] = {{"request=1", "response=1", NULL},
					       {"request=64", "response=64", NULL},
					       {"request=1", "response=1M", NULL},
					       {"request=3M", "response=7", NULL}};
	struct bench bench;
	struct echo echo;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		prepare(&bench, &ct_bench_tcp_rr, sizes[i]);
		start_echo(&echo, &bench, "127.0.0.1");
		bench.env.endpoint = echo.endpoint;
		if (!set_up(&bench))
			fail_msg("%s", bench.err.text);
		for (int n = 0; n < 20; n++)
			assert_true(bench.ops->operate(bench.state));
		close_bench(&bench);
		stop_echo(&echo);
	}
}

static void the_echo_server_takes_one_victim_after_another(void **state)
{
	struct bench bench;
	struct echo echo;

	(void)state;
	prepare(&bench, &ct_bench_tcp_rr, NO_OPTIONS);
	start_echo(&echo, &bench, "127.0.0.1");
	bench.env.endpoint = echo.endpoint;
	for (int i = 0; i < 3; i++) {
		if (!set_up(&bench))
			fail_msg("%s", bench.err.text);
		assert_true(bench.ops->operate(bench.state));
		bench.ops->teardown(bench.state);
	}
	stop_echo(&echo);
	discard(&bench);
}

static void a_victim_of_another_campaign_gets_no_answer(void **state)
{
	struct bench bench;
	struct echo echo;

	(void)state;
	prepare(&bench, &ct_bench_tcp_rr, NO_OPTIONS);
	start_echo(&echo, &bench, "127.0.0.1");
	bench.env.endpoint = echo.endpoint;
	bench.env.token = "ffffffffffffffffffffffffffffffff";
	assert_false(set_up(&bench));
	assert_non_null(strstr(bench.err.text, "token"));
	/* And the server lives on for who knows it. */
	bench.env.token = token;
	assert_true(set_up(&bench));
	close_bench(&bench);
	stop_echo(&echo);
}

static void a_peer_that_dies_is_named(void **state)
{
	struct bench bench;
	struct echo echo;
	struct ct_error err = {0};
	char expected[CT_ENDPOINT_MAX + 64];

	(void)state;
	prepare(&bench, &ct_bench_tcp_rr, NO_OPTIONS);
	start_echo(&echo, &bench, "127.0.0.1");
	bench.env.endpoint = echo.endpoint;
	assert_true(set_up(&bench));
	assert_true(bench.ops->operate(bench.state));
	stop_echo(&echo);
	while (bench.ops->operate(bench.state)) {
	}
	bench.ops->failure(bench.state, &err);
	snprintf(expected, sizeof expected, "the peer %s closed the connection", echo.endpoint);
	if (!strstr(err.text, expected))
		fail_msg("'%s' does not say '%s'", err.text, expected);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ball_comes_back_every_time),
		cmocka_unit_test(one_cpu_is_enough_for_futex_and_too_little_for_spin),
		cmocka_unit_test(a_partner_that_ends_is_a_failure_and_no_hang),
		cmocka_unit_test(requests_of_any_size_are_answered),
		cmocka_unit_test(the_echo_server_takes_one_victim_after_another),
		cmocka_unit_test(a_victim_of_another_campaign_gets_no_answer),
		cmocka_unit_test(a_peer_that_dies_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
