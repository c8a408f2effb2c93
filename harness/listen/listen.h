/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening: victims alone, for as long as asked, and what they tell of neighbours that nobody
 * declared. Memory is bounded by the segment and by the monitor's window; results go into one file
 * a rotation, each a result like any other whose cells have an intensity of 0.
 */
#ifndef COTENANT_LISTEN_LISTEN_H
#define COTENANT_LISTEN_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/campaign/job.h"
#include "harness/core/error.h"

struct ct_listen_request {
	const char *const
		*victims; /* names, with `[name=kind]` already resolved; NULL: the usual */
	size_t n_victims;
	const char *const *settings; /* key=value of the tenant that listens */
	size_t n_settings;
	uint64_t duration_ns; /* 0: until interrupted */
	uint64_t rotate_ns;   /* a file as long as this; 0: one file */
	double duty;          /* percent of a CPU for all victims together */
	const char *output;   /* "out.h5"; with rotation "out-000001.h5", ... */
	const char *matrix;   /* result with the coupling of these victims; NULL: none */
	const char *metrics;  /* OpenMetrics text, replaced whole; NULL: none */
	const char *command_line;
	bool json; /* events as JSON lines on standard output, instead of text */
};

/* True when the time is up or it was interrupted after at least one segment; all is saved. */
bool ct_listen(const struct ct_listen_request *request, struct ct_error *err);

#endif
