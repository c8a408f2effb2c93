/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole round trip of an atomic operation on the other end's memory, as perftest's
 * ib_atomic_lat. Adapters serialise atomics in a unit of their own and read and write memory over
 * PCIe within one operation, so a neighbour's atomics are what this notices most.
 */
#include "bench/rdma_onesided.h"
#include "bench/victims.h"

static const char *const operations[] = {"fetch_add", "cmp_swap", NULL};

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct ct_rdma_onesided_options *asked = options;

	return ct_rdma_onesided_setup(env, asked, "rdma_atomic_lat",
				      asked->operation ? IBV_WR_ATOMIC_CMP_AND_SWP
						       : IBV_WR_ATOMIC_FETCH_AND_ADD,
				      state, err);
}

static const struct ct_param params[] = {
	{.name = "operation",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_rdma_onesided_options, operation),
	 .fallback = "fetch_add",
	 .choices = operations,
	 .help = "on 8 bytes"},
	CT_RDMA_COMPLETION_PARAM,
	CT_RDMA_PARAMS(struct ct_rdma_onesided_options, rdma),
	{0},
};

const struct ct_victim_ops ct_bench_rdma_atomic_lat = {
	.name = "rdma_atomic_lat",
	.summary = "RDMA atomic operation on the other end's memory",
	.unit = "ns",
	.sample = "one atomic operation, the full round trip from its request to its completion",
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
