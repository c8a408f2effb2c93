/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant plan: what a job file would do and how long it takes; runs nothing. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/campaign/job.h"
#include "harness/campaign/plan.h"
#include "harness/cli/cli.h"
#include "harness/core/units.h"

enum { MAX_SETS = 256 };

struct arguments {
	const char *suite;
	const char *sets[MAX_SETS];
	size_t n_sets;
	uint64_t seed, budget_ns;
	bool json;
};

static bool take_option(int option, struct arguments *arguments, struct ct_error *err)
{
	switch (option) {
	case 's':
		return ct_parse_count(optarg, &arguments->seed, err) || ct_error_in(err, "--seed");
	case 'b':
		return ct_parse_time(optarg, &arguments->budget_ns, err) ||
		       ct_error_in(err, "--budget");
	case 'S':
		if (arguments->n_sets == MAX_SETS)
			return ct_usage(err, "plan: more than %d times --set", MAX_SETS);
		arguments->sets[arguments->n_sets++] = optarg;
		return true;
	case 'j':
		arguments->json = true;
		return true;
	}
	return true;
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"budget", required_argument, NULL, 'b'},
						{"set", required_argument, NULL, 'S'},
						{"json", no_argument, NULL, 'j'},
						{0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (!take_option(option, arguments, err))
			return false;
	}
	if (optind + 1 != argc)
		return ct_usage(err, "plan: exactly one job file (see 'cotenant plan --help')");
	arguments->suite = argv[optind];
	return true;
}

