/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/*
 * Locations on many machines: hwloc's synthetic ones and recorded XML (tests/fixtures/topologies).
 * Each case reads as "on this machine, this location is these CPUs and this memory" or "is refused
 * with these words".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/place/place.h"

#define XML(name) "tests/fixtures/topologies/" name ".xml"

#define TWO_SOCKETS "package:2 [numa] l3:1 l2:4 core:1 pu:1" /* 8 CPUs */
#define SMT         "package:1 [numa] l3:1 l2:4 core:1 pu:2" /* 8 CPUs, 4 cores */
#define CLUSTERED   "package:2 numa:2 l3:1 l2:2 core:1 pu:2" /* 16 CPUs, 4 nodes */
#define CCX         "package:1 [numa] l3:4 l2:4 core:1 pu:2" /* 32 CPUs, 4 L3 */
#define SINGLE      "package:1 [numa] core:1 pu:1"           /* 1 CPU */
#define NO_L3       "package:1 [numa] l2:2 core:2 pu:1"      /* 4 CPUs, arm-like */
#define SPREAD      "package:2 [numa] core:2 pu:2(indexes=0,4,1,5,2,6,3,7)"

enum { MAX_TENANTS = 4 };

struct tenants {
	struct ct_place places[MAX_TENANTS];
	struct ct_named_place named[MAX_TENANTS];
	size_t n;
};

static struct ct_topology *load(const char *source)
{
	struct ct_topology *topology;
	struct ct_error err = {0};

	if (!ct_topology_load_from(&topology, source, &err))
		fail_msg("%s: %s", source, err.text);
	return topology;
}

static const char *nodes_text(const struct ct_place *place, char *out, size_t size)
{
	hwloc_bitmap_list_snprintf(out, size, place->nodes);
	return out;
}

/* "victim=core:0;other=pu:3": each resolved where the ones before it are known. */
static void settle(const struct ct_topology *topology, struct tenants *tenants, const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;
	struct ct_error err = {0};

	tenants->n = 0;
	while ((word = strsep(&rest, ";")) != NULL && *word) {
		char *location = strchr(word, '=');
		size_t i = tenants->n;

		*location++ = '\0';
		assert_true(ct_place_init(&tenants->places[i], &err));
		if (!ct_place_resolve(topology, location, NULL, tenants->named, i,
				      &tenants->places[i], &err))
			fail_msg("%s", err.text);
		tenants->named[i] = (struct ct_named_place){strdup(word), &tenants->places[i]};
		tenants->n++;
	}
	free(copy);
}

static void unsettle(struct tenants *tenants)
{
	for (size_t i = 0; i < tenants->n; i++) {
		free((char *)tenants->named[i].name);
		ct_place_free(&tenants->places[i]);
	}
}

static void is_with(const char *source, const char *others, const char *cpus, const char *memory,
		    const char *want_cpus, const char *want_nodes)
{
	struct ct_topology *topology = load(source);
	struct tenants tenants;
	struct ct_place place;
	struct ct_error err = {0};
	char text[128];

	settle(topology, &tenants, others);
	assert_true(ct_place_init(&place, &err));
	if (!ct_place_resolve(topology, cpus, memory, tenants.named, tenants.n, &place, &err))
		fail_msg("'%s' on %s: %s", cpus ? cpus : "(none)", source, err.text);
	assert_string_equal(ct_place_text(&place, text, sizeof text), want_cpus);
	assert_string_equal(nodes_text(&place, text, sizeof text), want_nodes);
	ct_place_free(&place);
	unsettle(&tenants);
	ct_topology_free(topology);
}

static void is(const char *source, const char *cpus, const char *want_cpus, const char *want_nodes)
{
	is_with(source, "", cpus, NULL, want_cpus, want_nodes);
}

