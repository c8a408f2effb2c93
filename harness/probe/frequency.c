/* SPDX-License-Identifier: Apache-2.0 */
/* What moves a CPU's clock: governor, driver, boost, and the sleep states it wakes up from. */
#include "harness/probe/sections.h"

#include <stdio.h>
#include <string.h>

#include "harness/probe/statement.h"

#define CPUS "/sys/devices/system/cpu"

/* The different values of a cpufreq file over all policies: "performance", "powersave". */
static void say_policies(const struct ct_probe_source *source, json_t *section, const char *key,
			 const char *file)
{
	struct ct_names names = ct_source_list(source, CPUS "/cpufreq");
	json_t *seen = json_object();
	char all[256] = "";
	const char *value;
	json_t *unused;

	for (size_t i = 0; i < names.n; i++) {
		char text[64];

		if (strncmp(names.names[i], "policy", 6) == 0 &&
		    ct_source_text(source, text, sizeof text, CPUS "/cpufreq/%s/%s", names.names[i],
				   file) &&
		    text[0])
			json_object_set_new(seen, text, json_null());
	}
	json_object_foreach(seen, value, unused)
	{
		size_t used = strlen(all);

		snprintf(all + used, sizeof all - used, "%s%s", used > 0 ? ", " : "", value);
	}
	if (all[0])
		ct_say(section, key, json_string(all), CPUS "/cpufreq/policy*/%s", file);
	else
		ct_say(section, key, NULL, CPUS "/cpufreq/policy*/%s: missing", file);
	json_decref(seen);
	ct_names_free(&names);
}

static void say_boost(const struct ct_probe_source *source, json_t *section)
{
	int64_t value;

	/* intel_pstate says it the other way round from everybody else. */
	if (ct_source_number(source, &value, CPUS "/intel_pstate/no_turbo"))
		ct_say(section, "boost", json_boolean(value == 0),
		       CPUS "/intel_pstate/no_turbo: %d", value != 0);
	else if (ct_source_number(source, &value, CPUS "/cpufreq/boost"))
		ct_say(section, "boost", json_boolean(value != 0), CPUS "/cpufreq/boost: %d",
		       value != 0);
	else
		ct_say(section, "boost", NULL,
		       CPUS "/intel_pstate/no_turbo, " CPUS "/cpufreq/boost: missing");
}

/* The states a CPU may enter now; the deepest one's exit latency is what a wakeup pays. */
static void say_idle_states(const struct ct_probe_source *source, json_t *section)
{
	struct ct_names names = ct_source_list(source, CPUS "/cpu0/cpuidle");
	json_t *states = json_array();
	int64_t deepest = -1;

	for (size_t i = 0; i < names.n; i++) {
		int64_t latency = -1, disabled = 0;
		char name[64];

		if (strncmp(names.names[i], "state", 5) != 0 ||
		    !ct_source_text(source, name, sizeof name, CPUS "/cpu0/cpuidle/%s/name",
				    names.names[i]))
			continue;
		if (ct_source_number(source, &disabled, CPUS "/cpu0/cpuidle/%s/disable",
				     names.names[i]) &&
		    disabled != 0)
			continue;
		json_array_append_new(states, json_string(name));
		if (ct_source_number(source, &latency, CPUS "/cpu0/cpuidle/%s/latency",
				     names.names[i]) &&
		    latency > deepest)
			deepest = latency;
	}
	if (json_array_size(states) == 0) {
		ct_say(section, "idle_states", NULL, CPUS "/cpu0/cpuidle: missing");
		json_decref(states);
	} else {
		ct_say(section, "idle_states", states, CPUS "/cpu0/cpuidle/state*/name");
	}
	if (deepest >= 0)
		ct_say(section, "idle_exit_latency_us", json_integer(deepest),
		       CPUS "/cpu0/cpuidle/state*/latency");
	ct_names_free(&names);
}

void ct_probe_frequency(const struct ct_probe_source *source, json_t *probe)
{
	json_t *section = json_object();

	say_policies(source, section, "governor", "scaling_governor");
	say_policies(source, section, "driver", "scaling_driver");
	say_policies(source, section, "preference", "energy_performance_preference");
	ct_say_number(section, "min_khz", source, CPUS "/cpu0/cpufreq/cpuinfo_min_freq");
	ct_say_number(section, "max_khz", source, CPUS "/cpu0/cpufreq/cpuinfo_max_freq");
	say_boost(source, section);
	ct_say_line(section, "idle_driver", source, CPUS "/cpuidle/current_driver");
	say_idle_states(source, section);
	json_object_set_new(probe, "frequency", section);
}
