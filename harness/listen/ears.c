/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/listen/ears.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/recorder.h"
#include "harness/tenant/protocol.h"

static const uint64_t slack_ns = UINT64_C(60) * 1000000000u;

static void clear_record(struct ct_ear *ear)
{
	struct ct_block_record block = {.n_phases = 1};

	block.phases[0] = ear->record;
	ct_block_record_free(&block);
	free(ear->host);
	free(ear->slots);
	ear->host = NULL;
	ear->slots = NULL;
	ear->next = 0;
	ear->record = (struct ct_phase_record){.role = CT_ROLE_BASELINE,
					       .asked_rate = NAN,
					       .achieved_rate = NAN,
					       .min_ns = NAN,
					       .mean_ns = NAN,
					       .max_ns = NAN};
	ct_hist_clear(&ear->hist);
}

/* Which of the counters that the victim has announced are the kernel's of everybody. */
static void find_host_counters(struct ct_ear *ear)
{
	const json_t *list = json_object_get(ear->crew.victim_ready, "counters");

	ear->n_counters = json_array_size(list);
	for (size_t h = 0; h < CT_HOST_CHANNELS; h++)
		ear->host_at[h] = -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *source, *name;
		size_t channel;

		if (json_unpack(json_array_get(list, i), "[s, s]", &source, &name) != 0)
			continue;
		channel = ct_host_find(source, name);
		if (channel < CT_HOST_CHANNELS)
			ear->host_at[channel] = (int)i;
	}
}

static bool open_one(struct ct_ears *ears, const struct ct_ground *ground, size_t i,
		     struct ct_error *err)
{
	const struct ct_config_ground *at = &ground->configs[0];
	struct ct_crew_setup setup = {
		.avoid_cpus = at->victim_cpus, .token = ground->token, .seed = i + 1};
	struct ct_ear *ear = &ears->items[i];

	if (!ct_hist_init(&ear->hist, err))
		return false;
	ear->ears = ears;
	setup.victim = ct_actor_of_victim(&ears->job->victims[i], ears->job->configs[0].tenants,
					  at->placements);
	if (!ct_crew_open(&ear->crew, ears->links, &setup, err)) {
		ct_hist_free(&ear->hist);
		return false;
	}
	find_host_counters(ear);
	ears->n = i + 1;
	return true;
}

bool ct_ears_open(struct ct_ears *ears, struct ct_links *links, const struct ct_ground *ground,
		  ct_ears_heard *heard, void *context, struct ct_error *err)
{
	*ears = (struct ct_ears){
		.links = links, .job = ground->job, .heard = heard, .context = context};
	for (size_t i = 0; i < ground->job->n_victims; i++) {
		if (!open_one(ears, ground, i, err)) {
			ct_ears_close(ears);
			return false;
		}
	}
	return true;
}

void ct_ears_close(struct ct_ears *ears)
{
	for (size_t i = 0; i < ears->n; i++) {
		ct_crew_close(&ears->items[i].crew);
		clear_record(&ears->items[i]);
		ct_hist_free(&ears->items[i].hist);
	}
	ears->n = 0;
}

/* The epoch of an ear that lies in a slot; SIZE_MAX: it has none. */
static size_t epoch_in(const struct ct_ear *ear, uint64_t slot)
{
	return ear->next < ear->record.n_epochs && ear->slots[ear->next] == slot ? ear->next
										 : SIZE_MAX;
}

/* What the first ear that counts it has counted. */
static void host_of(const struct ct_ears *ears, uint64_t slot, double out[CT_HOST_CHANNELS])
{
	for (size_t h = 0; h < CT_HOST_CHANNELS; h++) {
		size_t i = 0, epoch;

		while (i < ears->n && ears->items[i].host_at[h] < 0)
			i++;
		epoch = i < ears->n ? epoch_in(&ears->items[i], slot) : SIZE_MAX;
		out[h] = epoch < SIZE_MAX ? ears->items[i].host[epoch][h] : NAN;
	}
}

