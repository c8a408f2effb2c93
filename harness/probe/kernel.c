/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel, the distribution, the clock source, memory and its pages. */
#include "harness/probe/sections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "harness/probe/cgroup.h"
#include "harness/probe/statement.h"

static void say_architecture(const struct ct_probe_source *source, json_t *kernel)
{
	struct utsname name;

	if (source->live && uname(&name) == 0)
		ct_say(kernel, "architecture", json_string(name.machine), "uname");
	else
		ct_say_line(kernel, "architecture", source, "/proc/sys/kernel/arch");
}

/* The version string names the preemption model from 2.6 on. */
static void say_preemption(const struct ct_probe_source *source, json_t *kernel)
{
	static const struct {
		const char *word, *model;
	} models[] = {{"PREEMPT_RT", "rt"}, {"PREEMPT_DYNAMIC", "dynamic"}, {"PREEMPT", "full"}};
	const char *model = "none or voluntary";
	char version[256];

	if (!ct_source_text(source, version, sizeof version, "/proc/sys/kernel/version")) {
		ct_say(kernel, "preemption", NULL, "/proc/sys/kernel/version: missing");
		return;
	}
	for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
		if (strstr(version, models[i].word)) {
			model = models[i].model;
			break;
		}
	}
	ct_say(kernel, "preemption", json_string(model), "/proc/sys/kernel/version: %.200s",
	       version);
}

static void say_distribution(const struct ct_probe_source *source, json_t *probe)
{
	char *text = ct_source_file(source, "/etc/os-release");
	char *begin = text ? strstr(text, "PRETTY_NAME=") : NULL;
	char name[256] = "";

	if (begin && (begin == text || begin[-1] == '\n')) {
		begin += strlen("PRETTY_NAME=");
		begin += strspn(begin, "\"'");
		snprintf(name, sizeof name, "%.*s", (int)strcspn(begin, "\"'\n"), begin);
	}
	free(text);
	json_object_set_new(
		probe, "distribution",
		ct_statement(name[0] ? json_string(name) : NULL, "/etc/os-release PRETTY_NAME"));
}

void ct_probe_kernel(const struct ct_probe_source *source, json_t *probe)
{
	json_t *kernel = json_object(), *clock = json_object();

	ct_say_line(kernel, "release", source, "/proc/sys/kernel/osrelease");
	ct_say_line(kernel, "version", source, "/proc/sys/kernel/version");
	ct_say_line(kernel, "cmdline", source, "/proc/cmdline");
	say_architecture(source, kernel);
	say_preemption(source, kernel);
	ct_say_number(kernel, "rt_runtime_us", source, "/proc/sys/kernel/sched_rt_runtime_us");
	ct_say_number(kernel, "rt_period_us", source, "/proc/sys/kernel/sched_rt_period_us");
	ct_say_number(kernel, "nmi_watchdog", source, "/proc/sys/kernel/nmi_watchdog");
	ct_say_number(kernel, "numa_balancing", source, "/proc/sys/kernel/numa_balancing");
	ct_say_number(kernel, "timer_migration", source, "/proc/sys/kernel/timer_migration");
	ct_say_number(kernel, "split_lock_mitigate", source,
		      "/proc/sys/kernel/split_lock_mitigate");
	if (source->identify)
		ct_say_line(kernel, "hostname", source, "/proc/sys/kernel/hostname");
	json_object_set_new(probe, "kernel", kernel);
	say_distribution(source, probe);
	ct_say_line(clock, "current", source,
		    "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	ct_say_line(clock, "available", source,
		    "/sys/devices/system/clocksource/clocksource0/available_clocksource");
	json_object_set_new(probe, "clocksource", clock);
}

static void say_meminfo(json_t *memory, const char *key, const char *meminfo, const char *field)
{
	char value[64];
	int64_t kib;

	if (meminfo && ct_text_field(meminfo, field, value, sizeof value) &&
	    ct_text_number(value, &kib) && kib >= 0 && kib < INT64_MAX / 1024)
		ct_say(memory, key, json_integer(kib * 1024), "/proc/meminfo %s", field);
	else
		ct_say(memory, key, NULL, "/proc/meminfo %s: missing or not a number", field);
}

static json_t *huge_pages(const struct ct_probe_source *source)
{
	json_t *pools = json_array();
	struct ct_names names = ct_source_list(source, "/sys/kernel/mm/hugepages");

	for (size_t i = 0; i < names.n; i++) {
		char path[CT_SOURCE_PATH];
		json_t *pool;
		long kib;

		if (sscanf(names.names[i], "hugepages-%ldkB", &kib) != 1 || kib <= 0 ||
		    kib > 1L << 30)
			continue;
		snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/%.200s", names.names[i]);
		pool = json_pack("{s:I, s:s}", "page_bytes", (json_int_t)kib * 1024, "evidence",
				 path);
		ct_entry_number(pool, "total", source, "%s/nr_hugepages", path);
		ct_entry_number(pool, "free", source, "%s/free_hugepages", path);
		json_array_append_new(pools, pool);
	}
	ct_names_free(&names);
	return pools;
}

void ct_probe_memory(const struct ct_probe_source *source, json_t *probe)
{
	json_t *memory = json_object();
	char *meminfo = ct_source_file(source, "/proc/meminfo");
	char where[CT_SOURCE_PATH + 64];
	uint64_t available;

	say_meminfo(memory, "total_bytes", meminfo, "MemTotal");
	if (ct_memory_available(source, &available, where, sizeof where))
		ct_say(memory, "available_bytes", json_integer((json_int_t)available), "%s", where);
	else
		ct_say(memory, "available_bytes", NULL,
		       "/proc/meminfo MemAvailable: missing or not a number");
	say_meminfo(memory, "swap_bytes", meminfo, "SwapTotal");
	ct_say_choice(memory, "transparent_huge_pages", source,
		      "/sys/kernel/mm/transparent_hugepage/enabled");
	ct_say_choice(memory, "transparent_huge_pages_defrag", source,
		      "/sys/kernel/mm/transparent_hugepage/defrag");
	ct_say_number(memory, "ksm", source, "/sys/kernel/mm/ksm/run");
	json_object_set_new(probe, "memory", memory);
	json_object_set_new(probe, "huge_pages", huge_pages(source));
	free(meminfo);
}
