/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm_cpu: every kernel multiplies right at sizes that fit no tile, with one thread and with all.
 * On its own because TSan does not understand the barriers of OpenMP's runtime.
 */
#include "tests/unit/victim_bench.h"

#include <math.h>

#include "bench/gemm.h"
#include "harness/core/rng.h"

static double element_of(const void *matrix, bool is_double, size_t i)
{
	return is_double ? ((const double *)matrix)[i] : (double)((const float *)matrix)[i];
}

static void set_element(void *matrix, bool is_double, size_t i, double value)
{
	if (is_double)
		((double *)matrix)[i] = value;
	else
		((float *)matrix)[i] = (float)value;
}

/* One product by a kernel on its own, compared with the definition. */
static void compare_with_definition(gemm_kernel kernel, bool is_double, size_t n)
{
	const size_t size = is_double ? sizeof(double) : sizeof(float);
	void *a = calloc(n * n, size), *b = calloc(n * n, size), *c = calloc(n * n, size);
	void *packed_b = calloc(gemm_packed_b_elements(n), size);
	void *packed_a = calloc((size_t)GEMM_MC * GEMM_KC, size);
	const struct gemm gemm = {.a = a,
				  .b = b,
				  .c = c,
				  .n = n,
				  .threads = 1,
				  .packed_b = packed_b,
				  .packed_a = packed_a};
	struct ct_rng rng;

	assert_true(a && b && c && packed_a && packed_b);
	ct_rng_seed(&rng, n);
	for (size_t i = 0; i < n * n; i++) {
		set_element(a, is_double, i, ct_rng_uniform(&rng) - 0.5);
		set_element(b, is_double, i, ct_rng_uniform(&rng) - 0.5);
		set_element(c, is_double, i, NAN);
	}
	kernel(&gemm, 0);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			double sum = 0;

			for (size_t k = 0; k < n; k++)
				sum += element_of(a, is_double, i * n + k) *
				       element_of(b, is_double, k * n + j);
			assert_true(fabs(element_of(c, is_double, i * n + j) - sum) <=
				    (is_double ? 1e-12 : 1e-4));
		}
	}
	free(a);
	free(b);
	free(c);
	free(packed_b);
	free(packed_a);
}

static void every_kernel_that_this_cpu_runs_multiplies_right(void **state)
{
	static const size_t sizes[] = {1, 2, 5, 16, 31, 97, 257, 300};
	const struct gemm_instance *instance = gemm_widest();
	bool last;

	(void)state;
	do {
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			compare_with_definition(instance->multiply_float, false, sizes[i]);
			compare_with_definition(instance->multiply_double, true, sizes[i]);
		}
		last = strcmp(instance->isa, "base") == 0;
		instance++;
	} while (!last);
}

static void products_of_odd_sizes_are_right(void **state)
{
	static const char *const sizes[] = {"n=1", "n=5", "n=17", "n=97", "n=259", "n=263", NULL};
	static const char *const precisions[] = {"precision=float", "precision=double", NULL};
	static const char *const threads[] = {"threads=1", "threads=0", NULL};
	struct bench bench;

	(void)state;
	/* Setup multiplies once and checks the product; a wrong one is refused there. */
	for (int p = 0; precisions[p]; p++) {
		for (int t = 0; threads[t]; t++) {
			for (int n = 0; sizes[n]; n++) {
				open_bench(&bench, &ct_bench_gemm_cpu,
					   OPTIONS(sizes[n], precisions[p], threads[t]));
				sample(&bench);
				close_bench(&bench);
			}
		}
	}
}

static void it_runs_with_its_defaults(void **state)
{
	struct bench bench;

	(void)state;
	open_bench(&bench, &ct_bench_gemm_cpu, NO_OPTIONS);
	for (int n = 0; n < 5; n++)
		sample(&bench);
	close_bench(&bench);
}

static void the_blas_backend_multiplies_or_says_why_not(void **state)
{
	struct bench bench;

	(void)state;
	prepare(&bench, &ct_bench_gemm_cpu, OPTIONS("backend=blas", "n=100", "threads=1"));
	if (set_up(&bench)) {
		sample(&bench);
		bench.ops->teardown(bench.state);
	} else {
		assert_non_null(strstr(bench.err.text, "backend = blas"));
		assert_non_null(strstr(bench.err.text, "backend = own"));
	}
	discard(&bench);
}

static void gemm_refuses_more_threads_than_cpus(void **state)
{
	(void)state;
	expect_refusal(&ct_bench_gemm_cpu, OPTIONS("threads=1024"), "threads = 1024");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kernel_that_this_cpu_runs_multiplies_right),
		cmocka_unit_test(products_of_odd_sizes_are_right),
		cmocka_unit_test(it_runs_with_its_defaults),
		cmocka_unit_test(the_blas_backend_multiplies_or_says_why_not),
		cmocka_unit_test(gemm_refuses_more_threads_than_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
