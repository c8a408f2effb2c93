/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/collect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/recorder.h"
#include "harness/tenant/protocol.h"

/* An epoch that the aggressor's rows do not cover yet. */
struct ct_pending_epoch {
	size_t epoch; /* row in the record */
	struct ct_bucket *buckets;
	size_t n_buckets;
	struct ct_slow_sample *slow;
	size_t n_slow;
};

/* Makes room for one more element; capacity doubles, so growing costs little. */
static bool grow(void **items, size_t n, size_t size, struct ct_error *err)
{
	void *grown;

	if (n != 0 && (n & (n - 1)) != 0)
		return true;
	grown = realloc(*items, (n ? 2 * n : 1) * size);
	if (!grown)
		return ct_broken_errno(err, "memory for the rows of a phase");
	*items = grown;
	return true;
}

static int slower_first(const void *a, const void *b)
{
	double x = ((const struct ct_slow_sample *)a)->latency_ns;
	double y = ((const struct ct_slow_sample *)b)->latency_ns;

	return (x < y) - (x > y);
}

static bool keep_slowest(struct ct_phase_record *record, const struct ct_pending_epoch *epoch,
			 struct ct_error *err)
{
	size_t n = record->n_slowest + epoch->n_slow;
	struct ct_slow_sample *all;

	if (epoch->n_slow == 0)
		return true;
	all = realloc(record->slowest, n * sizeof *all);
	if (!all)
		return ct_broken_errno(err, "memory for the slowest samples");
	memcpy(all + record->n_slowest, epoch->slow, epoch->n_slow * sizeof *all);
	qsort(all, n, sizeof *all, slower_first);
	record->slowest = all;
	record->n_slowest = n < CT_SLOWEST ? n : CT_SLOWEST;
	return true;
}

static bool count_epoch(struct ct_collector *collector, const struct ct_pending_epoch *epoch,
			struct ct_error *err)
{
	struct ct_phase_record *record = collector->record;
	struct ct_epoch_row *row = &record->epochs[epoch->epoch];

	row->counted = 1;
	if (row->count == 0)
		return true;
	if (record->count == 0) {
		record->min_ns = row->min_ns;
		record->max_ns = row->max_ns;
		record->mean_ns = 0;
	}
	record->min_ns = fmin(record->min_ns, row->min_ns);
	record->max_ns = fmax(record->max_ns, row->max_ns);
	record->count += row->count;
	record->overflow += row->overflow;
	record->mean_ns +=
		(row->mean_ns - record->mean_ns) * (double)row->count / (double)record->count;
	return ct_hist_merge_sparse(&collector->hist, epoch->buckets, epoch->n_buckets, err) &&
	       keep_slowest(record, epoch, err);
}

/* Rates of one aggressor are its own units/s; those of several are shares of their maxima. */
static double rate_scale(const struct ct_phase_plan *plan, size_t i)
{
	return plan->n_loads == 1 ? 1 : 100 / (plan->loads[i].solo_rate * (double)plan->n_loads);
}

/* The worst verdict on any aggressor; *row gets the least share and the rate of all. */
static enum ct_load judge_loads(struct ct_collector *collector, struct ct_epoch_row *row)
{
	const struct ct_phase_plan *plan = collector->plan;
	const struct ct_phase_record *record = collector->record;
	const uint64_t from_ns = row->start_ns - collector->doubt_ns;
	enum ct_load worst = CT_LOAD_NONE;

	while (collector->first_noise < record->n_noise &&
	       record->noise[collector->first_noise].end_ns <= from_ns - collector->smoothing_ns)
		collector->first_noise++;
	row->aggressor_rate = 0;
	row->aggressor_share = INFINITY;
	for (size_t i = 0; i < plan->n_loads; i++) {
		const struct ct_load_span span = {
			.start_ns = from_ns,
			.end_ns = row->end_ns + collector->doubt_ns,
			.smoothing_ns = plan->loads[i].smoothing_ns,
			.blocks = plan->loads[i].blocks,
			.aggressor = plan->loads[i].aggressor,
		};
		double share, rate;
		enum ct_load load = ct_judge_load(record->noise + collector->first_noise,
						  record->n_noise - collector->first_noise, &span,
						  &share, &rate);

		worst = load > worst ? load : worst;
		row->aggressor_share = fmin(row->aggressor_share, share);
		row->aggressor_rate += rate * rate_scale(plan, i);
	}
	return worst;
}

