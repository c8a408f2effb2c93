/* SPDX-License-Identifier: Apache-2.0 */
/* The [victim NAME] and [aggressor NAME] sections. */
#include "harness/campaign/job_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/units.h"

/* `tenant = NAME`; without it the only tenant, or the one called as is usual. */
static bool read_tenant_of(const struct ct_job *job, const struct ct_document *document,
			   struct ct_section *section, const char *usual, unsigned *tenant,
			   struct ct_error *err)
{
	struct ct_entry *entry = ct_section_take(section, "tenant");
	int found = job->n_tenants == 1 ? 0 : ct_job_find_tenant(job, usual);
	char all[512];

	if (entry)
		found = ct_job_find_tenant(job, entry->value);
	if (entry && found < 0) {
		ct_job_unknown_tenant(job, entry->value, err);
		return ct_error_at_entry(document, entry, err);
	}
	if (found < 0) {
		ct_usage(err, "[%s %s] needs 'tenant = NAME'; there are: %s", section->type,
			 section->name, ct_job_list_tenants(job, all, sizeof all));
		return ct_error_at_section(document, section, err);
	}
	*tenant = (unsigned)found;
	return true;
}

static bool add_peer(const struct ct_job *job, const char *name, unsigned max,
		     struct ct_peers *peers, struct ct_error *err)
{
	int found = ct_job_find_tenant(job, name);

	if (found < 0)
		return ct_job_unknown_tenant(job, name, err);
	if (peers->n == max)
		return ct_usage(err, "more than %u: so many other ends it can have", max);
	peers->tenants[peers->n++] = (unsigned)found;
	return true;
}

static bool read_peer_list(const struct ct_job *job, const struct ct_entry *entry, const char *kind,
			   const struct ct_peer_ops *ops, struct ct_peers *peers,
			   struct ct_error *err)
{
	const unsigned max = ops && ops->max_peers ? ops->max_peers : 1;
	char copy[(CT_PEERS_MAX + 1) * (CT_NAME_MAX + 1)];
	char *save, *word;

	if (!ops)
		return ct_usage(err, "'%s' has no other end: leave '%s' out", kind, entry->key);
	if (strlen(entry->value) >= sizeof copy)
		return ct_usage(err, "%s: the list is too long", entry->key);
	strcpy(copy, entry->value);
	for (word = strtok_r(copy, ", \t", &save); word; word = strtok_r(NULL, ", \t", &save)) {
		if (!add_peer(job, word, max, peers, err))
			return ct_error_in(err, "%s", entry->key);
	}
	return peers->n > 0 || ct_usage(err, "%s is empty: a list of tenants", entry->key);
}

/* `peer = NAME`, or `peers = NAME, NAME, ...` where the workload can have several. */
static bool read_peers(const struct ct_job *job, const struct ct_document *document,
		       struct ct_section *section, const char *kind, const struct ct_peer_ops *ops,
		       struct ct_peers *peers, struct ct_error *err)
{
	struct ct_entry *one = ct_section_take(section, "peer");
	struct ct_entry *several = ct_section_take(section, "peers");
	struct ct_entry *entry = several ? several : one;

	*peers = (struct ct_peers){.n = 0};
	if (!entry)
		return true;
	if (one && several) {
		ct_usage(err, "'peer' and 'peers' are the same key: leave one out");
		return ct_error_at_entry(document, entry, err);
	}
	return read_peer_list(job, entry, kind, ops, peers, err) ||
	       ct_error_at_entry(document, entry, err);
}

static size_t add_peer_names(const struct ct_peer_ops *ops, const char **names, size_t n)
{
	if (ops)
		names[n++] = "peer";
	if (ops && ops->max_peers > 1)
		names[n++] = "peers";
	return n;
}

/* `kind = NAME`; without it the section's own name. */
static const char *kind_of(struct ct_section *section, struct ct_entry **entry)
{
	*entry = ct_section_take(section, "kind");
	return *entry ? (*entry)->value : section->name;
}

static bool unknown_kind(const struct ct_document *document, const struct ct_section *section,
			 const struct ct_entry *entry, const char *const *names, size_t n,
			 const char *kind, struct ct_error *err)
{
	if (entry) {
		ct_unknown_name(section->type, kind, names, n, err);
		return ct_error_at_entry(document, entry, err);
	}
	ct_unknown_name(section->type, kind, names, n, err);
	ct_error_in(err, "[%s %s] has no 'kind'", section->type, section->name);
	return ct_error_at_section(document, section, err);
}

bool ct_job_read_victim(const struct ct_job *job, const struct ct_document *document,
			struct ct_section *section, struct ct_victim_entry *victim,
			struct ct_error *err)
{
	const char *names[CT_JOB_MAX_NAMES];
	struct ct_entry *entry;
	const char *kind = kind_of(section, &entry);
	size_t n = 0;

	snprintf(victim->name, sizeof victim->name, "%s", section->name);
	victim->line = section->line;
	victim->ops = ct_victim_find(kind);
	if (!victim->ops) {
		for (; ct_victims[n] && n < CT_JOB_MAX_NAMES; n++)
			names[n] = ct_victims[n]->name;
		return unknown_kind(document, section, entry, names, n, kind, err);
	}
	victim->options = calloc(1, victim->ops->options_size + 1);
	if (!victim->options)
		return ct_broken_errno(err, "memory for the job");
	ct_params_init(victim->ops->params, victim->options);
	ct_params_init(ct_victim_common_params, &victim->common);
	n = ct_job_add_names(victim->ops->params, names, 0);
	n = ct_job_add_names(ct_victim_common_params, names, n);
	names[n++] = "kind";
	names[n++] = "tenant";
	n = add_peer_names(victim->ops->peer, names, n);
	return read_tenant_of(job, document, section, "victim", &victim->tenant, err) &&
	       read_peers(job, document, section, kind, victim->ops->peer, &victim->peers, err) &&
	       ct_job_take_params(document, section, victim->ops->params, victim->options, err) &&
	       ct_job_take_params(document, section, ct_victim_common_params, &victim->common,
				  err) &&
	       ct_section_refuse_leftovers(document, section, names, n, err);
}

