/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant probe: what this machine is, what can run on it, and why not. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "bench/bench.h"
#include "harness/cli/cli.h"
#include "harness/cli/probe_page.h"
#include "harness/core/clock.h"
#include "harness/probe/probe.h"
#include "noise/noise.h"

enum { CALIBRATE_MS = 20 };

struct options {
	struct ct_probe_source source;
	bool json;
};

/* What the program adds to the probe: workloads and the clock. */
static json_t *workload(const char *name, bool (*available)(char *why, size_t size))
{
	char why[256] = "";
	bool can = !available || available(why, sizeof why);

	return json_pack("{s:s, s:b, s:s?}", "name", name, "available", can, "why",
			 can ? NULL : why);
}

static void add_workloads(json_t *probe)
{
	json_t *victims = json_array(), *aggressors = json_array();

	for (size_t i = 0; ct_victims[i]; i++)
		json_array_append_new(victims,
				      workload(ct_victims[i]->name, ct_victims[i]->available));
	for (size_t i = 0; ct_aggressors[i]; i++)
		json_array_append_new(
			aggressors, workload(ct_aggressors[i]->name, ct_aggressors[i]->available));
	json_object_set_new(probe, "victims", victims);
	json_object_set_new(probe, "aggressors", aggressors);
}

static bool add_clock(json_t *probe, struct ct_error *err)
{
	struct ct_clock clock;

	if (!ct_clock_init(&clock, CALIBRATE_MS, err))
		return false;
	json_object_set_new(probe, "clock",
			    json_pack("{s:s, s:f, s:f}", "source",
				      ct_clock_source_name(clock.source), "resolution_ns",
				      clock.resolution_ns, "cost_ns", clock.cost_ns));
	return true;
}

static json_t *probe_all(const struct options *options, struct ct_error *err)
{
	struct ct_topology *topology = NULL;
	json_t *probe = NULL;

	if (options->source.live && !ct_topology_load(&topology, true, err))
		return NULL;
	probe = ct_probe(&options->source, topology, err);
	/* Workloads and clock belong to the running machine, not to a recorded one. */
	if (probe && options->source.live) {
		add_workloads(probe);
		if (!add_clock(probe, err)) {
			json_decref(probe);
			probe = NULL;
		}
	}
	ct_topology_free(topology);
	return probe;
}

static bool parse(int argc, char **argv, struct options *options, struct ct_error *err)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
					      {"root", required_argument, NULL, 'r'},
					      {"identify", no_argument, NULL, 'i'},
					      {0}};
	bool identify = false;
	int option;

	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		switch (option) {
		case 'j':
			options->json = true;
			break;
		case 'r':
			options->source = strcmp(optarg, "/") == 0 ? ct_probe_this_machine()
								   : ct_probe_recorded(optarg);
			break;
		case 'i':
			identify = true;
			break;
		default:
			return ct_cli_bad_option(argc, argv, option, err);
		}
	}
	options->source.identify = identify;
	return optind == argc || ct_usage(err,
					  "probe: unexpected '%s': it takes no arguments, see "
					  "'cotenant probe --help'",
					  argv[optind]);
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct options options = {.source = ct_probe_this_machine()};
	json_t *probe;

	if (!parse(argc, argv, &options, err))
		return false;
	probe = probe_all(&options, err);
	if (!probe)
		return false;
	if (options.json) {
		json_dumpf(probe, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		ct_probe_page(probe);
	}
	json_decref(probe);
	return true;
}

const struct ct_command ct_command_probe = {
	.name = "probe",
	.summary = "what this machine is, what can run on it, and why not",
	.usage =
		"Usage: cotenant probe [--json] [--identify] [--root DIR]\n"
		"\n"
		"Says what this machine is, each statement with its evidence: processor, memory,\n"
		"hypervisor, container, control groups, kernel, devices; the clock of the\n"
		"measurements; which victims and aggressors can run here, and why not; what to "
		"know\n"
		"or change before measuring. Changes nothing.\n"
		"\n"
		"  --json       one JSON object, schema cotenant.probe/1\n"
		"  --identify   also what names this machine: host name, MAC addresses, GIDs, "
		"UUIDs\n"
		"  --root DIR   another machine's /proc, /sys and /etc, copied to DIR; a file "
		"cpuid\n"
		"               in it (as 'cpuid -1 -r' writes it) stands for the processor\n"
		"\n"
		"Environment: COTENANT_NVML names the library that is asked about NVIDIA GPUs, "
		"instead\n"
		"of libnvidia-ml.so.1; set to nothing, none is. With --root only a named one is.\n",
	.run = run,
};