/* Hands over one slot of time: what each ear has in it, or that it has nothing. */
static bool tell_slot(struct ct_ears *ears, uint64_t slot, struct ct_error *err)
{
	const uint64_t begin_ns = ears->begin_ns + slot * ears->epoch_ns;
	struct ct_epoch_row rows[CT_EARS_MAX];
	double host[CT_HOST_CHANNELS];

	host_of(ears, slot, host);
	for (size_t i = 0; i < ears->n; i++) {
		struct ct_ear *ear = &ears->items[i];
		const size_t epoch = epoch_in(ear, slot);

		rows[i] = (struct ct_epoch_row){
			.p50_ns = NAN, .p99_ns = NAN, .mean_ns = NAN, .steal_ns = NAN};
		if (epoch < SIZE_MAX) {
			rows[i] = ear->record.epochs[epoch];
			ear->next++;
		}
		rows[i].start_ns = begin_ns;
		rows[i].end_ns = begin_ns + ears->epoch_ns;
	}
	return ears->heard(ears->context, rows, ears->n, host, err);
}

/* Tells of the slots that every ear is past by now; at the end, of all that any ear has. */
static bool tell(struct ct_ears *ears, bool at_end, struct ct_error *err)
{
	uint64_t first = UINT64_MAX, last = 0, end;

	for (size_t i = 0; i < ears->n; i++) {
		const struct ct_ear *ear = &ears->items[i];
		const size_t n = ear->record.n_epochs;
		const uint64_t past = n > 0 ? ear->slots[n - 1] + 1 : 0;

		first = past < first ? past : first;
		last = past > last ? past : last;
	}
	end = at_end ? last : first;
	while (ears->told < end) {
		if (!tell_slot(ears, ears->told, err))
			return false;
		ears->told++;
	}
	return true;
}

/*
 * An epoch ends with the first sample behind its boundary, or behind several. All ears have begun
 * with the segment, but for milliseconds.
 */
static uint64_t slot_of(const struct ct_ear *ear, const struct ct_epoch_row *row)
{
	const struct ct_ears *ears = ear->ears;
	const size_t n = ear->record.n_epochs;
	const uint64_t least = n > 0 ? ear->slots[n - 1] + 1 : 0;
	const uint64_t passed = row->end_ns > ears->begin_ns ? row->end_ns - ears->begin_ns : 0;
	const uint64_t boundaries = passed / ears->epoch_ns;

	return boundaries > least + 1 ? boundaries - 1 : least;
}

/* Room for one more epoch: twice as much whenever a power of two is full. */
static bool make_room(struct ct_ear *ear, struct ct_error *err)
{
	const size_t n = ear->record.n_epochs, room = n ? 2 * n : 1;
	struct ct_epoch_row *epochs;
	double(*host)[CT_HOST_CHANNELS];
	uint64_t *slots;

	if (n & (n - 1))
		return true;
	epochs = realloc(ear->record.epochs, room * sizeof *epochs);
	if (epochs)
		ear->record.epochs = epochs;
	host = realloc(ear->host, room * sizeof *host);
	if (host)
		ear->host = host;
	slots = realloc(ear->slots, room * sizeof *slots);
	if (slots)
		ear->slots = slots;
	return (epochs && host && slots) || ct_broken_errno(err, "memory for epochs");
}

/* `counters` are the victim's, one after the other, as they lie in its message. */
static void add_host(struct ct_ear *ear, const struct ct_epoch_row *row,
		     const unsigned char *counters)
{
	const double seconds = (double)(row->end_ns - row->start_ns) / 1e9;

	for (size_t h = 0; h < CT_HOST_CHANNELS; h++) {
		double value = NAN;

		if (ear->host_at[h] >= 0)
			memcpy(&value, counters + (size_t)ear->host_at[h] * sizeof value,
			       sizeof value);
		ear->host[ear->record.n_epochs][h] = ct_host_value(h, value, seconds);
	}
}

static void add_epoch(struct ct_ear *ear, const struct ct_epoch_row *row)
{
	struct ct_phase_record *record = &ear->record;
	const size_t n = record->n_epochs;

	ear->slots[n] = slot_of(ear, row);
	record->epochs[n] = *row;
	record->epochs[n].counted = 1;
	record->n_epochs++;
	if (row->count == 0)
		return;
	record->min_ns = fmin(record->min_ns, row->min_ns);
	record->max_ns = fmax(record->max_ns, row->max_ns);
	if (record->count == 0)
		record->mean_ns = 0;
	record->count += row->count;
	record->overflow += row->overflow;
	record->mean_ns +=
		(row->mean_ns - record->mean_ns) * (double)row->count / (double)record->count;
}

