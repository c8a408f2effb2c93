/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/collective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATIENCE_SLICES = 50, /* 50 slices of 100 ms without a byte: 5 s */
	REHEARSAL_SLICES = 150,
	GRACE_SLICES = 10, /* how long a rank's own worker has to tell first why it ended */
	LINE = 64,
	MOST_CHUNKS = 1 << 16,
	WINDOW = CT_BUFFERS_WINDOW /* elements checked when an epoch closes: some 100 us */
};

const struct ct_counter ct_collective_counters[] = {
	{"algbw", "B/s", "bytes over mean time of an iteration (nccl-tests' algbw)",
	 CT_COUNTER_LEVEL},
	{"busbw", "B/s", "algbw times the collective's factor (nccl-tests' busbw)",
	 CT_COUNTER_LEVEL},
	{"verified", "B", "bytes of the result that were checked when the epoch closed",
	 CT_COUNTER_LEVEL},
	{0},
};

float ct_collective_input(unsigned rank, size_t i)
{
	return (float)((i % 1021 + 1) * (rank + 1) % 1021);
}

static size_t lines(size_t bytes)
{
	return (bytes + LINE - 1) / LINE * LINE;
}

static size_t window_end(const struct ct_collective *self, size_t from)
{
	return self->count - from < WINDOW ? self->count : from + WINDOW;
}

static bool put_contribution(struct ct_collective *self, float *in, struct ct_error *err)
{
	for (size_t from = 0, to; from < self->count; from = to) {
		to = window_end(self, from);
		for (size_t i = from; i < to; i++)
			self->scratch[i - from] = ct_collective_input(self->rank, i);
		if (!self->buffers->ops->put(self->buffers, in + from, self->scratch, to - from,
					     err))
			return false;
	}
	return true;
}

/* in, out and the stages, one after the other, each from a line of its own. */
static bool open_buffers(struct ct_collective *self, const struct ct_collective_env *env,
			 struct ct_error *err)
{
	const size_t buffer = lines(self->count * sizeof(float));
	const size_t stage = lines(self->chunk * sizeof(float));
	const struct ct_buffers_setup setup = {.place = env->place,
					       .gpu = env->gpu,
					       .nic = env->nic,
					       .bytes = 2 * buffer + CT_COLLECTIVE_STAGES * stage};
	char *at;

	if (!env->buffers->open(&setup, &self->buffers, err))
		return false;
	at = self->buffers->base;
	self->in = (float *)(void *)at;
	self->out = (float *)(void *)(at + buffer);
	for (unsigned i = 0; i < CT_COLLECTIVE_STAGES; i++)
		self->stage[i] = (float *)(void *)(at + 2 * buffer + i * stage);
	return put_contribution(self, (float *)(void *)at, err);
}

static bool set_sizes(struct ct_collective *self, const struct ct_collective_env *env,
		      struct ct_error *err)
{
	const size_t count = env->bytes / sizeof(float);

	self->count = self->kind->equal_blocks ? count / self->n_ranks * self->n_ranks : count;
	self->chunk = env->chunk / sizeof(float);
	if (self->chunk > count)
		self->chunk = count;
	if (self->chunk > 0 && self->count / self->chunk > MOST_CHUNKS)
		return ct_usage(err, "chunk = %zu: the buffer would be %zu messages, more than %d",
				env->chunk, self->count / self->chunk, MOST_CHUNKS);
	return self->count >= self->n_ranks ||
	       ct_usage(err, "bytes = %zu: %u ranks need at least %zu, a float32 for each",
			env->bytes, self->n_ranks, self->n_ranks * sizeof(float));
}

static bool open_transport(struct ct_collective *self, const struct ct_collective_env *env,
			   char text[CT_ENDPOINT_MAX], struct ct_error *err)
{
	const struct ct_transport_setup setup = {
		.rank = self->rank,
		.n_ranks = self->n_ranks,
		.neighbours = self->kind->neighbours(self->rank, self->n_ranks),
		.address = env->address,
		.token = env->token,
		.nic = env->nic,
		.memory = self->buffers->base,
		.bytes = self->buffers->bytes,
		.gpu = self->buffers->gpu,
		.largest = self->chunk * sizeof(float),
		.place = env->place,
		.options = env->transport_options,
		.stop = env->stop,
	};

	return env->transport->open(&setup, text, &self->transport, err);
}

