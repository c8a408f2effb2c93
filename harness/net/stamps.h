/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time stamps of datagrams, by the kernel where it hands them to the driver and takes them from it,
 * or by the NIC. Source: Linux Documentation/networking/timestamping.rst.
 */
#ifndef COTENANT_NET_STAMPS_H
#define COTENANT_NET_STAMPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "harness/core/error.h"

enum ct_stamps { CT_STAMPS_NONE, CT_STAMPS_SOFTWARE, CT_STAMPS_HARDWARE };
extern const char *const ct_stamps_names[]; /* in that order; NULL-terminated */

/* Room for the control messages of one datagram. */
enum { CT_STAMPS_CONTROL = 512 };

/*
 * Switches them on for a socket whose packets go through `netdev`. Refuses what the device or the
 * driver does not do, and hardware stamps that are off: to turn them on is the administrator's.
 */
bool ct_stamps_enable(int fd, const char *netdev, enum ct_stamps kind, struct ct_error *err);
/* The stamp that came with a received message; 0: none did. */
uint64_t ct_stamps_of(struct msghdr *message, enum ct_stamps kind);
/* The stamp of the oldest datagram that was sent and not asked for yet; 0: none. No wait. */
uint64_t ct_stamps_sent(int fd, enum ct_stamps kind);
/* The network device that a connected socket sends through. */
bool ct_socket_netdev(int fd, char netdev[16], struct ct_error *err);

#endif
