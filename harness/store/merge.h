/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining result files that are parts of one plan: the same job file, overrides, seed and cells,
 * but each with the blocks of its own configs (`run --config`). The blocks go through a journal as
 * those of a campaign do, so that an interrupted merge leaves no half file under the final name.
 *
 * Every file has its own monotonic clock. Times of the later parts are moved by what the wall clock
 * says lies between them: series over the whole campaign stay in order, and nothing depends on it
 * within a part.
 */
#ifndef COTENANT_STORE_MERGE_H
#define COTENANT_STORE_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"

enum { CT_MERGE_MAX = 64 };

/*
 * `output` must not exist. The order of `paths` makes no difference. Refuses (usage) parts of other
 * plans and blocks that are in two of them, naming the file and what differs.
 */
bool ct_merge(const char *const *paths, size_t n, const char *output, struct ct_error *err);

#endif
