/* SPDX-License-Identifier: Apache-2.0 */
/* Places as sets: making, printing, comparing. */
#include "harness/place/place.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "harness/place/topology.h"

bool ct_place_init(struct ct_place *place, struct ct_error *err)
{
	place->cpus = hwloc_bitmap_alloc();
	place->nodes = hwloc_bitmap_alloc();
	if (place->cpus && place->nodes)
		return true;
	ct_place_free(place);
	return ct_broken(err, "no memory for a CPU set");
}

void ct_place_free(struct ct_place *place)
{
	hwloc_bitmap_free(place->cpus);
	hwloc_bitmap_free(place->nodes);
	*place = (struct ct_place){0};
}

unsigned ct_place_cpu_count(const struct ct_place *place)
{
	int count = hwloc_bitmap_weight(place->cpus);

	return count > 0 ? (unsigned)count : 0;
}

int ct_place_cpu(const struct ct_place *place, unsigned i)
{
	unsigned count = ct_place_cpu_count(place);
	int cpu = hwloc_bitmap_first(place->cpus);

	if (count == 0)
		return -1;
	for (i %= count; i > 0; i--)
		cpu = hwloc_bitmap_next(place->cpus, cpu);
	return cpu;
}

const char *ct_place_text(const struct ct_place *place, char *out, size_t size)
{
	if (size > 0)
		out[0] = '\0';
	hwloc_bitmap_list_snprintf(out, size, place->cpus);
	return out;
}

/* One number of a list; `at` moves behind it. Numbers beyond the bound become the bound. */
static bool index_number(const char **at, unsigned *value)
{
	*value = 0;
	if (!isdigit((unsigned char)**at))
		return false;
	for (; isdigit((unsigned char)**at); (*at)++) {
		if (*value < CT_INDEX_MAX)
			*value = *value * 10 + (unsigned)(**at - '0');
	}
	if (*value > CT_INDEX_MAX)
		*value = CT_INDEX_MAX;
	return true;
}

bool ct_index_list(const char *list, hwloc_bitmap_t set, const char *what, struct ct_error *err)
{
	const char *at = list;
	unsigned first, last;

	for (;;) {
		if (!index_number(&at, &first))
			return ct_usage(err, "%s: '%s' is not a list of numbers such as 0-3,8",
					what, list);
		last = first;
		if (*at == '-') {
			at++;
			if (!index_number(&at, &last))
				return ct_usage(err, "%s: the range in '%s' has no end", what,
						list);
		}
		if (last < first)
			return ct_usage(err, "%s: the range %u-%u runs backwards", what, first,
					last);
		if (hwloc_bitmap_set_range(set, first, (int)last) != 0)
			return ct_broken(err, "%s: no memory for it", what);
		if (*at == '\0')
			return true;
		if (*at != ',')
			return ct_usage(err, "%s: '%s' is not a list of numbers such as 0-3,8",
					what, list);
		at++;
	}
}

bool ct_place_parse_cpus(struct ct_place *place, const char *list, struct ct_error *err)
{
	hwloc_bitmap_zero(place->cpus);
	return ct_index_list(list, place->cpus, "CPU list", err);
}

/* Whether some object of the type holds a CPU of either place. */
static bool share_object(const struct ct_topology *topology, const char *word,
			 const struct ct_place *a, const struct ct_place *b)
{
	hwloc_obj_type_t type;
	hwloc_obj_t object = NULL;

	if (!ct_object_type(topology, ct_object_word_find(word), &type))
		return false;
	while ((object = hwloc_get_next_obj_by_type(topology->hwloc, type, object)) != NULL) {
		if (ct_object_touches(object, a->cpus) && ct_object_touches(object, b->cpus))
			return true;
	}
	return false;
}

const char *ct_place_shared_level(const struct ct_topology *topology, const struct ct_place *a,
				  const struct ct_place *b)
{
	/*
	 * From what couples most to what couples least. With sub-NUMA clustering a node may be
	 * smaller than the L3; sharing the L3 is then still the closer tie of the two.
	 */
	static const char *const levels[] = {"core", "l2", "l3", "numa", "package"};

	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		if (share_object(topology, levels[i], a, b))
			return levels[i];
	}
	return "machine";
}

bool ct_places_overlap_check(const struct ct_named_place *places, const bool *shared, size_t n,
			     struct ct_error *err)
{
	hwloc_bitmap_t common = hwloc_bitmap_alloc();
	char cpus[128];
	bool good = true;

	if (!common)
		return ct_broken(err, "no memory for a CPU set");
	for (size_t i = 0; i < n && good; i++) {
		for (size_t j = i + 1; j < n && good; j++) {
			if (shared && (shared[i] || shared[j]))
				continue;
			hwloc_bitmap_and(common, places[i].place->cpus, places[j].place->cpus);
			if (hwloc_bitmap_iszero(common))
				continue;
			hwloc_bitmap_list_snprintf(cpus, sizeof cpus, common);
			good = ct_usage(err,
					"tenants '%s' and '%s' both have CPU %s: give them "
					"different CPUs, or say 'shared = yes' in one of them",
					places[i].name, places[j].name, cpus);
		}
	}
	hwloc_bitmap_free(common);
	return good;
}
