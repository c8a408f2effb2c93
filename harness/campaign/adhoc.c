/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/adhoc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/core/units.h"
#include "harness/tenant/launch.h"
#include "harness/tenant/near_gpu.h"

enum { MAX_NAMES = 256 };

/* Everything a key may belong to, in the order in which it is looked up. */
struct scope {
	const char *kind; /* of the workload, for messages */
	const struct ct_param *own, *common;
	void *own_options, *common_options;
	struct ct_tenant *tenants; /* of the job */
	unsigned tenant;
	const struct ct_peers *peers;
};

static size_t add_params(const struct ct_param *table, const char **names, size_t n)
{
	for (; table && table->name && n < MAX_NAMES; table++)
		names[n++] = table->name;
	return n;
}

static bool unknown_key(const struct scope *scope, const char *key, struct ct_error *err)
{
	const char *names[MAX_NAMES];
	const char *near;
	size_t n = add_params(scope->common, names, add_params(scope->own, names, 0));

	for (const char *const *tenant_key = ct_tenant_keys; *tenant_key && n < MAX_NAMES;
	     tenant_key++)
		names[n++] = *tenant_key;
	near = ct_nearest(key, names, n);
	if (near)
		return ct_usage(
			err,
			"%s has no parameter '%s' (did you mean '%s'?): see 'cotenant list %s'",
			scope->kind, key, near, scope->kind);
	return ct_usage(err, "%s has no parameter '%s': see 'cotenant list %s'", scope->kind, key,
			scope->kind);
}

static bool is_tenant_key(const char *key)
{
	for (const char *const *name = ct_tenant_keys; *name; name++) {
		if (strcmp(*name, key) == 0)
			return true;
	}
	return false;
}

/* `peer.cpus`: of all; `peer2.cpus`: of the second. */
static bool set_peer_key(const struct scope *scope, const char *key, const char *value,
			 struct ct_error *err)
{
	const char *tenant_key = strchr(key, '.') + 1;
	char *end;
	unsigned long only = strtoul(key + 4, &end, 10);

	if (*end != '.' || !is_tenant_key(tenant_key))
		return unknown_key(scope, key, err);
	if (!scope->peers || scope->peers->n == 0)
		return ct_usage(err, "%s: %s has no other end", key, scope->kind);
	if (end != key + 4 && (only == 0 || only > scope->peers->n))
		return ct_usage(err, "%s: it has %u other ends (peers = %u)", key, scope->peers->n,
				scope->peers->n);
	for (unsigned i = 0; i < scope->peers->n; i++) {
		if ((only == 0 || only == i + 1) &&
		    !ct_tenant_set(&scope->tenants[scope->peers->tenants[i]], tenant_key, value,
				   err))
			return false;
	}
	return true;
}

static bool set_key(const struct scope *scope, const char *key, const char *value,
		    struct ct_error *err)
{
	const struct ct_param *param = ct_param_find(scope->own, key);

	if (param)
		return ct_param_set(param, scope->own_options, value, err);
	param = ct_param_find(scope->common, key);
	if (param)
		return ct_param_set(param, scope->common_options, value, err);
	if (strcmp(key, "peers") == 0)
		return true; /* counted before any key was set */
	if (is_tenant_key(key))
		return ct_tenant_set(&scope->tenants[scope->tenant], key, value, err);
	if (strncmp(key, "peer", 4) == 0 && strchr(key, '.'))
		return set_peer_key(scope, key, value, err);
	return unknown_key(scope, key, err);
}

static bool set_word(const char *word, const struct scope *victim, const struct scope *aggressor,
		     struct ct_error *err)
{
	const char *equals = strchr(word, '=');
	const struct scope *scope = victim->kind ? victim : aggressor;
	char key[CT_NAME_MAX];
	const char *name = key;

	if (!equals || equals == word)
		return ct_usage(err, "'%s' is not key=value", word);
	if ((size_t)(equals - word) >= sizeof key)
		return ct_usage(err, "'%.20s...': the key is too long", word);
	snprintf(key, sizeof key, "%.*s", (int)(equals - word), word);
	if (victim->kind && strncmp(key, "with.", 5) == 0) {
		if (!aggressor->kind)
			return ct_usage(err, "%s needs with=AGGRESSOR", key);
		scope = aggressor;
		name = key + 5;
	}
	return set_key(scope, name, equals + 1, err);
}

static bool unknown_workload(const char *what, const char *name, const char *near,
			     struct ct_error *err)
{
	if (near)
		return ct_usage(err, "no %s '%s' (did you mean '%s'?): see 'cotenant list'", what,
				name, near);
	return ct_usage(err, "no %s '%s': see 'cotenant list'", what, name);
}

/* Only tenants that are used exist: each is placed by a worker of its own. */
static bool add_tenant(struct ct_adhoc *adhoc, const char *name, unsigned *index,
		       struct ct_error *err)
{
	*index = (unsigned)adhoc->job.n_tenants++;
	return ct_tenant_init(&adhoc->tenants[*index], name, err);
}

