/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder: what an epoch says of its samples, which ones it keeps, and that none is lost,
 * also when the other thread is late. Ticks are picoseconds here, so every number is known.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/core/recorder.h"
#include "harness/core/rng.h"

static const struct ct_clock picoseconds = {
	.source = CT_CLOCK_GETTIME, .ticks_per_s = 1e12, .ps_mult = UINT64_C(1) << 32};

enum { EPOCH_NS = 1000, EPOCH = 1000 * EPOCH_NS, START = 5000 };

static struct ct_recorder *new_recorder(uint64_t raw_capacity)
{
	struct ct_recorder *recorder = aligned_alloc(64, sizeof *recorder);

	assert_non_null(recorder);
	assert_true(ct_recorder_init(recorder, raw_capacity, NULL));
	ct_recorder_begin(recorder, &picoseconds, START, EPOCH_NS, 1);
	return recorder;
}

static void free_recorder(struct ct_recorder *recorder)
{
	ct_recorder_free(recorder);
	free(recorder);
}

static int descending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

static uint64_t histogram_total(const struct ct_epoch_slot *slot)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < CT_HIST_BUCKETS; i++)
		total += slot->counts[i];
	return total;
}

static void an_epoch_sums_up_its_samples(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(0);
	const struct ct_epoch_slot *epoch;

	ct_record(recorder, START + 300, 300);
	ct_record(recorder, START + 400, 100);
	ct_record(recorder, START + 900, 500);
	ct_recorder_end(recorder, START + 950);
	epoch = ct_recorder_take(recorder);
	assert_non_null(epoch);
	assert_int_equal(epoch->begin_tick, START);
	assert_int_equal(epoch->end_tick, START + 950);
	assert_int_equal(epoch->count, 3);
	assert_int_equal(epoch->sum_ps, 900);
	assert_int_equal(epoch->min_ps, 100);
	assert_int_equal(epoch->max_ps, 500);
	assert_int_equal(epoch->overflow, 0);
	assert_int_equal(epoch->counts[ct_hist_index(100)], 1);
	assert_int_equal(histogram_total(epoch), 3);
	assert_true(ct_epoch_quantile(epoch, 0.5) == 300);
	assert_true(ct_epoch_quantile(epoch, 1) == 500);
	free_recorder(recorder);
}

static void an_epoch_without_samples_is_empty(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(0);
	const struct ct_epoch_slot *epoch;

	assert_null(ct_recorder_take(recorder));
	ct_recorder_end(recorder, START + 10);
	epoch = ct_recorder_take(recorder);
	assert_non_null(epoch);
	assert_int_equal(epoch->count, 0);
	assert_true(epoch->min_ps == UINT64_MAX);
	assert_true(isnan(ct_epoch_quantile(epoch, 0.5)));
	free_recorder(recorder);
}

/* A sample belongs to the epoch in which it was running when the boundary came. */
static void boundaries_stay_on_the_grid(void **state)
{
	(void)state;
	static const uint64_t ticks[] = {100,           EPOCH + 7,     2 * EPOCH,
					 5 * EPOCH + 1, 6 * EPOCH - 1, 6 * EPOCH};
	static const uint64_t counts[] = {2, 1, 1, 2};
	struct ct_recorder *recorder = new_recorder(0);
	uint64_t begin = START;

	for (size_t i = 0; i < sizeof ticks / sizeof ticks[0]; i++)
		ct_record(recorder, START + ticks[i], 50);
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		struct ct_epoch_slot *epoch = ct_recorder_take(recorder);

		assert_non_null(epoch);
		assert_int_equal(epoch->count, counts[i]);
		assert_int_equal(epoch->begin_tick, begin);
		begin = epoch->end_tick;
		ct_recorder_give_back(recorder, epoch);
	}
	assert_int_equal(begin, START + 6 * EPOCH);
	assert_null(ct_recorder_take(recorder));
	free_recorder(recorder);
}

static void count_closed(void *context, double counters[CT_COUNTERS_MAX])
{
	counters[0] = ++*(double *)context;
}

