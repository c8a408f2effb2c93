/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/phase.h"

#include <math.h>
#include <stdlib.h>

#include "harness/campaign/collect.h"
#include "harness/tenant/protocol.h"

static const uint64_t second_ns = UINT64_C(1000000000);
enum {
	LOAD_TIMEOUT_S = 15,
	RUN_SLACK_S = 60, /* for an operation that is under way when the phase is over */
	SHORTEST_ROW_NS = 10000000
};

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

static void listen_to(struct ct_crew *crew, struct ct_phase_source *sources)
{
	ct_link_handler *handler = sources ? ct_collector_take : NULL;

	crew->victim.handler = handler;
	crew->victim.context = sources;
	for (size_t i = 0; i < crew->n_aggressors; i++) {
		crew->aggressors[i].handler = handler;
		crew->aggressors[i].context = sources ? &sources[i] : NULL;
	}
}

bool ct_phase_run(struct ct_crew *crew, const struct ct_phase_plan *plan,
		  struct ct_phase_record *record, struct ct_error *err)
{
	struct ct_collector collector;
	struct ct_phase_source sources[CT_MAX_PARTS];
	bool loaded = plan->role == CT_ROLE_TREATMENT || plan->role == CT_ROLE_MODULATED;
	bool good;

	*record = (struct ct_phase_record){.role = plan->role,
					   .order = plan->order,
					   .asked_rate = NAN,
					   .achieved_rate = NAN,
					   .min_ns = NAN,
					   .mean_ns = NAN,
					   .max_ns = NAN};
	if (!name_counters(record, crew->victim_ready, err) ||
	    !ct_collector_open(&collector, plan, record, crew, sources, err))
		return false;
	listen_to(crew, sources);
	good = (!loaded || load(crew, plan, err)) && run(crew, plan, err) &&
	       (!loaded || unload(crew, plan, err));
	listen_to(crew, NULL);
	/* What a phase that failed has is kept too, and must be as consistent as a whole one. */
	good = ct_collector_conclude(&collector, good ? err : NULL) && good;
	ct_collector_free(&collector);
	return good;
}