static void refused_with(const char *source, const char *others, const char *cpus,
			 const char *memory, const char *message)
{
	struct ct_topology *topology = load(source);
	struct tenants tenants;
	struct ct_place place;
	struct ct_error err = {0};

	settle(topology, &tenants, others);
	assert_true(ct_place_init(&place, &err));
	if (ct_place_resolve(topology, cpus, memory, tenants.named, tenants.n, &place, &err))
		fail_msg("'%s' on %s was accepted", cpus, source);
	assert_int_equal(err.kind, CT_ERR_USAGE);
	if (!strstr(err.text, message))
		fail_msg("'%s' on %s: got \"%s\", want \"%s\"", cpus, source, err.text, message);
	ct_place_free(&place);
	unsettle(&tenants);
	ct_topology_free(topology);
}

static void refused(const char *source, const char *cpus, const char *message)
{
	refused_with(source, "", cpus, NULL, message);
}

static void nothing_given_is_the_whole_machine(void **state)
{
	(void)state;
	is(TWO_SOCKETS, NULL, "0-7", "0-1");
	is(TWO_SOCKETS, "", "0-7", "0-1");
	is(TWO_SOCKETS, "  ", "0-7", "0-1");
	is(TWO_SOCKETS, "machine", "0-7", "0-1");
	is(SINGLE, "all", "0", "0");
}

static void a_core_is_all_of_its_threads_and_a_pu_is_one(void **state)
{
	(void)state;
	is(SMT, "core:0", "0-1", "0");
	is(SMT, "core:1-2", "2-5", "0");
	is(SMT, "core:0,3", "0-1,6-7", "0");
	is(SMT, "pu:3", "3", "0");
	is(SPREAD, "core:0", "0,4", "0");
	is(SPREAD, "pu:4", "4", "0");
	is(SPREAD, "core:3", "3,7", "1");
}

static void caches_dies_nodes_and_packages_have_their_words(void **state)
{
	(void)state;
	is(CCX, "l3:1", "8-15", "0");
	is(CCX, "l3:0,3", "0-7,24-31", "0");
	is(CCX, "l2:1", "2-3", "0");
	is(CLUSTERED, "numa:1", "4-7", "1");
	is(CLUSTERED, "numa:1,3", "4-7,12-15", "1,3");
	is(CLUSTERED, "package:1", "8-15", "2-3");
	is("package:2 die:2 core:2 pu:1", "die:1", "2-3", "0");
}

static void a_slash_narrows_and_counts_anew(void **state)
{
	(void)state;
	is(CCX, "l3:1/core:0", "8-9", "0");
	is(CCX, "l3:1/core:2-3", "12-15", "0");
	is(CLUSTERED, "package:1/l3:0/core:1", "10-11", "2");
	is(CLUSTERED, "package:1/numa:3", "12-15", "3"); /* by OS index: not counted anew */
	is(SMT, "core:1/pu:3", "3", "0");
	is(SMT, "pu:2-3/core:0", "2-3", "0");
	is(SMT, "pu:1/core:0", "1", "0"); /* narrows: never more than what is on the left */
}

static void a_comma_unites_terms_and_goes_on_with_lists(void **state)
{
	(void)state;
	is(CCX, "core:0,l3:3/core:3", "0-1,30-31", "0");
	is(CCX, "core:0,2,pu:31", "0-1,4-5,31", "0");
	is(CCX, "l3:1/core:0,2,core:0", "0-1,8-9,12-13", "0");
	is(TWO_SOCKETS, "core:0, core:7", "0,7", "0-1");
	is(TWO_SOCKETS, " core:0, 7 ", "0,7", "0-1");
	is(TWO_SOCKETS, "core:0,core:0", "0", "0");
}

