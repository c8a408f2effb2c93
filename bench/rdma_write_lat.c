/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half the round trip of an RDMA write, as perftest's ib_write_lat: one write there, one back. The
 * whole data path of two adapters and none of the kernel: doorbell, fetch of the request and of
 * its data over PCIe, the wire, the write into the other end's memory and the same way back. Its
 * two ends are in rdma_pingpong.c.
 */
#include "bench/rdma_pingpong.h"
#include "bench/victims.h"

/* A datagram can't write. */
static const char *const types[] = {"rc", "uc", NULL};

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	return ct_rdma_pingpong_setup(env, options, CT_RDMA_WRITES, state, err);
}

static bool peer_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	return ct_rdma_pingpong_peer_setup(env, options, CT_RDMA_WRITES, state, endpoint, err);
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
	 .choices = types,
	 .help = "transport of the queue pair: reliable or unreliable connection"},
	CT_RDMA_PARAMS(struct ct_rdma_pingpong_options, rdma),
	{0},
};

const struct ct_victim_ops ct_bench_rdma_write_lat = {
	.name = "rdma_write_lat",
	.summary = "RDMA write, there and back",
	.unit = "ns",
	.sample = "half of the round trip of one write there and one write back",
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
