/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many to one: this tenant reads from all its peers at the same time, and their answers meet at its
 * own port, whose switch buffer and receive side they overrun together. The receiver sets the pace,
 * so the load can be measured and held where it strikes (as GPCNeT's get incast, SC 2019).
 */
#include "noise/aggressors.h"
#include "noise/rdma_traffic.h"

static struct ct_rdma_traffic_options reading(const struct ct_rdma_traffic_options *asked)
{
	struct ct_rdma_traffic_options options = *asked;

	options.operation = CT_RDMA_OP_READ;
	return options;
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct ct_rdma_traffic_options reads = reading(options);

	return ct_rdma_traffic_setup(env, &reads, "rdma_incast", true, state, err);
}

static bool source_setup(const struct ct_peer_env *env, const void *options, void **state,
			 char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	const struct ct_rdma_traffic_options reads = reading(options);

	return ct_rdma_sink_setup(env, &reads, state, endpoint, err);
}

static const struct ct_peer_ops source = {
	.setup = source_setup,
	.connect = ct_rdma_sink_connect,
	.serve = ct_rdma_sink_serve,
	.teardown = ct_rdma_sink_teardown,
	.max_peers = CT_PEERS_MAX,
};

static const struct ct_param params[] = {
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_rdma_traffic_options, size),
	 .fallback = "64K",
	 .min = "1",
	 .max = "1M",
	 .help = "bytes that a read fetches"},
	{.name = "qps",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_rdma_traffic_options, qps),
	 .fallback = "4",
	 .min = "1",
	 .max = "1024",
	 .help = "queue pairs to each peer, shared among the threads"},
	{.name = "depth",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_rdma_traffic_options, depth),
	 .fallback = "16",
	 .min = "1",
	 .max = "256",
	 .help = "reads outstanding on each queue pair"},
	CT_RDMA_CAP_PARAM,
	CT_RDMA_QP_TIMEOUT_PARAM,
	CT_RDMA_PARAMS(struct ct_rdma_traffic_options, rdma),
	{0},
};

const struct ct_aggressor_ops ct_noise_rdma_incast = {
	.name = "rdma_incast",
	.summary = "RDMA reads from several peers at once, whose answers meet at this port",
	.unit = "B",
	.stresses = CT_RES_RDMA | CT_RES_NETWORK | CT_RES_PCIE | CT_RES_MEMORY,
	.params = params,
	.options_size = sizeof(struct ct_rdma_traffic_options),
	.available = ct_rdma_available,
	.setup = setup,
	.thread_setup = ct_rdma_traffic_thread_setup,
	.burst = ct_rdma_traffic_burst,
	.thread_teardown = ct_rdma_traffic_thread_teardown,
	.teardown = ct_rdma_traffic_teardown,
	.peer = &source,
};
