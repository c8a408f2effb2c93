/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COTENANT_NET_SERVE_H
#define COTENANT_NET_SERVE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "harness/core/error.h"

/*
 * Takes one connection after the other at `listener` until *stop, and hands each that knows the
 * token to `client`, which keeps it until the other side leaves or *stop. Who does not know it is
 * turned away; that does not end the service. Closes the connections.
 */
bool ct_serve_consented(int listener, const char *token, const atomic_bool *stop,
			bool (*client)(void *context, int fd, struct ct_error *err), void *context,
			struct ct_error *err);

#endif
