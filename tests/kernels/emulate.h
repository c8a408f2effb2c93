/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels' source compiled for a CPU. Takes the place of the inline PTX of kernels/device.cuh:
 * every instruction does what the PTX manual says, with the layouts of operands over the lanes of a
 * warp written down here a second time. Threads are fibers; a warp's instructions wait for all its
 * lanes, and shared memory begins as NaNs. copy_async arrives at once or as late as it may: what
 * does not wait for it, or overwrites what is still read, gives wrong numbers in one of both.
 */
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/number.h"
#include "tests/kernels/fibers.h"

#define __global__
#define __device__
#define __host__
#define __shared__   static
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define CT_KERNEL               extern "C" void
#define CT_DEVICE               static inline
#define CT_SHARED_DYNAMIC(name) unsigned char *name = emulated_shared()

struct ulonglong2 {
	unsigned long long x, y;
};
struct uint4 {
	uint32_t x, y, z, w;
};
struct float2 {
	float x, y;
};
struct float4 {
	float x, y, z, w;
};

CT_DEVICE float2 make_float2(float x, float y)
{
	return {x, y};
}

CT_DEVICE float4 make_float4(float x, float y, float z, float w)
{
	return {x, y, z, w};
}

CT_DEVICE float __uint_as_float(uint32_t bits)
{
	return ct_bits_float(bits);
}

CT_DEVICE void __threadfence_system()
{
}

CT_DEVICE void __syncthreads()
{
	block_sync();
}

template <class T> CT_DEVICE void __stcs(T *to, T value)
{
	*to = value;
}

template <class T> CT_DEVICE T atomicAdd(T *to, T value)
{
	const T before = *to;

	*to += value;
	return before;
}

template <class T> CT_DEVICE T atomicXor(T *to, T value)
{
	const T before = *to;

	*to ^= value;
	return before;
}

template <class T> CT_DEVICE T __shfl_xor_sync(uint32_t, T value, int distance)
{
	exchange<T> all(value);

	return all[threadIdx.x % 32 ^ (uint32_t)distance];
}

CT_DEVICE float rsqrtf(float x)
{
	return 1 / sqrtf(x);
}

CT_DEVICE uint64_t global_timer()
{
	return emulated_clock();
}

CT_DEVICE uint64_t sm_clock()
{
	return emulated_clock();
}

CT_DEVICE uint32_t sm_id()
{
	return blockIdx.x;
}

CT_DEVICE uint64_t load_plain(const uint64_t *from)
{
	return *from;
}

CT_DEVICE uint64_t load_strong_gpu(const uint64_t *from)
{
	return *from;
}

CT_DEVICE uint64_t load_strong_sys(const uint64_t *from)
{
	return *from;
}

CT_DEVICE ulonglong2 load_vector(const ulonglong2 *from)
{
	return *from;
}

CT_DEVICE float fma_step(float x, float a, float b)
{
	return fmaf(x, a, b);
}

CT_DEVICE float reciprocal_root(float x)
{
	return 1 / sqrtf(x);
}

CT_DEVICE uint16_t to_bf16(float x)
{
	return ct_to_bf16(x);
}

CT_DEVICE uint16_t to_fp16(float x)
{
	return ct_to_fp16(x);
}

/* ---- matrices over the lanes of a warp ---- */

/* Lane l holds of matrix i, 8 rows by 16 bytes, the word l % 4 of row l / 4. */
typedef uint64_t shared_address;

CT_DEVICE shared_address shared_at(const void *memory)
{
	return (uint64_t)(uintptr_t)memory;
}

CT_DEVICE void load_matrices(uint32_t (&r)[4], shared_address row)
{
	exchange<shared_address> rows(row);
	const uint32_t lane = threadIdx.x % 32;

	for (uint32_t i = 0; i < 4; i++)
		memcpy(&r[i], (const char *)(uintptr_t)rows[8 * i + lane / 4] + lane % 4 * 4, 4);
}

struct mma_words {
	uint32_t a[4], b[2];
};

/*
 * A: word i of lane l is row l / 4 + i % 2 * 8 and the four bytes at 16 * (i / 2) + l % 4 * 4 of
 * the 32 of k. B: word i of lane l is column l / 4, bytes at 16 * i + l % 4 * 4. D: element i of
 * lane l is row l / 4 + i / 2 * 8, column l % 4 * 2 + i % 2.
 */
