/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* Distributions: closed forms, both tails, large parameters, and refusal of nonsense. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/stats/distributions.h"
#include "tests/stats/simulate.h"

static void closed_forms_hold(void **state)
{
	(void)state;
	for (double p = 0.01; p < 1; p += 0.07) {
		/* One degree of freedom is Cauchy, two has an algebraic form. */
		assert_near(ct_t_quantile(p, 1), tan(M_PI * (p - 0.5)), 1e-12);
		assert_near(ct_t_quantile(p, 2), (2 * p - 1) / sqrt(2 * p * (1 - p)), 1e-12);
		assert_near(ct_chi2_quantile(p, 2), -2 * log1p(-p), 1e-13);
		assert_near(ct_beta_quantile(p, 3, 1), cbrt(p), 1e-14);
		assert_near(ct_beta_quantile(p, 0.5, 0.5), pow(sin(M_PI * p / 2), 2), 1e-14);
		assert_near(ct_f_cdf(p, 2, 2), p / (1 + p), 1e-14);
	}
	assert_near(ct_kolmogorov_sf(1.3580986393225507), 0.05, 1e-12);
}

static void quantile_inverts_cdf_in_both_tails(void **state)
{
	(void)state;
	for (double p = 1e-12; p < 0.5; p *= 7) {
		assert_near(ct_normal_cdf(ct_normal_quantile(p)) / p, 1, 1e-12);
		assert_near(ct_t_cdf(ct_t_quantile(p, 3.7), 3.7) / p, 1, 1e-12);
		assert_near(ct_beta_cdf(ct_beta_quantile(p, 0.3, 40), 0.3, 40) / p, 1, 1e-12);
		assert_near(ct_gamma_cdf(ct_gamma_quantile(p, 12), 12) / p, 1, 1e-12);
	}
	assert_near(ct_normal_cdf(-38) / 2.8854294338e-316, 1, 1e-6);
	assert_near(ct_t_sf(1e8, 2) / (0.5 * 1e-16), 1, 1e-12);
}

/* Reference: the positive series of 2F1(1, a + b; a + 1; x) in 60-digit arithmetic. */
static void a_billion_trials_keep_ten_digits(void **state)
{
	(void)state;
	assert_near(ct_binomial_cdf(999901000, 1000000000, 0.9999) / 0.99923461664812544, 1, 1e-10);
	assert_near(ct_binomial_cdf(994000, 1000000000, 0.001) / 9.37125002895e-10, 1, 1e-9);
	assert_int_equal(ct_binomial_quantile(0.5, 1000000000, 0.25), 250000000);
}

static void binomial_agrees_with_its_sum(void **state)
{
	double sum = 0, term = pow(0.7, 20);

	(void)state;
	for (uint64_t k = 0; k <= 20; k++) {
		sum += term;
		assert_near(ct_binomial_cdf(k, 20, 0.3), sum, 1e-14);
		assert_near(ct_binomial_sf(k, 20, 0.3), 1 - sum, 1e-14);
		term *= (double)(20 - k) / (double)(k + 1) * 3 / 7;
	}
	assert_int_equal(ct_binomial_quantile(0.5, 1, 0.5), 0);
	assert_int_equal(ct_binomial_quantile(1, 5, 0.5), 5);
	assert_near(ct_binomial_cdf(0, 10, 0), 1, 0);
	assert_near(ct_binomial_cdf(9, 10, 1), 0, 0);
}

static void noncentral_f_averages_to_its_mean(void **state)
{
	double mean = 0, step = 0.01;

	(void)state;
	/* E F' = d2 (d1 + lambda) / (d1 (d2 - 2)), as the integral of the upper tail. */
	for (double x = step / 2; x < 200; x += step)
		mean += step * (1 - ct_f_noncentral_cdf(x, 3, 40, 6));
	assert_near(mean, 40.0 * 9 / (3 * 38), 1e-4);
	assert_near(ct_f_noncentral_cdf(2, 3, 40, 0), ct_f_cdf(2, 3, 40), 0);
	/* A noncentrality far beyond what exp() can start from. */
	assert_near(ct_f_noncentral_cdf(5000, 1, 1e6, 5000), 0.5, 0.01);
}

static void ends_and_nonsense_are_answered(void **state)
{
	(void)state;
	assert_true(ct_normal_quantile(0) == -INFINITY && ct_normal_quantile(1) == INFINITY);
	assert_true(ct_t_quantile(1, 5) == INFINITY && ct_chi2_quantile(0, 5) == 0);
	assert_near(ct_t_cdf(1.5, INFINITY), ct_normal_cdf(1.5), 0);
	assert_true(ct_beta_cdf(-1, 2, 3) == 0 && ct_beta_cdf(2, 2, 3) == 1);
	assert_true(ct_f_cdf(0, 2, 3) == 0 && ct_f_cdf(INFINITY, 2, 3) == 1);
	assert_true(isnan(ct_normal_quantile(1.1)) && isnan(ct_normal_quantile(NAN)));
	assert_true(isnan(ct_t_cdf(1, 0)) && isnan(ct_t_cdf(NAN, 3)) &&
		    isnan(ct_t_quantile(.5, -1)));
	assert_true(isnan(ct_beta_cdf(0.5, 0, 1)) && isnan(ct_beta_cdf(NAN, 1, 1)));
	assert_true(isnan(ct_gamma_cdf(1, -1)) && isnan(ct_chi2_quantile(-0.1, 2)));
	assert_true(isnan(ct_binomial_cdf(1, 2, 1.5)) && isnan(ct_kolmogorov_sf(NAN)));
	assert_true(isnan(ct_f_noncentral_cdf(1, 2, 3, -1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_forms_hold),
		cmocka_unit_test(quantile_inverts_cdf_in_both_tails),
		cmocka_unit_test(a_billion_trials_keep_ten_digits),
		cmocka_unit_test(binomial_agrees_with_its_sum),
		cmocka_unit_test(noncentral_f_averages_to_its_mean),
		cmocka_unit_test(ends_and_nonsense_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
