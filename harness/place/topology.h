/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share and nobody else needs: the topology's inside, the parser of
 * index lists, and devices.
 */
#ifndef COTENANT_PLACE_TOPOLOGY_H
#define COTENANT_PLACE_TOPOLOGY_H

#include "harness/place/place.h"

struct ct_topology {
	hwloc_topology_t hwloc;
	bool live; /* this machine, as it is now: /sys may be asked as well */
	bool has_devices;
};

/* A word of the location grammar that names a kind of object. */
struct ct_object_word {
	const char *word;
	const char *plural;  /* for "this machine has <plural> 0-3" */
	const char *article; /* for "nothing is left beside ... on its <article>" */
	hwloc_obj_type_t type;
	bool by_os_index;
};
const struct ct_object_word *ct_object_word_find(const char *word);
/*
 * The type that stands for a word here: machines whose firmware doesn't describe cores have one
 * for each processing unit. False when this machine has no such object.
 */
bool ct_object_type(const struct ct_topology *topology, const struct ct_object_word *word,
		    hwloc_obj_type_t *type);
/* Whether an object lies, at least in part, within `cpus`. */
bool ct_object_touches(hwloc_obj_t object, hwloc_const_bitmap_t cpus);

/* Larger indexes exist on no machine; without a bound "0-4294967295" would fill memory. */
enum { CT_INDEX_MAX = 1 << 16 };
/* Adds "0-3,8" to `set`. Nothing but such a list is accepted; `what` begins the message. */
bool ct_index_list(const char *list, hwloc_bitmap_t set, const char *what, struct ct_error *err);

/* The CPUs closest to a device, into `cpus` (never empty on success). */
bool ct_device_cpus(const struct ct_topology *topology, const char *device, hwloc_bitmap_t cpus,
		    struct ct_error *err);

#endif
