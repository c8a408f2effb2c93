/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/campaign/ground.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/campaign/functions.h"
#include "harness/core/version.h"
#include "harness/gpu/in_force.h"
#include "harness/place/place.h"
#include "harness/probe/probe.h"
#include "harness/probe/statement.h"
#include "harness/tenant/aside.h"
#include "harness/tenant/protocol.h"

static const uint64_t calibrate_timeout_ns = UINT64_C(60) * 1000000000u;
static const double calibrate_seconds = 0.4;

/* Whether a tenant's location names another tenant, and which. */
static const char *refers_to(const char *location)
{
	const char *at = strstr(location, "-as:");

	if (!at)
		at = strstr(location, "-than:");
	return at ? strchr(at, ':') + 1 : NULL;
}

static bool names(const char *reference, const char *tenant)
{
	size_t length = strcspn(reference, ",/ ");

	return strlen(tenant) == length && strncmp(reference, tenant, length) == 0;
}

/* True when the tenant that `location` refers to is among those that have no placement yet. */
static bool waits_for(const struct ct_config *config, const struct ct_placement *placements,
		      size_t n, const char *location)
{
	const char *reference = refers_to(location);

	for (size_t i = 0; reference && i < n; i++) {
		if (names(reference, config->tenants[i].name) && !placements[i].cpus)
			return true;
	}
	return false;
}

/* Tenants that others refer to come first; a circle is refused. */
static bool place_tenants(struct ct_ground *ground, struct ct_links *links, size_t c,
			  struct ct_error *err)
{
	const struct ct_job *job = ground->job;
	const struct ct_config *config = &job->configs[c];
	struct ct_placement *placements = ground->configs[c].placements;
	size_t placed = 0;

	while (placed < job->n_tenants) {
		size_t before = placed;

		for (size_t t = 0; t < job->n_tenants; t++) {
			if (placements[t].cpus ||
			    waits_for(config, placements, job->n_tenants, config->tenants[t].cpus))
				continue;
			if (!ct_place_tenant(links, &config->tenants[t], config->tenants,
					     placements, job->n_tenants, ground->token,
					     &placements[t], err))
				return false;
			placed++;
		}
		if (placed == before)
			return ct_usage(err,
					"config '%s': the locations of its tenants refer to each "
					"other in a circle",
					config->name);
	}
	return true;
}

static void mark_peers(const struct ct_peers *peers, bool *marks)
{
	for (unsigned i = 0; i < peers->n; i++)
		marks[peers->tenants[i]] = true;
}

/* Which tenants are used by victims (and their peers) and by aggressors. */
static void mark_tenants(const struct ct_job *job, bool *by_victim, bool *by_aggressor)
{
	for (size_t i = 0; i < job->n_victims; i++) {
		by_victim[job->victims[i].tenant] = true;
		mark_peers(&job->victims[i].peers, by_victim);
	}
	for (size_t i = 0; i < job->n_aggressors; i++) {
		by_aggressor[job->aggressors[i].tenant] = true;
		mark_peers(&job->aggressors[i].peers, by_aggressor);
	}
}

static bool check_pair(const struct ct_config *config, const struct ct_placement *placements,
		       size_t victim, size_t aggressor, struct ct_error *err)
{
	const struct ct_tenant *tenants = config->tenants;
	const bool shared[2] = {tenants[victim].shared, tenants[aggressor].shared};
	struct ct_place a = {0}, b = {0};
	const struct ct_named_place places[2] = {{tenants[victim].name, &a},
						 {tenants[aggressor].name, &b}};
	bool good = ct_place_init(&a, err) && ct_place_init(&b, err) &&
		    ct_place_parse_cpus(&a, placements[victim].cpus, err) &&
		    ct_place_parse_cpus(&b, placements[aggressor].cpus, err) &&
		    ct_places_overlap_check(places, shared, 2, err);

	ct_place_free(&a);
	ct_place_free(&b);
	return good || ct_error_in(err, "config '%s'", config->name);
}

/* A victim and an aggressor on the same CPU measure the scheduler: only when it is asked for. */
static bool check_overlap(const struct ct_ground *ground, size_t c, const bool *by_victim,
			  const bool *by_aggressor, struct ct_error *err)
{
	const struct ct_config *config = &ground->job->configs[c];
	const struct ct_placement *placements = ground->configs[c].placements;
	size_t n = ground->job->n_tenants;

	for (size_t v = 0; v < n; v++) {
		for (size_t a = 0; a < n; a++) {
			if (!by_victim[v] || !by_aggressor[a] ||
			    strcmp(placements[v].boot_id, placements[a].boot_id) != 0)
				continue;
			if (!check_pair(config, placements, v, a, err))
				return false;
		}
	}
	return true;
}