static bool add_tenants(struct ct_adhoc *adhoc, const char *name, unsigned n_peers,
			unsigned *tenant, struct ct_peers *peers, struct ct_error *err)
{
	char peer_name[CT_NAME_MAX];

	peers->n = 0;
	if (!add_tenant(adhoc, name, tenant, err))
		return false;
	for (unsigned i = 0; i < n_peers; i++) {
		snprintf(peer_name, sizeof peer_name, n_peers > 1 ? "%s_peer%u" : "%s_peer", name,
			 i + 1);
		if (!add_tenant(adhoc, peer_name, &peers->tenants[i], err))
			return false;
		peers->n++;
	}
	return true;
}

struct words {
	const char *const *items;
	size_t n;
	const char *peers_key; /* "peers=" or "with.peers=" */
};

/* They must exist before keys of theirs can be set, so their number is looked for first. */
static bool count_peers(const struct ct_peer_ops *ops, const char *kind, const struct words *words,
			unsigned *n, struct ct_error *err)
{
	const unsigned long max = !ops ? 0 : ops->max_peers ? ops->max_peers : 1;
	const size_t length = strlen(words->peers_key);

	*n = ops ? 1 : 0;
	for (size_t i = 0; i < words->n; i++) {
		const char *word = words->items[i], *value = word + length;
		unsigned long asked;
		char *end;

		if (strncmp(word, words->peers_key, length) != 0)
			continue;
		asked = strtoul(value, &end, 10);
		if (!ops)
			return ct_usage(err, "%s: %s has no other end", word, kind);
		if (end == value || *end || asked == 0 || asked > max)
			return ct_usage(err, "%s: %s can have 1 to %lu other ends", word, kind,
					max);
		*n = (unsigned)asked;
	}
	return true;
}

static bool find_victim(struct ct_adhoc *adhoc, const char *name, const struct words *words,
			struct ct_error *err)
{
	const char *names[MAX_NAMES];
	unsigned n_peers;
	size_t n = 0;

	adhoc->victim.ops = ct_victim_find(name);
	if (!adhoc->victim.ops) {
		for (; ct_victims[n] && n < MAX_NAMES; n++)
			names[n] = ct_victims[n]->name;
		return unknown_workload("victim", name, ct_nearest(name, names, n), err);
	}
	snprintf(adhoc->victim.name, sizeof adhoc->victim.name, "%s", name);
	if (!count_peers(adhoc->victim.ops->peer, name, words, &n_peers, err) ||
	    !add_tenants(adhoc, "victim", n_peers, &adhoc->victim.tenant, &adhoc->victim.peers,
			 err))
		return false;
	adhoc->victim.options = calloc(1, adhoc->victim.ops->options_size + 1);
	if (!adhoc->victim.options)
		return ct_broken_errno(err, "memory for parameters");
	ct_params_init(adhoc->victim.ops->params, adhoc->victim.options);
	ct_params_init(ct_victim_common_params, &adhoc->victim.common);
	return true;
}

static bool find_aggressor(struct ct_adhoc *adhoc, const char *name, const struct words *words,
			   struct ct_error *err)
{
	const char *names[MAX_NAMES];
	unsigned n_peers;
	size_t n = 0;

	adhoc->aggressor.ops = ct_aggressor_find(name);
	if (!adhoc->aggressor.ops) {
		for (; ct_aggressors[n] && n < MAX_NAMES; n++)
			names[n] = ct_aggressors[n]->name;
		return unknown_workload("aggressor", name, ct_nearest(name, names, n), err);
	}
	snprintf(adhoc->aggressor.name, sizeof adhoc->aggressor.name, "%s", name);
	if (!count_peers(adhoc->aggressor.ops->peer, name, words, &n_peers, err) ||
	    !add_tenants(adhoc, "neighbour", n_peers, &adhoc->aggressor.tenant,
			 &adhoc->aggressor.peers, err))
		return false;
	adhoc->aggressor.options = calloc(1, adhoc->aggressor.ops->options_size + 1);
	if (!adhoc->aggressor.options)
		return ct_broken_errno(err, "memory for parameters");
	ct_params_init(adhoc->aggressor.ops->params, adhoc->aggressor.options);
	ct_params_init(ct_aggressor_common_params, &adhoc->aggressor.common);
	return true;
}

static bool default_cpus(struct ct_tenant *tenant, const char *cpus, struct ct_error *err)
{
	return tenant->cpus[0] || ct_tenant_set(tenant, "cpus", cpus, err);
}

/* Peers that are not somewhere else sit beside their workload. */
static bool default_peers(struct ct_adhoc *adhoc, const struct ct_peers *peers, unsigned beside,
			  struct ct_error *err)
{
	for (unsigned i = 0; i < peers->n; i++) {
		struct ct_tenant *peer = &adhoc->tenants[peers->tenants[i]];

		if (!peer->via[0] && !default_cpus(peer, adhoc->tenants[beside].cpus, err))
			return false;
	}
	return true;
}