static bool add_buckets(struct ct_ear *ear, const unsigned char *at, size_t n, struct ct_error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct ct_bucket_wire wire;
		struct ct_bucket bucket;

		memcpy(&wire, at + i * sizeof wire, sizeof wire);
		bucket = (struct ct_bucket){wire.index, wire.count};
		if (!ct_hist_merge_sparse(&ear->hist, &bucket, 1, err))
			return false;
	}
	return true;
}

static bool take_epoch(void *context, unsigned type, const void *payload, size_t length,
		       struct ct_error *err)
{
	struct ct_ear *ear = context;
	const struct ct_link *link = &ear->crew.victim;
	const unsigned char *body = (const unsigned char *)payload + sizeof(struct ct_epoch_wire);
	struct ct_epoch_wire wire;
	size_t counters_at;

	if (type != CT_MSG_EPOCH)
		return true;
	if (length < sizeof wire)
		return ct_broken(err, "%s: an epoch cut short", link->name);
	memcpy(&wire, payload, sizeof wire);
	if (wire.n_buckets > CT_HIST_BUCKETS || wire.n_slow > CT_SLOWEST ||
	    wire.n_counters != ear->n_counters)
		return ct_broken(err, "%s: an epoch of the wrong size", link->name);
	counters_at = wire.n_buckets * sizeof(struct ct_bucket_wire) +
		      wire.n_slow * sizeof(struct ct_slow_sample) +
		      wire.n_raw * sizeof(struct ct_raw_sample);
	if (length - sizeof wire != counters_at + wire.n_counters * sizeof(double))
		return ct_broken(err, "%s: an epoch of the wrong size", link->name);
	wire.row.start_ns += (uint64_t)link->clock_offset_ns;
	wire.row.end_ns += (uint64_t)link->clock_offset_ns;
	if (!make_room(ear, err))
		return false;
	add_host(ear, &wire.row, body + counters_at);
	add_epoch(ear, &wire.row);
	return add_buckets(ear, body, wire.n_buckets, err) && tell(ear->ears, false, err);
}

static bool conclude(struct ct_ear *ear, struct ct_error *err)
{
	struct ct_phase_record *record = &ear->record;

	if (record->n_epochs > 0) {
		record->start_ns = record->epochs[0].start_ns;
		record->end_ns = record->epochs[record->n_epochs - 1].end_ns;
	}
	record->n_buckets = ct_hist_to_sparse(&ear->hist, NULL, 0);
	record->buckets = malloc((record->n_buckets + 1) * sizeof *record->buckets);
	if (!record->buckets)
		return ct_broken_errno(err, "memory for a histogram");
	ct_hist_to_sparse(&ear->hist, record->buckets, record->n_buckets);
	return true;
}

static bool run_segment(struct ct_ears *ears, uint64_t warmup_ns, uint64_t measure_ns,
			uint64_t epoch_ns, struct ct_error *err)
{
	for (size_t i = 0; i < ears->n; i++) {
		if (!ct_link_send(&ears->items[i].crew.victim, CT_MSG_RUN,
				  json_pack("{s:I, s:I, s:I}", "warmup_ns", (json_int_t)warmup_ns,
					    "measure_ns", (json_int_t)measure_ns, "epoch_ns",
					    (json_int_t)epoch_ns),
				  err))
			return false;
	}
	for (size_t i = 0; i < ears->n; i++) {
		if (!ct_link_await(ears->links, &ears->items[i].crew.victim, CT_MSG_DONE,
				   warmup_ns + measure_ns + slack_ns, NULL, err))
			return false;
	}
	return true;
}

bool ct_ears_listen(struct ct_ears *ears, uint64_t warmup_ns, uint64_t measure_ns,
		    uint64_t epoch_ns, struct ct_error *err)
{
	struct ct_error ignored;
	bool good, concluded = true;

	ears->told = 0;
	ears->begin_ns = ct_monotonic_ns();
	ears->epoch_ns = epoch_ns;
	for (size_t i = 0; i < ears->n; i++) {
		clear_record(&ears->items[i]);
		ears->items[i].crew.victim.handler = take_epoch;
		ears->items[i].crew.victim.context = &ears->items[i];
	}
	good = run_segment(ears, warmup_ns, measure_ns, epoch_ns, err) && tell(ears, true, err);
	for (size_t i = 0; i < ears->n; i++) {
		ears->items[i].crew.victim.handler = NULL;
		concluded &= conclude(&ears->items[i], good ? err : &ignored);
	}
	return good && concluded;
}
