/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Location strings: the grammar of place.h, resolved against a topology. A location is a union of
 * terms, a term is a chain of parts, each of which narrows what is on its left. Whatever does not
 * resolve is refused by name, together with what the machine has instead.
 */
#include "harness/place/topology.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "harness/core/units.h"

enum { PART_MAX = 160 };

struct resolver {
	const struct ct_topology *topology;
	const struct ct_named_place *others;
	size_t n_others;
	bool for_memory; /* a node without CPUs is a place for memory */
};

/* What a part or a term stands for. Parts that name no nodes leave `nodes` empty. */
struct extent {
	hwloc_bitmap_t cpus, nodes;
};

static bool extent_init(struct extent *extent, struct ct_error *err)
{
	extent->cpus = hwloc_bitmap_alloc();
	extent->nodes = hwloc_bitmap_alloc();
	return (extent->cpus && extent->nodes) || ct_broken(err, "no memory for a CPU set");
}

static void extent_free(struct extent *extent)
{
	hwloc_bitmap_free(extent->cpus);
	hwloc_bitmap_free(extent->nodes);
}

/* ---- core:0-3 and its like ---- */

/* Says which indexes there are, where the asked ones are not. */
static bool no_such_index(const struct resolver *r, const struct ct_object_word *word,
			  const char *part, const char *left, hwloc_const_bitmap_t present,
			  hwloc_const_bitmap_t missing, struct ct_error *err)
{
	hwloc_const_bitmap_t complete = hwloc_topology_get_complete_cpuset(r->topology->hwloc);
	char have[256];
	int first = hwloc_bitmap_first(missing);

	hwloc_bitmap_list_snprintf(have, sizeof have, present);
	/* The complete set also holds the CPUs that hwloc left out: those not for us. */
	if (word->type == HWLOC_OBJ_PU && !left && hwloc_bitmap_isset(complete, (unsigned)first))
		return ct_usage(err,
				"%s: CPU %d exists but is not allowed for this process (outside "
				"its cpuset, or offline); allowed are %s",
				part, first, have);
	if (left && hwloc_bitmap_iszero(present))
		return ct_usage(err, "%s: there are no %s in %s", part, word->plural, left);
	return ct_usage(err, "%s: %s has %s %s", part, left ? left : "this machine", word->plural,
			have);
}

/*
 * Adds the objects with the listed indexes to `out`. Only what lies within `within` counts, and a
 * logical index starts anew there; `left` names it (NULL: the whole machine).
 */
static bool select_objects(const struct resolver *r, const struct ct_object_word *word,
			   const char *part, const char *list, hwloc_const_bitmap_t within,
			   const char *left, struct extent *out, struct ct_error *err)
{
	hwloc_bitmap_t asked = hwloc_bitmap_alloc(), present = hwloc_bitmap_alloc();
	hwloc_obj_type_t type;
	hwloc_obj_t object = NULL;
	unsigned logical = 0;
	bool good = false;

	if (!asked || !present) {
		ct_broken(err, "no memory for a CPU set");
		goto out;
	}
	if (!ct_index_list(list, asked, part, err))
		goto out;
	if (!ct_object_type(r->topology, word, &type)) {
		ct_usage(err, "%s: this machine has no %s, or does not tell", part, word->plural);
		goto out;
	}
	while ((object = hwloc_get_next_obj_by_type(r->topology->hwloc, type, object)) != NULL) {
		unsigned index;

		if (left && !ct_object_touches(object, within))
			continue;
		index = word->by_os_index ? object->os_index : logical++;
		hwloc_bitmap_set(present, index);
		if (!hwloc_bitmap_isset(asked, index))
			continue;
		hwloc_bitmap_or(out->cpus, out->cpus, object->cpuset);
		if (type == HWLOC_OBJ_NUMANODE)
			hwloc_bitmap_set(out->nodes, object->os_index);
	}
	if (!hwloc_bitmap_isincluded(asked, present)) {
		hwloc_bitmap_andnot(asked, asked, present);
		no_such_index(r, word, part, left, present, asked, err);
		goto out;
	}
	if (hwloc_bitmap_iszero(out->cpus) && !r->for_memory) {
		ct_usage(err, "%s: memory without CPUs; name it in 'memory =' instead", part);
		goto out;
	}
	good = true;
out:
	hwloc_bitmap_free(asked);
	hwloc_bitmap_free(present);
	return good;
}

/* ---- same-X-as:T and other-X-than:T ---- */