/* The CPUs of the marked tenants on this host, as a list. */
static char *cpus_of(const struct ct_placement *placements, const bool *marked, size_t n)
{
	char boot_id[CT_BOOT_ID_TEXT];
	hwloc_bitmap_t all = hwloc_bitmap_alloc(), one = hwloc_bitmap_alloc();
	char *list = NULL;

	ct_boot_id(boot_id);
	for (size_t i = 0; all && one && i < n; i++) {
		if (marked[i] && strcmp(placements[i].boot_id, boot_id) == 0 &&
		    hwloc_bitmap_list_sscanf(one, placements[i].cpus) == 0)
			hwloc_bitmap_or(all, all, one);
	}
	if (!all || hwloc_bitmap_list_asprintf(&list, all) < 0)
		list = NULL;
	hwloc_bitmap_free(all);
	hwloc_bitmap_free(one);
	return list;
}

static bool place_config(struct ct_ground *ground, struct ct_links *links, size_t c,
			 struct ct_error *err)
{
	struct ct_config_ground *config = &ground->configs[c];
	size_t n = ground->job->n_tenants;
	bool *marks = calloc(2 * n, sizeof *marks);
	bool good;

	config->placements = calloc(n, sizeof *config->placements);
	config->victims = calloc(ground->job->n_victims, sizeof *config->victims);
	config->aggressors = calloc(ground->job->n_aggressors + 1, sizeof *config->aggressors);
	if (!marks || !config->placements || !config->victims || !config->aggressors) {
		free(marks);
		return ct_broken_errno(err, "memory for the campaign");
	}
	mark_tenants(ground->job, marks, marks + n);
	good = place_tenants(ground, links, c, err) &&
	       check_overlap(ground, c, marks, marks + n, err) &&
	       ct_functions_relate(ground->job, config->placements, err);
	if (good) {
		config->victim_cpus = cpus_of(config->placements, marks, n);
		config->noise_cpus = cpus_of(config->placements, marks + n, n);
		good = (config->victim_cpus && config->noise_cpus) ||
		       ct_broken(err, "memory for CPU sets");
	}
	free(marks);
	return good;
}

static bool probe_machine(struct ct_ground *ground, struct ct_error *err)
{
	const struct ct_probe_source live = ct_probe_this_machine();
	struct ct_topology *topology = NULL;

	if (!ct_topology_load(&topology, true, err))
		return false;
	ground->hwloc_xml = ct_topology_xml(topology);
	ground->probe = ct_probe(&live, topology, err);
	ct_topology_free(topology);
	return ground->probe != NULL;
}

/* What lies between two tenants: one of them behind it is enough. All else is about the victims. */
static bool is_boundary(const char *expect)
{
	return strcmp(expect, "cgroup") == 0 || strcmp(expect, "netns") == 0 ||
	       strcmp(expect, "container") == 0;
}

/*
 * A tenant is apart from the harness when the kernel names another network namespace: from the
 * inside alone a process in a container of its own can't tell.
 */
static void compare_netns(const struct ct_placement *placement)
{
	char own_boot[CT_BOOT_ID_TEXT], own[64];
	ssize_t length = readlink("/proc/self/ns/net", own, sizeof own - 1);
	json_t *namespaces = json_object_get(placement->probe, "namespaces");

	own[length > 0 ? length : 0] = '\0';
	if (!namespaces || !own[0] || !placement->netns || !placement->netns[0] ||
	    strcmp(placement->boot_id, ct_boot_id(own_boot)) != 0 ||
	    strcmp(placement->netns, own) == 0)
		return;
	ct_say(namespaces, "own_network", json_true(),
	       "/proc/self/ns/net: %s, the harness is in %s", placement->netns, own);
}

static bool check_tenant(const struct ct_config *config, const struct ct_placement *placements,
			 size_t tenant, struct ct_error *err)
{
	return ct_probe_expect(placements[tenant].probe, config->expect, err) ||
	       ct_error_in(err, "tenant '%s'", config->tenants[tenant].name);
}

static bool check_boundary(const struct ct_ground *ground, size_t c, struct ct_error *err)
{
	for (size_t t = 0; t < ground->job->n_tenants; t++) {
		*err = (struct ct_error){0};
		if (check_tenant(&ground->job->configs[c], ground->configs[c].placements, t, err))
			return true;
	}
	return false;
}

