/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions that CUDA C++ has no words for, one function each, and what kernels share. Only
 * this file has inline PTX; the tests compile the kernels for the CPU with another one in its place
 * (tests/kernels/emulate.h), which is why nothing else here is particular to a GPU.
 */
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

#ifdef CT_EMULATE
#include "tests/kernels/emulate.h"
#else

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define CT_KERNEL extern "C" __global__ void
#define CT_DEVICE static __device__ __forceinline__
/* Dynamic shared memory, of all of a block. */
#define CT_SHARED_DYNAMIC(name) extern __shared__ __align__(128) unsigned char name[]

CT_DEVICE uint64_t global_timer()
{
	uint64_t ns;

	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns)::"memory");
	return ns;
}

CT_DEVICE uint64_t sm_clock()
{
	uint64_t cycles;

	asm volatile("mov.u64 %0, %%clock64;" : "=l"(cycles)::"memory");
	return cycles;
}

CT_DEVICE uint32_t sm_id()
{
	uint32_t sm;

	asm volatile("mov.u32 %0, %%smid;" : "=r"(sm));
	return sm;
}

/* Weak, and kept out of the L1 cache. (ld.global.cg would be a strong load since sm_70.) */
CT_DEVICE uint64_t load_plain(const uint64_t *from)
{
	uint64_t value;

	asm volatile("ld.global.L1::no_allocate.u64 %0, [%1];" : "=l"(value) : "l"(from));
	return value;
}

CT_DEVICE uint64_t load_strong_gpu(const uint64_t *from)
{
	uint64_t value;

	asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(from) : "memory");
	return value;
}

CT_DEVICE uint64_t load_strong_sys(const uint64_t *from)
{
	uint64_t value;

	asm volatile("ld.relaxed.sys.global.u64 %0, [%1];" : "=l"(value) : "l"(from) : "memory");
	return value;
}

/* 16 bytes, passing through L1 without staying. */
CT_DEVICE ulonglong2 load_vector(const ulonglong2 *from)
{
	ulonglong2 value;

	asm volatile("ld.global.L1::no_allocate.v2.u64 {%0, %1}, [%2];"
		     : "=l"(value.x), "=l"(value.y)
		     : "l"(from));
	return value;
}

/* A step that the compiler may neither fold nor leave out. */
CT_DEVICE float fma_step(float x, float a, float b)
{
	asm volatile("fma.rn.f32 %0, %0, %1, %2;" : "+f"(x) : "f"(a), "f"(b));
	return x;
}

CT_DEVICE float reciprocal_root(float x)
{
	asm volatile("rsqrt.approx.ftz.f32 %0, %0;" : "+f"(x));
	return x;
}

/* ---- tensor cores ---- */

/* D = A * B + D on 16 by 8 outputs and 32 bytes of k: 16 elements of 16 bits, 8 of tf32. */
CT_DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
		     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

CT_DEVICE void mma_fp16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
		     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

CT_DEVICE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
	asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
		     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* An address in shared memory as the instructions below take it. */
typedef uint32_t shared_address;

CT_DEVICE shared_address shared_at(const void *memory)
{
	return (uint32_t)__cvta_generic_to_shared(memory);
}

/* Four matrices of 8 rows by 16 bytes; lane l gives the address of row l % 8 of matrix l / 8. */
CT_DEVICE void load_matrices(uint32_t (&r)[4], shared_address row)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
		     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
		     : "r"(row)
		     : "memory");
}

/* 16 bytes from global to shared memory, past L1 and registers; fetches the other half of the
 * line into L2 at the same time. */
CT_DEVICE void copy_async(shared_address to, const void *from)
{
	asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from)
		     : "memory");
}

CT_DEVICE void copy_commit()
{
	asm volatile("cp.async.commit_group;" ::: "memory");
}

