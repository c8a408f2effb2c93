/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ncclAllReduce (sum) over GPUs, one rank a process: the victim is rank 0, its peers are the
 * others, and the unique id goes over the workers' channels (harness/net/peer.h). Out of place, as
 * the first half of nccl-tests' all_reduce_perf. A peer begins the next all-reduce as soon as it
 * has the result of the last, so rank 0 finds the others in it already.
 *
 * All contributions are small whole numbers: their sum is exact in every type and every order.
 */
#include "bench/victims.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/nccl_card.h"
#include "harness/gpu/device.h"
#include "harness/gpu/nccl.h"

enum {
	PERIOD = 1021, /* contributions repeat after so many elements, a prime: no block looks
			  like another */
	VALUES = 13,   /* 0 to 12; 16 ranks sum up to 192, and bfloat16 is exact up to 256 */
	BUFFER = 1 << 20,
	WINDOW = 1 << 16, /* bytes of one check while it measures */
	STOP_SLICE_NS = 100000000
};

static const char *const type_names[] = {"float32", "float16", "bfloat16", NULL};
static const struct type {
	enum ct_nccl_type nccl;
	size_t bytes;
} types[] = {{CT_NCCL_FLOAT32, 4}, {CT_NCCL_FLOAT16, 2}, {CT_NCCL_BFLOAT16, 2}};

struct options {
	uint64_t bytes, patience_ns, verify_every;
	int type;
};

/* One rank: the victim's state, or a peer's. */
struct rank {
	unsigned rank, n_ranks;
	struct type type;
	size_t count; /* elements */
	struct ct_gpu gpu;
	struct ct_nccl *nccl;
	struct ct_nccl_wait wait;
	ct_cu_address in, out; /* of the device; `in` is never written after setup */
	void *buffer;          /* of the host, BUFFER bytes */
	uint32_t input[PERIOD], expected[PERIOD]; /* as bits of the type */
	struct ct_error error;                    /* why the last iteration failed */

	/* The victim's. */
	const struct ct_clock *clock;
	const char *const *endpoints;
	const char *answer;
	uint64_t verify_every, left;
	size_t window; /* the element where the next check begins */
	uint64_t iterations, ticks;
	size_t verified;
};

/* ---- numbers ---- */

/* Of whole numbers below 256. */
static uint32_t bits_of(enum ct_nccl_type type, unsigned value)
{
	const float number = (float)value;
	uint32_t bits;
	unsigned exponent;

	memcpy(&bits, &number, sizeof bits);
	if (type == CT_NCCL_FLOAT32)
		return bits;
	if (type == CT_NCCL_BFLOAT16)
		return bits >> 16;
	if (value == 0)
		return 0;
	exponent = 31 - (unsigned)__builtin_clz(value);
	return (exponent + 15) << 10 | ((value << (10 - exponent)) & 0x3ff);
}

static unsigned contribution(unsigned rank, size_t i)
{
	return (unsigned)(i + 1) * (rank + 1) % VALUES;
}

static unsigned sum_of_all(unsigned n_ranks, size_t i)
{
	unsigned sum = 0;

	for (unsigned rank = 0; rank < n_ranks; rank++)
		sum += contribution(rank, i);
	return sum;
}

static void make_tables(struct rank *self)
{
	for (size_t i = 0; i < PERIOD; i++) {
		self->input[i] = bits_of(self->type.nccl, contribution(self->rank, i));
		self->expected[i] = bits_of(self->type.nccl, sum_of_all(self->n_ranks, i));
	}
}

static uint32_t element_at(const struct rank *self, size_t i)
{
	const unsigned char *at = (const unsigned char *)self->buffer + i * self->type.bytes;
	uint32_t wide;
	uint16_t narrow;

	if (self->type.bytes == sizeof wide) {
		memcpy(&wide, at, sizeof wide);
		return wide;
	}
	memcpy(&narrow, at, sizeof narrow);
	return narrow;
}

