/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether caches and memory bandwidth can be divided among tenants: what the processor offers
 * (Intel RDT: CAT, CDP, MBA, CMT, MBM; AMD's QoS extensions), and how resctrl shows it
 * (Documentation/arch/x86/resctrl.rst).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

#define RESCTRL "/sys/fs/resctrl"

/* Intel SDM vol. 3, 18.19.4: leaf 0x10, EBX says which resources can be allocated. */
static const struct {
	const char *key, *flag;
	uint32_t bit;
} offers[] = {
	{"l3_allocation", "cat_l3", 1u << 1},
	{"l2_allocation", "cat_l2", 1u << 2},
	{"bandwidth_allocation", "mba", 1u << 3},
};

/* The kernel's flags come first: it may have switched off what the processor offers. */
static void say_offers(const struct ct_probe_source *source, const json_t *probe, json_t *section)
{
	const json_t *flags = ct_said(probe, "cpu", "flags");
	uint32_t r[CT_CPUID_REGISTERS];
	bool asked = !flags && ct_probe_cpuid(source, 0x10, r);

	for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
		if (flags)
			ct_say(section, offers[i].key,
			       json_boolean(ct_said_has(probe, "cpu", "flags", offers[i].flag)),
			       "%s %s", ct_evidence(probe, "cpu", "flags"), offers[i].flag);
		else if (asked)
			ct_say(section, offers[i].key,
			       json_boolean(r[CT_CPUID_EBX] & offers[i].bit), "CPUID 0x10 EBX 0x%x",
			       r[CT_CPUID_EBX]);
		else
			ct_say(section, offers[i].key, NULL, "%s; CPUID 0x10: not available",
			       ct_evidence(probe, "cpu", "flags"));
	}
}

/* Folders of tenants' groups; the others are resctrl's own. */
static int64_t count_groups(const struct ct_probe_source *source)
{
	struct ct_names names = ct_source_list(source, RESCTRL);
	int64_t groups = 0;

	for (size_t i = 0; i < names.n; i++)
		groups += strcmp(names.names[i], "info") != 0 &&
			  strcmp(names.names[i], "mon_groups") != 0 &&
			  strcmp(names.names[i], "mon_data") != 0 &&
			  ct_source_exists(source, RESCTRL "/%.200s/schemata", names.names[i]);
	ct_names_free(&names);
	return groups;
}

/* With code and data prioritisation the L3 cache appears as two resources of half the classes. */
static const char *l3_name(const struct ct_probe_source *source)
{
	return ct_source_exists(source, RESCTRL "/info/L3CODE") ? "L3CODE" : "L3";
}

static void say_file(json_t *section, const char *key, const struct ct_probe_source *source,
		     const char *resource, const char *file, bool number)
{
	char path[CT_SOURCE_PATH];

	snprintf(path, sizeof path, RESCTRL "/info/%s/%s", resource, file);
	if (number)
		ct_say_number(section, key, source, path);
	else
		ct_say_line(section, key, source, path);
}

/* Each bit of the mask is a way of the cache. */
static void say_ways(json_t *section, const struct ct_probe_source *source, const char *resource)
{
	char mask[64], *end;
	unsigned long long bits;

	if (!ct_source_text(source, mask, sizeof mask, RESCTRL "/info/%s/cbm_mask", resource))
		mask[0] = '\0';
	bits = strtoull(mask, &end, 16);
	if (end > mask && *end == '\0' && bits > 0)
		ct_say(section, "cache_ways", json_integer(__builtin_popcountll(bits)),
		       RESCTRL "/info/%s/cbm_mask: %s", resource, mask);
	else
		ct_say(section, "cache_ways", NULL,
		       RESCTRL "/info/%s/cbm_mask: missing or nonsense", resource);
}

static void say_monitoring(json_t *section, const struct ct_probe_source *source)
{
	char *text = ct_source_file(source, RESCTRL "/info/L3_MON/mon_features");
	json_t *features = json_array();

	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (line[0])
			json_array_append_new(features, json_string(line));
	}
	if (text)
		ct_say(section, "monitoring", features, RESCTRL "/info/L3_MON/mon_features");
	else
		ct_say(section, "monitoring", NULL, RESCTRL "/info/L3_MON/mon_features: missing");
	if (!text)
		json_decref(features);
	free(text);
}

void ct_probe_resctrl(const struct ct_probe_source *source, json_t *probe)
{
	const bool mounted = ct_source_exists(source, RESCTRL "/schemata");
	json_t *section = json_object();
	const char *l3 = l3_name(source);

	say_offers(source, probe, section);
	ct_say(section, "mounted", json_boolean(mounted), RESCTRL "/schemata%s",
	       mounted ? "" : ": missing");
	if (mounted) {
		say_ways(section, source, l3);
		say_file(section, "least_ways", source, l3, "min_cbm_bits", true);
		say_file(section, "cache_classes", source, l3, "num_closids", true);
		say_file(section, "l3_shared_mask", source, l3, "shareable_bits", false);
		say_file(section, "least_bandwidth_percent", source, "MB", "min_bandwidth", true);
		say_file(section, "bandwidth_step_percent", source, "MB", "bandwidth_gran", true);
		say_file(section, "bandwidth_classes", source, "MB", "num_closids", true);
		say_monitoring(section, source);
		ct_say(section, "groups", json_integer(count_groups(source)),
		       RESCTRL "/*/schemata");
	}
	json_object_set_new(probe, "resctrl", section);
}