static const struct ct_place *find_tenant(const struct resolver *r, const char *part,
					  const char *name, struct ct_error *err)
{
	char known[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < r->n_others; i++) {
		if (strcmp(r->others[i].name, name) == 0) {
			if (!hwloc_bitmap_iszero(r->others[i].place->cpus))
				return r->others[i].place;
			ct_usage(err, "%s: tenant '%s' has no CPUs on this machine", part, name);
			return NULL;
		}
		if (used < sizeof known)
			used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
						 i > 0 ? ", " : "", r->others[i].name);
	}
	ct_usage(err, "%s: no tenant '%s' to refer to (%s%s)", part, name,
		 known[0] ? "there are: " : "none is placed yet", known);
	return NULL;
}

/* The union of all objects of a type that touch `cpus`. */
static void cover(const struct ct_topology *topology, hwloc_obj_type_t type,
		  hwloc_const_bitmap_t cpus, hwloc_bitmap_t out)
{
	hwloc_obj_t object = NULL;

	hwloc_bitmap_zero(out);
	while ((object = hwloc_get_next_obj_by_type(topology->hwloc, type, object)) != NULL) {
		if (ct_object_touches(object, cpus))
			hwloc_bitmap_or(out, out, object->cpuset);
	}
}

static void take_beside(const struct ct_topology *topology, const struct ct_object_word *word,
			hwloc_const_bitmap_t own, hwloc_bitmap_t out)
{
	hwloc_bitmap_t siblings;
	hwloc_obj_type_t core;

	hwloc_bitmap_andnot(out, out, own);
	/* The other hardware thread of a core shares far more than the cache that was asked for. */
	if (word->type == HWLOC_OBJ_CORE)
		return;
	siblings = hwloc_bitmap_alloc();
	if (siblings && ct_object_type(topology, ct_object_word_find("core"), &core)) {
		cover(topology, core, own, siblings);
		hwloc_bitmap_andnot(out, out, siblings);
	}
	hwloc_bitmap_free(siblings);
}

static bool resolve_relative(const struct resolver *r, const struct ct_object_word *word, bool same,
			     const char *part, const char *tenant, hwloc_bitmap_t out,
			     struct ct_error *err)
{
	const struct ct_place *place = find_tenant(r, part, tenant, err);
	hwloc_const_bitmap_t all = hwloc_topology_get_topology_cpuset(r->topology->hwloc);
	hwloc_obj_type_t type;

	if (!place)
		return false;
	if (!ct_object_type(r->topology, word, &type))
		return ct_usage(err, "%s: this machine has no %s, or does not tell", part,
				word->plural);
	cover(r->topology, type, place->cpus, out);
	if (!hwloc_bitmap_isincluded(place->cpus, out))
		return ct_usage(err, "%s: tenant '%s' has CPUs that lie on no %s of this machine",
				part, tenant, word->article);
	if (same) {
		take_beside(r->topology, word, place->cpus, out);
		return !hwloc_bitmap_iszero(out) ||
		       ct_usage(err, "%s: nothing is left beside tenant '%s' on its %s", part,
				tenant, word->article);
	}
	hwloc_bitmap_andnot(out, all, out);
	return !hwloc_bitmap_iszero(out) ||
	       ct_usage(err, "%s: this machine has no other %s than that of tenant '%s'", part,
			word->article, tenant);
}

/* "same-l3-as" -> l3, true; "other-numa-than" -> numa, false. */
static const struct ct_object_word *relative_word(const char *form, bool *same)
{
	static const char *const heads[] = {"other-", "same-"};
	static const char *const tails[] = {"-than", "-as"};
	const struct ct_object_word *word;
	char name[16];

	for (int i = 0; i < 2; i++) {
		size_t head = strlen(heads[i]), tail = strlen(tails[i]), length = strlen(form);

		if (length <= head + tail || length - head - tail >= sizeof name ||
		    strncmp(form, heads[i], head) != 0 ||
		    strcmp(form + length - tail, tails[i]) != 0)
			continue;
		memcpy(name, form + head, length - head - tail);
		name[length - head - tail] = '\0';
		word = ct_object_word_find(name);
		if (!word || word->type == HWLOC_OBJ_PU)
			return NULL;
		*same = i == 1;
		return word;
	}
	return NULL;
}

/* ---- parts, terms, locations ---- */

