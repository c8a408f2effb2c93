/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests over many queue pairs at full speed, to sinks of the campaign or through the adapter's
 * own loopback: what rdma_flood, rdma_cache and rdma_incast have in common. Each says which
 * requests, how they are spread over queue pairs and memory, and which parameters a user sees.
 *
 * No packet leaves before the sink has shown its half of the campaign's token in its record
 * (harness/rdma/record.h), and `cap` bounds the rate unless it is lifted.
 */
#ifndef COTENANT_NOISE_RDMA_TRAFFIC_H
#define COTENANT_NOISE_RDMA_TRAFFIC_H

#include "harness/rdma/completion.h"
#include "harness/rdma/options.h"
#include "harness/rdma/registration.h"
#include "noise/noise.h"

enum ct_rdma_operation {
	CT_RDMA_OP_WRITE,
	CT_RDMA_OP_READ,
	CT_RDMA_OP_SEND,
	CT_RDMA_OP_CAS,
	CT_RDMA_OP_FAA
};
/* write, read, send, cas, faa; NULL-terminated. */
extern const char *const ct_rdma_operation_names[];
/* peer, loopback; NULL-terminated. */
enum ct_rdma_path { CT_RDMA_TO_PEER, CT_RDMA_LOOPBACK };
extern const char *const ct_rdma_path_names[];

struct ct_rdma_traffic_options {
	struct ct_rdma_options rdma;
	int operation, type, path, over, memory;
	uint64_t size, qps, depth, inline_bytes;
	uint64_t regions, region_bytes; /* 0: one of `size` */
	uint64_t receives;              /* that the sink keeps posted on each queue pair; 0: 64 */
	uint64_t qp_timeout;            /* 4.096 us * 2^qp_timeout; 0: what suits the device */
	double cap;                     /* bit/s; 0: none */
};

/* Units are bytes, or operations. */
bool ct_rdma_traffic_setup(const struct ct_aggressor_env *env,
			   const struct ct_rdma_traffic_options *options, const char *name,
			   bool count_bytes, void **state, struct ct_error *err);
bool ct_rdma_traffic_thread_setup(void *state, unsigned thread, void **thread_state,
				  struct ct_error *err);
bool ct_rdma_traffic_burst(void *thread_state, uint64_t *units, struct ct_error *err);
void ct_rdma_traffic_thread_teardown(void *thread_state);
void ct_rdma_traffic_teardown(void *state);

/* The sink, one for all; how many of it a workload can have is in the struct. */
bool ct_rdma_sink_setup(const struct ct_peer_env *env, const void *options, void **state,
			char endpoint[CT_ENDPOINT_MAX], struct ct_error *err);
bool ct_rdma_sink_connect(void *state, const struct ct_peer_links *links, struct ct_error *err);
bool ct_rdma_sink_serve(void *state, struct ct_error *err);
void ct_rdma_sink_teardown(void *state);

/* What an end of either side is made like. */
struct ct_rdma_wish ct_rdma_traffic_wish(const struct ct_rdma_traffic_options *options,
					 const struct ct_place *place);

#define CT_RDMA_CAP_PARAM                                                                          \
	{                                                                                          \
		.name = "cap", .type = CT_PARAM_BITRATE,                                           \
		.offset = offsetof(struct ct_rdma_traffic_options, cap), .fallback = "10Gbit/s",   \
		.min = "0bit/s",                                                                   \
		.help = "of payload at most, whatever the device can: a shared network is not to " \
			"be "                                                                      \
			"flooded by mistake; 0bit/s: no cap"                                       \
	}

#define CT_RDMA_QP_TIMEOUT_PARAM                                                                 \
	{                                                                                        \
		.name = "qp_timeout", .type = CT_PARAM_COUNT,                                    \
		.offset = offsetof(struct ct_rdma_traffic_options, qp_timeout), .fallback = "0", \
		.min = "0", .max = "31",                                                         \
		.help = "rc repeats what has not been acknowledged for 4.096 us * 2^N; 0: 14 "   \
			"(67 ms), on soft-RoCE 20 (4.3 s)"                                       \
	}

#define CT_RDMA_PATH_PARAM                                                                      \
	{                                                                                       \
		.name = "path", .type = CT_PARAM_CHOICE,                                        \
		.offset = offsetof(struct ct_rdma_traffic_options, path), .fallback = "peer",   \
		.choices = ct_rdma_path_names,                                                  \
		.help = "to the sink, or to itself inside the adapter, which loads PCIe twice " \
			"and no "                                                               \
			"wire"                                                                  \
	}

#endif
