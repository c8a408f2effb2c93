/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message there and one back between two queue pairs, as perftest's ib_write_lat and ib_send_lat
 * do it; what rdma_write_lat and rdma_send_lat have in common, at both ends. One round is: post a
 * message, wait until it has completed here, wait until the answer has come. The peer answers with
 * a message of the same kind and size.
 *
 * With writes the answer is noticed in memory: the last byte of it changes with every round. Where
 * the CPU is to sleep instead, the write carries an immediate value, which completes a receive.
 * So it does in a GPU's memory, which the CPU can't look at: perftest too has latencies of writes
 * there only with an immediate value (ib_write_lat --use_cuda=N --write_with_imm). The bytes are
 * the same every time then, and both ends check them in a round before anything is measured.
 */
#ifndef COTENANT_BENCH_RDMA_PINGPONG_H
#define COTENANT_BENCH_RDMA_PINGPONG_H

#include "bench/bench.h"
#include "harness/rdma/completion.h"
#include "harness/rdma/options.h"
#include "harness/rdma/registration.h"

struct ct_rdma_pingpong_options {
	struct ct_rdma_options rdma;
	uint64_t size, inline_bytes;
	int type, completion, memory;
};

enum ct_rdma_message { CT_RDMA_WRITES, CT_RDMA_SENDS };

bool ct_rdma_pingpong_setup(struct ct_victim_env *env,
			    const struct ct_rdma_pingpong_options *options,
			    enum ct_rdma_message message, void **state, struct ct_error *err);
bool ct_rdma_pingpong_rehearse(void *state, struct ct_error *err);
bool ct_rdma_pingpong_operate(void *state);
void ct_rdma_pingpong_failure(void *state, struct ct_error *err);
void ct_rdma_pingpong_teardown(void *state);

bool ct_rdma_pingpong_peer_setup(const struct ct_peer_env *env,
				 const struct ct_rdma_pingpong_options *options,
				 enum ct_rdma_message message, void **state,
				 char endpoint[CT_ENDPOINT_MAX], struct ct_error *err);
bool ct_rdma_pingpong_peer_connect(void *state, const struct ct_peer_links *links,
				   struct ct_error *err);
bool ct_rdma_pingpong_peer_rehearse(void *state, struct ct_error *err);
bool ct_rdma_pingpong_peer_serve(void *state, struct ct_error *err);

#define CT_RDMA_PINGPONG_SIZES                                                                   \
	{.name = "size",                                                                         \
	 .type = CT_PARAM_SIZE,                                                                  \
	 .offset = offsetof(struct ct_rdma_pingpong_options, size),                              \
	 .fallback = "8",                                                                        \
	 .min = "1",                                                                             \
	 .max = "16M",                                                                           \
	 .help = "bytes of a message, each way"},                                                \
		{.name = "inline",                                                               \
		 .type = CT_PARAM_SIZE,                                                          \
		 .offset = offsetof(struct ct_rdma_pingpong_options, inline_bytes),              \
		 .fallback = "220",                                                              \
		 .min = "0",                                                                     \
		 .max = "4K",                                                                    \
		 .help = "messages up to this size travel inside the work request; less where "  \
			 "the device takes less; none from a GPU's memory"},                     \
		CT_RDMA_MEMORY_PARAM(struct ct_rdma_pingpong_options, memory),                   \
	{                                                                                        \
		.name = "completion", .type = CT_PARAM_CHOICE,                                   \
		.offset = offsetof(struct ct_rdma_pingpong_options, completion),                 \
		.fallback = "poll", .choices = ct_rdma_completion_names,                         \
		.help = "how both ends notice: they poll, or sleep until the device's interrupt" \
	}

#endif
