/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: whatever is in a journal, it is indexed or refused in one line, and every frame that
 * is handed out can be decoded or is refused; nothing is allocated for rows that are not there.
 *
 * Input: bytes as they are, when the first is even. Else frames to be made with right checksums, so
 * that what lies behind the checksum is reached: type (1 byte), length (2 bytes), payload.
 * Corpus: tests/fuzz/corpus/journal/.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/core/frame.h"
#include "harness/store/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void write_frames(int fd, const uint8_t *data, size_t size)
{
	struct ct_error err;

	while (size >= 3) {
		size_t length = (size_t)(data[1] | data[2] << 8);

		if (length > size - 3)
			length = size - 3;
		/* Types 0 to 15: those there are, and some that are not. */
		require(ct_frame_write(fd, data[0] & 15, data + 3, length, "fuzz", &err));
		data += 3 + length;
		size -= 3 + length;
	}
}

static bool decode(void *context, const struct ct_journal_frame *frame, struct ct_error *err)
{
	struct ct_journal_phase phase;
	struct ct_block_info block;
	uint32_t order;
	uint64_t n;

	(void)context;
	(void)err;
	if (frame->type == CT_JOURNAL_PHASE && ct_journal_phase_decode(&phase, frame)) {
		require(phase.info.order < CT_PHASES_PER_BLOCK);
		ct_journal_phase_free(&phase);
	}
	if (frame->type == CT_JOURNAL_BLOCK && ct_journal_block_decode(&block, frame)) {
		require(block.n_phases <= CT_PHASES_PER_BLOCK);
		free(block.message);
	}
	if (frame->type == CT_JOURNAL_RAW && ct_journal_raw_decode(frame, &order, &n))
		require(n <= frame->length);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("journal", MFD_CLOEXEC);
	struct ct_journal_index index;
	struct ct_error err = {0};
	uint64_t good_end;

	require(fd >= 0);
	if (size > 0 && (data[0] & 1))
		write_frames(fd, data + 1, size - 1);
	else if (size > 0)
		require(write(fd, data + 1, size - 1) == (ssize_t)size - 1);
	if (!ct_journal_walk(fd, "fuzz", decode, NULL, &good_end, &err))
		require(strstr(err.text, "too many places"));
	if (ct_journal_index_make(&index, fd, "fuzz", &err)) {
		require(index.header && index.good_end <= good_end);
		for (size_t i = 0; i < index.n_commits; i++)
			require(index.commits[i].begin < index.commits[i].end &&
				index.commits[i].end <= index.good_end);
		ct_journal_index_free(&index);
	} else {
		require(err.text[0] && !strchr(err.text, '\n'));
	}
	close(fd);
	return 0;
}
