/* SPDX-License-Identifier: Apache-2.0 */
/* Instantiates the streaming kernels for every instruction set of this architecture. */
#include "noise/stream.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define KERNEL(name) name##_plain
#define TARGET
#define VECTOR_BYTES 8
#include "noise/stream_kernels.h"

#if defined(__x86_64__)

#define KERNEL(name) name##_sse2
#define TARGET
#define VECTOR_BYTES       16
#define STREAM_STORE(p, v) _mm_stream_si128((__m128i *)(void *)(p), (__m128i)(v))
#include "noise/stream_kernels.h"

#define KERNEL(name)       name##_avx2
#define TARGET             __attribute__((target("avx2,fma")))
#define VECTOR_BYTES       32
#define STREAM_STORE(p, v) _mm256_stream_si256((__m256i *)(void *)(p), (__m256i)(v))
#include "noise/stream_kernels.h"

#define KERNEL(name)       name##_avx512
#define TARGET             __attribute__((target("avx512f")))
#define VECTOR_BYTES       64
#define STREAM_STORE(p, v) _mm512_stream_si512((__m512i *)(void *)(p), (__m512i)(v))
#include "noise/stream_kernels.h"

#elif defined(__aarch64__)

/* arm64 streams pairs of registers only: both halves are the same width as one AVX vector. */
#define KERNEL(name) name##_neon
#define TARGET
#define VECTOR_BYTES 32
#define STREAM_STORE(p, v)                                                                     \
	__asm__ volatile("stnp %q0, %q1, [%2]" ::"w"(__builtin_shufflevector((v), (v), 0, 1)), \
			 "w"(__builtin_shufflevector((v), (v), 2, 3)), "r"(p)                  \
			 : "memory")
#include "noise/stream_kernels.h"

#endif

unsigned ct_stream_arrays(enum ct_stream_op op)
{
	static const unsigned arrays[CT_STREAM_OPS] = {1, 1, 2, 3};

	return arrays[op];
}

ct_stream_kernel *ct_stream_find(enum ct_stream_op op, enum ct_isa isa, bool nontemporal)
{
	switch (isa) {
#if defined(__x86_64__)
	case CT_ISA_AVX512:
		return table_avx512[op][nontemporal];
	case CT_ISA_AVX2:
		return table_avx2[op][nontemporal];
	case CT_ISA_SSE2:
		return table_sse2[op][nontemporal];
#elif defined(__aarch64__)
	case CT_ISA_NEON:
		return table_neon[op][nontemporal];
#endif
	case CT_ISA_PLAIN:
		return table_plain[op][nontemporal];
	default:
		return NULL;
	}
}