static bool judge_epoch(struct ct_collector *collector, struct ct_pending_epoch *epoch,
			struct ct_error *err)
{
	struct ct_phase_record *record = collector->record;
	enum ct_load load = CT_LOAD_NONE;
	bool good = true;

	if (collector->plan->role == CT_ROLE_TREATMENT)
		load = judge_loads(collector, &record->epochs[epoch->epoch]);
	collector->n_load[load]++;
	if (load != CT_LOAD_ABSENT)
		good = count_epoch(collector, epoch, err);
	free(epoch->buckets);
	free(epoch->slow);
	return good;
}

/* Judges the epochs that rows up to `until_ns` are enough for, oldest first. */
static bool judge_until(struct ct_collector *collector, uint64_t until_ns, struct ct_error *err)
{
	size_t judged = 0;
	bool good = true;

	while (good && judged < collector->n_pending &&
	       collector->record->epochs[collector->pending[judged].epoch].end_ns +
			       collector->doubt_ns + collector->smoothing_ns <=
		       until_ns)
		good = judge_epoch(collector, &collector->pending[judged++], err);
	if (judged == 0)
		return good;
	collector->n_pending -= judged;
	memmove(collector->pending, collector->pending + judged,
		collector->n_pending * sizeof *collector->pending);
	return good;
}

static bool unpack_epoch(struct ct_pending_epoch *epoch, const struct ct_epoch_wire *wire,
			 const unsigned char *body, struct ct_error *err)
{
	const unsigned char *slow = body + wire->n_buckets * sizeof(struct ct_bucket_wire);

	epoch->n_buckets = wire->n_buckets;
	epoch->n_slow = wire->n_slow;
	epoch->buckets = malloc((wire->n_buckets + 1) * sizeof *epoch->buckets);
	epoch->slow = malloc((wire->n_slow + 1) * sizeof *epoch->slow);
	if (!epoch->buckets || !epoch->slow) {
		free(epoch->buckets);
		free(epoch->slow);
		return ct_broken_errno(err, "memory for an epoch");
	}
	for (uint32_t i = 0; i < wire->n_buckets; i++) {
		struct ct_bucket_wire bucket;

		memcpy(&bucket, body + i * sizeof bucket, sizeof bucket);
		epoch->buckets[i] = (struct ct_bucket){bucket.index, bucket.count};
	}
	memcpy(epoch->slow, slow, wire->n_slow * sizeof *epoch->slow);
	return true;
}

static bool store_raw(struct ct_collector *collector, const struct ct_epoch_wire *wire,
		      const unsigned char *raw, size_t epoch, struct ct_error *err)
{
	struct ct_raw_sample *samples;
	bool good;

	if (wire->n_raw == 0 || !collector->plan->raw)
		return true;
	samples = malloc(wire->n_raw * sizeof *samples);
	if (!samples)
		return ct_broken_errno(err, "memory for raw samples");
	memcpy(samples, raw, wire->n_raw * sizeof *samples);
	for (uint32_t i = 0; i < wire->n_raw; i++)
		samples[i].time_ns += (uint64_t)collector->crew->victim.clock_offset_ns;
	good = collector->plan->raw(collector->plan->context, collector->plan->order,
				    (uint32_t)epoch, samples, wire->n_raw, err);
	free(samples);
	return good;
}

static bool keep_readings(struct ct_phase_record *record, const unsigned char *values, size_t n,
			  size_t epoch, struct ct_error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct ct_reading reading = {.epoch = (uint32_t)epoch, .counter = (uint32_t)i};

		memcpy(&reading.value, values + i * sizeof reading.value, sizeof reading.value);
		if (!isfinite(reading.value))
			continue;
		if (!grow((void **)&record->readings, record->n_readings, sizeof reading, err))
			return false;
		record->readings[record->n_readings++] = reading;
	}
	return true;
}

static bool take_epoch(struct ct_collector *collector, const unsigned char *payload, size_t length,
		       struct ct_error *err)
{
	struct ct_phase_record *record = collector->record;
	struct ct_epoch_wire wire;
	struct ct_pending_epoch epoch = {.epoch = record->n_epochs};
	const unsigned char *body = payload + sizeof wire;
	size_t raw_at, counters_at;

