/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Dependence in time: known autocorrelation times, drift and change points found and not invented.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/changepoint.h"
#include "harness/stats/series.h"
#include "tests/stats/simulate.h"

static void ar1_has_its_closed_form_time(void **state)
{
	const double r[] = {0, 0.5, 0.9};
	size_t n = 100000;
	double *x = malloc(n * sizeof *x);
	struct ct_rng rng;

	(void)state;
	assert_non_null(x);
	ct_rng_seed(&rng, 41);
	for (size_t i = 0; i < 3; i++) {
		double time = (1 + r[i]) / (1 - r[i]);

		ar1(&rng, r[i], x, n);
		assert_near(ct_autocorrelation_time(x, n) / time, 1, 0.12);
		assert_near(ct_effective_size(x, n) * time / (double)n, 1, 0.12);
		assert_near(ct_lag1(x, n), r[i], 0.02);
	}
	free(x);
}

static void anticorrelation_is_not_turned_into_samples(void **state)
{
	double x[100];

	(void)state;
	for (size_t i = 0; i < 100; i++)
		x[i] = i % 2 ? 1 : -1;
	assert_near(ct_autocorrelation_time(x, 100), 1, 0);
	assert_near(ct_effective_size(x, 100), 100, 0);
	assert_near(ct_lag1(x, 100), -0.99, 1e-12);
}

static void short_flat_and_broken_series_are_answered(void **state)
{
	const double flat[] = {3, 3, 3, 3, 3, 3, 3, 3, 3}, broken[] = {1, 2, NAN, 4, 5, 6, 7, 8, 9};
	struct ct_stationarity s;
	double rho[3];

	(void)state;
	assert_false(ct_autocorrelation(flat, 3, 2, rho));
	assert_false(ct_autocorrelation(flat, 9, 2, rho));
	assert_true(isnan(rho[0]) && isnan(ct_lag1(flat, 9)));
	assert_true(isnan(ct_autocorrelation_time(flat, 9)));
	assert_near(ct_effective_size(flat, 9), 9, 0);
	assert_near(ct_effective_size(flat, 0), 0, 0);
	assert_true(isnan(ct_effective_size(broken, 9)));
	assert_true(ct_stationarity(flat, 9, 0.95, &s));
	assert_true(s.stationary && s.drift.value == 0);
	assert_false(ct_stationarity(flat, 7, 0.95, &s));
	assert_false(ct_stationarity(broken, 9, 0.95, &s));
	assert_true(isnan(s.p_drift));
}

static void drift_is_measured(void **state)
{
	struct ct_stationarity s;
	struct ct_rng rng;
	double x[500];

	(void)state;
	ct_rng_seed(&rng, 42);
	ar1(&rng, 0.5, x, 500);
	for (size_t i = 0; i < 500; i++)
		x[i] += 100 + 3.0 * (double)i / 500;
	assert_true(ct_stationarity(x, 500, 0.95, &s));
	assert_false(s.stationary);
	assert_true(s.drift.lo < 3 && 3 < s.drift.hi && s.drift.lo > 1.5);
	assert_true(s.step.lo < 1.5 && 1.5 < s.step.hi);
}

/* Two looks at 2.5 % each; dependence is estimated, so dependent series alarm a little more. */
static void a_steady_series_is_called_steady(void **state)
{
	const double r[] = {0, 0.7};
	struct ct_rng rng;
	int n = campaigns(1000);

	(void)state;
	ct_rng_seed(&rng, 43);
	for (size_t k = 0; k < 2; k++) {
		int alarms = 0;

		for (int i = 0; i < n; i++) {
			struct ct_stationarity s;
			double x[400];

			ar1(&rng, r[k], x, 400);
			assert_true(ct_stationarity(x, 400, 0.95, &s));
			alarms += !s.stationary;
		}
		assert_rate(alarms, n, 0.03, k == 0 ? 0.05 : 0.07);
	}
}

static void regimes_are_found_where_they_are(void **state)
{
	const size_t truth[] = {120, 300, 330};
	const double level[] = {10, 14, 8, 12};
	struct ct_changes changes;
	struct ct_rng rng;
	double x[500];

	(void)state;
	ct_rng_seed(&rng, 44);
	for (size_t i = 0, k = 0; i < 500; i++) {
		if (k < 3 && i == truth[k])
			k++;
		x[i] = level[k] + normal(&rng);
		/* One epoch in thirty stalls: a thousand times the median is no regime. */
		if (ct_rng_below(&rng, 30) == 0)
			x[i] *= 1000;
	}
	assert_true(ct_change_points(x, 500, 5, 0.05, &rng, &changes));
	assert_int_equal(changes.n, 3);
	for (size_t k = 0; k < 3; k++)
		assert_near((double)changes.at[k], (double)truth[k], 2);
	for (size_t k = 0; k < 4; k++)
		assert_near(changes.level[k], level[k], 0.8);
	ct_changes_free(&changes);
	assert_null(changes.at);
}

