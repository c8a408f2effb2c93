/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant predict: several aggressors at once, from what each does alone. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/cli/cli.h"
#include "harness/cli/output.h"
#include "harness/cli/resources.h"
#include "harness/core/units.h"
#include "harness/report/predict_report.h"
#include "harness/store/guard.h"

struct arguments {
	const char *json; /* NULL: text */
	const char *path;
	struct ct_predict_options options;
};

static bool print_or_write(const struct arguments *arguments,
			   const struct ct_predictions *predictions, struct ct_error *err)
{
	struct ct_style style = ct_style_of(stdout);

	if (arguments->json &&
	    !ct_output_json(arguments->json, ct_predictions_json(predictions), err))
		return false;
	/* JSON on standard output stands alone, so that it can be piped. */
	if (arguments->json && arguments->json[0] == '-')
		return ct_cli_flush(err);
	return ct_predictions_print(predictions, stdout, &style, err) && ct_cli_flush(err);
}

static bool predict(void *context, struct ct_error *err)
{
	const struct arguments *arguments = context;
	struct ct_predictions predictions;
	struct ct_results *results;
	bool ok;

	if (!ct_results_open(&results, arguments->path, err))
		return false;
	ok = ct_predictions_make(&predictions, results, &arguments->options, err) &&
	     print_or_write(arguments, &predictions, err);
	ct_predictions_free(&predictions);
	ct_results_close(results);
	return ok;
}

static bool take_confidence(const char *text, double *confidence, struct ct_error *err)
{
	if (!ct_parse_share(text, confidence, err))
		return ct_error_in(err, "predict: --confidence");
	if (!(*confidence >= 0.5 && *confidence < 1))
		return ct_usage(err, "predict: --confidence %s: from 50%% to below 100%%", text);
	return true;
}

/* `of` has room for as many as there are words. */
static bool parse(int argc, char **argv, struct arguments *arguments, const char **of,
		  struct ct_error *err)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'},
						{"of", required_argument, NULL, 'o'},
						{"pairs", no_argument, NULL, 'p'},
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
		if (option == 'o')
			of[arguments->options.n_of++] = optarg;
		if (option == 'p')
			arguments->options.pairs = true;
		if (option == 'c' && !take_confidence(optarg, &arguments->options.confidence, err))
			return false;
	}
	if (argc - optind != 1)
		return ct_usage(err, "predict: give one result file: 'cotenant predict OUT.h5'");
	arguments->path = argv[optind];
	arguments->options.of = of;
	return true;
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {
		.options = {.confidence = 0.95,
			    .victim_resources = ct_cli_victim_resources,
			    .aggressor_resources = ct_cli_aggressor_resources}};
	const char **of = calloc((size_t)argc + 1, sizeof *of);
	bool ok = (of || ct_broken_errno(err, "memory for arguments")) &&
		  parse(argc, argv, &arguments, of, err) &&
		  ct_guarded(predict, &arguments, arguments.path, err);

	free(of);
	return ok;
}

const struct ct_command ct_command_predict = {
	.name = "predict",
	.summary = "predict several aggressors at once from each alone, and check it",
	.usage =
		"Usage: cotenant predict OUT.h5 [--of A+B[+C]] [--pairs] [--json [F]]\n"
		"                        [--confidence 95%]\n"
		"\n"
		"Predicts a victim's slowdown (p50, p90, p99) under several aggressors at once "
		"from\n"
		"the cells in which each was alone at the same intensity. Where the file has cells "
		"of\n"
		"'kind = mix' (suites/pairs.ini), they are predicted as well, each without any\n"
		"measurement of that mixture, and the error is told beside that of simpler rules:\n"
		"\n"
		"  larger    the larger slowdown alone        product  the product of slowdowns\n"
		"  sum       1 and the sum of excesses        queue    utilisations add\n"
		"  turns     never on at once: the shares of samples that each delays add\n"
		"\n"
		"A prediction is a weighted mean of these five; weights come from the mixtures "
		"that\n"
		"were measured, by quantile and by whether the parts and the victim meet in one\n"
		"resource. The interval is where a measurement will lie, judged by the errors of "
		"the\n"
		"other mixtures; with three or fewer it spans all five rules.\n"
		"\n"
		"Options:\n"
		"      --of A+B[+C]       predict these together, measured or not; may be "
		"repeated\n"
		"      --pairs            predict every pair; the default where no mixture was "
		"measured\n"
		"      --json [F]         write JSON (results-schema/predict.schema.json) to F;\n"
		"                         without F, or with '-', to standard output instead of "
		"text\n"
		"      --confidence P     of every interval (default 95%)\n"
		"\n"
		"Exit status: 0; 2 when a file can't be read or an aggressor is unknown; 3 when "
		"the\n"
		"file has nothing to predict from.\n",
	.run = run,
};
