/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where work runs. A location string names a set of processing units and the memory nodes near
 * them; hwloc resolves it. Grammar (a comma unites, a slash narrows, as in hwloc-calc):
 *
 *   core:0  core:0-3  core:0,2  pu:3  l3:1/core:0-3  l2:0  numa:1  package:0  machine  all
 *   near:eth0   near:mlx5_0   near:gpu0   near:0000:41:00.0     the CPUs closest to a device
 *   same-l3-as:T  same-core-as:T  same-numa-as:T  same-package-as:T   relative to tenant T, minus
 *   other-core-than:T  other-l3-than:T  other-numa-than:T  other-package-than:T    T's own CPUs
 *
 * `core:0` is one core with all its hardware threads, by logical index; `pu:3` is by OS index, the
 * number that taskset and /proc use. `numa:`, `package:` are by OS index as well. `l2:`, `l3:` and
 * `die:` are by logical index and work in the relative forms too. After a slash a logical index
 * counts within what is on its left: `l3:1/core:0` is the first core of that cache.
 *
 * same-X-as:T leaves out T's own CPUs, and for X other than core also the other hardware threads
 * of T's cores. other-X-than:T leaves out every X that T touches.
 *
 * near:gpuN is the N-th GPU: as NVML, CUDA, ROCm or Level Zero count them where hwloc knows that,
 * else by PCI address among display, 3D and processing accelerators. A network device without a
 * place of its own (loopback, veth, a bridge) is near the whole machine.
 */
#ifndef COTENANT_PLACE_PLACE_H
#define COTENANT_PLACE_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include <hwloc.h>

#include "harness/core/error.h"

struct ct_topology; /* an hwloc topology, loaded once, read-only afterwards */

/*
 * This machine, restricted to the CPUs that the process's cpuset allows; logical indexes count
 * those alone. An affinity mask set by taskset is no such limit: a binding replaces it.
 * `with_devices` also loads PCI and OS devices, which takes longer; without them every `near:`
 * loads them for itself. Free with ct_topology_free.
 */
bool ct_topology_load(struct ct_topology **topology, bool with_devices, struct ct_error *err);
/* Another machine, for tests: an hwloc XML file ("*.xml") or a synthetic description. */
bool ct_topology_load_from(struct ct_topology **topology, const char *source, struct ct_error *err);
/* The machine that hwloc XML text tells of (ct_topology_xml). Usage error. */
bool ct_topology_load_xml(struct ct_topology **topology, const char *text, struct ct_error *err);
void ct_topology_free(struct ct_topology *topology);
hwloc_topology_t ct_topology_hwloc(const struct ct_topology *topology);
/* The whole topology as hwloc XML. The caller frees it with free(). NULL on failure. */
char *ct_topology_xml(const struct ct_topology *topology);
/*
 * The indexes that `word` ("core", "pu", "l2", "l3", "die", "numa", "package") takes here: "0-3",
 * or "" when this machine has none of it. Writes at most `size` bytes, returns `out`.
 */
const char *ct_topology_indexes(const struct ct_topology *topology, const char *word, char *out,
				size_t size);
/* The words that ct_topology_indexes takes; NULL-terminated. */
extern const char *const ct_topology_words[];
/* What `near:` takes here, separated by ", ". Writes at most `size` bytes, returns `out`. */
const char *ct_topology_devices(const struct ct_topology *topology, char *out, size_t size);

/* What the kernel does with the nodes: only them, the first one before others, or all in turn. */
enum ct_numa_policy { CT_NUMA_BIND, CT_NUMA_PREFERRED, CT_NUMA_INTERLEAVE };

struct ct_place {
	hwloc_bitmap_t cpus;  /* OS indexes */
	hwloc_bitmap_t nodes; /* NUMA node OS indexes that memory is bound to; empty: not bound */
	enum ct_numa_policy numa_policy;
};

