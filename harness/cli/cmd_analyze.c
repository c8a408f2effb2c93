/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant analyze: the four answers of a campaign. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/cli/cli.h"
#include "harness/cli/output.h"
#include "harness/cli/resources.h"
#include "harness/core/units.h"
#include "harness/decide/tree.h"
#include "harness/report/analysis_report.h"
#include "harness/store/guard.h"

struct arguments {
	const char *json; /* NULL: text */
	const char *path; /* of the result at hand */
	double confidence;
	struct ct_slo slo;
	bool ranked;
	bool named; /* several results: each is introduced by its name */
};

static bool print_or_write(const struct arguments *arguments, const struct ct_analysis *analysis,
			   struct ct_error *err)
{
	const struct ct_slo *slo = arguments->ranked ? &arguments->slo : NULL;
	struct ct_style style = ct_style_of(stdout);

	if (arguments->json &&
	    !ct_output_json(arguments->json, ct_analysis_json(analysis, slo), err))
		return false;
	/* JSON on standard output stands alone, so that it can be piped. */
	if (arguments->json && arguments->json[0] == '-')
		return ct_cli_flush(err);
	if (arguments->named)
		printf("== %s\n\n", analysis->tables->path);
	return ct_analysis_print(analysis, slo, stdout, &style, err) && ct_cli_flush(err);
}

static bool analyze(void *context, struct ct_error *err)
{
	const struct arguments *arguments = context;
	struct ct_analysis analysis;
	struct ct_results *results;
	bool ok;

	if (!ct_results_open(&results, arguments->path, err))
		return false;
	ok = ct_analysis_make(&analysis, results, arguments->confidence, err);
	if (ok) {
		ok = ct_tree_find(&analysis, ct_cli_victim_resources, ct_cli_aggressor_resources,
				  err) &&
		     print_or_write(arguments, &analysis, err);
		ct_analysis_free(&analysis);
	}
	ct_results_close(results);
	return ok;
}

static bool take_confidence(const char *text, double *confidence, struct ct_error *err)
{
	if (!ct_parse_share(text, confidence, err))
		return ct_error_in(err, "analyze: --confidence");
	if (!(*confidence >= 0.5 && *confidence < 1))
		return ct_usage(err, "analyze: --confidence %s: from 50%% to below 100%%", text);
	return true;
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'},
						{"slo", required_argument, NULL, 's'},
						{"confidence", required_argument, NULL, 'c'},
						{0}};
	int option;

	opterr = 0;
	ct_output_explicit_json(argc, argv);
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (option == 'j')
			arguments->json = optarg;
		if (option == 's') {
			arguments->ranked = true;
			if (!ct_slo_parse(optarg, &arguments->slo, err))
				return ct_error_in(err, "analyze");
		}
		if (option == 'c' && !take_confidence(optarg, &arguments->confidence, err))
			return false;
	}
	if (optind == argc)
		return ct_usage(err, "analyze: give a result file: 'cotenant analyze OUT.h5'");
	if (arguments->json && argc - optind > 1)
		return ct_usage(err, "analyze: --json takes one result at a time");
	arguments->named = argc - optind > 1;
	return true;
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {.confidence = 0.95};

	if (!parse(argc, argv, &arguments, err))
		return false;
	for (int i = optind; i < argc; i++) {
		arguments.path = argv[i];
		if (!ct_guarded(analyze, &arguments, argv[i], err))
			return false;
	}
	return true;
}

const struct ct_command ct_command_analyze = {
	.name = "analyze",
	.summary = "analyse a result: instability, coupling, where the variance is from, promises",
	.usage =
		"Usage: cotenant analyze OUT.h5 [...] [--json [F]] [--slo SLO] [--confidence 95%]\n"
		"\n"
		"The unit of replication is the block, never the sample.\n"
		"\n"
		"  Instability    quantiles of each cell, alone and beside the aggressor, with\n"
		"                 distribution-free intervals for as many independent samples as "
		"the\n"
		"                 blocks are worth; spread, tail, dependence in time, drift, "
		"regimes\n"
		"  Coupling       slowdown by quantile, paired by block, with t intervals, and "
		"the\n"
		"                 smallest slowdown that this many blocks detect (power 0.8); "
		"which\n"
		"                 couplings the hardware tree predicts, and which it does not\n"
		"  Decomposition  variance of log latency by source, and omega squared: the share\n"
		"                 that is the neighbour's\n"
		"  Guarantee      upper bound of each quantile under the worst neighbour tested, "
		"or\n"
		"                 how many more blocks it needs; a grade for each config; the "
		"price\n"
		"                 of each config, which is not the neighbours'; configs ranked\n"
		"\n"
		"Options:\n"
		"      --json [F]         write JSON (results-schema/analysis.schema.json) to F;\n"
		"                         without F, or with '-', to standard output instead of "
		"text\n"
		"      --slo SLO          rank configs by [VICTIM:]QUANTILE<=TIME, as p99.9<=50us\n"
		"      --confidence P     of every interval and bound (default 95%)\n"
		"\n"
		"Exit status: 0; 2 when a file can't be read, with the reason.\n",
	.run = run,
};
