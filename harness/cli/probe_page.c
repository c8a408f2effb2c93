/* SPDX-License-Identifier: Apache-2.0 */
/* The page that `cotenant probe` prints: one function a section, nothing found out here. */
#include "harness/cli/probe_page.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/core/units.h"
#include "harness/probe/statement.h"

enum { TEXT = 512, LABEL_WIDTH = 14 };

/* ---- lines ---- */

static void heading(const char *text)
{
	printf("%s\n", text);
}

static void row(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void row(const char *label, const char *format, ...)
{
	va_list args;

	printf("  %-*s ", LABEL_WIDTH, label);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* Adds to a line of parts "a, b, c" in a fixed room. */
static void part(char line[TEXT], const char *format, ...) __attribute__((format(printf, 2, 3)));

static void part(char line[TEXT], const char *format, ...)
{
	size_t used = strlen(line);
	va_list args;

	if (used > 0 && used + 2 < TEXT) {
		memcpy(line + used, ", ", 3);
		used += 2;
	}
	va_start(args, format);
	vsnprintf(line + used, TEXT - used, format, args);
	va_end(args);
}

static const char *text_or(const json_t *probe, const char *section, const char *key,
			   const char *otherwise)
{
	const char *text = ct_said_text(probe, section, key);

	return text && text[0] ? text : otherwise;
}

/* A list of CPUs: an empty one is an answer, a missing one is none. */
static const char *cpus_or(const json_t *probe, const char *section, const char *key)
{
	const char *text = ct_said_text(probe, section, key);

	return !text ? "unknown" : text[0] ? text : "none";
}

/* A whole number as text, "?" when it is not known. */
static const char *number(const json_t *probe, const char *section, const char *key,
			  char out[CT_UNIT_TEXT])
{
	double value;

	if (ct_said_number(probe, section, key, &value))
		snprintf(out, CT_UNIT_TEXT, "%.0f", value);
	else
		snprintf(out, CT_UNIT_TEXT, "?");
	return out;
}

static const char *size(const json_t *probe, const char *section, const char *key,
			char out[CT_UNIT_TEXT])
{
	double value;

	if (ct_said_number(probe, section, key, &value))
		return ct_format_size(value, out);
	snprintf(out, CT_UNIT_TEXT, "?");
	return out;
}

static const char *yes_no(const json_t *value)
{
	return json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "unknown";
}

/* Members of a list entry. */
static const char *member(const json_t *entry, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(entry, key));

	return text ? text : otherwise;
}

/* ---- sections ---- */

static void print_processor(const json_t *probe)
{
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT], c[CT_UNIT_TEXT];

	heading("Machine");
	row("processor", "%s (%s family %s model %s stepping %s, microcode %s)",
	    text_or(probe, "cpu", "model_name", "unknown model"),
	    text_or(probe, "cpu", "vendor", "unknown maker"), number(probe, "cpu", "family", a),
	    number(probe, "cpu", "model", b), number(probe, "cpu", "stepping", c),
	    text_or(probe, "cpu", "microcode", "unknown"));
}

static void print_topology(const json_t *probe)
{
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT], c[CT_UNIT_TEXT], d[CT_UNIT_TEXT];

	row("topology", "packages %s, cores %s, CPUs %s, NUMA nodes %s, SMT %s",
	    number(probe, "topology", "packages", a), number(probe, "topology", "cores", b),
	    number(probe, "topology", "cpus", c), number(probe, "topology", "numa_nodes", d),
	    text_or(probe, "topology", "smt_control", "unknown"));
	row("CPUs", "online %s, allowed %s, isolated %s, nohz_full %s",
	    cpus_or(probe, "topology", "online"), cpus_or(probe, "process", "allowed_cpus"),
	    cpus_or(probe, "topology", "isolated"), cpus_or(probe, "topology", "nohz_full"));
}

static void print_caches(const json_t *probe)
{
	char line[TEXT] = "", bytes[CT_UNIT_TEXT];
	const json_t *cache;
	size_t i;

	json_array_foreach(json_object_get(probe, "caches"), i, cache)
	{
		const json_t *value = json_object_get(cache, "bytes");
		const char *type = member(cache, "type", "");

		part(line, "L%lld%s %s (CPU %s)",
		     (long long)json_integer_value(json_object_get(cache, "level")),
		     strcmp(type, "Data") == 0          ? "d"
		     : strcmp(type, "Instruction") == 0 ? "i"
							: "",
		     value ? ct_format_size((double)json_integer_value(value), bytes) : "?",
		     member(cache, "shared_by_cpus", "?"));
	}
	row("caches", "%s", line[0] ? line : "unknown");
}

