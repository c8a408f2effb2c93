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
	ear->record = (struct ct_phase_record){.role = CT_ROLE_BASELINE,
					       .asked_rate = NAN,
					       .achieved_rate = NAN,
					       .min_ns = NAN,
					       .mean_ns = NAN,
					       .max_ns = NAN};
	ct_hist_clear(&ear->hist);
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

/* Tells of the epochs that every ear has closed by now. */
static bool tell(struct ct_ears *ears, struct ct_error *err)
{
	size_t whole = SIZE_MAX;

	for (size_t i = 0; i < ears->n; i++) {
		if (ears->items[i].record.n_epochs < whole)
			whole = ears->items[i].record.n_epochs;
	}
	for (; ears->told < whole; ears->told++) {
		struct ct_epoch_row rows[CT_EARS_MAX];

		for (size_t i = 0; i < ears->n; i++)
			rows[i] = ears->items[i].record.epochs[ears->told];
		if (!ears->heard(ears->context, rows, ears->n, err))
			return false;
	}
	return true;
}

static bool add_epoch(struct ct_phase_record *record, const struct ct_epoch_row *row,
		      struct ct_error *err)
{
	const size_t n = record->n_epochs;

	if (n == 0 || (n & (n - 1)) == 0) {
		struct ct_epoch_row *grown =
			realloc(record->epochs, (n ? 2 * n : 1) * sizeof *grown);

		if (!grown)
			return ct_broken_errno(err, "memory for epochs");
		record->epochs = grown;
	}
	record->epochs[n] = *row;
	record->epochs[n].counted = 1;
	record->n_epochs++;
	if (row->count == 0)
		return true;
	record->min_ns = fmin(record->min_ns, row->min_ns);
	record->max_ns = fmax(record->max_ns, row->max_ns);
	if (record->count == 0)
		record->mean_ns = 0;
	record->count += row->count;
	record->overflow += row->overflow;
	record->mean_ns +=
		(row->mean_ns - record->mean_ns) * (double)row->count / (double)record->count;
	return true;
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
	struct ct_epoch_wire wire;

	if (type != CT_MSG_EPOCH)
		return true;
	if (length < sizeof wire)
		return ct_broken(err, "%s: an epoch cut short", link->name);
	memcpy(&wire, payload, sizeof wire);
	if (wire.n_buckets > CT_HIST_BUCKETS ||
	    length - sizeof wire < wire.n_buckets * sizeof(struct ct_bucket_wire))
		return ct_broken(err, "%s: an epoch of the wrong size", link->name);
	wire.row.start_ns += (uint64_t)link->clock_offset_ns;
	wire.row.end_ns += (uint64_t)link->clock_offset_ns;
	return add_epoch(&ear->record, &wire.row, err) &&
	       add_buckets(ear, (const unsigned char *)payload + sizeof wire, wire.n_buckets,
			   err) &&
	       tell(ear->ears, err);
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
	for (size_t i = 0; i < ears->n; i++) {
		clear_record(&ears->items[i]);
		ears->items[i].crew.victim.handler = take_epoch;
		ears->items[i].crew.victim.context = &ears->items[i];
	}
	good = run_segment(ears, warmup_ns, measure_ns, epoch_ns, err);
	for (size_t i = 0; i < ears->n; i++) {
		ears->items[i].crew.victim.handler = NULL;
		concluded &= conclude(&ears->items[i], good ? err : &ignored);
	}
	return good && concluded;
}
