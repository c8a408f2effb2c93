/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as bytes, for the journal: the columns of a layout one after the other, no padding, host
 * byte order; a text is a u32 length and its bytes. Decoding trusts nothing: every length is held
 * against the bytes that are really there before memory is taken for it.
 */
#ifndef COTENANT_STORE_CODEC_H
#define COTENANT_STORE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/store/column.h"

/* Bytes being written. Zero-initialise; memory that runs out is remembered in `failed`. */
struct ct_encoder {
	unsigned char *bytes;
	size_t used, capacity;
	bool failed;
};
void ct_encoder_free(struct ct_encoder *encoder);
void ct_encode_bytes(struct ct_encoder *encoder, const void *data, size_t n);
void ct_encode_u32(struct ct_encoder *encoder, uint32_t value);
void ct_encode_u64(struct ct_encoder *encoder, uint64_t value);
void ct_encode_rows(struct ct_encoder *encoder, const struct ct_layout *layout, const void *rows,
		    size_t n);

/* Bytes being read; once something did not fit, `failed` stays set and everything reads as 0. */
struct ct_decoder {
	const unsigned char *at;
	size_t left;
	bool failed;
};
uint32_t ct_decode_u32(struct ct_decoder *decoder);
uint64_t ct_decode_u64(struct ct_decoder *decoder);
/* `n` rows into memory of their own (NULL for none); false when they are not there. Free the texts
 * with ct_rows_free_text, then the rows. */
bool ct_decode_rows(struct ct_decoder *decoder, const struct ct_layout *layout, uint64_t n,
		    void **rows);

#endif
