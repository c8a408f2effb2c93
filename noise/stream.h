/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming kernels: read, write, copy and triad over long arrays, as McCalpin's STREAM defines
 * the last two, one set for every instruction set.
 *
 * An array is walked as CT_STREAM_LANES equal lanes side by side. Hardware prefetchers follow each
 * lane by itself and stop at the end of a page, so several lanes keep more lines in flight than
 * one. All lanes of all arrays have the same distance `stride`; lane l of array k begins at
 * base + (k * CT_STREAM_LANES + l) * stride.
 */
#ifndef COTENANT_NOISE_STREAM_H
#define COTENANT_NOISE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "noise/isa.h"

enum { CT_STREAM_LANES = 4, CT_STREAM_LINE = 64 };

/* Array 0 is what is read (READ) or written (all others); 1 and 2 are the sources. */
enum ct_stream_op {
	CT_STREAM_READ,  /* xor of a[i] */
	CT_STREAM_WRITE, /* a[i] = value */
	CT_STREAM_COPY,  /* a[i] = b[i] */
	CT_STREAM_TRIAD, /* a[i] = b[i] + CT_STREAM_SCALAR * c[i], in doubles */
	CT_STREAM_OPS
};
#define CT_STREAM_SCALAR 3.0

/* Arrays an operation touches: 1, 1, 2, 3. Bytes it moves are this times the bytes of one array. */
unsigned ct_stream_arrays(enum ct_stream_op op);

/*
 * Works on `bytes` of every lane, a multiple of CT_STREAM_LINE; base and stride are multiples of it
 * too. `value` is what WRITE stores in every 8 bytes. Returns the xor of all words for READ and 0
 * for the others; the caller keeps it, so that the loads have a purpose.
 */
typedef uint64_t ct_stream_kernel(char *base, size_t stride, size_t bytes, uint64_t value);

/*
 * The kernel of an operation. `isa` as ct_isa_choose gave it. `nontemporal`: stores go past the
 * caches; NULL where the instruction set has no such store (PLAIN) or the operation has no store.
 */
ct_stream_kernel *ct_stream_find(enum ct_stream_op op, enum ct_isa isa, bool nontemporal);

#endif
