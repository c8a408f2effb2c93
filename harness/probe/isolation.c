/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can keep tenants of one processor apart: classes of its cache and memory bandwidth
 * (resctrl), and where interrupts may land. Source: Linux Documentation/arch/x86/resctrl.rst and
 * core-api/irq/irq-affinity.rst.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

#define INFO "/sys/fs/resctrl/info"

/* Bits that are set in a mask such as "7ff". */
static int count_bits(const char *mask)
{
	char *end;
	unsigned long long bits = strtoull(mask, &end, 16);

	return end == mask ? 0 : __builtin_popcountll(bits);
}

static void say_cache(const struct ct_probe_source *source, json_t *section)
{
	char mask[64];

	if (ct_source_text(source, mask, sizeof mask, INFO "/L3/cbm_mask") && count_bits(mask) > 0)
		ct_say(section, "cache_ways", json_integer(count_bits(mask)),
		       INFO "/L3/cbm_mask: %s", mask);
	else
		ct_say(section, "cache_ways", NULL, "no " INFO "/L3/cbm_mask");
	ct_say_number(section, "cache_classes", source, INFO "/L3/num_closids");
	ct_say_number(section, "least_ways", source, INFO "/L3/min_cbm_bits");
}

void ct_probe_resctrl(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object();
	const bool mounted = ct_source_exists(source, "/sys/fs/resctrl/schemata");
	/* An empty folder stands where it could be mounted. */
	const bool known = ct_source_exists(source, "/sys/fs/resctrl");

	ct_say(section, "mounted", json_boolean(mounted), "%s",
	       mounted ? "/sys/fs/resctrl/schemata"
	       : known ? "/sys/fs/resctrl is empty: mount -t resctrl resctrl /sys/fs/resctrl"
		       : "no /sys/fs/resctrl: the kernel or the processor does not have it");
	if (mounted) {
		say_cache(source, section);
		ct_say_number(section, "least_bandwidth_percent", source, INFO "/MB/min_bandwidth");
	}
	json_object_set_new(probe, "resctrl", section);
}

/* "0-3,8": whether two CPU lists have a CPU in common. */
static bool lists_overlap(const char *left, const char *right)
{
	hwloc_bitmap_t a = hwloc_bitmap_alloc(), b = hwloc_bitmap_alloc();
	bool overlap = a && b && left[0] && right[0] && hwloc_bitmap_list_sscanf(a, left) == 0 &&
		       hwloc_bitmap_list_sscanf(b, right) == 0 && hwloc_bitmap_intersects(a, b);

	hwloc_bitmap_free(a);
	hwloc_bitmap_free(b);
	return overlap;
}

/* Interrupts that may land on a CPU which the kernel was told to keep free. */
static void say_strays(const struct ct_probe_source *source, json_t *section)
{
	struct ct_names irqs;
	char isolated[256], first[300] = "";
	int strays = 0;

	if (!ct_source_text(source, isolated, sizeof isolated,
			    "/sys/devices/system/cpu/isolated") ||
	    !isolated[0])
		return;
	irqs = ct_source_list(source, "/proc/irq");
	for (size_t i = 0; i < irqs.n; i++) {
		char list[256];

		if (!ct_source_text(source, list, sizeof list,
				    "/proc/irq/%.32s/effective_affinity_list", irqs.names[i]) ||
		    !lists_overlap(list, isolated))
			continue;
		if (strays++ == 0)
			snprintf(first, sizeof first,
				 "/proc/irq/%.32s/effective_affinity_list: %.200s", irqs.names[i],
				 list);
	}
	ct_names_free(&irqs);
	ct_say(section, "on_isolated_cpus", json_integer(strays), "%s",
	       strays ? first : "/proc/irq/*/effective_affinity_list");
}

void ct_probe_interrupts(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object();

	ct_say_line(section, "default_affinity", source, "/proc/irq/default_smp_affinity");
	say_strays(source, section);
	json_object_set_new(probe, "interrupts", section);
}
