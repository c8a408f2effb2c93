/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is heard, epoch by epoch: whether a neighbour has come or gone, how loud it is, whom it is
 * like. Everything is kept in windows of fixed length, however long one listens.
 */
#ifndef COTENANT_LISTEN_HEARING_H
#define COTENANT_LISTEN_HEARING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/campaign/job.h"
#include "harness/core/measurement.h"
#include "harness/listen/ears.h"
#include "harness/listen/signature.h"
#include "harness/stats/monitor.h"
#include "harness/stats/spectrum.h"

enum { CT_HEARING_WINDOW = 1024 /* epochs in which periods are looked for */ };

enum ct_heard { CT_HEARD_BEGIN, CT_HEARD_OVER, CT_HEARD_NEW_LEVEL };

struct ct_disturbance {
	enum ct_heard what;
	uint64_t onset_ns, end_ns; /* CLOCK_MONOTONIC; `end_ns` is the latest epoch for BEGIN */
	/* Factor by which the quantiles of an epoch are above the quiet level; NaN unknown. */
	double factor[CT_EARS_MAX][CT_LISTEN_CHANNELS];
	bool clear[CT_EARS_MAX][CT_LISTEN_CHANNELS]; /* beyond three standard errors and 2 % */
	double host_factor[CT_HOST_CHANNELS]; /* the same of what the kernel counts of everybody */
	bool host_clear[CT_HOST_CHANNELS];
	double stolen;    /* share of the time that the hypervisor took, 0..1; NaN unknown */
	uint32_t presses; /* enum ct_resource bits: the likeness', else what the slowed share */
	struct ct_likeness likeness;
};

typedef void ct_hearing_event(void *context, const struct ct_disturbance *disturbance);

struct ct_hearing {
	const struct ct_job *job;
	const struct ct_signatures *signatures; /* NULL: no matrix */
	ct_hearing_event *event;
	void *context;
	struct ct_monitor *monitor;
	uint64_t times[CT_MONITOR_ACCEPT + CT_MONITOR_WINDOW]; /* begins of the last epochs */
	uint64_t fed;
	bool told_begin;
	unsigned disturbed_for; /* epochs */
	double stolen_ns, disturbed_ns;
	/* For the score and the periods. */
	uint64_t epochs, disturbed, events, levels;
	double excess[CT_EARS_MAX]; /* sum over epochs of mean latency over quiet median, less 1 */
	uint64_t excess_n[CT_EARS_MAX];
	double total_stolen_ns;
	double series[CT_EARS_MAX][CT_HEARING_WINDOW]; /* log p50, a ring by `fed` */
};

bool ct_hearing_open(struct ct_hearing *hearing, const struct ct_job *job,
		     const struct ct_signatures *signatures, ct_hearing_event *event, void *context,
		     struct ct_error *err);
void ct_hearing_close(struct ct_hearing *hearing);
/* One epoch of all victims, in the order of the job, and host[CT_HOST_CHANNELS] (ears.h). */
void ct_hearing_feed(struct ct_hearing *hearing, const struct ct_epoch_row *rows,
		     const double *host);

/* By how much the mean operation of a victim took longer than the quiet median, in percent, over
 * all epochs; NaN before there is a quiet level. The noise score is the mean over the victims. */
double ct_hearing_score(const struct ct_hearing *hearing, size_t victim);
double ct_hearing_total_score(const struct ct_hearing *hearing);
/* The strongest period in the last epochs of a victim, in epochs; false when there is none. */
bool ct_hearing_period(const struct ct_hearing *hearing, size_t victim, struct ct_period *period);

#endif