static bool check_victims(const struct ct_ground *ground, size_t c, struct ct_error *err)
{
	for (size_t v = 0; v < ground->job->n_victims; v++) {
		if (!check_tenant(&ground->job->configs[c], ground->configs[c].placements,
				  ground->job->victims[v].tenant, err))
			return false;
	}
	return strcmp(ground->job->configs[c].expect, "sriov") != 0 ||
	       ct_functions_expect_sriov(ground->job, c, ground->configs[c].placements, err);
}

/* What the tenants themselves see, behind their boundaries and under their limits. */
static bool check_expectations(const struct ct_ground *ground, struct ct_error *err)
{
	for (size_t c = 0; c < ground->job->n_configs; c++) {
		const struct ct_config *config = &ground->job->configs[c];
		bool good;

		if (config->left_out)
			continue;
		for (size_t t = 0; t < ground->job->n_tenants; t++)
			compare_netns(&ground->configs[c].placements[t]);
		good = !config->expect[0] ||
		       (is_boundary(config->expect) ? check_boundary(ground, c, err)
						    : check_victims(ground, c, err));
		if (!good)
			return ct_error_in(err, "config '%s'", config->name);
	}
	return true;
}

bool ct_ground_step_aside(const struct ct_ground *ground, const struct ct_links *links,
			  size_t config, struct ct_error *err)
{
	const struct ct_config_ground *at = &ground->configs[config];
	const char *const lists[] = {at->victim_cpus, at->noise_cpus};

	return ct_step_aside(links->home, lists, 2, err);
}

/* A failure that belongs to one workload is kept as its reason; only an interruption ends it all.
 */
static bool note_unfit(struct ct_fitness *fitness, struct ct_error *err)
{
	if (err->kind == CT_ERR_INTERRUPTED)
		return false;
	fitness->why_not = strdup(err->text);
	*err = (struct ct_error){0};
	return fitness->why_not || ct_broken_errno(err, "memory for a message");
}

/*
 * The first workload of a tenant that uses a GPU tells what the tenant has of it. How an RDMA
 * device reaches its memory, only those know that have it registered.
 */
static void note_gpu(struct ct_placement *placement, const json_t *ready)
{
	static const char by_rdma[] = "rdma_memory";
	json_t *device = json_object_get(ready, "device");
	json_t *way = json_object_get(device, by_rdma);

	if (!placement->gpu)
		placement->gpu = json_deep_copy(device);
	else if (way)
		json_object_set(placement->gpu, by_rdma, way);
}

static bool try_victim(struct ct_ground *ground, struct ct_links *links, size_t c, size_t v,
		       struct ct_error *err)
{
	struct ct_config_ground *at = &ground->configs[c];
	struct ct_fitness *fitness = &at->victims[v];
	struct ct_crew_setup setup = {
		.victim = ct_actor_of_victim(&ground->job->victims[v],
					     ground->job->configs[c].tenants, at->placements),
		.avoid_cpus = at->victim_cpus,
		.noise_cpus = at->noise_cpus,
		.token = ground->token,
	};
	struct ct_crew crew;

	if (!ct_crew_open(&crew, links, &setup, err))
		return note_unfit(fitness, err);
	fitness->ready = json_incref(crew.victim_ready);
	note_gpu(&at->placements[ground->job->victims[v].tenant], crew.victim_ready);
	ct_crew_close(&crew);
	return true;
}

bool ct_ground_calibrate(struct ct_links *links, struct ct_link *aggressor, double seconds,
			 double *rate, struct ct_error *err)
{
	json_t *reply = NULL;

	if (!ct_link_ask(links, aggressor, CT_MSG_CALIBRATE, json_pack("{s:f}", "seconds", seconds),
			 CT_MSG_CALIBRATED, calibrate_timeout_ns, &reply, err))
		return false;
	*rate = json_number_value(json_object_get(reply, "rate"));
	json_decref(reply);
	return true;
}

static bool calibrate(struct ct_ground *ground, struct ct_links *links, size_t c, size_t a,
		      struct ct_error *err)
{
	struct ct_config_ground *at = &ground->configs[c];
	struct ct_fitness *fitness = &at->aggressors[a];
	struct ct_crew_setup setup = {
		.aggressors = {ct_actor_of_aggressor(&ground->job->aggressors[a],
						     ground->job->configs[c].tenants,
						     at->placements)},
		.n_aggressors = 1,
		.avoid_cpus = at->victim_cpus,
		.noise_cpus = at->noise_cpus,
		.token = ground->token,
	};
	struct ct_crew crew;
	bool good;

