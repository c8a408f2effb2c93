/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libcublasLt.so beside the stand-in for the driver (tests/standin/cuda). A product
 * is computed on the stream as its descriptors say - types, transpositions, leading dimensions, by
 * columns as the real library counts - so that a wrong description gives a wrong product. Its calls
 * fail by COTENANT_CUDA_FAIL, too: "cublasLtMatmul:5:13". The sums are those of a CPU: no figure
 * that comes out of it says anything about a GPU.
 *
 *   COTENANT_CUBLASLT_STANDIN=none    the heuristic knows no algorithm
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/number.h"
#include "kernels/reference.h"

enum status { SUCCESS = 0, NOT_INITIALIZED = 1, ALLOC_FAILED = 3, INVALID_VALUE = 7 };
enum type { REAL_FP32 = 0, REAL_FP16 = 2, REAL_BF16 = 14 };
enum attribute { TRANSPOSE_A = 3, TRANSPOSE_B = 4, N_ATTRIBUTES };
enum { VERSION = 130000 };

struct stream;

struct desc {
	int compute, scale;
	int32_t attributes[N_ATTRIBUTES];
};

struct layout {
	int type;
	uint64_t rows, columns;
	int64_t leading;
};

struct heuristic {
	uint64_t algorithm[8];
	size_t workspace;
	int state;
	float waves;
	int reserved[4];
};

struct product {
	struct desc desc;
	struct layout a, b, d;
	const void *from_a, *from_b;
	void *to;
	float alpha;
};

/* What the stand-in for the driver offers; NULL where it is not the one in use. */
static void *driver_function(const char *name)
{
	const char *path = getenv("COTENANT_CUDA");
	void *driver = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;

	return driver ? dlsym(driver, name) : NULL;
}

static int enter(const char *call)
{
	int (*const ask)(const char *) = (int (*)(const char *))driver_function("standin_enter");

	return ask ? ask(call) : NOT_INITIALIZED;
}

/* ---- the product ---- */

static float number(const void *matrix, uint64_t i, int type)
{
	if (type == REAL_BF16)
		return ct_from_bf16(((const uint16_t *)matrix)[i]);
	if (type == REAL_FP16)
		return ct_from_fp16(((const uint16_t *)matrix)[i]);
	return ((const float *)matrix)[i];
}

static void put(void *matrix, uint64_t i, int type, float value)
{
	if (type == REAL_BF16)
		((uint16_t *)matrix)[i] = ct_to_bf16(value);
	else if (type == REAL_FP16)
		((uint16_t *)matrix)[i] = ct_to_fp16(value);
	else
		((float *)matrix)[i] = value;
}

/* Element (row, column) of a matrix that is stored by columns, transposed or not. */
static float element(const void *matrix, const struct layout *layout, bool transposed, uint64_t row,
		     uint64_t column)
{
	const uint64_t leading = (uint64_t)layout->leading;

	return number(matrix, transposed ? column + row * leading : row + column * leading,
		      layout->type);
}

static void multiply(struct ct_shape shape, const void *argument)
{
	const struct product *p = argument;
	const bool transpose_a = p->desc.attributes[TRANSPOSE_A] == 1;
	const bool transpose_b = p->desc.attributes[TRANSPOSE_B] == 1;
	const uint64_t depth = transpose_a ? p->a.rows : p->a.columns;

	(void)shape;
	for (uint64_t column = 0; column < p->d.columns; column++) {
		for (uint64_t row = 0; row < p->d.rows; row++) {
			double sum = 0;

			for (uint64_t i = 0; i < depth; i++)
				sum += (double)element(p->from_a, &p->a, transpose_a, row, i) *
				       (double)element(p->from_b, &p->b, transpose_b, i, column);
			put(p->to, row + column * (uint64_t)p->d.leading, p->d.type,
			    p->alpha * (float)sum);
		}
	}
}

static bool fits(const struct product *p)
{
	const bool transpose_a = p->desc.attributes[TRANSPOSE_A] == 1;
	const bool transpose_b = p->desc.attributes[TRANSPOSE_B] == 1;

	return (transpose_a ? p->a.columns : p->a.rows) == p->d.rows &&
	       (transpose_b ? p->b.rows : p->b.columns) == p->d.columns &&
	       (transpose_a ? p->a.rows : p->a.columns) == (transpose_b ? p->b.columns : p->b.rows);
}

/* ---- the library; its header is not needed here ---- */

size_t cublasLtGetVersion(void);
const char *cublasLtGetStatusString(int status);
int cublasLtCreate(void **handle);
int cublasLtDestroy(void *handle);
int cublasLtMatmulDescCreate(void **desc, int compute, int scale);
int cublasLtMatmulDescDestroy(void *desc);
int cublasLtMatmulDescSetAttribute(void *handle, int attribute, const void *value, size_t bytes);
int cublasLtMatrixLayoutCreate(void **layout, int type, uint64_t rows, uint64_t columns,
			       int64_t leading);
int cublasLtMatrixLayoutDestroy(void *layout);
int cublasLtMatmulPreferenceCreate(void **preference);
int cublasLtMatmulPreferenceDestroy(void *preference);
int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value,
					 size_t bytes);
int cublasLtMatmulAlgoGetHeuristic(void *handle, void *desc, void *a, void *b, void *c, void *d,
				   void *preference, int asked, struct heuristic *results,
				   int *given);