bool ct_collective_open(const struct ct_collective_kind *kind, const struct ct_collective_env *env,
			char text[CT_ENDPOINT_MAX], struct ct_collective **out,
			struct ct_error *err)
{
	struct ct_collective *self = calloc(1, sizeof *self);

	if (!self)
		return ct_broken_errno(err, "no memory for its state");
	self->kind = kind;
	self->rank = env->rank;
	self->n_ranks = env->n_ranks;
	self->stop = env->stop;
	self->clock = env->clock;
	if (!set_sizes(self, env, err) || !open_buffers(self, env, err) ||
	    !open_transport(self, env, text, err)) {
		ct_collective_close(self);
		return false;
	}
	*out = self;
	return true;
}

void ct_collective_close(struct ct_collective *self)
{
	if (self->transport)
		self->transport->ops->close(self->transport);
	if (self->buffers)
		self->buffers->ops->close(self->buffers);
	free(self);
}

bool ct_collective_progress(struct ct_collective *self)
{
	unsigned idle = 0;

	for (;;) {
		enum ct_progress progress = self->transport->ops->progress(self->transport);

		if (progress != CT_PROGRESS_IDLE)
			return progress == CT_PROGRESS_MOVED;
		self->stopped = atomic_load_explicit(self->stop, memory_order_relaxed);
		self->timed_out = self->patience > 0 && ++idle >= self->patience;
		if (self->stopped || self->timed_out)
			return false;
	}
}

bool ct_collective_add(struct ct_collective *self, float *out, const float *in, const float *other,
		       size_t n)
{
	return self->buffers->ops->add(self->buffers, out, in, other, n, &self->error);
}

bool ct_collective_copy(struct ct_collective *self, float *out, const float *in, size_t n)
{
	return self->buffers->ops->copy(self->buffers, out, in, n, &self->error);
}

bool ct_collective_finish(struct ct_collective *self)
{
	return self->buffers->ops->finish(self->buffers, &self->error);
}

bool ct_collective_arrived(struct ct_collective *self)
{
	return self->buffers->ops->arrived(self->buffers, &self->error);
}

/* Looks at elements `from` to `to` of the result, at most a window of them; the first wrong one is
 * kept. */
static bool check(struct ct_collective *self, size_t from, size_t to)
{
	const float *seen = NULL;

	if (!self->buffers->ops->look(self->buffers, self->out + from, to - from, &seen,
				      &self->error))
		return false;
	for (size_t i = from; i < to; i++) {
		if (seen[i - from] == self->kind->expected(self, i))
			continue;
		self->wrong = i + 1;
		self->wrong_value = seen[i - from];
		return false;
	}
	return true;
}

static bool spoil(struct ct_collective *self, size_t from, size_t to)
{
	for (size_t i = 0; i < to - from; i++)
		self->scratch[i] = NAN;
	return self->buffers->ops->put(self->buffers, self->out + from, self->scratch, to - from,
				       &self->error);
}

/* All of the result, window by window. */
static bool for_all(struct ct_collective *self,
		    bool (*step)(struct ct_collective *self, size_t from, size_t to))
{
	for (size_t from = 0; from < self->count; from = window_end(self, from)) {
		if (!step(self, from, window_end(self, from)))
			return false;
	}
	return true;
}

/* 0 slices: until it comes. */
static void wait_for_stop(const struct ct_collective *self, unsigned slices)
{
	const struct timespec slice = {.tv_nsec = CT_TRANSPORT_SLICE_MS * 1000000L};

	for (unsigned i = 0; slices == 0 || i < slices; i++) {
		if (atomic_load_explicit(self->stop, memory_order_relaxed))
			return;
		nanosleep(&slice, NULL);
	}
}

