/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/stats/monitor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/stats/distributions.h"

static const double slack = 1;          /* of a score that is no change */
static const double threshold = 8;      /* sum of scores that raises the alarm */
static const double rising = 3;         /* sum from which on values may belong to a change */
static const double farthest = 4;       /* scales at which a value is as far off as it can be */
static const double telling = 1;        /* scales by which a channel tells two levels apart */
static const double most_evidence = 3;  /* log likelihood ratio of one value, all channels */
static const double ended = 10;         /* log likelihood ratio that ends a disturbance */
static const double least_scale = 5e-3; /* of logarithms: half a percent */

enum {
	PENDING = 64, /* values of which it is not known yet whether they are quiet, at most */
	DOUBT = 16,   /* at least: so many may pass before a change shows */
	FEWEST = 24,  /* of a disturbance, before a change within it is looked for */
	REFRESH = 8,  /* values after which level and scale are computed anew */
	SETTLING = 16 /* after the onset it is with each value */
};

/* The last values of a series. */
struct ring {
	double values[CT_MONITOR_WINDOW];
	size_t n, next;
};

struct channel {
	struct ring quiet, disturbed;
	double pending[PENDING]; /* value i of the series is at i % PENDING */
	double level, scale;     /* of the quiet */
	double median, shift;    /* of the disturbance, and from the level; NaN: no value */
	double up, down;         /* the CUSUM of either side */
	uint64_t up_from, down_from;
};

struct ct_monitor {
	size_t n;
	uint64_t fed, onset, settled;
	uint64_t first_pending; /* values from here to fed - 1 are pending */
	uint64_t refreshed;
	uint64_t next_onset; /* of the disturbance that follows at once on the last; UINT64_MAX:
				none */
	bool is_disturbed;
	double evidence; /* for the quiet level, in a disturbance */
	struct channel channels[];
};

struct ct_monitor *ct_monitor_new(size_t channels)
{
	struct ct_monitor *monitor =
		calloc(1, sizeof *monitor + channels * sizeof monitor->channels[0]);

