/* SPDX-License-Identifier: Apache-2.0 */
/* The processor: model, features, known weaknesses, and how its CPUs hang together. */
#include "harness/probe/sections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/statement.h"

#define CPUS "/sys/devices/system/cpu"

/* Flags that a victim or an aggressor uses, or that explain a latency. x86, then arm64. */
static const char *const interesting[] = {
	"constant_tsc",
	"nonstop_tsc",
	"tsc_known_freq",
	"tsc_reliable",
	"tsc_adjust",
	"tsc_deadline_timer",
	"rdtscp",
	"avx2",
	"avx512f",
	"avx512bw",
	"amx_tile",
	"fma",
	"erms",
	"clflushopt",
	"clwb",
	"movdir64b",
	"waitpkg",
	"pcid",
	"invpcid",
	"invlpgb",
	"ht",
	"vmx",
	"svm",
	"hypervisor",
	"cat_l3",
	"cdp_l3",
	"cat_l2",
	"mba",
	"cqm_llc",
	"cqm_mbm_local",
	"split_lock_detect",
	"bus_lock_detect",
	"hwp",
	"aperfmperf",
	"arch_perfmon",
	"asimd",
	"sve",
	"sve2",
	"atomics",
	"dcpop",
	"ecv",
};

/* A field of the first processor in /proc/cpuinfo, as text or as a number. */
static void say_field(json_t *cpu, const char *key, const char *cpuinfo, const char *field,
		      bool number)
{
	char value[256];
	int64_t parsed;
	json_t *said = NULL;

	if (cpuinfo && ct_text_field(cpuinfo, field, value, sizeof value) && value[0]) {
		if (!number)
			said = json_string(value);
		else if (ct_text_number(value, &parsed))
			said = json_integer(parsed);
	}
	if (said)
		ct_say(cpu, key, said, "/proc/cpuinfo %s", field);
	else
		ct_say(cpu, key, NULL, "/proc/cpuinfo %s: missing or nonsense", field);
}

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; (at = strstr(at, word)) != NULL; at += length) {
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return true;
	}
	return false;
}

/*
 * x86 says "flags", arm64 "Features"; several kilobytes in one line. Other lines follow it; a file
 * that ends there was cut, and what it lacks proves nothing.
 */
static char *flags_line(const char *cpuinfo, const char **field)
{
	enum { ROOM = 16384 };
	char *line = malloc(ROOM);

	*field = "flags";
	if (!line || !cpuinfo)
		goto none;
	if (!ct_text_field(cpuinfo, "flags", line, ROOM)) {
		*field = "Features";
		if (!ct_text_field(cpuinfo, "Features", line, ROOM))
			goto none;
	}
	if (strstr(cpuinfo, line)[strlen(line)] == '\n')
		return line;
none:
	free(line);
	return NULL;
}

static void say_flags(const struct ct_probe_source *source, json_t *cpu, const char *cpuinfo)
{
	const char *field;
	char *flags = flags_line(cpuinfo, &field);
	uint32_t r[CT_CPUID_REGISTERS];
	json_t *list = json_array();

	if (!flags) {
		ct_say(cpu, "flags", NULL, "/proc/cpuinfo flags: missing or cut");
		ct_say(cpu, "invariant_tsc", NULL, "/proc/cpuinfo flags: missing or cut");
		goto out;
	}
	for (size_t i = 0; i < sizeof interesting / sizeof interesting[0]; i++) {
		if (has_word(flags, interesting[i]))
			json_array_append_new(list, json_string(interesting[i]));
	}
	ct_say(cpu, "flags", json_incref(list), "/proc/cpuinfo %s", field);
	/* Intel SDM vol. 3, 18.17.1 and AMD APM vol. 2, 13.2: leaf 0x80000007, EDX bit 8. */
	if (ct_probe_cpuid(source, UINT32_C(0x80000007), r))
		ct_say(cpu, "invariant_tsc", json_boolean(r[CT_CPUID_EDX] & 0x100u),
		       "CPUID 0x80000007 EDX 0x%x, bit 8", r[CT_CPUID_EDX]);
	else if (strcmp(field, "flags") == 0)
		ct_say(cpu, "invariant_tsc",
		       json_boolean(has_word(flags, "constant_tsc") &&
				    has_word(flags, "nonstop_tsc")),
		       "/proc/cpuinfo flags: constant_tsc and nonstop_tsc");
	else
		ct_say(cpu, "invariant_tsc", NULL, "no time stamp counter: not an x86 processor");
out:
	json_decref(list);
	free(flags);
}

static void say_mitigations(const struct ct_probe_source *source, json_t *probe)
{
	json_t *mitigations = json_object();
	struct ct_names names = ct_source_list(source, CPUS "/vulnerabilities");

	for (size_t i = 0; i < names.n; i++) {
		char path[CT_SOURCE_PATH];

		snprintf(path, sizeof path, CPUS "/vulnerabilities/%.200s", names.names[i]);
		ct_say_line(mitigations, names.names[i], source, path);
	}
	ct_names_free(&names);
	json_object_set_new(probe, "mitigations", mitigations);
}

