/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense matrix multiplication on the CPU: the workload that lives in registers and caches, keeps
 * the multipliers full and so feels a busy sibling thread, a lower clock and a lost cache share.
 * One sample is one product. The first product is checked before anything is measured.
 */
#include "bench/victims.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>

#ifdef CT_HAVE_CBLAS
#include <cblas.h>
#include <dlfcn.h>
#endif

#include "bench/gemm.h"
#include "harness/core/rng.h"

enum precision { PRECISION_FLOAT, PRECISION_DOUBLE };
static const char *const precision_names[] = {"float", "double", NULL};

enum backend { BACKEND_OWN, BACKEND_BLAS };
static const char *const backend_names[] = {"own", "blas", NULL};

struct gemm_options {
	uint64_t n;
	int precision;
	uint64_t threads;
	int backend;
};

#ifdef CT_HAVE_CBLAS
struct blas {
	void *library;
	__typeof__(cblas_sgemm) *multiply_float;
	__typeof__(cblas_dgemm) *multiply_double;
};
#endif

struct gemm_state {
	struct gemm gemm;
	enum precision precision;
	enum backend backend;
	gemm_kernel kernel;
	struct ct_memory memory;
#ifdef CT_HAVE_CBLAS
	struct blas blas;
#endif
};

#ifdef CT_HAVE_CBLAS

/*
 * OpenBLAS makes its threads when it is loaded, with the affinity of the thread that loads it, and
 * lets them spin for a while. So it is loaded here, on the place's CPUs and only when it is asked
 * for, and no worker of another kind pays for it.
 */
static bool blas_load(struct blas *blas, unsigned threads, struct ct_error *err)
{
	static const char soname[] = "libopenblas.so.0";
	__typeof__(openblas_set_num_threads) *set_threads;

	blas->library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	if (!blas->library)
		return ct_broken(err, "backend = blas: %s: install it, or use backend = own",
				 dlerror());
	*(void **)&blas->multiply_float = dlsym(blas->library, "cblas_sgemm");
	*(void **)&blas->multiply_double = dlsym(blas->library, "cblas_dgemm");
	*(void **)&set_threads = dlsym(blas->library, "openblas_set_num_threads");
	if (blas->multiply_float && blas->multiply_double && set_threads) {
		set_threads((int)threads);
		return true;
	}
	dlclose(blas->library);
	blas->library = NULL;
	return ct_broken(err, "backend = blas: this %s has no C interface; use backend = own",
			 soname);
}

/* Its threads may run on all CPUs of the place and on no other; the caller returns to the first. */
static bool blas_open(struct gemm_state *state, const struct ct_place *place, struct ct_error *err)
{
	bool loaded =
		ct_bind_thread_all(place, err) && blas_load(&state->blas, state->gemm.threads, err);

	return ct_bind_thread(place, 0, loaded ? err : NULL) && loaded;
}

static void blas_close(struct gemm_state *state)
{
	if (state->blas.library)
		dlclose(state->blas.library);
}

static void blas_multiply(const struct gemm_state *state)
{
	const struct gemm *gemm = &state->gemm;
	const int n = (int)gemm->n;

	if (state->precision == PRECISION_FLOAT)
		state->blas.multiply_float(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f,
					   gemm->a, n, gemm->b, n, 0.0f, gemm->c, n);
	else
		state->blas.multiply_double(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0,
					    gemm->a, n, gemm->b, n, 0.0, gemm->c, n);
}

#else

static bool blas_open(struct gemm_state *state, const struct ct_place *place, struct ct_error *err)
{
	(void)state;
	(void)place;
	return ct_usage(err, "backend = blas: this program was built without a BLAS; install "
			     "libopenblas-dev and build again, or use backend = own");
}

static void blas_close(struct gemm_state *state)
{
	(void)state;
}

static void blas_multiply(const struct gemm_state *state)
{
	(void)state;
}

#endif

