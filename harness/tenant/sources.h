/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the counters of an epoch come from: the victim itself (bench.h), and the devices that the
 * tenant names, which the worker's control thread asks whenever an epoch has closed. It runs on a
 * CPU that is neither victim's nor aggressor's, so a device that answers slowly delays nobody.
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
	const char *name;                  /* "nic", "gpu": as in the file */
	size_t device_offset;              /* the member of struct ct_worker that names one */
	const struct ct_counter *counters; /* ends with {0} */
	/* False: this device has no counters here, which is no error. */
	bool (*open)(const char *device, void **state);
	void (*read)(void *state, double *values); /* one each; NaN where it can't be read */
	void (*close)(void *state);
};

extern const struct ct_counter_source ct_source_nic;

/* All counters of one victim's worker, its own first. */
struct ct_sampler {
	const struct ct_counter *own; /* of the victim; NULL: none */
	size_t n_own, n;
	struct {
		const struct ct_counter_source *source;
		void *state;
		size_t n;
		double before[CT_COUNTERS_MAX];
	} devices[4];
	size_t n_devices;
};

void ct_sampler_open(struct ct_sampler *sampler, const struct ct_worker *worker,
		     const struct ct_counter *own);
void ct_sampler_close(struct ct_sampler *sampler);
/* What the counters are, for READY: an array of [source, name, unit, what]. */
json_t *ct_sampler_describe(const struct ct_sampler *sampler);
/* Totals start to count here. */
void ct_sampler_begin(struct ct_sampler *sampler);
/* `own` are the victim's values of the epoch; fills `values`, sampler->n of them. */
void ct_sampler_read(struct ct_sampler *sampler, const double *own, double *values);

#endif
