/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/*
 * Our statistics against numpy and scipy: the committed lines of tests/stats/reference.h, and,
 * where scipy is installed, the lines that tests/stats/reference.py computes now.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/stats/bootstrap.h"
#include "harness/stats/distributions.h"
#include "harness/stats/fdr.h"
#include "harness/stats/lockin.h"
#include "harness/stats/lsq.h"
#include "harness/stats/nested.h"
#include "harness/stats/quantile.h"
#include "harness/stats/ranks.h"
#include "harness/stats/sequential.h"
#include "harness/stats/series.h"
#include "harness/stats/tail.h"
#include "harness/stats/tolerance.h"
#include "harness/stats/tost.h"
#include "harness/stats/variance.h"
#include "tests/stats/reference.h"

#define MOST_VALUES 4096
#define CONFIDENCE  0.95

/* The arguments of one line: numbers and arrays, each in order. */
struct arguments {
	double number[8], array[4][MOST_VALUES];
	size_t length[4], numbers, arrays;
	struct ct_bin bins[MOST_VALUES]; /* of the first array, which is then sorted */
	size_t n_bins;
};

/* The first array is the matrix, column after column. */
static double least_squares_of(struct arguments *a, bool residual)
{
	size_t n = a->length[1], m = a->length[0] / n;
	double x[8], squares;

	if (m > 8 || !ct_least_squares(a->array[0], a->array[1], n, m, x, &squares))
		return NAN;
	return residual ? squares : x[(size_t)a->number[0]];
}

static double least_squares(struct arguments *a)
{
	return least_squares_of(a, false);
}

static double least_squares_residual(struct arguments *a)
{
	return least_squares_of(a, true);
}

static struct ct_interval lockin(struct arguments *a)
{
	const struct ct_lockin_reference references[2] = {
		{.frequency_hz = a->number[2], .start_s = a->number[3], .duty = 0.5},
		{.frequency_hz = a->number[4], .start_s = a->number[5], .duty = 0.5}};
	static double begin[MOST_VALUES], end[MOST_VALUES];
	const struct ct_lockin_series series = {begin, end, a->array[0], a->length[0]};
	struct ct_lockin found = {0};
	struct ct_lockin_line line = {.shift = CT_INTERVAL_NONE};
	struct ct_rng rng;

	for (size_t i = 0; i < series.n; i++) {
		begin[i] = a->number[1] * (double)i;
		end[i] = a->number[1] * (double)(i + 1);
	}
	ct_rng_seed(&rng, 1);
	if (ct_lockin_add(&found, &series, references, 2))
		ct_lockin_result(&found, (size_t)a->number[0], CONFIDENCE, &rng, &line);
	ct_lockin_free(&found);
	return line.shift;
}

static double lockin_shift(struct arguments *a)
{
	return lockin(a).value;
}

static double lockin_lo(struct arguments *a)
{
	return lockin(a).lo;
}

static double sequential_t(struct arguments *a)
{
	return ct_sequential_t((size_t)a->number[0], a->number[1]);
}

static double t_cdf(struct arguments *a)
{
	return ct_t_cdf(a->number[0], a->number[1]);
}

static double harrell_davis(struct arguments *a)
{
	double whole = ct_harrell_davis(a->array[0], a->length[0], a->number[0]);
	double binned = ct_bins_harrell_davis(a->bins, a->n_bins, a->number[0]);

	return fabs(whole - binned) <= 1e-12 * whole ? whole : NAN;
}

static double quantile_type1(struct arguments *a)
{
	double whole = ct_quantile_type1(a->array[0], a->length[0], a->number[0]);

	return whole == ct_bins_quantile_type1(a->bins, a->n_bins, a->number[0]) ? whole : NAN;
}

static double quantile_type7(struct arguments *a)
{
	double whole = ct_quantile_type7(a->array[0], a->length[0], a->number[0]);

	return whole == ct_bins_quantile_type7(a->bins, a->n_bins, a->number[0]) ? whole : NAN;
}

static struct ct_mann_whitney mann_whitney(struct arguments *a)
{
	struct ct_mann_whitney result;