/* Whoever wants to add something to an epoch is asked once for each, the last one included. */
static void counters_are_read_as_epochs_close(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(0);
	double closed = 0;

	recorder->at_close = count_closed;
	recorder->close_context = &closed;
	for (unsigned i = 1; i <= 3; i++)
		ct_record(recorder, START + i * EPOCH, 50);
	ct_recorder_end(recorder, START + 3 * EPOCH + 1);
	for (unsigned i = 1; i <= 4; i++) {
		struct ct_epoch_slot *epoch = ct_recorder_take(recorder);

		assert_non_null(epoch);
		assert_true(epoch->counters[0] == i);
		ct_recorder_give_back(recorder, epoch);
	}
	assert_null(ct_recorder_take(recorder));
	free_recorder(recorder);
}

static void latency_is_per_operation(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(0);
	const struct ct_epoch_slot *epoch;

	ct_recorder_begin(recorder, &picoseconds, START, EPOCH_NS, 256);
	ct_record(recorder, START + 256000, 256000);
	ct_recorder_end(recorder, START + 256000);
	epoch = ct_recorder_take(recorder);
	assert_int_equal(epoch->sum_ps, 1000);
	free_recorder(recorder);
}

static void the_slowest_are_those_of_sorting(void **state)
{
	(void)state;
	enum { ROUNDS = 60 };
	struct ct_recorder *recorder = new_recorder(0);
	struct ct_rng rng;

	ct_rng_seed(&rng, 21);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		const size_t n = round < 40 ? round : 3000;
		/* Few different values: many are equal to the one that is just in or just out. */
		const uint64_t spread = round % 3 == 0 ? 10 : 1000000;
		uint64_t values[3000], slowest[CT_SLOWEST];
		struct ct_epoch_slot *epoch;

		ct_recorder_begin(recorder, &picoseconds, START, EPOCH_NS, 1);
		for (size_t i = 0; i < n; i++) {
			values[i] = 1 + ct_rng_below(&rng, spread);
			ct_record(recorder, START + i, values[i]);
		}
		ct_recorder_end(recorder, START + n);
		epoch = ct_recorder_take(recorder);
		qsort(values, n, sizeof values[0], descending);
		assert_int_equal(epoch->slow_count, n < CT_SLOWEST ? n : CT_SLOWEST);
		for (uint32_t i = 0; i < epoch->slow_count; i++)
			slowest[i] = epoch->slowest[i].ps;
		qsort(slowest, epoch->slow_count, sizeof slowest[0], descending);
		for (uint32_t i = 0; i < epoch->slow_count; i++)
			assert_int_equal(slowest[i], values[i]);
		if (n > 0) {
			assert_int_equal(epoch->max_ps, values[0]);
			assert_int_equal(epoch->min_ps, values[n - 1]);
		}
	}
	free_recorder(recorder);
}

static void a_slow_sample_keeps_its_time(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(0);
	const struct ct_epoch_slot *epoch;
	unsigned found = 0;

	for (uint64_t i = 0; i < 1000; i++)
		ct_record(recorder, START + i, i == 500 ? 7777 : 10);
	ct_recorder_end(recorder, START + 1000);
	epoch = ct_recorder_take(recorder);
	for (uint32_t i = 0; i < epoch->slow_count; i++) {
		if (epoch->slowest[i].ps == 7777) {
			assert_int_equal(epoch->slowest[i].tick, START + 500);
			found++;
		}
	}
	assert_int_equal(found, 1);
	free_recorder(recorder);
}

/* More of them than are kept as the slowest: each one is counted all the same. */
static void what_is_too_long_is_counted_as_overflow(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(0);
	const struct ct_epoch_slot *epoch;

	for (uint64_t i = 0; i < 3 * CT_SLOWEST; i++)
		ct_record(recorder, START + i, CT_HIST_MAX_PS + 3 * CT_SLOWEST - i);
	ct_record(recorder, START, CT_HIST_MAX_PS);
	ct_recorder_end(recorder, START + 1000);
	epoch = ct_recorder_take(recorder);
	assert_int_equal(epoch->overflow, 3 * CT_SLOWEST);
	assert_int_equal(epoch->count, 3 * CT_SLOWEST + 1);
	assert_int_equal(epoch->counts[CT_HIST_BUCKETS - 1], 3 * CT_SLOWEST + 1);
	assert_int_equal(epoch->max_ps, CT_HIST_MAX_PS + 3 * CT_SLOWEST);
	for (uint32_t i = 0; i < epoch->slow_count; i++)
		assert_true(epoch->slowest[i].ps > CT_HIST_MAX_PS + 2 * CT_SLOWEST);
	free_recorder(recorder);
}