	if (length < sizeof wire)
		return ct_broken(err, "%s: an epoch cut short", collector->crew->victim.name);
	memcpy(&wire, payload, sizeof wire);
	raw_at = wire.n_buckets * sizeof(struct ct_bucket_wire) +
		 wire.n_slow * sizeof(struct ct_slow_sample);
	counters_at = raw_at + wire.n_raw * sizeof(struct ct_raw_sample);
	if (wire.n_buckets > CT_HIST_BUCKETS || wire.n_slow > CT_SLOWEST ||
	    wire.n_counters != record->n_counters ||
	    length - sizeof wire != counters_at + wire.n_counters * sizeof(double))
		return ct_broken(err, "%s: an epoch of the wrong size",
				 collector->crew->victim.name);
	wire.row.start_ns += (uint64_t)collector->crew->victim.clock_offset_ns;
	wire.row.end_ns += (uint64_t)collector->crew->victim.clock_offset_ns;
	if (!grow((void **)&record->epochs, record->n_epochs, sizeof *record->epochs, err) ||
	    !grow((void **)&collector->pending, collector->n_pending, sizeof epoch, err) ||
	    !unpack_epoch(&epoch, &wire, body, err))
		return false;
	record->epochs[record->n_epochs++] = wire.row;
	record->raw_dropped += wire.raw_dropped;
	collector->pending[collector->n_pending++] = epoch;
	if (!store_raw(collector, &wire, body + raw_at, epoch.epoch, err) ||
	    !keep_readings(record, body + counters_at, wire.n_counters, epoch.epoch, err))
		return false;
	/* Without an aggressor there is nothing to wait for. */
	return collector->plan->role == CT_ROLE_TREATMENT ||
	       judge_until(collector, UINT64_MAX, err);
}

static bool take_noise(struct ct_collector *collector, size_t aggressor,
		       const unsigned char *payload, size_t length, struct ct_error *err)
{
	const struct ct_link *link = &collector->crew->aggressors[aggressor];
	struct ct_phase_record *record = collector->record;
	uint64_t until_ns = UINT64_MAX;
	struct ct_noise_row row;

	if (length == 0 || length % sizeof row != 0)
		return ct_broken(err, "%s: a row of the wrong size", link->name);
	for (size_t at = 0; at < length; at += sizeof row) {
		memcpy(&row, payload + at, sizeof row);
		row.start_ns += (uint64_t)link->clock_offset_ns;
		row.end_ns += (uint64_t)link->clock_offset_ns;
		if (!grow((void **)&record->noise, record->n_noise, sizeof row, err))
			return false;
		row.aggressor = collector->plan->loads[aggressor].aggressor;
		record->noise[record->n_noise++] = row;
		collector->covered_ns[aggressor] = row.end_ns;
	}
	for (size_t i = 0; i < collector->plan->n_loads; i++) {
		if (collector->covered_ns[i] < until_ns)
			until_ns = collector->covered_ns[i];
	}
	return judge_until(collector, until_ns, err);
}

bool ct_collector_take(void *context, unsigned type, const void *payload, size_t length,
		       struct ct_error *err)
{
	struct ct_phase_source *source = context;

	if (type == CT_MSG_EPOCH)
		return take_epoch(source->collector, payload, length, err);
	return take_noise(source->collector, source->aggressor, payload, length, err);
}

/* Rates of one aggressor over all of its rows, on the scale of the phase. */
static void add_rates(const struct ct_collector *collector, size_t i, double *asked, double *done)
{
	const struct ct_phase_record *record = collector->record;
	double asked_units = 0, units = 0, length = 0;

	for (size_t k = 0; k < record->n_noise; k++) {
		const struct ct_noise_row *row = &record->noise[k];

		if (row->aggressor != collector->plan->loads[i].aggressor)
			continue;
		asked_units += row->asked_units;
		units += row->units;
		length += (double)(row->end_ns - row->start_ns);
	}
	*asked += asked_units * 1e9 / length * rate_scale(collector->plan, i);
	*done += units * 1e9 / length * rate_scale(collector->plan, i);
}

