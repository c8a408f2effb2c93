/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/listen/hearing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A disturbance is described once it has lasted this long, or when it is over before that. */
enum { DESCRIBE_AFTER = 8, TIMES = CT_MONITOR_ACCEPT + CT_MONITOR_WINDOW };
/* Of the victims' series, then of the kernel's. */
enum { CHANNELS_MAX = CT_EARS_MAX * CT_LISTEN_CHANNELS + CT_HOST_CHANNELS };
static const double least_factor = 0.02;
/* Standard error of a median over that of a mean, both of a normal distribution. */
static const double median_error = 1.2533;

bool ct_hearing_open(struct ct_hearing *hearing, const struct ct_job *job,
		     const struct ct_signatures *signatures, ct_hearing_event *event, void *context,
		     struct ct_error *err)
{
	*hearing = (struct ct_hearing){
		.job = job, .signatures = signatures, .event = event, .context = context};
	hearing->monitor = ct_monitor_new(job->n_victims * CT_LISTEN_CHANNELS + CT_HOST_CHANNELS);
	return hearing->monitor || ct_broken_errno(err, "memory for listening");
}

void ct_hearing_close(struct ct_hearing *hearing)
{
	ct_monitor_free(hearing->monitor);
	hearing->monitor = NULL;
}

static double log_or_nan(uint64_t count, double ns)
{
	return count > 0 && ns > 0 ? log(ns) : NAN;
}

static void to_channels(const struct ct_hearing *hearing, const struct ct_epoch_row *rows,
			const double *host, double *values)
{
	memcpy(values + hearing->job->n_victims * CT_LISTEN_CHANNELS, host,
	       CT_HOST_CHANNELS * sizeof *host);
	for (size_t i = 0; i < hearing->job->n_victims; i++) {
		values[i * CT_LISTEN_CHANNELS + CT_LISTEN_P50] =
			log_or_nan(rows[i].count, rows[i].p50_ns);
		values[i * CT_LISTEN_CHANNELS + CT_LISTEN_P99] =
			log_or_nan(rows[i].count, rows[i].p99_ns);
	}
}

/* Of the longest of the victims: they sit on the same CPUs, so a stolen tick is seen by all. */
static double stolen_in(const struct ct_hearing *hearing, const struct ct_epoch_row *rows)
{
	double most = 0;

	for (size_t i = 0; i < hearing->job->n_victims; i++) {
		if (rows[i].steal_ns > most)
			most = rows[i].steal_ns;
	}
	return most;
}

static void add_to_score(struct ct_hearing *hearing, const struct ct_epoch_row *rows)
{
	for (size_t i = 0; i < hearing->job->n_victims; i++) {
		const double level =
			ct_monitor_level(hearing->monitor, i * CT_LISTEN_CHANNELS + CT_LISTEN_P50);

		if (isnan(level) || rows[i].count == 0)
			continue;
		hearing->excess[i] += rows[i].mean_ns / exp(level) - 1;
		hearing->excess_n[i]++;
	}
}

/* What the slowed victims have in common, and the others do not. */
static uint32_t pressed_by_exclusion(const struct ct_hearing *hearing,
				     const struct ct_disturbance *disturbance)
{
	uint32_t common = UINT32_MAX, spared = 0, left;

	for (size_t i = 0; i < hearing->job->n_victims; i++) {
		const uint32_t stresses = hearing->job->victims[i].ops->stresses;

		if (disturbance->clear[i][CT_LISTEN_P50] || disturbance->clear[i][CT_LISTEN_P99])
			common &= stresses;
		else
			spared |= stresses;
	}
	if (common == UINT32_MAX)
		return 0;
	left = common & ~spared;
	return left ? left : common;
}

static uint32_t pressed(const struct ct_hearing *hearing, const struct ct_disturbance *disturbance)
{
	const struct ct_signature *nearest = disturbance->likeness.nearest;
	const struct ct_aggressor_ops *ops = nearest ? ct_aggressor_find(nearest->kind) : NULL;

	return ops ? ops->stresses : pressed_by_exclusion(hearing, disturbance);
}

/* How far a channel is from its quiet level, and the standard error of that. */
static void measure(const struct ct_hearing *hearing, size_t channel, double *shift, double *error)
{
	uint64_t n;

	*shift = ct_monitor_shift(hearing->monitor, channel, &n);
	*error = median_error * ct_monitor_scale(hearing->monitor, channel) /
		 sqrt((double)(n ? n : 1));
}

static bool is_clear(double shift, double error)
{
	return fabs(shift) > 3 * error && fabs(shift) > least_factor;
}