/*
 * One iteration. A connection that ends tells that another rank has gone, not why. That rank's own
 * worker knows it (a signal, its last words), so it is given the time to be heard first.
 */
static bool run(struct ct_collective *self)
{
	if (self->kind->run(self))
		return true;
	if (self->transport->outcome == CT_TRANSPORT_CLOSED)
		wait_for_stop(self, GRACE_SLICES);
	return false;
}

bool ct_collective_connect(struct ct_collective *self, const char *const *texts,
			   struct ct_error *err)
{
	/* A peer's thread is another than the one that has opened the buffers. */
	return (self->buffers->ops->use(self->buffers, err) &&
		self->transport->ops->connect(self->transport, texts, err)) ||
	       ct_error_in(err, "%s", self->kind->name);
}

bool ct_collective_rehearse(struct ct_collective *self, struct ct_error *err)
{
	self->patience = REHEARSAL_SLICES;
	if (!for_all(self, spoil) || !run(self) || !for_all(self, check)) {
		ct_collective_failure(self, err);
		return false;
	}
	self->patience = self->rank == 0 ? PATIENCE_SLICES : 0;
	return true;
}

bool ct_collective_iterate(struct ct_collective *self)
{
	const uint64_t begin = ct_ticks(self->clock);

	if (self->wrong || self->error.kind != CT_OK || !run(self))
		return false;
	self->ticks += ct_ticks_end(self->clock) - begin;
	self->iterations++;
	return true;
}

void ct_collective_failure(const struct ct_collective *self, struct ct_error *err)
{
	if (self->wrong)
		ct_broken(err, "rank %u: element %zu of the result is %g, not %g", self->rank,
			  self->wrong - 1, (double)self->wrong_value,
			  (double)self->kind->expected(self, self->wrong - 1));
	else if (self->error.kind != CT_OK)
		ct_broken(err, "rank %u: %s", self->rank, self->error.text);
	else if (self->stopped)
		ct_broken(err, "rank %u: stopped while waiting for the other ranks", self->rank);
	else if (self->timed_out)
		ct_broken(err, "rank %u: nothing has moved for %u s; another rank hangs",
			  self->rank, self->patience * CT_TRANSPORT_SLICE_MS / 1000);
	else
		ct_transport_failure(self->transport, err);
	ct_error_in(err, "%s", self->kind->name);
}

/*
 * The next iteration is begun as soon as the last one is done, so rank 0 finds all others in it.
 * A connection that ends is the end of the workload, or of a rank, whose own worker tells why.
 */
bool ct_collective_serve(struct ct_collective *self, struct ct_error *err)
{
	while (self->kind->run(self)) {
	}
	if (self->stopped)
		return true;
	if (self->transport->outcome == CT_TRANSPORT_CLOSED) {
		wait_for_stop(self, 0);
		return true;
	}
	ct_collective_failure(self, err);
	return false;
}

/* The windows go round, so that after some epochs all of the result has been checked. */
static double check_window(struct ct_collective *self)
{
	const size_t from = self->window;
	const size_t to = window_end(self, from);

	if (!check(self, from, to) || !spoil(self, from, to))
		return 0;
	self->window = to == self->count ? 0 : to;
	return (double)((to - from) * sizeof(float));
}

void ct_collective_count(struct ct_collective *self, double *values)
{
	const double iterations = (double)(self->iterations - self->seen_iterations);
	const double ns = ct_ticks_to_ns(self->clock, self->ticks - self->seen_ticks);
	const double bytes = (double)(self->count * sizeof(float));

	values[0] = values[1] = NAN;
	values[2] = 0;
	if (iterations == 0)
		return;
	values[0] = bytes * iterations / ns * 1e9;
	values[1] = values[0] * self->kind->bus_factor(self->n_ranks);
	/* What failed first is the reason; a look would fail as well, and say less. */
	if (self->error.kind == CT_OK)
		values[2] = check_window(self);
	self->seen_iterations = self->iterations;
	self->seen_ticks = self->ticks;
}
