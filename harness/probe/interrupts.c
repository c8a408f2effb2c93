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
	int64_t interrupts, strays; /* strays: on isolated CPUs */
};

/* What all groups are collected into, and held against. */
struct collection {
	const struct ct_probe_source *source;
	struct ct_cpu_set isolated;
	json_t *devices, *taken; /* taken: numbers that belong to a device already */
	int64_t strays;
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
static void add_interrupt(const struct collection *collection, struct group *group, const char *irq)
{
	const struct ct_probe_source *source = collection->source;
	struct ct_cpu_set allowed, serving;
	bool allows = read_list(source, &allowed, irq, "smp_affinity_list");

	if (!read_list(source, &serving, irq, "effective_affinity_list")) {
		if (!allows)
			return;
		serving = allowed;
	}
	if (allows)
		ct_cpu_set_join(&group->allowed, &allowed);
	ct_cpu_set_join(&group->serving, &serving);
	ct_cpu_set_cut(&serving, &collection->isolated);
	group->strays += ct_cpu_set_count(&serving) > 0;
	group->interrupts++;
}

/* A device without interrupts is not listed. */
static void append(struct collection *collection, const struct group *group, const char *name,
		   const char *evidence)
{
	struct ct_cpu_set on_isolated = group->serving;
	char text[LIST_TEXT];
	json_t *entry;

	if (group->interrupts == 0 || json_array_size(collection->devices) >= CT_DEVICES_MAX)
		return;
	entry = ct_device_entry(name, evidence);
	json_object_set_new(entry, "interrupts", json_integer(group->interrupts));
	if (ct_cpu_set_count(&group->allowed) > 0)
		json_object_set_new(
			entry, "allowed_cpus",
			json_string(ct_cpu_set_text(&group->allowed, text, sizeof text)));
	json_object_set_new(entry, "cpus",
			    json_string(ct_cpu_set_text(&group->serving, text, sizeof text)));
	ct_cpu_set_cut(&on_isolated, &collection->isolated);
	if (group->strays > 0)
		json_object_set_new(entry, "isolated_cpus",
				    json_string(ct_cpu_set_text(&on_isolated, text, sizeof text)));
	json_array_append_new(collection->devices, entry);
	collection->strays += group->strays;
}

/* Message-signalled interrupts are listed below their device. */
static void add_pci_groups(struct collection *collection)
{
	const struct ct_probe_source *source = collection->source;
	struct ct_names devices = ct_source_list(source, CT_PCI);

	for (size_t i = 0; i < devices.n; i++) {
		struct ct_names irqs =
			ct_source_list(source, CT_PCI "/%.100s/msi_irqs", devices.names[i]);
		struct group group = {0};
		char path[CT_SOURCE_PATH];

		for (size_t k = 0; k < irqs.n; k++) {
			json_object_set_new(collection->taken, irqs.names[k], json_true());
			add_interrupt(collection, &group, irqs.names[k]);
		}
		ct_names_free(&irqs);
		snprintf(path, sizeof path, CT_PCI "/%.100s/msi_irqs", devices.names[i]);
		append(collection, &group, devices.names[i], path);
	}
	ct_names_free(&devices);
}

/*
 * All others by the name of their handler: /sys/kernel/irq (Linux 4.9), where an unused line has
 * none; else that of the folder, else the number alone.
 */
static bool handler_of(const struct ct_probe_source *source, const char *irq, char *out,
		       size_t size)
{
	struct ct_names names;

	if (ct_source_text(source, out, size, "/sys/kernel/irq/%.20s/actions", irq))
		return out[0] != '\0';
	names = ct_source_list(source, "/proc/irq/%.20s", irq);
	snprintf(out, size, "irq %.20s", irq);
	for (size_t i = 0; i < names.n; i++) {
		/* Files have names of their own; a handler is a folder. */
		if (!strstr(names.names[i], "affinity") && strcmp(names.names[i], "node") != 0 &&
		    strcmp(names.names[i], "spurious") != 0)
			snprintf(out, size, "%s", names.names[i]);
	}
	ct_names_free(&names);
	return true;
}

static void add_other_groups(struct collection *collection)
{
	struct ct_names irqs = ct_source_list(collection->source, "/proc/irq");

	for (size_t i = 0; i < irqs.n; i++) {
		struct group group = {0};
		char path[64], handler[64];

		if (irqs.names[i][strspn(irqs.names[i], "0123456789")] != '\0' ||
		    json_object_get(collection->taken, irqs.names[i]) ||
		    !handler_of(collection->source, irqs.names[i], handler, sizeof handler))
			continue;
		add_interrupt(collection, &group, irqs.names[i]);
		snprintf(path, sizeof path, "/proc/irq/%.20s", irqs.names[i]);
		append(collection, &group, handler, path);
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

static void say_strays(const struct collection *collection, bool known, json_t *section)
{
	static const char isolated[] = "/sys/devices/system/cpu/isolated";

	if (!known)
		ct_say(section, "on_isolated_cpus", NULL, "%s: missing or nonsense", isolated);
	else
		ct_say(section, "on_isolated_cpus", json_integer(collection->strays),
		       "%s, /proc/irq/*/effective_affinity_list", isolated);
}

void ct_probe_interrupts(const struct ct_probe_source *source, json_t *probe)
{
	struct collection collection = {
		.source = source, .devices = json_array(), .taken = json_object()};
	json_t *section = json_object();
	char text[LIST_TEXT];
	bool known;

	known = ct_source_text(source, text, sizeof text, "/sys/devices/system/cpu/isolated") &&
		ct_cpu_set_list(&collection.isolated, text);
	add_pci_groups(&collection);
	add_other_groups(&collection);
	say_default(source, section);
	say_strays(&collection, known, section);
	ct_say(section, "devices", collection.devices,
	       "/proc/irq/*/smp_affinity_list, effective_affinity_list; " CT_PCI "/*/msi_irqs");
	json_decref(collection.taken);
	json_object_set_new(probe, "interrupts", section);
}
