/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/core/frame.h"
#include "harness/store/guard.h"
#include "harness/store/h5write.h"
#include "harness/store/header.h"
#include "harness/store/journal.h"
#include "harness/store/replay.h"

struct ct_store {
	char *path, *journal_path, *temporary_path;
	int fd;             /* the journal, locked */
	uint64_t good_end;  /* end of its last whole frame */
	size_t n_committed; /* blocks, for messages */
	bool full;          /* the disk was, at the last failure */
	bool may_replace;   /* an earlier, incomplete result of this very campaign */
	char damage[192];   /* what was found of it when it was resumed; "": none */
	void *committed;    /* tsearch tree of uint64_t: cell << 32 | block */

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
	store->n_committed++;
	return slot || ct_broken_errno(err, "memory for the list of blocks");
}

static void store_free(struct ct_store *store)
{
	if (!store)
		return;
	if (store->fd >= 0)
		close(store->fd);
	tdestroy(store->committed, free);
	free(store->path);
	free(store->journal_path);
	free(store->temporary_path);
	free(store);
}

static struct ct_store *store_new(const char *path, struct ct_error *err)
{
	struct ct_store *store = calloc(1, sizeof *store);

	if (store) {
		store->fd = -1;
		store->path = strdup(path);
		if (asprintf(&store->journal_path, "%s.journal", path) < 0)
			store->journal_path = NULL;
		if (asprintf(&store->temporary_path, "%s.tmp", path) < 0)
			store->temporary_path = NULL;
		if (store->path && store->journal_path && store->temporary_path)
			return store;
	}
	store_free(store);
	ct_broken_errno(err, "memory for %s", path);
	return NULL;
}

/* What the user can mend is a usage error; a full or failing disk is not. */
static bool open_failed(const char *path, struct ct_error *err)
{
	switch (errno) {
	case EACCES:
	case EPERM:
	case EROFS:
		return ct_usage(err, "%s: %s: write to a directory of yours (-o)", path,
				strerror(errno));
	case ENOENT:
	case ENOTDIR:
		return ct_usage(err, "%s: %s: make the directory first, or write elsewhere (-o)",
				path, strerror(errno));
	case EISDIR:
	case ENAMETOOLONG:
	case ELOOP:
		return ct_usage(err, "%s: %s: give another name (-o)", path, strerror(errno));
	case ENOSPC:
	case EDQUOT:
		return ct_broken(err, "%s: %s: make room, or write elsewhere (-o)", path,
				 strerror(errno));
	default:
		return ct_broken_errno(err, "%s", path);
	}
}

/* Makes a rename, a new or a removed name durable. Some file systems refuse; nothing is lost then.
 */
static void sync_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

