/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a file that anybody may have made, in a process of its own. HDF5 1.10 trusts what a file
 * says about its heaps and trees: a flipped bit there can crash it, and a crafted file can do
 * worse. So whoever reads result files does it below ct_guarded: a crash becomes an error value,
 * and it takes no memory of ours with it.
 */
#ifndef COTENANT_STORE_GUARD_H
#define COTENANT_STORE_GUARD_H

#include <stdbool.h>

#include "harness/core/error.h"

/*
 * Runs `work` in a child and hands back its result and error; standard output is flushed there.
 * What `work` changes in memory is lost with the child. When it crashes, a usage error says that
 * `path` is damaged.
 */
bool ct_guarded(bool (*work)(void *context, struct ct_error *err), void *context, const char *path,
		struct ct_error *err);

#endif
