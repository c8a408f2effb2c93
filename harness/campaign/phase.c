/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/phase.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/recorder.h"
#include "harness/tenant/protocol.h"

static const uint64_t second_ns = UINT64_C(1000000000);
enum {
	LOAD_TIMEOUT_S = 15,
	RUN_SLACK_S = 60, /* for an operation that is under way when the phase is over */
	SHORTEST_ROW_NS = 10000000
};

/* An epoch that the aggressor's rows do not cover yet. */
struct pending {
	size_t epoch; /* row in the record */
	struct ct_bucket *buckets;
	size_t n_buckets;
	struct ct_slow_sample *slow;
	size_t n_slow;
};

struct collector {
	const struct ct_phase_plan *plan;
	struct ct_phase_record *record;
	const struct ct_link *victim, *aggressor;
	struct ct_hist hist;
	struct pending *pending;
	size_t n_pending;
	size_t first_noise; /* rows before it end before the oldest pending epoch */
	size_t n_load[CT_LOAD_ABSENT + 1];
	/*
	 * How far the clocks of victim and aggressor may be apart after their offsets: an epoch
	 * counts only when the aggressor was there for that much longer at both ends.
	 */
	uint64_t doubt_ns;
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

/* How much of the span the rows cover, in ns. */
static double covered_ns(const struct ct_noise_row *rows, size_t n, uint64_t start_ns,
			 uint64_t end_ns)
{
	double covered = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t from = rows[i].start_ns > start_ns ? rows[i].start_ns : start_ns;
		uint64_t to = rows[i].end_ns < end_ns ? rows[i].end_ns : end_ns;

		if (from < to)
			covered += (double)(to - from);
	}
	return covered;
}

enum ct_load ct_judge_load(const struct ct_noise_row *rows, size_t n,
			   const struct ct_load_span *span, double *share, double *rate)
{
	const uint64_t first_ns = span->start_ns - span->smoothing_ns;
	const uint64_t last_ns = span->end_ns + span->smoothing_ns;
	double units = 0, asked = 0, all = 0, busy = 0, runnable = 0;

	for (size_t i = 0; i < n; i++) {
		double length = (double)(rows[i].end_ns - rows[i].start_ns);

		if (rows[i].start_ns >= last_ns || rows[i].end_ns <= first_ns)
			continue;
		units += rows[i].units;
		asked += rows[i].asked_units;
		all += length;
		busy += rows[i].busy * length;
		runnable += rows[i].runnable * length;
	}
	*rate = all > 0 ? units * 1e9 / all : 0;
	*share = asked > 0 ? units / asked : 1;
	/* Rows follow each other without a gap; half a millisecond allows for rounding of clocks.
	 */
	if (covered_ns(rows, n, span->start_ns, span->end_ns) + 5e5 <
	    (double)(span->end_ns - span->start_ns))
		return CT_LOAD_ABSENT;
	if (*share >= CT_OVERLAP_SHARE)
		return CT_LOAD_HELD;
	if (!span->blocks && busy >= CT_OVERLAP_SHARE * all && runnable >= CT_RUNNABLE_SHARE * all)
		return CT_LOAD_CONTENDED;
	return CT_LOAD_ABSENT;
}

static int slower_first(const void *a, const void *b)
{
	double x = ((const struct ct_slow_sample *)a)->latency_ns;
	double y = ((const struct ct_slow_sample *)b)->latency_ns;

	return (x < y) - (x > y);
}

