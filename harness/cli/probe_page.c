/* SPDX-License-Identifier: Apache-2.0 */
/* The page that `cotenant probe` prints: one function a section, nothing found out here. */
#include "harness/cli/probe_page.h"

#include <stdio.h>
#include <string.h>

#include "harness/cli/probe_page_rows.h"
#include "harness/probe/statement.h"

/* ---- sections ---- */

static void print_processor(const json_t *probe)
{
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT], c[CT_UNIT_TEXT];

	ct_page_heading("Machine");
	ct_page_row("processor", "%s (%s family %s model %s stepping %s, microcode %s)",
		    ct_page_text(probe, "cpu", "model_name", "unknown model"),
		    ct_page_text(probe, "cpu", "vendor", "unknown maker"),
		    ct_page_number(probe, "cpu", "family", a),
		    ct_page_number(probe, "cpu", "model", b),
		    ct_page_number(probe, "cpu", "stepping", c),
		    ct_page_text(probe, "cpu", "microcode", "unknown"));
}

static void print_topology(const json_t *probe)
{
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT], c[CT_UNIT_TEXT], d[CT_UNIT_TEXT];

	ct_page_row("topology", "packages %s, cores %s, CPUs %s, NUMA nodes %s, SMT %s",
		    ct_page_number(probe, "topology", "packages", a),
		    ct_page_number(probe, "topology", "cores", b),
		    ct_page_number(probe, "topology", "cpus", c),
		    ct_page_number(probe, "topology", "numa_nodes", d),
		    ct_page_text(probe, "topology", "smt_control", "unknown"));
	ct_page_row("CPUs", "online %s, allowed %s, isolated %s, nohz_full %s",
		    ct_page_cpus(probe, "topology", "online"),
		    ct_page_cpus(probe, "process", "allowed_cpus"),
		    ct_page_cpus(probe, "topology", "isolated"),
		    ct_page_cpus(probe, "topology", "nohz_full"));
}

static void print_caches(const json_t *probe)
{
	char line[CT_PAGE_TEXT] = "", bytes[CT_UNIT_TEXT];
	const json_t *cache;
	size_t i;

	json_array_foreach(json_object_get(probe, "caches"), i, cache)
	{
		const json_t *value = json_object_get(cache, "bytes");
		const char *type = ct_page_member(cache, "type", "");

		ct_page_part(line, "L%lld%s %s (CPU %s)",
			     (long long)json_integer_value(json_object_get(cache, "level")),
			     strcmp(type, "Data") == 0          ? "d"
			     : strcmp(type, "Instruction") == 0 ? "i"
								: "",
			     value ? ct_format_size((double)json_integer_value(value), bytes) : "?",
			     ct_page_member(cache, "shared_by_cpus", "?"));
	}
	ct_page_row("caches", "%s", line[0] ? line : "unknown");
}

static void print_memory(const json_t *probe)
{
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT], c[CT_UNIT_TEXT], line[CT_PAGE_TEXT] = "";
	const json_t *pool;
	size_t i;

	ct_page_row("memory", "%s, available %s, swap %s",
		    ct_page_size(probe, "memory", "total_bytes", a),
		    ct_page_size(probe, "memory", "available_bytes", b),
		    ct_page_size(probe, "memory", "swap_bytes", c));
	json_array_foreach(json_object_get(probe, "huge_pages"), i, pool)
	{
		ct_page_part(
			line, "%s: %lld of %lld free",
			ct_format_size(
				(double)json_integer_value(json_object_get(pool, "page_bytes")), a),
			(long long)json_integer_value(json_object_get(pool, "free")),
			(long long)json_integer_value(json_object_get(pool, "total")));
	}
	ct_page_row("huge pages", "transparent %s; %s",
		    ct_page_text(probe, "memory", "transparent_huge_pages", "unknown"),
		    line[0] ? line : "no pools");
}

