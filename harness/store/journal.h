/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: frames of harness/core/frame.h, appended as a campaign goes on. A block is its raw
 * samples (as they came), one frame a phase, and the frame that commits it; what has no commit
 * behind it never happened.
 *
 *   HEADER   the campaign as JSON, first, in two copies: one that is damaged is not missed
 *   RAW      u32 cell, block, order, epoch; then samples of 16 bytes (time_ns, ps)
 *   PHASE    the row of /phases, then its rows of /histogram, /epochs, /noise, /slowest; then u32
 *            n and n rows of /counters, which its rows of /readings, last, refer to
 *   BLOCK    the row of /blocks: commits all RAW and PHASE frames of this block before it
 *   LOG      the row of /log
 *   RESUMED  i64 unix_ns: what was not committed before it is void
 *
 * RAW, PHASE and BLOCK all begin with cell and block.
 */
#ifndef COTENANT_STORE_JOURNAL_H
#define COTENANT_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/store/codec.h"
#include "harness/store/results.h"

enum ct_journal_type {
	CT_JOURNAL_HEADER = 1,
	CT_JOURNAL_RAW,
	CT_JOURNAL_PHASE,
	CT_JOURNAL_BLOCK,
	CT_JOURNAL_LOG,
	CT_JOURNAL_RESUMED,
	CT_JOURNAL_GAP = 0x10000 /* none that is written: damaged bytes, with good frames behind */
};

struct ct_journal_frame {
	enum ct_journal_type type;
	const unsigned char *payload; /* NULL for a gap */
	size_t length;
	uint64_t begin, end; /* offsets in the journal */
};

/*
 * Hands every whole frame to `visit`, in order, and every gap between them: bytes that are no whole
 * frame, because a disk has lost or changed some. *good_end is where the last whole frame ends;
 * what is behind it is a torn end. False when reading or `visit` fails.
 */
typedef bool ct_journal_visit(void *context, const struct ct_journal_frame *frame,
			      struct ct_error *err);
bool ct_journal_walk(int fd, const char *path, ct_journal_visit *visit, void *context,
		     uint64_t *good_end, struct ct_error *err);

struct ct_journal_commit {
	uint32_t cell, block;
	uint64_t begin, end; /* its RAW, PHASE and BLOCK frames lie in between */
};

/* How often its header is written. */
enum { CT_JOURNAL_HEADERS = 2 };

/* What a journal holds: which blocks are committed, and how many rows they make of each table. */
struct ct_journal_index {
	char *header; /* JSON text */
	struct ct_journal_commit *commits;
	size_t n_commits, capacity;
	uint64_t phases, histogram, epochs, noise, slowest, readings, raw, log;
	uint64_t good_end;
	size_t gaps; /* damaged places; the first begins at first_gap */
	uint64_t first_gap, gap_bytes;
};
bool ct_journal_index_make(struct ct_journal_index *index, int fd, const char *path,
			   struct ct_error *err);
void ct_journal_index_free(struct ct_journal_index *index);

/* One PHASE frame, decoded. Free with ct_journal_phase_free. */
struct ct_journal_phase {
	struct ct_phase_info info; /* the *_first members and raw_rows are 0 */
	struct ct_bucket *buckets;
	struct ct_epoch_row *epochs;
	struct ct_noise_row *noise;
	struct ct_slow_sample *slowest;
	struct ct_counter_info *counters;
	size_t n_counters;
	struct ct_reading *readings; /* `counter` is a row of `counters` above */
};
bool ct_journal_phase_decode(struct ct_journal_phase *phase, const struct ct_journal_frame *frame);
void ct_journal_phase_free(struct ct_journal_phase *phase);
void ct_journal_phase_encode(struct ct_encoder *encoder, const struct ct_block_record *block,
			     const struct ct_phase_record *phase);

/* One BLOCK frame; `message` is owned by the row. first_phase is 0. */
bool ct_journal_block_decode(struct ct_block_info *block, const struct ct_journal_frame *frame);
void ct_journal_block_encode(struct ct_encoder *encoder, const struct ct_block_record *block);

/* The four words before the samples of a RAW frame; `*n` is how many samples follow them. */
enum { CT_JOURNAL_RAW_HEAD = 16 };
bool ct_journal_raw_decode(const struct ct_journal_frame *frame, uint32_t *order, uint64_t *n);

#endif
