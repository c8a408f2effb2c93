/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* The histogram against exact sorting: nothing may be off by more than 1/1024, and nothing lost. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/core/hist.h"
#include "harness/core/rng.h"

#define NS UINT64_C(1000)
#define S  UINT64_C(1000000000000)

static const double quantiles[] = {0,   0.001, 0.01, 0.07,  0.1,    0.25,    0.5,      0.75,
				   0.9, 0.95,  0.99, 0.999, 0.9999, 0.99999, 0.999999, 1};
enum { N_QUANTILES = sizeof quantiles / sizeof quantiles[0] };

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static struct ct_hist new_hist(void)
{
	struct ct_hist hist;

	assert_true(ct_hist_init(&hist, NULL));
	return hist;
}

static double exact_mean(const uint64_t *values, size_t n)
{
	long double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (long double)values[i];
	return (double)(sum / (long double)n);
}

static void assert_near(double value, double exact)
{
	if (!(fabs(value - exact) <= exact / 1024))
		fail_msg("%.17g is more than 1/1024 from %.17g", value, exact);
}

/* Every quantile of the values, which are sorted here, and their mean. */
static void matches_sorting(uint64_t *values, size_t n)
{
	struct ct_hist hist = new_hist();

	for (size_t i = 0; i < n; i++)
		ct_hist_add(&hist, values[i], 1);
	qsort(values, n, sizeof values[0], compare_u64);
	assert_int_equal(hist.total, n);
	for (int i = 0; i < N_QUANTILES; i++)
		assert_near(ct_hist_quantile(&hist, quantiles[i]),
			    (double)values[ct_quantile_rank(n, quantiles[i]) - 1]);
	for (size_t rank = 1; rank <= n; rank += n / 500 + 1)
		assert_near(ct_hist_quantile(&hist, (double)rank / (double)n),
			    (double)values[rank - 1]);
	assert_near(ct_hist_mean(&hist), exact_mean(values, n));
	ct_hist_free(&hist);
}

static void buckets_tile_the_range(void **state)
{
	(void)state;
	assert_int_equal(ct_hist_low(0), 0);
	for (uint32_t i = 0; i < CT_HIST_BUCKETS; i++) {
		const uint64_t low = ct_hist_low(i), end = ct_hist_low(i + 1);

		assert_true(end > low);
		assert_int_equal(ct_hist_index(low), i);
		assert_int_equal(ct_hist_index(end - 1), i);
		assert_true(ct_hist_mid(i) >= (double)low && ct_hist_mid(i) <= (double)(end - 1));
		/* The promise: never wider than 1/1024 of its lower edge, or than one picosecond.
		 */
		assert_true(end - low == 1 || (end - low) * 1024 <= low);
	}
	assert_int_equal(ct_hist_low(CT_HIST_BUCKETS), CT_HIST_MAX_PS + 1);
}

static void the_range_holds_1_ns_to_100_s(void **state)
{
	(void)state;
	assert_true(CT_HIST_MAX_PS >= 100 * S);
	assert_int_equal(ct_hist_index(UINT64_MAX), CT_HIST_BUCKETS - 1);
	assert_int_equal(ct_hist_index(CT_HIST_MAX_PS + 1), CT_HIST_BUCKETS - 1);
	assert_true(ct_hist_index(100 * S) < CT_HIST_BUCKETS - 1);
}

static void constants_are_themselves(void **state)
{
	(void)state;
	static const uint64_t constants[] = {0,     1,        NS,    1023,          1024, 2047,
					     2048,  2049,     333,   50000 * NS,    S,    100 * S,
					     12345, 99999999, S - 1, CT_HIST_MAX_PS};
	uint64_t values[1000];

	for (size_t c = 0; c < sizeof constants / sizeof constants[0]; c++) {
		for (size_t i = 0; i < 1000; i++)
			values[i] = constants[c];
		matches_sorting(values, 1000);
	}
}

static void edges_of_powers_of_two(void **state)
{
	(void)state;
	uint64_t values[47 * 5];
	size_t n = 0;

	for (unsigned power = 0; power < 47; power++) {
		for (int64_t beside = -2; beside <= 2; beside++)
			values[n++] = (uint64_t)((int64_t)(UINT64_C(1) << power) + beside) &
				      CT_HIST_MAX_PS;
	}
	matches_sorting(values, n);
}

