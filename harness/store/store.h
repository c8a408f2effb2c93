/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a campaign. Blocks go to a journal beside the result (`OUT.h5.journal`), one checksummed
 * frame each, synced before ct_store_block returns: after kill -9 or a power cut every finished
 * block is there. ct_store_finish turns the journal into OUT.h5 (built as OUT.h5.tmp, synced,
 * renamed), so that nothing half-written ever has the final name, and removes the journal. Raw
 * samples stream into the journal as they come; memory does not grow with the campaign.
 */
#ifndef COTENANT_STORE_STORE_H
#define COTENANT_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "harness/core/error.h"
#include "harness/core/recorder.h"
#include "harness/store/record.h"

struct ct_store;

/*
 * `header` is the campaign as JSON (results-schema/SCHEMA.md, "journal header"). Refuses when
 * `path` or its journal exists, or the directory can't be written. The caller keeps `header`.
 */
bool ct_store_create(struct ct_store **store, const char *path, const json_t *header,
		     struct ct_error *err);
/*
 * Opens the journal that an interrupted campaign left. `header` must describe the same plan (same
 * "plan" member: job, seed, cells, order); the message says what differs. A torn last frame is cut
 * off; blocks that the disk has damaged since are told (ct_store_damage) and count as never run.
 */
bool ct_store_resume(struct ct_store **store, const char *path, const json_t *header,
		     struct ct_error *err);
/* What create or resume would refuse at once, asked before anything is measured or set up. */
bool ct_store_check(const char *path, bool resume, struct ct_error *err);
/* What the campaign whose journal lies beside `path` was planned with. */
struct ct_store_plan {
	uint64_t seed, replicates;
	char until[32]; /* "": it runs its replicates */
};
bool ct_store_planned(const char *path, struct ct_store_plan *planned, struct ct_error *err);
/*
 * Hands every committed block to `use`, in the order in which they were run. Of its phases only
 * what they are and their histograms are there.
 */
typedef bool ct_store_block_fn(void *context, const struct ct_block_record *record,
			       struct ct_error *err);
bool ct_store_each_block(const struct ct_store *store, ct_store_block_fn *use, void *context,
			 struct ct_error *err);
/* What resume found damaged in the journal, one line; "": nothing. */
const char *ct_store_damage(const struct ct_store *store);
/* Whether a block was finished before the interruption. */
bool ct_store_has(const struct ct_store *store, uint32_t cell, uint32_t block);

/* Raw samples of one epoch of a block under way, `ps` values with end times in ns. */
bool ct_store_raw(struct ct_store *store, uint32_t cell, uint32_t block, uint32_t order,
		  uint32_t epoch, const struct ct_raw_sample *samples, size_t n,
		  struct ct_error *err);
/* Commits a block. Blocks that failed are stored too, with their message and what they have. */
bool ct_store_block(struct ct_store *store, const struct ct_block_record *record,
		    struct ct_error *err);
/* Whether the last failure was for want of room: the next block would fail as well. */
bool ct_store_is_full(const struct ct_store *store);
/* A line of the campaign's log (kept in the result): "info", "warning", "error". */
bool ct_store_log(struct ct_store *store, const char *level, const char *text,
		  struct ct_error *err);

/*
 * Builds the result file. `complete` is false for an interrupted campaign, whose journal then stays
 * for
 * --resume. Frees the store in every case; on failure the journal stays and the message says so.
 */
bool ct_store_finish(struct ct_store *store, bool complete, struct ct_error *err);
/* Closes without building anything: the journal stays. */
void ct_store_abandon(struct ct_store *store);

#endif
