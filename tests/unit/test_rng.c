/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers: the published vectors, no bias, and streams that do not depend on each other. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/core/rng.h"

/* Pearson's chi-square of counts that should be equal. */
static double chi_square(const unsigned *counts, size_t n, double expected)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
	return sum;
}

/* SplitMix64 of 1234567, as its authors' reference code gives it; it fills the state. */
static void seeding_is_splitmix64(void **state)
{
	(void)state;
	static const uint64_t expected[4] = {
		UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
		UINT64_C(9817491932198370423), UINT64_C(4593380528125082431)};
	struct ct_rng rng;

	ct_rng_seed(&rng, 1234567);
	for (int i = 0; i < 4; i++)
		assert_true(rng.s[i] == expected[i]);
}

/* xoshiro256** from the state 1, 2, 3, 4: the vector that implementations are tested with. */
static void numbers_are_xoshiro256_starstar(void **state)
{
	(void)state;
	static const uint64_t expected[] = {UINT64_C(11520),
					    UINT64_C(0),
					    UINT64_C(1509978240),
					    UINT64_C(1215971899390074240),
					    UINT64_C(1216172134540287360),
					    UINT64_C(607988272756665600),
					    UINT64_C(16172922978634559625),
					    UINT64_C(8476171486693032832),
					    UINT64_C(10595114339597558777),
					    UINT64_C(2904607092377533576)};
	struct ct_rng rng = {{1, 2, 3, 4}};

	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
		assert_true(ct_rng_next(&rng) == expected[i]);
}

static void a_seed_of_zero_is_a_seed(void **state)
{
	(void)state;
	struct ct_rng rng;

	ct_rng_seed(&rng, 0);
	assert_true(rng.s[0] == UINT64_C(0xe220a8397b1dcdaf));
	assert_true(ct_rng_next(&rng) != ct_rng_next(&rng));
}

static void streams_repeat_and_differ(void **state)
{
	(void)state;
	struct ct_rng a, b, other_stream, other_seed;
	unsigned equal_stream = 0, equal_seed = 0;

	ct_rng_stream(&a, 7, 3);
	ct_rng_stream(&b, 7, 3);
	ct_rng_stream(&other_stream, 7, 4);
	ct_rng_stream(&other_seed, 8, 3);
	for (int i = 0; i < 1000; i++) {
		uint64_t value = ct_rng_next(&a);

		assert_true(value == ct_rng_next(&b));
		equal_stream += value == ct_rng_next(&other_stream);
		equal_seed += value == ct_rng_next(&other_seed);
	}
	assert_int_equal(equal_stream, 0);
	assert_int_equal(equal_seed, 0);
}

/* Neighbouring streams would show it if the stream number only shifted the state. */
static void streams_are_not_correlated(void **state)
{
	(void)state;
	enum { STREAMS = 4000, CELLS = 16 };
	unsigned counts[CELLS * CELLS] = {0};

	for (uint64_t stream = 0; stream < STREAMS; stream++) {
		struct ct_rng here, next;

		ct_rng_stream(&here, 1, stream);
		ct_rng_stream(&next, 1, stream + 1);
		counts[ct_rng_below(&here, CELLS) * CELLS + ct_rng_below(&next, CELLS)]++;
	}
	/* 255 degrees of freedom: mean 255, standard deviation 22.6; five of them above. */
	assert_true(chi_square(counts, sizeof counts / sizeof counts[0],
			       (double)STREAMS / (CELLS * CELLS)) < 370);
}

static void below_is_uniform_without_bias(void **state)
{
	(void)state;
	static const uint64_t bounds[] = {1, 2, 3, 7, 10, 97};
	enum { DRAWS = 100000 };
	struct ct_rng rng;

	ct_rng_seed(&rng, 11);
	for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++) {
		unsigned counts[97] = {0};
		const double freedom = (double)bounds[b] - 1;

		for (int i = 0; i < DRAWS; i++) {
			uint64_t value = ct_rng_below(&rng, bounds[b]);

			assert_true(value < bounds[b]);
			counts[value]++;
		}
		assert_true(chi_square(counts, bounds[b], (double)DRAWS / (double)bounds[b]) <=
			    freedom + 6 * sqrt(2 * freedom) + 1e-9);
	}
}

/* For this bound a plain remainder would give the lower third twice as often as the rest. */
static void below_rejects_the_remainder(void **state)
{
	(void)state;
	const uint64_t bound = UINT64_C(3) << 62;
	enum { DRAWS = 30000 };
	unsigned counts[3] = {0};
	struct ct_rng rng;

	ct_rng_seed(&rng, 12);
	for (int i = 0; i < DRAWS; i++)
		counts[ct_rng_below(&rng, bound) >> 62]++;
	assert_true(chi_square(counts, 3, DRAWS / 3.0) < 20);
}