template <class Element, float (*Read)(Element)>
CT_DEVICE void emulated_mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
	enum { DEPTH = 32 / sizeof(Element), IN_WORD = 4 / sizeof(Element) };
	const uint32_t lane = threadIdx.x % 32;
	exchange<mma_words> all(mma_words{{a[0], a[1], a[2], a[3]}, {b0, b1}});

	for (uint32_t i = 0; i < 4; i++) {
		const uint32_t row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
		double sum = (double)d[i];

		for (uint32_t k = 0; k < DEPTH; k++) {
			const uint32_t word = k / IN_WORD % 4, half = k / IN_WORD / 4;
			Element left[IN_WORD], right[IN_WORD];

			memcpy(left, &all[row % 8 * 4 + word].a[row / 8 + 2 * half], 4);
			memcpy(right, &all[column * 4 + word].b[half], 4);
			sum += (double)Read(left[k % IN_WORD]) * (double)Read(right[k % IN_WORD]);
		}
		d[i] = (float)sum;
	}
}

CT_DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
	emulated_mma<uint16_t, ct_from_bf16>(d, a, b0, b1);
}

CT_DEVICE void mma_fp16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
	emulated_mma<uint16_t, ct_from_fp16>(d, a, b0, b1);
}

CT_DEVICE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
	emulated_mma<float, ct_to_tf32>(d, a, b0, b1);
}

/* ---- products of a warpgroup, whose operands lie in shared memory ---- */

#define CT_HAS_WGMMA

/* The emulated descriptor is the address: the layout is fixed, and written down in emulated_word.
 */
CT_DEVICE uint64_t matrix_at(shared_address row)
{
	return row;
}

/* Four bytes of row `row` of a swizzled matrix at `base`, `byte` of its 32 bytes of k. Where the
 * base stands within a row of 128 bytes counts too: the swizzle is one of addresses. */
CT_DEVICE const void *emulated_word(uint64_t base, uint32_t row, uint32_t byte)
{
	const uint64_t address = base + row * 128 + byte;

	return (const void *)(uintptr_t)(address ^ (address / 128 % 8) * 16);
}

/* Lane l of warp w holds of 64 by 256 sums: element 4 j + i is row 16 w + l / 4 + i / 2 * 8, column
 * 8 j + l % 4 * 2 + i % 2. */
template <class Element, float (*Read)(Element)>
CT_DEVICE void emulated_wgmma(float (&d)[128], uint64_t a, uint64_t b)
{
	enum { IN_WORD = 4 / sizeof(Element) };
	const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;

	for (uint32_t i = 0; i < 128; i++) {
		const uint32_t row = 16 * warp + lane / 4 + i % 4 / 2 * 8;
		const uint32_t column = i / 4 * 8 + lane % 4 * 2 + i % 2;
		double sum = (double)d[i];

		for (uint32_t byte = 0; byte < 32; byte += 4) {
			Element left[IN_WORD], right[IN_WORD];

			memcpy(left, emulated_word(a, row, byte), 4);
			memcpy(right, emulated_word(b, column, byte), 4);
			for (int k = 0; k < IN_WORD; k++)
				sum += (double)Read(left[k]) * (double)Read(right[k]);
		}
		d[i] = (float)sum;
	}
}

CT_DEVICE void wgmma_bf16(float (&d)[128], uint64_t a, uint64_t b)
{
	emulated_wgmma<uint16_t, ct_from_bf16>(d, a, b);
}

CT_DEVICE void wgmma_fp16(float (&d)[128], uint64_t a, uint64_t b)
{
	emulated_wgmma<uint16_t, ct_from_fp16>(d, a, b);
}

CT_DEVICE void wgmma_tf32(float (&d)[128], uint64_t a, uint64_t b)
{
	emulated_wgmma<float, ct_to_tf32>(d, a, b);
}

/* Products are done at once here: a buffer that is overwritten too early shows on a GPU only. */
CT_DEVICE void warpgroup_fence()
{
}

CT_DEVICE void warpgroup_commit()
{
}

template <int Pending> CT_DEVICE void warpgroup_wait()
{
}

CT_DEVICE void copies_visible()
{
}

/* ---- copies that arrive later ---- */

CT_DEVICE void copy_async(shared_address to, const void *from)
{
	emulated_copy((void *)(uintptr_t)to, from, 16);
}

CT_DEVICE void copy_commit()
{
	emulated_commit();
}

template <int Pending> CT_DEVICE void copy_wait()
{
	emulated_wait(Pending);
}