static void raw_samples_are_kept_in_order(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(10);
	struct ct_epoch_slot *epoch;

	for (uint64_t i = 0; i < 14; i++)
		ct_record(recorder, START + i, 100 + i);
	ct_record(recorder, START + EPOCH, 99);
	ct_record(recorder, START + EPOCH + 1, 98);
	ct_recorder_end(recorder, START + EPOCH + 2);
	epoch = ct_recorder_take(recorder);
	assert_int_equal(epoch->raw_count, 10);
	assert_int_equal(epoch->raw_dropped, 5);
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(epoch->raw[i].tick, START + i);
		assert_int_equal(epoch->raw[i].ps, 100 + i);
	}
	ct_recorder_give_back(recorder, epoch);
	epoch = ct_recorder_take(recorder);
	assert_int_equal(epoch->raw_count, 1);
	assert_int_equal(epoch->raw_dropped, 0);
	assert_int_equal(epoch->raw[0].ps, 98);
	free_recorder(recorder);
}

static void a_slot_given_back_is_clean(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(4);
	struct ct_rng rng;
	uint64_t tick = START;

	ct_rng_seed(&rng, 22);
	for (int epochs = 0; epochs < 50; epochs++) {
		struct ct_epoch_slot *epoch;

		while (!(epoch = ct_recorder_take(recorder))) {
			tick += 20000;
			ct_record(recorder, tick, ct_rng_next(&rng) >> ct_rng_below(&rng, 64));
		}
		assert_int_equal(histogram_total(epoch), epoch->count);
		ct_recorder_give_back(recorder, epoch);
		assert_int_equal(histogram_total(epoch), 0);
		assert_int_equal(epoch->count + epoch->sum_ps + epoch->overflow, 0);
		assert_int_equal(epoch->slow_count + epoch->raw_count + epoch->raw_dropped, 0);
	}
	free_recorder(recorder);
}

/* Nobody takes anything: the open epoch goes on instead of dropping samples. */
static void a_full_ring_makes_the_epoch_longer(void **state)
{
	(void)state;
	enum { EPOCHS = 40 };
	struct ct_recorder *recorder = new_recorder(0);
	struct ct_epoch_slot *epoch;
	uint64_t total = 0, taken = 0, last = 0;

	for (uint64_t i = 1; i <= EPOCHS * 10; i++)
		ct_record(recorder, START + i * EPOCH / 10, i);
	ct_recorder_end(recorder, START + EPOCHS * EPOCH + 1);
	while ((epoch = ct_recorder_take(recorder))) {
		total += epoch->count;
		taken++;
		last = epoch->end_tick - epoch->begin_tick;
		assert_int_equal(histogram_total(epoch), epoch->count);
		ct_recorder_give_back(recorder, epoch);
	}
	assert_int_equal(taken, CT_RECORDER_SLOTS);
	assert_int_equal(total, EPOCHS * 10);
	assert_true(last > (EPOCHS - CT_RECORDER_SLOTS) * (uint64_t)EPOCH);
	free_recorder(recorder);
}

static void a_ring_that_was_full_goes_on_with_the_grid(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(0);
	struct ct_epoch_slot *epoch;
	uint64_t i = 0;

	for (; i < 20; i++)
		ct_record(recorder, START + (i + 1) * EPOCH, 5);
	while ((epoch = ct_recorder_take(recorder)))
		ct_recorder_give_back(recorder, epoch);
	ct_record(recorder, START + ++i * EPOCH, 5); /* closes the long one */
	ct_record(recorder, START + ++i * EPOCH, 5); /* and a usual one */
	epoch = ct_recorder_take(recorder);
	assert_int_equal(epoch->count, 20 - (CT_RECORDER_SLOTS - 1) + 1);
	ct_recorder_give_back(recorder, epoch);
	epoch = ct_recorder_take(recorder);
	assert_int_equal(epoch->count, 1);
	assert_int_equal(epoch->end_tick - epoch->begin_tick, EPOCH);
	free_recorder(recorder);
}

