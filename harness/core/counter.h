/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named values that go with every epoch: what a device said while the victim ran. A victim that
 * sees its device from inside has some of its own (bench.h); the tenant's GPU and network function
 * have others, which the worker's control thread reads. The file keeps one value per counter and
 * epoch.
 */
#ifndef COTENANT_CORE_COUNTER_H
#define COTENANT_CORE_COUNTER_H

enum ct_counter_kind {
	CT_COUNTER_LEVEL, /* a value of that time or that epoch: stored as it is read */
	CT_COUNTER_TOTAL  /* a running total: stored as its increase over the epoch */
};

struct ct_counter {
	const char *name; /* "device_p99", "tx_dropped": lower case with underscores; NULL ends */
	const char *unit; /* as in SCHEMA.md: "ns", "1", "Hz", "W" */
	const char *what; /* one line, no full stop */
	enum ct_counter_kind kind;
};

/* Of one victim or one device; bounds a frame and a row of the recorder. */
enum { CT_COUNTERS_MAX = 128 };

#endif
