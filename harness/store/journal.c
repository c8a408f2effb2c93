/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/journal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/core/frame.h"

/* Where a walk through a journal is. */
struct walk {
	struct ct_frame_reader reader;
	const char *path;
	uint64_t at;       /* offset in the file of what the reader has at hand */
	uint64_t good_end; /* of the last whole frame */
	uint64_t wasted;   /* bytes of frames whose checksum was taken in vain */
	ct_journal_visit *visit;
	void *context;
};

/* Tells of the bytes since the last whole frame, if there are any, then of this one. */
static bool visit_frame(struct walk *walk, const struct ct_frame_header *header,
			const void *payload, struct ct_error *err)
{
	const struct ct_journal_frame gap = {
		.type = CT_JOURNAL_GAP, .begin = walk->good_end, .end = walk->at};
	const struct ct_journal_frame frame = {.type = header->type,
					       .payload = payload,
					       .length = header->length,
					       .begin = walk->at,
					       .end = walk->at + sizeof *header + header->length};

	if ((gap.begin < gap.end && !walk->visit(walk->context, &gap, err)) ||
	    !walk->visit(walk->context, &frame, err))
		return false;
	walk->at = walk->good_end = frame.end;
	return true;
}

/*
 * Past what is no whole frame; *more is false at the end of the file. Nothing in an honest journal
 * looks like a frame and is none, so that little is ever checked in vain: a file made to cost time
 * is given up.
 */
static bool skip(struct walk *walk, const struct ct_frame_header *header, bool *more,
		 struct ct_error *err)
{
	const size_t passed = ct_frame_reader_skip(&walk->reader);

	*more = passed > 0;
	walk->at += passed;
	if (header && header->magic == CT_FRAME_MAGIC && header->length <= CT_FRAME_MAX)
		walk->wasted += header->length;
	return walk->wasted <= CT_FRAME_MAX + 4 * walk->at ||
	       ct_usage(err, "%s: damaged in too many places: remove it and start again",
			walk->path);
}

bool ct_journal_walk(int fd, const char *path, ct_journal_visit *visit, void *context,
		     uint64_t *good_end, struct ct_error *err)
{
	struct walk walk = {.path = path, .visit = visit, .context = context};
	bool ok = lseek(fd, 0, SEEK_SET) >= 0 || ct_broken_errno(err, "%s: reading", path);
	bool more = true;

	while (ok && more) {
		struct ct_frame_header header;
		const void *payload;
		int got = ct_frame_reader_next(&walk.reader, &header, &payload, path, NULL);

		if (got > 0)
			ok = visit_frame(&walk, &header, payload, err);
		else if (got == 0 && !walk.reader.at_end)
			ok = ct_frame_reader_fill(&walk.reader, fd, path, err);
		else
			ok = skip(&walk, got < 0 ? &header : NULL, &more, err);
	}
	*good_end = walk.good_end;
	ct_frame_reader_free(&walk.reader);
	return ok;
}

bool ct_journal_raw_decode(const struct ct_journal_frame *frame, uint32_t *order, uint64_t *n)
{
	struct ct_decoder decoder = {.at = frame->payload, .left = frame->length};

	ct_decode_u32(&decoder); /* cell */
	ct_decode_u32(&decoder); /* block */
	*order = ct_decode_u32(&decoder);
	ct_decode_u32(&decoder); /* epoch */
	*n = decoder.left / sizeof(struct ct_raw_sample);
	return !decoder.failed && *order < CT_PHASES_PER_BLOCK &&
	       decoder.left % sizeof(struct ct_raw_sample) == 0;
}

static bool decode_one(const struct ct_layout *layout, struct ct_decoder *decoder, void *row)
{
	void *rows;

	if (!ct_decode_rows(decoder, layout, 1, &rows))
		return false;
	memcpy(row, rows, layout->row_size);
	free(rows);
	return true;
}

