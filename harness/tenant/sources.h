/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the counters of an epoch come from: the victim itself (bench.h), the devices that the
 * tenant names, and the kernel's counts of the whole machine, which the worker's control thread
 * asks whenever an epoch has closed. It runs on a CPU that is neither victim's nor aggressor's, so
 * a device that answers slowly delays nobody.
 */
#ifndef COTENANT_TENANT_SOURCES_H
#define COTENANT_TENANT_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "harness/core/counter.h"
#include "harness/tenant/worker.h"

/* A kind of device that has counters; one line each in sources.c. */
struct ct_counter_source {
	const char *name; /* "nic", "gpu", "host": as in the file */
	/*
	 * `device` is what the victim says it opened, NULL: none. False: the tenant has no such
	 * device, or it has no counters here, which is no error. `*table` ends with {0} and lives
	 * as long as the state.
	 */
	bool (*open)(const struct ct_worker *worker, const json_t *device, void **state,
		     const struct ct_counter **table);
	void (*begin)(void *state); /* averages over time begin here; NULL: it has none */
	void (*read)(void *state, double *values); /* one each; NaN where it can't be read */
	void (*close)(void *state);
};

extern const struct ct_counter_source ct_source_nic, ct_source_gpu, ct_source_host;

/* All counters of one victim's worker, its own first. */
struct ct_sampler {
	const struct ct_counter *own; /* of the victim; NULL: none */
	size_t n_own, n;
	struct {
		const struct ct_counter_source *source;
		const struct ct_counter *counters;
		void *state;
		size_t n;
		double before[CT_COUNTERS_MAX];
	} devices[4];
	size_t n_devices;
};

void ct_sampler_open(struct ct_sampler *sampler, const struct ct_worker *worker,
		     const json_t *device, const struct ct_counter *own);
void ct_sampler_close(struct ct_sampler *sampler);
/* What the counters are, for READY: an array of [source, name, unit, what]. */
json_t *ct_sampler_describe(const struct ct_sampler *sampler);
/* Totals start to count here. */
void ct_sampler_begin(struct ct_sampler *sampler);
/*
 * A total whose reading failed is in the next that does not. `own` are the victim's values of the
 * epoch; fills `values`, sampler->n of them.
 */
void ct_sampler_read(struct ct_sampler *sampler, const double *own, double *values);

#endif
