/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where interrupts land: one entry a device, with the CPUs that serve it. An interrupt on a
 * victim's CPU is a neighbour that no placement shows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/cpu_set.h"
#include "harness/probe/devices.h"
#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

enum { LIST_TEXT = 512 };

/* What is collected of one device while its interrupts are read. */
struct group {
	struct ct_cpu_set allowed, serving;
	int64_t interrupts;
};

static bool read_list(const struct ct_probe_source *source, struct ct_cpu_set *set, const char *irq,
		      const char *file)
{
	char text[LIST_TEXT];

	return ct_source_text(source, text, sizeof text, "/proc/irq/%.20s/%s", irq, file) &&
	       text[0] && ct_cpu_set_list(set, text);
}

/*
 * The effective list (Linux 4.15) says which CPU the controller was told to interrupt; without it
 * any allowed one may be.
 */
static void add_interrupt(const struct ct_probe_source *source, struct group *group,
			  const char *irq)
{
	struct ct_cpu_set allowed, serving;

	if (!read_list(source, &allowed, irq, "smp_affinity_list"))
		return;
	if (!read_list(source, &serving, irq, "effective_affinity_list"))
		serving = allowed;
	ct_cpu_set_join(&group->allowed, &allowed);
	ct_cpu_set_join(&group->serving, &serving);
	group->interrupts++;
}

static json_t *group_entry(const struct group *group, const char *name, const char *evidence,
			   const struct ct_cpu_set *isolated)
{
	struct ct_cpu_set on_isolated = group->serving;
	char text[LIST_TEXT];
	json_t *entry = ct_device_entry(name, evidence);

	json_object_set_new(entry, "interrupts", json_integer(group->interrupts));
	json_object_set_new(entry, "allowed_cpus",
			    json_string(ct_cpu_set_text(&group->allowed, text, sizeof text)));
	json_object_set_new(entry, "cpus",
			    json_string(ct_cpu_set_text(&group->serving, text, sizeof text)));
	ct_cpu_set_cut(&on_isolated, isolated);
	if (ct_cpu_set_count(&on_isolated) > 0)
		json_object_set_new(entry, "isolated_cpus",
				    json_string(ct_cpu_set_text(&on_isolated, text, sizeof text)));
	return entry;
}

/* Message-signalled interrupts are listed below the device; what is taken is noted in `taken`. */
static void add_pci_groups(const struct ct_probe_source *source, json_t *list, json_t *taken,
			   const struct ct_cpu_set *isolated)
{
	struct ct_names devices = ct_source_list(source, CT_PCI);

	for (size_t i = 0; i < devices.n && json_array_size(list) < CT_DEVICES_MAX; i++) {
		struct ct_names irqs =
			ct_source_list(source, CT_PCI "/%.100s/msi_irqs", devices.names[i]);
		struct group group = {0};
		char path[CT_SOURCE_PATH];

		for (size_t k = 0; k < irqs.n; k++) {
			json_object_set_new(taken, irqs.names[k], json_true());
			add_interrupt(source, &group, irqs.names[k]);
		}
		ct_names_free(&irqs);
		snprintf(path, sizeof path, CT_PCI "/%.100s/msi_irqs", devices.names[i]);
		if (group.interrupts > 0)
			json_array_append_new(
				list, group_entry(&group, devices.names[i], path, isolated));
	}
	ct_names_free(&devices);
}

/* All others by the name of their handler: /sys/kernel/irq (Linux 4.9), else the folder's. */
static bool handler_of(const struct ct_probe_source *source, const char *irq, char *out,
		       size_t size)
{
	struct ct_names names;

	if (ct_source_text(source, out, size, "/sys/kernel/irq/%.20s/actions", irq) && out[0])
		return true;
	names = ct_source_list(source, "/proc/irq/%.20s", irq);
	out[0] = '\0';
	for (size_t i = 0; i < names.n && !out[0]; i++) {
		/* Files have names of their own; a handler is a folder. */
		if (!strstr(names.names[i], "affinity") && strcmp(names.names[i], "node") != 0 &&
		    strcmp(names.names[i], "spurious") != 0)
			snprintf(out, size, "%s", names.names[i]);
	}
	ct_names_free(&names);
	return out[0] != '\0';
}

static void add_other_groups(const struct ct_probe_source *source, json_t *list,
			     const json_t *taken, const struct ct_cpu_set *isolated)
{
	struct ct_names irqs = ct_source_list(source, "/proc/irq");

	for (size_t i = 0; i < irqs.n && json_array_size(list) < CT_DEVICES_MAX; i++) {
		struct group group = {0};
		char path[64], handler[64];

		if (irqs.names[i][strspn(irqs.names[i], "0123456789")] != '\0' ||
		    json_object_get(taken, irqs.names[i]) ||
		    !handler_of(source, irqs.names[i], handler, sizeof handler))
			continue;
		add_interrupt(source, &group, irqs.names[i]);
		snprintf(path, sizeof path, "/proc/irq/%.20s", irqs.names[i]);
		if (group.interrupts > 0)
			json_array_append_new(list, group_entry(&group, handler, path, isolated));
	}
	ct_names_free(&irqs);
}

static void say_default(const struct ct_probe_source *source, json_t *section)
{
	static const char path[] = "/proc/irq/default_smp_affinity";
	char text[CT_CPU_SET_MAX / 4 + CT_CPU_SET_MAX / 32], cpus[LIST_TEXT];
	struct ct_cpu_set set;

	if (ct_source_text(source, text, sizeof text, "%s", path) && ct_cpu_set_mask(&set, text))
		ct_say(section, "default_cpus",
		       json_string(ct_cpu_set_text(&set, cpus, sizeof cpus)), "%s", path);
	else
		ct_say(section, "default_cpus", NULL, "%s: missing or nonsense", path);
}

void ct_probe_irq(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object(), *list = json_array(), *taken = json_object();
	struct ct_cpu_set isolated;
	char text[LIST_TEXT];

	if (!ct_source_text(source, text, sizeof text, "/sys/devices/system/cpu/isolated") ||
	    !ct_cpu_set_list(&isolated, text))
		isolated = (struct ct_cpu_set){0};
	say_default(source, section);
	add_pci_groups(source, list, taken, &isolated);
	add_other_groups(source, list, taken, &isolated);
	json_decref(taken);
	json_object_set_new(probe, "irq", section);
	json_object_set_new(probe, "interrupts", list);
}