static void memory_is_near_unless_said(void **state)
{
	(void)state;
	is_with(CLUSTERED, "", "core:0", NULL, "0-1", "0");
	is_with(CLUSTERED, "", "core:0", "", "0-1", "0");
	is_with(CLUSTERED, "", "core:0", "any", "0-1", "");
	is_with(CLUSTERED, "", "core:0", "numa:2", "0-1", "2");
	is_with(CLUSTERED, "", "core:0", "numa:2,3", "0-1", "2-3");
	is_with(CLUSTERED, "", "core:0", "package:1", "0-1", "2-3");
	is_with(CLUSTERED, "v=core:0", "core:0", "other-package-than:v", "0-1", "2-3");
	refused_with(CLUSTERED, "", "core:0", "numa:9",
		     "memory: numa:9: this machine has NUMA nodes 0-3");
}

static void kinds_of_memory_are_told_apart(void **state)
{
	(void)state;
	/* High-bandwidth memory and an expander are only used by whoever names them. */
	is(XML("memory-kinds"), "core:0", "0", "0");
	is(XML("memory-kinds"), "machine", "0-3", "0-1");
	is_with(XML("memory-kinds"), "", "core:0", "numa:2", "0", "2");
	is_with(XML("memory-kinds"), "", "core:0", "numa:4", "0", "4");
	is_with(XML("memory-kinds"), "", "core:0", "numa:0,4", "0", "0,4");
	is(XML("memory-kinds"), "numa:4", "0-3", "0-1");
}

static void what_is_not_there_is_refused_with_what_is(void **state)
{
	(void)state;
	refused("package:1 core:2 pu:1", "core:12", "core:12: this machine has cores 0-1");
	refused("package:1 core:2 pu:1", "core:0-2", "core:0-2: this machine has cores 0-1");
	refused(TWO_SOCKETS, "pu:8", "pu:8: this machine has CPUs 0-7");
	refused(TWO_SOCKETS, "core:0,l3:2", "core:0,l3:2: l3:2: this machine has L3 caches 0-1");
	refused(CCX, "l3:1/core:4", "core:4: l3:1 has cores 0-3");
	refused(CCX, "l3:1/core:0/pu:20", "pu:20: l3:1/core:0 has CPUs 8-9");
	refused(CLUSTERED, "package:0/numa:2", "numa:2: package:0 has NUMA nodes 0-1");
	refused(SINGLE, "package:1", "package:1: this machine has packages 0");
	refused(NO_L3, "l3:0", "l3:0: this machine has no L3 caches, or does not tell");
	refused(TWO_SOCKETS, "core:99999999999999999999", "this machine has cores 0-7");
	refused(TWO_SOCKETS, "pu:0-4294967295", "this machine has CPUs 0-7");
}

static void what_is_not_a_location_is_refused(void **state)
{
	(void)state;
	refused(SMT, "core", "which core? say core:0");
	refused(SMT, "core:", "which core? say core:0");
	refused(SMT, "near:", "say near:DEVICE");
	refused(SMT, "same-l3-as", "say same-l3-as:TENANT");
	refused(SMT, "core:x", "not a list of numbers");
	refused(SMT, "core:0-", "has no end");
	refused(SMT, "core:3-1", "the range 3-1 runs backwards");
	refused(SMT, "core:-1", "not a list of numbers");
	refused(SMT, "core:0 1", "not a list of numbers");
	refused(SMT, "core:0,,core:1", "a part of the location is empty");
	refused(SMT, "core:0/", "a part of the location is empty");
	refused(SMT, "/core:0", "a part of the location is empty");
	refused(SMT, ",", "a part of the location is empty");
	refused(SMT, "cores:0", "cores:0: not a location");
	refused(SMT, "same-pu-as:v", "not a location");
	refused(SMT, "same--as:v", "not a location");
	refused(SMT, "machine:0", "not a location");
	refused(SMT, "0-3", "0-3: not a location");
}

