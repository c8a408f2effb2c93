/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory bandwidth by the kernels of STREAM (McCalpin 1995): copy, scale, add and triad, and plain
 * read and write. A sample is one chunk, so that a slow stretch of a few ten microseconds is seen
 * and not averaged away over a pass through the arrays. Bytes count as STREAM counts them: what the
 * program loads and stores; the line that a store first has to fetch (write-allocate) is not
 * counted.
 */
#include "bench/victims.h"

#include <stdlib.h>

enum operation { OP_READ, OP_WRITE, OP_COPY, OP_SCALE, OP_ADD, OP_TRIAD, OP_COUNT };

static const char *const operation_names[] = {"read", "write", "copy", "scale",
					      "add",  "triad", NULL};
/* Arrays that an operation streams through; the last is the one it writes. */
static const unsigned arrays_of[OP_COUNT] = {
	[OP_READ] = 1, [OP_WRITE] = 1, [OP_COPY] = 2, [OP_SCALE] = 2, [OP_ADD] = 3, [OP_TRIAD] = 3};

enum { LINE = 64, MAX_ARRAYS = 3 };
#define SCALAR 3.0

struct line {
	double element[LINE / sizeof(double)];
};

struct stream {
	struct line *array[MAX_ARRAYS];
};
/* Moves `lines` lines of every array of the operation, from line `first` on. */
typedef void (*stream_kernel)(const struct stream *stream, size_t first, size_t lines);

#define ORDERED __asm__ volatile("" ::: "memory")
#if defined(__clang__)
#define UNROLL_STREAM _Pragma("clang loop unroll_count(4)")
#else
#define UNROLL_STREAM _Pragma("GCC unroll 4")
#endif

#define KERNEL(name) name##_base
#define VECTOR_BYTES 16
#define TARGET
#include "bench/bandwidth_template.h"

#if defined(__x86_64__)

#define KERNEL(name) name##_avx2
#define VECTOR_BYTES 32
#define TARGET       __attribute__((target("avx2,fma")))
#include "bench/bandwidth_template.h"

#define KERNEL(name) name##_avx512
#define VECTOR_BYTES 64
#define TARGET       __attribute__((target("avx512f")))
#include "bench/bandwidth_template.h"

#endif

/* The widest vectors that this CPU has and that the system saves. */
static const stream_kernel *best_kernels(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512f"))
		return kernels_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return kernels_avx2;
#endif
	return kernels_base;
}

struct bandwidth_options {
	uint64_t working_set, chunk;
	int operation, pages;
};

struct bandwidth_state {
	stream_kernel kernel;
	struct stream stream;
	size_t at, slice, lines; /* in lines of one array: position, a sample's share, the end */
	struct ct_memory memory;
};

/* Array number `a` holds a + 1 everywhere, so that every result is known. */
static void fill(struct bandwidth_state *state, unsigned arrays)
{
	const size_t elements = state->lines * (LINE / sizeof(double));

	for (unsigned a = 0; a < arrays; a++) {
		for (size_t i = 0; i < elements; i++)
			((double *)state->stream.array[a])[i] = a + 1;
	}
}

/* Runs the kernel once over the whole arrays and looks at what it wrote. */
static bool kernel_is_right(struct bandwidth_state *state, enum operation operation)
{
	static const double expected[OP_COUNT] = {
		[OP_READ] = 1,       [OP_WRITE] = SCALAR, [OP_COPY] = 1,
		[OP_SCALE] = SCALAR, [OP_ADD] = 1 + 2,    [OP_TRIAD] = 1 + 2 * SCALAR};
	const size_t elements = state->lines * (LINE / sizeof(double));
	const double *written = (const double *)state->stream.array[arrays_of[operation] - 1];

	state->kernel(&state->stream, 0, state->lines);
	for (size_t i = 0; i < elements; i++) {
		if (written[i] != expected[operation])
			return false;
	}
	return true;
}

static void teardown(void *state)
{
	struct bandwidth_state *bandwidth = state;

	ct_memory_unmap(&bandwidth->memory);
	free(bandwidth);
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct bandwidth_options *asked = options;
	const unsigned arrays = arrays_of[asked->operation];
	const size_t slice = asked->chunk / arrays / LINE;
	const size_t slices = asked->working_set / arrays / LINE / slice;
	struct bandwidth_state *bandwidth;

	if (slices == 0)
		return ct_usage(err,
				"working_set = %llu is smaller than one chunk of %llu: "
				"raise working_set or lower chunk",
				(unsigned long long)asked->working_set,
				(unsigned long long)asked->chunk);
	bandwidth = calloc(1, sizeof *bandwidth);
	if (!bandwidth)
		return ct_broken_errno(err, "mem_bandwidth: no memory for its state");
	bandwidth->slice = slice;
	bandwidth->lines = slice * slices;
	if (!ct_memory_map(&bandwidth->memory, env->place, bandwidth->lines * LINE * arrays,
			   (enum ct_pages)asked->pages, err)) {
		free(bandwidth);
		return ct_error_in(err, "mem_bandwidth: working_set");
	}
	for (unsigned a = 0; a < arrays; a++)
		bandwidth->stream.array[a] =
			(struct line *)bandwidth->memory.base + a * bandwidth->lines;
	fill(bandwidth, arrays);
	bandwidth->kernel = best_kernels()[asked->operation];
	if (!kernel_is_right(bandwidth, (enum operation)asked->operation)) {
		teardown(bandwidth);
		return ct_broken(err,
				 "mem_bandwidth: op = %s computes wrongly on this CPU: it "
				 "can't be measured",
				 operation_names[asked->operation]);
	}
	env->bytes_per_operation = slice * LINE * arrays;
	*state = bandwidth;
	return true;
}

static bool operate(void *state)
{
	struct bandwidth_state *bandwidth = state;

	bandwidth->kernel(&bandwidth->stream, bandwidth->at, bandwidth->slice);
	bandwidth->at += bandwidth->slice;
	if (bandwidth->at == bandwidth->lines)
		bandwidth->at = 0;
	return true;
}

static const struct ct_param params[] = {
	{.name = "op",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct bandwidth_options, operation),
	 .fallback = "triad",
	 .choices = operation_names,
	 .help = "kernel: read, write, or one of STREAM's"},
	{.name = "working_set",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct bandwidth_options, working_set),
	 .fallback = "256M",
	 .min = "4K",
	 .max = "1T",
	 .help = "size of all arrays together; well above the last-level cache for memory"},
	{.name = "chunk",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct bandwidth_options, chunk),
	 .fallback = "1M",
	 .min = "1K",
	 .max = "1G",
	 .help = "bytes moved in one sample, over all arrays"},
	{.name = "pages",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct bandwidth_options, pages),
	 .fallback = "base",
	 .choices = ct_pages_names,
	 .help = "page size"},
	{0},
};

const struct ct_victim_ops ct_bench_mem_bandwidth = {
	.name = "mem_bandwidth",
	.summary = "one thread streaming through memory: time of a chunk, and bytes per second",
	.unit = "ns",
	.sample = "one chunk read, written or both, at the next place of the arrays",
	.stresses = CT_RES_LLC | CT_RES_MEMORY | CT_RES_INTERCONNECT,
	.params = params,
	.options_size = sizeof(struct bandwidth_options),
	.setup = setup,
	.operate = operate,
	.teardown = teardown,
};
