/* SPDX-License-Identifier: Apache-2.0 */
/* A bench for victims: prepares, operates and tears down one as the harness does, in one process.
 */
#ifndef COTENANT_TESTS_UNIT_VICTIM_BENCH_H
#define COTENANT_TESTS_UNIT_VICTIM_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sched.h>

#include "bench/victims.h"

static const char token[] = "0123456789abcdef0123456789abcdef";

/* A victim that has been set up, and all that it needs; lives on the test's stack. */
struct bench {
	const struct ct_victim_ops *ops;
	struct ct_victim_env env;
	struct ct_clock clock;
	struct ct_place place;
	atomic_bool stop;
	void *options;
	void *state;
	struct ct_error err;
};

/* All CPUs that this process may use. */
static inline void find_place(struct ct_place *place)
{
	cpu_set_t allowed;
	struct ct_error err = {0};

	assert_true(ct_place_init(place, &err));
	assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			hwloc_bitmap_set(place->cpus, (unsigned)cpu);
	}
}

/* Options are words "key=value". */
static inline void set_options(struct bench *bench, const char *const *words)
{
	bench->options = calloc(1, bench->ops->options_size + 1);
	assert_non_null(bench->options);
	ct_params_init(bench->ops->params, bench->options);
	for (; *words; words++) {
		const char *equals = strchr(*words, '=');
		char key[64];
		const struct ct_param *param;

		snprintf(key, sizeof key, "%.*s", (int)(equals - *words), *words);
		param = ct_param_find(bench->ops->params, key);
		assert_non_null(param);
		if (!ct_param_set(param, bench->options, equals + 1, &bench->err))
			fail_msg("%s: %s", *words, bench->err.text);
	}
}

static inline void prepare(struct bench *bench, const struct ct_victim_ops *ops,
			   const char *const *words)
{
	memset(bench, 0, sizeof *bench);
	bench->ops = ops;
	assert_true(ct_clock_init(&bench->clock, 5, &bench->err));
	find_place(&bench->place);
	bench->env = (struct ct_victim_env){.clock = &bench->clock,
					    .place = &bench->place,
					    .token = token,
					    .seed = 42,
					    .stop = &bench->stop};
	set_options(bench, words);
}

/* Ends what prepare began, for a victim that is not set up. */
static inline void discard(struct bench *bench)
{
	ct_params_free(bench->ops->params, bench->options);
	json_decref(bench->env.device);
	free(bench->options);
	ct_place_free(&bench->place);
}

static inline bool set_up(struct bench *bench)
{
	return bench->ops->setup(&bench->env, bench->options, &bench->state, &bench->err);
}

#define NO_OPTIONS   ((const char *const[]){NULL})
#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void open_bench(struct bench *bench, const struct ct_victim_ops *ops,
			      const char *const *words)
{
	prepare(bench, ops, words);
	if (!set_up(bench))
		fail_msg("%s: %s", ops->name, bench->err.text);
	if (bench->env.operations_per_sample == 0)
		bench->env.operations_per_sample = 1;
	if (ops->phase_begin)
		ops->phase_begin(bench->state);
}

static inline void close_bench(struct bench *bench)
{
	atomic_store(&bench->stop, true);
	bench->ops->teardown(bench->state);
	discard(bench);
}

/* One sample in nanoseconds per operation, as the harness's loop takes it. */
static inline double sample(struct bench *bench)
{
	uint64_t begin = ct_ticks(&bench->clock), ticks;
	bool good;

	if (bench->ops->operate_timed) {
		good = bench->ops->operate_timed(bench->state, &ticks);
	} else {
		good = bench->ops->operate(bench->state);
		ticks = ct_ticks(&bench->clock) - begin;
	}
	assert_true(good);
	return (double)ct_ticks_to_ns(&bench->clock, ticks) /
	       (double)bench->env.operations_per_sample;
}

static inline int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

enum { SAMPLES = 201 };

static inline double median_sample(struct bench *bench)
{
	double values[SAMPLES];

	for (int i = 0; i < SAMPLES; i++)
		values[i] = sample(bench);
	qsort(values, SAMPLES, sizeof values[0], compare_double);
	return values[SAMPLES / 2];
}

static inline void expect_refusal(const struct ct_victim_ops *ops, const char *const *words,
				  const char *reason)
{
	struct bench bench;

	prepare(&bench, ops, words);
	assert_false(set_up(&bench));
	if (!strstr(bench.err.text, reason))
		fail_msg("'%s' does not say '%s'", bench.err.text, reason);
	discard(&bench);
}

#endif