static void beside_a_tenant_leaves_out_its_cores(void **state)
{
	(void)state;
	is_with(CCX, "v=l3:1/core:0", "same-l3-as:v", NULL, "10-15", "0");
	/* CPU 9 is the other thread of the core whose CPU 8 the tenant has. */
	is_with(CCX, "v=pu:8", "same-l3-as:v", NULL, "10-15", "0");
	is_with(CCX, "v=pu:8", "same-core-as:v", NULL, "9", "0");
	is_with(SPREAD, "v=pu:4", "same-core-as:v", NULL, "0", "0");
	is_with(CLUSTERED, "v=core:0", "same-package-as:v", NULL, "2-7", "0-1");
	is_with(CLUSTERED, "v=core:0", "same-numa-as:v", NULL, "2-3", "0");
	is_with(NO_L3, "v=core:0", "same-l2-as:v", NULL, "1", "0");
	is_with(CCX, "v=core:0;w=l3:1/core:0", "same-l3-as:v/core:0,same-l3-as:w/core:0", NULL,
		"2-3,10-11", "0");
	/* A tenant on two caches: beside it on either. */
	is_with(CCX, "v=l3:0/core:0,l3:1/core:0", "same-l3-as:v", NULL, "2-7,10-15", "0");
}

static void away_from_a_tenant_leaves_out_all_it_touches(void **state)
{
	(void)state;
	is_with(CCX, "v=pu:8", "other-l3-than:v", NULL, "0-7,16-31", "0");
	is_with(SMT, "v=pu:0", "other-core-than:v", NULL, "2-7", "0");
	is_with(CLUSTERED, "v=core:0", "other-numa-than:v", NULL, "4-15", "1-3");
	is_with(CLUSTERED, "v=core:0", "other-package-than:v", NULL, "8-15", "2-3");
	is_with(CCX, "v=core:0", "l3:0/other-core-than:v", NULL, "2-7", "0");
	is_with(TWO_SOCKETS, "v=core:0", "other-package-than:v/core:1", NULL, "5", "1");
}

static void impossible_neighbours_are_refused_by_name(void **state)
{
	(void)state;
	refused_with(CCX, "victim=l3:1", "same-l3-as:victim", NULL,
		     "same-l3-as:victim: nothing is left beside tenant 'victim' on its L3");
	refused_with(TWO_SOCKETS, "v=core:0", "same-core-as:v", NULL,
		     "nothing is left beside tenant 'v' on its core");
	refused_with(SMT, "v=core:0", "other-numa-than:v", NULL,
		     "this machine has no other NUMA node than that of tenant 'v'");
	refused_with(SINGLE, "v=core:0", "other-core-than:v", NULL,
		     "this machine has no other core than that of tenant 'v'");
	refused_with(NO_L3, "v=core:0", "same-l3-as:v", NULL,
		     "this machine has no L3 caches, or does not tell");
	refused_with(SMT, "v=core:0", "same-l3-as:w", NULL,
		     "no tenant 'w' to refer to (there are: v)");
	refused(SMT, "same-l3-as:w", "no tenant 'w' to refer to (none is placed yet)");
	refused_with(CCX, "v=core:0", "l3:1/same-l3-as:v", NULL,
		     "same-l3-as:v: none of it lies in l3:1");
}

static void unequal_cores_are_taken_as_they_are(void **state)
{
	(void)state;
	is(XML("hybrid"), "core:0", "0-1", "0");
	is(XML("hybrid"), "core:2", "4", "0");
	is(XML("hybrid"), "l2:2", "4-7", "0");
	is(XML("hybrid"), "l2:2/core:3", "7", "0");
	is(XML("hybrid"), "core:7", "9", "0");
	is_with(XML("hybrid"), "v=core:2", "same-l2-as:v", NULL, "5-7", "0");
	is_with(XML("hybrid"), "v=core:0", "same-l3-as:v", NULL, "2-7", "0");
	refused_with(XML("hybrid"), "v=core:6", "same-l3-as:v", NULL,
		     "tenant 'v' has CPUs that lie on no L3 of this machine");
}

