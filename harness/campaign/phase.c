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
	const struct ct_crew *crew;
	struct ct_hist hist;
	struct pending *pending;
	size_t n_pending;
	size_t first_noise;                /* rows before it end before the oldest pending epoch */
	uint64_t covered_ns[CT_MAX_PARTS]; /* end of the last row of each aggressor */
	size_t n_load[CT_LOAD_ABSENT + 1];
	/*
	 * How far the clocks of victim and any aggressor may be apart after their offsets: an epoch
	 * counts only when the aggressors were there for that much longer at both ends.
	 */
	uint64_t doubt_ns;
	uint64_t smoothing_ns; /* the longest of any */
};

/* What a link hands to the collector, and whose link it is. */
struct source {
	struct collector *collector;
	size_t aggressor; /* of the crew; not used for the victim */
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
static double covered_ns(const struct ct_noise_row *rows, size_t n, const struct ct_load_span *span)
{
	double covered = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t from =
			rows[i].start_ns > span->start_ns ? rows[i].start_ns : span->start_ns;
		uint64_t to = rows[i].end_ns < span->end_ns ? rows[i].end_ns : span->end_ns;

		if (rows[i].aggressor == span->aggressor && from < to)
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

		if (rows[i].aggressor != span->aggressor || rows[i].start_ns >= last_ns ||
		    rows[i].end_ns <= first_ns)
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
	if (covered_ns(rows, n, span) + 5e5 < (double)(span->end_ns - span->start_ns))
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

/* Rates of one aggressor are its own units/s; those of several are shares of their maxima. */
static double rate_scale(const struct ct_phase_plan *plan, size_t i)
{
	return plan->n_loads == 1 ? 1 : 100 / (plan->loads[i].solo_rate * (double)plan->n_loads);
}

/* The worst verdict on any aggressor; *row gets the least share and the rate of all. */
static enum ct_load judge_loads(struct collector *collector, struct ct_epoch_row *row)
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

static bool judge_epoch(struct collector *collector, struct pending *epoch, struct ct_error *err)
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
static bool judge_until(struct collector *collector, uint64_t until_ns, struct ct_error *err)
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

static bool take_epoch(struct collector *collector, const unsigned char *payload, size_t length,
		       struct ct_error *err)
{
	struct ct_phase_record *record = collector->record;
	struct ct_epoch_wire wire;
	struct pending epoch = {.epoch = record->n_epochs};
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

static bool take_noise(struct collector *collector, size_t aggressor, const unsigned char *payload,
		       size_t length, struct ct_error *err)
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

static bool take_message(void *context, unsigned type, const void *payload, size_t length,
			 struct ct_error *err)
{
	struct source *source = context;

	if (type == CT_MSG_EPOCH)
		return take_epoch(source->collector, payload, length, err);
	return take_noise(source->collector, source->aggressor, payload, length, err);
}

/* All begin before any is awaited: together they are loaded as soon as the slowest is. */
static bool load(struct ct_crew *crew, const struct ct_phase_plan *plan, struct ct_error *err)
{
	uint64_t row_ns = plan->epoch_ns / 2;
	uint64_t longest_ns = plan->warmup_ns + plan->measure_ns + RUN_SLACK_S * second_ns;

	if (row_ns < SHORTEST_ROW_NS)
		row_ns = SHORTEST_ROW_NS;
	for (size_t i = 0; i < plan->n_loads; i++) {
		if (!ct_link_send(&crew->aggressors[i], CT_MSG_LOAD,
				  json_pack("{s:f, s:f, s:I, s:I}", "intensity",
					    plan->loads[i].intensity, "solo_rate",
					    plan->loads[i].solo_rate, "row_ns", (json_int_t)row_ns,
					    "longest_ns", (json_int_t)longest_ns),
				  err))
			return false;
	}
	for (size_t i = 0; i < plan->n_loads; i++) {
		if (!ct_link_await(crew->links, &crew->aggressors[i], CT_MSG_LOADED,
				   LOAD_TIMEOUT_S * second_ns, NULL, err))
			return false;
	}
	return true;
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
	bool good;

	if (!let_others_stay(crew, longest_ns, err))
		return false;
	crew->victim.must_speak = true;
	good = ct_link_ask(crew->links, &crew->victim, CT_MSG_RUN,
			   json_pack("{s:I, s:I, s:I}", "warmup_ns", (json_int_t)plan->warmup_ns,
				     "measure_ns", (json_int_t)plan->measure_ns, "epoch_ns",
				     (json_int_t)plan->epoch_ns),
			   CT_MSG_DONE, longest_ns, NULL, err);
	crew->victim.must_speak = false;
	return good;
}

static bool unload(struct ct_crew *crew, const struct ct_phase_plan *plan, struct ct_error *err)
{
	for (size_t i = 0; i < plan->n_loads; i++) {
		if (!ct_link_send(&crew->aggressors[i], CT_MSG_UNLOAD, NULL, err))
			return false;
	}
	for (size_t i = 0; i < plan->n_loads; i++) {
		if (!ct_link_await(crew->links, &crew->aggressors[i], CT_MSG_UNLOADED,
				   LOAD_TIMEOUT_S * second_ns, NULL, err))
			return false;
	}
	return true;
}

/* Rates of one aggressor over all of its rows, on the scale of the phase. */
static void add_rates(const struct collector *collector, size_t i, double *asked, double *done)
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
static void conclude_load(struct collector *collector)
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
static void conclude_modulation(struct collector *collector)
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
	if (collector->plan->role == CT_ROLE_MODULATED)
		conclude_modulation(collector);
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

static void listen_to(struct ct_crew *crew, struct source *sources)
{
	ct_link_handler *handler = sources ? take_message : NULL;

	crew->victim.handler = handler;
	crew->victim.context = sources;
	for (size_t i = 0; i < crew->n_aggressors; i++) {
		crew->aggressors[i].handler = handler;
		crew->aggressors[i].context = sources ? &sources[i] : NULL;
	}
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

static void open_collector(struct collector *collector, const struct ct_crew *crew,
			   struct source sources[CT_MAX_PARTS])
{
	for (size_t i = 0; i < CT_MAX_PARTS; i++)
		sources[i] = (struct source){collector, i};
	collector->doubt_ns = doubt_of(crew);
	for (size_t i = 0; i < collector->plan->n_loads; i++) {
		if (collector->plan->loads[i].smoothing_ns > collector->smoothing_ns)
			collector->smoothing_ns = collector->plan->loads[i].smoothing_ns;
	}
}

bool ct_phase_run(struct ct_crew *crew, const struct ct_phase_plan *plan,
		  struct ct_phase_record *record, struct ct_error *err)
{
	struct collector collector = {.plan = plan, .record = record, .crew = crew};
	struct source sources[CT_MAX_PARTS];
	bool loaded = plan->role == CT_ROLE_TREATMENT || plan->role == CT_ROLE_MODULATED;
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
	open_collector(&collector, crew, sources);
	listen_to(crew, sources);
	good = (!loaded || load(crew, plan, err)) && run(crew, plan, err) &&
	       (!loaded || unload(crew, plan, err));
	listen_to(crew, NULL);
	/* What a phase that failed has is kept too, and must be as consistent as a whole one. */
	good = conclude(&collector, good ? err : NULL) && good;
	free_collector(&collector);
	return good;
}
