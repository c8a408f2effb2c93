/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tenant's network function counts, epoch by epoch: the network device's statistics, what
 * the PF keeps about its virtual function, pause frames and drops of the port, congestion and
 * loss as the RDMA device counts them. Every reading costs microseconds where the kernel keeps the
 * numbers and much more where a driver asks its firmware; a group that took longer than a
 * millisecond rests for fifty times as long, and what it would have told is in the next reading.
 */
#ifndef COTENANT_NET_NIC_COUNTERS_H
#define COTENANT_NET_NIC_COUNTERS_H

#include <stdbool.h>

#include "harness/core/counter.h"
#include "harness/probe/source.h"

struct ct_nic_counters;

extern const struct ct_counter ct_nic_counter_table[]; /* ends with {0} */

/*
 * `nic` as in function.h. False: no such function, or it counts nothing, which is no error. Netlink
 * and ethtool are asked only when the source is this machine.
 */
bool ct_nic_counters_open(const char *nic, const struct ct_probe_source *source,
			  struct ct_nic_counters **counters);
/* One value for each entry of the table; NaN for what this function does not count. */
void ct_nic_counters_read(struct ct_nic_counters *counters, double *values);
void ct_nic_counters_close(struct ct_nic_counters *counters);

#endif
