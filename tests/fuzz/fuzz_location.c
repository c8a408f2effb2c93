/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: no location, whatever its bytes, may crash, hang or resolve to a CPU or a node that
 * the machine does not have; and what is refused is refused with a message.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined ... tests/fuzz/fuzz_location.c
 *
 * Input: a byte that picks the machine, then the location, then (after a newline) that of memory.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/place/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const machines[] = {
	"package:2 numa:2 l3:1 l2:2 core:1 pu:2", "package:1 [numa] core:1 pu:1",
	"package:1 [numa] l2:2 core:2 pu:1",      "tests/fixtures/topologies/gpu-server.xml",
	"tests/fixtures/topologies/hybrid.xml",   "tests/fixtures/topologies/disallowed.xml",
};
enum { N_MACHINES = sizeof machines / sizeof machines[0] };

/* Loaded once: parsing the machine is not what is tested here. */
static struct ct_topology *machine(size_t index)
{
	static struct ct_topology *loaded[N_MACHINES];
	struct ct_error err = {0};

	if (!loaded[index] && !ct_topology_load_from(&loaded[index], machines[index], &err)) {
		fprintf(stderr, "%s (run it from the tree's top)\n", err.text);
		abort();
	}
	return loaded[index];
}

static void check(bool truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ct_topology *topology;
	struct ct_place victim, place;
	struct ct_named_place others[1] = {{"victim", &victim}};
	struct ct_error err = {0};
	char *text, *memory;

	if (size < 1)
		return 0;
	topology = machine(data[0] % N_MACHINES);
	text = strndup((const char *)data + 1, size - 1);
	check(text && ct_place_init(&victim, &err) && ct_place_init(&place, &err));
	check(ct_place_resolve(topology, "core:0", "any", NULL, 0, &victim, &err));
	memory = strchr(text, '\n');
	if (memory)
		*memory++ = '\0';
	if (ct_place_resolve(topology, text, memory, others, 1, &place, &err)) {
		hwloc_topology_t hwloc = ct_topology_hwloc(topology);

		check(!hwloc_bitmap_iszero(place.cpus));
		check(hwloc_bitmap_isincluded(place.cpus,
					      hwloc_topology_get_topology_cpuset(hwloc)));
		check(hwloc_bitmap_isincluded(place.nodes,
					      hwloc_topology_get_topology_nodeset(hwloc)));
	} else {
		check(err.kind == CT_ERR_USAGE && err.text[0] != '\0');
	}
	ct_place_free(&place);
	ct_place_free(&victim);
	free(text);
	return 0;
}
