/* SPDX-License-Identifier: Apache-2.0 */
/* Committed blocks read back from a journal, for a campaign that goes on by what it has found. */
#ifndef COTENANT_STORE_REPLAY_H
#define COTENANT_STORE_REPLAY_H

#include <stdbool.h>

#include "harness/core/error.h"
#include "harness/store/store.h"

/* As ct_store_each_block. Moves the file's position. */
bool ct_journal_each_block(int fd, const char *path, ct_store_block_fn *use, void *context,
			   struct ct_error *err);

#endif