/* The dose of the phase: fewer than half of the epochs counted is no treatment. */
static void conclude_load(struct ct_collector *collector)
{
	struct ct_phase_record *record = collector->record;
	const size_t held = collector->n_load[CT_LOAD_HELD];
	const size_t contended = collector->n_load[CT_LOAD_CONTENDED];
	double asked = 0, all_done = 0, done = 0, counted = 0;

	for (size_t i = 0; i < collector->plan->n_loads; i++)
		add_rates(collector, i, &asked, &all_done);
	for (size_t i = 0; i < record->n_epochs; i++) {
		double epoch = (double)(record->epochs[i].end_ns - record->epochs[i].start_ns);

		if (!record->epochs[i].counted)
			continue;
		done += record->epochs[i].aggressor_rate * epoch;
		counted += epoch;
	}
	record->asked_rate = asked;
	record->achieved_rate = counted > 0 ? done / counted : 0;
	if (record->n_epochs == 0 || 2 * (held + contended) < record->n_epochs)
		record->load = CT_LOAD_ABSENT;
	else
		record->load = contended > held ? CT_LOAD_CONTENDED : CT_LOAD_HELD;
}

/*
 * A modulated phase: how well each was modulated is asked when the result is analysed; here only
 * whether all of them, some or none did the work that was asked.
 */
static void conclude_modulation(struct ct_collector *collector)
{
	struct ct_phase_record *record = collector->record;
	size_t held = 0, absent = 0;
	double asked = 0, done = 0;

	for (size_t i = 0; i < collector->plan->n_loads; i++) {
		double one_asked = 0, one_done = 0;

		add_rates(collector, i, &one_asked, &one_done);
		held += one_done >= CT_OVERLAP_SHARE * one_asked;
		absent += !(one_done > 0);
		asked += one_asked;
		done += one_done;
	}
	record->asked_rate = asked;
	record->achieved_rate = done;
	if (absent == collector->plan->n_loads)
		record->load = CT_LOAD_ABSENT;
	else
		record->load = held == collector->plan->n_loads ? CT_LOAD_HELD : CT_LOAD_CONTENDED;
}

bool ct_collector_conclude(struct ct_collector *collector, struct ct_error *err)
{
	struct ct_phase_record *record = collector->record;

	if (!judge_until(collector, UINT64_MAX, err))
		return false;
	if (record->n_epochs > 0) {
		record->start_ns = record->epochs[0].start_ns;
		record->end_ns = record->epochs[record->n_epochs - 1].end_ns;
	}
	if (collector->plan->role == CT_ROLE_TREATMENT)
		conclude_load(collector);
	if (collector->plan->role == CT_ROLE_MODULATED)
		conclude_modulation(collector);
	record->n_buckets = ct_hist_to_sparse(&collector->hist, NULL, 0);
	record->buckets = malloc((record->n_buckets + 1) * sizeof *record->buckets);
	if (!record->buckets)
		return ct_broken_errno(err, "memory for a histogram");
	ct_hist_to_sparse(&collector->hist, record->buckets, record->n_buckets);
	return true;
}

void ct_collector_free(struct ct_collector *collector)
{
	for (size_t i = 0; i < collector->n_pending; i++) {
		free(collector->pending[i].buckets);
		free(collector->pending[i].slow);
	}
	free(collector->pending);
	ct_hist_free(&collector->hist);
}

/* How far times of the victim and of an aggressor may be apart that look the same. */
static uint64_t doubt_of(const struct ct_crew *crew)
{
	int64_t worst_ns = 0;

	for (size_t i = 0; i < crew->n_aggressors; i++) {
		const struct ct_link *aggressor = &crew->aggressors[i];
		const int64_t ns = crew->victim.clock_error_ns + aggressor->clock_error_ns;

		if (!ct_link_same_clock(&crew->victim, aggressor) && ns > worst_ns)
			worst_ns = ns;
	}
	return (uint64_t)worst_ns;
}

bool ct_collector_open(struct ct_collector *collector, const struct ct_phase_plan *plan,
		       struct ct_phase_record *record, const struct ct_crew *crew,
		       struct ct_phase_source sources[CT_MAX_PARTS], struct ct_error *err)
{
	*collector = (struct ct_collector){.plan = plan, .record = record, .crew = crew};
	for (size_t i = 0; i < CT_MAX_PARTS; i++)
		sources[i] = (struct ct_phase_source){collector, i};
	collector->doubt_ns = doubt_of(crew);
	for (size_t i = 0; i < plan->n_loads; i++) {
		if (plan->loads[i].smoothing_ns > collector->smoothing_ns)
			collector->smoothing_ns = plan->loads[i].smoothing_ns;
	}
	return ct_hist_init(&collector->hist, err);
}