static void log_uniform_over_eleven_decades(void **state)
{
	(void)state;
	enum { N = 200000 };
	uint64_t *values = malloc(N * sizeof *values);
	struct ct_rng rng;

	assert_non_null(values);
	ct_rng_seed(&rng, 1);
	for (size_t i = 0; i < N; i++)
		values[i] = (uint64_t)((double)NS * pow(1e11, ct_rng_uniform(&rng)));
	matches_sorting(values, N);
	free(values);
}

/* One in ten thousand is a thousand times slower: what a neighbour's interrupt looks like. */
static void two_modes_with_rare_outliers(void **state)
{
	(void)state;
	enum { N = 200000 };
	uint64_t *values = malloc(N * sizeof *values);
	struct ct_rng rng;

	assert_non_null(values);
	ct_rng_seed(&rng, 2);
	for (size_t i = 0; i < N; i++) {
		double noise = 1 + 0.01 * ct_rng_uniform(&rng);
		bool outlier = ct_rng_below(&rng, 10000) == 0;

		values[i] = (uint64_t)((outlier ? 80000.0 : 80.0) * (double)NS * noise);
	}
	matches_sorting(values, N);
	free(values);
}

static void all_in_one_bucket(void **state)
{
	(void)state;
	const uint32_t index = ct_hist_index(70 * NS);
	const uint64_t low = ct_hist_low(index), width = ct_hist_low(index + 1) - low;
	uint64_t values[4096];

	assert_true(width > 1);
	for (size_t i = 0; i < 4096; i++)
		values[i] = low + i % width;
	matches_sorting(values, 4096);
}

static void few_samples(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 40; n++) {
		uint64_t values[40];

		for (size_t i = 0; i < n; i++)
			values[i] = (i * 7919 % n + 1) * 1000 * NS;
		matches_sorting(values, n);
	}
}

static void ranks_are_those_of_decimals(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 2000; n++) {
		for (uint64_t thousandths = 0; thousandths <= 1000; thousandths++) {
			uint64_t rank = (n * thousandths + 999) / 1000;

			if (rank == 0)
				rank = 1;
			if (ct_quantile_rank(n, (double)thousandths / 1000) != rank)
				fail_msg("rank of 0.%03u of %u is not %u", (unsigned)thousandths,
					 (unsigned)n, (unsigned)rank);
		}
	}
	assert_int_equal(ct_quantile_rank(10000000, 0.99999), 9999900);
	assert_int_equal(ct_quantile_rank(UINT64_C(1000000000000), 0.999999),
			 UINT64_C(999999000000));
	assert_int_equal(ct_quantile_rank(5, 2), 5);
	assert_int_equal(ct_quantile_rank(5, -1), 1);
}

static void nothing_recorded_is_not_zero(void **state)
{
	(void)state;
	struct ct_hist hist = new_hist();

	assert_true(isnan(ct_hist_quantile(&hist, 0.5)));
	assert_true(isnan(ct_hist_mean(&hist)));
	assert_false(ct_hist_carries(&hist, 0.5));
	assert_int_equal(ct_hist_to_sparse(&hist, NULL, 0), 0);
	ct_hist_free(&hist);
}

static void a_quantile_needs_a_sample_beyond_it(void **state)
{
	(void)state;
	static const struct {
		double q;
		uint64_t least;
	} cases[] = {{0.5, 2}, {0.9, 10}, {0.99, 100}, {0.999, 1000}, {0.9999, 10000}};
	struct ct_hist hist = new_hist();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ct_hist_clear(&hist);
		ct_hist_add(&hist, NS, cases[i].least - 1);
		assert_false(ct_hist_carries(&hist, cases[i].q));
		ct_hist_add(&hist, NS, 1);
		assert_true(ct_hist_carries(&hist, cases[i].q));
	}
	ct_hist_free(&hist);
}

static void assert_same(const struct ct_hist *a, const struct ct_hist *b)
{
	assert_int_equal(a->total, b->total);
	assert_memory_equal(a->counts, b->counts, CT_HIST_BUCKETS * sizeof *a->counts);
}

