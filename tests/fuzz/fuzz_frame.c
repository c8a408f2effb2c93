/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: whatever comes down a pipe, in whatever pieces, the reader of frames hands out only
 * frames that would be written the same way again, or says in one line why there are none; and it
 * never takes more memory than has really arrived (twice that, and a piece).
 *
 * Input: a byte (1: numbered frames), then the stream. Corpus: tests/fuzz/corpus/frame/.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/core/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_frame(const struct ct_frame_header *header, const void *payload)
{
	struct ct_frame_header again;

	ct_frame_header_make(&again, header->type, header->number, payload, header->length);
	require(memcmp(&again, header, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { PIECE = 64 << 10 };
	struct ct_frame_reader reader = {.numbered = size > 0 && (data[0] & 1)};
	struct ct_frame_header header;
	struct ct_error err = {0};
	const void *payload;
	int fd = memfd_create("frames", MFD_CLOEXEC), got = 0;

	require(fd >= 0);
	if (size > 0)
		require(write(fd, data + 1, size - 1) == (ssize_t)size - 1);
	lseek(fd, 0, SEEK_SET);
	while (got >= 0 && !reader.at_end) {
		require(ct_frame_reader_fill(&reader, fd, "fuzz", &err));
		require(reader.capacity <= 2 * size + 3 * (size_t)PIECE);
		while ((got = ct_frame_reader_next(&reader, &header, &payload, "fuzz", &err)) == 1)
			check_frame(&header, payload);
	}
	if (got < 0)
		require(err.text[0] && !strchr(err.text, '\n'));
	ct_frame_reader_free(&reader);
	close(fd);
	return 0;
}
