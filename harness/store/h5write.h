/* SPDX-License-Identifier: Apache-2.0 */
/* A journal becomes a result file: streaming, in memory that does not grow with the campaign. */
#ifndef COTENANT_STORE_H5WRITE_H
#define COTENANT_STORE_H5WRITE_H

#include <stdbool.h>

#include "harness/core/error.h"
#include "harness/store/journal.h"

/* Writes `path` (replacing what is there) from the journal open at `fd`, of which this is the
 * index. On failure the file may be there in part; the caller removes it. */
bool ct_h5_build(const char *path, int fd, const char *journal_path,
		 const struct ct_journal_index *index, bool complete, struct ct_error *err);

#endif