static void disallowed_cpus_are_not_counted(void **state)
{
	(void)state;
	is(XML("disallowed"), "core:0", "4-5", "0");
	is(XML("disallowed"), "core:1", "6", "0"); /* its other thread is not for us */
	is(XML("disallowed"), "all", "4-6", "0");
	refused(XML("disallowed"), "core:2", "core:2: this machine has cores 0-1");
	refused(XML("disallowed"), "pu:0",
		"pu:0: CPU 0 exists but is not allowed for this process (outside its cpuset, or "
		"offline); allowed are 4-6");
	refused(XML("disallowed"), "pu:7", "CPU 7 exists but is not allowed");
	refused(XML("disallowed"), "pu:16", "pu:16: this machine has CPUs 4-6");
}

static void memory_may_be_allowed_where_its_cpus_are_not(void **state)
{
	(void)state;
	is_with(XML("disallowed"), "", "core:0", "numa:1", "4-5", "1");
	is_with(XML("disallowed"), "", "core:0", "numa:0-1", "4-5", "0-1");
	refused(XML("disallowed"), "numa:1",
		"numa:1: memory without CPUs; name it in 'memory =' instead");
	refused_with(XML("disallowed"), "", "core:0", "numa:1/core:0", "numa:1: it has no CPUs");
}

static void devices_are_near_their_root(void **state)
{
	(void)state;
	is(XML("gpu-server"), "near:mlx5_0", "4-7", "1");
	is(XML("gpu-server"), "near:ens3np0", "8-11", "2");
	is(XML("gpu-server"), "near:nvme0n1", "0-3", "0");
	is(XML("gpu-server"), "near:0000:88:00.0", "12-15", "3");
	is(XML("gpu-server"), "near:88:00.0", "12-15", "3");
	is(XML("gpu-server"), "near:mlx5_2/core:0", "12-13", "3");
	is(XML("gpu-server"), "near:mlx5_0,near:mlx5_1", "0-7", "0-1");
	is_with(XML("gpu-server"), "", "core:0", "near:gpu7", "0-1", "2");
	is_with(XML("gpu-server"), "v=near:gpu0/core:0", "same-l3-as:v", NULL, "6-7", "1");
}

static void gpus_are_numbered_by_address_and_consoles_do_not_count(void **state)
{
	(void)state;
	static const char *const near[] = {"4-7",   "4-7",   "0-3",  "0-3",
					   "12-15", "12-15", "8-11", "8-11"};
	static const char *const node[] = {"1", "1", "0", "0", "3", "3", "2", "2"};
	char location[32];

	for (int i = 0; i < 8; i++) {
		snprintf(location, sizeof location, "near:gpu%d", i);
		is(XML("gpu-server"), location, near[i], node[i]);
	}
	refused(XML("gpu-server"), "near:gpu8",
		"near:gpu8: no such device; devices here: gpu0-7, ens1np0, mlx5_1");
}

static void gpus_are_numbered_as_their_library_does(void **state)
{
	(void)state;
	is(XML("gpu-nvml"), "near:gpu0", "2-3", "1");
	is(XML("gpu-nvml"), "near:gpu1", "0-1", "0");
	is(XML("gpu-nvml"), "near:nvml1", "0-1", "0");
}

static void unknown_devices_are_refused_with_the_known_ones(void **state)
{
	(void)state;
	refused(SMT, "near:mlx5_9", "near:mlx5_9: no such device; devices here: none");
	refused(XML("gpu-nvml"), "near:eth0",
		"near:eth0: no such device; devices here: gpu0-1, nvml1, nvml0");
	refused(XML("gpu-server"), "near:0000:ff:00.0", "no such device");
	refused(XML("gpu-server"), "near:88:00.0x", "no such device");
	refused(XML("gpu-server"), "near:gpu99999999999", "no such device");
	refused(XML("gpu-server"), "near:gpu", "no such device");
}

