/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct ct_frame_header) == 16, "the header is part of the protocol");

/* Nibble-wise: a table of 16 is small enough to be written down and fast enough for pipes. */
uint32_t ct_crc32(uint32_t crc, const void *data, size_t n)
{
	static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
					   0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
					   0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
					   0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
	const unsigned char *byte = data;

	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc = table[(crc ^ byte[i]) & 15u] ^ (crc >> 4);
		crc = table[(crc ^ (byte[i] >> 4)) & 15u] ^ (crc >> 4);
	}
	return ~crc;
}

static uint32_t frame_crc(const struct ct_frame_header *header, const void *payload)
{
	uint32_t crc = ct_crc32(0, &header->type, 8); /* type, number, length */

	return ct_crc32(crc, payload, header->length);
}

void ct_frame_header_make(struct ct_frame_header *header, uint16_t type, uint16_t number,
			  const void *payload, uint32_t length)
{
	*header = (struct ct_frame_header){
		.magic = CT_FRAME_MAGIC, .type = type, .number = number, .length = length};
	header->crc = frame_crc(header, payload);
}

bool ct_frame_header_check(const struct ct_frame_header *header, const char *what,
			   struct ct_error *err)
{
	if (header->magic != CT_FRAME_MAGIC)
		return ct_broken(err, "%s: these are not frames of cotenant (0x%08x)", what,
				 header->magic);
	if (header->length > CT_FRAME_MAX)
		return ct_broken(err, "%s: frame of %u bytes is too large", what, header->length);
	return true;
}

bool ct_frame_payload_check(const struct ct_frame_header *header, const void *payload,
			    const char *what, struct ct_error *err)
{
	return frame_crc(header, payload) == header->crc ||
	       ct_broken(err, "%s: frame with a wrong checksum", what);
}

static bool write_all(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

static bool write_frame(int fd, uint16_t type, uint16_t number, const void *payload, size_t length,
			const char *what, struct ct_error *err)
{
	struct ct_frame_header header;

	if (length > CT_FRAME_MAX)
		return ct_broken(err, "%s: frame of %zu bytes is too large", what, length);
	ct_frame_header_make(&header, type, number, payload, (uint32_t)length);
	if (write_all(fd, &header, sizeof header) && write_all(fd, payload, length))
		return true;
	return ct_broken_errno(err, "%s: writing", what);
}

bool ct_frame_write(int fd, uint16_t type, const void *payload, size_t length, const char *what,
		    struct ct_error *err)
{
	return write_frame(fd, type, 0, payload, length, what, err);
}

/* After 65535 comes 1. */
static uint16_t number_after(uint16_t number)
{
	return number == UINT16_MAX ? 1 : (uint16_t)(number + 1);
}

bool ct_frame_send(int fd, uint16_t *number, uint16_t type, const void *payload, size_t length,
		   const char *what, struct ct_error *err)
{
	*number = number_after(*number);
	return write_frame(fd, type, *number, payload, length, what, err);
}

void ct_frame_reader_free(struct ct_frame_reader *reader)
{
	free(reader->bytes);
	*reader = (struct ct_frame_reader){0};
}

/* Room for one more read; memory grows with what has really arrived, never with what is announced.
 */
static bool make_room(struct ct_frame_reader *reader, size_t n)
{
	if (reader->start > 0) {
		memmove(reader->bytes, reader->bytes + reader->start, reader->used - reader->start);
		reader->used -= reader->start;
		reader->start = 0;
	}
	if (reader->capacity - reader->used < n) {
		size_t capacity = 2 * reader->capacity + n;
		unsigned char *bytes = realloc(reader->bytes, capacity);

		if (!bytes)
			return false;
		reader->bytes = bytes;
		reader->capacity = capacity;
	}
	return true;
}

bool ct_frame_reader_fill(struct ct_frame_reader *reader, int fd, const char *what,
			  struct ct_error *err)
{
	enum { PIECE = 64 << 10 };
	ssize_t got;

	if (!make_room(reader, PIECE))
		return ct_broken_errno(err, "%s: memory for a frame", what);
	do
		got = read(fd, reader->bytes + reader->used, PIECE);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN || ct_broken_errno(err, "%s: reading", what);
	reader->at_end = got == 0;
	reader->used += (size_t)got;
	return true;
}

static bool check_number(struct ct_frame_reader *reader, const struct ct_frame_header *header,
			 const char *what, struct ct_error *err)
{
	const uint16_t expected = reader->numbered ? number_after(reader->last) : 0;

	if (header->number != expected)
		return ct_broken(
			err, "%s: frame number %u where %u was due: one came twice or is missing",
			what, header->number, expected);
	reader->last = header->number;
	return true;
}

int ct_frame_reader_next(struct ct_frame_reader *reader, struct ct_frame_header *header,
			 const void **payload, const char *what, struct ct_error *err)
{
	size_t available = reader->used - reader->start;
	const unsigned char *at;

	if (available < sizeof *header)
		return 0;
	at = reader->bytes + reader->start;
	memcpy(header, at, sizeof *header);
	if (!ct_frame_header_check(header, what, err))
		return -1;
	if (available - sizeof *header < header->length)
		return 0;
	*payload = at + sizeof *header;
	if (!ct_frame_payload_check(header, *payload, what, err) ||
	    !check_number(reader, header, what, err))
		return -1;
	reader->start += sizeof *header + header->length;
	return 1;
}

size_t ct_frame_reader_skip(struct ct_frame_reader *reader)
{
	static const uint32_t magic = CT_FRAME_MAGIC;
	const size_t before = reader->start, left = reader->used - reader->start;
	const unsigned char *found;

	if (left == 0)
		return 0;
	found = memmem(reader->bytes + reader->start + 1, left - 1, &magic, sizeof magic);
	if (found)
		reader->start = (size_t)(found - reader->bytes);
	else /* the magic number may have begun */
		reader->start += left >= sizeof magic ? left - sizeof magic + 1 : 1;
	return reader->start - before;
}