	ct_mann_whitney(a->array[0], a->length[0], a->array[1], a->length[1], &result);
	return result;
}

static double mann_whitney_u(struct arguments *a)
{
	return mann_whitney(a).u;
}

static double mann_whitney_p(struct arguments *a)
{
	return mann_whitney(a).p;
}

static double mann_whitney_a12(struct arguments *a)
{
	return mann_whitney(a).a12;
}

static struct ct_ks ks(struct arguments *a)
{
	struct ct_ks result;

	ct_ks(a->array[0], a->length[0], a->array[1], a->length[1], &result);
	return result;
}

static double ks_d(struct arguments *a)
{
	return ks(a).d;
}

static double ks_p(struct arguments *a)
{
	return ks(a).p;
}

static double wasserstein(struct arguments *a)
{
	double result;

	ct_wasserstein(a->array[0], a->length[0], a->array[1], a->length[1], &result);
	return result;
}

static double benjamini_hochberg(struct arguments *a)
{
	double adjusted[MOST_VALUES];

	if (!ct_benjamini_hochberg(a->array[0], a->length[0], adjusted))
		return NAN;
	return adjusted[(size_t)a->number[0]];
}

static struct ct_interval paired(struct arguments *a)
{
	struct ct_interval result;

	ct_paired_log_ratio(a->array[0], a->array[1], a->length[0], CONFIDENCE, &result);
	return result;
}

static double paired_value(struct arguments *a)
{
	return paired(a).value;
}

static double paired_lo(struct arguments *a)
{
	return paired(a).lo;
}

static double paired_hi(struct arguments *a)
{
	return paired(a).hi;
}

static double paired_p(struct arguments *a)
{
	struct ct_paired summary;

	ct_paired_summary(a->array[0], a->array[1], a->length[0], &summary);
	return ct_paired_p_two_sided(&summary, 1);
}

static struct ct_tost tost(struct arguments *a)
{
	struct ct_paired summary;
	struct ct_tost result;

	ct_paired_summary(a->array[0], a->array[1], a->length[0], &summary);
	ct_tost_paired(&summary, a->number[0], 0.05, &result);
	return result;
}

static double tost_p(struct arguments *a)
{
	return tost(a).p_equivalent;
}

static double tost_p_worse(struct arguments *a)
{
	return tost(a).p_worse;
}

static double power_difference(struct arguments *a)
{
	return ct_power_difference((size_t)a->number[0], a->number[1], a->number[2], a->number[3]);
}

static struct ct_tolerance tolerance(struct arguments *a)
{
	struct ct_tolerance result;

	ct_tolerance_upper((uint64_t)a->number[0], a->number[1], a->number[2], &result);
	return result;
}

static double tolerance_rank(struct arguments *a)
{
	return (double)tolerance(a).rank;
}

static double tolerance_achieved(struct arguments *a)
{
	return tolerance(a).achieved;
}

static struct ct_anova anova(struct arguments *a)
{
	struct ct_anova result;
	size_t sizes[16];

	for (size_t i = 0; i < a->length[0]; i++)
		sizes[i] = (size_t)a->array[0][i];
	ct_anova_one_way(a->array[1], sizes, a->length[0], CONFIDENCE, &result);
	return result;
}

static double anova_f(struct arguments *a)
{
	return anova(a).f;
}

static double anova_p(struct arguments *a)
{
	return anova(a).p;
}

/* Rows of block, phase, state and value, phases numbered from 0 in order. */
static struct ct_nested nested(struct arguments *a)
{
	struct ct_nested_phase phases[64];
	struct ct_nested result;
	struct ct_rng rng;
	size_t n = 0;

	for (size_t i = 0; i < a->length[0]; i++) {
		if ((size_t)a->array[1][i] == n)
			phases[n++] = (struct ct_nested_phase){(uint32_t)a->array[0][i],
							       (uint32_t)a->array[2][i],
							       &a->array[3][i],
							       0,
							       0.01,
							       50};
		phases[n - 1].n_epochs++;
	}
	ct_rng_seed(&rng, 1);
	ct_nested_components(phases, n, CONFIDENCE, 200, &rng, &result);
	return result;
}

