/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What else happened on the victim's CPUs during an epoch, read from /proc and /sys by the worker's
 * control thread, which runs elsewhere: the measuring thread itself never calls the kernel.
 */
#ifndef COTENANT_TENANT_COVARIATES_H
#define COTENANT_TENANT_COVARIATES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/place/place.h"
#include "harness/core/measurement.h"
#include "harness/tenant/kernel_file.h"

/* Running totals; NaN where the kernel does not tell. */
struct ct_covariates {
	double steal_ns;
	double involuntary_switches, voluntary_switches;
	double minor_faults, major_faults;
	double interrupts;
	double frequency_hz; /* not a total: the value now */
};

/* State of one sampler: it stops reading /proc/interrupts where that is too slow to be harmless. */
struct ct_covariate_sampler {
	const struct ct_place *place;
	struct ct_kernel_file stat, interrupts, thread_status, thread_stat, frequency;
	uint64_t interrupts_cost_ns;
};

/*
 * Of the CPUs of `place`, which must outlive it, and of one thread of this process. `sparing`
 * leaves out /proc/interrupts, which costs as much as all the others together: for a victim that
 * rests.
 */
void ct_covariates_open(struct ct_covariate_sampler *sampler, const struct ct_place *place,
			pid_t thread, bool sparing);
/* Harmless on one that is zero. */
void ct_covariates_close(struct ct_covariate_sampler *sampler);

void ct_covariates_read(struct ct_covariate_sampler *sampler, struct ct_covariates *now);
/* Fills the covariate columns of `row` with now minus before. */
void ct_covariates_delta(const struct ct_covariates *before, const struct ct_covariates *now,
			 struct ct_epoch_row *row);

/* Nanoseconds that a thread has waited in a run queue, from its schedstat; false if unreadable. */
bool ct_thread_waiting_ns(pid_t thread, double *waiting_ns);
/* Total time this process's CPU cgroup has been throttled by its quota, ns; 0 where there is none.
 */
double ct_throttled_ns(void);

#endif
