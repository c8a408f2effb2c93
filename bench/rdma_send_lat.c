/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half the round trip of a message that is sent and received, as perftest's ib_send_lat: one send
 * there, one back. Beside what a write needs, both adapters take a receive request from memory
 * and write a completion for it. Its two ends are in rdma_pingpong.c.
 */
#include "bench/rdma_pingpong.h"
#include "bench/victims.h"

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	return ct_rdma_pingpong_setup(env, options, CT_RDMA_SENDS, state, err);
}

static bool peer_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	return ct_rdma_pingpong_peer_setup(env, options, CT_RDMA_SENDS, state, endpoint, err);
}

static const struct ct_peer_ops peer = {
	.setup = peer_setup,
	.connect = ct_rdma_pingpong_peer_connect,
	.rehearse = ct_rdma_pingpong_peer_rehearse,
	.serve = ct_rdma_pingpong_peer_serve,
	.teardown = ct_rdma_pingpong_teardown,
};

static const struct ct_param params[] = {
	CT_RDMA_PINGPONG_SIZES,
	{.name = "type",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_rdma_pingpong_options, type),
	 .fallback = "rc",
	 .choices = ct_rdma_type_names,
	 .help = "transport of the queue pair: reliable or unreliable connection, datagram"},
	CT_RDMA_PARAMS(struct ct_rdma_pingpong_options, rdma),
	{0},
};

const struct ct_victim_ops ct_bench_rdma_send_lat = {
	.name = "rdma_send_lat",
	.summary = "RDMA send and receive, there and back",
	.unit = "ns",
	.sample = "half of the round trip of one send there and one send back",
	.stresses = CT_RES_RDMA | CT_RES_NETWORK | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct ct_rdma_pingpong_options),
	.available = ct_rdma_available,
	.setup = setup,
	.rehearse = ct_rdma_pingpong_rehearse,
	.operate = ct_rdma_pingpong_operate,
	.failure = ct_rdma_pingpong_failure,
	.teardown = ct_rdma_pingpong_teardown,
	.wanted_cpus = 2,
	.peer = &peer,
};