/* One dose: "50" and "50%" mean the same. */
static bool read_dose(const char *word, double *dose, struct ct_error *err)
{
	char text[32];
	size_t length = strlen(word);

	if (length == 0 || length + 2 > sizeof text)
		return ct_usage(err, "intensity '%s': a list such as 25,50,100", word);
	snprintf(text, sizeof text, "%s%s", word, word[length - 1] == '%' ? "" : "%");
	if (!ct_parse_percent(text, dose, err)) {
		ct_error_in(err, "intensity");
		return false;
	}
	if (*dose >= 0.1 && *dose <= 100)
		return true;
	return ct_usage(err, "intensity %s: allowed: 0.1%% to 100%%", word);
}

static bool read_doses(const char *list, struct ct_aggressor_entry *aggressor, struct ct_error *err)
{
	char copy[256];
	char *save, *word;

	if (strlen(list) >= sizeof copy)
		return ct_usage(err, "intensity: the list is too long");
	strcpy(copy, list);
	aggressor->n_intensities = 0;
	for (word = strtok_r(copy, ", \t", &save); word; word = strtok_r(NULL, ", \t", &save)) {
		double dose = 0;

		if (!read_dose(word, &dose, err))
			return false;
		if (aggressor->n_intensities == CT_MAX_INTENSITIES)
			return ct_usage(err, "intensity: more than %d values", CT_MAX_INTENSITIES);
		for (unsigned i = 0; i < aggressor->n_intensities; i++) {
			if (aggressor->intensities[i] == dose)
				return ct_usage(err, "intensity: %s stands twice in the list",
						word);
		}
		aggressor->intensities[aggressor->n_intensities++] = dose;
	}
	return aggressor->n_intensities > 0 ||
	       ct_usage(err, "intensity is empty: a list such as 25,50,100");
}

static bool take_doses(const struct ct_document *document, struct ct_section *section,
		       struct ct_aggressor_entry *aggressor, struct ct_error *err)
{
	struct ct_entry *entry = ct_section_take(section, "intensity");

	aggressor->intensities[0] = 100;
	aggressor->n_intensities = 1;
	if (!entry || read_doses(entry->value, aggressor, err))
		return true;
	return ct_error_at_entry(document, entry, err);
}

/* Its parts may stand further down in the file: `of` is read when all aggressors are. */
static bool read_mix(const struct ct_document *document, struct ct_section *section,
		     struct ct_aggressor_entry *aggressor, struct ct_error *err)
{
	static const char *const names[] = {"kind", "of", "intensity"};
	struct ct_entry *of = ct_section_take(section, "of");

	aggressor->ops = &ct_mix;
	ct_params_init(ct_aggressor_common_params, &aggressor->common);
	if (!of) {
		ct_usage(err, "a mix needs 'of = NAME+NAME'");
		return ct_error_at_section(document, section, err);
	}
	return take_doses(document, section, aggressor, err) &&
	       ct_section_refuse_leftovers(document, section, names, 3, err);
}

bool ct_job_read_aggressor(const struct ct_job *job, const struct ct_document *document,
			   struct ct_section *section, struct ct_aggressor_entry *aggressor,
			   struct ct_error *err)
{
	const char *names[CT_JOB_MAX_NAMES];
	struct ct_entry *entry;
	const char *kind = kind_of(section, &entry);
	size_t n = 0;

	snprintf(aggressor->name, sizeof aggressor->name, "%s", section->name);
	aggressor->line = section->line;
	aggressor->peers.n = 0;
	if (strcmp(kind, ct_mix.name) == 0)
		return read_mix(document, section, aggressor, err);
	aggressor->ops = ct_aggressor_find(kind);
	if (!aggressor->ops) {
		for (; ct_aggressors[n] && n + 1 < CT_JOB_MAX_NAMES; n++)
			names[n] = ct_aggressors[n]->name;
		names[n++] = ct_mix.name;
		return unknown_kind(document, section, entry, names, n, kind, err);
	}
	aggressor->options = calloc(1, aggressor->ops->options_size + 1);
	if (!aggressor->options)
		return ct_broken_errno(err, "memory for the job");
	ct_params_init(aggressor->ops->params, aggressor->options);
	ct_params_init(ct_aggressor_common_params, &aggressor->common);
	n = ct_job_add_names(aggressor->ops->params, names, 0);
	n = ct_job_add_names(ct_aggressor_common_params, names, n);
	names[n++] = "kind";
	names[n++] = "tenant";
	n = add_peer_names(aggressor->ops->peer, names, n);
	for (size_t i = 0; i < section->n_entries; i++)
		aggressor->has_frequency |= strcmp(section->entries[i].key, "frequency") == 0;
	return read_tenant_of(job, document, section, "neighbour", &aggressor->tenant, err) &&
	       read_peers(job, document, section, kind, aggressor->ops->peer, &aggressor->peers,
			  err) &&
	       take_doses(document, section, aggressor, err) &&
	       ct_job_take_params(document, section, aggressor->ops->params, aggressor->options,
				  err) &&
	       ct_job_take_params(document, section, ct_aggressor_common_params, &aggressor->common,
				  err) &&
	       ct_section_refuse_leftovers(document, section, names, n, err);
}
