/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/codec.h"

#include <stdlib.h>
#include <string.h>

void ct_encoder_free(struct ct_encoder *encoder)
{
	free(encoder->bytes);
	*encoder = (struct ct_encoder){0};
}

void ct_encode_bytes(struct ct_encoder *encoder, const void *data, size_t n)
{
	if (encoder->failed || n == 0)
		return;
	if (encoder->capacity - encoder->used < n) {
		size_t capacity = 2 * encoder->capacity + n;
		unsigned char *bytes = realloc(encoder->bytes, capacity);

		if (!bytes) {
			encoder->failed = true;
			return;
		}
		encoder->bytes = bytes;
		encoder->capacity = capacity;
	}
	memcpy(encoder->bytes + encoder->used, data, n);
	encoder->used += n;
}

void ct_encode_u32(struct ct_encoder *encoder, uint32_t value)
{
	ct_encode_bytes(encoder, &value, sizeof value);
}

void ct_encode_u64(struct ct_encoder *encoder, uint64_t value)
{
	ct_encode_bytes(encoder, &value, sizeof value);
}

static void encode_text(struct ct_encoder *encoder, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (n > UINT32_MAX) {
		encoder->failed = true;
		return;
	}
	ct_encode_u32(encoder, (uint32_t)n);
	ct_encode_bytes(encoder, text, n);
}

void ct_encode_rows(struct ct_encoder *encoder, const struct ct_layout *layout, const void *rows,
		    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *row = (const char *)rows + i * layout->row_size;

		for (size_t c = 0; c < layout->n_columns; c++) {
			const struct ct_column *column = &layout->columns[c];
			const char *field = row + column->offset;

			if (column->type == CT_COLUMN_TEXT)
				encode_text(encoder, *(char *const *)field);
			else
				ct_encode_bytes(encoder, field, ct_column_size(column->type));
		}
	}
}

static bool take(struct ct_decoder *decoder, void *out, size_t n)
{
	if (decoder->failed || decoder->left < n) {
		decoder->failed = true;
		return false;
	}
	memcpy(out, decoder->at, n);
	decoder->at += n;
	decoder->left -= n;
	return true;
}

uint32_t ct_decode_u32(struct ct_decoder *decoder)
{
	uint32_t value = 0;

	take(decoder, &value, sizeof value);
	return value;
}

uint64_t ct_decode_u64(struct ct_decoder *decoder)
{
	uint64_t value = 0;

	take(decoder, &value, sizeof value);
	return value;
}

static bool decode_text(struct ct_decoder *decoder, char **text)
{
	uint32_t n = ct_decode_u32(decoder);

	if (decoder->failed || n > decoder->left || !(*text = malloc((size_t)n + 1))) {
		decoder->failed = true;
		return false;
	}
	take(decoder, *text, n);
	(*text)[n] = '\0';
	return true;
}

static bool decode_row(struct ct_decoder *decoder, const struct ct_layout *layout, char *row)
{
	for (size_t c = 0; c < layout->n_columns; c++) {
		const struct ct_column *column = &layout->columns[c];
		char *field = row + column->offset;
		int32_t choice;

		if (column->type == CT_COLUMN_TEXT) {
			if (!decode_text(decoder, (char **)field))
				return false;
			continue;
		}
		if (!take(decoder, field, ct_column_size(column->type)))
			return false;
		if (column->type != CT_COLUMN_CHOICE)
			continue;
		memcpy(&choice, field, sizeof choice);
		if (!ct_choice_valid(column, choice)) {
			decoder->failed = true;
			return false;
		}
	}
	return true;
}

/* Least bytes that a row takes: an upper bound on rows follows before anything is allocated. */
static size_t least_size(const struct ct_layout *layout)
{
	size_t n = 0;

	for (size_t c = 0; c < layout->n_columns; c++)
		n += layout->columns[c].type == CT_COLUMN_TEXT
			     ? sizeof(uint32_t)
			     : ct_column_size(layout->columns[c].type);
	return n;
}

bool ct_decode_rows(struct ct_decoder *decoder, const struct ct_layout *layout, uint64_t n,
		    void **rows)
{
	char *memory;

	*rows = NULL;
	if (decoder->failed || n > decoder->left / least_size(layout)) {
		decoder->failed = true;
		return false;
	}
	if (n == 0)
		return true;
	memory = calloc(n, layout->row_size);
	if (!memory) {
		decoder->failed = true;
		return false;
	}
	for (uint64_t i = 0; i < n; i++) {
		if (!decode_row(decoder, layout, memory + i * layout->row_size)) {
			ct_rows_free_text(layout, memory, n);
			free(memory);
			return false;
		}
	}
	*rows = memory;
	return true;
}
