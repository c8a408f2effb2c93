/* SPDX-License-Identifier: Apache-2.0 */
/* How what is heard is told: a line of text or of JSON an event, a page of metrics, a summary. */
#ifndef COTENANT_LISTEN_VOICE_H
#define COTENANT_LISTEN_VOICE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "harness/core/error.h"
#include "harness/listen/hearing.h"

struct ct_voice {
	const struct ct_job *job;
	bool json;
	int64_t unix_offset_ns; /* to add to CLOCK_MONOTONIC to get the wall clock */
	uint64_t began_ns;
	uint64_t epoch_ns;
};

/* One line of text, without the end of line; the caller frees. NULL: no memory. */
char *ct_voice_text(const struct ct_voice *voice, const struct ct_disturbance *disturbance);
/* On standard output, as text or JSON. */
void ct_voice_event(const struct ct_voice *voice, const struct ct_disturbance *disturbance);
void ct_voice_summary(const struct ct_voice *voice, const struct ct_hearing *hearing,
		      double cpu_share);
/* Written beside `path` and renamed, so that a reader never sees half of it. */
bool ct_voice_metrics(const struct ct_voice *voice, const struct ct_hearing *hearing,
		      double cpu_seconds, const char *path, struct ct_error *err);

#endif
