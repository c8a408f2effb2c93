/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/decide/environment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/core/text.h"

/* Sections of `cotenant probe --json` that describe the machine and not the moment. */
static const char *const sections[] = {
	"kernel", "distribution", "clocksource", "cpu",        "mitigations", "frequency",
	"memory", "huge_pages",   "hypervisor",  "container",  "network",     "block",
	"rdma",   "gpus",         "sriov",       "nvidia",     "topology",    "pci",
	"numa",   "resctrl",      "nvml",        "nvidia_gpus"};
/* Members of those that change by themselves. */
static const char *const volatile_members[] = {
	"available_bytes", "free",        "state",       "current_khz", "evidence",
	"surplus",         "reserved",    "steal_share", "sm_mhz",      "memory_mhz",
	"link_generation", "mps_clients", "gt_per_s",    "groups"};

enum { ITEM_TEXT = 160 };

struct walk {
	struct ct_differences *out;
	bool ok;
};

static bool is_volatile(const char *member)
{
	for (size_t i = 0; i < sizeof volatile_members / sizeof volatile_members[0]; i++) {
		if (strcmp(member, volatile_members[i]) == 0)
			return true;
	}
	return false;
}

/* As a row shows it: in one line. */
static char *line_of(const char *text)
{
	char *line = strdup(text);

	if (line)
		ct_text_clean(line);
	return line;
}

static void add(struct walk *walk, const char *item, const char *base, const char *next)
{
	struct ct_difference *rows =
		realloc(walk->out->rows, (walk->out->n + 1) * sizeof *walk->out->rows);
	struct ct_difference *row;

	if (!rows) {
		walk->ok = false;
		return;
	}
	walk->out->rows = rows;
	row = &rows[walk->out->n++];
	*row = (struct ct_difference){line_of(item), line_of(base), line_of(next)};
	walk->ok = walk->ok && row->item && row->base && row->next;
}

/* "" for what is missing or null. */
static char *text_of(const json_t *value)
{
	if (!value || json_is_null(value))
		return strdup("");
	if (json_is_string(value))
		return strdup(json_string_value(value));
	return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
}

static void compare_leaf(struct walk *walk, const char *item, const json_t *base,
			 const json_t *next)
{
	char *from = text_of(base), *to = text_of(next);

	if (!from || !to)
		walk->ok = false;
	else if (strcmp(from, to) != 0)
		add(walk, item, from, to);
	free(from);
	free(to);
}

static void compare_values(struct walk *walk, const char *item, json_t *base, json_t *next,
			   int depth);

static void compare_member(struct walk *walk, const char *item, const char *member, json_t *base,
			   json_t *next, int depth)
{
	char path[ITEM_TEXT];

	if (is_volatile(member))
		return;
	/* A statement is {"value", "evidence"}: its item is the statement's own. */
	if (strcmp(member, "value") == 0)
		snprintf(path, sizeof path, "%s", item);
	else
		snprintf(path, sizeof path, "%s.%s", item, member);
	compare_values(walk, path, json_object_get(base, member), json_object_get(next, member),
		       depth + 1);
}

static void compare_values(struct walk *walk, const char *item, json_t *base, json_t *next,
			   int depth)
{
	const char *member;
	json_t *value;

	if (depth < 8 && json_is_array(base) && json_is_array(next) &&
	    json_array_size(base) == json_array_size(next) &&
	    json_is_object(json_array_get(base, 0))) {
		for (size_t i = 0; i < json_array_size(base); i++) {
			compare_values(walk, item, json_array_get(base, i), json_array_get(next, i),
				       depth + 1);
		}
		return;
	}
	if (depth >= 8 || (!json_is_object(base) && !json_is_object(next))) {
		compare_leaf(walk, item, base, next);
		return;
	}
	json_object_foreach(base, member, value)
		compare_member(walk, item, member, base, next, depth);
	json_object_foreach(next, member, value)
	{
		if (!json_object_get(base, member))
			compare_member(walk, item, member, base, next, depth);
	}
}

static void compare_machines(struct walk *walk, const struct ct_results_tables *base,
			     const struct ct_results_tables *next)
{
	json_t *from = json_loads(base->provenance, 0, NULL);
	json_t *to = json_loads(next->provenance, 0, NULL);

	for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
		compare_values(walk, sections[i], json_object_get(from, sections[i]),
			       json_object_get(to, sections[i]), 0);
	json_decref(from);
	json_decref(to);
}

static void compare_text(struct walk *walk, const char *item, const char *base, const char *next)
{
	if (strcmp(base, next) != 0)
		add(walk, item, base, next);
}

static void compare_length(struct walk *walk, const char *item, uint64_t base, uint64_t next)
{
	char from[24], to[24];

	if (base == next)
		return;
	snprintf(from, sizeof from, "%" PRIu64, base);
	snprintf(to, sizeof to, "%" PRIu64, next);
	add(walk, item, from, to);
}

static void compare_method(struct walk *walk, const struct ct_results_tables *base,
			   const struct ct_results_tables *next)
{
	compare_text(walk, "cotenant", base->version, next->version);
	compare_text(walk, "cotenant.build", base->build_id, next->build_id);
	compare_text(walk, "suite", base->suite, next->suite);
	if (strcmp(base->job_text, next->job_text) != 0)
		add(walk, "job file", "another text", "another text");
	compare_text(walk, "overrides", base->job_overrides, next->job_overrides);
	compare_length(walk, "warmup_ns", base->warmup_ns, next->warmup_ns);
	compare_length(walk, "measure_ns", base->measure_ns, next->measure_ns);
	compare_length(walk, "recovery_ns", base->recovery_ns, next->recovery_ns);
	compare_length(walk, "epoch_ns", base->epoch_ns, next->epoch_ns);
}

bool ct_differences_make(struct ct_differences *differences, const struct ct_results_tables *base,
			 const struct ct_results_tables *next, struct ct_error *err)
{
	struct walk walk = {.out = differences, .ok = true};

	*differences = (struct ct_differences){0};
	compare_machines(&walk, base, next);
	compare_method(&walk, base, next);
	if (walk.ok)
		return true;
	ct_differences_free(differences);
	return ct_broken_errno(err, "memory for environment differences");
}

void ct_differences_free(struct ct_differences *differences)
{
	for (size_t i = 0; i < differences->n; i++) {
		free(differences->rows[i].item);
		free(differences->rows[i].base);
		free(differences->rows[i].next);
	}
	free(differences->rows);
	*differences = (struct ct_differences){0};
}

const struct ct_difference *ct_difference_of(const struct ct_differences *differences,
					     const char *item)
{
	for (size_t i = 0; i < differences->n; i++) {
		if (strcmp(differences->rows[i].item, item) == 0)
			return &differences->rows[i];
	}
	return NULL;
}