static double nested_epoch(struct arguments *a)
{
	return nested(a).between_epoch.value;
}

static double nested_phase(struct arguments *a)
{
	return nested(a).between_phase.value;
}

static double nested_block(struct arguments *a)
{
	return nested(a).between_block.value;
}

static struct ct_tail tail(struct arguments *a)
{
	struct ct_tail result;

	ct_tail_fit(a->bins, a->n_bins, 0, CONFIDENCE, &result);
	return result;
}

static double tail_shape(struct arguments *a)
{
	return tail(a).shape;
}

static double tail_scale(struct arguments *a)
{
	return tail(a).scale;
}

static double tail_log_likelihood(struct arguments *a)
{
	return tail(a).log_likelihood;
}

static double autocorrelation(struct arguments *a)
{
	size_t lag = (size_t)a->number[0];
	double rho[64];

	return ct_autocorrelation(a->array[0], a->length[0], lag, rho) ? rho[lag] : NAN;
}

static double mean_of_drawn(const void *data, const struct ct_resample *resample)
{
	const double *x = data;
	double sum = 0;

	for (size_t i = 0; i < resample->n_blocks; i++)
		sum += x[resample->blocks[i]];
	return sum / (double)resample->n_blocks;
}

static struct ct_interval bootstrap(struct arguments *a, enum ct_bootstrap_method method)
{
	struct ct_bootstrap plan = {.n_blocks = a->length[0],
				    .replicates = 40000,
				    .method = method,
				    .confidence = CONFIDENCE,
				    .statistic = mean_of_drawn,
				    .data = a->array[0]};
	struct ct_interval result;
	struct ct_rng rng;

	ct_rng_seed(&rng, 2);
	ct_bootstrap_interval(&plan, &rng, &result);
	return result;
}

static double bootstrap_percentile_lo(struct arguments *a)
{
	return bootstrap(a, CT_BOOTSTRAP_PERCENTILE).lo;
}

static double bootstrap_percentile_hi(struct arguments *a)
{
	return bootstrap(a, CT_BOOTSTRAP_PERCENTILE).hi;
}

static double bootstrap_bca_lo(struct arguments *a)
{
	return bootstrap(a, CT_BOOTSTRAP_BCA).lo;
}

static double bootstrap_bca_hi(struct arguments *a)
{
	return bootstrap(a, CT_BOOTSTRAP_BCA).hi;
}

#define OF_NUMBERS(name, call)                  \
	static double name(struct arguments *a) \
	{                                       \
		const double *x = a->number;    \
		return (double)(call);          \
	}

OF_NUMBERS(normal_cdf, ct_normal_cdf(x[0]))
OF_NUMBERS(normal_quantile, ct_normal_quantile(x[0]))
OF_NUMBERS(t_quantile, ct_t_quantile(x[0], x[1]))
OF_NUMBERS(chi2_cdf, ct_chi2_cdf(x[0], x[1]))
OF_NUMBERS(chi2_sf, ct_chi2_sf(x[0], x[1]))
OF_NUMBERS(chi2_quantile, ct_chi2_quantile(x[0], x[1]))
OF_NUMBERS(gamma_cdf, ct_gamma_cdf(x[0], x[1]))
OF_NUMBERS(gamma_sf, ct_gamma_sf(x[0], x[1]))
OF_NUMBERS(gamma_quantile, ct_gamma_quantile(x[0], x[1]))
OF_NUMBERS(f_cdf, ct_f_cdf(x[0], x[1], x[2]))
OF_NUMBERS(f_sf, ct_f_sf(x[0], x[1], x[2]))
OF_NUMBERS(f_quantile, ct_f_quantile(x[0], x[1], x[2]))
OF_NUMBERS(f_noncentral_cdf, ct_f_noncentral_cdf(x[0], x[1], x[2], x[3]))
OF_NUMBERS(beta_cdf, ct_beta_cdf(x[0], x[1], x[2]))
OF_NUMBERS(beta_sf, ct_beta_sf(x[0], x[1], x[2]))
OF_NUMBERS(beta_quantile, ct_beta_quantile(x[0], x[1], x[2]))
OF_NUMBERS(binomial_cdf, ct_binomial_cdf((uint64_t)x[0], (uint64_t)x[1], x[2]))
OF_NUMBERS(binomial_sf, ct_binomial_sf((uint64_t)x[0], (uint64_t)x[1], x[2]))
OF_NUMBERS(binomial_quantile, ct_binomial_quantile(x[0], (uint64_t)x[1], x[2]))
OF_NUMBERS(kolmogorov_sf, ct_kolmogorov_sf(x[0]))

