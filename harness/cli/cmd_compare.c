/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant compare: did a change of driver, kernel or hypervisor make anything slower? */
#include <getopt.h>
#include <stdio.h>

#include "harness/cli/cli.h"
#include "harness/cli/output.h"
#include "harness/core/units.h"
#include "harness/report/compare_report.h"
#include "harness/store/guard.h"

struct arguments {
	const char *base, *next;
	const char *json, *junit; /* NULL: not asked for */
	struct ct_comparison_options options;
};

static bool write_junit(void *context, FILE *out, struct ct_error *err)
{
	return ct_comparison_junit(context, out, err);
}

/* The verdict is the exit status; its sentence goes to standard error as every failure's does. */
static bool conclude(const struct ct_comparison *comparison, struct ct_error *err)
{
	char sentence[CT_VERDICT_TEXT];

	if (comparison->verdict == CT_REGRESSED)
		return ct_fail(err, CT_ERR_NEGATIVE, "compare: %s",
			       ct_comparison_sentence(comparison, sentence));
	if (comparison->verdict == CT_INCONCLUSIVE)
		return ct_fail(err, CT_ERR_INCONCLUSIVE, "compare: %s",
			       ct_comparison_sentence(comparison, sentence));
	return true;
}

static bool report(const struct arguments *arguments, struct ct_comparison *comparison,
		   struct ct_error *err)
{
	struct ct_style style = ct_style_of(stdout);

	if (arguments->junit && !ct_output_write(arguments->junit, write_junit, comparison, err))
		return false;
	if (arguments->json &&
	    !ct_output_json(arguments->json, ct_comparison_json(comparison), err))
		return false;
	/* What goes to standard output stands alone, so that it can be piped. */
	if ((arguments->json && arguments->json[0] == '-') ||
	    (arguments->junit && arguments->junit[0] == '-'))
		return ct_cli_flush(err);
	return ct_comparison_print(comparison, stdout, &style, err) && ct_cli_flush(err);
}

static bool compare_analyses(const struct arguments *arguments, const struct ct_analysis *base,
			     const struct ct_analysis *next, struct ct_error *err)
{
	struct ct_comparison comparison;
	bool ok;

	if (!ct_comparison_make(&comparison, base, next, &arguments->options, err))
		return false;
	ok = report(arguments, &comparison, err) && conclude(&comparison, err);
	ct_comparison_free(&comparison);
	return ok;
}

static bool analyze(const char *path, double confidence, struct ct_results **results,
		    struct ct_analysis *analysis, struct ct_error *err)
{
	if (!ct_results_open(results, path, err))
		return false;
	if (ct_analysis_make(analysis, *results, confidence, err))
		return true;
	ct_results_close(*results);
	return false;
}

static bool compare(void *context, struct ct_error *err)
{
	const struct arguments *arguments = context;
	const double confidence = arguments->options.confidence;
	struct ct_results *base, *next;
	struct ct_analysis from, to;
	bool ok;

	if (!analyze(arguments->base, confidence, &base, &from, err))
		return false;
	ok = analyze(arguments->next, confidence, &next, &to, err);
	if (ok) {
		ok = compare_analyses(arguments, &from, &to, err);
		ct_analysis_free(&to);
		ct_results_close(next);
	}
	ct_analysis_free(&from);
	ct_results_close(base);
	return ok;
}

static bool take_share(const char *name, const char *text, double *share, struct ct_error *err)
{
	if (!ct_parse_share(text, share, err))
		return ct_error_in(err, "compare: --%s", name);
	if (!(*share > 0 && *share < 1))
		return ct_usage(err, "compare: --%s %s: above 0 and below 100%%", name, text);
	return true;
}

static bool take_option(int option, struct arguments *arguments, struct ct_error *err)
{
	switch (option) {
	case 'm':
		return take_share("margin", optarg, &arguments->options.margin, err);
	case 'f':
		return take_share("fdr", optarg, &arguments->options.fdr, err);
	case 'c':
		return take_share("confidence", optarg, &arguments->options.confidence, err);
	case 'g':
		arguments->options.gate = ct_quantile_find(optarg);
		return arguments->options.gate < CT_QUANTILES ||
		       ct_usage(err, "compare: --gate %s: one of p50, p90, p95, p99, p99.9, p99.99",
				optarg);
	case 'j':
		arguments->json = optarg;
		return true;
	default:
		arguments->junit = optarg;
		return true;
	}
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {{"margin", required_argument, NULL, 'm'},
						{"fdr", required_argument, NULL, 'f'},
						{"confidence", required_argument, NULL, 'c'},
						{"gate", required_argument, NULL, 'g'},
						{"json", required_argument, NULL, 'j'},
						{"junit", required_argument, NULL, 'u'},
						{0}};
	int option;

	opterr = 0;
	ct_output_explicit_json(argc, argv);
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (!take_option(option, arguments, err))
			return false;
	}
	if (argc - optind != 2)
		return ct_usage(err, "compare: give two result files: 'cotenant compare BASE.h5 "
				     "NEW.h5'");
	arguments->base = argv[optind];
	arguments->next = argv[optind + 1];
	return true;
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {
		.options = {.margin = 0.03, .fdr = 0.05, .confidence = 0.95, .gate = CT_QUANTILES}};
	char paths[512];

	if (!parse(argc, argv, &arguments, err))
		return false;
	snprintf(paths, sizeof paths, "%s or %s", arguments.base, arguments.next);
	return ct_guarded(compare, &arguments, paths, err);
}

const struct ct_command ct_command_compare = {
	.name = "compare",
	.summary = "compare two results cell by cell: regressed, improved, equivalent",
	.usage =
		"Usage: cotenant compare BASE.h5 NEW.h5 [--margin 3%] [--fdr 0.05] [--gate p99]\n"
		"                        [--json [F]] [--junit F]\n"
		"\n"
		"Says first what changed in the environment, because that is what is tested; "
		"then,\n"
		"for each cell that both files have and for each victim alone, NEW over BASE with\n"
		"its interval over blocks and a verdict:\n"
		"\n"
		"  regressed     different (Benjamini-Hochberg over all cells) and beyond the "
		"margin\n"
		"  improved      the same on the other side\n"
		"  equivalent    shown to lie inside the margin (two one-sided tests)\n"
		"  inconclusive  neither; 'detectable' is what this many blocks would have found\n"
		"\n"
		"One quantile decides for a cell: p99 where every block carries it, else p90, "
		"else\n"
		"p50. Cells that can't be matched are listed with the reason. Results of another\n"
		"CPU, or of phases of another length, are not compared.\n"
		"\n"
		"Intervals cover the changes of a machine's level that the blocks of each file "
		"saw.\n"
		"Let both campaigns last as long as that level takes to wander: after a few "
		"seconds\n"
		"on a shared host a passing change looks like a regression.\n"
		"\n"
		"Options:\n"
		"      --margin M        what matters, as a share (default 3%)\n"
		"      --fdr R           share of false alarms among the alarms (default 0.05)\n"
		"      --gate Q          the quantile that decides\n"
		"      --confidence P    of the intervals (default 95%)\n"
		"      --json [F]        write JSON (results-schema/compare.schema.json) to F;\n"
		"                        without F, or with '-', to standard output\n"
		"      --junit F         write JUnit XML for a CI server: regressed cells fail,\n"
		"                        inconclusive ones are skipped\n"
		"\n"
		"Exit status: 0 equivalent or improved; 1 regressed; 3 inconclusive or not\n"
		"comparable; 2 when a file can't be read, with the reason.\n",
	.run = run,
};