/* ---- caches, as the first CPU sees them, and how many of each there are ---- */

/* "32K", "1024K", "32M" of sysfs. */
static bool cache_bytes(const char *text, int64_t *bytes)
{
	char unit = '\0';
	long long value;

	if (sscanf(text, "%lld%c", &value, &unit) < 1 || value <= 0 || value > 1 << 30)
		return false;
	*bytes = value * (unit == 'K' ? 1024 : unit == 'M' ? 1 << 20 : 1);
	return true;
}

/* Each cache has its own set of CPUs; the different ones are counted over all CPUs. */
static int64_t count_instances(const struct ct_probe_source *source, const struct ct_names *cpus,
			       const char *index)
{
	json_t *seen = json_object();
	int64_t instances;

	for (size_t i = 0; i < cpus->n; i++) {
		char shared[512];
		unsigned cpu;
		int end = 0;

		if (sscanf(cpus->names[i], "cpu%u%n", &cpu, &end) == 1 && !cpus->names[i][end] &&
		    ct_source_text(source, shared, sizeof shared,
				   CPUS "/cpu%u/cache/%s/shared_cpu_list", cpu, index))
			json_object_set_new(seen, shared, json_null());
	}
	instances = (int64_t)json_object_size(seen);
	json_decref(seen);
	return instances;
}

static json_t *caches(const struct ct_probe_source *source)
{
	json_t *list = json_array();
	struct ct_names names = ct_source_list(source, CPUS "/cpu0/cache");
	struct ct_names cpus = ct_source_list(source, CPUS);

	for (size_t i = 0; i < names.n; i++) {
		char path[CT_SOURCE_PATH], size[32];
		int64_t bytes, instances;
		unsigned index;
		json_t *cache;

		if (sscanf(names.names[i], "index%u", &index) != 1)
			continue;
		snprintf(path, sizeof path, CPUS "/cpu0/cache/%.100s", names.names[i]);
		cache = json_pack("{s:s}", "evidence", path);
		ct_entry_number(cache, "level", source, "%s/level", path);
		ct_entry_line(cache, "type", source, "%s/type", path);
		if (ct_source_text(source, size, sizeof size, "%s/size", path) &&
		    cache_bytes(size, &bytes))
			json_object_set_new(cache, "bytes", json_integer(bytes));
		ct_entry_number(cache, "line_bytes", source, "%s/coherency_line_size", path);
		ct_entry_number(cache, "ways", source, "%s/ways_of_associativity", path);
		ct_entry_line(cache, "shared_by_cpus", source, "%s/shared_cpu_list", path);
		instances = count_instances(source, &cpus, names.names[i]);
		if (instances > 0)
			json_object_set_new(cache, "instances", json_integer(instances));
		/* Without a level it is no cache that anybody could use. */
		if (json_object_get(cache, "level"))
			json_array_append(list, cache);
		json_decref(cache);
	}
	ct_names_free(&cpus);
	ct_names_free(&names);
	return list;
}

void ct_probe_cpu(const struct ct_probe_source *source, json_t *probe)
{
	json_t *cpu = json_object();
	char *cpuinfo = ct_source_file(source, "/proc/cpuinfo");
	bool arm = cpuinfo && strstr(cpuinfo, "CPU implementer") != NULL;

	say_field(cpu, "model_name", cpuinfo, "model name", false);
	say_field(cpu, "vendor", cpuinfo, arm ? "CPU implementer" : "vendor_id", false);
	say_field(cpu, "family", cpuinfo, arm ? "CPU architecture" : "cpu family", true);
	say_field(cpu, "model", cpuinfo, arm ? "CPU part" : "model", true);
	say_field(cpu, "stepping", cpuinfo, arm ? "CPU revision" : "stepping", true);
	say_field(cpu, "microcode", cpuinfo, "microcode", false);
	say_flags(source, cpu, cpuinfo);
	json_object_set_new(probe, "cpu", cpu);
	json_object_set_new(probe, "caches", caches(source));
	say_mitigations(source, probe);
	free(cpuinfo);
}

/* ---- topology ---- */

/* How many different values the online CPUs have for a pair of topology files. */
struct counts {
	int64_t cpus, cores, packages;
};

static int compare_pairs(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	if (x[0] != y[0])
		return x[0] < y[0] ? -1 : 1;
	return (x[1] > y[1]) - (x[1] < y[1]);
}

static struct counts count_cpus(const struct ct_probe_source *source)
{
	struct ct_names names = ct_source_list(source, CPUS);
	int64_t(*pairs)[2] = calloc(names.n + 1, sizeof pairs[0]); /* package, core */
	struct counts counts = {0};
	size_t n = 0;