/* Only what was used is walked through: used again, nothing of before may be left or missed. */
static void a_cleared_one_is_as_new(void **state)
{
	(void)state;
	static const uint64_t used[] = {70 * NS, 0, 100 * S, NS, UINT64_MAX, 3 * S};
	struct ct_hist again = new_hist(), fresh = new_hist();

	for (size_t i = 0; i < sizeof used / sizeof used[0]; i++) {
		struct ct_bucket bucket;

		ct_hist_add(&again, used[i], 1 + i);
		assert_int_equal(ct_hist_to_sparse(&again, &bucket, 1), 1);
		assert_int_equal(bucket.index, ct_hist_index(used[i]));
		assert_int_equal(bucket.count, 1 + i);
		ct_hist_clear(&again);
		assert_same(&again, &fresh);
		assert_int_equal(ct_hist_to_sparse(&again, NULL, 0), 0);
		ct_hist_merge(&again, &fresh);
		assert_same(&again, &fresh);
	}
	ct_hist_free(&again);
	ct_hist_free(&fresh);
}

static void merging_loses_nothing(void **state)
{
	(void)state;
	enum { PARTS = 7, N = 50000 };
	struct ct_hist parts[PARTS], whole = new_hist(), merged = new_hist();
	struct ct_rng rng;

	ct_rng_seed(&rng, 3);
	for (int p = 0; p < PARTS; p++)
		parts[p] = new_hist();
	for (int i = 0; i < N; i++) {
		uint64_t ps = (uint64_t)((double)NS * pow(1e11, ct_rng_uniform(&rng)));

		ct_hist_add(&whole, ps, 1);
		ct_hist_add(&parts[ct_rng_below(&rng, PARTS)], ps, 1);
	}
	for (int p = 0; p < PARTS; p++) {
		ct_hist_merge(&merged, &parts[p]);
		ct_hist_free(&parts[p]);
	}
	assert_same(&merged, &whole);
	ct_hist_free(&merged);
	ct_hist_free(&whole);
}

static void sparse_and_back_loses_nothing(void **state)
{
	(void)state;
	struct ct_hist hist = new_hist(), back = new_hist();
	struct ct_bucket buckets[64];
	size_t n;

	ct_hist_add(&hist, 0, 1);
	ct_hist_add(&hist, CT_HIST_MAX_PS, UINT64_C(1) << 40);
	for (uint64_t i = 0; i < 50; i++)
		ct_hist_add(&hist, i * 977 * NS, i + 1);
	n = ct_hist_to_sparse(&hist, buckets, 64);
	assert_in_range(n, 50, 52);
	for (size_t i = 1; i < n; i++)
		assert_true(buckets[i].index > buckets[i - 1].index);
	assert_true(ct_hist_merge_sparse(&back, buckets, n, NULL));
	assert_same(&back, &hist);
	assert_int_equal(ct_hist_to_sparse(&hist, buckets, 3), n); /* how many there are in all */
	ct_hist_free(&hist);
	ct_hist_free(&back);
}

static void a_bucket_out_of_range_is_refused_whole(void **state)
{
	(void)state;
	const struct ct_bucket buckets[] = {{5, 1}, {CT_HIST_BUCKETS, 1}};
	struct ct_hist hist = new_hist(), empty = new_hist();
	struct ct_error err = {0};

	assert_false(ct_hist_merge_sparse(&hist, buckets, 2, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "38912"));
	assert_same(&hist, &empty);
	ct_hist_free(&hist);
	ct_hist_free(&empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_tile_the_range),
		cmocka_unit_test(the_range_holds_1_ns_to_100_s),
		cmocka_unit_test(constants_are_themselves),
		cmocka_unit_test(edges_of_powers_of_two),
		cmocka_unit_test(log_uniform_over_eleven_decades),
		cmocka_unit_test(two_modes_with_rare_outliers),
		cmocka_unit_test(all_in_one_bucket),
		cmocka_unit_test(few_samples),
		cmocka_unit_test(ranks_are_those_of_decimals),
		cmocka_unit_test(nothing_recorded_is_not_zero),
		cmocka_unit_test(a_quantile_needs_a_sample_beyond_it),
		cmocka_unit_test(a_cleared_one_is_as_new),
		cmocka_unit_test(merging_loses_nothing),
		cmocka_unit_test(sparse_and_back_loses_nothing),
		cmocka_unit_test(a_bucket_out_of_range_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