static bool lock_journal(const struct ct_store *store, struct ct_error *err)
{
	if (flock(store->fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno == EWOULDBLOCK)
		return ct_usage(err,
				"%s is in use by another run: wait for it, or write elsewhere (-o)",
				store->journal_path);
	return true; /* a file system without locks */
}

static bool append_failed(struct ct_store *store, int cause, struct ct_error *err)
{
	store->full = cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
	/* Frames behind a torn one could not be found again. */
	if (ftruncate(store->fd, (off_t)store->good_end) == 0)
		lseek(store->fd, (off_t)store->good_end, SEEK_SET);
	return ct_broken(
		err, "%s: %s: %zu finished block%s safe in it; %s, then go on with --resume",
		store->journal_path, strerror(cause), store->n_committed,
		store->n_committed == 1 ? " is" : "s are", store->full ? "make room" : "mend that");
}

static bool append(struct ct_store *store, enum ct_journal_type type, const void *payload,
		   size_t length, struct ct_error *err)
{
	if (length > CT_FRAME_MAX)
		return ct_broken(err,
				 "%s: %zu bytes are too many for one phase: take longer epochs or "
				 "shorter phases",
				 store->journal_path, length);
	errno = 0;
	if (!ct_frame_write(store->fd, type, payload, length, store->journal_path, err))
		return append_failed(store, errno ? errno : EIO, err);
	store->good_end += sizeof(struct ct_frame_header) + length;
	return true;
}

static bool append_encoded(struct ct_store *store, enum ct_journal_type type,
			   struct ct_encoder *encoder, struct ct_error *err)
{
	bool ok = !encoder->failed ||
		  ct_broken(err, "%s: out of memory for a block", store->journal_path);

	ok = ok && append(store, type, encoder->bytes, encoder->used, err);
	ct_encoder_free(encoder);
	return ok;
}

static bool sync_journal(struct ct_store *store, struct ct_error *err)
{
	if (fdatasync(store->fd) == 0)
		return true;
	store->full = errno == ENOSPC || errno == EDQUOT;
	return ct_broken_errno(err, "%s: writing to the disk", store->journal_path);
}

bool ct_store_is_full(const struct ct_store *store)
{
	return store->full;
}

static int64_t unix_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool exists(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

static bool check_new(const struct ct_store *store, struct ct_error *err)
{
	if (exists(store->journal_path))
		return ct_usage(err,
				"%s exists: a campaign was interrupted; go on with --resume, or "
				"remove it",
				store->journal_path);
	if (exists(store->path))
		return ct_usage(err, "%s exists: give another name (-o), or remove it",
				store->path);
	return true;
}

static bool open_journal(struct ct_store *store, struct ct_error *err)
{
	store->fd = open(store->journal_path, O_RDWR | O_CLOEXEC);
	if (store->fd >= 0)
		return lock_journal(store, err);
	if (errno != ENOENT)
		return open_failed(store->journal_path, err);
	if (exists(store->path))
		return ct_usage(err, "%s is finished (it has no journal): nothing to resume",
				store->path);
	return ct_usage(err, "%s is not there: nothing to resume: start without --resume",
			store->journal_path);
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
		     (access(dirname(copy), W_OK | X_OK) == 0 || open_failed(path, err));
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
		  ct_journal_index_make(&index, store->fd, store->journal_path, err);

	if (ok) {
		header = json_loads(index.header, 0, NULL);
		plan = json_object_get(header, "plan");
		ok = plan || ct_usage(err, "%s: no plan in its header: remove it and start again",
				      store->journal_path);
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

static bool append_header(struct ct_store *store, const json_t *root, struct ct_error *err)
{
	struct ct_header parsed;
	char *text;
	bool ok;

	/* What finish will need is checked now, not after hours of measuring. */
	if (!ct_header_parse(&parsed, root, err))
		return false;
	ct_header_free(&parsed);
	text = json_dumps(root, JSON_COMPACT);
	if (!text)
		return ct_broken(err, "%s: the campaign can't be written as JSON", store->path);
	ok = append(store, CT_JOURNAL_HEADER, text, strlen(text), err) && sync_journal(store, err);
	free(text);
	return ok;
}

bool ct_store_create(struct ct_store **out, const char *path, const json_t *header,
		     struct ct_error *err)
{
	struct ct_store *store = store_new(path, err);
	bool created = false;

	*out = NULL;
	if (!store)
		return false;
	if (!check_new(store, err))
		goto fail;
	store->fd = open(store->journal_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (store->fd < 0) {
		open_failed(store->journal_path, err);
		goto fail;
	}
	created = true;
	if (!lock_journal(store, err) || !append_header(store, header, err))
		goto fail;
	sync_directory(path);
	*out = store;
	return true;
fail:
	if (created)
		unlink(store->journal_path);
	store_free(store);
	return false;
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
				store->journal_path, where.text);
	same = !ct_json_difference(json_object_get(stored, "plan"), json_object_get(header, "plan"),
				   difference, sizeof difference);
	json_decref(stored);
	return same || ct_usage(err,
				"%s holds another campaign (%s): resume with the same job file, "
				"seed and --set, or write elsewhere (-o)",
				store->journal_path, difference);
}

/* Cuts the torn tail, marks the gap, and tells the log what happened. */
static bool reopen(struct ct_store *store, const struct ct_journal_index *index,
		   const json_t *header, struct ct_error *err)
{
	const int64_t now = unix_ns();
	off_t size = lseek(store->fd, 0, SEEK_END);
	json_t *stored = json_loads(index->header, 0, NULL);
	const char *before = json_string_value(json_object_get(stored, "build_id"));
	const char *build = json_string_value(json_object_get(header, "build_id"));
	char text[256];
	bool ok;

	store->good_end = index->good_end;
	ok = (ftruncate(store->fd, (off_t)store->good_end) == 0 &&
	      lseek(store->fd, (off_t)store->good_end, SEEK_SET) >= 0) ||
	     ct_broken_errno(err, "%s: cutting its torn end", store->journal_path);
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
		 index->n_commits, (long long)(size - (off_t)store->good_end));
	ok = ok && append(store, CT_JOURNAL_RESUMED, &now, sizeof now, err) &&
	     ct_store_log(store, "info", text, err);
	if (ok && before && build && strcmp(before, build) != 0) {
		snprintf(text, sizeof text, "resumed by another build: %.64s before, %.64s now",
			 before, build);
		ok = ct_store_log(store, "warning", text, err);
	}
	json_decref(stored);
	return ok && sync_journal(store, err);
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
	     ct_journal_index_make(&index, store->fd, store->journal_path, err) &&
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
	bool ok = ct_journal_each_block(store->fd, store->journal_path, use, context, err);

	/* The walk has moved the place that is written at. */
	return lseek(store->fd, (off_t)store->good_end, SEEK_SET) >= 0 && ok;
}

static bool append_raw(struct ct_store *store, const uint32_t head[4],
		       const struct ct_raw_sample *samples, size_t n, struct ct_error *err)
{
	struct ct_encoder encoder = {0};

	ct_encode_bytes(&encoder, head, CT_JOURNAL_RAW_HEAD);
	ct_encode_bytes(&encoder, samples, n * sizeof *samples);
	return append_encoded(store, CT_JOURNAL_RAW, &encoder, err);
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
	const uint64_t begin = store->good_end;
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
		ok = append_encoded(store, CT_JOURNAL_PHASE, &phase, err);
	}
	ct_journal_block_encode(&encoder, record);
	ok = ok && append_encoded(store, CT_JOURNAL_BLOCK, &encoder, err);
	ct_encoder_free(&encoder);
	store->under_way = false;
	/* After a failed sync the kernel may have thrown away what it could not write. */
	if (!ok || !sync_journal(store, err)) {
		/* Phases without their commit would only be in the way of another try. */
		if (ftruncate(store->fd, (off_t)begin) == 0)
			lseek(store->fd, (off_t)begin, SEEK_SET);
		store->good_end = begin;
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
	return append_encoded(store, CT_JOURNAL_LOG, &encoder, err);
}

static bool sync_file(const char *path, struct ct_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		ct_broken_errno(err, "%s: writing to the disk", path);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool publish(const struct ct_store *store, struct ct_error *err)
{
	unsigned flags = store->may_replace ? 0 : RENAME_NOREPLACE;
	int rc = renameat2(AT_FDCWD, store->temporary_path, AT_FDCWD, store->path, flags);

	/* Not every file system knows RENAME_NOREPLACE; create() has looked already. */
	if (rc != 0 && errno == EINVAL)
		rc = rename(store->temporary_path, store->path);
	if (rc != 0 && errno == EEXIST)
		return ct_usage(err, "%s has been made by somebody else meanwhile: move it away",
				store->path);
	return rc == 0 || ct_broken_errno(err, "%s: giving it its name", store->path);
}

struct build {
	const struct ct_store *store;
	const struct ct_journal_index *index;
	bool complete;
};

static bool build(void *context, struct ct_error *err)
{
	const struct build *asked = context;
	const struct ct_store *store = asked->store;

	return ct_h5_build(store->temporary_path, store->fd, store->journal_path, asked->index,
			   asked->complete, err);
}

/* What was promised to be there: a disk may give back something else than it was given. */
static bool read_back(const struct ct_store *store, struct ct_journal_index *index,
		      struct ct_error *err)
{
	if (!ct_journal_index_make(index, store->fd, store->journal_path, err))
		return false;
	/* There are more where a block could not be taken back after a sync that failed. */
	if (index->n_commits >= store->n_committed)
		return true;
	ct_broken(err,
		  "%s: %zu of %zu finished blocks can't be read back, the journal is damaged at "
		  "byte %llu; look at the disk, then run again with --resume, which measures them "
		  "anew",
		  store->journal_path, store->n_committed - index->n_commits, store->n_committed,
		  (unsigned long long)(index->gaps > 0 ? index->first_gap : index->good_end));
	ct_journal_index_free(index);
	return false;
}

/* After the error. Returns false. */
static bool all_is_safe(const struct ct_store *store, struct ct_error *err)
{
	if (err) {
		size_t n = strlen(err->text);

		snprintf(err->text + n, sizeof err->text - n,
			 "; everything measured is safe in %s: mend that, then run again with "
			 "--resume",
			 store->journal_path);
	}
	return false;
}

/* Guarded: when a write fails, HDF5 keeps a file open that crashes its own exit handler. */
static bool build_and_publish(const struct ct_store *store, const struct ct_journal_index *index,
			      bool complete, struct ct_error *err)
{
	struct build asked = {.store = store, .index = index, .complete = complete};

	if (ct_guarded(build, &asked, store->temporary_path, err) &&
	    sync_file(store->temporary_path, err) && publish(store, err))
		return true;
	unlink(store->temporary_path);
	return all_is_safe(store, err);
}

bool ct_store_finish(struct ct_store *store, bool complete, struct ct_error *err)
{
	struct ct_journal_index index = {0};
	bool ok;

	/* Whatever a crash, or somebody who wants us to write through a link, has left there. */
	unlink(store->temporary_path);
	ok = (sync_journal(store, err) || all_is_safe(store, err)) &&
	     read_back(store, &index, err) && build_and_publish(store, &index, complete, err);
	if (ok) {
		/* The new name must be on the disk before the old one goes. */
		sync_directory(store->path);
		if (complete && unlink(store->journal_path) == 0)
			sync_directory(store->path);
	}
	ct_journal_index_free(&index);
	store_free(store);
	return ok;
}

void ct_store_abandon(struct ct_store *store)
{
	store_free(store);
}
