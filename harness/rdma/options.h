/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters that all RDMA workloads have: which address of which port, and how large packets are.
 */
#ifndef COTENANT_RDMA_OPTIONS_H
#define COTENANT_RDMA_OPTIONS_H

#include <stdint.h>

#include "harness/core/param.h"
#include "harness/rdma/device.h"

struct ct_rdma_options {
	char *gid_index; /* "auto" or a number */
	uint64_t port;
	int mtu; /* index into ct_rdma_mtu_names */
};

/* port, 256, ..., 4096; NULL-terminated. */
extern const char *const ct_rdma_mtu_names[];
/* In bytes; 0: the port's. */
unsigned ct_rdma_mtu(const struct ct_rdma_options *options);

/* The device, port and address that the tenant's `nic` and these options name. */
bool ct_rdma_open(struct ct_rdma_device *device, const char *nic,
		  const struct ct_rdma_options *options, struct ct_error *err);

/* Rows of a parameter table; `options` is the workload's struct, which has these as `member`. */
#define CT_RDMA_PARAMS(options, member)                                                          \
	{.name = "gid_index",                                                                    \
	 .type = CT_PARAM_TEXT,                                                                  \
	 .offset = offsetof(options, member.gid_index),                                          \
	 .fallback = "auto",                                                                     \
	 .help = "index of the address in the port's table, at both ends; auto prefers RoCE v2 " \
		 "with IPv4"},                                                                   \
		{.name = "port",                                                                 \
		 .type = CT_PARAM_COUNT,                                                         \
		 .offset = offsetof(options, member.port),                                       \
		 .fallback = "0",                                                                \
		 .min = "0",                                                                     \
		 .max = "255",                                                                   \
		 .help = "port of the RDMA device, at both ends; 0: the first active one"},      \
	{                                                                                        \
		.name = "mtu", .type = CT_PARAM_CHOICE, .offset = offsetof(options, member.mtu), \
		.fallback = "port", .choices = ct_rdma_mtu_names,                                \
		.help = "bytes of a packet at most; port: what the port has"                     \
	}

#endif
