/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Template of the streaming kernels: included by stream.c once per instruction set, after
 *
 *   KERNEL(name)      the function's name with the suffix of the instruction set
 *   TARGET            function attribute that enables the instruction set
 *   VECTOR_BYTES      width of a vector
 *   STREAM_STORE(p,v) a store past the caches of a vector of 64-bit integers; left undefined where
 *                     there is none
 *
 * The lane and vector loops have constant bounds and are unrolled; what remains is one loop over
 * lines. A compiler barrier per round keeps the stores from becoming a call to memset or memcpy,
 * which would choose its own kind of store.
 */
#define WORDS  KERNEL(words)
#define REALS  KERNEL(reals)
#define UNROLL _Pragma("GCC unroll 16")

typedef uint64_t WORDS __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef double REALS __attribute__((vector_size(VECTOR_BYTES), may_alias));

#define LANE(array, lane) (base + ((array) * (size_t)CT_STREAM_LANES + (lane)) * stride)
#define FOR_EACH_VECTOR_OF_A_LINE                                    \
	UNROLL for (size_t lane = 0; lane < CT_STREAM_LANES; lane++) \
		UNROLL for (size_t part = 0; part < CT_STREAM_LINE; part += VECTOR_BYTES)

/* NOLINTNEXTLINE(readability-non-const-parameter): all kernels have one type */
TARGET static uint64_t KERNEL(read)(char *base, size_t stride, size_t bytes, uint64_t value)
{
	WORDS seen[CT_STREAM_LANES] = {{0}};
	uint64_t all = 0;

	(void)value;
	for (size_t at = 0; at < bytes; at += CT_STREAM_LINE) {
		FOR_EACH_VECTOR_OF_A_LINE
		seen[lane] ^= *(const WORDS *)(LANE(0, lane) + at + part);
	}
	for (size_t lane = 0; lane < CT_STREAM_LANES; lane++) {
		for (size_t word = 0; word < VECTOR_BYTES / 8; word++)
			all ^= seen[lane][word];
	}
	return all;
}

/* One body for both kinds of store: they differ in the store instruction alone. */
#define DEFINE_STORING(suffix, STORE)                                                              \
	TARGET static uint64_t KERNEL(write##suffix)(char *base, size_t stride, size_t bytes,      \
						     uint64_t value)                               \
	{                                                                                          \
		const WORDS filled = value - (WORDS){0};                                           \
                                                                                                   \
		for (size_t at = 0; at < bytes; at += CT_STREAM_LINE) {                            \
			FOR_EACH_VECTOR_OF_A_LINE                                                  \
			STORE(LANE(0, lane) + at + part, filled);                                  \
			__asm__ volatile("" ::: "memory");                                         \
		}                                                                                  \
		return 0;                                                                          \
	}                                                                                          \
                                                                                                   \
	TARGET static uint64_t KERNEL(copy##suffix)(char *base, size_t stride, size_t bytes,       \
						    uint64_t value)                                \
	{                                                                                          \
		(void)value;                                                                       \
		for (size_t at = 0; at < bytes; at += CT_STREAM_LINE) {                            \
			FOR_EACH_VECTOR_OF_A_LINE                                                  \
			{                                                                          \
				WORDS b = *(const WORDS *)(LANE(1, lane) + at + part);             \
                                                                                                   \
				STORE(LANE(0, lane) + at + part, b);                               \
			}                                                                          \
			__asm__ volatile("" ::: "memory");                                         \
		}                                                                                  \
		return 0;                                                                          \
	}                                                                                          \
                                                                                                   \
	TARGET static uint64_t KERNEL(triad##suffix)(char *base, size_t stride, size_t bytes,      \
						     uint64_t value)                               \
	{                                                                                          \
		(void)value;                                                                       \
		for (size_t at = 0; at < bytes; at += CT_STREAM_LINE) {                            \
			FOR_EACH_VECTOR_OF_A_LINE                                                  \
			{                                                                          \
				REALS b =                                                          \
					*(const REALS *)(const void *)(LANE(1, lane) + at + part); \
				REALS c =                                                          \
					*(const REALS *)(const void *)(LANE(2, lane) + at + part); \
                                                                                                   \
				STORE(LANE(0, lane) + at + part,                                   \
				      (WORDS)(b + CT_STREAM_SCALAR * c));                          \
			}                                                                          \
			__asm__ volatile("" ::: "memory");                                         \
		}                                                                                  \
		return 0;                                                                          \
	}

#define PLAIN_STORE(p, v) (*(WORDS *)(p) = (v))
DEFINE_STORING(_cached, PLAIN_STORE)
#ifdef STREAM_STORE
DEFINE_STORING(_past, STREAM_STORE)
#endif

static ct_stream_kernel *const KERNEL(table)[CT_STREAM_OPS][2] = {
	[CT_STREAM_READ] = {KERNEL(read), NULL},
#ifdef STREAM_STORE
	[CT_STREAM_WRITE] = {KERNEL(write_cached), KERNEL(write_past)},
	[CT_STREAM_COPY] = {KERNEL(copy_cached), KERNEL(copy_past)},
	[CT_STREAM_TRIAD] = {KERNEL(triad_cached), KERNEL(triad_past)},
#else
	[CT_STREAM_WRITE] = {KERNEL(write_cached), NULL},
	[CT_STREAM_COPY] = {KERNEL(copy_cached), NULL},
	[CT_STREAM_TRIAD] = {KERNEL(triad_cached), NULL},
#endif
};

#undef DEFINE_STORING
#undef PLAIN_STORE
#undef FOR_EACH_VECTOR_OF_A_LINE
#undef LANE
#undef UNROLL
#undef REALS
#undef WORDS
#undef STREAM_STORE
#undef VECTOR_BYTES
#undef TARGET
#undef KERNEL
