/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/store/disk.h"
#include "harness/store/guard.h"
#include "harness/store/h5write.h"
#include "harness/store/journal.h"

struct publishing {
	const char *path, *temporary;
	struct ct_journal_file *journal;
	struct ct_journal_index index;
	bool complete, may_replace;
};

/* What was promised to be there: a disk may give back something else than it was given. */
static bool read_back(struct publishing *work, struct ct_error *err)
{
	const struct ct_journal_file *journal = work->journal;
	struct ct_journal_index *index = &work->index;

	if (!ct_journal_index_make(index, journal->fd, journal->path, err))
		return false;
	/* There are more where a block could not be taken back after a sync that failed. */
	if (index->n_commits >= journal->n_blocks)
		return true;
	return ct_broken(
		err,
		"%s: %zu of %zu finished blocks can't be read back, the journal is damaged at "
		"byte %llu; look at the disk, then run again with --resume, which measures them "
		"anew",
		journal->path, journal->n_blocks - index->n_commits, journal->n_blocks,
		(unsigned long long)(index->gaps > 0 ? index->first_gap : index->good_end));
}

static bool build(void *context, struct ct_error *err)
{
	const struct publishing *work = context;

	return ct_h5_build(work->temporary, work->journal->fd, work->journal->path, &work->index,
			   work->complete, err);
}

static bool give_name(const struct publishing *work, struct ct_error *err)
{
	unsigned flags = work->may_replace ? 0 : RENAME_NOREPLACE;
	int rc = renameat2(AT_FDCWD, work->temporary, AT_FDCWD, work->path, flags);

	/* Not every file system knows RENAME_NOREPLACE; whether it is free was looked at before. */
	if (rc != 0 && errno == EINVAL)
		rc = rename(work->temporary, work->path);
	if (rc != 0 && errno == EEXIST)
		return ct_usage(err, "%s has been made by somebody else meanwhile: move it away",
				work->path);
	return rc == 0 || ct_broken_errno(err, "%s: giving it its name", work->path);
}

/* After the error. Returns false. */
static bool all_is_safe(const struct publishing *work, struct ct_error *err)
{
	if (err) {
		size_t n = strlen(err->text);

		snprintf(err->text + n, sizeof err->text - n,
			 "; everything measured is safe in %s: mend that, then run again with "
			 "--resume",
			 work->journal->path);
	}
	return false;
}

/* Guarded: when a write fails, HDF5 keeps a file open that crashes its own exit handler. */
static bool build_and_name(struct publishing *work, struct ct_error *err)
{
	if (ct_guarded(build, work, work->temporary, err) &&
	    ct_disk_sync_file(work->temporary, err) && give_name(work, err))
		return true;
	unlink(work->temporary);
	return all_is_safe(work, err);
}

static bool publish(struct publishing *work, struct ct_error *err)
{
	bool ok;

	/* Whatever a crash, or somebody who wants us to write through a link, has left there. */
	unlink(work->temporary);
	ok = (ct_journal_file_sync(work->journal, err) || all_is_safe(work, err)) &&
	     read_back(work, err) && build_and_name(work, err);
	ct_journal_index_free(&work->index);
	if (!ok)
		return false;
	/* The new name must be on the disk before the old one goes. */
	ct_disk_sync_directory(work->path);
	if (work->complete && unlink(work->journal->path) == 0)
		ct_disk_sync_directory(work->path);
	return true;
}

bool ct_publish(const char *path, struct ct_journal_file *journal, bool complete, bool may_replace,
		struct ct_error *err)
{
	struct publishing work = {
		.path = path, .journal = journal, .complete = complete, .may_replace = may_replace};
	char *temporary;
	bool ok;

	if (asprintf(&temporary, "%s.tmp", path) < 0) {
		ct_broken_errno(err, "memory for the name of %s", path);
		return all_is_safe(&work, err);
	}
	work.temporary = temporary;
	ok = publish(&work, err);
	free(temporary);
	return ok;
}
