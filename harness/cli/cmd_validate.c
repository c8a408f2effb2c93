/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant validate: does a file keep to results-schema/SCHEMA.md? */
#include <getopt.h>
#include <stdio.h>

#include "harness/cli/cli.h"
#include "harness/store/guard.h"
#include "harness/store/results.h"

static void print_violation(void *context, const char *text)
{
	(void)context;
	puts(text);
}

static bool print_ok(const char *path, struct ct_error *err)
{
	const struct ct_results_tables *tables;
	struct ct_results *results;
	unsigned long long samples = 0;

	if (!ct_results_open(&results, path, err))
		return false;
	tables = ct_results_tables(results);
	for (size_t i = 0; i < tables->n_phases; i++)
		samples += tables->phases[i].count;
	printf("%s: OK, cotenant.results/1%s: %zu cells, %zu blocks, %zu phases, %llu samples\n",
	       tables->path, tables->complete ? "" : " (not complete)", tables->n_cells,
	       tables->n_blocks, tables->n_phases, samples);
	ct_results_close(results);
	return true;
}

static bool validate(void *context, struct ct_error *err)
{
	const char *path = context;
	size_t n;

	if (!ct_results_validate(path, print_violation, NULL, &n, err))
		return false;
	if (n == 0)
		return print_ok(path, err);
	if (n >= CT_MAX_VIOLATIONS)
		return ct_usage(err, "%s: at least %d violations of cotenant.results/1", path,
				CT_MAX_VIOLATIONS);
	return ct_usage(err, "%s: %zu violation%s of cotenant.results/1", path, n,
			n == 1 ? "" : "s");
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	static const struct option options[] = {{0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1)
		return ct_cli_bad_option(argc, argv, option, err);
	if (argc - optind != 1)
		return ct_usage(err, "validate: give one result file: 'cotenant validate OUT.h5'");
	return ct_guarded(validate, argv[optind], argv[optind], err);
}

const struct ct_command ct_command_validate = {
	.name = "validate",
	.summary = "check a result file against the schema",
	.usage = "Usage: cotenant validate OUT.h5\n"
		 "\n"
		 "Checks every rule of results-schema/SCHEMA.md. Prints one line with OK, or a "
		 "line\n"
		 "for every violation (at most 100).\n"
		 "\n"
		 "Exit status: 0 valid, 2 not valid or not a result file.\n",
	.run = run,
};
