/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an aggressor was switched, from its rows: the work asked of a row in which the load was
 * switched tells to the nanosecond when, because what is asked is the integral of the pattern.
 */
#include <math.h>
#include <string.h>

#include "harness/decide/lockin.h"

/* An edge further from the pattern than this, and it was not that pattern. */
static const double worst_jitter_s = 0.002;

/* What one row of the aggressor says. */
struct slice {
	double start_s, end_s;
	double asked, done;
};

struct edges {
	double cosine, sine; /* sum of the phases of all edges */
	size_t n;
};

static bool next_slice(const struct ct_noise_row *rows, size_t n, size_t *at, uint32_t aggressor,
		       uint64_t origin_ns, struct slice *slice)
{
	for (; *at < n; (*at)++) {
		const struct ct_noise_row *row = &rows[*at];

		if (row->aggressor != aggressor || row->end_ns <= row->start_ns)
			continue;
		*slice = (struct slice){((double)row->start_ns - (double)origin_ns) / 1e9,
					((double)row->end_ns - (double)origin_ns) / 1e9,
					row->asked_units, row->units};
		(*at)++;
		return true;
	}
	return false;
}

/* Share of the slice in which the load was asked for. */
static double share_of(const struct slice *slice, double full_rate)
{
	return slice->asked / (full_rate * (slice->end_s - slice->start_s));
}

static bool is_on(const struct slice *slice, double full_rate)
{
	return share_of(slice, full_rate) > 1 - 1e-6;
}

static bool is_off(const struct slice *slice, double full_rate)
{
	return share_of(slice, full_rate) < 1e-6;
}

/* The load's on time begins at the end of an off slice's successor less what was asked there. */
static bool edge_of(const struct slice three[3], const struct ct_modulation *modulation,
		    double *start_s)
{
	const struct slice *middle = &three[1];
	const double full_rate = modulation->full_rate;
	const double on_s = modulation->duty / modulation->frequency_hz;
	const double off_s = 1 / modulation->frequency_hz - on_s;
	double on = middle->asked / full_rate;

	/* A longer slice, of a worker that was kept from running, may hold several edges. */
	if (middle->end_s - middle->start_s >= fmin(on_s, off_s) || is_on(middle, full_rate) ||
	    is_off(middle, full_rate))
		return false;
	if (is_off(&three[0], full_rate) && is_on(&three[2], full_rate)) {
		*start_s = middle->end_s - on;
		return true;
	}
	if (is_on(&three[0], full_rate) && is_off(&three[2], full_rate)) {
		*start_s = middle->start_s + on - on_s;
		return true;
	}
	return false;
}

static double full_rate_of(const struct ct_noise_row *rows, size_t n, uint32_t aggressor)
{
	double most = 0;
	struct slice slice;

	for (size_t at = 0; next_slice(rows, n, &at, aggressor, 0, &slice);)
		most = fmax(most, slice.asked / (slice.end_s - slice.start_s));
	return most;
}

/* Rates while on and while off, of slices that are wholly one or the other. */
static void measure_rates(struct ct_modulation *modulation, const struct ct_noise_row *rows,
			  size_t n, uint32_t aggressor)
{
	double on = 0, on_s = 0, off = 0, off_s = 0;
	struct slice slice;

	for (size_t at = 0; next_slice(rows, n, &at, aggressor, 0, &slice);) {
		if (is_on(&slice, modulation->full_rate)) {
			on += slice.done;
			on_s += slice.end_s - slice.start_s;
		} else if (is_off(&slice, modulation->full_rate)) {
			off += slice.done;
			off_s += slice.end_s - slice.start_s;
		}
	}
	modulation->on_rate = on_s > 0 ? on / on_s : NAN;
	modulation->off_rate = off_s > 0 ? off / off_s : NAN;
}

/* Hands every edge that can be told to `use`, as the begin of an on time. */
static void each_edge(const struct ct_noise_row *rows, size_t n, uint32_t aggressor,
		      uint64_t origin_ns, const struct ct_modulation *modulation,
		      void (*use)(void *context, double start_s), void *context)
{
	struct slice three[3];
	double start_s;
	size_t at = 0;

	if (!next_slice(rows, n, &at, aggressor, origin_ns, &three[0]) ||
	    !next_slice(rows, n, &at, aggressor, origin_ns, &three[1]))
		return;
	while (next_slice(rows, n, &at, aggressor, origin_ns, &three[2])) {
		if (edge_of(three, modulation, &start_s))
			use(context, start_s);
		memmove(&three[0], &three[1], 2 * sizeof three[0]);
	}
}

struct mean_phase {
	const struct ct_modulation *modulation;
	struct edges edges;
};

static void add_edge(void *context, double start_s)
{
	struct mean_phase *mean = context;
	double angle = 2 * M_PI * mean->modulation->frequency_hz * start_s;

	mean->edges.cosine += cos(angle);
	mean->edges.sine += sin(angle);
	mean->edges.n++;
}

static void widen_jitter(void *context, double start_s)
{
	struct ct_modulation *modulation = context;
	double cycles = (start_s - modulation->start_s) * modulation->frequency_hz;
	double off = fabs(cycles - round(cycles)) / modulation->frequency_hz;

	modulation->jitter_s = fmax(modulation->jitter_s, off);
}

struct ct_modulation ct_modulation_of(const struct ct_noise_row *rows, size_t n, uint32_t aggressor,
				      double frequency_hz, double duty, uint64_t origin_ns)
{
	struct ct_modulation modulation = {
		.frequency_hz = frequency_hz,
		.duty = duty,
		.full_rate = full_rate_of(rows, n, aggressor),
	};
	struct mean_phase mean = {.modulation = &modulation};

	if (!(modulation.full_rate > 0))
		return modulation;
	measure_rates(&modulation, rows, n, aggressor);
	each_edge(rows, n, aggressor, origin_ns, &modulation, add_edge, &mean);
	if (mean.edges.n < 2)
		return modulation;
	modulation.start_s = atan2(mean.edges.sine, mean.edges.cosine) / (2 * M_PI * frequency_hz);
	each_edge(rows, n, aggressor, origin_ns, &modulation, widen_jitter, &modulation);
	modulation.known = modulation.jitter_s <= worst_jitter_s;
	return modulation;
}
