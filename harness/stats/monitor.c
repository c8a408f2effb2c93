/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/stats/monitor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double clip = 6;           /* scales that one value may add */
static const double slack = 1.5;        /* scales per value that are no change */
static const double threshold = 8;      /* sum that raises the alarm: two extreme values at least */
static const double settled_at = 3;     /* scales within which a value is quiet again */
static const double least_scale = 5e-3; /* of logarithms: half a percent */

enum { REFRESH = 8 /* quiet values after which level and scale are computed anew */ };

struct channel {
	double quiet[CT_MONITOR_WINDOW];
	size_t n, next; /* values in the ring, and where the next goes */
	double level, scale;
	double up, down;             /* the CUSUM of either side */
	uint64_t up_from, down_from; /* where they began to rise */
	double shift_sum;
	uint64_t shift_n;
	double recent[CT_MONITOR_WINDOW]; /* of a disturbance: what becomes quiet if it stays */
	size_t n_recent;
};

struct ct_monitor {
	size_t n;
	uint64_t fed, onset, settled;
	bool disturbed, over;
	unsigned in_a_row;
	uint64_t since_refresh;
	struct channel channels[];
};

struct ct_monitor *ct_monitor_new(size_t channels)
{
	struct ct_monitor *monitor =
		calloc(1, sizeof *monitor + channels * sizeof monitor->channels[0]);

	if (!monitor)
		return NULL;
	monitor->n = channels;
	for (size_t c = 0; c < channels; c++)
		monitor->channels[c].level = monitor->channels[c].scale = NAN;
	return monitor;
}

void ct_monitor_free(struct ct_monitor *monitor)
{
	free(monitor);
}

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof *values, ascending);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void refresh(struct channel *channel)
{
	double copy[CT_MONITOR_WINDOW];
	const size_t n = channel->n;

	if (n < CT_MONITOR_LEARN)
		return;
	memcpy(copy, channel->quiet, n * sizeof *copy);
	channel->level = median(copy, n);
	for (size_t i = 0; i < n; i++)
		copy[i] = fabs(channel->quiet[i] - channel->level);
	channel->scale = fmax(1.4826 * median(copy, n), least_scale);
}

static void add_quiet(struct channel *channel, double value)
{
	channel->quiet[channel->next] = value;
	channel->next = (channel->next + 1) % CT_MONITOR_WINDOW;
	if (channel->n < CT_MONITOR_WINDOW)
		channel->n++;
}

static double standardised(const struct channel *channel, double value)
{
	const double z = (value - channel->level) / channel->scale;

	return isnan(z) ? 0 : fmax(-clip, fmin(clip, z));
}

static double add_to_sum(double sum, double excess, uint64_t *from, uint64_t now)
{
	if (sum <= 0)
		*from = now;
	return fmax(0, sum + excess);
}

/* True when this channel's sums raise the alarm; *from is where the change began. */
static bool accumulate(struct channel *channel, double value, uint64_t now, uint64_t *from)
{
	const double z = standardised(channel, value);

	channel->up = add_to_sum(channel->up, z - slack, &channel->up_from, now);
	channel->down = add_to_sum(channel->down, -z - slack, &channel->down_from, now);
	if (channel->up < threshold && channel->down < threshold)
		return false;
	*from = channel->up >= threshold ? channel->up_from : channel->down_from;
	return true;
}

static bool learning(const struct ct_monitor *monitor)
{
	for (size_t c = 0; c < monitor->n; c++) {
		if (isnan(monitor->channels[c].level))
			return true;
	}
	return false;
}

static enum ct_monitor_state learn(struct ct_monitor *monitor, const double *values)
{
	for (size_t c = 0; c < monitor->n; c++) {
		if (!isnan(values[c]))
			add_quiet(&monitor->channels[c], values[c]);
		refresh(&monitor->channels[c]);
	}
	return CT_MONITOR_LEARNING;
}

static void begin(struct ct_monitor *monitor, uint64_t onset)
{
	monitor->disturbed = true;
	monitor->onset = onset;
	monitor->in_a_row = 0;
	for (size_t c = 0; c < monitor->n; c++) {
		monitor->channels[c].shift_sum = 0;
		monitor->channels[c].shift_n = 0;
		monitor->channels[c].n_recent = 0;
	}
}

