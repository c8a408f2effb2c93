/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collectives over TCP, all ranks in one process, a thread each: results are right for every number
 * of ranks and every odd size, a wrong or a stale result is found, and a rank that leaves or hangs
 * is an error with its number and never a hang.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bench/collective_victim.h"
#include "bench/victims.h"
#include "harness/net/collective.h"

static const char token[] = "0123456789abcdef0123456789abcdef";
enum { MAX_RANKS = 6 };

struct world {
	const struct ct_victim_ops *ops;
	struct ct_collective_options options;
	unsigned n;
	struct ct_clock clock;
	struct ct_place place;
	atomic_bool stop, peers_stop;
	char texts[MAX_RANKS][CT_ENDPOINT_MAX];
	const char *pointers[MAX_RANKS];
	struct ct_victim_env env;
	void *states[MAX_RANKS];
	struct ct_peer_env peer_envs[MAX_RANKS];
	struct ct_peer_links links[MAX_RANKS];
	pthread_t threads[MAX_RANKS];
	struct ct_error errors[MAX_RANKS];
	bool good[MAX_RANKS];
	uint64_t rehearsed_ns[MAX_RANKS]; /* when it was through */
	unsigned leaves;                  /* this rank leaves after its rehearsal; 0: none */
	unsigned fails;                   /* this rank leaves before it */
};

static struct world world;

struct argument {
	unsigned rank;
};
static struct argument arguments[MAX_RANKS];

static void *peer(void *argument)
{
	const unsigned rank = ((struct argument *)argument)->rank;
	const struct ct_peer_ops *ops = world.ops->peer;

	world.good[rank] =
		ops->connect(world.states[rank], &world.links[rank], &world.errors[rank]) &&
		(world.fails == rank || ops->rehearse(world.states[rank], &world.errors[rank]));
	world.rehearsed_ns[rank] = ct_monotonic_ns();
	if (world.good[rank] && world.leaves != rank && world.fails != rank)
		world.good[rank] = ops->serve(world.states[rank], &world.errors[rank]);
	if (world.leaves == rank || world.fails == rank) {
		ops->teardown(world.states[rank]);
		world.states[rank] = NULL;
	}
	return NULL;
}

static void make_world(const char *name, unsigned n, uint64_t bytes, uint64_t chunk)
{
	struct ct_error err = {0};

	memset(&world, 0, sizeof world);
	world.ops = ct_victim_find(name);
	world.options = (struct ct_collective_options){.bytes = bytes, .chunk = chunk};
	world.n = n;
	assert_true(ct_clock_init(&world.clock, 5, &err));
	assert_true(ct_place_init(&world.place, &err));
	for (unsigned rank = 0; rank < n; rank++)
		world.pointers[rank] = world.texts[rank];
	for (unsigned rank = 1; rank < n; rank++) {
		world.peer_envs[rank] = (struct ct_peer_env){.place = &world.place,
							     .address = "127.0.0.1",
							     .token = token,
							     .rank = rank,
							     .n_ranks = n,
							     .stop = &world.peers_stop};
		world.links[rank] = (struct ct_peer_links){rank, n, world.pointers};
		if (!world.ops->peer->setup(&world.peer_envs[rank], &world.options,
					    &world.states[rank], world.texts[rank], &err))
			fail_msg("%s", err.text);
	}
	world.env = (struct ct_victim_env){.clock = &world.clock,
					   .place = &world.place,
					   .endpoint = world.texts[1],
					   .endpoints = world.pointers,
					   .n_ranks = n,
					   .answer = world.texts[0],
					   .token = token,
					   .stop = &world.stop};
	if (!world.ops->setup(&world.env, &world.options, &world.states[0], &err))
		fail_msg("%s", err.text);
}

static struct ct_collective *of_victim(void)
{
	/* The first member of the victim's state, as of a peer's it is the state itself. */
	return *(struct ct_collective **)world.states[0];
}

static void start_peers(void)
{
	for (unsigned rank = 1; rank < world.n; rank++) {
		arguments[rank].rank = rank;
		assert_int_equal(pthread_create(&world.threads[rank], NULL, peer, &arguments[rank]),
				 0);
	}
}

static void connect_all(void)
{
	struct ct_error err = {0};

	start_peers();
	if (!world.ops->connect(world.states[0], &err) ||
	    !world.ops->rehearse(world.states[0], &err))
		fail_msg("%s", err.text);
}