bool ct_journal_phase_decode(struct ct_journal_phase *phase, const struct ct_journal_frame *frame)
{
	struct ct_decoder decoder = {.at = frame->payload, .left = frame->length};
	void *buckets = NULL, *epochs = NULL, *noise = NULL, *slowest = NULL;
	void *counters = NULL, *readings = NULL;
	bool ok;

	*phase = (struct ct_journal_phase){0};
	ok = decode_one(&ct_layout_phases, &decoder, &phase->info) &&
	     phase->info.order < CT_PHASES_PER_BLOCK &&
	     ct_decode_rows(&decoder, &ct_layout_histogram, phase->info.hist_rows, &buckets) &&
	     ct_decode_rows(&decoder, &ct_layout_epochs, phase->info.epoch_rows, &epochs) &&
	     ct_decode_rows(&decoder, &ct_layout_noise, phase->info.noise_rows, &noise) &&
	     ct_decode_rows(&decoder, &ct_layout_slowest, phase->info.slow_rows, &slowest);
	phase->n_counters = ok ? ct_decode_u32(&decoder) : 0;
	ok = ok && !decoder.failed &&
	     ct_decode_rows(&decoder, &ct_layout_counters, phase->n_counters, &counters);
	if (!counters)
		phase->n_counters = 0;
	ok = ok &&
	     ct_decode_rows(&decoder, &ct_layout_readings, phase->info.reading_rows, &readings) &&
	     decoder.left == 0;
	phase->buckets = buckets;
	phase->epochs = epochs;
	phase->noise = noise;
	phase->slowest = slowest;
	phase->counters = counters;
	phase->readings = readings;
	for (uint64_t i = 0; ok && i < phase->info.reading_rows; i++)
		ok = phase->readings[i].counter < phase->n_counters;
	if (!ok)
		ct_journal_phase_free(phase);
	return ok;
}

void ct_journal_phase_free(struct ct_journal_phase *phase)
{
	free(phase->buckets);
	free(phase->epochs);
	free(phase->noise);
	free(phase->slowest);
	ct_counters_free(phase->counters, phase->n_counters);
	free(phase->readings);
	*phase = (struct ct_journal_phase){0};
}

void ct_journal_phase_encode(struct ct_encoder *encoder, const struct ct_block_record *block,
			     const struct ct_phase_record *phase)
{
	const struct ct_phase_info info = {
		.cell = block->cell,
		.block = block->block,
		.order = phase->order,
		.role = phase->role,
		.load = phase->load,
		.start_ns = phase->start_ns,
		.end_ns = phase->end_ns,
		.asked_rate = phase->asked_rate,
		.achieved_rate = phase->achieved_rate,
		.count = phase->count,
		.overflow = phase->overflow,
		.raw_dropped = phase->raw_dropped,
		.min_ns = phase->min_ns,
		.mean_ns = phase->mean_ns,
		.max_ns = phase->max_ns,
		.hist_rows = phase->n_buckets,
		.epoch_rows = phase->n_epochs,
		.noise_rows = phase->n_noise,
		.slow_rows = phase->n_slowest,
		.reading_rows = phase->n_readings,
	};

	ct_encode_rows(encoder, &ct_layout_phases, &info, 1);
	ct_encode_rows(encoder, &ct_layout_histogram, phase->buckets, phase->n_buckets);
	ct_encode_rows(encoder, &ct_layout_epochs, phase->epochs, phase->n_epochs);
	ct_encode_rows(encoder, &ct_layout_noise, phase->noise, phase->n_noise);
	ct_encode_rows(encoder, &ct_layout_slowest, phase->slowest, phase->n_slowest);
	ct_encode_u32(encoder, (uint32_t)phase->n_counters);
	ct_encode_rows(encoder, &ct_layout_counters, phase->counters, phase->n_counters);
	ct_encode_rows(encoder, &ct_layout_readings, phase->readings, phase->n_readings);
}