	if (!monitor)
		return NULL;
	monitor->n = channels;
	monitor->next_onset = UINT64_MAX;
	for (size_t c = 0; c < channels; c++)
		monitor->channels[c].level = monitor->channels[c].scale =
			monitor->channels[c].median = monitor->channels[c].shift = NAN;
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

static double ring_median(const struct ring *ring)
{
	double copy[CT_MONITOR_WINDOW];

	if (ring->n == 0)
		return NAN;
	memcpy(copy, ring->values, ring->n * sizeof *copy);
	return median(copy, ring->n);
}

static double ring_deviation(const struct ring *ring, double level)
{
	double off[CT_MONITOR_WINDOW];

	if (ring->n == 0)
		return NAN;
	for (size_t i = 0; i < ring->n; i++)
		off[i] = fabs(ring->values[i] - level);
	return 1.4826 * median(off, ring->n);
}

static void ring_add(struct ring *ring, double value)
{
	if (isnan(value))
		return;
	ring->values[ring->next] = value;
	ring->next = (ring->next + 1) % CT_MONITOR_WINDOW;
	if (ring->n < CT_MONITOR_WINDOW)
		ring->n++;
}

/* A series that has said little so far says nothing. */
static void refresh_quiet(struct channel *channel)
{
	if (channel->quiet.n < CT_MONITOR_LEARN / 2)
		return;
	channel->level = ring_median(&channel->quiet);
	channel->scale = fmax(ring_deviation(&channel->quiet, channel->level), least_scale);
}

static void refresh_all_quiet(struct ct_monitor *monitor)
{
	for (size_t c = 0; c < monitor->n; c++)
		refresh_quiet(&monitor->channels[c]);
	monitor->refreshed = monitor->fed;
}

/* The normal score of a value's rank among others. Few say nothing. */
static double score(const struct ring *among, double value)
{
	double below = 0;

	if (isnan(value) || among->n < CT_MONITOR_LEARN / 2)
		return 0;
	for (size_t i = 0; i < among->n; i++)
		below += among->values[i] < value ? 1 : among->values[i] > value ? 0 : 0.5;
	return ct_normal_quantile((below + 0.5) / ((double)among->n + 1));
}

static double add_to_sum(double sum, double excess, uint64_t *from, uint64_t now)
{
	if (sum <= 0)
		*from = now;
	return fmax(0, sum + excess);
}

static void accumulate(struct channel *channel, const struct ring *among, uint64_t now)
{
	const double z = score(among, channel->pending[now % PENDING]);

	channel->up = add_to_sum(channel->up, z - slack, &channel->up_from, now);
	channel->down = add_to_sum(channel->down, -z - slack, &channel->down_from, now);
}

/* Where the earliest of the sums above `least` began to rise; UINT64_MAX: none is. */
static uint64_t rises_from(const struct ct_monitor *monitor, double least)
{
	uint64_t from = UINT64_MAX;

	for (size_t c = 0; c < monitor->n; c++) {
		const struct channel *channel = &monitor->channels[c];

		if (channel->up >= least && channel->up_from < from)
			from = channel->up_from;
		if (channel->down >= least && channel->down_from < from)
			from = channel->down_from;
	}
	return from;
}

static void keep_pending(struct ct_monitor *monitor, const double *values)
{
	for (size_t c = 0; c < monitor->n; c++)
		monitor->channels[c].pending[monitor->fed % PENDING] = values[c];
}

/* What was pending before value `end` was quiet, or was of the disturbance. */
static void settle_pending(struct ct_monitor *monitor, uint64_t end, bool quiet)
{
	for (; monitor->first_pending < end; monitor->first_pending++) {
		for (size_t c = 0; c < monitor->n; c++) {
			struct channel *channel = &monitor->channels[c];

			ring_add(quiet ? &channel->quiet : &channel->disturbed,
				 channel->pending[monitor->first_pending % PENDING]);
		}
	}
}

static void refresh_disturbance(struct ct_monitor *monitor)
{
	for (size_t c = 0; c < monitor->n; c++) {
		struct channel *channel = &monitor->channels[c];

		channel->median = ring_median(&channel->disturbed);
		channel->shift = channel->median - channel->level;
	}
}

/* Log likelihood ratio of a value: quiet against the level of the disturbance. */
static double evidence_of(const struct channel *channel, double value)
{
	double quiet, disturbed;

	if (isnan(value))
		return 0;
	quiet = fmin(farthest, fabs(value - channel->level) / channel->scale);
	disturbed = fmin(farthest, fabs(value - channel->median) / channel->scale);
	return (disturbed * disturbed - quiet * quiet) / 2;
}

static bool tells_apart(const struct channel *channel)
{
	return fabs(channel->median - channel->level) > telling * channel->scale;
}

/* Of value `i`, which is pending, in all channels. A disturbance that none of them tells from the
 * quiet is none. */
static double evidence_at(const struct ct_monitor *monitor, uint64_t i)
{
	double sum = 0;
	bool any = false;

	for (size_t c = 0; c < monitor->n; c++) {
		if (!tells_apart(&monitor->channels[c]))
			continue;
		any = true;
		sum += evidence_of(&monitor->channels[c],
				   monitor->channels[c].pending[i % PENDING]);
	}
	return any ? fmax(-most_evidence, fmin(most_evidence, sum)) : 1;
}

/*
 * The sum that raised the alarm is one channel's. With all of them the change is where their
 * evidence for it, up to now, is the most; what it led to shows in the values of its second half.
 */
static uint64_t date_onset(struct ct_monitor *monitor, uint64_t onset)
{
	const uint64_t half = onset + (monitor->fed - onset) / 2;
	const uint64_t late_from = half > monitor->first_pending ? half : monitor->first_pending;
	double sum = 0, most = 0;

	for (size_t c = 0; c < monitor->n; c++) {
		struct channel *channel = &monitor->channels[c];
		struct ring late = {.n = 0};

		for (uint64_t i = late_from; i <= monitor->fed; i++)
			ring_add(&late, channel->pending[i % PENDING]);
		channel->median = ring_median(&late);
	}
	for (uint64_t i = monitor->fed + 1; i-- > monitor->first_pending;) {
		sum -= evidence_at(monitor, i);
		if (sum > most) {
			most = sum;
			onset = i;
		}
	}
	return onset;
}

static void clear_sums(struct ct_monitor *monitor)
{
	for (size_t c = 0; c < monitor->n; c++)
		monitor->channels[c].up = monitor->channels[c].down = 0;
}

static enum ct_monitor_state begin(struct ct_monitor *monitor, uint64_t onset)
{
	monitor->is_disturbed = true;
	monitor->onset = onset;
	monitor->evidence = 0;
	clear_sums(monitor);
	for (size_t c = 0; c < monitor->n; c++)
		monitor->channels[c].disturbed.n = monitor->channels[c].disturbed.next = 0;
	settle_pending(monitor, onset, true);
	settle_pending(monitor, monitor->fed + 1, false);
	refresh_disturbance(monitor);
	return CT_MONITOR_ONSET;
}

static enum ct_monitor_state begin_next(struct ct_monitor *monitor)
{
	const uint64_t onset = monitor->next_onset;

	monitor->next_onset = UINT64_MAX;
	return begin(monitor, onset);
}

/* What may turn out to be the beginning of something else is no part of what is now, yet. */
static void settle_what_is_clear(struct ct_monitor *monitor)
{
	const uint64_t n = monitor->fed + 1, doubtful = n < DOUBT ? 0 : n - DOUBT;
	const uint64_t onset = rises_from(monitor, rising);

	settle_pending(monitor, onset < doubtful ? onset : doubtful, !monitor->is_disturbed);
}

static enum ct_monitor_state feed_quiet(struct ct_monitor *monitor)
{
	uint64_t onset;