static void print_memory(const json_t *probe)
{
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT], c[CT_UNIT_TEXT], line[TEXT] = "";
	const json_t *pool;
	size_t i;

	row("memory", "%s, available %s, swap %s", size(probe, "memory", "total_bytes", a),
	    size(probe, "memory", "available_bytes", b), size(probe, "memory", "swap_bytes", c));
	json_array_foreach(json_object_get(probe, "huge_pages"), i, pool)
	{
		part(line, "%s: %lld of %lld free",
		     ct_format_size((double)json_integer_value(json_object_get(pool, "page_bytes")),
				    a),
		     (long long)json_integer_value(json_object_get(pool, "free")),
		     (long long)json_integer_value(json_object_get(pool, "total")));
	}
	row("huge pages", "transparent %s; %s",
	    text_or(probe, "memory", "transparent_huge_pages", "unknown"),
	    line[0] ? line : "no pools");
}

static void print_frequency(const json_t *probe)
{
	const json_t *states = ct_said(probe, "frequency", "idle_states"), *state;
	char a[CT_UNIT_TEXT], line[TEXT] = "";
	size_t i;

	row("frequency", "governor %s, driver %s, boost %s",
	    text_or(probe, "frequency", "governor", "unknown"),
	    text_or(probe, "frequency", "driver", "unknown"),
	    yes_no(ct_said(probe, "frequency", "boost")));
	json_array_foreach(states, i, state)
	{
		part(line, "%s", json_string_value(state));
	}
	if (line[0])
		row("idle states", "%s (leaving the deepest takes %s us)", line,
		    number(probe, "frequency", "idle_exit_latency_us", a));
}

static void print_boundary(const json_t *probe)
{
	const json_t *present = ct_said(probe, "hypervisor", "present");
	char a[CT_UNIT_TEXT], b[CT_UNIT_TEXT], c[CT_UNIT_TEXT] = "none";
	double cpus;

	heading("\nBetween this process and the hardware");
	if (json_is_true(present))
		row("hypervisor", "%s, run by %s", text_or(probe, "hypervisor", "name", "unknown"),
		    text_or(probe, "hypervisor", "monitor", "unknown"));
	else
		row("hypervisor", "%s", json_is_false(present) ? "none" : "unknown");
	row("", "(%s)", ct_evidence(probe, "hypervisor", "present"));
	row("container", "%s", text_or(probe, NULL, "container", "unknown"));
	row("", "(%s)", ct_evidence(probe, NULL, "container"));
	if (ct_said_number(probe, "cgroup", "cpu_limit", &cpus))
		snprintf(b, sizeof b, "%.2f CPUs", cpus);
	else
		snprintf(b, sizeof b, "none");
	row("control group", "version %s, CPU limit %s, memory limit %s",
	    number(probe, "cgroup", "version", a), b,
	    ct_said(probe, "cgroup", "memory_limit_bytes")
		    ? size(probe, "cgroup", "memory_limit_bytes", c)
		    : c);
}

static void print_kernel(const json_t *probe)
{
	const json_t *mitigations = json_object_get(probe, "mitigations"), *list, *one;
	char a[CT_UNIT_TEXT], line[TEXT] = "";
	const char *name;
	bool known = false;
	json_t *statement;
	size_t i;

	heading("\nKernel");
	row("release", "%s, %s", text_or(probe, "kernel", "release", "unknown"),
	    text_or(probe, NULL, "distribution", "unknown distribution"));
	row("preemption", "%s", text_or(probe, "kernel", "preemption", "unknown"));
	row("command line", "%s", text_or(probe, "kernel", "cmdline", "unknown"));
	row("clock source", "%s (of %s), invariant TSC %s",
	    text_or(probe, "clocksource", "current", "unknown"),
	    text_or(probe, "clocksource", "available", "unknown"),
	    yes_no(ct_said(probe, "cpu", "invariant_tsc")));
	json_object_foreach((json_t *)mitigations, name, statement)
	{
		const char *text = json_string_value(json_object_get(statement, "value"));

		known = known || text;
		if (text && strncmp(text, "Vulnerable", 10) == 0)
			part(line, "%s", name);
	}
	row("vulnerable to", "%s",
	    line[0] ? line
	    : known ? "nothing the kernel knows of"
		    : "unknown");
	line[0] = '\0';
	list = ct_said(probe, "process", "capabilities");
	json_array_foreach(list, i, one)
	{
		part(line, "%s", json_string_value(one));
	}
	row("capabilities", "%s", line[0] ? line : list ? "none" : "unknown");
	row("counters", "%s (perf_event_paranoid %s)",
	    json_is_true(ct_said(probe, "perf", "counters")) ? "yes" : "no",
	    number(probe, "perf", "paranoid", a));
}

