/* SPDX-License-Identifier: Apache-2.0 */
/* Loading hwloc topologies, and the objects that locations name. */
#include "harness/place/topology.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order in which a person looks for them; ct_place_shared_level has an order of its own. */
static const struct ct_object_word words[] = {
	{"core", "cores", "core", HWLOC_OBJ_CORE, false},
	{"pu", "CPUs", "CPU", HWLOC_OBJ_PU, true},
	{"l2", "L2 caches", "L2", HWLOC_OBJ_L2CACHE, false},
	{"l3", "L3 caches", "L3", HWLOC_OBJ_L3CACHE, false},
	{"die", "dies", "die", HWLOC_OBJ_DIE, false},
	{"numa", "NUMA nodes", "NUMA node", HWLOC_OBJ_NUMANODE, true},
	{"package", "packages", "package", HWLOC_OBJ_PACKAGE, true},
};
enum { N_WORDS = sizeof words / sizeof words[0] };

const char *const ct_topology_words[] = {"core", "pu", "l2", "l3", "die", "numa", "package", NULL};

const struct ct_object_word *ct_object_word_find(const char *word)
{
	_Static_assert(sizeof ct_topology_words / sizeof ct_topology_words[0] == N_WORDS + 1,
		       "the public list is this table's first column");
	for (size_t i = 0; i < N_WORDS; i++) {
		if (strcmp(words[i].word, word) == 0)
			return &words[i];
	}
	return NULL;
}

bool ct_object_type(const struct ct_topology *topology, const struct ct_object_word *word,
		    hwloc_obj_type_t *type)
{
	*type = word->type;
	if (hwloc_get_nbobjs_by_type(topology->hwloc, *type) > 0)
		return true;
	if (word->type != HWLOC_OBJ_CORE)
		return false;
	*type = HWLOC_OBJ_PU;
	return true;
}

bool ct_object_touches(hwloc_obj_t object, hwloc_const_bitmap_t cpus)
{
	return hwloc_bitmap_intersects(object->cpuset, cpus);
}

const char *ct_topology_indexes(const struct ct_topology *topology, const char *word, char *out,
				size_t size)
{
	const struct ct_object_word *entry = ct_object_word_find(word);
	hwloc_bitmap_t indexes = hwloc_bitmap_alloc();
	hwloc_obj_type_t type;
	hwloc_obj_t object = NULL;

	if (size > 0)
		out[0] = '\0';
	if (!indexes || !entry || !ct_object_type(topology, entry, &type))
		goto out;
	while ((object = hwloc_get_next_obj_by_type(topology->hwloc, type, object)) != NULL)
		hwloc_bitmap_set(indexes,
				 entry->by_os_index ? object->os_index : object->logical_index);
	hwloc_bitmap_list_snprintf(out, size, indexes);
out:
	hwloc_bitmap_free(indexes);
	return out;
}

static struct ct_topology *create(bool devices, struct ct_error *err)
{
	struct ct_topology *made = calloc(1, sizeof *made);

	if (!made || hwloc_topology_init(&made->hwloc) != 0) {
		free(made);
		ct_broken(err, "no memory for the topology");
		return NULL;
	}
	made->has_devices = devices;
	if (devices) {
		/* Bridges and chipset functions are left out: nobody is pinned near those. */
		hwloc_topology_set_io_types_filter(made->hwloc, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
		/*
		 * /sys tells all that is needed about PCI. libpciaccess would add the vendors'
		 * names at the price of mapping configuration space and of memory it never frees.
		 */
		hwloc_topology_set_components(made->hwloc, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST,
					      "pci");
	}
	return made;
}

bool ct_topology_load(struct ct_topology **topology, bool with_devices, struct ct_error *err)
{
	struct ct_topology *made = create(with_devices, err);

	*topology = NULL;
	if (!made)
		return false;
	if (hwloc_topology_load(made->hwloc) != 0) {
		ct_broken_errno(err, "reading this machine's topology (is /sys mounted?)");
		ct_topology_free(made);
		return false;
	}
	/* HWLOC_XMLFILE and its like make hwloc describe another machine. */
	made->live = hwloc_topology_is_thissystem(made->hwloc) == 1;
	*topology = made;
	return true;
}

static bool set_source(hwloc_topology_t hwloc, const char *source, struct ct_error *err)
{
	size_t length = strlen(source);

	if (length > 4 && strcmp(source + length - 4, ".xml") == 0) {
		if (access(source, R_OK) != 0)
			return ct_usage(err, "topology %s: %s", source, strerror(errno));
		return hwloc_topology_set_xml(hwloc, source) == 0 ||
		       ct_usage(err, "topology %s: not an hwloc XML file", source);
	}
	return hwloc_topology_set_synthetic(hwloc, source) == 0 ||
	       ct_usage(err,
			"topology '%s': neither a file *.xml nor an hwloc synthetic description",
			source);
}

bool ct_topology_load_from(struct ct_topology **topology, const char *source, struct ct_error *err)
{
	struct ct_topology *made = create(true, err);

	*topology = NULL;
	if (!made)
		return false;
	if (!set_source(made->hwloc, source, err))
		goto fail;
	if (hwloc_topology_load(made->hwloc) != 0) {
		ct_usage(err, "topology %s: hwloc can't load it", source);
		goto fail;
	}
	*topology = made;
	return true;
fail:
	ct_topology_free(made);
	return false;
}

bool ct_topology_load_xml(struct ct_topology **topology, const char *text, struct ct_error *err)
{
	struct ct_topology *made = create(true, err);

	*topology = NULL;
	if (!made)
		return false;
	if (hwloc_topology_set_xmlbuffer(made->hwloc, text, (int)strlen(text) + 1) != 0 ||
	    hwloc_topology_load(made->hwloc) != 0) {
		ct_topology_free(made);
		return ct_usage(err, "the topology is no hwloc XML");
	}
	*topology = made;
	return true;
}

void ct_topology_free(struct ct_topology *topology)
{
	if (!topology)
		return;
	hwloc_topology_destroy(topology->hwloc);
	free(topology);
}

hwloc_topology_t ct_topology_hwloc(const struct ct_topology *topology)
{
	return topology->hwloc;
}

char *ct_topology_xml(const struct ct_topology *topology)
{
	char *buffer, *copy;
	int length;

	if (hwloc_topology_export_xmlbuffer(topology->hwloc, &buffer, &length, 0) != 0)
		return NULL;
	/* hwloc frees its buffer by its own means; the caller has only free(). */
	copy = strndup(buffer, (size_t)length);
	hwloc_free_xmlbuffer(topology->hwloc, buffer);
	return copy;
}
