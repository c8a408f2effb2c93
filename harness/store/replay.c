/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/replay.h"

#include <stdlib.h>
#include <string.h>

#include "harness/store/journal.h"

/* The phases since the last commit; those of a block that was never committed are dropped. */
struct replay {
	struct ct_block_record record;
	bool after_gap; /* as in the index: the next commit does not count */
	ct_store_block_fn *use;
	void *context;
};

static bool keep_phase(struct replay *replay, const struct ct_journal_frame *frame)
{
	struct ct_block_record *record = &replay->record;
	struct ct_journal_phase phase;

	if (!ct_journal_phase_decode(&phase, frame))
		return false;
	if (record->n_phases > 0 &&
	    (record->cell != phase.info.cell || record->block != phase.info.block))
		ct_block_record_free(record);
	record->cell = phase.info.cell;
	record->block = phase.info.block;
	if (record->n_phases < CT_PHASES_PER_BLOCK) {
		record->phases[record->n_phases++] = (struct ct_phase_record){
			.role = phase.info.role,
			.order = phase.info.order,
			.load = phase.info.load,
			.count = phase.info.count,
			.buckets = phase.buckets,
			.n_buckets = (size_t)phase.info.hist_rows,
		};
		phase.buckets = NULL;
	}
	ct_journal_phase_free(&phase);
	return true;
}

static bool commit(struct replay *replay, const struct ct_journal_frame *frame,
		   struct ct_error *err)
{
	struct ct_block_record *record = &replay->record;
	struct ct_block_info info;
	bool good;

	if (!ct_journal_block_decode(&info, frame))
		return ct_broken(err, "a block of the journal can't be read");
	if (record->n_phases > 0 && (record->cell != info.cell || record->block != info.block))
		ct_block_record_free(record);
	record->cell = info.cell;
	record->block = info.block;
	record->visit = info.visit;
	record->status = info.status;
	free(info.message);
	good = replay->after_gap || replay->use(replay->context, record, err);
	replay->after_gap = false;
	ct_block_record_free(record);
	return good;
}

static bool take(void *context, const struct ct_journal_frame *frame, struct ct_error *err)
{
	struct replay *replay = context;

	switch (frame->type) {
	case CT_JOURNAL_PHASE:
		return keep_phase(replay, frame) ||
		       ct_broken(err, "a phase of the journal can't be read");
	case CT_JOURNAL_BLOCK:
		return commit(replay, frame, err);
	case CT_JOURNAL_HEADER:
	case CT_JOURNAL_RESUMED:
	case CT_JOURNAL_GAP:
		ct_block_record_free(&replay->record);
		replay->after_gap = frame->type == CT_JOURNAL_GAP;
		return true;
	default:
		return true;
	}
}

bool ct_journal_each_block(int fd, const char *path, ct_store_block_fn *use, void *context,
			   struct ct_error *err)
{
	struct replay replay = {.use = use, .context = context};
	uint64_t good_end;
	bool good = ct_journal_walk(fd, path, take, &replay, &good_end, err);

	ct_block_record_free(&replay.record);
	return good || ct_error_in(err, "%s", path);
}
