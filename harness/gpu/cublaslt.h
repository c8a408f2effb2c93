/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's matrix library cuBLASLt, loaded when it is there: the products that people really run.
 * Its heuristic chooses another kernel with every version, so its version goes into the result.
 * Types and values are declared here anew, as cublasLt.h documents them.
 */
#ifndef COTENANT_GPU_CUBLASLT_H
#define COTENANT_GPU_CUBLASLT_H

#include "harness/gpu/device.h"
#include "kernels/kernels.h"

struct ct_cublaslt; /* the library and one product, ready to be submitted */

/*
 * C = A * B^T with the meaning of ct_arg_gemm. The library is the one that COTENANT_CUBLASLT names,
 * else libcublasLt.so.13, .12 or .11. NULL, and why.
 */
struct ct_cublaslt *ct_cublaslt_open(struct ct_gpu *gpu, enum ct_gemm_kind kind,
				     const struct ct_arg_gemm *product, struct ct_error *err);
void ct_cublaslt_close(struct ct_cublaslt *lt); /* NULL is fine */
bool ct_cublaslt_submit(struct ct_cublaslt *lt, struct ct_error *err);
size_t ct_cublaslt_version(const struct ct_cublaslt *lt); /* 130000: 13.0.0 */

#endif