/* Without pruning: the optimum by trying every start, which PELT must not miss. */
static double best_by_force(const double *x, size_t n, size_t min_segment, double penalty)
{
	double best[121], sums[121] = {0}, squares[121] = {0};

	for (size_t i = 0; i < n; i++) {
		sums[i + 1] = sums[i] + x[i];
		squares[i + 1] = squares[i] + x[i] * x[i];
	}
	best[0] = -penalty;
	for (size_t t = 1; t <= n; t++) {
		best[t] = INFINITY;
		for (size_t s = 0; s + min_segment <= t; s++) {
			double sum = sums[t] - sums[s];
			double cost = squares[t] - squares[s] - sum * sum / (double)(t - s);

			best[t] = fmin(best[t], best[s] + cost + penalty);
		}
	}
	return best[n];
}

static double cost_of(const double *x, size_t n, const struct ct_changes *c)
{
	double cost = 0;

	for (size_t k = 0; k <= c->n; k++) {
		size_t from = k ? c->at[k - 1] : 0, to = k < c->n ? c->at[k] : n;
		double mean = 0;

		for (size_t i = from; i < to; i++)
			mean += x[i] / (double)(to - from);
		for (size_t i = from; i < to; i++)
			cost += pow(x[i] - mean, 2);
	}
	return cost + c->penalty * (double)c->n;
}

static void pelt_finds_the_optimum(void **state)
{
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 45);
	for (int i = 0; i < 200; i++) {
		struct ct_changes changes;
		double x[120], scores[120];
		size_t period = 10 + ct_rng_below(&rng, 30);
		size_t min_segment = 2 + ct_rng_below(&rng, 7);

		for (size_t k = 0; k < 120; k++)
			x[k] = (k / period % 2 ? 2 : 0) + normal(&rng);
		assert_true(ct_change_points(x, 120, min_segment, 0.05, &rng, &changes));
		/* Normal scores as the header defines them, by counting; no ties here. */
		for (size_t k = 0; k < 120; k++) {
			double rank = 1;

			for (size_t m = 0; m < 120; m++)
				rank += x[m] < x[k];
			scores[k] = ct_normal_quantile(rank / 121);
		}
		for (double square = 0, k = 0; k < 2; k++) {
			for (size_t m = 0; m < 120; m++) {
				if (k == 0)
					square += scores[m] * scores[m] / 120;
				else
					scores[m] /= sqrt(square);
			}
		}
		assert_near(cost_of(scores, 120, &changes),
			    best_by_force(scores, 120, min_segment, changes.penalty), 1e-9);
		ct_changes_free(&changes);
	}
}

static void changes_are_not_invented(void **state)
{
	const double r[] = {0, 0.5, 0.9};
	const size_t length[] = {200, 200, 800}; /* worth 200, 67 and 42 independent values */
	int n = campaigns(80);
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 46);
	for (size_t k = 0; k < 3; k++) {
		int alarms = 0;

		for (int i = 0; i < n; i++) {
			struct ct_changes changes;
			double x[800];

			ar1(&rng, r[k], x, length[k]);
			for (size_t m = 0; m < length[k]; m++)
				x[m] = exp(2 * x[m]); /* a heavy tail must not matter */
			assert_true(ct_change_points(x, length[k], 10, 0.05, &rng, &changes));
			alarms += changes.n > 0;
			ct_changes_free(&changes);
		}
		assert_rate(alarms, n, 0.005, 0.05);
	}
}

static void series_without_regimes_to_find_are_answered(void **state)
{
	const double flat[20] = {0}, broken[20] = {NAN};
	struct ct_changes changes;
	struct ct_rng rng;

	(void)state;
	ct_rng_seed(&rng, 47);
	assert_true(ct_change_points(flat, 20, 2, 0.05, &rng, &changes));
	assert_int_equal(changes.n, 0);
	assert_near(changes.level[0], 0, 0);
	ct_changes_free(&changes);
	assert_false(ct_change_points(flat, 7, 2, 0.05, &rng, &changes));
	assert_false(ct_change_points(flat, 20, 1, 0.05, &rng, &changes));
	assert_false(ct_change_points(flat, 20, 2, 0, &rng, &changes));
	assert_false(ct_change_points(broken, 20, 2, 0.05, &rng, &changes));
	assert_null(changes.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ar1_has_its_closed_form_time),
		cmocka_unit_test(anticorrelation_is_not_turned_into_samples),
		cmocka_unit_test(short_flat_and_broken_series_are_answered),
		cmocka_unit_test(drift_is_measured),
		cmocka_unit_test(a_steady_series_is_called_steady),
		cmocka_unit_test(regimes_are_found_where_they_are),
		cmocka_unit_test(pelt_finds_the_optimum),
		cmocka_unit_test(changes_are_not_invented),
		cmocka_unit_test(series_without_regimes_to_find_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