static void uniform_is_flat_between_0_and_1(void **state)
{
	(void)state;
	enum { DRAWS = 200000, CELLS = 100 };
	unsigned counts[CELLS] = {0};
	struct ct_rng rng;
	double sum = 0;

	ct_rng_seed(&rng, 13);
	for (int i = 0; i < DRAWS; i++) {
		double value = ct_rng_uniform(&rng);

		assert_true(value > 0 && value < 1);
		sum += value;
		counts[(int)(value * CELLS)]++;
	}
	assert_true(fabs(sum / DRAWS - 0.5) < 0.005);
	assert_true(chi_square(counts, CELLS, (double)DRAWS / CELLS) < 99 + 6 * sqrt(2 * 99.0));
}

/* States made to yield the largest and the smallest number there is: s[1] solves the scrambler. */
static void uniform_never_is_0_or_1(void **state)
{
	(void)state;
	struct ct_rng largest = {{1, UINT64_C(0x4fc71c71c71c71c7), 1, 1}},
		      smallest = {{1, 0, 1, 1}};
	struct ct_rng copy = largest;

	assert_true(ct_rng_next(&copy) == UINT64_MAX);
	assert_true(ct_rng_uniform(&largest) < 1);
	assert_true(ct_rng_uniform(&smallest) > 0);
	largest = (struct ct_rng){{1, UINT64_C(0x4fc71c71c71c71c7), 1, 1}};
	assert_true(ct_rng_exponential(&largest) > 0);
	assert_true(isfinite(ct_rng_exponential(&(struct ct_rng){{1, 0, 1, 1}})));
}

static void exponential_has_mean_and_variance_1(void **state)
{
	(void)state;
	enum { DRAWS = 200000 };
	struct ct_rng rng;
	double sum = 0, squares = 0;

	ct_rng_seed(&rng, 14);
	for (int i = 0; i < DRAWS; i++) {
		double value = ct_rng_exponential(&rng);

		assert_true(value > 0);
		sum += value;
		squares += value * value;
	}
	assert_true(fabs(sum / DRAWS - 1) < 0.015);
	assert_true(fabs(squares / DRAWS - 2) < 0.08);
}

static void shuffling_keeps_every_value(void **state)
{
	(void)state;
	uint32_t values[100];
	unsigned seen[100] = {0};
	struct ct_rng rng;

	ct_rng_seed(&rng, 15);
	for (uint32_t i = 0; i < 100; i++)
		values[i] = i;
	ct_rng_shuffle_u32(&rng, values, 100);
	for (int i = 0; i < 100; i++)
		seen[values[i]]++;
	for (int i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	ct_rng_shuffle_u32(&rng, values, 0);
	ct_rng_shuffle_u32(&rng, values, 1);
}

static void shuffling_makes_every_order_alike(void **state)
{
	(void)state;
	enum { DRAWS = 24000, ORDERS = 256 };
	unsigned counts[ORDERS] = {0}, possible = 0;
	struct ct_rng rng;
	double sum = 0;

	ct_rng_seed(&rng, 16);
	for (int i = 0; i < DRAWS; i++) {
		uint32_t values[4] = {0, 1, 2, 3};

		ct_rng_shuffle_u32(&rng, values, 4);
		counts[values[0] | values[1] << 2 | values[2] << 4 | values[3] << 6]++;
	}
	for (int i = 0; i < ORDERS; i++) {
		if (counts[i] == 0)
			continue;
		possible++;
		sum += (counts[i] - DRAWS / 24.0) * (counts[i] - DRAWS / 24.0) / (DRAWS / 24.0);
	}
	assert_int_equal(possible, 24);
	assert_true(sum < 23 + 6 * sqrt(2 * 23.0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seeding_is_splitmix64),
		cmocka_unit_test(numbers_are_xoshiro256_starstar),
		cmocka_unit_test(a_seed_of_zero_is_a_seed),
		cmocka_unit_test(streams_repeat_and_differ),
		cmocka_unit_test(streams_are_not_correlated),
		cmocka_unit_test(below_is_uniform_without_bias),
		cmocka_unit_test(below_rejects_the_remainder),
		cmocka_unit_test(uniform_is_flat_between_0_and_1),
		cmocka_unit_test(uniform_never_is_0_or_1),
		cmocka_unit_test(exponential_has_mean_and_variance_1),
		cmocka_unit_test(shuffling_keeps_every_value),
		cmocka_unit_test(shuffling_makes_every_order_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