static void this_machine_knows_its_loopback(void **state)
{
	(void)state;
	for (int devices = 0; devices < 2; devices++) {
		struct ct_topology *topology;
		struct ct_place near, all;
		struct ct_error err = {0};

		assert_true(ct_topology_load(&topology, devices == 1, &err));
		assert_true(ct_place_init(&near, &err) && ct_place_init(&all, &err));
		if (!ct_place_resolve(topology, "near:lo", NULL, NULL, 0, &near, &err))
			fail_msg("%s", err.text);
		assert_true(ct_place_resolve(topology, "machine", NULL, NULL, 0, &all, &err));
		assert_true(hwloc_bitmap_isequal(near.cpus, all.cpus));
		assert_false(ct_place_resolve(topology, "near:../lo", NULL, NULL, 0, &near, &err));
		assert_false(
			ct_place_resolve(topology, "near:nosuch0", NULL, NULL, 0, &near, &err));
		assert_non_null(strstr(err.text, "near:nosuch0: no such device; devices here: "));
		assert_non_null(strstr(err.text, "lo"));
		ct_place_free(&near);
		ct_place_free(&all);
		ct_topology_free(topology);
	}
}

static void a_bad_topology_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "nonsense", "tests/nosuch.xml", "package:0",
					  "tests/fixtures/topologies/make.py"};
	struct ct_topology *topology;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct ct_error err = {0};

		assert_false(ct_topology_load_from(&topology, bad[i], &err));
		assert_null(topology);
		assert_int_equal(err.kind, CT_ERR_USAGE);
	}
}

static void indexes_and_devices_can_be_listed(void **state)
{
	(void)state;
	struct ct_topology *topology = load(XML("gpu-server"));
	char text[256], tiny[12];

	assert_string_equal(ct_topology_indexes(topology, "core", text, sizeof text), "0-7");
	assert_string_equal(ct_topology_indexes(topology, "l2", text, sizeof text), "");
	assert_string_equal(ct_topology_indexes(topology, "numa", text, sizeof text), "0-3");
	assert_string_equal(ct_topology_indexes(topology, "nosuch", text, sizeof text), "");
	assert_string_equal(ct_topology_devices(topology, text, sizeof text),
			    "gpu0-7, ens1np0, mlx5_1, nvme0n1, ens0np0, mlx5_0, ens3np0, mlx5_3, "
			    "ens2np0, mlx5_2");
	assert_string_equal(ct_topology_devices(topology, tiny, sizeof tiny), "gpu0-7 ...");
	ct_topology_free(topology);
}

static void a_topology_survives_its_xml(void **state)
{
	(void)state;
	struct ct_topology *topology = load(XML("gpu-server"));
	char *xml = ct_topology_xml(topology);

	assert_non_null(xml);
	assert_non_null(strstr(xml, "mlx5_3"));
	free(xml);
	ct_topology_free(topology);
}

static void the_closest_shared_level_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *source, *tenants, *level;
	} cases[] = {
		{SMT, "a=pu:0;b=pu:1", "core"},
		{SMT, "a=pu:0;b=pu:0", "core"},
		{SMT, "a=core:0;b=core:1", "l3"},
		{NO_L3, "a=core:0;b=core:1", "l2"},
		{NO_L3, "a=core:0;b=core:2", "numa"},
		{CCX, "a=l3:0;b=l3:1", "numa"},
		{CCX, "a=l3:0;b=l3:1,pu:3", "core"},
		{CLUSTERED, "a=numa:0;b=numa:1", "package"},
		{CLUSTERED, "a=numa:0;b=numa:2", "machine"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ct_topology *topology = load(cases[i].source);
		struct tenants t;

		settle(topology, &t, cases[i].tenants);
		assert_string_equal(ct_place_shared_level(topology, &t.places[0], &t.places[1]),
				    cases[i].level);
		unsettle(&t);
		ct_topology_free(topology);
	}
}

