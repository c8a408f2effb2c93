/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on the other end's memory, of which its CPU knows nothing: what rdma_read_lat,
 * rdma_atomic_lat and rdma_write_bw have in common, and their peer, which offers memory and sleeps.
 */
#ifndef COTENANT_BENCH_RDMA_ONESIDED_H
#define COTENANT_BENCH_RDMA_ONESIDED_H

#include "bench/bench.h"
#include "harness/rdma/completion.h"
#include "harness/rdma/options.h"
#include "harness/rdma/post.h"
#include "harness/rdma/tenant_gpu.h"

struct ct_rdma_onesided_options {
	struct ct_rdma_options rdma;
	uint64_t size, inline_bytes; /* size 0: the 8 bytes of an atomic operation */
	uint64_t tx_depth, batch;    /* outstanding operations; completions asked for every batch */
	int type, completion, operation, memory;
};

/* The workload's end; victims of this kind add nothing to it but their way of posting. */
struct ct_rdma_onesided {
	const char *name;
	struct ct_rdma_device device;
	struct ct_rdma_gpu gpu;
	struct ct_rdma_end end;
	struct ct_rdma_send send;
	struct ct_rdma_wait wait;
	unsigned depth, batch;
	unsigned outstanding; /* signalled requests, a batch each */
	int post_code;        /* of a request that could not be posted */
};

bool ct_rdma_onesided_setup(struct ct_victim_env *env,
			    const struct ct_rdma_onesided_options *options, const char *name,
			    enum ibv_wr_opcode opcode, void **state, struct ct_error *err);
/* In a GPU's memory: one request, and what it has brought is checked, at the end that has it. */
bool ct_rdma_onesided_rehearse(void *state, struct ct_error *err);
/* One request and its completion. */
bool ct_rdma_onesided_operate(void *state);
void ct_rdma_onesided_failure(void *state, struct ct_error *err);
void ct_rdma_onesided_teardown(void *state);

/* The peer whose memory is read or changed, and the one that is written to. */
extern const struct ct_peer_ops ct_rdma_onesided_peer, ct_rdma_written_peer;

#define CT_RDMA_COMPLETION_PARAM                                                                   \
	{                                                                                          \
		.name = "completion", .type = CT_PARAM_CHOICE,                                     \
		.offset = offsetof(struct ct_rdma_onesided_options, completion),                   \
		.fallback = "poll", .choices = ct_rdma_completion_names,                           \
		.help = "how the victim notices: it polls, or sleeps until the device's interrupt" \
	}

#endif