static void format_duration(uint64_t ns, char *out, size_t size)
{
	unsigned long long s = (ns + 500000000u) / 1000000000u;

	if (s >= 3600)
		snprintf(out, size, "%llu h %llu min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(out, size, "%llu min %llu s", s / 60, s % 60);
	else
		snprintf(out, size, "%llu s", s);
}

static void print_values(const char *indent, const struct ct_param *table, const void *options)
{
	for (; table && table->name; table++) {
		char *value = ct_param_get(table, options);

		printf("%s%s = %s\n", indent, table->name, value ? value : "?");
		free(value);
	}
}

static void print_tenant(const struct ct_tenant *tenant)
{
	printf("  [tenant %s] cpus = %s; memory = %s; via = %s", tenant->name,
	       tenant->cpus[0] ? tenant->cpus : "all",
	       tenant->memory[0] ? tenant->memory : "near its CPUs",
	       tenant->via[0] ? tenant->via : "local");
	if (tenant->address[0])
		printf("; address = %s", tenant->address);
	if (tenant->nic[0])
		printf("; nic = %s", tenant->nic);
	printf("%s\n", tenant->shared ? "; shared" : "");
}

static void print_workloads(const struct ct_job *job)
{
	for (size_t i = 0; i < job->n_victims; i++) {
		const struct ct_victim_entry *victim = &job->victims[i];

		printf("  [victim %s] %s on tenant %s\n", victim->name, victim->ops->name,
		       job->tenants[victim->tenant].name);
		print_values("      ", victim->ops->params, victim->options);
		print_values("      ", ct_victim_common_params, &victim->common);
	}
	for (size_t i = 0; i < job->n_aggressors; i++) {
		const struct ct_aggressor_entry *aggressor = &job->aggressors[i];

		printf("  [aggressor %s] %s on tenant %s, intensity", aggressor->name,
		       aggressor->ops->name, job->tenants[aggressor->tenant].name);
		for (unsigned d = 0; d < aggressor->n_intensities; d++)
			printf("%s %.4g %%", d ? "," : "", aggressor->intensities[d]);
		putchar('\n');
		print_values("      ", aggressor->ops->params, aggressor->options);
		for (const struct ct_param *param = ct_aggressor_common_params; param->name;
		     param++) {
			char *value = ct_param_get(param, &aggressor->common);

			if (strcmp(param->name, "intensity") != 0) /* the list above */
				printf("      %s = %s\n", param->name, value ? value : "?");
			free(value);
		}
	}
}

static void print_configs(const struct ct_job *job)
{
	for (size_t c = 0; c < job->n_configs; c++) {
		const struct ct_config *config = &job->configs[c];

		printf("  config %s%s%s\n", config->name, config->expect[0] ? ", expects " : "",
		       config->expect);
		for (size_t t = 0; t < job->n_tenants; t++)
			print_tenant(&config->tenants[t]);
	}
}

static void print_order(const struct ct_plan *plan)
{
	char order[CT_PHASES_PER_BLOCK + 1];
	size_t baseline_first = 0;

	for (size_t i = 0; i < plan->n_visits; i++)
		baseline_first += plan->visits[i].order[0] == CT_ROLE_BASELINE;
	if (plan->visits[0].n_phases == 1) {
		puts("Order: every cell once in each replicate, shuffled; all aggressors at once, "
		     "each switched\non and off at its frequency.");
		return;
	}
	printf("Order: every cell once in each replicate, shuffled; %zu blocks begin with the "
	       "baseline, %zu with the treatment.\n",
	       baseline_first, plan->n_visits - baseline_first);
	printf("First blocks:");
	for (size_t i = 0; i < plan->n_visits && i < 6; i++)
		printf(" cell %u %s%s", plan->visits[i].cell,
		       ct_visit_text(&plan->visits[i], order),
		       i + 1 < plan->n_visits && i < 5 ? "," : "\n");
}

static void print_text(const struct ct_job *job, const struct ct_plan *plan)
{
	const size_t replicates = plan->replicates;
	char warmup[CT_UNIT_TEXT], measure[CT_UNIT_TEXT], recovery[CT_UNIT_TEXT],
		epoch[CT_UNIT_TEXT], duration[64];

	format_duration(plan->duration_ns, duration, sizeof duration);
	printf("%s: %zu cells x %zu replicates = %zu blocks, about %s (seed %llu)\n", job->name,
	       plan->n_cells, replicates, plan->n_visits, duration, (unsigned long long)plan->seed);
	if (job->design == CT_DESIGN_LOCKIN)
		printf("Each block: one phase with every aggressor modulated (%s warm-up, %s "
		       "measured), epochs of %s\n\n",
		       ct_format_ns((double)job->warmup_ns, warmup),
		       ct_format_ns((double)job->measure_ns, measure),
		       ct_format_ns((double)job->epoch_ns, epoch));
	else
		printf("Each block: baseline and treatment twice (%s warm-up, %s measured), "
		       "recovery %s, "
		       "epochs of %s\n\n",
		       ct_format_ns((double)job->warmup_ns, warmup),
		       ct_format_ns((double)job->measure_ns, measure),
		       ct_format_ns((double)job->recovery_ns, recovery),
		       ct_format_ns((double)job->epoch_ns, epoch));
	printf("Cells\n");
	for (size_t i = 0; i < plan->n_cells; i++) {
		const struct ct_cell *cell = &plan->cells[i];

		printf("  %3zu  %s: %s beside %s at %.4g %%\n", i, job->configs[cell->config].name,
		       job->victims[cell->victim].name, job->aggressors[cell->aggressor].name,
		       cell->intensity);
	}
	putchar('\n');
	print_order(plan);
	printf("\nEvery value in force\n");
	print_configs(job);
	print_workloads(job);
}

static json_t *visits_json(const struct ct_plan *plan)
{
	json_t *list = json_array();
	char order[CT_PHASES_PER_BLOCK + 1];

	for (size_t i = 0; i < plan->n_visits; i++)
		json_array_append_new(list, json_pack("{s:i, s:i, s:s}", "cell",
						      (int)plan->visits[i].cell, "block",
						      (int)plan->visits[i].block, "order",
						      ct_visit_text(&plan->visits[i], order)));
	return list;
}

static void print_json(const struct ct_job *job, const struct ct_plan *plan)
{
	json_t *cells = json_array(), *all;
	char *text;

	for (size_t i = 0; i < plan->n_cells; i++) {
		const struct ct_cell *cell = &plan->cells[i];

		json_array_append_new(cells, json_pack("{s:s, s:s, s:s, s:f}", "config",
						       job->configs[cell->config].name, "victim",
						       job->victims[cell->victim].name, "aggressor",
						       job->aggressors[cell->aggressor].name,
						       "intensity", cell->intensity));
	}
	all = json_pack("{s:s, s:s, s:I, s:I, s:f, s:o, s:o}", "schema", "cotenant.plan/1", "suite",
			job->name, "seed", (json_int_t)plan->seed, "replicates",
			(json_int_t)(plan->replicates), "duration_s",
			(double)plan->duration_ns / 1e9, "cells", cells, "visits",
			visits_json(plan));
	text = json_dumps(all, JSON_INDENT(2));
	puts(text ? text : "{}");
	free(text);
	json_decref(all);
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {.seed = 1};
	struct ct_job job;
	struct ct_plan plan;
	bool good;

	if (!parse(argc, argv, &arguments, err) ||
	    !ct_job_load(&job, arguments.suite, arguments.sets, arguments.n_sets, err))
		return false;
	good = ct_plan_make(&plan, &job, arguments.seed, arguments.budget_ns, err);
	if (good && arguments.json)
		print_json(&job, &plan);
	else if (good)
		print_text(&job, &plan);
	if (good)
		ct_plan_free(&plan);
	ct_job_free(&job);
	return good;
}

const struct ct_command ct_command_plan = {
	.name = "plan",
	.summary = "what a job file would do, and how long it takes",
	.usage = "Usage: cotenant plan SUITE.ini [--seed N] [--budget TIME] [--set KEY=VALUE] "
		 "[--json]\n"
		 "\n"
		 "Checks a job file and shows its cells, the order of blocks, every value in force "
		 "and\n"
		 "the time it takes. Runs nothing. Options as for 'cotenant run'; the order shown "
		 "is that\n"
		 "of seed 1 unless --seed is given.\n",
	.run = run,
};