static void put_element(struct rank *self, size_t i, uint32_t bits)
{
	unsigned char *at = (unsigned char *)self->buffer + i * self->type.bytes;
	const uint16_t narrow = (uint16_t)bits;

	if (self->type.bytes == sizeof bits)
		memcpy(at, &bits, sizeof bits);
	else
		memcpy(at, &narrow, sizeof narrow);
}

/* ---- memory ---- */

static size_t part_length(const struct rank *self, size_t from, size_t bytes)
{
	const size_t most = bytes / self->type.bytes;

	return self->count - from < most ? self->count - from : most;
}

static bool fill_input(struct rank *self, struct ct_error *err)
{
	size_t n;

	for (size_t from = 0; from < self->count; from += n) {
		n = part_length(self, from, BUFFER);
		for (size_t i = 0; i < n; i++)
			put_element(self, i, self->input[(from + i) % PERIOD]);
		if (!CT_CUDA(self->gpu.cuda, MemcpyHtoD, err, self->in + from * self->type.bytes,
			     self->buffer, n * self->type.bytes))
			return false;
	}
	return true;
}

/* Not a number, in each type: what is not written again shows in the next check. */
static bool spoil(struct rank *self, size_t from, size_t n, struct ct_error *err)
{
	return CT_CUDA(self->gpu.cuda, MemsetD8Async, err, self->out + from * self->type.bytes,
		       0xff, n * self->type.bytes, self->gpu.stream) &&
	       ct_gpu_finish(&self->gpu, err);
}

static bool make_memory(struct rank *self, struct ct_error *err)
{
	const size_t bytes = self->count * self->type.bytes;
	ct_cu_address mapped;

	return ct_gpu_alloc(&self->gpu, bytes, &self->in, err) &&
	       ct_gpu_alloc(&self->gpu, bytes, &self->out, err) &&
	       ct_gpu_host_alloc(&self->gpu, BUFFER, &self->buffer, &mapped, err) &&
	       fill_input(self, err) && spoil(self, 0, self->count, err);
}

