/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of mem_bandwidth.c, included once for every instruction set. Takes, and undefines at
 * its end:
 *   KERNEL(name)   name with a suffix of this instance
 *   VECTOR_BYTES   width of a vector register
 *   TARGET         attribute that selects the instruction set, or nothing
 *
 * ORDERED keeps each access a load or a store of its own. Without it compilers turn `copy` into a
 * call of memcpy, which may choose non-temporal stores, and so measure something else.
 */

typedef double KERNEL(vector) __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef uint64_t KERNEL(bits) __attribute__((vector_size(VECTOR_BYTES), may_alias));

/* From array `i` on, where this sample begins. */
#define ARRAY(i) ((KERNEL(vector) *)(stream->array[i] + first))
#define COUNT    (lines * LINE / VECTOR_BYTES)

/* Four sums, so that no load waits for an addition; the result is kept, so that none is dropped. */
TARGET static void KERNEL(read)(const struct stream *stream, size_t first, size_t lines)
{
	const KERNEL(bits) *a = (const KERNEL(bits) *)ARRAY(0);
	const size_t count = COUNT;
	KERNEL(bits) sum0 = {0}, sum1 = {0}, sum2 = {0}, sum3 = {0}, total;
	size_t i;

	for (i = 0; i + 4 <= count; i += 4) {
		sum0 ^= a[i];
		sum1 ^= a[i + 1];
		sum2 ^= a[i + 2];
		sum3 ^= a[i + 3];
	}
	for (; i < count; i++)
		sum0 ^= a[i];
	total = sum0 ^ sum1 ^ sum2 ^ sum3;
	__asm__ volatile("" ::"m"(total));
}

TARGET static void KERNEL(write)(const struct stream *stream, size_t first, size_t lines)
{
	KERNEL(vector) *a = ARRAY(0);
	const KERNEL(vector) value = (KERNEL(vector)){0} + SCALAR;
	const size_t count = COUNT;

	UNROLL_STREAM
	for (size_t i = 0; i < count; i++) {
		a[i] = value;
		ORDERED;
	}
}

TARGET static void KERNEL(copy)(const struct stream *stream, size_t first, size_t lines)
{
	const KERNEL(vector) *a = ARRAY(0);
	KERNEL(vector) *b = ARRAY(1);
	const size_t count = COUNT;

	UNROLL_STREAM
	for (size_t i = 0; i < count; i++) {
		b[i] = a[i];
		ORDERED;
	}
}

TARGET static void KERNEL(scale)(const struct stream *stream, size_t first, size_t lines)
{
	const KERNEL(vector) *a = ARRAY(0);
	KERNEL(vector) *b = ARRAY(1);
	const size_t count = COUNT;

	UNROLL_STREAM
	for (size_t i = 0; i < count; i++) {
		b[i] = SCALAR * a[i];
		ORDERED;
	}
}

TARGET static void KERNEL(add)(const struct stream *stream, size_t first, size_t lines)
{
	const KERNEL(vector) *a = ARRAY(0), *b = ARRAY(1);
	KERNEL(vector) *c = ARRAY(2);
	const size_t count = COUNT;

	UNROLL_STREAM
	for (size_t i = 0; i < count; i++) {
		c[i] = a[i] + b[i];
		ORDERED;
	}
}

TARGET static void KERNEL(triad)(const struct stream *stream, size_t first, size_t lines)
{
	const KERNEL(vector) *a = ARRAY(0), *b = ARRAY(1);
	KERNEL(vector) *c = ARRAY(2);
	const size_t count = COUNT;

	UNROLL_STREAM
	for (size_t i = 0; i < count; i++) {
		c[i] = a[i] + SCALAR * b[i];
		ORDERED;
	}
}

static const stream_kernel KERNEL(kernels)[OP_COUNT] = {
	[OP_READ] = KERNEL(read),   [OP_WRITE] = KERNEL(write), [OP_COPY] = KERNEL(copy),
	[OP_SCALE] = KERNEL(scale), [OP_ADD] = KERNEL(add),     [OP_TRIAD] = KERNEL(triad),
};

#undef ARRAY
#undef COUNT
#undef KERNEL
#undef VECTOR_BYTES
#undef TARGET