/* Each thread of the team binds itself; the team stays the same for every later region. */
static bool bind_team(const struct ct_place *place, unsigned threads, struct ct_error *err)
{
	unsigned started = 0;
	bool good = true;

	omp_set_dynamic(0);
#pragma omp parallel num_threads(threads)
	{
		struct ct_error mine;
		bool bound = ct_bind_thread(place, (unsigned)omp_get_thread_num(), &mine);

#pragma omp critical
		{
			started++;
			if (!bound && good) {
				good = false;
				*err = mine;
			}
		}
	}
	if (good && started != threads)
		return ct_broken(err,
				 "threads = %u: OpenMP gave %u; raise OMP_THREAD_LIMIT or ask for "
				 "fewer",
				 threads, started);
	return good;
}

static bool open_backend(struct gemm_state *state, const struct ct_place *place,
			 struct ct_error *err)
{
	const struct gemm_instance *widest = gemm_widest();

	if (state->backend == BACKEND_BLAS)
		return blas_open(state, place, err);
	state->kernel = state->precision == PRECISION_FLOAT ? widest->multiply_float
							    : widest->multiply_double;
	return state->gemm.threads == 1 || bind_team(place, state->gemm.threads, err);
}

static size_t element_size(const struct gemm_state *state)
{
	return state->precision == PRECISION_FLOAT ? sizeof(float) : sizeof(double);
}

/* All matrices and packing buffers in one mapping, each on lines of its own. */
static bool map_matrices(struct gemm_state *state, const struct ct_place *place,
			 struct ct_error *err)
{
	struct gemm *gemm = &state->gemm;
	const size_t line = 64, size = element_size(state);
	const size_t matrix = (gemm->n * gemm->n * size + line - 1) / line * line;
	const size_t packed_b = gemm_packed_b_elements(gemm->n) * size;
	const size_t packed_a = (size_t)GEMM_MC * GEMM_KC * size * gemm->threads;
	char *at;

	if (!ct_memory_map(&state->memory, place, 3 * matrix + packed_b + packed_a, CT_PAGES_BASE,
			   err))
		return false;
	at = state->memory.base;
	gemm->a = at;
	gemm->b = at + matrix;
	gemm->c = at + 2 * matrix;
	gemm->packed_b = at + 3 * matrix;
	gemm->packed_a = at + 3 * matrix + packed_b;
	return true;
}

static double element(const struct gemm_state *state, const void *matrix, size_t i)
{
	return state->precision == PRECISION_FLOAT ? (double)((const float *)matrix)[i]
						   : ((const double *)matrix)[i];
}

/* Uniform in -0.5..0.5: no denormals, no overflow, and sums that stay of the order of sqrt(n). */
static void fill(struct gemm_state *state, uint64_t seed)
{
	const size_t elements =
		2 * (size_t)((const char *)state->gemm.b - (const char *)state->gemm.a) /
		element_size(state);
	struct ct_rng rng;

	ct_rng_stream(&rng, seed, 0);
	for (size_t i = 0; i < elements; i++) {
		double value = ct_rng_uniform(&rng) - 0.5;

		if (state->precision == PRECISION_FLOAT)
			((float *)state->memory.base)[i] = (float)value;
		else
			((double *)state->memory.base)[i] = value;
	}
}

static void times_vector(const struct gemm_state *state, const void *matrix, const double *x,
			 double *y)
{
	const size_t n = state->gemm.n;

	for (size_t i = 0; i < n; i++) {
		y[i] = 0;
		for (size_t j = 0; j < n; j++)
			y[i] += element(state, matrix, i * n + j) * x[j];
	}
}

/*
 * Freivalds 1979: for a random vector x, C x must equal A (B x). Costs n^2, not n^3, and a C with
 * any wrong element passes with probability zero, up to rounding. The errors of n sums of n
 * products grow as n^1.5; an element that is really wrong is off by about sqrt(n) / 12.
 */