static void join_peers(void)
{
	for (unsigned rank = 1; rank < world.n; rank++)
		pthread_join(world.threads[rank], NULL);
}

/* Of peers that have been joined. */
static void tear_down_peers(void)
{
	for (unsigned rank = 1; rank < world.n; rank++) {
		if (world.states[rank])
			world.ops->peer->teardown(world.states[rank]);
	}
	ct_place_free(&world.place);
}

static void end_world(void)
{
	atomic_store(&world.stop, true);
	world.ops->teardown(world.states[0]);
	atomic_store(&world.peers_stop, true);
	join_peers();
	tear_down_peers();
}

static void iterate(unsigned times)
{
	struct ct_error err = {0};

	while (times-- > 0) {
		if (world.ops->operate(world.states[0]))
			continue;
		world.ops->failure(world.states[0], &err);
		fail_msg("%s", err.text);
	}
}

/* Independent of the code under test: straight from the definition. */
static float sum_of_inputs(size_t i)
{
	float sum = 0;

	for (unsigned rank = 0; rank < world.n; rank++)
		sum += ct_collective_input(rank, i);
	return sum;
}

static void expect_right_result(void)
{
	const struct ct_collective *self = of_victim();
	const bool is_sum = strcmp(world.ops->name, "ring_allreduce") == 0;
	const size_t block = self->count / world.n;

	for (size_t i = 0; i < self->count; i++) {
		float expected = is_sum ? sum_of_inputs(i)
					: ct_collective_input((unsigned)(i / block), i % block);

		if (self->out[i] != expected)
			fail_msg("%u ranks, %zu elements: element %zu is %g, not %g", world.n,
				 self->count, i, (double)self->out[i], (double)expected);
	}
}

static void try_sizes(const char *name)
{
	static const struct {
		uint64_t bytes, chunk;
	} sizes[] = {{24, 4}, {40, 128}, {4 * 1001, 64}, {4 * 65537, 4096}, {1 << 20, 1 << 18}};

	for (unsigned n = 2; n <= MAX_RANKS; n++) {
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			make_world(name, n, sizes[i].bytes, sizes[i].chunk);
			connect_all();
			for (size_t k = 0; k < of_victim()->count; k++)
				of_victim()->out[k] = NAN;
			iterate(3);
			expect_right_result();
			end_world();
			for (unsigned rank = 1; rank < n; rank++) {
				if (!world.good[rank])
					fail_msg("%s", world.errors[rank].text);
			}
		}
	}
}

static void sums_are_right_on_any_number_of_ranks(void **state)
{
	(void)state;
	try_sizes("ring_allreduce");
}

static void blocks_come_from_the_right_rank(void **state)
{
	(void)state;
	try_sizes("alltoall");
}

static void bandwidth_is_as_nccl_tests_define_it(void **state)
{
	(void)state;
	double values[3];

	make_world("ring_allreduce", 4, 1 << 16, 1 << 12);
	assert_true(world.env.bytes_per_operation == (1 << 16) * 3 / 2);
	connect_all();
	world.ops->read_counters(world.states[0], values);
	assert_true(isnan(values[0]));
	iterate(5);
	world.ops->read_counters(world.states[0], values);
	assert_true(values[0] > 0);
	assert_true(fabs(values[1] / values[0] - 1.5) < 1e-9);
	assert_true(values[2] == 1 << 16);
	end_world();
	make_world("alltoall", 4, 1 << 16, 1 << 12);
	assert_true(world.env.bytes_per_operation == (1 << 16) * 3 / 4);
	connect_all();
	end_world();
}

static void a_wrong_contribution_is_found_in_the_rehearsal(void **state)
{
	(void)state;
	struct ct_collective *third;
	struct ct_error err = {0};

	make_world("ring_allreduce", 3, 4000, 256);
	third = world.states[2];
	((float *)third->in)[77] += 1;
	start_peers();
	assert_true(world.ops->connect(world.states[0], &err));
	assert_false(world.ops->rehearse(world.states[0], &err));
	if (!strstr(err.text, "element 77 of the result"))
		fail_msg("'%s'", err.text);
	end_world();
	assert_false(world.good[1]);
}

