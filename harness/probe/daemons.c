/* SPDX-License-Identifier: Apache-2.0 */
/* Daemons that move what is measured: they place interrupts, change clocks, share GPUs. */
#include <stdio.h>
#include <string.h>

#include "harness/probe/sections.h"
#include "harness/probe/statement.h"

/* The kernel keeps 15 characters of a name. */
static const struct {
	const char *name, *comm;
} daemons[] = {
	{"irqbalance", "irqbalance"},
	{"tuned", "tuned"},
	{"thermald", "thermald"},
	{"power-profiles-daemon", "power-profiles-"},
	{"nvidia-cuda-mps-control", "nvidia-cuda-mps"},
	{"nvidia-persistenced", "nvidia-persiste"},
};
enum { N_DAEMONS = sizeof daemons / sizeof daemons[0] };

struct sighting {
	char pids[N_DAEMONS][16]; /* "" when it was not seen */
	size_t processes;         /* that could be looked at */
	bool all;
};

static struct sighting look_around(const struct ct_probe_source *source)
{
	struct ct_names names = ct_source_list(source, "/proc");
	struct sighting seen = {.all = names.n < CT_SOURCE_NAMES};

	for (size_t i = 0; i < names.n; i++) {
		char comm[32];

		if (names.names[i][strspn(names.names[i], "0123456789")] != '\0' ||
		    !ct_source_text(source, comm, sizeof comm, "/proc/%s/comm", names.names[i]))
			continue;
		seen.processes++;
		for (size_t k = 0; k < N_DAEMONS; k++) {
			if (strcmp(comm, daemons[k].comm) == 0)
				snprintf(seen.pids[k], sizeof seen.pids[k], "%s", names.names[i]);
		}
	}
	ct_names_free(&names);
	return seen;
}

/*
 * "Not running" is only said where all processes can be seen: not where /proc hides those of
 * others (hidepid), and not inside a container, whose processes are a part of the machine's.
 */
void ct_probe_daemons(const struct ct_probe_source *source, json_t *probe)
{
	struct sighting seen = look_around(source);
	const char *container = ct_said_text(probe, NULL, "container");
	bool first = ct_source_exists(source, "/proc/1/comm");
	bool whole = seen.all && first && container && strcmp(container, "none") == 0;
	json_t *section = json_object();

	for (size_t i = 0; i < N_DAEMONS; i++) {
		if (seen.pids[i][0])
			ct_say(section, daemons[i].name, json_true(), "/proc/%s/comm: %s",
			       seen.pids[i], daemons[i].comm);
		else if (whole)
			ct_say(section, daemons[i].name, json_false(),
			       "/proc/*/comm: no %s among %zu processes", daemons[i].comm,
			       seen.processes);
		else
			ct_say(section, daemons[i].name, NULL,
			       "/proc/*/comm: not among the %zu processes visible here",
			       seen.processes);
	}
	json_object_set_new(probe, "daemons", section);
}