static bool product_is_right(const struct gemm_state *state, uint64_t seed, double *scratch)
{
	const size_t n = state->gemm.n;
	const double epsilon =
		state->precision == PRECISION_FLOAT ? (double)FLT_EPSILON : DBL_EPSILON;
	const double tolerance = 2 * epsilon * (double)n * sqrt((double)n);
	double *x = scratch, *bx = scratch + n, *abx = scratch + 2 * n, *cx = scratch + 3 * n;
	struct ct_rng rng;

	ct_rng_stream(&rng, seed, 1);
	for (size_t i = 0; i < n; i++)
		x[i] = ct_rng_uniform(&rng) - 0.5;
	times_vector(state, state->gemm.b, x, bx);
	times_vector(state, state->gemm.a, bx, abx);
	times_vector(state, state->gemm.c, x, cx);
	for (size_t i = 0; i < n; i++) {
		if (!(fabs(abx[i] - cx[i]) <= tolerance)) /* a NaN is wrong too */
			return false;
	}
	return true;
}

static bool operate(void *opaque)
{
	const struct gemm_state *state = opaque;

	if (state->backend == BACKEND_BLAS) {
		blas_multiply(state);
	} else if (state->gemm.threads == 1) {
		state->kernel(&state->gemm, 0);
	} else {
#pragma omp parallel num_threads(state->gemm.threads)
		state->kernel(&state->gemm, (unsigned)omp_get_thread_num());
	}
	return true;
}

static bool check_product(struct gemm_state *state, uint64_t seed, struct ct_error *err)
{
	double *scratch = calloc(4 * state->gemm.n, sizeof *scratch);
	bool right;

	if (!scratch)
		return ct_broken_errno(err, "no memory to check the product");
	operate(state);
	right = product_is_right(state, seed, scratch);
	free(scratch);
	if (right)
		return true;
	return ct_broken(err, "backend = %s multiplies wrongly on this CPU: it can't be measured",
			 backend_names[state->backend]);
}

static void teardown(void *opaque)
{
	struct gemm_state *state = opaque;

	blas_close(state);
	if (state->memory.base)
		ct_memory_unmap(&state->memory);
	free(state);
}

static bool setup(struct ct_victim_env *env, const void *options, void **opaque,
		  struct ct_error *err)
{
	const struct gemm_options *asked = options;
	const unsigned cpus = ct_place_cpu_count(env->place);
	struct gemm_state *state;

	if (asked->threads > cpus)
		return ct_usage(err,
				"threads = %llu: this tenant has %u CPUs; give it more in cpus, or "
				"threads = 0 for one on each",
				(unsigned long long)asked->threads, cpus);
	state = calloc(1, sizeof *state);
	if (!state)
		return ct_broken_errno(err, "gemm_cpu: no memory for its state");
	state->precision = (enum precision)asked->precision;
	state->backend = (enum backend)asked->backend;
	state->gemm.n = asked->n;
	state->gemm.threads = asked->threads ? (unsigned)asked->threads : cpus;
	if (!map_matrices(state, env->place, err) || !open_backend(state, env->place, err))
		goto fail;
	fill(state, env->seed);
	if (!check_product(state, env->seed, err))
		goto fail;
	*opaque = state;
	return true;
fail:
	teardown(state);
	return ct_error_in(err, "gemm_cpu");
}

static const struct ct_param params[] = {
	{.name = "n",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct gemm_options, n),
	 .fallback = "256",
	 .min = "1",
	 .max = "16384",
	 .help = "rows and columns of the three matrices"},
	{.name = "precision",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct gemm_options, precision),
	 .fallback = "float",
	 .choices = precision_names,
	 .help = "float or double"},
	{.name = "threads",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct gemm_options, threads),
	 .fallback = "0",
	 .min = "0",
	 .max = "1024",
	 .help = "threads that share one product; 0 is one for every CPU of the tenant"},
	{.name = "backend",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct gemm_options, backend),
	 .fallback = "own",
	 .choices = backend_names,
	 .help = "own: the kernel of this program; blas: OpenBLAS, where the build has it"},
	{0},
};

const struct ct_victim_ops ct_bench_gemm_cpu = {
	.name = "gemm_cpu",
	.summary = "dense matrix product in registers and caches",
	.unit = "ns",
	.sample = "one product C = A * B",
	.stresses =
		CT_RES_CORE | CT_RES_L1 | CT_RES_L2 | CT_RES_LLC | CT_RES_POWER | CT_RES_SCHEDULER,
	.params = params,
	.options_size = sizeof(struct gemm_options),
	.setup = setup,
	.operate = operate,
	.teardown = teardown,
};
