/* SPDX-License-Identifier: Apache-2.0 */
/* The sink of rdma_traffic.h: it offers memory and, for sends, keeps receives posted. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/rdma/post.h"
#include "harness/rdma/tenant_gpu.h"
#include "noise/rdma_traffic.h"

enum { RECEIVES = 64, REAP = 32, LOOK_NS = 20000000 };

struct sink {
	const struct ct_peer_env *env;
	bool receives; /* somebody sends to it */
	uint32_t receive_bytes;
	struct ct_rdma_device device;
	struct ct_rdma_gpu gpu;
	struct ct_rdma_end end;
};

void ct_rdma_sink_teardown(void *state)
{
	struct sink *sink = state;

	ct_rdma_end_close(&sink->end);
	ct_rdma_gpu_close(&sink->gpu);
	ct_rdma_device_close(&sink->device);
	free(sink);
}

static bool post_receives(struct sink *sink, struct ct_error *err)
{
	for (unsigned i = 0; i < sink->end.wish.qps; i++) {
		for (unsigned k = 0; k < sink->end.wish.recv_depth; k++) {
			const unsigned region = k % sink->end.wish.regions;
			int code =
				ct_rdma_post_receive(&sink->end, i, region, 0, sink->receive_bytes);

			if (code != 0)
				return ct_rdma_broken(err, code, "posting a receive");
		}
	}
	return true;
}

static bool open_end(struct sink *sink, const struct ct_rdma_traffic_options *options,
		     struct ct_rdma_wish *wish, struct ct_error *err)
{
	const struct ct_peer_env *env = sink->env;

	if (!ct_rdma_open(&sink->device, env->nic, &options->rdma, err) ||
	    !ct_rdma_gpu_open(&sink->gpu, options->memory, env->gpu, env->nic, err))
		return false;
	wish->gpu = ct_rdma_gpu_of(&sink->gpu);
	return ct_rdma_end_open(&sink->end, &sink->device, wish, err) &&
	       (!sink->receives || post_receives(sink, err));
}

bool ct_rdma_sink_setup(const struct ct_peer_env *env, const void *options, void **state,
			char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	const struct ct_rdma_traffic_options *asked = options;
	struct ct_rdma_wish wish = ct_rdma_traffic_wish(asked, env->place);
	struct sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return ct_broken_errno(err, "memory for the RDMA sink");
	sink->env = env;
	sink->receives = asked->operation == CT_RDMA_OP_SEND;
	sink->receive_bytes = (uint32_t)asked->size + CT_RDMA_GRH;
	wish.send_depth = 1;
	if (sink->receives) {
		wish.recv_depth = asked->receives ? (unsigned)asked->receives : RECEIVES;
		wish.events = true;
	}
	if (open_end(sink, asked, &wish, err) &&
	    ct_rdma_end_record(&sink->end, env->token, CT_RDMA_PEER, endpoint, CT_ENDPOINT_MAX,
			       err)) {
		*state = sink;
		return true;
	}
	ct_rdma_sink_teardown(sink);
	return ct_error_in(err, "RDMA sink");
}

/* The workload's answer has a line for every sink, in the order of ranks. */
bool ct_rdma_sink_connect(void *state, const struct ct_peer_links *links, struct ct_error *err)
{
	struct sink *sink = state;
	const char *line = links->texts[0];
	char *record;
	bool good;

	if (!line[0])
		return true; /* over its own loopback it needs no sink */
	for (unsigned rank = 1; rank < links->rank && line; rank++) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	record = line ? strndup(line, strcspn(line, "\n")) : NULL;
	good = ct_rdma_end_connect(&sink->end, record, sink->env->token, CT_RDMA_PEER, err);
	free(record);
	return good || ct_error_in(err, "RDMA sink");
}

/* Receives are given back to the queue pair that used them. */
static bool give_back(struct sink *sink, const struct ibv_wc *wc, int n, struct ct_error *err)
{
	for (int i = 0; i < n; i++) {
		int code = ct_rdma_post_receive(&sink->end, (unsigned)wc[i].wr_id, 0, 0,
						sink->receive_bytes);

		if (code != 0)
			return ct_rdma_broken(err, code, "RDMA sink: posting a receive");
	}
	return true;
}

static bool serve_receives(struct sink *sink, struct ct_error *err)
{
	struct ct_rdma_wait wait;
	struct ibv_wc wc[REAP];
	bool good = true;
	int n;

	ct_rdma_wait_receives(&wait, &sink->end, 0, sink->env->stop, 0);
	while (good && (n = ct_rdma_reap(&wait, wc, REAP)) > 0)
		good = give_back(sink, wc, n, err);
	ct_rdma_wait_done(&wait);
	if (good && wait.outcome == CT_RDMA_BROKEN) {
		ct_rdma_wait_error(&wait, "RDMA sink", err);
		good = false;
	}
	return good;
}

bool ct_rdma_sink_serve(void *state, struct ct_error *err)
{
	struct sink *sink = state;
	const struct timespec pause = {.tv_nsec = LOOK_NS};

	if (sink->receives)
		return serve_receives(sink, err);
	while (!atomic_load_explicit(sink->env->stop, memory_order_relaxed))
		nanosleep(&pause, NULL);
	return true;
}
