/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One multiplication kernel, included once for every precision and instruction set by
 * gemm_kernels.c. Takes, and undefines at its end:
 *   GEMM(name)     name with a suffix of this instance
 *   REAL           float or double
 *   VECTOR_BYTES   width of a vector register
 *   TILE_ROWS      rows of the register tile; its width is two vectors
 *   TARGET         attribute that selects the instruction set, or nothing
 */

typedef REAL GEMM(vector)
	__attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

enum {
	GEMM(lanes) = VECTOR_BYTES / sizeof(REAL),
	GEMM(width) = 2 * GEMM(lanes),
};
_Static_assert(GEMM_MC % TILE_ROWS == 0, "blocks are whole tiles");
_Static_assert(GEMM_NC % GEMM(width) == 0 && GEMM(width) <= GEMM_MAX_TILE_WIDTH,
	       "panels are whole tiles");

/* Columns [first, first + columns) of `rows` rows of B, as tiles: GEMM(width) columns, row by row.
 */
TARGET static void GEMM(pack_b_tile)(const REAL *b, size_t n, size_t rows, size_t first,
				     size_t columns, REAL *out)
{
	for (size_t k = 0; k < rows; k++) {
		for (size_t j = 0; j < GEMM(width); j++)
			out[j] = j < columns ? b[k * n + first + j] : 0;
		out += GEMM(width);
	}
}

/* `rows` rows of A as tiles of TILE_ROWS rows, column by column; missing rows are zero. */
TARGET static void GEMM(pack_a)(const REAL *a, size_t n, size_t rows, size_t depth, REAL *out)
{
	for (size_t first = 0; first < rows; first += TILE_ROWS) {
		for (size_t k = 0; k < depth; k++) {
			for (size_t i = 0; i < TILE_ROWS; i++)
				*out++ = first + i < rows ? a[(first + i) * n + k] : 0;
		}
	}
}

/*
 * The inner loop: a tile of C in registers, one column of A times one row of B at a time. For every
 * step two vector loads and TILE_ROWS broadcasts feed 2 * TILE_ROWS independent fused
 * multiply-adds, enough of them to cover the latency of the multiplier.
 */
TARGET static __attribute__((noinline)) void GEMM(tile)(const REAL *a, const REAL *b, size_t depth,
							REAL *out)
{
	GEMM(vector) sum[TILE_ROWS][2];

	for (size_t i = 0; i < TILE_ROWS; i++)
		sum[i][0] = sum[i][1] = (GEMM(vector)){0};
	for (size_t k = 0; k < depth; k++) {
		const GEMM(vector) b0 = *(const GEMM(vector) *)b;
		const GEMM(vector) b1 = *(const GEMM(vector) *)(b + GEMM(lanes));

		UNROLL_TILE
		for (size_t i = 0; i < TILE_ROWS; i++) {
			sum[i][0] += a[i] * b0;
			sum[i][1] += a[i] * b1;
		}
		a += TILE_ROWS;
		b += GEMM(width);
	}
	for (size_t i = 0; i < TILE_ROWS; i++) {
		*(GEMM(vector) *)(out + i * GEMM(width)) = sum[i][0];
		*(GEMM(vector) *)(out + i * GEMM(width) + GEMM(lanes)) = sum[i][1];
	}
}

/* Moves a tile to C, or adds it there; `rows` and `columns` cut it at the edges of C. */
TARGET static void GEMM(store)(const REAL *tile, REAL *c, size_t n, size_t rows, size_t columns,
			       bool add)
{
	for (size_t i = 0; i < rows; i++) {
		for (size_t j = 0; j < columns; j++) {
			REAL value = tile[i * GEMM(width) + j];

			c[i * n + j] = add ? c[i * n + j] + value : value;
		}
	}
}

/* A block of A, packed, times the packed panel of B. */
TARGET static void GEMM(block)(const REAL *packed_a, const REAL *packed_b, const struct extent *at,
			       REAL *c, size_t n)
{
	REAL tile[TILE_ROWS * GEMM(width)] __attribute__((aligned(64)));

	for (size_t j = 0; j < at->columns; j += GEMM(width)) {
		for (size_t i = 0; i < at->rows; i += TILE_ROWS) {
			GEMM(tile)
			(packed_a + i * at->depth, packed_b + j * at->depth, at->depth, tile);
			GEMM(store)
			(tile, c + i * n + j, n, min_size(TILE_ROWS, at->rows - i),
			 min_size(GEMM(width), at->columns - j), at->add);
		}
	}
}

TARGET static void GEMM(kernel)(const struct gemm *gemm, unsigned thread)
{
	const size_t n = gemm->n;
	const size_t mc = block_rows(n, gemm->threads, TILE_ROWS);
	const REAL *a = gemm->a, *b = gemm->b;
	REAL *c = gemm->c, *packed_b = gemm->packed_b;
	REAL *packed_a = (REAL *)(gemm->packed_a) + (size_t)thread * GEMM_MC * GEMM_KC;

	for (size_t jc = 0; jc < n; jc += GEMM_NC) {
		struct extent at = {.columns = min_size(GEMM_NC, n - jc)};

		for (size_t pc = 0; pc < n; pc += GEMM_KC) {
			at.depth = min_size(GEMM_KC, n - pc);
			at.add = pc > 0;
			for (size_t j = (size_t)thread * GEMM(width); j < at.columns;
			     j += (size_t)gemm->threads * GEMM(width))
				GEMM(pack_b_tile)
			(b + pc * n, n, at.depth, jc + j, at.columns - j, packed_b + j * at.depth);
			wait_for_team(gemm->threads);
			for (size_t ic = thread * mc; ic < n; ic += gemm->threads * mc) {
				at.rows = min_size(mc, n - ic);
				GEMM(pack_a)(a + ic * n + pc, n, at.rows, at.depth, packed_a);
				GEMM(block)(packed_a, packed_b, &at, c + ic * n + jc, n);
			}
			wait_for_team(gemm->threads);
		}
	}
}

#undef GEMM
#undef REAL
#undef VECTOR_BYTES
#undef TILE_ROWS
#undef TARGET
