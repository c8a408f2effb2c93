/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a GPU says of itself, epoch by epoch: clocks, power and energy, temperature, why clocks were
 * kept low, memory errors, replays on the PCIe link; and, where the chip has GPM counters, how busy
 * its parts were and how often it changed from one context to another: of the whole GPU, and of the
 * MIG instance if the tenant has one.
 *
 * The table is made of what this device answers when it is opened. A question that fails later is
 * not asked again; after a GPU is lost none is. Calls may take milliseconds, and on a GPU that has
 * died much longer: not for a thread that must not wait.
 */
#ifndef COTENANT_GPU_COUNTERS_H
#define COTENANT_GPU_COUNTERS_H

#include <stdbool.h>

#include "harness/core/counter.h"

struct ct_gpu_counters;

/* `gpu` as in where.h, `nic` what near:nic means. NULL: no NVML, no such GPU, or it answers
 * nothing: no error. */
struct ct_gpu_counters *ct_gpu_counters_open(const char *gpu, const char *nic);
/* Ends with {0}; lives as long as the counters. */
const struct ct_counter *ct_gpu_counters_table(const struct ct_gpu_counters *counters);
/* What is an average over time begins here. */
void ct_gpu_counters_begin(struct ct_gpu_counters *counters);
/* One value for each entry of the table; NaN where there is none. */
void ct_gpu_counters_read(struct ct_gpu_counters *counters, double *values);
void ct_gpu_counters_close(struct ct_gpu_counters *counters);

#endif
