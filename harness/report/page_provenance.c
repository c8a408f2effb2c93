/* SPDX-License-Identifier: Apache-2.0 */
/* What decides a repeat of the campaign, as rows of a table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/core/text.h"
#include "harness/report/page_data.h"

enum { ITEM_TEXT = 200, DEEPEST = 6 };

/* Members that name the maker or the model: left out of an anonymous report. */
static const char *const naming[] = {"model_name", "vendor", "family",  "model",  "stepping",
				     "microcode",  "dmi",    "product", "device", "firmware",
				     "driver",     "name",   "release", "version"};
static const char *const naming_sections[] = {
	"network",  "block",  "rdma",   "gpus",   "nvidia", "sriov",       "pci",
	"topology", "kernel", "caches", "memory", "nvml",   "nvidia_gpus", "interrupts"};

struct rows {
	json_t *list;
	const char *section;
	bool anonymous;
};

static bool among(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

#define AMONG(word, words) among(word, words, sizeof(words) / sizeof(words)[0])

static void add(const struct rows *rows, const char *item, const char *value)
{
	char whole[ITEM_TEXT];

	/* Names are joined in buffers, which cut them. */
	ct_text_print(whole, sizeof whole, "%s", item);
	json_array_append_new(rows->list, json_pack("[s, s, s]", rows->section, whole, value));
}

static void add_number(const struct rows *rows, const char *item, uint64_t value, const char *unit)
{
	char text[64];

	snprintf(text, sizeof text, "%" PRIu64 "%s", value, unit);
	add(rows, item, text);
}

static void add_leaf(const struct rows *rows, const char *item, json_t *value)
{
	char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);

	if (json_is_string(value))
		add(rows, item, json_string_value(value));
	else if (text && !json_is_null(value))
		add(rows, item, text);
	free(text);
}

/* {"value": v, "evidence": e} is v; objects and arrays are walked, lists of words are one row. */
static void walk(const struct rows *rows, const char *item, json_t *value, int depth)
{
	json_t *stated = json_object_get(value, "value"), *member;
	char below[ITEM_TEXT];
	const char *name;
	size_t i;

	if (depth > DEEPEST)
		return;
	if (stated) {
		walk(rows, item, stated, depth + 1);
		return;
	}
	if (!json_is_object(value) &&
	    !(json_is_array(value) && json_is_object(json_array_get(value, 0)))) {
		add_leaf(rows, item, value);
		return;
	}
	json_object_foreach(value, name, member)
	{
		if (strcmp(name, "evidence") == 0 || (rows->anonymous && AMONG(name, naming)))
			continue;
		snprintf(below, sizeof below, "%s%s%s", item, *item ? "." : "", name);
		walk(rows, below, member, depth + 1);
	}
	json_array_foreach(value, i, member)
	{
		snprintf(below, sizeof below, "%s%s%zu", item, *item ? "." : "", i);
		walk(rows, below, member, depth + 1);
	}
}

static void add_object(struct rows *rows, const char *section, const char *text)
{
	json_t *object = json_loads(text, 0, NULL);

	rows->section = section;
	walk(rows, "", object, 0);
	json_decref(object);
}

/* What a boundary is made of, out of a tenant's own probe: the rest is the machine's. */
static const char *const boundary_sections[] = {"hypervisor", "container", "cgroup", "namespaces"};

static void add_tenant(struct rows *rows, const char *name, json_t *tenant)
{
	json_t *probe = json_object_get(tenant, "probe"), *member;
	const char *key;

	rows->section = "placement";
	json_object_foreach(tenant, key, member)
	{
		char item[ITEM_TEXT];

		if (strcmp(key, "probe") == 0)
			continue;
		snprintf(item, sizeof item, "%.80s.%.40s", name, key);
		walk(rows, item, member, 0);
	}
	for (size_t i = 0; i < sizeof boundary_sections / sizeof boundary_sections[0]; i++) {
		char item[ITEM_TEXT];

		snprintf(item, sizeof item, "%.80s.%s", name, boundary_sections[i]);
		walk(rows, item, json_object_get(probe, boundary_sections[i]), 0);
	}
}

static void add_placement(struct rows *rows, const char *text)
{
	json_t *placement = json_loads(text, 0, NULL), *config, *tenant;
	const char *config_name, *tenant_name;

	json_object_foreach(placement, config_name, config)
	{
		json_object_foreach(config, tenant_name, tenant)
		{
			char name[ITEM_TEXT];

			snprintf(name, sizeof name, "%s.%s", config_name, tenant_name);
			add_tenant(rows, name, tenant);
		}
	}
	json_decref(placement);
}

static void add_campaign(struct rows *rows, const struct ct_results_tables *tables)
{
	rows->section = "campaign";
	add(rows, "suite", tables->suite);
	add(rows, "created", tables->created);
	add(rows, "tool", tables->tool);
	add(rows, "version", tables->version);
	add(rows, "build id", tables->build_id);
	add(rows, "command line", tables->command_line);
	add_number(rows, "seed", tables->seed, "");
	add_number(rows, "replicates", tables->replicates, "");
	add_number(rows, "warm-up", tables->warmup_ns / 1000000, " ms");
	add_number(rows, "measure", tables->measure_ns / 1000000, " ms");
	add_number(rows, "recovery", tables->recovery_ns / 1000000, " ms");
	add_number(rows, "epoch", tables->epoch_ns / 1000000, " ms");
	add(rows, "complete", tables->complete ? "yes" : "no");
	if (tables->emulated[0])
		add(rows, "EMULATED", tables->emulated);
}

static void add_machine(struct rows *rows, const struct ct_results_tables *tables)
{
	json_t *probe = json_loads(tables->provenance, 0, NULL), *section;
	const char *name;

	json_object_foreach(probe, name, section)
	{
		/* The process and its paths are the operator's, not the machine's. */
		if (strcmp(name, "schema") == 0 || strcmp(name, "process") == 0 ||
		    (rows->anonymous && AMONG(name, naming_sections)))
			continue;
		rows->section = name;
		walk(rows, "", section, 0);
	}
	json_decref(probe);
}

json_t *ct_page_provenance(const struct ct_results_tables *tables, bool anonymous)
{
	struct rows rows = {.list = json_array(), .anonymous = anonymous};

	add_campaign(&rows, tables);
	add_object(&rows, "calibration", tables->calibration);
	add_placement(&rows, tables->placement);
	add_machine(&rows, tables);
	return rows.list;
}
