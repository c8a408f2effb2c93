/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that may hang or crash, done in a child process: a vendor's library that talks to a driver
 * whose device has died can block for minutes, and can't be called off from within.
 */
#ifndef COTENANT_PROBE_ASIDE_H
#define COTENANT_PROBE_ASIDE_H

#include <stddef.h>

#include <jansson.h>

/*
 * What `work(context)` returns, passed on as text; the child ends after it, and is killed after
 * `limit_ms`. NULL: it said nothing in time, or nothing that is JSON, and `why` says how it ended.
 */
json_t *ct_aside(json_t *(*work)(const void *context), const void *context, int limit_ms, char *why,
		 size_t size);

#endif
