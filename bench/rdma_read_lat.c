/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole round trip of an RDMA read, as perftest's ib_read_lat: the request goes there, the
 * other end's adapter fetches the data from memory over PCIe, and it comes back. One read is
 * outstanding at a time.
 */
#include "bench/rdma_onesided.h"
#include "bench/victims.h"

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	return ct_rdma_onesided_setup(env, options, "rdma_read_lat", IBV_WR_RDMA_READ, state, err);
}

static const struct ct_param params[] = {
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_rdma_onesided_options, size),
	 .fallback = "8",
	 .min = "1",
	 .max = "16M",
	 .help = "bytes that a read fetches"},
	CT_RDMA_MEMORY_PARAM(struct ct_rdma_onesided_options, memory),
	CT_RDMA_COMPLETION_PARAM,
	CT_RDMA_PARAMS(struct ct_rdma_onesided_options, rdma),
	{0},
};

const struct ct_victim_ops ct_bench_rdma_read_lat = {
	.name = "rdma_read_lat",
	.summary = "RDMA read of the other end's memory",
	.unit = "ns",
	.sample = "one read, the full round trip from its request to its completion",
	.stresses = CT_RES_RDMA | CT_RES_NETWORK | CT_RES_PCIE,
	.params = params,
	.options_size = sizeof(struct ct_rdma_onesided_options),
	.available = ct_rdma_available,
	.setup = setup,
	.rehearse = ct_rdma_onesided_rehearse,
	.operate = ct_rdma_onesided_operate,
	.failure = ct_rdma_onesided_failure,
	.teardown = ct_rdma_onesided_teardown,
	.peer = &ct_rdma_onesided_peer,
};