static void a_wrong_result_later_on_is_found_when_an_epoch_closes(void **state)
{
	(void)state;
	struct ct_error err = {0};
	double values[3];

	make_world("ring_allreduce", 3, 4000, 256);
	connect_all();
	iterate(2);
	world.ops->read_counters(world.states[0], values);
	assert_true(values[2] == 4000);
	/* What was checked is spoilt, so a result that nobody writes again is found too. */
	assert_true(isnan(of_victim()->out[0]) && isnan(of_victim()->out[999]));
	of_victim()->iterations++;
	world.ops->read_counters(world.states[0], values);
	assert_true(values[2] == 0);
	assert_false(world.ops->operate(world.states[0]));
	world.ops->failure(world.states[0], &err);
	if (!strstr(err.text, "element 0 of the result"))
		fail_msg("'%s'", err.text);
	end_world();
}

static void a_rank_that_leaves_is_named(void **state)
{
	(void)state;
	struct ct_error err = {0};

	make_world("alltoall", 3, 1 << 16, 4096);
	world.leaves = 2;
	connect_all();
	while (world.ops->operate(world.states[0])) {
	}
	world.ops->failure(world.states[0], &err);
	if (!strstr(err.text, "rank 2 closed the connection"))
		fail_msg("'%s'", err.text);
	end_world();
	/* The other ranks wait for their end: the worker of the one that has gone tells why. */
	assert_true(world.good[1]);
}

/* Its own worker knows why it has gone, and is heard first. */
static void a_rank_that_leaves_in_the_rehearsal_is_heard_before_the_others(void **state)
{
	static const uint64_t grace_ns = 900000000;
	struct ct_error err = {0};
	uint64_t now;

	(void)state;
	make_world("alltoall", 3, 1 << 16, 4096);
	world.fails = 2;
	start_peers();
	assert_true(world.ops->connect(world.states[0], &err));
	assert_false(world.ops->rehearse(world.states[0], &err));
	now = ct_monotonic_ns();
	join_peers(); /* nobody has stopped them */
	world.ops->teardown(world.states[0]);
	tear_down_peers();
	for (unsigned rank = 0; rank < 2; rank++) {
		const char *words = rank == 0 ? err.text : world.errors[rank].text;

		if (!strstr(words, "rank 2 closed the connection"))
			fail_msg("rank %u: '%s'", rank, words);
	}
	assert_true(now - world.rehearsed_ns[2] >= grace_ns);
	assert_true(world.rehearsed_ns[1] - world.rehearsed_ns[2] >= grace_ns);
}

static void a_stop_ends_the_wait_for_others(void **state)
{
	(void)state;
	struct ct_error err = {0};

	make_world("ring_allreduce", 3, 4000, 256);
	connect_all();
	atomic_store(&world.peers_stop, true);
	join_peers();
	atomic_store(&world.stop, true);
	while (world.ops->operate(world.states[0])) {
	}
	world.ops->failure(world.states[0], &err);
	assert_non_null(strstr(err.text, "stopped"));
	world.ops->teardown(world.states[0]);
	tear_down_peers();
}

static void sizes_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	struct ct_collective_options options = {.bytes = 8, .chunk = 4};
	struct ct_peer_env env = {.place = NULL,
				  .address = "127.0.0.1",
				  .token = token,
				  .rank = 1,
				  .n_ranks = 3,
				  .stop = &world.stop};
	char endpoint[CT_ENDPOINT_MAX];
	struct ct_error err = {0};
	void *peer_state;

	assert_false(
		ct_bench_ring_allreduce.peer->setup(&env, &options, &peer_state, endpoint, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "at least 12"));
	options.bytes = 16 << 20;
	assert_false(
		ct_bench_ring_allreduce.peer->setup(&env, &options, &peer_state, endpoint, &err));
	assert_non_null(strstr(err.text, "chunk = 4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_right_on_any_number_of_ranks),
		cmocka_unit_test(blocks_come_from_the_right_rank),
		cmocka_unit_test(bandwidth_is_as_nccl_tests_define_it),
		cmocka_unit_test(a_wrong_contribution_is_found_in_the_rehearsal),
		cmocka_unit_test(a_wrong_result_later_on_is_found_when_an_epoch_closes),
		cmocka_unit_test(a_rank_that_leaves_is_named),
		cmocka_unit_test(a_rank_that_leaves_in_the_rehearsal_is_heard_before_the_others),
		cmocka_unit_test(a_stop_ends_the_wait_for_others),
		cmocka_unit_test(sizes_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
