/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/store/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "harness/core/frame.h"
#include "harness/store/disk.h"

static bool lock(const struct ct_journal_file *file, struct ct_error *err)
{
	if (flock(file->fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno == EWOULDBLOCK)
		return ct_usage(err,
				"%s is in use by another run: wait for it, or write elsewhere (-o)",
				file->path);
	return true; /* a file system without locks */
}

static bool open_as(struct ct_journal_file *file, int flags, struct ct_error *err)
{
	file->fd = open(file->path, O_RDWR | O_CLOEXEC | flags, 0666);
	return file->fd >= 0 || ct_disk_open_failed(file->path, err);
}

bool ct_journal_file_create(struct ct_journal_file *file, struct ct_error *err)
{
	if (!open_as(file, O_CREAT | O_EXCL, err))
		return false;
	if (lock(file, err))
		return true;
	unlink(file->path);
	return false;
}

bool ct_journal_file_open(struct ct_journal_file *file, struct ct_error *err)
{
	return open_as(file, 0, err) && lock(file, err);
}

void ct_journal_file_close(struct ct_journal_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	*file = (struct ct_journal_file){.fd = -1};
}

bool ct_journal_file_go_on(const struct ct_journal_file *file)
{
	return lseek(file->fd, (off_t)file->good_end, SEEK_SET) >= 0;
}

bool ct_journal_file_cut(struct ct_journal_file *file, uint64_t end, struct ct_error *err)
{
	if (ftruncate(file->fd, (off_t)end) != 0) {
		ct_broken_errno(err, "%s: cutting its end", file->path);
		/* What is torn is written over; what is whole stays. */
		ct_journal_file_go_on(file);
		return false;
	}
	file->good_end = end;
	return ct_journal_file_go_on(file) || ct_broken_errno(err, "%s", file->path);
}

static bool append_failed(struct ct_journal_file *file, int cause, struct ct_error *err)
{
	file->full = cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
	/* Frames behind a torn one could not be found again. */
	ct_journal_file_cut(file, file->good_end, NULL);
	if (file->n_blocks == 0)
		return ct_broken(err, "%s: %s: no block is finished yet; %s, then run again",
				 file->path, strerror(cause),
				 file->full ? "make room" : "mend that");
	return ct_broken(
		err, "%s: %s: %zu finished block%s safe in it; %s, then go on with --resume",
		file->path, strerror(cause), file->n_blocks, file->n_blocks == 1 ? " is" : "s are",
		file->full ? "make room" : "mend that");
}

bool ct_journal_file_append(struct ct_journal_file *file, enum ct_journal_type type,
			    const void *payload, size_t length, struct ct_error *err)
{
	if (length > CT_FRAME_MAX)
		return ct_broken(err,
				 "%s: %zu bytes are too many for one phase: take longer epochs or "
				 "shorter phases",
				 file->path, length);
	errno = 0;
	if (!ct_frame_write(file->fd, type, payload, length, file->path, err))
		return append_failed(file, errno ? errno : EIO, err);
	file->good_end += sizeof(struct ct_frame_header) + length;
	return true;
}

bool ct_journal_file_append_encoded(struct ct_journal_file *file, enum ct_journal_type type,
				    struct ct_encoder *encoder, struct ct_error *err)
{
	bool ok = !encoder->failed || ct_broken(err, "%s: out of memory for a block", file->path);

	ok = ok && ct_journal_file_append(file, type, encoder->bytes, encoder->used, err);
	ct_encoder_free(encoder);
	return ok;
}

bool ct_journal_file_sync(struct ct_journal_file *file, struct ct_error *err)
{
	if (fdatasync(file->fd) == 0)
		return true;
	file->full = errno == ENOSPC || errno == EDQUOT;
	return ct_broken_errno(err, "%s: writing to the disk", file->path);
}
