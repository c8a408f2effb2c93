/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/store.h"

#include <errno.h>
#include <libgen.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/store/disk.h"
#include "harness/store/header.h"
#include "harness/store/journal_file.h"
#include "harness/store/publish.h"
#include "harness/store/replay.h"

struct ct_store {
	char *path;
	struct ct_journal_file journal;
	bool may_replace; /* an earlier, incomplete result of this very campaign */
	char damage[192]; /* what was found of it when it was resumed; "": none */
	void *committed;  /* tsearch tree of uint64_t: cell << 32 | block */

	/* The block whose raw samples are coming in. */
	bool under_way;
	uint32_t cell, block, order;
};

static int compare_keys(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static uint64_t key_of(uint32_t cell, uint32_t block)
{
	return (uint64_t)cell << 32 | block;
}

bool ct_store_has(const struct ct_store *store, uint32_t cell, uint32_t block)
{
	uint64_t key = key_of(cell, block);

	return tfind(&key, &store->committed, compare_keys) != NULL;
}

static bool remember(struct ct_store *store, uint32_t cell, uint32_t block, struct ct_error *err)
{
	uint64_t *key = malloc(sizeof *key);
	uint64_t **slot;

	if (!key)
		return ct_broken_errno(err, "memory for the list of blocks");
	*key = key_of(cell, block);
	slot = tsearch(key, &store->committed, compare_keys);
	if (!slot || *slot != key)
		free(key);
	store->journal.n_blocks++;
	return slot || ct_broken_errno(err, "memory for the list of blocks");
}

static void store_free(struct ct_store *store)
{
	if (!store)
		return;
	ct_journal_file_close(&store->journal);
	tdestroy(store->committed, free);
	free(store->path);
	free(store);
}

static struct ct_store *store_new(const char *path, struct ct_error *err)
{
	struct ct_store *store = calloc(1, sizeof *store);

	if (store) {
		store->journal.fd = -1;
		store->path = strdup(path);
		if (asprintf(&store->journal.path, "%s.journal", path) < 0)
			store->journal.path = NULL;
		if (store->path && store->journal.path)
			return store;
	}
	store_free(store);
	ct_broken_errno(err, "memory for %s", path);
	return NULL;
}

bool ct_store_is_full(const struct ct_store *store)
{
	return store->journal.full;
}

static int64_t unix_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool check_new(const struct ct_store *store, struct ct_error *err)
{
	if (ct_disk_has(store->journal.path))
		return ct_usage(err,
				"%s exists: a campaign was interrupted; go on with --resume, or "
				"remove it",
				store->journal.path);
	if (ct_disk_has(store->path))
		return ct_usage(err, "%s exists: give another name (-o), or remove it",
				store->path);
	return true;
}

static bool open_journal(struct ct_store *store, struct ct_error *err)
{
	if (ct_disk_has(store->journal.path) || errno != ENOENT)
		return ct_journal_file_open(&store->journal, err);
	if (ct_disk_has(store->path))
		return ct_usage(err, "%s is finished (it has no journal): nothing to resume",
				store->path);
	return ct_usage(err, "%s is not there: nothing to resume: start without --resume",
			store->journal.path);
}

bool ct_store_check(const char *path, bool resume, struct ct_error *err)
{
	struct ct_store *store = store_new(path, err);
	char *copy = strdup(path);
	bool ok = store && copy;

	if (ok && resume)
		ok = open_journal(store, err);
	else if (ok)
		ok = check_new(store, err) &&
		     (access(dirname(copy), W_OK | X_OK) == 0 || ct_disk_open_failed(path, err));
	free(copy);
	store_free(store);
	return ok;
}

bool ct_store_planned(const char *path, struct ct_store_plan *planned, struct ct_error *err)
{
	struct ct_store *store = store_new(path, err);
	struct ct_journal_index index = {0};
	json_t *header = NULL, *plan = NULL;
	bool ok = store && open_journal(store, err) &&
		  ct_journal_index_make(&index, store->journal.fd, store->journal.path, err);

	if (ok) {
		header = json_loads(index.header, 0, NULL);
		plan = json_object_get(header, "plan");
		ok = plan || ct_usage(err, "%s: no plan in its header: remove it and start again",
				      store->journal.path);
	}
	if (ok) {
		const char *until = json_string_value(json_object_get(plan, "until"));

		*planned = (struct ct_store_plan){
			.seed = (uint64_t)json_integer_value(json_object_get(plan, "seed")),
			.replicates =
				(uint64_t)json_integer_value(json_object_get(plan, "replicates")),
		};
		snprintf(planned->until, sizeof planned->until, "%s", until ? until : "");
	}
	json_decref(header);
	ct_journal_index_free(&index);
	store_free(store);
	return ok;
}

/* Twice, since all that was measured is worth nothing without it. */
static bool append_header(struct ct_journal_file *journal, const json_t *root, struct ct_error *err)
{
	struct ct_header parsed;
	char *text;
	bool ok = true;

	/* What finish will need is checked now, not after hours of measuring. */
	if (!ct_header_parse(&parsed, root, err))
		return false;
	ct_header_free(&parsed);
	text = json_dumps(root, JSON_COMPACT);
	if (!text)
		return ct_broken(err, "%s: the campaign can't be written as JSON", journal->path);
	for (int copy = 0; ok && copy < CT_JOURNAL_HEADERS; copy++)
		ok = ct_journal_file_append(journal, CT_JOURNAL_HEADER, text, strlen(text), err);
	free(text);
	return ok && ct_journal_file_sync(journal, err);
}

bool ct_store_create(struct ct_store **out, const char *path, const json_t *header,
		     struct ct_error *err)
{
	struct ct_store *store = store_new(path, err);
	bool ok = store && check_new(store, err) && ct_journal_file_create(&store->journal, err);

	if (ok && !append_header(&store->journal, header, err)) {
		unlink(store->journal.path);
		ok = false;
	}
	*out = ok ? store : NULL;
	if (ok)
		ct_disk_sync_directory(path);
	else
		store_free(store);
	return ok;
}

static bool same_plan(const struct ct_store *store, const struct ct_journal_index *index,
		      const json_t *header, struct ct_error *err)
{
	json_error_t where;
	json_t *stored = json_loads(index->header, 0, &where);
	char difference[256];
	bool same;

	if (!stored)
		return ct_usage(err, "%s: its header is not JSON (%s): remove it and start again",
				store->journal.path, where.text);
	same = !ct_json_difference(json_object_get(stored, "plan"), json_object_get(header, "plan"),
				   difference, sizeof difference);
	json_decref(stored);
	return same || ct_usage(err,
				"%s holds another campaign (%s): resume with the same job file, "
				"seed and --set, or write elsewhere (-o)",
				store->journal.path, difference);
}

/* Cuts the torn tail, marks the gap, and tells the log what happened. */
static bool reopen(struct ct_store *store, const struct ct_journal_index *index,
		   const json_t *header, struct ct_error *err)
{
	const int64_t now = unix_ns();
	const off_t size = lseek(store->journal.fd, 0, SEEK_END);
	json_t *stored = json_loads(index->header, 0, NULL);
	const char *before = json_string_value(json_object_get(stored, "build_id"));
	const char *build = json_string_value(json_object_get(header, "build_id"));
	char text[256];
	bool ok;

	ok = ct_journal_file_cut(&store->journal, index->good_end, err);
	for (size_t i = 0; ok && i < index->n_commits; i++)
		ok = remember(store, index->commits[i].cell, index->commits[i].block, err);
	if (index->gaps > 0)
		snprintf(store->damage, sizeof store->damage,
			 "the journal is damaged in %zu place%s, %llu bytes, the first at byte "
			 "%llu: what was measured there is measured again; look at the disk",
			 index->gaps, index->gaps == 1 ? "" : "s",
			 (unsigned long long)index->gap_bytes,
			 (unsigned long long)index->first_gap);
	snprintf(text, sizeof text,
		 "resumed after %zu blocks; %lld bytes of an unfinished write cut",
		 index->n_commits, (long long)(size - (off_t)index->good_end));
	ok = ok &&
	     ct_journal_file_append(&store->journal, CT_JOURNAL_RESUMED, &now, sizeof now, err) &&
	     ct_store_log(store, "info", text, err);
	if (ok && before && build && strcmp(before, build) != 0) {
		snprintf(text, sizeof text, "resumed by another build: %.64s before, %.64s now",
			 before, build);
		ok = ct_store_log(store, "warning", text, err);
	}
	json_decref(stored);
	return ok && ct_journal_file_sync(&store->journal, err);
}

bool ct_store_resume(struct ct_store **out, const char *path, const json_t *header,
		     struct ct_error *err)
{
	struct ct_store *store = store_new(path, err);
	struct ct_journal_index index = {0};
	bool ok = false;

	*out = NULL;
	if (!store)
		return false;
	store->may_replace = true;
	ok = open_journal(store, err) &&
	     ct_journal_index_make(&index, store->journal.fd, store->journal.path, err) &&
	     same_plan(store, &index, header, err) && reopen(store, &index, header, err);
	ct_journal_index_free(&index);
	if (ok)
		*out = store;
	else
		store_free(store);
	return ok;
}

const char *ct_store_damage(const struct ct_store *store)
{
	return store->damage;
}

bool ct_store_each_block(const struct ct_store *store, ct_store_block_fn *use, void *context,
			 struct ct_error *err)
{
	bool ok = ct_journal_each_block(store->journal.fd, store->journal.path, use, context, err);

	/* The walk has moved the place that is written at. */
	return ct_journal_file_go_on(&store->journal) && ok;
}

static bool append_raw(struct ct_store *store, const uint32_t head[4],
		       const struct ct_raw_sample *samples, size_t n, struct ct_error *err)
{
	struct ct_encoder encoder = {0};

	ct_encode_bytes(&encoder, head, CT_JOURNAL_RAW_HEAD);
	ct_encode_bytes(&encoder, samples, n * sizeof *samples);
	return ct_journal_file_append_encoded(&store->journal, CT_JOURNAL_RAW, &encoder, err);
}

bool ct_store_raw(struct ct_store *store, uint32_t cell, uint32_t block, uint32_t order,
		  uint32_t epoch, const struct ct_raw_sample *samples, size_t n,
		  struct ct_error *err)
{
	enum { PIECE = 32 << 10 }; /* samples a frame, half a MiB */
	const uint32_t head[4] = {cell, block, order, epoch};
	bool same = store->under_way && store->cell == cell && store->block == block;

	_Static_assert(sizeof head == CT_JOURNAL_RAW_HEAD, "the head of a RAW frame");
	if (order >= CT_PHASES_PER_BLOCK || (same && order < store->order))
		return ct_broken(err, "raw samples of phase %u of block %u come out of order",
				 order, block);
	store->under_way = true;
	store->cell = cell;
	store->block = block;
	store->order = order;
	for (size_t done = 0; done < n; done += PIECE) {
		size_t piece = n - done < PIECE ? n - done : PIECE;

		if (!append_raw(store, head, samples + done, piece, err))
			return false;
	}
	return true;
}

bool ct_store_block(struct ct_store *store, const struct ct_block_record *record,
		    struct ct_error *err)
{
	const uint64_t begin = store->journal.good_end;
	struct ct_encoder encoder = {0};
	bool ok = true;

	if (ct_store_has(store, record->cell, record->block))
		return ct_broken(err, "block %u of cell %u is stored already", record->block,
				 record->cell);
	if (record->n_phases > CT_PHASES_PER_BLOCK)
		return ct_broken(err, "a block of %zu phases", record->n_phases);
	for (size_t i = 0; ok && i < record->n_phases; i++) {
		struct ct_encoder phase = {0};

		ct_journal_phase_encode(&phase, record, &record->phases[i]);
		ok = ct_journal_file_append_encoded(&store->journal, CT_JOURNAL_PHASE, &phase, err);
	}
	ct_journal_block_encode(&encoder, record);
	ok = ok && ct_journal_file_append_encoded(&store->journal, CT_JOURNAL_BLOCK, &encoder, err);
	ct_encoder_free(&encoder);
	store->under_way = false;
	/* After a failed sync the kernel may have thrown away what it could not write. */
	if (!ok || !ct_journal_file_sync(&store->journal, err)) {
		/* Phases without their commit would only be in the way of another try. */
		ct_journal_file_cut(&store->journal, begin, NULL);
		return false;
	}
	return remember(store, record->cell, record->block, err);
}

bool ct_store_log(struct ct_store *store, const char *level, const char *text, struct ct_error *err)
{
	struct ct_log_row row = {.unix_ns = unix_ns()};
	struct ct_encoder encoder = {0};

	/* The encoder only reads the texts. */
	row.level = (char *)(uintptr_t)level;
	row.text = (char *)(uintptr_t)text;
	ct_encode_rows(&encoder, &ct_layout_log, &row, 1);
	return ct_journal_file_append_encoded(&store->journal, CT_JOURNAL_LOG, &encoder, err);
}

bool ct_store_finish(struct ct_store *store, bool complete, struct ct_error *err)
{
	bool ok = ct_publish(store->path, &store->journal, complete, store->may_replace, err);

	store_free(store);
	return ok;
}

void ct_store_abandon(struct ct_store *store)
{
	store_free(store);
}
