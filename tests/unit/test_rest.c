/* SPDX-License-Identifier: Apache-2.0 */
/* Rests between bursts: the share of the CPU in the long run, and no silence after a stall. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/tenant/rest.h"

static const double ms = 1e6, epoch_ns = 250e6;

/* A victim whose bursts use CPU time only, on a time line of its own. */
struct worker {
	struct ct_rest rest;
	double now_ns, used_ns;
	double longest_ns, shortest_ns; /* of its rests */
};

static struct worker worker_of(double duty)
{
	struct worker worker = {.shortest_ns = INFINITY};

	ct_rest_init(&worker.rest, duty);
	worker.rest.epoch_ns = epoch_ns;
	return worker;
}

static double work(struct worker *worker, double used_ns)
{
	const double begin = worker->now_ns;
	double rest;

	worker->now_ns += used_ns;
	worker->used_ns += used_ns;
	rest = ct_rest_after(&worker->rest, begin, worker->now_ns, used_ns);
	if (rest > 0) {
		worker->longest_ns = fmax(worker->longest_ns, rest);
		worker->shortest_ns = fmin(worker->shortest_ns, rest);
	}
	worker->now_ns += rest;
	return rest;
}

/* Bursts of 20 us to 80 ms, by victims that hardly rest and by some that hardly work. */
static void keeps_its_share_in_the_long_run(void **state)
{
	static const double duties[] = {0.01, 0.08, 0.5, 2, 25, 90};
	static const double bursts_ms[] = {0.02, 0.2, 5, 80};

	(void)state;
	for (size_t d = 0; d < sizeof duties / sizeof *duties; d++) {
		for (size_t b = 0; b < sizeof bursts_ms / sizeof *bursts_ms; b++) {
			struct worker worker = worker_of(duties[d]);

			for (int i = 0; i < 20000; i++)
				work(&worker, bursts_ms[b] * ms);
			/* Less than 10 ms are owed without a rest. */
			assert_float_equal(worker.used_ns * 100 / duties[d], worker.now_ns,
					   0.01 * worker.now_ns + 10 * ms);
		}
	}
}

/* 0.2 ms at 0.5 % is 40 ms of its time; less than it takes to wake up is not rested for. */
static void rests_what_it_owes(void **state)
{
	struct worker worker = worker_of(0.5);

	(void)state;
	assert_float_equal(work(&worker, 0.2 * ms), 39.8 * ms, 1);
	assert_float_equal(work(&worker, 0.02 * ms), 0, 0);
	assert_float_equal(work(&worker, 0.02 * ms), 0, 0);
	assert_float_equal(work(&worker, 0.02 * ms), 11.94 * ms, 1);
}

/* 10 ms held up by the host are 2 s at 0.5 %: paid for within seconds, never by a silent epoch. */
static void pays_for_a_stall_without_falling_silent(void **state)
{
	struct worker worker = worker_of(0.5);
	double after;

	(void)state;
	work(&worker, 10 * ms);
	after = worker.now_ns;
	while (worker.rest.paid_ns > worker.now_ns)
		work(&worker, 0.2 * ms);
	assert_true(worker.longest_ns < 0.55 * epoch_ns);
	assert_in_range((int)((worker.now_ns - after) / ms), 2000, 8000);
	assert_float_equal(100 * worker.used_ns / worker.now_ns, 0.5, 0.005);
}

/* Between two phases nobody works: that pays as well. */
static void time_between_phases_pays(void **state)
{
	struct worker worker = worker_of(0.5);

	(void)state;
	work(&worker, 10 * ms);
	worker.now_ns += 5000 * ms;
	assert_float_equal(work(&worker, 0.2 * ms), 39.8 * ms, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_its_share_in_the_long_run),
		cmocka_unit_test(rests_what_it_owes),
		cmocka_unit_test(pays_for_a_stall_without_falling_silent),
		cmocka_unit_test(time_between_phases_pays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
