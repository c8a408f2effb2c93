/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem_latency walks one random cycle over its whole working set, and feels its size; mem_bandwidth
 * moves the bytes that it counts.
 */
#include "tests/unit/victim_bench.h"

/* ---- mem_latency ---- */

/* The state begins with the address at which the next sample goes on. */
static void **ring_of(const struct bench *bench)
{
	return *(void ***)bench->state;
}

static uint64_t ring_length(void **begin, uint64_t limit)
{
	uint64_t n = 1;

	for (void **p = *begin; p != begin && n <= limit; p = *p)
		n++;
	return n;
}

static void the_chase_visits_every_line_once_before_it_repeats(void **state)
{
	static const struct {
		const char *working_set, *stride;
		uint64_t nodes;
	} cases[] = {{"4K", "64", 64},
		     {"1M", "64", 16384},
		     {"1000K", "192", 5333},
		     {"4M", "4K", 1024},
		     {"8K", "4K", 2}};
	struct bench bench;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char working_set[32], stride[32];

		snprintf(working_set, sizeof working_set, "working_set=%s", cases[i].working_set);
		snprintf(stride, sizeof stride, "stride=%s", cases[i].stride);
		open_bench(&bench, &ct_bench_mem_latency, OPTIONS(working_set, stride));
		assert_int_equal(ring_length(ring_of(&bench), cases[i].nodes), cases[i].nodes);
		close_bench(&bench);
	}
}

static void samples_walk_the_ring_on_and_on(void **state)
{
	struct bench bench;
	void **begin, **expected;

	(void)state;
	open_bench(&bench, &ct_bench_mem_latency, OPTIONS("working_set=64K", "accesses=37"));
	assert_int_equal(bench.env.operations_per_sample, 37);
	begin = expected = ring_of(&bench);
	for (int i = 0; i < 2 * 37; i++)
		expected = *expected;
	sample(&bench);
	sample(&bench);
	assert_ptr_equal(ring_of(&bench), expected);
	assert_ptr_not_equal(ring_of(&bench), begin);
	close_bench(&bench);
}

/* A walk that a prefetcher could follow has one step far more often than a random one. */
static void no_step_of_the_ring_is_common(void **state)
{
	enum { NODES = 4096 };
	unsigned *seen = calloc((size_t)2 * NODES, sizeof *seen), most = 0;
	struct bench bench;
	void **p;

	(void)state;
	assert_non_null(seen);
	open_bench(&bench, &ct_bench_mem_latency, OPTIONS("working_set=256K"));
	p = ring_of(&bench);
	for (int i = 0; i < NODES; i++) {
		ptrdiff_t step = ((char *)*p - (char *)p) / 64;
		unsigned count = ++seen[step + NODES];

		if (count > most)
			most = count;
		p = *p;
	}
	close_bench(&bench);
	free(seen);
	assert_true(most < 16);
}

static double latency_of(const char *working_set)
{
	struct bench bench;
	double ns;

	open_bench(&bench, &ct_bench_mem_latency, OPTIONS(working_set));
	ns = median_sample(&bench);
	close_bench(&bench);
	return ns;
}

static void latency_grows_with_the_working_set(void **state)
{
	(void)state;
	assert_true(latency_of("working_set=64M") > 2 * latency_of("working_set=16K"));
}

static void a_ring_needs_two_nodes_on_whole_lines(void **state)
{
	(void)state;
	expect_refusal(&ct_bench_mem_latency, OPTIONS("working_set=4K", "stride=4K"),
		       "fewer than two nodes");
	expect_refusal(&ct_bench_mem_latency, OPTIONS("stride=100"), "multiple of 64");
}

/* ---- mem_bandwidth ---- */

static void bandwidth_counts_the_bytes_of_every_array(void **state)
{
	static const struct {
		const char *op;
		uint64_t bytes;
	} cases[] = {{"op=read", 393216},  {"op=write", 393216}, {"op=copy", 393216},
		     {"op=scale", 393216}, {"op=add", 393216},   {"op=triad", 393216}};
	struct bench bench;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		/* Three passes over the arrays: the position has to wrap. */
		open_bench(&bench, &ct_bench_mem_bandwidth,
			   OPTIONS(cases[i].op, "working_set=1200K", "chunk=384K"));
		assert_int_equal(bench.env.bytes_per_operation, cases[i].bytes);
		for (int n = 0; n < 9; n++)
			assert_true(sample(&bench) > 0);
		close_bench(&bench);
	}
}

static void bandwidth_is_what_memory_can_give(void **state)
{
	struct bench bench;
	double bytes_per_ns;

	(void)state;
	open_bench(&bench, &ct_bench_mem_bandwidth, OPTIONS("op=read", "working_set=64M"));
	bytes_per_ns = (double)bench.env.bytes_per_operation / median_sample(&bench);
	close_bench(&bench);
	/* No core reads faster than a terabyte a second: the loop must not have been dropped. */
	assert_true(bytes_per_ns > 0.01 && bytes_per_ns < 1000);
}

static void bandwidth_refuses_a_working_set_below_a_chunk(void **state)
{
	(void)state;
	expect_refusal(&ct_bench_mem_bandwidth, OPTIONS("working_set=64K", "chunk=1M"),
		       "smaller than one chunk");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_chase_visits_every_line_once_before_it_repeats),
		cmocka_unit_test(samples_walk_the_ring_on_and_on),
		cmocka_unit_test(no_step_of_the_ring_is_common),
		cmocka_unit_test(latency_grows_with_the_working_set),
		cmocka_unit_test(a_ring_needs_two_nodes_on_whole_lines),
		cmocka_unit_test(bandwidth_counts_the_bytes_of_every_array),
		cmocka_unit_test(bandwidth_is_what_memory_can_give),
		cmocka_unit_test(bandwidth_refuses_a_working_set_below_a_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
