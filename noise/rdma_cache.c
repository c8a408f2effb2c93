/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests spread so widely that an adapter's caches don't hold what they need: the state of
 * queue pairs, the translations and keys of memory regions, or receive requests. Each miss is a
 * fetch over PCIe, for the neighbour as well, whose entries are evicted (Husky, NSDI 2023;
 * Harmonic, NSDI 2024).
 */
#include "noise/aggressors.h"
#include "noise/rdma_traffic.h"

enum over { QPS, REGIONS, RECEIVES };
static const char *const overs[] = {"qps", "regions", "receives", NULL};

enum { FEW_QPS = 64, DEEP_RECEIVES = 256 };

/* Only what `over` names is wide: `regions` of the table is how many, whatever it is of. */
static struct ct_rdma_traffic_options spread(const struct ct_rdma_traffic_options *asked)
{
	struct ct_rdma_traffic_options options = *asked;

	options.qps = asked->over == REGIONS ? FEW_QPS : asked->regions;
	if (asked->over != REGIONS) {
		options.regions = 1;
		options.region_bytes = 0;
	}
	if (asked->over == RECEIVES) {
		options.operation = CT_RDMA_OP_SEND;
		options.receives = DEEP_RECEIVES;
	}
	return options;
}

static bool setup(const struct ct_aggressor_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct ct_rdma_traffic_options wide = spread(options);

	return ct_rdma_traffic_setup(env, &wide, "rdma_cache", false, state, err);
}

static bool sink_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	const struct ct_rdma_traffic_options wide = spread(options);

	return ct_rdma_sink_setup(env, &wide, state, endpoint, err);
}

static const struct ct_peer_ops sink = {
	.setup = sink_setup,
	.connect = ct_rdma_sink_connect,
	.serve = ct_rdma_sink_serve,
	.teardown = ct_rdma_sink_teardown,
};

static const struct ct_param params[] = {
	{.name = "over",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_rdma_traffic_options, over),
	 .fallback = "qps",
	 .choices = overs,
	 .help = "what is wide: queue pairs, memory regions at both ends, or queue pairs with 256 "
		 "receives each at the sink"},
	{.name = "count",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_rdma_traffic_options, regions),
	 .fallback = "512",
	 .min = "1",
	 .max = "16384",
	 .help = "how many of it"},
	{.name = "region",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_rdma_traffic_options, region_bytes),
	 .fallback = "64K",
	 .min = "64",
	 .max = "16G",
	 .help = "bytes of a memory region, with over = regions; count = 1 and a large one is one "
		 "huge region"},
	{.name = "operation",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_rdma_traffic_options, operation),
	 .fallback = "write",
	 .choices = ct_rdma_operation_names,
	 .help = "with over = receives it is send"},
	{.name = "size",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct ct_rdma_traffic_options, size),
	 .fallback = "512",
	 .min = "1",
	 .max = "1M",
	 .help = "bytes of a request"},
	{.name = "depth",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct ct_rdma_traffic_options, depth),
	 .fallback = "4",
	 .min = "1",
	 .max = "256",
	 .help = "requests outstanding on each queue pair"},
	{.name = "type",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct ct_rdma_traffic_options, type),
	 .fallback = "rc",
	 .choices = ct_rdma_type_names,
	 .help = "transport: uc has writes and sends, ud sends"},
	CT_RDMA_CAP_PARAM,
	CT_RDMA_QP_TIMEOUT_PARAM,
	CT_RDMA_PARAMS(struct ct_rdma_traffic_options, rdma),
	{0},
};

const struct ct_aggressor_ops ct_noise_rdma_cache = {
	.name = "rdma_cache",
	.summary =
		"RDMA requests over more queue pairs, regions or receives than an adapter caches",
	.unit = "op",
	.stresses = CT_RES_RDMA | CT_RES_NETWORK | CT_RES_PCIE,
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