static void beginning_again_drops_what_was_there(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(3);
	const struct ct_epoch_slot *epoch;

	for (uint64_t i = 0; i < 30; i++)
		ct_record(recorder, START + i * EPOCH, 1000000 + i);
	ct_recorder_begin(recorder, &picoseconds, 2 * START, EPOCH_NS, 1);
	assert_null(ct_recorder_take(recorder));
	ct_record(recorder, 2 * START + 1, 3);
	ct_recorder_end(recorder, 2 * START + 2);
	epoch = ct_recorder_take(recorder);
	assert_int_equal(epoch->begin_tick, 2 * START);
	assert_int_equal(epoch->count, 1);
	assert_int_equal(epoch->max_ps, 3);
	assert_int_equal(epoch->slow_count, 1);
	assert_int_equal(epoch->raw_count, 1);
	assert_int_equal(histogram_total(epoch), 1);
	free_recorder(recorder);
}

enum { STRESS_SAMPLES = 300000 };

struct stress {
	struct ct_recorder *recorder;
	uint64_t sum;
	atomic_bool done;
};

/* About 40 samples an epoch: thousands of epochs, made faster than they are taken. */
static void *record_all(void *context)
{
	struct stress *stress = context;
	struct ct_rng rng;
	uint64_t tick = START;

	ct_rng_seed(&rng, 23);
	for (int i = 0; i < STRESS_SAMPLES; i++) {
		uint64_t ps = 1 + ct_rng_below(&rng, 2 * EPOCH / 40);

		tick += ps;
		stress->sum += ps;
		ct_record(stress->recorder, tick, ps);
	}
	ct_recorder_end(stress->recorder, tick);
	atomic_store(&stress->done, true);
	return NULL;
}

static uint64_t count_buckets(const struct ct_epoch_slot *epoch)
{
	uint64_t n = 0;

	if (epoch->count == 0)
		return 0;
	for (uint32_t i = ct_hist_index(epoch->min_ps); i <= ct_hist_index(epoch->max_ps); i++)
		n += epoch->counts[i];
	return n;
}

static void two_threads_lose_nothing(void **state)
{
	(void)state;
	struct ct_recorder *recorder = new_recorder(100);
	struct stress stress = {.recorder = recorder};
	uint64_t count = 0, sum = 0, raw = 0, in_buckets = 0, end = START, epochs = 0;
	pthread_t producer;

	assert_int_equal(pthread_create(&producer, NULL, record_all, &stress), 0);
	for (;;) {
		/* Asked first: what was closed before that is still to be taken. */
		const bool done = atomic_load(&stress.done);
		struct ct_epoch_slot *epoch = ct_recorder_take(recorder);

		if (!epoch && done)
			break;
		if (!epoch) {
			sched_yield();
			continue;
		}
		assert_int_equal(epoch->begin_tick, end);
		end = epoch->end_tick;
		count += epoch->count;
		sum += epoch->sum_ps;
		raw += epoch->raw_count + epoch->raw_dropped;
		in_buckets += count_buckets(epoch);
		epochs++;
		ct_recorder_give_back(recorder, epoch);
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_int_equal(count, STRESS_SAMPLES);
	assert_int_equal(in_buckets, STRESS_SAMPLES);
	assert_int_equal(raw, STRESS_SAMPLES);
	assert_int_equal(sum, stress.sum);
	assert_true(epochs >= CT_RECORDER_SLOTS);
	free_recorder(recorder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_epoch_sums_up_its_samples),
		cmocka_unit_test(an_epoch_without_samples_is_empty),
		cmocka_unit_test(boundaries_stay_on_the_grid),
		cmocka_unit_test(counters_are_read_as_epochs_close),
		cmocka_unit_test(latency_is_per_operation),
		cmocka_unit_test(the_slowest_are_those_of_sorting),
		cmocka_unit_test(a_slow_sample_keeps_its_time),
		cmocka_unit_test(what_is_too_long_is_counted_as_overflow),
		cmocka_unit_test(raw_samples_are_kept_in_order),
		cmocka_unit_test(a_slot_given_back_is_clean),
		cmocka_unit_test(a_full_ring_makes_the_epoch_longer),
		cmocka_unit_test(a_ring_that_was_full_goes_on_with_the_grid),
		cmocka_unit_test(beginning_again_drops_what_was_there),
		cmocka_unit_test(two_threads_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