static void print_frequency(const json_t *probe)
{
	const json_t *states = ct_said(probe, "frequency", "idle_states"), *state;
	char a[CT_UNIT_TEXT], line[CT_PAGE_TEXT] = "";
	size_t i;

	ct_page_row("frequency", "governor %s, driver %s, boost %s",
		    ct_page_text(probe, "frequency", "governor", "unknown"),
		    ct_page_text(probe, "frequency", "driver", "unknown"),
		    ct_page_yes_no(ct_said(probe, "frequency", "boost")));
	json_array_foreach(states, i, state)
	{
		ct_page_part(line, "%s", json_string_value(state));
	}
	if (line[0])
		ct_page_row("idle states", "%s (leaving the deepest takes %s us)", line,
			    ct_page_number(probe, "frequency", "idle_exit_latency_us", a));
}

static void print_boundary(const json_t *probe)
{
	const json_t *present = ct_said(probe, "hypervisor", "present");
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT], c[CT_UNIT_TEXT] = "none";
	double cpus;

	ct_page_heading("\nBetween this process and the hardware");
	if (json_is_true(present))
		ct_page_row("hypervisor", "%s, run by %s",
			    ct_page_text(probe, "hypervisor", "name", "unknown"),
			    ct_page_text(probe, "hypervisor", "monitor", "unknown"));
	else
		ct_page_row("hypervisor", "%s", json_is_false(present) ? "none" : "unknown");
	ct_page_row("", "(%s)", ct_evidence(probe, "hypervisor", "present"));
	if (json_is_true(present))
		ct_page_row("", "paravirtual clock %s, steal reported %s, may run guests %s",
			    ct_page_text(probe, "hypervisor", "paravirtual_clock", "unknown"),
			    ct_page_yes_no(ct_said(probe, "hypervisor", "steal_reported")),
			    ct_page_yes_no(ct_said(probe, "hypervisor", "nesting_offered")));
	ct_page_row("container", "%s", ct_page_text(probe, NULL, "container", "unknown"));
	ct_page_row("", "(%s)", ct_evidence(probe, NULL, "container"));
	if (ct_said_number(probe, "cgroup", "cpu_limit", &cpus))
		snprintf(b, sizeof b, "%.2f CPUs", cpus);
	else
		snprintf(b, sizeof b, "none");
	ct_page_row("control group", "version %s, CPU limit %s, memory limit %s",
		    ct_page_number(probe, "cgroup", "version", a), b,
		    ct_said(probe, "cgroup", "memory_limit_bytes")
			    ? ct_page_size(probe, "cgroup", "memory_limit_bytes", c)
			    : c);
}

static void print_kernel(const json_t *probe)
{
	const json_t *mitigations = json_object_get(probe, "mitigations"), *list, *one;
	char a[CT_UNIT_TEXT], line[CT_PAGE_TEXT] = "";
	const char *name;
	bool known = false;
	json_t *statement;
	size_t i;

	ct_page_heading("\nKernel");
	ct_page_row("release", "%s, %s", ct_page_text(probe, "kernel", "release", "unknown"),
		    ct_page_text(probe, NULL, "distribution", "unknown distribution"));
	ct_page_row("preemption", "%s", ct_page_text(probe, "kernel", "preemption", "unknown"));
	ct_page_row("command line", "%s", ct_page_text(probe, "kernel", "cmdline", "unknown"));
	ct_page_row("clock source", "%s (of %s), invariant TSC %s",
		    ct_page_text(probe, "clocksource", "current", "unknown"),
		    ct_page_text(probe, "clocksource", "available", "unknown"),
		    ct_page_yes_no(ct_said(probe, "cpu", "invariant_tsc")));
	json_object_foreach((json_t *)mitigations, name, statement)
	{
		const char *text = json_string_value(json_object_get(statement, "value"));

		known = known || text;
		if (text && strncmp(text, "Vulnerable", 10) == 0)
			ct_page_part(line, "%s", name);
	}
	ct_page_row("vulnerable to", "%s",
		    line[0] ? line
		    : known ? "nothing the kernel knows of"
			    : "unknown");
	line[0] = '\0';
	list = ct_said(probe, "process", "capabilities");
	json_array_foreach(list, i, one)
	{
		ct_page_part(line, "%s", json_string_value(one));
	}
	ct_page_row("capabilities", "%s", line[0] ? line : list ? "none" : "unknown");
	ct_page_row("counters", "%s (perf_event_paranoid %s)",
		    json_is_true(ct_said(probe, "perf", "counters")) ? "yes" : "no",
		    ct_page_number(probe, "perf", "paranoid", a));
}