bool ct_journal_block_decode(struct ct_block_info *block, const struct ct_journal_frame *frame)
{
	struct ct_decoder decoder = {.at = frame->payload, .left = frame->length};

	if (!decode_one(&ct_layout_blocks, &decoder, block))
		return false;
	if (decoder.left == 0 && block->n_phases <= CT_PHASES_PER_BLOCK)
		return true;
	free(block->message);
	return false;
}

void ct_journal_block_encode(struct ct_encoder *encoder, const struct ct_block_record *block)
{
	struct ct_block_info info = {
		.cell = block->cell,
		.block = block->block,
		.visit = block->visit,
		.status = block->status,
		.solo_rate = block->solo_rate,
		.seed = block->seed,
		.started_unix_ns = block->started_unix_ns,
		.n_phases = (uint32_t)block->n_phases,
	};

	/* The encoder only reads the text. */
	info.message = (char *)(uintptr_t)block->message;
	ct_encode_rows(encoder, &ct_layout_blocks, &info, 1);
}

/* The block whose frames are being seen, until its commit turns up or something voids it. */
struct attempt {
	bool open;
	uint32_t cell, block, last_order;
	uint64_t begin;
	uint64_t phases, histogram, epochs, noise, slowest, readings, raw;
};

struct indexing {
	struct ct_journal_index *index;
	const char *path;
	struct attempt attempt;
	bool at_header; /* nothing but headers yet */
	bool after_gap; /* some frames of the block at hand may be lost */
};

static bool damaged(const struct indexing *work, const struct ct_journal_frame *frame,
		    struct ct_error *err)
{
	return ct_usage(err,
			"%s: not a journal that this version wrote (frame at byte %llu): "
			"finish it with the version that wrote it, or remove it and start again",
			work->path, (unsigned long long)frame->begin);
}

/* Joins a RAW or PHASE frame to the open attempt, or starts a new one with it. */
static void join_attempt(struct attempt *attempt, const struct ct_journal_frame *frame,
			 uint32_t cell, uint32_t block, uint32_t order, bool raw)
{
	if (!attempt->open || attempt->cell != cell || attempt->block != block ||
	    (raw && (order < attempt->last_order || attempt->phases > 0)))
		*attempt = (struct attempt){
			.open = true, .cell = cell, .block = block, .begin = frame->begin};
	if (raw)
		attempt->last_order = order;
}

static bool index_raw(struct indexing *work, const struct ct_journal_frame *frame,
		      struct ct_error *err)
{
	struct ct_decoder decoder = {.at = frame->payload, .left = frame->length};
	uint32_t cell = ct_decode_u32(&decoder), block = ct_decode_u32(&decoder), order;
	uint64_t n;

	if (!ct_journal_raw_decode(frame, &order, &n))
		return damaged(work, frame, err);
	join_attempt(&work->attempt, frame, cell, block, order, true);
	work->attempt.raw += n;
	return true;
}

static bool index_phase(struct indexing *work, const struct ct_journal_frame *frame,
			struct ct_error *err)
{
	struct ct_decoder decoder = {.at = frame->payload, .left = frame->length};
	struct ct_phase_info info;

	if (!decode_one(&ct_layout_phases, &decoder, &info) || info.order >= CT_PHASES_PER_BLOCK)
		return damaged(work, frame, err);
	join_attempt(&work->attempt, frame, info.cell, info.block, info.order, false);
	work->attempt.phases++;
	work->attempt.histogram += info.hist_rows;
	work->attempt.epochs += info.epoch_rows;
	work->attempt.noise += info.noise_rows;
	work->attempt.slowest += info.slow_rows;
	work->attempt.readings += info.reading_rows;
	return true;
}

static bool add_commit(struct ct_journal_index *index, const struct ct_journal_commit *commit,
		       struct ct_error *err)
{
	if (index->n_commits == index->capacity) {
		size_t capacity = 2 * index->capacity + 64;
		struct ct_journal_commit *commits =
			realloc(index->commits, capacity * sizeof *commits);

		if (!commits)
			return ct_broken_errno(err, "memory for the list of blocks");
		index->commits = commits;
		index->capacity = capacity;
	}
	index->commits[index->n_commits++] = *commit;
	return true;
}