	if (ground->job->aggressors[a].n_parts > 0) {
		fitness->solo_rate = 100; /* percent of its parts' */
		return true;
	}
	if (!ct_crew_open(&crew, links, &setup, err))
		return note_unfit(fitness, err);
	note_gpu(&at->placements[ground->job->aggressors[a].tenant], crew.aggressor_ready);
	good = ct_ground_calibrate(links, &crew.aggressors[0], calibrate_seconds,
				   &fitness->solo_rate, err);
	ct_crew_close(&crew);
	return good || note_unfit(fitness, err);
}

/* A config that promises a cut GPU: victims that use one were really given that. */
static bool check_gpus(const struct ct_ground *ground, struct ct_error *err)
{
	for (size_t c = 0; c < ground->job->n_configs; c++) {
		const struct ct_config *config = &ground->job->configs[c];

		for (size_t v = 0; !config->left_out && v < ground->job->n_victims; v++) {
			const size_t tenant = ground->job->victims[v].tenant;
			const json_t *gpu = ground->configs[c].placements[tenant].gpu;

			if (gpu && !ct_gpu_in_force_expect(gpu, config->expect, err))
				return ct_error_in(err, "config '%s': tenant '%s'", config->name,
						   config->tenants[tenant].name);
		}
	}
	return true;
}

static bool measure_fitness(struct ct_ground *ground, struct ct_links *links, ct_ground_step *step,
			    void *context, struct ct_error *err)
{
	const struct ct_job *job = ground->job;
	char text[256];

	for (size_t c = 0; c < job->n_configs; c++) {
		if (job->configs[c].left_out)
			continue;
		if (!ct_ground_step_aside(ground, links, c, err))
			return false;
		for (size_t v = 0; v < job->n_victims; v++) {
			snprintf(text, sizeof text, "config '%s': trying victim '%s'",
				 job->configs[c].name, job->victims[v].name);
			step(context, text);
			if (!try_victim(ground, links, c, v, err))
				return false;
		}
		for (size_t a = 0; a < job->n_aggressors; a++) {
			snprintf(text, sizeof text, "config '%s': solo rate of aggressor '%s'",
				 job->configs[c].name, job->aggressors[a].name);
			step(context, text);
			if (!calibrate(ground, links, c, a, err))
				return false;
		}
	}
	return true;
}

bool ct_ground_place(struct ct_ground *ground, struct ct_links *links, const struct ct_job *job,
		     struct ct_error *err)
{
	ground->job = job;
	ground->configs = calloc(job->n_configs, sizeof *ground->configs);
	if (!ground->configs)
		return ct_broken_errno(err, "memory for the campaign");
	if (!ct_token_make(ground->token, err))
		return false;
	for (size_t c = 0; c < job->n_configs; c++) {
		if (!job->configs[c].left_out && !place_config(ground, links, c, err))
			return false;
	}
	return true;
}

bool ct_ground_prepare(struct ct_ground *ground, struct ct_links *links, const struct ct_job *job,
		       ct_ground_step *step, void *context, struct ct_error *err)
{
	*ground = (struct ct_ground){.job = job};
	step(context, "probing the machine");
	return probe_machine(ground, err) && ct_ground_place(ground, links, job, err) &&
	       check_expectations(ground, err) &&
	       measure_fitness(ground, links, step, context, err) && check_gpus(ground, err);
}

static void free_fitness(struct ct_fitness *fitness, size_t n)
{
	for (size_t i = 0; fitness && i < n; i++) {
		free(fitness[i].why_not);
		json_decref(fitness[i].ready);
	}
	free(fitness);
}

void ct_ground_free(struct ct_ground *ground)
{
	for (size_t c = 0; ground->configs && c < ground->job->n_configs; c++) {
		struct ct_config_ground *at = &ground->configs[c];

		for (size_t t = 0; at->placements && t < ground->job->n_tenants; t++)
			ct_placement_free(&at->placements[t]);
		free(at->placements);
		free(at->victim_cpus);
		free(at->noise_cpus);
		free_fitness(at->victims, ground->job->n_victims);
		free_fitness(at->aggressors, ground->job->n_aggressors);
	}
	free(ground->configs);
	json_decref(ground->probe);
	free(ground->hwloc_xml);
	*ground = (struct ct_ground){0};
}