static void overlap_is_refused_by_name_unless_shared(void **state)
{
	(void)state;
	struct ct_topology *topology = load(SMT);
	struct ct_error err = {0};
	struct tenants t;

	settle(topology, &t, "victim=core:0;neighbour=core:1;third=core:1-2");
	assert_true(ct_places_overlap_check(t.named, NULL, 2, &err));
	assert_true(ct_places_overlap_check(t.named, NULL, 0, &err));
	assert_false(ct_places_overlap_check(t.named, NULL, 3, &err));
	assert_int_equal(err.kind, CT_ERR_USAGE);
	assert_non_null(strstr(err.text, "tenants 'neighbour' and 'third' both have CPU 2-3"));
	assert_true(ct_places_overlap_check(t.named, (bool[]){false, false, true}, 3, &err));
	assert_true(ct_places_overlap_check(t.named, (bool[]){false, true, false}, 3, &err));
	assert_false(ct_places_overlap_check(t.named, (bool[]){true, false, false}, 3, &err));
	unsettle(&t);
	ct_topology_free(topology);
}

static void cpu_lists_are_read_back(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "0-", "x", "1,", ",1", "0x3", "2-1", "1 2"};
	struct ct_place place;
	struct ct_error err = {0};
	char text[64];

	assert_true(ct_place_init(&place, &err));
	assert_true(ct_place_parse_cpus(&place, "0-3,8,10-11", &err));
	assert_string_equal(ct_place_text(&place, text, sizeof text), "0-3,8,10-11");
	assert_int_equal(ct_place_cpu_count(&place), 7);
	assert_int_equal(ct_place_cpu(&place, 0), 0);
	assert_int_equal(ct_place_cpu(&place, 4), 8);
	assert_int_equal(ct_place_cpu(&place, 6), 11);
	assert_int_equal(ct_place_cpu(&place, 7), 0); /* threads beyond the last wrap around */
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(ct_place_parse_cpus(&place, bad[i], &err));
	hwloc_bitmap_zero(place.cpus);
	assert_int_equal(ct_place_cpu_count(&place), 0);
	assert_int_equal(ct_place_cpu(&place, 0), -1);
	ct_place_free(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_given_is_the_whole_machine),
		cmocka_unit_test(a_core_is_all_of_its_threads_and_a_pu_is_one),
		cmocka_unit_test(caches_dies_nodes_and_packages_have_their_words),
		cmocka_unit_test(a_slash_narrows_and_counts_anew),
		cmocka_unit_test(a_comma_unites_terms_and_goes_on_with_lists),
		cmocka_unit_test(memory_is_near_unless_said),
		cmocka_unit_test(kinds_of_memory_are_told_apart),
		cmocka_unit_test(what_is_not_there_is_refused_with_what_is),
		cmocka_unit_test(what_is_not_a_location_is_refused),
		cmocka_unit_test(beside_a_tenant_leaves_out_its_cores),
		cmocka_unit_test(away_from_a_tenant_leaves_out_all_it_touches),
		cmocka_unit_test(impossible_neighbours_are_refused_by_name),
		cmocka_unit_test(unequal_cores_are_taken_as_they_are),
		cmocka_unit_test(disallowed_cpus_are_not_counted),
		cmocka_unit_test(memory_may_be_allowed_where_its_cpus_are_not),
		cmocka_unit_test(devices_are_near_their_root),
		cmocka_unit_test(gpus_are_numbered_by_address_and_consoles_do_not_count),
		cmocka_unit_test(gpus_are_numbered_as_their_library_does),
		cmocka_unit_test(unknown_devices_are_refused_with_the_known_ones),
		cmocka_unit_test(this_machine_knows_its_loopback),
		cmocka_unit_test(a_bad_topology_is_refused),
		cmocka_unit_test(indexes_and_devices_can_be_listed),
		cmocka_unit_test(a_topology_survives_its_xml),
		cmocka_unit_test(the_closest_shared_level_is_named),
		cmocka_unit_test(overlap_is_refused_by_name_unless_shared),
		cmocka_unit_test(cpu_lists_are_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