/* `cores` of those beside the victim's GPU, where it uses one that can be seen from here. */
static const char *beside_gpu(const struct ct_adhoc *adhoc, const char *cores,
			      char out[CT_NEAR_GPU_TEXT])
{
	const struct ct_tenant *tenant = &adhoc->tenants[adhoc->victim.tenant];
	struct ct_topology *topology = NULL;
	struct ct_error err = {0};
	bool found;

	if (!(adhoc->victim.ops->stresses & CT_RES_GPU) || !ct_via_is_local(tenant->via) ||
	    !ct_topology_load(&topology, true, &err))
		return cores;
	found = ct_near_gpu(topology, tenant->gpu, cores, out);
	ct_topology_free(topology);
	return found ? out : cores;
}

/* One thread takes one core: what is left is for the reading of counters. */
static const char *beside_victim(const struct ct_aggressor_ops *ops)
{
	return ops->max_threads == 1 ? "other-core-than:victim/core:0" : "other-core-than:victim";
}

/* What a newcomer gets: the victim on the first core, its neighbour on others. */
static bool set_defaults(struct ct_adhoc *adhoc, struct ct_error *err)
{
	const long online = sysconf(_SC_NPROCESSORS_ONLN);
	const unsigned n_cpus = online > 0 ? (unsigned)online : 1;
	unsigned wanted = adhoc->victim.ops ? adhoc->victim.ops->wanted_cpus : 1;
	char cores[32], beside[CT_NEAR_GPU_TEXT];

	wanted = wanted == 0 ? 1 : wanted > n_cpus ? n_cpus : wanted;
	snprintf(cores, sizeof cores, "core:0-%u", wanted - 1);
	if (wanted == 1)
		snprintf(cores, sizeof cores, "core:0");
	if (adhoc->victim.ops &&
	    (!default_cpus(&adhoc->tenants[adhoc->victim.tenant], beside_gpu(adhoc, cores, beside),
			   err) ||
	     !default_peers(adhoc, &adhoc->victim.peers, adhoc->victim.tenant, err)))
		return false;
	if (!adhoc->aggressor.ops)
		return true;
	if (adhoc->victim.ops && n_cpus > 1 &&
	    !default_cpus(&adhoc->tenants[adhoc->aggressor.tenant],
			  beside_victim(adhoc->aggressor.ops), err))
		return false;
	return default_peers(adhoc, &adhoc->aggressor.peers, adhoc->aggressor.tenant, err);
}

static struct scope victim_scope(struct ct_adhoc *adhoc)
{
	struct ct_victim_entry *victim = &adhoc->victim;

	return (struct scope){
		.kind = victim->name,
		.own = victim->ops->params,
		.common = ct_victim_common_params,
		.own_options = victim->options,
		.common_options = &victim->common,
		.tenants = adhoc->tenants,
		.tenant = victim->tenant,
		.peers = &victim->peers,
	};
}

static struct scope aggressor_scope(struct ct_adhoc *adhoc)
{
	struct ct_aggressor_entry *aggressor = &adhoc->aggressor;

	return (struct scope){
		.kind = aggressor->name,
		.own = aggressor->ops->params,
		.common = ct_aggressor_common_params,
		.own_options = aggressor->options,
		.common_options = &aggressor->common,
		.tenants = adhoc->tenants,
		.tenant = aggressor->tenant,
		.peers = &aggressor->peers,
	};
}

bool ct_adhoc_make(struct ct_adhoc *adhoc, const char *victim, const char *aggressor,
		   const char *const *words, size_t n_words, struct ct_error *err)
{
	const struct words of_first = {words, n_words, "peers="},
			   of_second = {words, n_words, "with.peers="};
	struct scope of_victim = {0}, of_aggressor = {0};

	*adhoc = (struct ct_adhoc){.config = {.name = "local", .expect = (char *)""}};
	adhoc->job = (struct ct_job){
		.tenants = adhoc->tenants,
		.victims = &adhoc->victim,
		.n_victims = victim != NULL,
		.aggressors = &adhoc->aggressor,
		.n_aggressors = aggressor != NULL,
		.configs = &adhoc->config,
		.n_configs = 1,
	};
	adhoc->config.tenants = adhoc->tenants;
	if ((victim && !find_victim(adhoc, victim, &of_first, err)) ||
	    (aggressor && !find_aggressor(adhoc, aggressor, victim ? &of_second : &of_first, err)))
		return false;
	if (victim)
		of_victim = victim_scope(adhoc);
	if (aggressor)
		of_aggressor = aggressor_scope(adhoc);
	for (size_t i = 0; i < n_words; i++) {
		if (!set_word(words[i], &of_victim, &of_aggressor, err))
			return false;
	}
	return set_defaults(adhoc, err);
}

void ct_adhoc_free(struct ct_adhoc *adhoc)
{
	for (size_t i = 0; i < adhoc->job.n_tenants; i++)
		ct_tenant_free(&adhoc->tenants[i]);
	if (adhoc->victim.options)
		ct_params_free(adhoc->victim.ops->params, adhoc->victim.options);
	if (adhoc->aggressor.options)
		ct_params_free(adhoc->aggressor.ops->params, adhoc->aggressor.options);
	free(adhoc->victim.options);
	free(adhoc->aggressor.options);
}