static void add_to_shift(struct channel *channel, double value)
{
	if (isnan(value))
		return;
	channel->shift_sum += value - channel->level;
	channel->shift_n++;
	channel->recent[channel->n_recent % CT_MONITOR_WINDOW] = value;
	channel->n_recent++;
}

static enum ct_monitor_state feed_quiet(struct ct_monitor *monitor, const double *values)
{
	uint64_t onset = UINT64_MAX, from;
	bool rising = false;

	for (size_t c = 0; c < monitor->n; c++) {
		if (accumulate(&monitor->channels[c], values[c], monitor->fed, &from) &&
		    from < onset)
			onset = from;
		rising |= monitor->channels[c].up > slack || monitor->channels[c].down > slack;
	}
	if (onset != UINT64_MAX) {
		begin(monitor, onset);
		for (size_t c = 0; c < monitor->n; c++)
			add_to_shift(&monitor->channels[c], values[c]);
		return CT_MONITOR_ONSET;
	}
	/* What may turn out to be the beginning of a disturbance is no part of the quiet. */
	for (size_t c = 0; c < monitor->n && !rising; c++) {
		if (!isnan(values[c]))
			add_quiet(&monitor->channels[c], values[c]);
	}
	if (++monitor->since_refresh >= REFRESH) {
		for (size_t c = 0; c < monitor->n; c++)
			refresh(&monitor->channels[c]);
		monitor->since_refresh = 0;
	}
	return CT_MONITOR_QUIET;
}

static void be_quiet_again(struct ct_monitor *monitor)
{
	monitor->disturbed = false;
	for (size_t c = 0; c < monitor->n; c++)
		monitor->channels[c].up = monitor->channels[c].down = 0;
}

static void accept_level(struct ct_monitor *monitor)
{
	for (size_t c = 0; c < monitor->n; c++) {
		struct channel *channel = &monitor->channels[c];
		const size_t n = channel->n_recent < CT_MONITOR_WINDOW ? channel->n_recent
								       : CT_MONITOR_WINDOW;

		memcpy(channel->quiet, channel->recent, n * sizeof *channel->quiet);
		channel->n = n;
		channel->next = n % CT_MONITOR_WINDOW;
		refresh(channel);
	}
	be_quiet_again(monitor);
}

static enum ct_monitor_state feed_disturbed(struct ct_monitor *monitor, const double *values)
{
	bool quiet = true;

	for (size_t c = 0; c < monitor->n; c++)
		quiet &= fabs(standardised(&monitor->channels[c], values[c])) < settled_at;
	if (monitor->in_a_row == 0 && quiet)
		monitor->settled = monitor->fed;
	monitor->in_a_row = quiet ? monitor->in_a_row + 1 : 0;
	if (monitor->in_a_row >= CT_MONITOR_SETTLE) {
		be_quiet_again(monitor);
		return CT_MONITOR_OVER;
	}
	if (!quiet) {
		for (size_t c = 0; c < monitor->n; c++)
			add_to_shift(&monitor->channels[c], values[c]);
	}
	if (monitor->fed - monitor->onset < CT_MONITOR_ACCEPT)
		return CT_MONITOR_DISTURBED;
	accept_level(monitor);
	return CT_MONITOR_NEW_LEVEL;
}

enum ct_monitor_state ct_monitor_feed(struct ct_monitor *monitor, const double *values)
{
	enum ct_monitor_state state;

	if (learning(monitor))
		state = learn(monitor, values);
	else if (monitor->disturbed)
		state = feed_disturbed(monitor, values);
	else
		state = feed_quiet(monitor, values);
	monitor->fed++;
	return state;
}

uint64_t ct_monitor_onset(const struct ct_monitor *monitor)
{
	return monitor->onset;
}

uint64_t ct_monitor_settled(const struct ct_monitor *monitor)
{
	return monitor->settled;
}

double ct_monitor_level(const struct ct_monitor *monitor, size_t channel)
{
	return monitor->channels[channel].level;
}

double ct_monitor_scale(const struct ct_monitor *monitor, size_t channel)
{
	return monitor->channels[channel].scale;
}

double ct_monitor_shift(const struct ct_monitor *monitor, size_t channel, uint64_t *n)
{
	const struct channel *at = &monitor->channels[channel];

	*n = at->shift_n;
	return at->shift_n ? at->shift_sum / (double)at->shift_n : NAN;
}
