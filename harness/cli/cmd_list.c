/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant list: victims and aggressors, their parameters, and whether they can run here. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench/bench.h"
#include "harness/cli/cli.h"
#include "harness/core/resource.h"
#include "harness/core/units.h"
#include "harness/tenant/common.h"
#include "noise/noise.h"

/* What victims and aggressors have in common when they are listed. */
struct workload {
	const char *name, *summary, *unit, *sample;
	const struct ct_param *own, *common;
	uint32_t stresses;
	bool (*available)(char *why, size_t size);
};

static struct workload of_victim(const struct ct_victim_ops *ops)
{
	return (struct workload){ops->name,     ops->summary,  ops->unit,
				 ops->sample,   ops->params,   ct_victim_common_params,
				 ops->stresses, ops->available};
}

static struct workload of_aggressor(const struct ct_aggressor_ops *ops)
{
	return (struct workload){ops->name,     ops->summary,  ops->unit,
				 NULL,          ops->params,   ct_aggressor_common_params,
				 ops->stresses, ops->available};
}

static bool is_available(const struct workload *workload, char *why, size_t size)
{
	why[0] = '\0';
	return !workload->available || workload->available(why, size);
}

static json_t *workload_json(struct workload workload)
{
	char why[256];
	bool available = is_available(&workload, why, sizeof why);
	json_t *params = ct_params_describe(workload.own);
	json_t *common = ct_params_describe(workload.common);

	json_array_extend(params, common);
	json_decref(common);
	return json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o, s:b, s:s?}", "name", workload.name,
			 "summary", workload.summary, "unit", workload.unit, "sample",
			 workload.sample, "params", params, "stresses",
			 ct_resources_json(workload.stresses), "available", available, "why",
			 available ? NULL : why);
}

static void print_json(bool victims, bool aggressors)
{
	json_t *all = json_pack("{s:s}", "schema", "cotenant.list/1");
	json_t *list;
	char *text;

	if (victims) {
		list = json_array();
		for (size_t i = 0; ct_victims[i]; i++)
			json_array_append_new(list, workload_json(of_victim(ct_victims[i])));
		json_object_set_new(all, "victims", list);
	}
	if (aggressors) {
		list = json_array();
		for (size_t i = 0; ct_aggressors[i]; i++)
			json_array_append_new(list, workload_json(of_aggressor(ct_aggressors[i])));
		json_object_set_new(all, "aggressors", list);
	}
	text = json_dumps(all, JSON_INDENT(2));
	puts(text ? text : "{}");
	free(text);
	json_decref(all);
}

static void print_line(struct workload workload)
{
	char stresses[256], why[256];
	bool available = is_available(&workload, why, sizeof why);

	printf("  %-14s %s\n", workload.name, workload.summary);
	printf("  %-14s stresses %s\n", "",
	       ct_resources_text(workload.stresses, stresses, sizeof stresses));
	if (!available)
		printf("  %-14s can't run here: %s\n", "", why);
}

static void print_params(const char *title, const struct ct_param *table)
{
	printf("\n%s\n", title);
	for (; table && table->name; table++) {
		printf("  %-14s %s\n", table->name, table->help);
		printf("  %-14s default %s", "", table->fallback[0] ? table->fallback : "\"\"");
		if (table->type == CT_PARAM_CHOICE) {
			printf("; one of");
			for (int i = 0; table->choices[i]; i++)
				printf("%s %s", i ? "," : "", table->choices[i]);
		} else if (table->min && table->max) {
			printf("; %s to %s", table->min, table->max);
		} else if (table->min) {
			printf("; at least %s", table->min);
		}
		putchar('\n');
	}
}

static void print_workload(const char *what, struct workload workload)
{
	char stresses[256], why[256];
	bool available = is_available(&workload, why, sizeof why);

	printf("%s %s: %s\n", what, workload.name, workload.summary);
	printf("  unit: %s\n", workload.unit);
	if (workload.sample)
		printf("  one sample: %s\n", workload.sample);
	printf("  stresses: %s\n", ct_resources_text(workload.stresses, stresses, sizeof stresses));
	printf("  here: %s%s\n", available ? "it can run" : "it can't run: ", why);
	if (workload.own && workload.own->name)
		print_params("Its parameters", workload.own);
	print_params(workload.sample ? "What every victim takes" : "What every aggressor takes",
		     workload.common);
}

static void print_text(bool victims, bool aggressors)
{
	if (victims) {
		printf("Victims: their latency is measured\n");
		for (size_t i = 0; ct_victims[i]; i++)
			print_line(of_victim(ct_victims[i]));
	}
	if (victims && aggressors)
		putchar('\n');
	if (aggressors) {
		printf("Aggressors: they interfere\n");
		for (size_t i = 0; ct_aggressors[i]; i++)
			print_line(of_aggressor(ct_aggressors[i]));
	}
	printf("\n'cotenant list NAME' shows the parameters of one.\n");
}

/* A name may be both a victim's and an aggressor's ("null"): then both are shown. */
static bool print_named(const char *name, struct ct_error *err)
{
	const struct ct_victim_ops *victim = ct_victim_find(name);
	const struct ct_aggressor_ops *aggressor = ct_aggressor_find(name);
	enum { MAX_NAMES = 256 };
	const char *names[MAX_NAMES] = {"victims", "aggressors"};
	const char *near;
	size_t n = 2;

	if (victim)
		print_workload("Victim", of_victim(victim));
	if (victim && aggressor)
		putchar('\n');
	if (aggressor)
		print_workload("Aggressor", of_aggressor(aggressor));
	if (victim || aggressor)
		return true;
	for (size_t i = 0; ct_victims[i] && n < MAX_NAMES; i++)
		names[n++] = ct_victims[i]->name;
	for (size_t i = 0; ct_aggressors[i] && n < MAX_NAMES; i++)
		names[n++] = ct_aggressors[i]->name;
	near = ct_nearest(name, names, n);
	return ct_usage(err, "list: nothing is called '%s'%s%s%s", name,
			near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	bool json = false, victims = true, aggressors = true;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option != 'j')
			return ct_cli_bad_option(argc, argv, option, err);
		json = true;
	}
	if (optind + 1 < argc)
		return ct_usage(err, "list: one name at a time, not '%s' as well",
				argv[optind + 1]);
	if (optind < argc && strcmp(argv[optind], "victims") == 0)
		aggressors = false;
	else if (optind < argc && strcmp(argv[optind], "aggressors") == 0)
		victims = false;
	else if (optind < argc && json)
		return ct_usage(err, "list: with --json only 'victims' or 'aggressors', not '%s'",
				argv[optind]);
	else if (optind < argc)
		return print_named(argv[optind], err);
	if (json)
		print_json(victims, aggressors);
	else
		print_text(victims, aggressors);
	return true;
}

const struct ct_command ct_command_list = {
	.name = "list",
	.summary = "victims and aggressors, and what can run here",
	.usage = "Usage: cotenant list [victims|aggressors|NAME] [--json]\n"
		 "\n"
		 "Lists what can be measured and what can disturb, with the resources each one "
		 "stresses\n"
		 "and, where it can't run here, why. NAME shows one with all its parameters.\n"
		 "\n"
		 "  --json   as JSON (schema cotenant.list/1); numbers are in each parameter's "
		 "unit\n",
	.run = run,
};
