/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for libibverbs: two RoCE devices, standin0 and standin1, whose queue pairs move bytes
 * between processes of this machine. Everything that both ends of a connection see lies in a file
 * that all processes map, which the environment variable COTENANT_VERBS_STANDIN names; without it
 * there is no device. A verb does its work before it returns: there is no device thread, so what a
 * real one overlaps happens in turn here. Latencies of it mean nothing.
 *
 * COTENANT_VERBS_FAIL = "reg_mr:12:3" makes the third call of that verb (and all later ones) fail
 * with that errno, "reg_mr:12:3:1" only that one; "wc:12:100" gives the hundredth successful
 * completion that status instead.
 * COTENANT_VERBS_SPOIL = 1: the first byte of all data arrives as another one.
 * COTENANT_VERBS_PORT = "down" or "ib" changes the port.
 * COTENANT_VERBS_SOFT = 1: the devices are soft-RoCE's on a busy machine, whose acknowledgements
 * take a second; a reliable queue pair that repeats sooner is refused, as Linux 6.1 may.
 *
 * Memory of a GPU comes as a dma-buf, a file that is mapped; or, with COTENANT_VERBS_PEER = 1, as
 * an address that only the stand-in for the GPU's driver (COTENANT_CUDA) knows, which is what the
 * kernel's modules for peer memory are for. Built with STANDIN_OLD there is no ibv_reg_dmabuf_mr.
 */
#ifndef COTENANT_STANDIN_VERBS_H
#define COTENANT_STANDIN_VERBS_H

#include <infiniband/verbs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	DEVICES = 2,
	MAX_QPS = 2048,
	MAX_CQS = 1024,
	MAX_MRS = 8192,
	MAX_RECV = 512,  /* of a QP */
	MAX_CQE = 16384, /* of a CQ */
	MAX_INLINE = 256,
	MAX_READS = 16,
	MAX_MESSAGE = 8 << 20, /* as rxe */
	GRH = 40,
	SOFT_VENDOR = 0xffffff, /* RXE_VENDOR_ID */
	SOFT_TIMEOUT = 18       /* 4.096 us * 2^18 */
};

struct shared_receive {
	uint64_t wr_id, address;
	uint32_t length, lkey;
};

struct shared_qp {
	bool used;
	pid_t pid;
	unsigned device, pd;
	enum ibv_qp_type type;
	enum ibv_qp_state state;
	unsigned send_cq, recv_cq;
	uint32_t dest, rq_psn, sq_psn, qkey;
	unsigned access, rnr_retry, retries, min_rnr_timer, timeout;
	uint32_t expected_psn, next_psn; /* of requests */
	unsigned max_send, send_used, unsignalled;
	unsigned max_recv, max_inline;
	unsigned recv_head, recv_tail;
	struct shared_receive receives[MAX_RECV];
};

struct shared_wc {
	struct ibv_wc wc;
	unsigned qp;     /* whose send queue entries it frees; MAX_QPS: none */
	unsigned covers; /* so many */
};

struct shared_cq {
	bool used, armed;
	pid_t pid;
	unsigned entries, head, tail;
	unsigned channel; /* number of its channel; 0: none */
	struct shared_wc ring[MAX_CQE];
};

struct shared_mr {
	bool used;
	pid_t pid;
	unsigned pd, generation;
	int access;
	uint64_t address, length;
	uint64_t memory; /* where `address` is in its process */
};

struct shared {
	pthread_mutex_t lock;
	bool ready;
	unsigned next_pd, next_channel;
	struct shared_qp qps[MAX_QPS];
	struct shared_cq cqs[MAX_CQS];
	struct shared_mr mrs[MAX_MRS];
};

/* standin.c */
extern struct shared *shared;
void lock(void);
void unlock(void);
bool fails(const char *verb); /* sets errno */
enum ibv_wc_status spoiled(void);

/* transfer.c */
int standin_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad);
int standin_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);
int standin_poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *wc);
int standin_req_notify_cq(struct ibv_cq *cq, int solicited_only);
void standin_ring(unsigned channel); /* raises an event */
bool standin_is_soft(void);          /* COTENANT_VERBS_SOFT */
unsigned qp_slot(uint32_t qp_num);   /* MAX_QPS: none */
uint32_t qp_number(unsigned slot);

#endif
