/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which RDMA device, port and address a tenant uses. A tenant's `nic` names it: by RDMA device
 * (mlx5_0), network device (eth0), PCI function, pf:NAME or vf:NAME/3; without one the first device
 * with an active port is taken. RoCE needs a GID index: the first RoCE v2 entry with an IPv4
 * address, else the first RoCE v2 entry, else RoCE v1, unless one is asked for.
 */
#ifndef COTENANT_RDMA_DEVICE_H
#define COTENANT_RDMA_DEVICE_H

#include "harness/rdma/verbs.h"

enum { CT_RDMA_NAME = 64, CT_RDMA_PORTS_ALL = 0, CT_RDMA_GID_AUTO = -1 };

struct ct_rdma_device {
	struct ct_verbs verbs;
	struct ibv_context *context;
	struct ibv_device_attr attr;
	struct ibv_port_attr port_attr;
	char name[CT_RDMA_NAME];
	uint8_t port;
	bool ethernet;   /* RoCE: addressed by GID only */
	unsigned netdev; /* interface index that the tenant's `nic` names; 0: any */
	int gid_index;
	union ibv_gid gid;
	char gid_kind[16]; /* "RoCE v2 IPv4", "IB", ... */
};

/* `port` CT_RDMA_PORTS_ALL: the first active one; `gid_index` CT_RDMA_GID_AUTO: chosen. */
bool ct_rdma_device_open(struct ct_rdma_device *device, const char *nic, unsigned port,
			 int gid_index, struct ct_error *err);
void ct_rdma_device_close(struct ct_rdma_device *device);

/* Soft-RoCE (rxe), told by the vendor number of its driver, which no maker has. */
bool ct_rdma_is_soft(const struct ct_rdma_device *device);

/* For descriptors: is there any device with an active port? Else one sentence, what to do. */
bool ct_rdma_available(char *why, size_t size);

/* 256, 512, 1024, 2048 or 4096 of an enum ibv_mtu. */
unsigned ct_rdma_mtu_bytes(enum ibv_mtu mtu);

/*
 * "the endpoint's memory could not be registered: ..." from errno, with what to do about it: limits
 * of locked memory are what newcomers meet first. `code` is the verb's return value or errno.
 */
bool ct_rdma_broken(struct ct_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
