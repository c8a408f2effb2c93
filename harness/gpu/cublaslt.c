/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/gpu/cublaslt.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cudaDataType_t, cublasComputeType_t, cublasOperation_t and the attributes that are set here. */
enum { REAL_FP32 = 0, REAL_FP16 = 2, REAL_BF16 = 14 };
enum { COMPUTE_FP32 = 68, COMPUTE_TF32 = 77 };
enum { OPERATION_N = 0, OPERATION_T = 1 };
enum { DESC_TRANSPOSE_A = 3, DESC_TRANSPOSE_B = 4, PREFERENCE_WORKSPACE = 1 };
enum { WORKSPACE = 32 << 20 };

/* cublasLtMatmulHeuristicResult_t. */
struct heuristic {
	uint64_t algorithm[8];
	size_t workspace;
	int state;
	float waves;
	int reserved[4];
};
_Static_assert(sizeof(struct heuristic) == 96, "the ABI of cublasLtMatmulHeuristicResult_t");

struct functions {
	size_t (*GetVersion)(void);
	const char *(*GetStatusString)(int status);
	int (*Create)(void **handle);
	int (*Destroy)(void *handle);
	int (*MatmulDescCreate)(void **desc, int compute, int scale);
	int (*MatmulDescDestroy)(void *desc);
	int (*MatmulDescSetAttribute)(void *desc, int attribute, const void *value, size_t bytes);
	int (*MatrixLayoutCreate)(void **layout, int type, uint64_t rows, uint64_t columns,
				  int64_t leading);
	int (*MatrixLayoutDestroy)(void *layout);
	int (*MatmulPreferenceCreate)(void **preference);
	int (*MatmulPreferenceDestroy)(void *preference);
	int (*MatmulPreferenceSetAttribute)(void *preference, int attribute, const void *value,
					    size_t bytes);
	int (*MatmulAlgoGetHeuristic)(void *handle, void *desc, void *a, void *b, void *c, void *d,
				      void *preference, int asked, struct heuristic *results,
				      int *given);
	int (*Matmul)(void *handle, void *desc, const void *alpha, const void *a, void *a_layout,
		      const void *b, void *b_layout, const void *beta, const void *c,
		      void *c_layout, void *d, void *d_layout, const void *algorithm,
		      void *workspace, size_t workspace_bytes, void *stream);
};

struct ct_cublaslt {
	struct ct_gpu *gpu;
	void *library;
	struct functions call;
	void *handle, *desc, *a, *b, *c;
	struct ct_arg_gemm product;
	struct heuristic chosen;
	ct_cu_address workspace;
};

static bool good(const struct ct_cublaslt *lt, int status, const char *call, struct ct_error *err)
{
	const char *words;

	if (status == 0)
		return true;
	words = lt->call.GetStatusString ? lt->call.GetStatusString(status) : NULL;
	return ct_broken(err, "cublasLt%s: %s (%d)", call, words ? words : "error", status);
}

#define LT(lt, name, err, ...) good((lt), (lt)->call.name(__VA_ARGS__), #name, (err))

static bool find(struct ct_cublaslt *lt, const char *symbol, void *function, bool needed,
		 struct ct_error *err)
{
	void *found = dlsym(lt->library, symbol);

	memcpy(function, &found, sizeof found);
	return found || !needed ||
	       ct_broken(err, "backend = cublaslt: the library has no %s", symbol);
}

static bool load(struct ct_cublaslt *lt, struct ct_error *err)
{
	static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12",
					    "libcublasLt.so.11"};
	const char *named = getenv("COTENANT_CUBLASLT");

	lt->library = named ? dlopen(named, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
	for (size_t i = 0; !named && !lt->library && i < sizeof names / sizeof names[0]; i++)
		lt->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!lt->library)
		return ct_broken(err,
				 "backend = cublaslt: %s not found; install cuBLAS, or take "
				 "backend = fixed",
				 named ? named : "libcublasLt.so.13, .12 or .11");
#define FIND(name) find(lt, "cublasLt" #name, (void *)&lt->call.name, true, err)
	find(lt, "cublasLtGetStatusString", (void *)&lt->call.GetStatusString, false, err);
	return FIND(GetVersion) && FIND(Create) && FIND(Destroy) && FIND(MatmulDescCreate) &&
	       FIND(MatmulDescDestroy) && FIND(MatmulDescSetAttribute) &&
	       FIND(MatrixLayoutCreate) && FIND(MatrixLayoutDestroy) &&
	       FIND(MatmulPreferenceCreate) && FIND(MatmulPreferenceDestroy) &&
	       FIND(MatmulPreferenceSetAttribute) && FIND(MatmulAlgoGetHeuristic) && FIND(Matmul);
