/* SPDX-License-Identifier: Apache-2.0 */
/* A journal becomes a result file that has its name: whole, on the disk, or not at all. */
#ifndef COTENANT_STORE_PUBLISH_H
#define COTENANT_STORE_PUBLISH_H

#include <stdbool.h>

#include "harness/core/error.h"
#include "harness/store/journal_file.h"

/*
 * Builds `path` as `path`.tmp, syncs and renames it; in place of what is there only if
 * `may_replace`. The journal is removed when the campaign is complete. On failure it stays, nothing
 * half-made does, and the message says what to do.
 */
bool ct_publish(const char *path, struct ct_journal_file *journal, bool complete, bool may_replace,
		struct ct_error *err);

#endif
