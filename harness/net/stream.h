/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole messages over a TCP connection, as victims and their other ends send and receive them.
 * Sockets return every 100 ms, so that a peer that hangs is noticed and a stop is obeyed.
 */
#ifndef COTENANT_NET_STREAM_H
#define COTENANT_NET_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"

enum {
	CT_STREAM_SLICE_US = 100000,
	CT_STREAM_PATIENCE = 50 /* slices without a byte before a peer counts as silent: 5 s */
};

enum ct_stream_outcome {
	CT_STREAM_GOOD,
	CT_STREAM_CLOSED,
	CT_STREAM_SILENT,
	CT_STREAM_STOPPED,
	CT_STREAM_FAILED
};

struct ct_stream {
	int fd;
	const atomic_bool *stop;
	enum ct_stream_outcome outcome;
	int error;
	char *buffer; /* holds the largest message */
};

/* The slices of its socket, no Nagle, and busy polling where `busy_poll_ns` is not 0. */
bool ct_stream_configure(int fd, uint64_t busy_poll_ns, struct ct_error *err);
/* SO_BUSY_POLL, in whole microseconds; 0: nothing is changed. */
bool ct_busy_poll(int fd, uint64_t busy_poll_ns, struct ct_error *err);
/* False: see `outcome`. `patience` 0 waits for ever. */
bool ct_stream_send(struct ct_stream *stream, size_t size);
bool ct_stream_receive(struct ct_stream *stream, size_t size, int patience);
/*
 * After a call that moved no byte: may one go on? `waited` counts slices; else `outcome` says why.
 */
bool ct_stream_may_retry(struct ct_stream *stream, int *waited, int patience);
/* The outcome in words: "tcp_rr: the peer 10.0.0.2:4000 closed the connection". */
void ct_stream_failure(const struct ct_stream *stream, const char *who, const char *peer,
		       struct ct_error *err);
/* A buffer of the larger of two sizes, touched so that no page of it faults later. */
char *ct_stream_buffer(size_t one, size_t other);

#endif