#undef FIND
}

/*
 * The library counts by columns: a row-major C (m by n) is its n by m matrix, so it is asked for
 * B * A^T, with B transposed ("TN").
 */
static bool describe(struct ct_cublaslt *lt, enum ct_gemm_kind kind, struct ct_error *err)
{
	static const int transpose = OPERATION_T, plain = OPERATION_N;
	const struct ct_arg_gemm *p = &lt->product;
	const int type = kind == CT_GEMM_BF16   ? REAL_BF16
			 : kind == CT_GEMM_FP16 ? REAL_FP16
						: REAL_FP32;
	const int compute = kind == CT_GEMM_TF32 ? COMPUTE_TF32 : COMPUTE_FP32;

	return LT(lt, Create, err, &lt->handle) &&
	       LT(lt, MatmulDescCreate, err, &lt->desc, compute, REAL_FP32) &&
	       LT(lt, MatmulDescSetAttribute, err, lt->desc, DESC_TRANSPOSE_A, &transpose,
		  sizeof transpose) &&
	       LT(lt, MatmulDescSetAttribute, err, lt->desc, DESC_TRANSPOSE_B, &plain,
		  sizeof plain) &&
	       LT(lt, MatrixLayoutCreate, err, &lt->a, type, p->k, p->n, p->k) &&
	       LT(lt, MatrixLayoutCreate, err, &lt->b, type, p->k, p->m, p->k) &&
	       LT(lt, MatrixLayoutCreate, err, &lt->c, type, p->n, p->m, p->n);
}

static bool choose(struct ct_cublaslt *lt, struct ct_error *err)
{
	const size_t most = WORKSPACE;
	void *preference;
	int given = 0;
	bool done;

	if (!LT(lt, MatmulPreferenceCreate, err, &preference))
		return false;
	done = LT(lt, MatmulPreferenceSetAttribute, err, preference, PREFERENCE_WORKSPACE, &most,
		  sizeof most) &&
	       LT(lt, MatmulAlgoGetHeuristic, err, lt->handle, lt->desc, lt->a, lt->b, lt->c, lt->c,
		  preference, 1, &lt->chosen, &given);
	lt->call.MatmulPreferenceDestroy(preference);
	return done && ((given == 1 && lt->chosen.state == 0) ||
			ct_broken(err, "cublasLt knows no way to do this product"));
}

struct ct_cublaslt *ct_cublaslt_open(struct ct_gpu *gpu, enum ct_gemm_kind kind,
				     const struct ct_arg_gemm *product, struct ct_error *err)
{
	struct ct_cublaslt *lt = calloc(1, sizeof *lt);

	if (!lt) {
		ct_broken_errno(err, "memory for cuBLASLt's handles");
		return NULL;
	}
	lt->gpu = gpu;
	lt->product = *product;
	if (load(lt, err) && ct_gpu_alloc(gpu, WORKSPACE, &lt->workspace, err) &&
	    describe(lt, kind, err) && choose(lt, err))
		return lt;
	ct_cublaslt_close(lt);
	return NULL;
}

void ct_cublaslt_close(struct ct_cublaslt *lt)
{
	if (!lt)
		return;
	if (lt->c)
		lt->call.MatrixLayoutDestroy(lt->c);
	if (lt->b)
		lt->call.MatrixLayoutDestroy(lt->b);
	if (lt->a)
		lt->call.MatrixLayoutDestroy(lt->a);
	if (lt->desc)
		lt->call.MatmulDescDestroy(lt->desc);
	if (lt->handle)
		lt->call.Destroy(lt->handle);
	ct_gpu_free(lt->gpu, lt->workspace);
	if (lt->library)
		dlclose(lt->library);
	free(lt);
}

bool ct_cublaslt_submit(struct ct_cublaslt *lt, struct ct_error *err)
{
	static const float one = 1, zero = 0;
	const struct ct_arg_gemm *p = &lt->product;
	void *c = (void *)(uintptr_t)p->c;

	return LT(lt, Matmul, err, lt->handle, lt->desc, &one, (const void *)(uintptr_t)p->b, lt->a,
		  (const void *)(uintptr_t)p->a, lt->b, &zero, c, lt->c, c, lt->c,
		  lt->chosen.algorithm, (void *)(uintptr_t)lt->workspace, WORKSPACE,
		  lt->gpu->stream);
}

size_t ct_cublaslt_version(const struct ct_cublaslt *lt)
{
	return lt->call.GetVersion();
}