	for (size_t c = 0; c < monitor->n; c++)
		accumulate(&monitor->channels[c], &monitor->channels[c].quiet, monitor->fed);
	onset = rises_from(monitor, threshold);
	if (onset != UINT64_MAX)
		return begin(monitor, date_onset(monitor, onset));
	settle_what_is_clear(monitor);
	if (monitor->fed - monitor->refreshed >= REFRESH)
		refresh_all_quiet(monitor);
	return CT_MONITOR_QUIET;
}

static void weigh(struct ct_monitor *monitor)
{
	if (monitor->evidence <= 0)
		monitor->settled = monitor->fed;
	monitor->evidence = fmax(0, monitor->evidence + evidence_at(monitor, monitor->fed));
}

static void be_quiet_again(struct ct_monitor *monitor)
{
	monitor->is_disturbed = false;
	clear_sums(monitor);
	refresh_all_quiet(monitor);
}

static void accept_level(struct ct_monitor *monitor)
{
	settle_pending(monitor, monitor->fed + 1, false);
	for (size_t c = 0; c < monitor->n; c++)
		monitor->channels[c].quiet = monitor->channels[c].disturbed;
	be_quiet_again(monitor);
}

/* Where the disturbance at hand became another; UINT64_MAX: it has not. */
static uint64_t look_for_change(struct ct_monitor *monitor)
{
	for (size_t c = 0; c < monitor->n; c++) {
		struct channel *channel = &monitor->channels[c];

		if (channel->disturbed.n >= FEWEST)
			accumulate(channel, &channel->disturbed, monitor->fed);
	}
	/* On the way back to the quiet everything changes. */
	return monitor->evidence > 0 ? UINT64_MAX : rises_from(monitor, threshold);
}

static enum ct_monitor_state feed_disturbed(struct ct_monitor *monitor)
{
	uint64_t changed;

	weigh(monitor);
	if (monitor->evidence >= ended) {
		settle_pending(monitor, monitor->settled, false);
		settle_pending(monitor, monitor->fed + 1, true);
		refresh_disturbance(monitor);
		be_quiet_again(monitor);
		return CT_MONITOR_OVER;
	}
	changed = look_for_change(monitor);
	if (changed != UINT64_MAX) {
		monitor->settled = monitor->next_onset = changed;
		settle_pending(monitor, changed, false);
		refresh_disturbance(monitor);
		monitor->is_disturbed = false;
		clear_sums(monitor);
		return CT_MONITOR_OVER;
	}
	if (monitor->evidence <= 0)
		settle_what_is_clear(monitor);
	if (monitor->fed - monitor->onset >= CT_MONITOR_ACCEPT) {
		refresh_disturbance(monitor);
		accept_level(monitor);
		return CT_MONITOR_NEW_LEVEL;
	}
	/* Its level is known better with every value at first. */
	if (monitor->fed - monitor->onset < SETTLING || monitor->fed % REFRESH == 0)
		refresh_disturbance(monitor);
	return CT_MONITOR_DISTURBED;
}

static enum ct_monitor_state learn(struct ct_monitor *monitor)
{
	settle_pending(monitor, monitor->fed + 1, true);
	refresh_all_quiet(monitor);
	return CT_MONITOR_LEARNING;
}

enum ct_monitor_state ct_monitor_feed(struct ct_monitor *monitor, const double *values)
{
	enum ct_monitor_state state;

	/* Where it stays unclear for long, the oldest is what it most looks like. */
	if (monitor->fed - monitor->first_pending >= PENDING)
		settle_pending(monitor, monitor->first_pending + 1,
			       !monitor->is_disturbed && monitor->next_onset == UINT64_MAX);
	keep_pending(monitor, values);
	if (monitor->fed < CT_MONITOR_LEARN)
		state = learn(monitor);
	else if (monitor->next_onset < UINT64_MAX)
		state = begin_next(monitor);
	else if (monitor->is_disturbed)
		state = feed_disturbed(monitor);
	else
		state = feed_quiet(monitor);
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
	return monitor->fed < CT_MONITOR_LEARN ? NAN : monitor->channels[channel].level;
}

double ct_monitor_scale(const struct ct_monitor *monitor, size_t channel)
{
	return monitor->fed < CT_MONITOR_LEARN ? NAN : monitor->channels[channel].scale;
}

double ct_monitor_shift(const struct ct_monitor *monitor, size_t channel, uint64_t *n)
{
	const struct channel *at = &monitor->channels[channel];

	*n = at->disturbed.n;
	return at->shift;
}
