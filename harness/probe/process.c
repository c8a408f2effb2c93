/* SPDX-License-Identifier: Apache-2.0 */
/* What this process may do: CPUs, control group limits, capabilities, resource limits, counters. */
#include "harness/probe/sections.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/probe/cgroup.h"
#include "harness/probe/statement.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38 /* Linux 5.8 */
#endif

static void say_status(json_t *section, const char *key, const char *status, const char *field)
{
	char value[256];

	if (status && ct_text_field(status, field, value, sizeof value) && value[0])
		ct_say(section, key, json_string(value), "/proc/self/status %s", field);
	else
		ct_say(section, key, NULL, "/proc/self/status %s: missing", field);
}

static void say_capabilities(json_t *section, const char *status)
{
	static const struct {
		int bit;
		const char *name;
	} interesting[] = {
		{CAP_SYS_NICE, "cap_sys_nice"},   {CAP_IPC_LOCK, "cap_ipc_lock"},
		{CAP_NET_ADMIN, "cap_net_admin"}, {CAP_NET_RAW, "cap_net_raw"},
		{CAP_SYS_ADMIN, "cap_sys_admin"}, {CAP_SYS_RAWIO, "cap_sys_rawio"},
		{CAP_PERFMON, "cap_perfmon"},
	};
	char value[64];
	unsigned long long bits;
	json_t *list;

	if (!status || !ct_text_field(status, "CapEff", value, sizeof value) ||
	    sscanf(value, "%llx", &bits) != 1) {
		ct_say(section, "capabilities", NULL, "/proc/self/status CapEff: missing");
		return;
	}
	list = json_array();
	for (size_t i = 0; i < sizeof interesting / sizeof interesting[0]; i++) {
		if (bits >> interesting[i].bit & 1)
			json_array_append_new(list, json_string(interesting[i].name));
	}
	ct_say(section, "capabilities", list, "/proc/self/status CapEff: %s", value);
}

/* The soft limit of a line of /proc/self/limits; -1: unlimited. */
static void say_limit(json_t *section, const char *key, const char *limits, const char *name)
{
	const char *line = limits ? strstr(limits, name) : NULL;
	const char *at = line ? line + strlen(name) : NULL;
	long long value;

	if (at && sscanf(at, "%lld", &value) == 1)
		ct_say(section, key, json_integer(value), "/proc/self/limits %s", name);
	else if (at && strncmp(at + strspn(at, " "), "unlimited", 9) == 0)
		ct_say(section, key, json_integer(-1), "/proc/self/limits %s: unlimited", name);
	else
		ct_say(section, key, NULL, "/proc/self/limits %s: missing", name);
}

static void say_cgroup_limit(json_t *section, const char *key, struct ct_cgroup_limit limit,
			     bool whole)
{
	if (!limit.limited)
		ct_say(section, key, NULL, "no limit in this process's control groups");
	else
		ct_say(section, key,
		       whole ? json_integer((json_int_t)limit.value) : json_real(limit.value), "%s",
		       limit.evidence);
}

static void say_cgroup(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object();
	struct ct_cgroup cpu = ct_cgroup_find(source, "cpu");
	struct ct_cgroup memory = ct_cgroup_find(source, "memory");

	if (cpu.version == 0 && memory.version == 0)
		ct_say(section, "version", NULL,
		       "/proc/self/cgroup, /proc/self/mountinfo: no cpu or memory controller");
	else
		ct_say(section, "version",
		       json_integer(cpu.version > memory.version ? cpu.version : memory.version),
		       "/proc/self/mountinfo");
	if (cpu.version > 0)
		ct_say(section, "cpu_group", json_string(cpu.folder), "/proc/self/cgroup");
	if (memory.version > 0)
		ct_say(section, "memory_group", json_string(memory.folder), "/proc/self/cgroup");
	say_cgroup_limit(section, "cpu_limit", ct_cgroup_cpu_limit(source), false);
	say_cgroup_limit(section, "memory_limit_bytes", ct_cgroup_memory_limit(source), true);
	json_object_set_new(probe, "cgroup", section);
}

/* A process that shares PID 1's network is in the machine's own, or in its container's. */
static void say_namespaces(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object();
	char own[64], first[64];

	if (ct_source_link(source, own, sizeof own, "/proc/self/ns/net") &&
	    ct_source_link(source, first, sizeof first, "/proc/1/ns/net"))
		ct_say(section, "own_network", json_boolean(strcmp(own, first) != 0),
		       "/proc/self/ns/net %s, /proc/1/ns/net %s", own, first);
	else
		ct_say(section, "own_network", NULL,
		       "/proc/self/ns/net, /proc/1/ns/net: not readable (root can)");
	json_object_set_new(probe, "namespaces", section);
}

static void say_perf(const struct ct_probe_source *source, json_t *probe)
{
	static const char *const units[] = {"cpu", "cpu_core", "armv8_pmuv3_0", "armv8_pmuv3"};
	const char *unit = NULL;
	json_t *section = json_object();

	for (size_t i = 0; !unit && i < sizeof units / sizeof units[0]; i++) {
		if (ct_source_exists(source, "/sys/bus/event_source/devices/%s", units[i]))
			unit = units[i];
	}
	if (unit)
		ct_say(section, "counters", json_true(), "/sys/bus/event_source/devices/%s", unit);
	else
		ct_say(section, "counters", json_false(), "/sys/bus/event_source/devices: no cpu");
	ct_say_number(section, "paranoid", source, "/proc/sys/kernel/perf_event_paranoid");
	json_object_set_new(probe, "perf", section);
}

void ct_probe_process(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object();
	char *status = ct_source_file(source, "/proc/self/status");
	char *limits = ct_source_file(source, "/proc/self/limits");

	say_status(section, "allowed_cpus", status, "Cpus_allowed_list");
	say_status(section, "allowed_nodes", status, "Mems_allowed_list");
	say_status(section, "seccomp", status, "Seccomp");
	say_capabilities(section, status);
	say_limit(section, "memlock_bytes", limits, "Max locked memory");
	say_limit(section, "rtprio", limits, "Max realtime priority");
	json_object_set_new(probe, "process", section);
	say_cgroup(source, probe);
	say_namespaces(source, probe);
	say_perf(source, probe);
	free(status);
	free(limits);
}
