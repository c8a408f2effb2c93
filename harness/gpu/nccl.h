/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's collective library NCCL, loaded when it is there: one communicator, of which this
 * process is one rank. Types and values are declared here anew, as nccl.h documents them.
 *
 * Everything that waits for other ranks gives up in time, where the library lets it: from NCCL 2.14
 * on a communicator is made without blocking and asked how far it is. Before, ncclCommInitRank
 * holds the thread until all ranks have come, and only the worker's own deadline ends that.
 */
#ifndef COTENANT_GPU_NCCL_H
#define COTENANT_GPU_NCCL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/core/error.h"
#include "harness/gpu/device.h"

enum { CT_NCCL_ID_BYTES = 128, CT_NCCL_VERSION_TEXT = 40 };
struct ct_nccl_id { /* ncclUniqueId: goes by value */
	unsigned char bytes[CT_NCCL_ID_BYTES];
};
_Static_assert(sizeof(struct ct_nccl_id) == CT_NCCL_ID_BYTES, "the ABI of ncclUniqueId");

/* ncclDataType_t: the values that somebody here asks for. */
enum ct_nccl_type { CT_NCCL_FLOAT16 = 6, CT_NCCL_FLOAT32 = 7, CT_NCCL_BFLOAT16 = 9 };

struct ct_nccl; /* the library, and this rank of a communicator once it is joined */

/* How long to wait for other ranks, and how. */
struct ct_nccl_wait {
	uint64_t patience_ns;    /* 0: for ever */
	const atomic_bool *stop; /* gives up when it is set */
	bool yields;             /* lets others have the CPU between two looks */
};

enum ct_nccl_end {
	CT_NCCL_DONE,
	CT_NCCL_STOPPED, /* *stop was set */
	CT_NCCL_REMOTE,  /* another rank has left or failed: its own process knows why */
	CT_NCCL_FAILED
};

/*
 * The library that the environment variable COTENANT_NCCL names, else libnccl.so.2; version 2.10 or
 * later. NULL, and why. What it prints goes to standard error, because a worker's standard output
 * carries its frames.
 */
struct ct_nccl *ct_nccl_open(struct ct_error *err);
/* Leaves the communicator, whatever the others do; before the stream and its memory go. NULL is
 * fine. */
void ct_nccl_close(struct ct_nccl *nccl);
/* Whether the library is there: for `available` of a workload. Runs nothing of it. */
bool ct_nccl_present(char *why, size_t size);

int ct_nccl_version(const struct ct_nccl *nccl); /* 22703: 2.27.3 */
const char *ct_nccl_version_text(int version, char out[CT_NCCL_VERSION_TEXT]);

/* For one rank, which tells all others. */
bool ct_nccl_make_id(struct ct_nccl *nccl, struct ct_nccl_id *id, struct ct_error *err);
/* All ranks at the same time, each with the context of its GPU current. Waits for them. */
bool ct_nccl_join(struct ct_nccl *nccl, const struct ct_nccl_id *id, unsigned rank,
		  unsigned n_ranks, const struct ct_nccl_wait *wait, struct ct_error *err);

/* Submits the sum of all ranks' `from` into everybody's `to`; all but CT_NCCL_DONE say why. */
enum ct_nccl_end ct_nccl_all_reduce(struct ct_nccl *nccl, const struct ct_gpu *gpu,
				    ct_cu_address from, ct_cu_address to, size_t count,
				    enum ct_nccl_type type, const struct ct_nccl_wait *wait,
				    struct ct_error *err);
/*
 * Waits until the stream is empty, polling as nccl-tests does: a stream that waits for a rank that
 * is gone never ends, and a call that blocks on it would not either.
 */
enum ct_nccl_end ct_nccl_finish(struct ct_nccl *nccl, const struct ct_gpu *gpu,
				const struct ct_nccl_wait *wait, struct ct_error *err);

#endif