/* 1e-9 where the definition is the same; wider where both sides search or draw, with the reason. */
static const struct {
	const char *name;
	double (*function)(struct arguments *a);
	double tolerance;
} functions[] = {
	{"normal_cdf", normal_cdf, 1e-9},
	{"normal_quantile", normal_quantile, 1e-9},
	{"t_cdf", t_cdf, 1e-9},
	{"t_quantile", t_quantile, 1e-9},
	{"chi2_cdf", chi2_cdf, 1e-9},
	{"chi2_sf", chi2_sf, 1e-9},
	{"chi2_quantile", chi2_quantile, 1e-9},
	{"gamma_cdf", gamma_cdf, 1e-9},
	{"gamma_sf", gamma_sf, 1e-9},
	{"gamma_quantile", gamma_quantile, 1e-9},
	{"f_cdf", f_cdf, 1e-9},
	{"f_sf", f_sf, 1e-9},
	{"f_quantile", f_quantile, 1e-9},
	{"f_noncentral_cdf", f_noncentral_cdf, 1e-9},
	{"beta_cdf", beta_cdf, 1e-9},
	{"beta_sf", beta_sf, 1e-9},
	{"beta_quantile", beta_quantile, 1e-9},
	{"binomial_cdf", binomial_cdf, 1e-9},
	{"binomial_sf", binomial_sf, 1e-9},
	{"binomial_quantile", binomial_quantile, 0},
	{"kolmogorov_sf", kolmogorov_sf, 1e-9},
	{"quantile_type1", quantile_type1, 0},
	{"quantile_type7", quantile_type7, 1e-12},
	{"harrell_davis", harrell_davis, 1e-9},
	{"mann_whitney_u", mann_whitney_u, 0},
	{"mann_whitney_p", mann_whitney_p, 1e-9},
	{"mann_whitney_a12", mann_whitney_a12, 1e-12},
	{"ks_d", ks_d, 1e-12},
	{"ks_p", ks_p, 1e-9},
	{"wasserstein", wasserstein, 1e-9},
	{"benjamini_hochberg", benjamini_hochberg, 1e-12},
	{"paired_value", paired_value, 1e-9},
	{"paired_lo", paired_lo, 1e-9},
	{"paired_hi", paired_hi, 1e-9},
	{"paired_p", paired_p, 1e-9},
	{"tost_p", tost_p, 1e-9},
	{"tost_p_worse", tost_p_worse, 1e-9},
	{"power_difference", power_difference, 1e-7}, /* integrated, not a series */
	{"tolerance_rank", tolerance_rank, 0},
	{"tolerance_achieved", tolerance_achieved, 1e-9},
	{"anova_f", anova_f, 1e-9},
	{"anova_p", anova_p, 1e-9},
	{"nested_epoch", nested_epoch, 1e-5}, /* both search a flat minimum */
	{"nested_phase", nested_phase, 1e-5},
	{"nested_block", nested_block, 1e-5},
	{"tail_shape", tail_shape, 1e-5}, /* scipy's simplex stops at half the digits */
	{"tail_scale", tail_scale, 1e-5},
	{"tail_log_likelihood", tail_log_likelihood, 1e-9},
	{"autocorrelation", autocorrelation, 1e-9},
	{"sequential_t", sequential_t, 1e-9},
	{"least_squares", least_squares, 1e-11},
	{"least_squares_residual", least_squares_residual, 1e-11},
	{"lockin_shift", lockin_shift, 1e-9},
	{"lockin_lo", lockin_lo, 1e-9},
	{"bootstrap_percentile_lo", bootstrap_percentile_lo, 5e-3}, /* two sets of random draws */
	{"bootstrap_percentile_hi", bootstrap_percentile_hi, 5e-3},
	{"bootstrap_bca_lo", bootstrap_bca_lo, 5e-3},
	{"bootstrap_bca_hi", bootstrap_bca_hi, 5e-3},
};

