/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a rank of a collective has its data, and what is done with it there: memory of the host
 * (buffers.c), or of a GPU, which only the victims' side knows (bench/gpu_buffers.h). Addresses of
 * elements are `float *` either way; only who made them dereferences them.
 */
#ifndef COTENANT_NET_BUFFERS_H
#define COTENANT_NET_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/core/error.h"
#include "harness/net/transport.h"
#include "harness/place/place.h"

enum { CT_BUFFERS_WINDOW = 16384 /* elements that are looked at or put at a time, at most */ };

/* The part that all kinds share; each has its own behind it. */
struct ct_buffers {
	const struct ct_buffers_ops *ops;
	void *base;
	size_t bytes;
	const struct ct_gpu_memory *gpu; /* NULL: the host's */
};

struct ct_buffers_setup {
	const struct ct_place *place;
	const char *gpu, *nic; /* as the tenant names them; NULL: none */
	size_t bytes;
};

/* All but open and close are called on the thread that has called `use`, and fail with a reason. */
struct ct_buffers_ops {
	/* On failure nothing is left behind. Aligned to pages; contents are anything. */
	bool (*open)(const struct ct_buffers_setup *setup, struct ct_buffers **buffers,
		     struct ct_error *err);
	bool (*use)(struct ct_buffers *self, struct ct_error *err);
	/* At most CT_BUFFERS_WINDOW elements, from memory of the host. */
	bool (*put)(struct ct_buffers *self, float *to, const float *from, size_t n,
		    struct ct_error *err);
	/* As many, where the host can read them until the next call. */
	bool (*look)(struct ct_buffers *self, const float *at, size_t n, const float **seen,
		     struct ct_error *err);
	/* out = in + other; out = in. Begun when they return, done when `finish` has returned. */
	bool (*add)(struct ct_buffers *self, float *out, const float *in, const float *other,
		    size_t n, struct ct_error *err);
	bool (*copy)(struct ct_buffers *self, float *out, const float *in, size_t n,
		     struct ct_error *err);
	bool (*finish)(struct ct_buffers *self, struct ct_error *err);
	/* After messages have arrived, before anything of the above reads them. */
	bool (*arrived)(struct ct_buffers *self, struct ct_error *err);
	void (*close)(struct ct_buffers *self);
};

extern const struct ct_buffers_ops ct_host_buffers;

#endif