/* Those that serve interrupts on isolated CPUs; of the others only how many there are. */
static void print_interrupts(const json_t *probe)
{
	const json_t *list = ct_said(probe, "interrupts", "devices"), *one;
	char line[CT_PAGE_TEXT] = "";
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (json_object_get(one, "isolated_cpus"))
			ct_page_part(line, "%s on %s", ct_page_member(one, "name", "?"),
				     ct_page_member(one, "isolated_cpus", "?"));
	}
	ct_page_row("interrupts",
		    "of %zu devices, new ones on CPUs %s, on isolated CPUs %s; irqbalance %s",
		    json_array_size(list), ct_page_cpus(probe, "interrupts", "default_cpus"),
		    line[0] ? line : "none",
		    ct_page_yes_no(ct_said(probe, "daemons", "irqbalance")));
}

static void print_division(const json_t *probe)
{
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT];

	if (json_is_true(ct_said(probe, "resctrl", "mounted")))
		ct_page_row("cache division", "resctrl is mounted, L3 has %s ways and %s classes",
			    ct_page_number(probe, "resctrl", "cache_ways", b),
			    ct_page_number(probe, "resctrl", "cache_classes", a));
	else
		ct_page_row("cache division", "L3 %s, bandwidth %s, resctrl not mounted",
			    ct_page_yes_no(ct_said(probe, "resctrl", "l3_allocation")),
			    ct_page_yes_no(ct_said(probe, "resctrl", "bandwidth_allocation")));
}

static void print_locations(const json_t *probe)
{
	const json_t *locations = ct_said(probe, "topology", "locations");
	const char *word;
	json_t *indexes;

	if (!locations)
		return;
	ct_page_heading("\nLocations");
	json_object_foreach((json_t *)locations, word, indexes)
	{
		ct_page_row(word, "%s", json_string_value(indexes));
	}
}

static void print_clock(const json_t *probe)
{
	const json_t *clock = json_object_get(probe, "clock");
	char step[CT_UNIT_TEXT], cost[CT_UNIT_TEXT];

	if (!clock)
		return;
	ct_page_heading("\nClock of the measurements");
	ct_page_row("source", "%s, resolution %s, cost %s", ct_page_member(clock, "source", "?"),
		    ct_format_ns(json_number_value(json_object_get(clock, "resolution_ns")), step),
		    ct_format_ns(json_number_value(json_object_get(clock, "cost_ns")), cost));
}

static void print_runnable(const json_t *probe, const char *key, const char *title)
{
	const json_t *list = json_object_get(probe, key), *entry;
	char line[CT_PAGE_TEXT] = "";
	size_t i;

	if (!list)
		return;
	json_array_foreach(list, i, entry)
	{
		if (json_is_true(json_object_get(entry, "available")))
			ct_page_part(line, "%s", ct_page_member(entry, "name", "?"));
	}
	ct_page_row(title, "%s", line[0] ? line : "none");
	json_array_foreach(list, i, entry)
	{
		if (!json_is_true(json_object_get(entry, "available")))
			ct_page_row("", "not %s: %s", ct_page_member(entry, "name", "?"),
				    ct_page_member(entry, "why", "no reason given"));
	}
}

static void print_advice(const json_t *probe)
{
	const json_t *list = json_object_get(probe, "advice"), *entry;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	ct_page_heading("\nBefore measuring");
	json_array_foreach(list, i, entry)
	{
		printf("  - %s\n    (%s)\n", ct_page_member(entry, "text", ""),
		       ct_page_member(entry, "evidence", ""));
	}
}

void ct_probe_page(const json_t *probe)
{
	print_processor(probe);
	print_topology(probe);
	print_caches(probe);
	print_division(probe);
	print_interrupts(probe);
	print_memory(probe);
	print_frequency(probe);
	print_boundary(probe);
	print_kernel(probe);
	ct_probe_page_devices(probe);
	print_locations(probe);
	print_clock(probe);
	if (json_object_get(probe, "victims")) {
		ct_page_heading("\nCan run here");
		print_runnable(probe, "victims", "victims");
		print_runnable(probe, "aggressors", "aggressors");
	}
	print_advice(probe);
}
