/* SPDX-License-Identifier: Apache-2.0 */
/* All kernels as one translation unit: one module to load, one fatbin to embed. */
#include "kernels/device.cuh"

#include "kernels/basic.cu"
#include "kernels/chase.cu"
#include "kernels/spin.cu"
#include "kernels/stream.cu"
#include "kernels/loops.cu"
#include "kernels/atomics.cu"
#include "kernels/decode.cu"
#include "kernels/gemm_fp32.cu"
#include "kernels/gemm_mma.cu"
#include "kernels/gemm_wgmma.cu"