static bool keep_slowest(struct ct_phase_record *record, const struct pending *epoch,
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

static bool count_epoch(struct collector *collector, const struct pending *epoch,
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

static bool judge_epoch(struct collector *collector, struct pending *epoch, struct ct_error *err)
{
	struct ct_phase_record *record = collector->record;
	struct ct_epoch_row *row = &record->epochs[epoch->epoch];
	enum ct_load load = CT_LOAD_NONE;
	bool good = true;

	if (collector->plan->role == CT_ROLE_TREATMENT) {
		const struct ct_load_span span = {
			.start_ns = row->start_ns - collector->doubt_ns,
			.end_ns = row->end_ns + collector->doubt_ns,
			.smoothing_ns = collector->plan->smoothing_ns,
			.blocks = collector->plan->blocks,
		};

		while (collector->first_noise < record->n_noise &&
		       record->noise[collector->first_noise].end_ns <=
			       span.start_ns - span.smoothing_ns)
			collector->first_noise++;
		load = ct_judge_load(record->noise + collector->first_noise,
				     record->n_noise - collector->first_noise, &span,
				     &row->aggressor_share, &row->aggressor_rate);
	}
	collector->n_load[load]++;
	if (load != CT_LOAD_ABSENT)
		good = count_epoch(collector, epoch, err);
	free(epoch->buckets);
	free(epoch->slow);
	return good;
}

/* Judges the epochs that rows up to `until_ns` are enough for, oldest first. */
static bool judge_until(struct collector *collector, uint64_t until_ns, struct ct_error *err)
{
	size_t judged = 0;
	bool good = true;

	while (good && judged < collector->n_pending &&
	       collector->record->epochs[collector->pending[judged].epoch].end_ns +
			       collector->doubt_ns + collector->plan->smoothing_ns <=
		       until_ns)
		good = judge_epoch(collector, &collector->pending[judged++], err);
	if (judged == 0)
		return good;
	collector->n_pending -= judged;
	memmove(collector->pending, collector->pending + judged,
		collector->n_pending * sizeof *collector->pending);
	return good;
}

static bool unpack_epoch(struct pending *epoch, const struct ct_epoch_wire *wire,
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

static bool store_raw(struct collector *collector, const struct ct_epoch_wire *wire,
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
		samples[i].time_ns += (uint64_t)collector->victim->clock_offset_ns;
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

static bool take_epoch(struct collector *collector, const unsigned char *payload, size_t length,
		       struct ct_error *err)
{
	struct ct_phase_record *record = collector->record;
	struct ct_epoch_wire wire;
	struct pending epoch = {.epoch = record->n_epochs};
	const unsigned char *body = payload + sizeof wire;
	size_t raw_at, counters_at;

	if (length < sizeof wire)
		return ct_broken(err, "%s: an epoch cut short", collector->victim->name);
	memcpy(&wire, payload, sizeof wire);
	raw_at = wire.n_buckets * sizeof(struct ct_bucket_wire) +
		 wire.n_slow * sizeof(struct ct_slow_sample);
	counters_at = raw_at + wire.n_raw * sizeof(struct ct_raw_sample);
	if (wire.n_buckets > CT_HIST_BUCKETS || wire.n_slow > CT_SLOWEST ||
	    wire.n_counters != record->n_counters ||
	    length - sizeof wire != counters_at + wire.n_counters * sizeof(double))
		return ct_broken(err, "%s: an epoch of the wrong size", collector->victim->name);
	wire.row.start_ns += (uint64_t)collector->victim->clock_offset_ns;
	wire.row.end_ns += (uint64_t)collector->victim->clock_offset_ns;
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

static bool take_noise(struct collector *collector, const unsigned char *payload, size_t length,
		       struct ct_error *err)
{
	struct ct_phase_record *record = collector->record;
	struct ct_noise_row row;

	if (length == 0 || length % sizeof row != 0)
		return ct_broken(err, "%s: a row of the wrong size", collector->aggressor->name);
	for (size_t at = 0; at < length; at += sizeof row) {
		memcpy(&row, payload + at, sizeof row);
		row.start_ns += (uint64_t)collector->aggressor->clock_offset_ns;
		row.end_ns += (uint64_t)collector->aggressor->clock_offset_ns;
		if (!grow((void **)&record->noise, record->n_noise, sizeof row, err))
			return false;
		record->noise[record->n_noise++] = row;
	}
	return judge_until(collector, row.end_ns, err);
}

static bool take_message(void *context, unsigned type, const void *payload, size_t length,
			 struct ct_error *err)
{
	if (type == CT_MSG_EPOCH)
		return take_epoch(context, payload, length, err);
	return take_noise(context, payload, length, err);
}

static bool load(struct ct_crew *crew, const struct ct_phase_plan *plan, struct ct_error *err)
{
	uint64_t row_ns = plan->epoch_ns / 2;
	uint64_t longest_ns = plan->warmup_ns + plan->measure_ns + RUN_SLACK_S * second_ns;

	if (row_ns < SHORTEST_ROW_NS)
		row_ns = SHORTEST_ROW_NS;
	return ct_link_ask(crew->links, &crew->aggressor, CT_MSG_LOAD,
			   json_pack("{s:f, s:f, s:I, s:I}", "intensity", plan->intensity,
				     "solo_rate", plan->solo_rate, "row_ns", (json_int_t)row_ns,
				     "longest_ns", (json_int_t)longest_ns),
			   CT_MSG_LOADED, LOAD_TIMEOUT_S * second_ns, NULL, err);
}

/* Peers and an aggressor that rests hear nothing during a phase; they end when left alone. */
static bool let_others_stay(struct ct_crew *crew, uint64_t ns, struct ct_error *err)
{
	for (size_t i = 0; i < crew->links->n; i++) {
		struct ct_link *link = crew->links->items[i];

		if (link != &crew->victim &&
		    !ct_link_send(link, CT_MSG_STAY, json_pack("{s:I}", "ns", (json_int_t)ns), err))
			return false;
	}
	return true;
}

static bool run(struct ct_crew *crew, const struct ct_phase_plan *plan, struct ct_error *err)
{
	const uint64_t longest_ns = plan->warmup_ns + plan->measure_ns + RUN_SLACK_S * second_ns;

	if (!let_others_stay(crew, longest_ns, err))
		return false;
	return ct_link_ask(crew->links, &crew->victim, CT_MSG_RUN,
			   json_pack("{s:I, s:I, s:I}", "warmup_ns", (json_int_t)plan->warmup_ns,
				     "measure_ns", (json_int_t)plan->measure_ns, "epoch_ns",
				     (json_int_t)plan->epoch_ns),
			   CT_MSG_DONE, longest_ns, NULL, err);
}

static bool unload(struct ct_crew *crew, struct ct_error *err)
{
	return ct_link_ask(crew->links, &crew->aggressor, CT_MSG_UNLOAD, NULL, CT_MSG_UNLOADED,
			   LOAD_TIMEOUT_S * second_ns, NULL, err);
}

/* The dose of the phase: fewer than half of the epochs counted is no treatment. */
static void conclude_load(struct collector *collector)
{
	struct ct_phase_record *record = collector->record;
	const size_t held = collector->n_load[CT_LOAD_HELD];
	const size_t contended = collector->n_load[CT_LOAD_CONTENDED];
	double asked = 0, length = 0, done = 0, counted = 0;

	for (size_t i = 0; i < record->n_noise; i++) {
		asked += record->noise[i].asked_units;
		length += (double)(record->noise[i].end_ns - record->noise[i].start_ns);
	}
	for (size_t i = 0; i < record->n_epochs; i++) {
		double epoch = (double)(record->epochs[i].end_ns - record->epochs[i].start_ns);

		if (!record->epochs[i].counted)
			continue;
		done += record->epochs[i].aggressor_rate * epoch;
		counted += epoch;
	}
	record->asked_rate = length > 0 ? asked * 1e9 / length : NAN;
	record->achieved_rate = counted > 0 ? done / counted : 0;
	if (record->n_epochs == 0 || 2 * (held + contended) < record->n_epochs)
		record->load = CT_LOAD_ABSENT;
	else
		record->load = contended > held ? CT_LOAD_CONTENDED : CT_LOAD_HELD;
}

static bool conclude(struct collector *collector, struct ct_error *err)
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
	record->n_buckets = ct_hist_to_sparse(&collector->hist, NULL, 0);
	record->buckets = malloc((record->n_buckets + 1) * sizeof *record->buckets);
	if (!record->buckets)
		return ct_broken_errno(err, "memory for a histogram");
	ct_hist_to_sparse(&collector->hist, record->buckets, record->n_buckets);
	return true;
}

static void free_collector(struct collector *collector)
{
	for (size_t i = 0; i < collector->n_pending; i++) {
		free(collector->pending[i].buckets);
		free(collector->pending[i].slow);
	}
	free(collector->pending);
	ct_hist_free(&collector->hist);
}

/* The counters that the victim announced when it was ready. */
static bool name_counters(struct ct_phase_record *record, const json_t *ready, struct ct_error *err)
{
	const json_t *list = json_object_get(ready, "counters");
	const size_t n = json_array_size(list);

	if (n > CT_COUNTERS_MAX)
		return ct_broken(err, "the victim announced %zu counters, at most %d are allowed",
				 n, CT_COUNTERS_MAX);
	record->counters = calloc(n + 1, sizeof *record->counters);
	if (!record->counters)
		return ct_broken_errno(err, "memory for counters");
	for (size_t i = 0; i < n; i++) {
		/* Only read: the copy has texts of its own. */
		struct ct_counter_info named;

		if (json_unpack(json_array_get(list, i), "[s, s, s, s]", &named.source, &named.name,
				&named.units, &named.what) != 0)
			return ct_broken(err, "the victim announced a counter without a name");
		if (!ct_counter_copy(&record->counters[i], &named, err))
			return false;
		record->n_counters = i + 1;
	}
	return true;
}

bool ct_phase_run(struct ct_crew *crew, const struct ct_phase_plan *plan,
		  struct ct_phase_record *record, struct ct_error *err)
{
	struct collector collector = {.plan = plan,
				      .record = record,
				      .victim = &crew->victim,
				      .aggressor = &crew->aggressor,
				      .doubt_ns = (uint64_t)(crew->victim.clock_error_ns +
							     crew->aggressor.clock_error_ns)};
	bool treatment = plan->role == CT_ROLE_TREATMENT;
	bool good;

	*record = (struct ct_phase_record){.role = plan->role,
					   .order = plan->order,
					   .asked_rate = NAN,
					   .achieved_rate = NAN,
					   .min_ns = NAN,
					   .mean_ns = NAN,
					   .max_ns = NAN};
	if (!name_counters(record, crew->victim_ready, err) || !ct_hist_init(&collector.hist, err))
		return false;
	crew->victim.handler = crew->aggressor.handler = take_message;
	crew->victim.context = crew->aggressor.context = &collector;
	good = (!treatment || load(crew, plan, err)) && run(crew, plan, err) &&
	       (!treatment || unload(crew, err));
	crew->victim.handler = crew->aggressor.handler = NULL;
	good = good && conclude(&collector, err);
	free_collector(&collector);
	return good;
}
