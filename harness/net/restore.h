/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a network device's settings back, whatever becomes of the process that changes them: a
 * process of its own waits for it (a pipe that closes) and restores. Only its own death together
 * with ours leaves something behind.
 */
#ifndef COTENANT_NET_RESTORE_H
#define COTENANT_NET_RESTORE_H

#include <stdbool.h>
#include <sys/types.h>

#include "harness/core/error.h"
#include "harness/net/netlink.h"

struct ct_restore {
	int pipe; /* -1: none */
	pid_t pid;
};

/*
 * From now on the settings are put back when this process ends: MAC, MTU, IFF_PROMISC. A network
 * device called `vlan` is removed as well.
 */
bool ct_restore_start(struct ct_restore *restore, unsigned ifindex,
		      const struct ct_netdev_settings *settings, const char *vlan,
		      struct ct_error *err);
/* Has it done now. False: it could not. */
bool ct_restore_now(struct ct_restore *restore, struct ct_error *err);

#endif