/* At most BUFFER bytes of the result, and spoils them. */
static bool check_part(struct rank *self, size_t from, size_t n, struct ct_error *err)
{
	if (!CT_CUDA(self->gpu.cuda, MemcpyDtoHAsync, err, self->buffer,
		     self->out + from * self->type.bytes, n * self->type.bytes, self->gpu.stream) ||
	    !ct_gpu_finish(&self->gpu, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		const size_t at = (from + i) % PERIOD;

		if (element_at(self, i) != self->expected[at])
			return ct_broken(err,
					 "rank %u: element %zu of the result has the bits 0x%x, "
					 "not 0x%x (%u)",
					 self->rank, from + i, element_at(self, i),
					 self->expected[at], sum_of_all(self->n_ranks, at));
	}
	return spoil(self, from, n, err);
}

static bool check_all(struct rank *self, struct ct_error *err)
{
	size_t n;

	for (size_t from = 0; from < self->count; from += n) {
		n = part_length(self, from, BUFFER);
		if (!check_part(self, from, n, err))
			return false;
	}
	return true;
}

/* Windows go round, so that after some checks all of the result has been seen. */
static bool check_window(struct rank *self, struct ct_error *err)
{
	const size_t n = part_length(self, self->window, WINDOW);

	if (!check_part(self, self->window, n, err))
		return false;
	self->verified += n * self->type.bytes;
	self->window = self->window + n == self->count ? 0 : self->window + n;
	return true;
}

/* ---- opening and closing a rank ---- */

static void close_rank(struct rank *self)
{
	/* The communicator first: what waits on the stream ends with it. */
	ct_nccl_close(self->nccl);
	ct_gpu_host_free(&self->gpu, self->buffer);
	ct_gpu_free(&self->gpu, self->out);
	ct_gpu_free(&self->gpu, self->in);
	ct_gpu_close(&self->gpu);
	free(self);
}

/* Where no GPU is named, every rank takes one of its own: the number that it has itself. */
static bool open_gpu(struct rank *self, const char *gpu, const char *nic, struct ct_error *err)
{
	struct ct_error said = {0};
	char number[16];

	if (gpu)
		return ct_gpu_open(&self->gpu, gpu, nic, CT_CU_WAIT_SPIN, err);
	snprintf(number, sizeof number, "%u", self->rank);
	if (ct_gpu_open(&self->gpu, number, nic, CT_CU_WAIT_SPIN, &said))
		return true;
	if (said.kind != CT_ERR_USAGE) {
		*err = said;
		return false;
	}
	return ct_broken(err,
			 "rank %u has no 'gpu' and takes number %u: %s; every rank needs a whole "
			 "GPU of its own: name it, or have fewer 'peers'",
			 self->rank, self->rank, said.text);
}

static struct rank *open_rank(unsigned rank, unsigned n_ranks, const struct options *options,
			      const char *gpu, const char *nic, const atomic_bool *stop,
			      struct ct_error *err)
{
	struct rank *self = calloc(1, sizeof *self);

	if (!self) {
		ct_broken_errno(err, "memory for its state");
		return NULL;
	}
	self->rank = rank;
	self->n_ranks = n_ranks;
	self->type = types[options->type];
	self->count = options->bytes / self->type.bytes;
	self->wait = (struct ct_nccl_wait){.patience_ns = options->patience_ns, .stop = stop};
	make_tables(self);
	if (open_gpu(self, gpu, nic, err)) {
		self->nccl = ct_nccl_open(err);
		if (self->nccl && make_memory(self, err))
			return self;
	}
	close_rank(self);
	return NULL;
}

static enum ct_nccl_end run_once(struct rank *self)
{
	enum ct_nccl_end end =
		ct_nccl_all_reduce(self->nccl, &self->gpu, self->in, self->out, self->count,
				   self->type.nccl, &self->wait, &self->error);

	if (end != CT_NCCL_DONE)
		return end;
	return ct_nccl_finish(self->nccl, &self->gpu, &self->wait, &self->error);
}

/* All ranks join; one all-reduce, of which every rank checks everything. */
static bool connect_rank(struct rank *self, const char *const *texts, struct ct_error *err)
{
	struct ct_nccl_id id;

	/* The thread that serves is another than the one that has opened the GPU. */
	if (!ct_gpu_use(&self->gpu, err) || !nccl_card_id(texts[0], &id, err))
		return ct_error_in(err, "nccl_allreduce: rank %u", self->rank);
	if (!ct_nccl_join(self->nccl, &id, self->rank, self->n_ranks, &self->wait, err)) {
		nccl_cards_explain(texts, self->n_ranks, err);
		return ct_error_in(err, "nccl_allreduce: rank %u", self->rank);
	}
	if (run_once(self) == CT_NCCL_DONE && check_all(self, &self->error))
		return true;
	*err = self->error;
	return ct_error_in(err, "nccl_allreduce: rank %u", self->rank);
}

/* ---- the victim ---- */

static double bus_factor(unsigned n_ranks)
{
	return 2.0 * (n_ranks - 1) / n_ranks;
}

/* The library goes by its own variables: what was set is part of what was measured. */
static json_t *library_variables(void)
{
	json_t *all = json_object();

	for (char **at = environ; all && *at; at++) {
		const char *value = strchr(*at, '=');
		char name[64];

		if (!value || strncmp(*at, "NCCL_", 5) != 0 ||
		    strncmp(*at, "NCCL_DEBUG", 10) == 0 || (size_t)(value - *at) >= sizeof name)
			continue;
		snprintf(name, sizeof name, "%.*s", (int)(value - *at), *at);
		json_object_set_new(all, name, json_string(value + 1));
	}
	return all;
}

static json_t *describe(const struct rank *self)
{
	json_t *device = ct_gpu_json(&self->gpu);
	char version[CT_NCCL_VERSION_TEXT];

	ct_nccl_version_text(ct_nccl_version(self->nccl), version);
	json_object_set_new(
		device, "nccl",
		json_pack("{s:s, s:o}", "version", version, "environment", library_variables()));
	return device;
}

static bool setup(struct ct_victim_env *env, const void *options, void **state,
		  struct ct_error *err)
{
	const struct options *asked = options;
	struct ct_nccl_id id;
	struct rank *self;

	if (env->n_ranks < 2)
		return ct_broken(err, "nccl_allreduce: it got no peers");
	self = open_rank(0, env->n_ranks, asked, env->gpu, env->nic, env->stop, err);
	if (!self)
		return ct_error_in(err, "nccl_allreduce: rank 0");
	if (!ct_nccl_make_id(self->nccl, &id, err)) {
		close_rank(self);
		return ct_error_in(err, "nccl_allreduce: rank 0");
	}
	self->clock = env->clock;
	self->endpoints = env->endpoints;
	self->answer = env->answer;
	self->verify_every = self->left = asked->verify_every;
	nccl_card_write(self->gpu.pci, &id, env->answer, CT_ANSWER_MAX);
	env->bytes_per_operation = (uint64_t)((double)self->count * (double)self->type.bytes *
					      bus_factor(env->n_ranks));
	env->device = describe(self);
	*state = self;
	return true;
}

static bool connect_victim(void *state, struct ct_error *err)
{
	struct rank *self = state;
	const char *texts[CT_RANKS_MAX] = {self->answer};

	for (unsigned rank = 1; rank < self->n_ranks; rank++)
		texts[rank] = self->endpoints[rank];
	return connect_rank(self, texts, err);
}

/* Checks lie between two samples. */
static bool operate_timed(void *state, uint64_t *ticks)
{
	struct rank *self = state;
	const uint64_t begin = ct_ticks(self->clock);

	if (run_once(self) != CT_NCCL_DONE)
		return false;
	*ticks = ct_ticks_end(self->clock) - begin;
	self->ticks += *ticks;
	self->iterations++;
	if (self->verify_every == 0 || --self->left > 0)
		return true;
	self->left = self->verify_every;
	return check_window(self, &self->error);
}

static void failure(void *state, struct ct_error *err)
{
	*err = ((const struct rank *)state)->error;
	ct_error_in(err, "nccl_allreduce: rank 0");
}

static const struct ct_counter counters[] = {
	{"algbw", "B/s", "bytes over mean time of an all-reduce (nccl-tests' algbw)",
	 CT_COUNTER_LEVEL},
	{"busbw", "B/s", "algbw times 2 (n - 1) / n (nccl-tests' busbw)", CT_COUNTER_LEVEL},
	{"verified", "B", "bytes of results that were checked during the epoch", CT_COUNTER_LEVEL},
	{0},
};

static void read_counters(void *state, double *values)
{
	struct rank *self = state;
	const double ns = (double)ct_ticks_to_ns(self->clock, self->ticks);
	const double bytes = (double)self->count * (double)self->type.bytes;

	values[0] = values[1] = NAN;
	values[2] = (double)self->verified;
	if (self->iterations > 0) {
		values[0] = bytes * (double)self->iterations / ns * 1e9;
		values[1] = values[0] * bus_factor(self->n_ranks);
	}
	self->iterations = self->ticks = 0;
	self->verified = 0;
}

static void teardown(void *state)
{
	close_rank(state);
}

/* ---- the other ranks ---- */

static bool peer_setup(const struct ct_peer_env *env, const void *options, void **state,
		       char endpoint[CT_ENDPOINT_MAX], struct ct_error *err)
{
	struct rank *self =
		open_rank(env->rank, env->n_ranks, options, env->gpu, env->nic, env->stop, err);

	if (!self)
		return ct_error_in(err, "nccl_allreduce: rank %u", env->rank);
	nccl_card_write(self->gpu.pci, NULL, endpoint, CT_ENDPOINT_MAX);
	*state = self;
	return true;
}

static bool peer_connect(void *state, const struct ct_peer_links *links, struct ct_error *err)
{
	return connect_rank(state, links->texts, err);
}

static bool is_stopped(const struct rank *self)
{
	return atomic_load_explicit(self->wait.stop, memory_order_relaxed);
}

static void wait_for_stop(const struct rank *self)
{
	const struct timespec slice = {.tv_nsec = STOP_SLICE_NS};

	while (!is_stopped(self))
		nanosleep(&slice, NULL);
}

/*
 * Rank 0 may rest between phases for as long as it likes. A rank that was stopped before it was
 * asked to connect comes here as well, without a communicator.
 */
static bool peer_serve(void *state, struct ct_error *err)
{
	struct rank *self = state;
	enum ct_nccl_end end = CT_NCCL_DONE;

	self->wait.patience_ns = 0;
	self->wait.yields = true;
	while (end == CT_NCCL_DONE)
		end = is_stopped(self) ? CT_NCCL_STOPPED : run_once(self);
	if (end == CT_NCCL_STOPPED)
		return true;
	if (end == CT_NCCL_REMOTE) {
		wait_for_stop(self);
		return true;
	}
	*err = self->error;
	return ct_error_in(err, "nccl_allreduce: rank %u", self->rank);
}

static const struct ct_peer_ops other_ranks = {
	.setup = peer_setup,
	.connect = peer_connect,
	.serve = peer_serve,
	.teardown = teardown,
	.max_peers = CT_PEERS_MAX,
};

static bool available(char *why, size_t size)
{
	return ct_gpu_available(why, size) && ct_nccl_present(why, size);
}

static const struct ct_param params[] = {
	{.name = "bytes",
	 .type = CT_PARAM_SIZE,
	 .offset = offsetof(struct options, bytes),
	 .fallback = "4M",
	 .min = "4",
	 .max = "16G",
	 .help = "size of a rank's buffer, nccl-tests' size"},
	{.name = "type",
	 .type = CT_PARAM_CHOICE,
	 .offset = offsetof(struct options, type),
	 .fallback = "float32",
	 .choices = type_names,
	 .help = "of the elements"},
	{.name = "verify_every",
	 .type = CT_PARAM_COUNT,
	 .offset = offsetof(struct options, verify_every),
	 .fallback = "64",
	 .min = "0",
	 .max = "1000000",
	 .help = "after every so many all-reduces 64 KiB of the result are checked; 0: only at "
		 "the start"},
	{.name = "patience",
	 .type = CT_PARAM_TIME,
	 .offset = offsetof(struct options, patience_ns),
	 .fallback = "30s",
	 .min = "1s",
	 .max = "50s",
	 .help = "how long to wait for other ranks, to join and in one all-reduce"},
	{0},
};

const struct ct_victim_ops ct_bench_nccl_allreduce = {
	.name = "nccl_allreduce",
	.summary = "NCCL's all-reduce (sum) over several GPUs, one rank a process",
	.unit = "ns",
	.sample = "one ncclAllReduce on rank 0 until its stream is empty, the others being in it",
	.stresses =
		CT_RES_NETWORK | CT_RES_PCIE | CT_RES_GPU_SM | CT_RES_GPU_MEMORY | CT_RES_GPU_FRONT,
	.params = params,
	.options_size = sizeof(struct options),
	.available = available,
	.setup = setup,
	.connect = connect_victim,
	.operate_timed = operate_timed,
	.failure = failure,
	.teardown = teardown,
	.counters = counters,
	.read_counters = read_counters,
	.peer = &other_ranks,
};