	for (size_t i = 0; pairs && i < names.n; i++) {
		unsigned cpu;
		int end = 0;

		if (sscanf(names.names[i], "cpu%u%n", &cpu, &end) != 1 || names.names[i][end])
			continue;
		/* CPUs that are offline have no topology. */
		if (ct_source_number(source, &pairs[n][0],
				     CPUS "/cpu%u/topology/physical_package_id", cpu) &&
		    ct_source_number(source, &pairs[n][1], CPUS "/cpu%u/topology/core_id", cpu))
			n++;
	}
	if (pairs)
		qsort(pairs, n, sizeof pairs[0], compare_pairs);
	counts.cpus = (int64_t)n;
	for (size_t i = 0; i < n; i++) {
		counts.packages += i == 0 || pairs[i][0] != pairs[i - 1][0];
		counts.cores += i == 0 || compare_pairs(pairs[i], pairs[i - 1]) != 0;
	}
	free(pairs);
	ct_names_free(&names);
	return counts;
}

static void say_count(json_t *topology, const char *key, int64_t count, const char *evidence)
{
	if (count > 0)
		ct_say(topology, key, json_integer(count), "%s", evidence);
	else
		ct_say(topology, key, NULL, "%s: missing", evidence);
}

static int64_t count_nodes(const struct ct_probe_source *source)
{
	struct ct_names names = ct_source_list(source, "/sys/devices/system/node");
	int64_t nodes = 0;

	for (size_t i = 0; i < names.n; i++) {
		unsigned node;

		nodes += sscanf(names.names[i], "node%u", &node) == 1;
	}
	ct_names_free(&names);
	return nodes;
}

/* What location strings may say on this machine. */
static void say_locations(json_t *section, const struct ct_topology *topology)
{
	json_t *locations = json_object();
	char text[1024];

	for (size_t i = 0; ct_topology_words[i]; i++) {
		ct_topology_indexes(topology, ct_topology_words[i], text, sizeof text);
		if (text[0])
			json_object_set_new(locations, ct_topology_words[i], json_string(text));
	}
	json_object_set_new(locations, "near",
			    json_string(ct_topology_devices(topology, text, sizeof text)));
	ct_say(section, "locations", locations, "hwloc");
}

/* An empty list is an answer: no CPU is isolated. A missing file is none. */
static void say_list(json_t *section, const char *key, const struct ct_probe_source *source,
		     const char *path)
{
	char text[512];

	if (ct_source_text(source, text, sizeof text, "%s", path))
		ct_say(section, key, json_string(strcmp(text, "(null)") == 0 ? "" : text), "%s",
		       path);
	else
		ct_say(section, key, NULL, "%s: missing", path);
}

/* What the boot loader asked for; "" when it asked for nothing. */
static void say_boot(json_t *section, const char *key, const char *cmdline, const char *name)
{
	size_t length = strlen(name);
	const char *at = cmdline;

	if (!cmdline) {
		ct_say(section, key, NULL, "/proc/cmdline: missing");
		return;
	}
	while ((at = strstr(at, name)) != NULL) {
		if ((at == cmdline || at[-1] == ' ') && at[length] == '=') {
			at += length + 1;
			ct_say(section, key, json_stringn(at, strcspn(at, " \n")),
			       "/proc/cmdline %s=", name);
			return;
		}
		at += length;
	}
	ct_say(section, key, json_string(""), "/proc/cmdline: no %s=", name);
}

static void say_boots(json_t *section, const struct ct_probe_source *source)
{
	char *cmdline = ct_source_file(source, "/proc/cmdline");

	say_boot(section, "boot_isolcpus", cmdline, "isolcpus");
	say_boot(section, "boot_rcu_nocbs", cmdline, "rcu_nocbs");
	say_boot(section, "boot_irqaffinity", cmdline, "irqaffinity");
	free(cmdline);
}

void ct_probe_topology(const struct ct_probe_source *source, const struct ct_topology *topology,
		       json_t *probe)
{
	json_t *section = json_object();
	struct counts counts = count_cpus(source);

	say_count(section, "packages", counts.packages, CPUS "/cpu*/topology/physical_package_id");
	say_count(section, "cores", counts.cores, CPUS "/cpu*/topology/core_id");
	say_count(section, "cpus", counts.cpus, CPUS "/cpu*/topology");
	say_count(section, "numa_nodes", count_nodes(source), "/sys/devices/system/node/node*");
	ct_say_line(section, "smt_control", source, CPUS "/smt/control");
	ct_say_number(section, "smt_active", source, CPUS "/smt/active");
	say_list(section, "online", source, CPUS "/online");
	say_list(section, "possible", source, CPUS "/possible");
	say_list(section, "isolated", source, CPUS "/isolated");
	say_list(section, "nohz_full", source, CPUS "/nohz_full");
	say_boots(section, source);
	if (topology)
		say_locations(section, topology);
	json_object_set_new(probe, "topology", section);
}