bool ct_place_init(struct ct_place *place, struct ct_error *err); /* both sets empty */
void ct_place_free(struct ct_place *place);
unsigned ct_place_cpu_count(const struct ct_place *place);
/* OS index of the i-th CPU of the place, i modulo its count: threads beyond it wrap around. */
int ct_place_cpu(const struct ct_place *place, unsigned i);
/* "0-3,8": writes at most `size` bytes, returns `out`. */
const char *ct_place_text(const struct ct_place *place, char *out, size_t size);
/* Parses "0-3,8" (as ct_place_text writes it) into `place->cpus`. */
bool ct_place_parse_cpus(struct ct_place *place, const char *list, struct ct_error *err);
/*
 * The closest thing that a CPU of one place shares with a CPU of the other: "core", "l2", "l3",
 * "numa", "package" or "machine", the first of these that holds. A static string.
 */
const char *ct_place_shared_level(const struct ct_topology *topology, const struct ct_place *a,
				  const struct ct_place *b);

/* A tenant that `same-...-as:` and `other-...-than:` may refer to. */
struct ct_named_place {
	const char *name;
	const struct ct_place *place;
};

/*
 * Resolves a location into `place` (initialised; overwritten). `cpus` may be NULL or "" for the
 * whole machine, `memory` NULL or "" for the nodes nearest to the CPUs, "any" for no binding.
 * Errors name the location, the part that does not resolve, and what this machine has instead.
 */
bool ct_place_resolve(const struct ct_topology *topology, const char *cpus, const char *memory,
		      const struct ct_named_place *others, size_t n_others, struct ct_place *place,
		      struct ct_error *err);

/*
 * Refuses two tenants that have a CPU in common, by name of tenant and CPU, unless one of the two
 * is `shared`. `shared` may be NULL: none is.
 */
bool ct_places_overlap_check(const struct ct_named_place *places, const bool *shared, size_t n,
			     struct ct_error *err);

/* Binds the calling thread to one CPU (the i-th of the place) and checks where it runs afterwards.
 */
bool ct_bind_thread(const struct ct_place *place, unsigned i, struct ct_error *err);
/* Binds the calling thread to all CPUs of the place, and checks. */
/*
 * Whether the calling thread, bound by ct_bind_thread, still is: the kernel moves a thread whose
 * CPU was unplugged, or taken from its cpuset, and tells nobody.
 */
bool ct_bind_check(const struct ct_place *place, unsigned i, struct ct_error *err);
bool ct_bind_thread_all(const struct ct_place *place, struct ct_error *err);

enum ct_pages { CT_PAGES_BASE, CT_PAGES_TRANSPARENT, CT_PAGES_HUGE_2M, CT_PAGES_HUGE_1G };
/* Names for parameter tables, in the order of enum ct_pages: base, thp, 2M, 1G; NULL-terminated. */
extern const char *const ct_pages_names[];

struct ct_memory {
	void *base;
	size_t bytes;  /* as asked */
	size_t mapped; /* `bytes` in whole pages of the kind asked for */
	bool locked;   /* mlock succeeded; without the right to lock it is false, not an error */
	void *reservation; /* address space around it, with a guard page at either end */
	size_t reserved;
};

/*
 * Maps private anonymous memory bound to the place's nodes, pre-faulted and locked. Base pages
 * are really base pages (MADV_NOHUGEPAGE). Leaves a reserve: refuses what would take the machine
 * (or the memory cgroup) below max(256 MiB, 5 %) of free memory. Huge pages that are not
 * configured are an error that says how many are missing and where to configure them. Afterwards
 * the pages are checked: that they lie on the place's nodes, and that transparent huge pages really
 * are huge. `place` may be NULL: not bound.
 */
bool ct_memory_map(struct ct_memory *memory, const struct ct_place *place, size_t bytes,
		   enum ct_pages pages, struct ct_error *err);
void ct_memory_unmap(struct ct_memory *memory);

#endif