int cublasLtMatmul(void *handle, void *desc, const void *alpha, const void *a, void *a_layout,
		   const void *b, void *b_layout, const void *beta, const void *c, void *c_layout,
		   void *d, void *d_layout, const void *algorithm, void *workspace,
		   size_t workspace_bytes, void *stream);

static int make(const void *value, size_t bytes, void **out, const char *call)
{
	const int status = enter(call);

	*out = status ? NULL : malloc(bytes);
	if (!*out)
		return status ? status : ALLOC_FAILED;
	memcpy(*out, value, bytes);
	return SUCCESS;
}

static int destroy(void *handle)
{
	free(handle);
	return SUCCESS;
}

size_t cublasLtGetVersion(void)
{
	return VERSION;
}

const char *cublasLtGetStatusString(int status)
{
	return status == NOT_INITIALIZED ? "CUBLAS_STATUS_NOT_INITIALIZED"
	       : status == ALLOC_FAILED  ? "CUBLAS_STATUS_ALLOC_FAILED"
	       : status == INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE"
	       : status == 13            ? "CUBLAS_STATUS_EXECUTION_FAILED"
					 : "CUBLAS_STATUS_INTERNAL_ERROR";
}

int cublasLtCreate(void **handle)
{
	return make(&(int){VERSION}, sizeof(int), handle, "cublasLtCreate");
}

int cublasLtDestroy(void *handle)
{
	return destroy(handle);
}

int cublasLtMatmulDescCreate(void **desc, int compute, int scale)
{
	return make(&(struct desc){.compute = compute, .scale = scale}, sizeof(struct desc), desc,
		    "cublasLtMatmulDescCreate");
}

int cublasLtMatmulDescDestroy(void *desc)
{
	return destroy(desc);
}

int cublasLtMatmulDescSetAttribute(void *handle, int attribute, const void *value, size_t bytes)
{
	struct desc *desc = handle;
	const int status = enter("cublasLtMatmulDescSetAttribute");

	if (status)
		return status;
	if (attribute < 0 || attribute >= N_ATTRIBUTES || bytes != sizeof(int32_t))
		return INVALID_VALUE;
	memcpy(&desc->attributes[attribute], value, bytes);
	return SUCCESS;
}

int cublasLtMatrixLayoutCreate(void **layout, int type, uint64_t rows, uint64_t columns,
			       int64_t leading)
{
	return leading < (int64_t)rows
		       ? INVALID_VALUE
		       : make(&(struct layout){type, rows, columns, leading}, sizeof(struct layout),
			      layout, "cublasLtMatrixLayoutCreate");
}

int cublasLtMatrixLayoutDestroy(void *layout)
{
	return destroy(layout);
}

int cublasLtMatmulPreferenceCreate(void **preference)
{
	return make(&(size_t){0}, sizeof(size_t), preference, "cublasLtMatmulPreferenceCreate");
}

int cublasLtMatmulPreferenceDestroy(void *preference)
{
	return destroy(preference);
}

int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value,
					 size_t bytes)
{
	const int status = enter("cublasLtMatmulPreferenceSetAttribute");

	if (status)
		return status;
	if (attribute != 1 || bytes != sizeof(size_t))
		return INVALID_VALUE;
	memcpy(preference, value, bytes);
	return SUCCESS;
}

int cublasLtMatmulAlgoGetHeuristic(void *handle, void *desc, void *a, void *b, void *c, void *d,
				   void *preference, int asked, struct heuristic *results,
				   int *given)
{
	const char *told = getenv("COTENANT_CUBLASLT_STANDIN");
	const int status = enter("cublasLtMatmulAlgoGetHeuristic");

	if (status)
		return status;
	if (!handle || !desc || !a || !b || !c || !d || !preference || asked < 1)
		return INVALID_VALUE;
	*given = told && strcmp(told, "none") == 0 ? 0 : 1;
	memset(results, 0, sizeof *results);
	results->algorithm[0] = VERSION;
	return SUCCESS;
}

int cublasLtMatmul(void *handle, void *desc, const void *alpha, const void *a, void *a_layout,
		   const void *b, void *b_layout, const void *beta, const void *c, void *c_layout,
		   void *d, void *d_layout, const void *algorithm, void *workspace,
		   size_t workspace_bytes, void *stream)
{
	static const struct ct_reference work = {"cublaslt", sizeof(struct product), multiply};
	int (*const run)(struct stream *, const struct ct_reference *, const void *) =
		(int (*)(struct stream *, const struct ct_reference *,
			 const void *))driver_function("standin_run");
	const int status = enter("cublasLtMatmul");
	struct product product;

	if (status || !run)
		return status ? status : NOT_INITIALIZED;
	product = (struct product){.desc = *(struct desc *)desc,
				   .a = *(struct layout *)a_layout,
				   .b = *(struct layout *)b_layout,
				   .d = *(struct layout *)d_layout,
				   .from_a = a,
				   .from_b = b,
				   .to = d,
				   .alpha = *(const float *)alpha};
	if (!handle || *(const float *)beta != 0 || c != d || c_layout != d_layout || !workspace ||
	    workspace_bytes == 0 || *(const uint64_t *)algorithm != VERSION || !fits(&product))
		return INVALID_VALUE;
	return run(stream, &work, &product);
}
