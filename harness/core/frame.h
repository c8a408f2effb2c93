/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: the unit of the worker protocol and of the journal. A frame is a header and a payload of
 * at most CT_FRAME_MAX bytes, checksummed, in the byte order of the host (peers of another byte
 * order are told apart by the magic number and refused).
 *
 *   u32 magic "CTF1"   u16 type   u16 number   u32 length   u32 crc32 of type..length and payload
 *
 * Frames between processes are numbered 1, 2, ... 65535, 1, ...: one that comes twice or is missing
 * ends the conversation. Frames of a file have the number 0.
 */
#ifndef COTENANT_CORE_FRAME_H
#define COTENANT_CORE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"

#define CT_FRAME_MAGIC UINT32_C(0x31465443)
#define CT_FRAME_MAX   (64u << 20)

struct ct_frame_header {
	uint32_t magic;
	uint16_t type;
	uint16_t number;
	uint32_t length;
	uint32_t crc;
};

/* CRC-32 (IEEE 802.3, reflected) of `n` bytes, continuing from `crc` (0 to begin). */
uint32_t ct_crc32(uint32_t crc, const void *data, size_t n);

void ct_frame_header_make(struct ct_frame_header *header, uint16_t type, uint16_t number,
			  const void *payload, uint32_t length);
/* Checks magic, flags and length (before anybody allocates for it). `what` names the source. */
bool ct_frame_header_check(const struct ct_frame_header *header, const char *what,
			   struct ct_error *err);
bool ct_frame_payload_check(const struct ct_frame_header *header, const void *payload,
			    const char *what, struct ct_error *err);

/* Writes all of a frame to `fd`, across short writes and EINTR. */
bool ct_frame_write(int fd, uint16_t type, const void *payload, size_t length, const char *what,
		    struct ct_error *err);
/* The same with the number after *number, which becomes that one. Begin with 0. */
bool ct_frame_send(int fd, uint16_t *number, uint16_t type, const void *payload, size_t length,
		   const char *what, struct ct_error *err);

/* Collects frames from a byte stream that arrives in pieces. Zero-initialise; free with
 * ct_frame_reader_free. */
struct ct_frame_reader {
	unsigned char *bytes;
	size_t used, capacity, start;
	bool at_end;
	bool numbered; /* set it where the other end uses ct_frame_send */
	uint16_t last; /* number of the last frame */
};
void ct_frame_reader_free(struct ct_frame_reader *reader);
/* One read() from `fd`. at_end is set at end of file. False on a read error. */
bool ct_frame_reader_fill(struct ct_frame_reader *reader, int fd, const char *what,
			  struct ct_error *err);
/*
 * The next whole frame: 1 and header/payload set (payload valid until the next call with this
 * reader), 0 when more bytes are needed, -1 with a message when the stream is not frames.
 */
int ct_frame_reader_next(struct ct_frame_reader *reader, struct ct_frame_header *header,
			 const void **payload, const char *what, struct ct_error *err);
/*
 * For files, which may be damaged: goes on to the next byte that may begin a frame, as far as bytes
 * are at hand. Returns how many bytes it passed; 0: none are left.
 */
size_t ct_frame_reader_skip(struct ct_frame_reader *reader);

#endif
