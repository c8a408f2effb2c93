/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What collectives share: ranks, their memory, the loop that peers serve in, the check of results,
 * and bandwidth as nccl-tests defines it. A collective adds how its messages go (`run`) and what
 * its result is (`expected`). Every rank uses the same code; rank 0 is the victim.
 */
#ifndef COTENANT_NET_COLLECTIVE_H
#define COTENANT_NET_COLLECTIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/clock.h"
#include "harness/core/counter.h"
#include "harness/net/buffers.h"
#include "harness/net/transport.h"
#include "harness/place/place.h"

/* A segment on its way is at most so many messages ahead of the sum. */
enum { CT_COLLECTIVE_STAGES = 8 };

struct ct_collective;

struct ct_collective_kind {
	const char *name;
	uint32_t (*neighbours)(unsigned rank, unsigned n_ranks);
	/* One iteration of this rank. False: see ct_collective_failure. */
	bool (*run)(struct ct_collective *self);
	/* Element `i` of rank `rank`'s result. */
	float (*expected)(const struct ct_collective *self, size_t i);
	/* nccl-tests' busbw over algbw. */
	double (*bus_factor)(unsigned n_ranks);
	bool equal_blocks; /* every rank's part must have the same size */
};

struct ct_collective {
	const struct ct_collective_kind *kind;
	struct ct_transport *transport;
	unsigned rank, n_ranks;
	size_t count, chunk; /* float32: of the whole buffer, of one message at most */
	const float *in;     /* this rank's contribution; never written after setup */
	float *out;          /* the result */
	float *stage[CT_COLLECTIVE_STAGES];
	struct ct_buffers *buffers; /* what all of these lie in */
	struct ct_error error;      /* why the buffers failed; CT_OK: they did not */
	const atomic_bool *stop;
	const struct ct_clock *clock;
	unsigned patience; /* slices without a byte after which it gives up; 0: waits for ever */
	bool timed_out, stopped;

	uint64_t iterations, ticks; /* all so far */
	uint64_t seen_iterations, seen_ticks;
	size_t window; /* where the next check begins */
	size_t wrong;  /* 1 + the element that was found to be wrong; 0: none */
	float wrong_value;
	float scratch[CT_BUFFERS_WINDOW]; /* what is to be put into the buffers */
};

/* algbw, busbw and how much was checked. */
extern const struct ct_counter ct_collective_counters[];

struct ct_collective_env {
	unsigned rank, n_ranks;
	const struct ct_place *place;
	const struct ct_clock *clock; /* NULL: not timed */
	const char *address;          /* NULL for rank 0 */
	const char *token, *nic, *gpu;
	size_t bytes, chunk; /* of a rank's buffer; of a message at most */
	const struct ct_buffers_ops *buffers;
	const struct ct_transport_ops *transport;
	const void *transport_options;
	const atomic_bool *stop;
};

bool ct_collective_open(const struct ct_collective_kind *kind, const struct ct_collective_env *env,
			char text[CT_ENDPOINT_MAX], struct ct_collective **self,
			struct ct_error *err);
bool ct_collective_connect(struct ct_collective *self, const char *const *texts,
			   struct ct_error *err);
/* Runs one iteration and checks all of its result; on every rank, once all have connected. */
bool ct_collective_rehearse(struct ct_collective *self, struct ct_error *err);
/* One iteration, its time noted. */
bool ct_collective_iterate(struct ct_collective *self);
/* What ended it. */
void ct_collective_failure(const struct ct_collective *self, struct ct_error *err);
/* Iterates with whoever comes until *stop; for peers. */
bool ct_collective_serve(struct ct_collective *self, struct ct_error *err);
/*
 * Values of ct_collective_counters since the last call. Checks the next window of the result and
 * spoils it, so that the next check sees whether it has been written again.
 */
void ct_collective_count(struct ct_collective *self, double *values);
void ct_collective_close(struct ct_collective *self);

/* For `run`: progress with patience; false when there was none for too long, or no more is. */
bool ct_collective_progress(struct ct_collective *self);
/*
 * For `run`: out = in + other, out = in; where the buffers are. Begun when these return, done once
 * ct_collective_finish has. False: see ct_collective_failure.
 */
bool ct_collective_add(struct ct_collective *self, float *out, const float *in, const float *other,
		       size_t n);
bool ct_collective_copy(struct ct_collective *self, float *out, const float *in, size_t n);
bool ct_collective_finish(struct ct_collective *self);
/* For `run`: messages have arrived that are about to be read, or are the result. */
bool ct_collective_arrived(struct ct_collective *self);
/* Element `i` of rank `rank`'s contribution: a small whole number, so that sums are exact. */
float ct_collective_input(unsigned rank, size_t i);

#endif
