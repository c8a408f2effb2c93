/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a GPU that a context may use: green contexts and MPS. Used by device.c alone. */
#ifndef COTENANT_GPU_SHARE_H
#define COTENANT_GPU_SHARE_H

#include "harness/gpu/device.h"
#include "harness/gpu/where.h"

/* After the primary context is current: makes the part that is asked for the current one, and
 * reads back what is in force. What it made is in `gpu` also on failure, for ct_gpu_close. */
bool ct_gpu_share(struct ct_gpu *gpu, const struct ct_gpu_where *where, struct ct_error *err);

#endif
