/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collective's buffers in memory of the tenant's GPU (harness/net/buffers.h), which an adapter
 * reads and writes over PCIe. Messages are added up by a kernel; the CPU waits for it before the
 * sum goes on, as the adapter must not read what is still being written.
 */
#ifndef COTENANT_BENCH_GPU_BUFFERS_H
#define COTENANT_BENCH_GPU_BUFFERS_H

#include <jansson.h>

#include "harness/net/buffers.h"

extern const struct ct_buffers_ops ct_gpu_buffers;

/* What is in force of the GPU (ct_gpu_json). */
json_t *ct_gpu_buffers_json(const struct ct_buffers *buffers);

#endif