/* All but the last `Pending` committed groups have arrived, as this thread sees it. */
template <int Pending> CT_DEVICE void copy_wait()
{
	asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

/* ---- tensor cores that read shared memory by themselves: compute capability 9.0 and no other ---- */

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define CT_HAS_WGMMA

/* Rows of 128 bytes at `row`, swizzled, the first of them aligned to 1024: the next eight follow
 * 1024 bytes on. Fields: address, unused here, distance of the groups of eight, kind of swizzle. */
CT_DEVICE uint64_t matrix_at(shared_address row)
{
	return (row & 0x3ffff) >> 4 | (uint64_t)1 << 16 | (uint64_t)(1024 >> 4) << 32 |
	       (uint64_t)1 << 62;
}

#define CT_TEN(t) "%" #t "0,%" #t "1,%" #t "2,%" #t "3,%" #t "4,%" #t "5,%" #t "6,%" #t "7,%" #t "8,%" #t "9,"
#define CT_SUMS                                                                                     \
	"{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9," CT_TEN(1) CT_TEN(2) CT_TEN(3) CT_TEN(4) CT_TEN(5) CT_TEN(6) \
		CT_TEN(7) CT_TEN(8) CT_TEN(9) CT_TEN(10) CT_TEN(11)                                  \
			"%120,%121,%122,%123,%124,%125,%126,%127}"
#define CT_IN4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define CT_IN16(d, i) CT_IN4(d, i), CT_IN4(d, i + 4), CT_IN4(d, i + 8), CT_IN4(d, i + 12)
#define CT_IN64(d, i) CT_IN16(d, i), CT_IN16(d, i + 16), CT_IN16(d, i + 32), CT_IN16(d, i + 48)

/* D = A * B + D of a warpgroup on 64 by 256 outputs and 32 bytes of k. */
#define CT_WGMMA(name, types, transposed)                                                           \
	CT_DEVICE void name(float (&d)[128], uint64_t a, uint64_t b)                                \
	{                                                                                           \
		asm volatile("wgmma.mma_async.sync.aligned.m64n256" types " " CT_SUMS               \
			     ", %128, %129, 1, 1, 1" transposed ";"                                 \
			     : CT_IN64(d, 0), CT_IN64(d, 64)                                        \
			     : "l"(a), "l"(b));                                                     \
	}
CT_WGMMA(wgmma_bf16, "k16.f32.bf16.bf16", ", 0, 0")
CT_WGMMA(wgmma_fp16, "k16.f32.f16.f16", ", 0, 0")
CT_WGMMA(wgmma_tf32, "k8.f32.tf32.tf32", "")

/* Before the first of several products: what registers hold is seen by them. */
CT_DEVICE void warpgroup_fence()
{
	asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

CT_DEVICE void warpgroup_commit()
{
	asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* All but the last `Pending` committed groups are done. */
template <int Pending> CT_DEVICE void warpgroup_wait()
{
	asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

/* What this thread's copies brought is seen by products. */
CT_DEVICE void copies_visible()
{
	asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

#endif

CT_DEVICE uint16_t to_bf16(float x)
{
	return __bfloat16_as_ushort(__float2bfloat16_rn(x));
}

CT_DEVICE uint16_t to_fp16(float x)
{
	return __half_as_ushort(__float2half_rn(x));
}

#endif

CT_DEVICE float from_bf16(uint32_t bits)
{
	return __uint_as_float(bits << 16);
}

template <class T> CT_DEVICE T *at(uint64_t address)
{
	return reinterpret_cast<T *>(address);
}

CT_DEVICE uint64_t thread_index()
{
	return (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

CT_DEVICE uint64_t thread_count()
{
	return (uint64_t)gridDim.x * blockDim.x;
}

/* [-1, 1) in steps of 1/128. */
CT_DEVICE float fill_value(uint64_t i, uint32_t seed)
{
	return (float)((int)(ct_fill_bits(i, seed) >> 24) - 128) / 128.0f;
}
