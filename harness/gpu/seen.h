/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device saw of a victim's operations: their times by its own clocks, kept for the open
 * epoch and handed out as counters when it closes. A host that is slow to submit or to notice shows
 * in the latency alone; a device that was busy with somebody else shows in both.
 */
#ifndef COTENANT_GPU_SEEN_H
#define COTENANT_GPU_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/core/counter.h"
#include "harness/core/error.h"

struct ct_gpu_seen {
	uint32_t *counts; /* CT_HIST_BUCKETS; those outside min..max are zero */
	uint64_t n, min_ps, max_ps;
	double sum_ps;
};

bool ct_gpu_seen_init(struct ct_gpu_seen *seen, struct ct_error *err);
void ct_gpu_seen_free(struct ct_gpu_seen *seen);
void ct_gpu_seen_clear(struct ct_gpu_seen *seen);
void ct_gpu_seen_add(struct ct_gpu_seen *seen, double ns);

/* The counters, and their values, in this order; NaN where nothing was seen. Begins anew. */
enum { CT_GPU_SEEN_COUNTERS = 6 };
#define CT_GPU_SEEN_LIST                                                                        \
	{"device_min", "ns", "shortest operation as the device timed it", CT_COUNTER_LEVEL},    \
		{"device_mean", "ns", "mean of the operations that the device timed",           \
		 CT_COUNTER_LEVEL},                                                             \
		{"device_p50", "ns", "median of the operations that the device timed",          \
		 CT_COUNTER_LEVEL},                                                             \
		{"device_p99", "ns", "99th percentile of the operations that the device timed", \
		 CT_COUNTER_LEVEL},                                                             \
		{"device_max", "ns", "longest operation as the device timed it",                \
		 CT_COUNTER_LEVEL},                                                             \
	{                                                                                       \
		"device_count", "1", "operations that the device timed", CT_COUNTER_LEVEL       \
	}
void ct_gpu_seen_read(struct ct_gpu_seen *seen, double *values);

#endif