static bool unknown_form(const char *part, const char *form, struct ct_error *err)
{
	static const char *const forms[] = {
		"core",
		"pu",
		"l2",
		"l3",
		"die",
		"numa",
		"package",
		"machine",
		"all",
		"near",
		"same-core-as",
		"same-l2-as",
		"same-l3-as",
		"same-die-as",
		"same-numa-as",
		"same-package-as",
		"other-core-than",
		"other-l2-than",
		"other-l3-than",
		"other-die-than",
		"other-numa-than",
		"other-package-than",
	};
	const char *near = ct_nearest(form, forms, sizeof forms / sizeof forms[0]);

	return ct_usage(
		err,
		"%s: not a location%s%s%s: it is core:0-3, pu:, l2:, l3:, die:, numa:, "
		"package:, machine, near:DEVICE, same-l3-as:TENANT or other-core-than:TENANT",
		part, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

/* One part. `within` holds what is on its left, which `left` names; both NULL for the first one. */
static bool resolve_part(const struct resolver *r, const char *part, hwloc_const_bitmap_t within,
			 const char *left, struct extent *out, struct ct_error *err)
{
	const struct ct_object_word *word;
	char form[PART_MAX];
	const char *argument = strchr(part, ':');
	bool same;

	if (strcmp(part, "machine") == 0 || strcmp(part, "all") == 0) {
		hwloc_bitmap_copy(out->cpus,
				  hwloc_topology_get_topology_cpuset(r->topology->hwloc));
		return true;
	}
	snprintf(form, sizeof form, "%.*s", (int)(argument ? argument - part : (int)strlen(part)),
		 part);
	if (!argument || argument[1] == '\0') {
		if (ct_object_word_find(form))
			return ct_usage(err, "%s: which %s? say %s:0", part, form, form);
		if (strcmp(form, "near") == 0 || relative_word(form, &same))
			return ct_usage(err, "%s: of what? say %s:%s", part, form,
					strcmp(form, "near") == 0 ? "DEVICE" : "TENANT");
		return unknown_form(part, form, err);
	}
	argument++;
	if (strcmp(form, "near") == 0)
		return ct_device_cpus(r->topology, argument, out->cpus, err);
	word = ct_object_word_find(form);
	if (word)
		return select_objects(r, word, part, argument, within, left, out, err);
	word = relative_word(form, &same);
	if (word)
		return resolve_relative(r, word, same, part, argument, out->cpus, err);
	return unknown_form(part, form, err);
}

static bool is_list_word(const char *part)
{
	char word[16];
	const char *colon = strchr(part, ':');

	if (!colon || (size_t)(colon - part) >= sizeof word)
		return false;
	snprintf(word, sizeof word, "%.*s", (int)(colon - part), part);
	return ct_object_word_find(word) != NULL;
}

/*
 * Copies the next part and moves `at` behind its separator, which is '/', ',' or '\0'. A comma
 * before a digit goes on with a list (core:0,2); any other one begins a new term.
 */
static bool next_part(const char **at, char part[PART_MAX], char *separator, struct ct_error *err)
{
	size_t n = 0;

	for (;; (*at)++) {
		char c = **at;

		part[n] = '\0';
		if (c == ',') {
			size_t skip = 1 + strspn(*at + 1, " \t");

			if (!isdigit((unsigned char)(*at)[skip]) || !is_list_word(part))
				break;
			*at += skip - 1;
		} else if (c == '/' || c == '\0') {
			break;
		} else if (n == 0 && (c == ' ' || c == '\t')) {
			continue;
		}
		if (n + 1 >= PART_MAX)
			return ct_usage(err, "location '%.40s...' is too long", part);
		part[n++] = c;
	}
	while (n > 0 && (part[n - 1] == ' ' || part[n - 1] == '\t'))
		part[--n] = '\0';
	*separator = **at;
	if (**at != '\0')
		(*at)++;
	return n > 0 || ct_usage(err, "a part of the location is empty");
}

/* One term, "l3:1/core:0-3": resolves it into `term` and says what ended it. */
static bool resolve_term(const struct resolver *r, const char **at, struct extent *term,
			 char *separator, struct ct_error *err)
{
	const char *begin = *at + strspn(*at, " \t");
	char part[PART_MAX], left[PART_MAX] = "";
	struct extent narrow;
	bool good = false, first = true;

	if (!extent_init(&narrow, err))
		goto out;
	do {
		if (!next_part(at, part, separator, err))
			goto out;
		hwloc_bitmap_zero(narrow.cpus);
		hwloc_bitmap_zero(narrow.nodes);
		if (!resolve_part(r, part, first ? NULL : term->cpus, first ? NULL : left, &narrow,
				  err))
			goto out;
		if (!first)
			hwloc_bitmap_and(narrow.cpus, narrow.cpus, term->cpus);
		if (hwloc_bitmap_iszero(narrow.cpus) &&
		    !(r->for_memory && *separator != '/' && !hwloc_bitmap_iszero(narrow.nodes))) {
			ct_usage(err, "%s: %s%s", part,
				 first ? "it has no CPUs" : "none of it lies in ", left);
			goto out;
		}
		hwloc_bitmap_copy(term->cpus, narrow.cpus);
		hwloc_bitmap_copy(term->nodes, narrow.nodes);
		first = false;
		snprintf(left, sizeof left, "%.*s",
			 (int)(*at - begin - (*separator != '\0' ? 1 : 0)), begin);
	} while (*separator == '/');
	good = true;
out:
	extent_free(&narrow);
	return good;
}

/*
 * The nodes whose memory is nearest to the CPUs. High-bandwidth, persistent, CXL and GPU memory
 * hang on the same CPUs as ordinary memory does; those are for whoever names them.
 */
static void nearest_nodes(const struct ct_topology *topology, hwloc_const_bitmap_t cpus,
			  hwloc_bitmap_t nodes)
{
	bool ordinary = false;

	for (int pass = 0; pass < 2; pass++) {
		hwloc_obj_t node = NULL;

		while ((node = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE,
							  node)) != NULL) {
			bool is_ordinary = !node->subtype || strcmp(node->subtype, "DRAM") == 0;

			if (!ct_object_touches(node, cpus))
				continue;
			if (pass == 0)
				ordinary = ordinary || is_ordinary;
			else if (is_ordinary || !ordinary)
				hwloc_bitmap_set(nodes, node->os_index);
		}
	}
}

/* A whole location, into `out`: CPUs, and for memory also nodes. */
static bool resolve_location(const struct resolver *r, const char *location, struct extent *out,
			     struct ct_error *err)
{
	struct extent term;
	const char *at = location += strspn(location, " \t");
	char separator;
	bool good = false;

	if (!extent_init(&term, err))
		goto out;
	do {
		if (!resolve_term(r, &at, &term, &separator, err)) {
			/* A message about the only part there is already begins with it. */
			if (err && strncmp(err->text, location, strlen(location)) != 0)
				ct_error_in(err, "%.200s", location);
			goto out;
		}
		hwloc_bitmap_or(out->cpus, out->cpus, term.cpus);
		if (r->for_memory && hwloc_bitmap_iszero(term.nodes))
			nearest_nodes(r->topology, term.cpus, out->nodes);
		else
			hwloc_bitmap_or(out->nodes, out->nodes, term.nodes);
	} while (separator != '\0');
	good = true;
out:
	extent_free(&term);
	return good;
}

static bool is_given(const char *text)
{
	return text && text[strspn(text, " \t")] != '\0';
}

static bool resolve_cpus(const struct resolver *r, const char *cpus, struct ct_place *place,
			 struct ct_error *err)
{
	struct extent extent;
	bool good = false;

	if (!is_given(cpus)) {
		hwloc_bitmap_copy(place->cpus,
				  hwloc_topology_get_topology_cpuset(r->topology->hwloc));
		return true;
	}
	if (extent_init(&extent, err) && resolve_location(r, cpus, &extent, err)) {
		hwloc_bitmap_copy(place->cpus, extent.cpus);
		good = true;
	}
	extent_free(&extent);
	return good;
}

static bool resolve_memory(const struct resolver *r, const char *memory, struct ct_place *place,
			   struct ct_error *err)
{
	struct extent extent;
	bool good = false;

	if (is_given(memory) && strcmp(memory, "any") == 0)
		return true;
	if (!is_given(memory)) {
		nearest_nodes(r->topology, place->cpus, place->nodes);
		return true;
	}
	if (!extent_init(&extent, err))
		goto out;
	if (!resolve_location(r, memory, &extent, err)) {
		ct_error_in(err, "memory");
		goto out;
	}
	hwloc_bitmap_copy(place->nodes, extent.nodes);
	good = true;
out:
	extent_free(&extent);
	return good;
}

bool ct_place_resolve(const struct ct_topology *topology, const char *cpus, const char *memory,
		      const struct ct_named_place *others, size_t n_others, struct ct_place *place,
		      struct ct_error *err)
{
	struct resolver r = {topology, others, n_others, false};

	hwloc_bitmap_zero(place->cpus);
	hwloc_bitmap_zero(place->nodes);
	if (!resolve_cpus(&r, cpus, place, err))
		return false;
	r.for_memory = true;
	return resolve_memory(&r, memory, place, err);
}
