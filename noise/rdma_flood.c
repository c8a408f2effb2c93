/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RDMA requests at full speed over many queue pairs. Large ones fill the link, which is what
 * SR-IOV isolates best. Small ones fill the adapter's processing units; from 29 to 256 bytes the
 * data no longer fits into the request and PCIe carries up to half as much again as the wire (Kong
 * et al., Husky, NSDI 2023). Atomics are slower by an order of magnitude than writes and hold the
 * unit that reads need.
 */
#include "noise/aggressors.h"
#include "noise/rdma_traffic.h"

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	return ct_rdma_traffic_setup(env, options, "rdma_flood", true, state, err);
}

static const struct ct_peer_ops sink = {
	.setup = ct_rdma_sink_setup,
	.connect = ct_rdma_sink_connect,
	.serve = ct_rdma_sink_serve,
	.teardown = ct_rdma_sink_teardown,
};

static const struct ct_param params[] = {
	{.name = "operation",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_rdma_traffic_options, operation),
	 .fallback = "write",
	 .choices = ct_rdma_operation_names,
	 .help = "cas and faa: compare-and-swap, fetch-and-add of 8 bytes"},
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_rdma_traffic_options, size),
	 .fallback = "64K",
	 .min = "1",
	 .max = "1M",
	 .help = "bytes of a request; 29 to 256 load PCIe more than the wire"},
	{.name = "qps",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_rdma_traffic_options, qps),
	 .fallback = "16",
	 .min = "1",
	 .max = "16384",
	 .help = "queue pairs, shared among the threads"},
	{.name = "depth",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_rdma_traffic_options, depth),
	 .fallback = "16",
	 .min = "1",
	 .max = "4096",
	 .help = "requests outstanding on each queue pair"},
	{.name = "type",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_rdma_traffic_options, type),
	 .fallback = "rc",
	 .choices = ct_rdma_type_names,
	 .help = "transport: uc has writes and sends, ud sends"},
	{.name = "inline",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_rdma_traffic_options, inline_bytes),
	 .fallback = "0",
	 .min = "0",
	 .max = "4K",
	 .help = "requests up to this size carry their data; less where the device takes less"},
	CT_RDMA_MEMORY_PARAM(struct ct_rdma_traffic_options, memory),
	CT_RDMA_PATH_PARAM,
	CT_RDMA_CAP_PARAM,
	CT_RDMA_QP_TIMEOUT_PARAM,
	CT_RDMA_PARAMS(struct ct_rdma_traffic_options, rdma),
	{0},
};

const struct ct_aggressor_ops ct_noise_rdma_flood = {
	.name = "rdma_flood",
	.summary = "RDMA writes, reads, sends or atomics over many queue pairs to a sink",
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
	.peer = &sink,
};
