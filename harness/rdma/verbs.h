/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libibverbs, loaded when it is there: the program runs on machines that have no RDMA at all. Its
 * headers are needed to build. What they define inline (ibv_post_send, ibv_post_recv, ibv_poll_cq,
 * ibv_req_notify_cq) goes through a device's own table and is called directly; everything else is
 * called through this one.
 */
#ifndef COTENANT_RDMA_VERBS_H
#define COTENANT_RDMA_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include <infiniband/verbs.h>

#include "harness/core/error.h"

/* Members are called as the functions are, without `ibv_`. */
struct ct_verbs {
	void *library;
	struct ibv_device **(*get_device_list)(int *n);
	void (*free_device_list)(struct ibv_device **list);
	const char *(*get_device_name)(struct ibv_device *device);
	struct ibv_context *(*open_device)(struct ibv_device *device);
	int (*close_device)(struct ibv_context *context);
	int (*query_device)(struct ibv_context *context, struct ibv_device_attr *attr);
	int (*query_port_compat)(struct ibv_context *context, uint8_t port,
				 struct _compat_ibv_port_attr *attr);
	int (*query_gid_ex)(struct ibv_context *context, uint32_t port, uint32_t index,
			    struct ibv_gid_entry *entry, uint32_t flags, size_t size);
	struct ibv_pd *(*alloc_pd)(struct ibv_context *context);
	int (*dealloc_pd)(struct ibv_pd *pd);
	struct ibv_mr *(*reg_mr)(struct ibv_pd *pd, void *address, size_t length, int access);
	/* NULL before rdma-core 34: memory of a GPU by its dma-buf. */
	struct ibv_mr *(*reg_dmabuf_mr)(struct ibv_pd *pd, uint64_t offset, size_t length,
					uint64_t iova, int fd, int access);
	int (*dereg_mr)(struct ibv_mr *mr);
	struct ibv_comp_channel *(*create_comp_channel)(struct ibv_context *context);
	int (*destroy_comp_channel)(struct ibv_comp_channel *channel);
	struct ibv_cq *(*create_cq)(struct ibv_context *context, int entries, void *cookie,
				    struct ibv_comp_channel *channel, int vector);
	int (*destroy_cq)(struct ibv_cq *cq);
	int (*get_cq_event)(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **cookie);
	void (*ack_cq_events)(struct ibv_cq *cq, unsigned n);
	struct ibv_qp *(*create_qp)(struct ibv_pd *pd, struct ibv_qp_init_attr *attr);
	int (*modify_qp)(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask);
	int (*destroy_qp)(struct ibv_qp *qp);
	struct ibv_ah *(*create_ah)(struct ibv_pd *pd, struct ibv_ah_attr *attr);
	int (*destroy_ah)(struct ibv_ah *ah);
	const char *(*wc_status_str)(enum ibv_wc_status status);
};

/* The library stays loaded until the process ends: providers can't be unloaded safely. */
bool ct_verbs_load(struct ct_verbs *verbs, struct ct_error *err);
int ct_verbs_query_port(const struct ct_verbs *verbs, struct ibv_context *context, uint8_t port,
			struct ibv_port_attr *attr);

#endif
