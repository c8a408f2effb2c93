/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a worker process behind a launcher's words, without a shell. */
#ifndef COTENANT_TENANT_LAUNCH_H
#define COTENANT_TENANT_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include <hwloc.h>

#include "harness/core/error.h"

struct ct_child {
	pid_t pid;
	int to, from, errors; /* its standard input, output and error; ours, close-on-exec */
};

/*
 * The words of `via`, split at blanks, then `program` ("": this one's own path) and "worker".
 * Launchers that leave standard input closed unless told otherwise are told (`docker exec -i`), and
 * ssh never asks a question. `home`: the child's CPU affinity.
 */
bool ct_launch(const char *via, const char *program, hwloc_const_bitmap_t home,
	       struct ct_child *child, struct ct_error *err);

#endif