static bool index_block(struct indexing *work, const struct ct_journal_frame *frame,
			struct ct_error *err)
{
	struct ct_journal_index *index = work->index;
	struct attempt *attempt = &work->attempt;
	struct ct_journal_commit commit = {.begin = frame->begin, .end = frame->end};
	struct ct_block_info block;

	if (!ct_journal_block_decode(&block, frame))
		return damaged(work, frame, err);
	free(block.message);
	if (work->after_gap) {
		work->after_gap = false;
		*attempt = (struct attempt){0};
		return true;
	}
	commit.cell = block.cell;
	commit.block = block.block;
	if (attempt->open && (attempt->cell != block.cell || attempt->block != block.block))
		*attempt = (struct attempt){0};
	if (attempt->phases != block.n_phases)
		return damaged(work, frame, err);
	if (attempt->open)
		commit.begin = attempt->begin;
	index->phases += attempt->phases;
	index->histogram += attempt->histogram;
	index->epochs += attempt->epochs;
	index->noise += attempt->noise;
	index->slowest += attempt->slowest;
	index->readings += attempt->readings;
	index->raw += attempt->raw;
	*attempt = (struct attempt){0};
	return add_commit(index, &commit, err);
}

/* The first whole copy is taken. A gap before it can have cost another copy only. */
static bool index_header(struct indexing *work, const struct ct_journal_frame *frame,
			 struct ct_error *err)
{
	if (!work->at_header)
		return damaged(work, frame, err);
	work->after_gap = false;
	if (work->index->header)
		return true;
	work->index->header = strndup((const char *)frame->payload, frame->length);
	return work->index->header || ct_broken_errno(err, "%s: memory for its header", work->path);
}

/* The next commit does not count: frames of its block may be among what is lost. Most often it is
 * that of the block in which the damage is. */
static void index_gap(struct indexing *work, const struct ct_journal_frame *frame)
{
	if (work->index->gaps++ == 0)
		work->index->first_gap = frame->begin;
	work->index->gap_bytes += frame->end - frame->begin;
	work->attempt = (struct attempt){0};
	work->after_gap = true;
}

static bool index_frame(void *context, const struct ct_journal_frame *frame, struct ct_error *err)
{
	struct indexing *work = context;

	if (frame->type != CT_JOURNAL_HEADER && frame->type != CT_JOURNAL_GAP)
		work->at_header = false;
	if (frame->begin == 0 && !work->at_header)
		return damaged(work, frame, err);
	switch (frame->type) {
	case CT_JOURNAL_GAP:
		index_gap(work, frame);
		return true;
	case CT_JOURNAL_HEADER:
		return index_header(work, frame, err);
	case CT_JOURNAL_RAW:
		return index_raw(work, frame, err);
	case CT_JOURNAL_PHASE:
		return index_phase(work, frame, err);
	case CT_JOURNAL_BLOCK:
		return index_block(work, frame, err);
	case CT_JOURNAL_LOG:
		work->index->log++;
		return true;
	case CT_JOURNAL_RESUMED:
		work->attempt = (struct attempt){0};
		work->after_gap = false;
		return true;
	}
	return damaged(work, frame, err);
}

bool ct_journal_index_make(struct ct_journal_index *index, int fd, const char *path,
			   struct ct_error *err)
{
	struct indexing work = {.index = index, .path = path, .at_header = true};

	*index = (struct ct_journal_index){0};
	if (!ct_journal_walk(fd, path, index_frame, &work, &index->good_end, err)) {
		ct_journal_index_free(index);
		return false;
	}
	if (!index->header) {
		ct_journal_index_free(index);
		return ct_usage(err,
				"%s: nothing in it can be used (no whole header): remove it and "
				"start again",
				path);
	}
	return true;
}

void ct_journal_index_free(struct ct_journal_index *index)
{
	free(index->header);
	free(index->commits);
	*index = (struct ct_journal_index){0};
}