/* "H100, MIG: 3g.40gb 2g.20gb 1g.10gb", one line a GPU. */
static void print_nvml(const json_t *probe)
{
	const json_t *device, *slice;
	size_t i, k;

	json_array_foreach(ct_said(probe, "nvidia", "devices"), i, device)
	{
		char line[TEXT] = "", name[32];

		snprintf(name, sizeof name, "GPU %zu", i);
		part(line, "%s", member(device, "name", member(device, "error", "unknown")));
		if (json_object_get(device, "compute_mode"))
			part(line, "%s", member(device, "compute_mode", "?"));
		if (json_is_true(json_object_get(device, "mig")))
			part(line, "MIG");
		json_array_foreach(json_object_get(device, "mig_devices"), k, slice)
			part(line, "%s", member(slice, "profile", "?"));
		row(name, "%s", line);
	}
}

static void print_devices(const json_t *probe)
{
	const json_t *device, *speed;
	char rate[CT_UNIT_TEXT], line[TEXT];
	size_t i;

	heading("\nDevices");
	json_array_foreach(json_object_get(probe, "network"), i, device)
	{
		line[0] = '\0';
		part(line, "%s", member(device, "driver", "virtual"));
		part(line, "%s", member(device, "state", "unknown"));
		speed = json_object_get(device, "speed_bits_per_s");
		if (speed)
			part(line, "%s",
			     ct_format_rate((double)json_integer_value(speed), "bit", rate));
		if (json_object_get(device, "vf_of"))
			part(line, "virtual function of %s", member(device, "vf_of", ""));
		if (json_object_get(device, "vfs_possible"))
			part(line, "%lld of %lld virtual functions",
			     (long long)json_integer_value(json_object_get(device, "vfs_enabled")),
			     (long long)json_integer_value(
				     json_object_get(device, "vfs_possible")));
		row(member(device, "name", "?"), "network: %s", line);
	}
	json_array_foreach(json_object_get(probe, "rdma"), i, device)
	{
		row(member(device, "name", "?"), "RDMA: %s, firmware %s",
		    member(device, "driver", "unknown"), member(device, "firmware", "unknown"));
	}
	json_array_foreach(json_object_get(probe, "gpus"), i, device)
	{
		row(member(device, "name", "?"), "GPU: %s [%s:%s], driver %s",
		    member(device, "maker", "other"), member(device, "vendor", "?"),
		    member(device, "device", "?"), member(device, "driver", "none"));
	}
	print_nvml(probe);
	json_array_foreach(json_object_get(probe, "block"), i, device)
	{
		row(member(device, "name", "?"), "block: %s, scheduler %s",
		    ct_format_size((double)json_integer_value(json_object_get(device, "bytes")),
				   rate),
		    member(device, "scheduler", "none"));
	}
}

static void print_locations(const json_t *probe)
{
	const json_t *locations = ct_said(probe, "topology", "locations");
	const char *word;
	json_t *indexes;

	if (!locations)
		return;
	heading("\nLocations");
	json_object_foreach((json_t *)locations, word, indexes)
	{
		row(word, "%s", json_string_value(indexes));
	}
}

static void print_clock(const json_t *probe)
{
	const json_t *clock = json_object_get(probe, "clock");
	char step[CT_UNIT_TEXT], cost[CT_UNIT_TEXT];

	if (!clock)
		return;
	heading("\nClock of the measurements");
	row("source", "%s, resolution %s, cost %s", member(clock, "source", "?"),
	    ct_format_ns(json_number_value(json_object_get(clock, "resolution_ns")), step),
	    ct_format_ns(json_number_value(json_object_get(clock, "cost_ns")), cost));
}

static void print_runnable(const json_t *probe, const char *key, const char *title)
{
	const json_t *list = json_object_get(probe, key), *entry;
	char line[TEXT] = "";
	size_t i;

	if (!list)
		return;
	json_array_foreach(list, i, entry)
	{
		if (json_is_true(json_object_get(entry, "available")))
			part(line, "%s", member(entry, "name", "?"));
	}
	row(title, "%s", line[0] ? line : "none");
	json_array_foreach(list, i, entry)
	{
		if (!json_is_true(json_object_get(entry, "available")))
			row("", "not %s: %s", member(entry, "name", "?"),
			    member(entry, "why", "no reason given"));
	}
}

static void print_advice(const json_t *probe)
{
	const json_t *list = json_object_get(probe, "advice"), *entry;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	heading("\nBefore measuring");
	json_array_foreach(list, i, entry)
	{
		printf("  - %s\n    (%s)\n", member(entry, "text", ""),
		       member(entry, "evidence", ""));
	}
}

void ct_probe_page(const json_t *probe)
{
	print_processor(probe);
	print_topology(probe);
	print_caches(probe);
	print_memory(probe);
	print_frequency(probe);
	print_boundary(probe);
	print_kernel(probe);
	print_devices(probe);
	print_locations(probe);
	print_clock(probe);
	if (json_object_get(probe, "victims")) {
		heading("\nCan run here");
		print_runnable(probe, "victims", "victims");
		print_runnable(probe, "aggressors", "aggressors");
	}
	print_advice(probe);
}