static void describe(const struct ct_hearing *hearing, struct ct_disturbance *disturbance)
{
	const size_t n_victims = hearing->job->n_victims;
	const size_t host_from = n_victims * CT_LISTEN_CHANNELS;
	double shift[CHANNELS_MAX], error[CHANNELS_MAX];

	for (size_t c = 0; c < host_from + CT_HOST_CHANNELS; c++)
		measure(hearing, c, &shift[c], &error[c]);
	for (size_t i = 0; i < n_victims; i++) {
		for (size_t k = 0; k < CT_LISTEN_CHANNELS; k++) {
			const size_t c = i * CT_LISTEN_CHANNELS + k;

			disturbance->factor[i][k] = exp(shift[c]);
			disturbance->clear[i][k] = is_clear(shift[c], error[c]);
		}
	}
	for (size_t h = 0; h < CT_HOST_CHANNELS; h++) {
		disturbance->host_factor[h] = exp(shift[host_from + h]);
		disturbance->host_clear[h] = is_clear(shift[host_from + h], error[host_from + h]);
	}
	if (hearing->signatures)
		disturbance->likeness = ct_signature_match(hearing->signatures, shift, error);
	disturbance->presses = pressed(hearing, disturbance);
	disturbance->stolen =
		hearing->disturbed_ns > 0 ? hearing->stolen_ns / hearing->disturbed_ns : NAN;
}

static uint64_t time_of(const struct ct_hearing *hearing, uint64_t epoch)
{
	return hearing->times[epoch % TIMES];
}

static void tell(struct ct_hearing *hearing, enum ct_heard what, uint64_t end_ns)
{
	struct ct_disturbance disturbance = {
		.what = what,
		.onset_ns = time_of(hearing, ct_monitor_onset(hearing->monitor)),
		.end_ns = end_ns,
	};

	describe(hearing, &disturbance);
	hearing->event(hearing->context, &disturbance);
	hearing->told_begin = what == CT_HEARD_BEGIN;
}

/* `state` is the monitor's verdict on the latest epoch, which ended at `now_ns`. */
static void follow(struct ct_hearing *hearing, enum ct_monitor_state state, uint64_t now_ns)
{
	if (state == CT_MONITOR_ONSET) {
		hearing->events++;
		hearing->told_begin = false;
		hearing->disturbed_for = 0;
	}
	if (state == CT_MONITOR_ONSET || state == CT_MONITOR_DISTURBED) {
		hearing->disturbed++;
		if (++hearing->disturbed_for >= DESCRIBE_AFTER && !hearing->told_begin)
			tell(hearing, CT_HEARD_BEGIN, now_ns);
	} else if (state == CT_MONITOR_OVER) {
		tell(hearing, CT_HEARD_OVER,
		     time_of(hearing, ct_monitor_settled(hearing->monitor)));
	} else if (state == CT_MONITOR_NEW_LEVEL) {
		hearing->levels++;
		tell(hearing, CT_HEARD_NEW_LEVEL, now_ns);
	}
}

void ct_hearing_feed(struct ct_hearing *hearing, const struct ct_epoch_row *rows,
		     const double *host)
{
	double values[CHANNELS_MAX];
	const double stolen = stolen_in(hearing, rows);
	enum ct_monitor_state state;

	to_channels(hearing, rows, host, values);
	hearing->times[hearing->fed % TIMES] = rows[0].start_ns;
	for (size_t i = 0; i < hearing->job->n_victims; i++)
		hearing->series[i][hearing->fed % CT_HEARING_WINDOW] =
			values[i * CT_LISTEN_CHANNELS + CT_LISTEN_P50];
	state = ct_monitor_feed(hearing->monitor, values);
	hearing->fed++;
	hearing->epochs++;
	hearing->total_stolen_ns += stolen;
	if (state == CT_MONITOR_ONSET)
		hearing->stolen_ns = hearing->disturbed_ns = 0;
	hearing->stolen_ns += stolen;
	hearing->disturbed_ns += (double)(rows[0].end_ns - rows[0].start_ns);
	add_to_score(hearing, rows);
	follow(hearing, state, rows[0].end_ns);
}

double ct_hearing_score(const struct ct_hearing *hearing, size_t victim)
{
	const uint64_t n = hearing->excess_n[victim];

	return n ? 100 * hearing->excess[victim] / (double)n : NAN;
}

double ct_hearing_total_score(const struct ct_hearing *hearing)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < hearing->job->n_victims; i++) {
		const double score = ct_hearing_score(hearing, i);

		if (isnan(score))
			continue;
		sum += score;
		n++;
	}
	return n ? sum / (double)n : NAN;
}

/* A gap is filled with the value before it: an epoch without samples is no change. */
static size_t unroll(const struct ct_hearing *hearing, size_t victim, double *out)
{
	const uint64_t n = hearing->fed < CT_HEARING_WINDOW ? hearing->fed : CT_HEARING_WINDOW;
	size_t kept = 0;

	for (uint64_t i = hearing->fed - n; i < hearing->fed; i++) {
		const double value = hearing->series[victim][i % CT_HEARING_WINDOW];

		if (!isnan(value))
			out[kept++] = value;
		else if (kept > 0) {
			out[kept] = out[kept - 1];
			kept++;
		}
	}
	return kept;
}

bool ct_hearing_period(const struct ct_hearing *hearing, size_t victim, struct ct_period *period)
{
	/* All victims are tested every time: Bonferroni, at 1 % for the set. */
	const double alpha = 0.01 / (double)hearing->job->n_victims;
	double *series = malloc(CT_HEARING_WINDOW * sizeof *series);
	bool found = false;

	if (series) {
		const size_t n = unroll(hearing, victim, series);

		/* Three periods at least: fewer are a trend or a change of level. */
		found = ct_strongest_period(series, n, period) && period->p < alpha &&
			3 * period->steps <= (double)n;
	}
	free(series);
	return found;
}