#define FUNCTIONS (sizeof functions / sizeof *functions)

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void read_arguments(const char *text, struct arguments *a)
{
	char *end;

	a->numbers = a->arrays = a->n_bins = 0;
	for (;; text = end) {
		text += strspn(text, " \n");
		if (*text == '\0')
			break;
		if (*text != '[') {
			assert_in_range(a->numbers, 0, 7);
			a->number[a->numbers++] = strtod(text, &end);
			assert_ptr_not_equal(end, text);
			continue;
		}
		assert_in_range(a->arrays, 0, 3);
		a->length[a->arrays] = strtoul(text + 1, &end, 10);
		assert_in_range(a->length[a->arrays], 1, MOST_VALUES);
		for (size_t i = 0; i < a->length[a->arrays]; i++)
			a->array[a->arrays][i] = strtod(end, &end);
		a->arrays++;
	}
	if (a->arrays == 1) {
		double *sorted = malloc(a->length[0] * sizeof *sorted);

		assert_non_null(sorted);
		memcpy(sorted, a->array[0], a->length[0] * sizeof *sorted);
		qsort(sorted, a->length[0], sizeof *sorted, ascending);
		a->n_bins = ct_bins_from_sorted(sorted, a->length[0], a->bins);
		free(sorted);
	}
}

/* Marks the function as seen; fails the test when it disagrees with the line. */
static void check_line(const char *text, struct arguments *a, bool *seen)
{
	char name[64];
	double expected, found;
	int used = 0;

	assert_int_equal(sscanf(text, "%63s %lf%n", name, &expected, &used), 2);
	read_arguments(text + used, a);
	for (size_t i = 0; i < FUNCTIONS; i++) {
		if (strcmp(functions[i].name, name) != 0)
			continue;
		seen[i] = true;
		found = functions[i].function(a);
		if (!(fabs(found - expected) <= functions[i].tolerance * fabs(expected) + 1e-300))
			fail_msg("%s: found %.17g, expected %.17g in: %.200s", name, found,
				 expected, text);
		return;
	}
	fail_msg("no function for: %.60s", text);
}

static void committed_values_agree(void **state)
{
	struct arguments *a = malloc(sizeof *a);
	bool seen[FUNCTIONS] = {false};

	(void)state;
	assert_non_null(a);
	for (size_t i = 0; i < sizeof reference_lines / sizeof *reference_lines; i++)
		check_line(reference_lines[i], a, seen);
	for (size_t i = 0; i < FUNCTIONS; i++)
		if (!seen[i])
			fail_msg("no reference line for %s", functions[i].name);
	free(a);
}

/* The script lies beside us in the source tree, wherever the test is run from. */
static void script_path(char *path, size_t size)
{
	const char *last = strrchr(__FILE__, '/');

	snprintf(path, size, "%.*s/../stats/reference.py", (int)(last - __FILE__), __FILE__);
	if (access(path, R_OK) != 0)
		fail_msg("%s is not readable: run the tests from the top of the source tree", path);
}

static void values_computed_now_agree(void **state)
{
	struct arguments *a = malloc(sizeof *a);
	bool seen[FUNCTIONS] = {false};
	char path[4096], command[8192], *line = NULL;
	size_t room = 0, lines = 0;
	FILE *python;

	(void)state;
	assert_non_null(a);
	if (system("/usr/bin/python3 -c 'import scipy' >/dev/null 2>&1") != 0) {
		free(a);
		print_message("scipy is not installed: only the committed values were compared\n");
		skip();
	}
	script_path(path, sizeof path);
	snprintf(command, sizeof command, "/usr/bin/python3 '%s'", path);
	python = popen(command, "r");
	assert_non_null(python);
	for (; getline(&line, &room, python) > 0; lines++)
		check_line(line, a, seen);
	assert_int_equal(pclose(python), 0);
	assert_true(lines > 500);
	free(line);
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(committed_values_agree),
		cmocka_unit_test(values_computed_now_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
