/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal as the file that one campaign appends to: locked against other runs, written frame by
 * frame, and never left with a torn frame in it, behind which others would be lost.
 */
#ifndef COTENANT_STORE_JOURNAL_FILE_H
#define COTENANT_STORE_JOURNAL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/store/codec.h"
#include "harness/store/journal.h"

/* Set `path` (owned, from malloc) and fd = -1 to begin with; end with ct_journal_file_close. */
struct ct_journal_file {
	char *path;
	int fd;
	uint64_t good_end; /* of the last whole frame: where the next one goes */
	size_t n_blocks;   /* committed in it: the owner's count, for messages */
	bool full;         /* the disk was, at the last failure */
};

/* Refuses where the file is there already. */
bool ct_journal_file_create(struct ct_journal_file *file, struct ct_error *err);
/* Opens what is there; the owner finds its good_end. */
bool ct_journal_file_open(struct ct_journal_file *file, struct ct_error *err);
void ct_journal_file_close(struct ct_journal_file *file);

/* One frame. When it can't be written the file is as before; blocks in it stay good. */
bool ct_journal_file_append(struct ct_journal_file *file, enum ct_journal_type type,
			    const void *payload, size_t length, struct ct_error *err);
/* The same of what was encoded, which is freed. */
bool ct_journal_file_append_encoded(struct ct_journal_file *file, enum ct_journal_type type,
				    struct ct_encoder *encoder, struct ct_error *err);
/* All that was appended is on the disk when this returns. */
bool ct_journal_file_sync(struct ct_journal_file *file, struct ct_error *err);
/* Drops what is behind `end`, and writes on from there; where that fails, from good_end. */
bool ct_journal_file_cut(struct ct_journal_file *file, uint64_t end, struct ct_error *err);
/* After something has read it: writes on from good_end. */
bool ct_journal_file_go_on(const struct ct_journal_file *file);

#endif
