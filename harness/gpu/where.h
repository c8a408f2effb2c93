/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GPU of a tenant, as `gpu =` names it. Which one, then what of it, after slashes:
 *
 *   0  gpu0               by index, in the order of PCI addresses (as nvidia-smi counts)
 *   GPU-5fb1c0de-...      by UUID, or as much of it as is unique
 *   MIG-5fb1c0de-...      a MIG device
 *   0000:41:00.0          by PCI address
 *   near:eth0  near:mlx5_0  near:nic    the one closest to a network or RDMA device; `nic` is the
 *                         tenant's own
 *   mig:1g.10gb  mig:1g.10gb:2          the first (or third: counted from 0) MIG device of a
 * profile
 *
 *   .../sms:0-63          a green context on these multiprocessors
 *   .../mps:50%           an MPS client that may use this share of the threads
 *   .../priority:high     of its stream: high, low, or the driver's number (lower comes first)
 *
 * Two tenants of one GPU name ranges of the same division (sms:0-63 and sms:64-127).
 */
#ifndef COTENANT_GPU_WHERE_H
#define COTENANT_GPU_WHERE_H

#include <stdbool.h>

#include "harness/core/error.h"

enum ct_gpu_by {
	CT_GPU_BY_INDEX,
	CT_GPU_BY_UUID,
	CT_GPU_BY_PCI,
	CT_GPU_BY_NEAR,
	CT_GPU_BY_PROFILE
};
enum ct_gpu_priority {
	CT_GPU_PRIORITY_DEFAULT,
	CT_GPU_PRIORITY_HIGH,
	CT_GPU_PRIORITY_LOW,
	CT_GPU_PRIORITY_NUMBER
};

struct ct_gpu_where {
	enum ct_gpu_by by;
	unsigned index; /* the GPU's, or among the MIG devices of a profile */
	char name[96];  /* UUID, PCI address, device or profile */
	bool is_mig;    /* a UUID or a profile of MIG devices */

	bool has_sms;
	unsigned first_sm, last_sm;
	double mps_percent; /* 0: none asked for */
	enum ct_gpu_priority priority;
	int priority_number;
};

/* `text` may be NULL or "": the first GPU, all of it. Usage errors. */
bool ct_gpu_where_parse(struct ct_gpu_where *where, const char *text, struct ct_error *err);

#endif
