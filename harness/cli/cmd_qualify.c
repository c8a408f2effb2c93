/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant qualify: does a result keep the limits of a specification? */
#include <getopt.h>
#include <stdio.h>

#include "harness/cli/cli.h"
#include "harness/cli/output.h"
#include "harness/report/qualify_report.h"
#include "harness/store/guard.h"

struct arguments {
	const char *path, *spec_path;
	const char *json, *junit; /* NULL: not asked for */
	struct ct_spec spec;
};

static bool write_junit(void *context, FILE *out, struct ct_error *err)
{
	return ct_qualification_junit(context, out, err);
}

static bool report(const struct arguments *arguments, struct ct_qualification *qualification,
		   struct ct_error *err)
{
	struct ct_style style = ct_style_of(stdout);

	if (arguments->junit && !ct_output_write(arguments->junit, write_junit, qualification, err))
		return false;
	if (arguments->json &&
	    !ct_output_json(arguments->json, ct_qualification_json(qualification), err))
		return false;
	/* What goes to standard output stands alone, so that it can be piped. */
	if ((arguments->json && arguments->json[0] == '-') ||
	    (arguments->junit && arguments->junit[0] == '-'))
		return ct_cli_flush(err);
	return ct_qualification_print(qualification, stdout, &style, err) && ct_cli_flush(err);
}

/* The verdict is the exit status; its sentence goes to standard error as every failure's does. */
static bool conclude(const struct ct_qualification *qualification, struct ct_error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < qualification->n; i++)
		n += qualification->findings[i].outcome == qualification->outcome;
	if (qualification->outcome == CT_FAIL)
		return ct_fail(err, CT_ERR_NEGATIVE,
			       "qualify: not qualified: %zu of %zu requirements fail", n,
			       qualification->n);
	if (qualification->outcome == CT_UNDECIDED)
		return ct_fail(err, CT_ERR_INCONCLUSIVE,
			       "qualify: inconclusive: %zu of %zu requirements are not settled", n,
			       qualification->n);
	return true;
}

static bool qualify(void *context, struct ct_error *err)
{
	const struct arguments *arguments = context;
	struct ct_qualification qualification;
	struct ct_results *results;
	bool ok;

	if (!ct_results_open(&results, arguments->path, err))
		return false;
	ok = ct_qualification_make(&qualification, results, &arguments->spec, err);
	if (ok) {
		ok = report(arguments, &qualification, err) && conclude(&qualification, err);
		ct_qualification_free(&qualification);
	}
	ct_results_close(results);
	return ok;
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'},
						{"junit", required_argument, NULL, 'u'},
						{0}};
	int option;

	opterr = 0;
	ct_output_explicit_json(argc, argv);
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (option == 'j')
			arguments->json = optarg;
		else
			arguments->junit = optarg;
	}
	if (argc - optind != 2)
		return ct_usage(err, "qualify: give a result and a spec: 'cotenant qualify OUT.h5 "
				     "SPEC.ini'");
	arguments->path = argv[optind];
	arguments->spec_path = argv[optind + 1];
	return true;
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {0};
	bool ok;

	if (!parse(argc, argv, &arguments, err) ||
	    !ct_spec_load(&arguments.spec, arguments.spec_path, err))
		return false;
	ok = ct_guarded(qualify, &arguments, arguments.path, err);
	ct_spec_free(&arguments.spec);
	return ok;
}

const struct ct_command ct_command_qualify = {
	.name = "qualify",
	.summary = "hold a result to a specification: pass, fail, inconclusive",
	.usage =
		"Usage: cotenant qualify OUT.h5 SPEC.ini [--json [F]] [--junit F]\n"
		"\n"
		"A spec has one section for each limit; suites/specs/ has ready ones:\n"
		"\n"
		"  [require quiet-memory]\n"
		"  victim = mem_latency     name or kind; any (default)\n"
		"  aggressor = any          name or kind; any (default); none: the victim alone\n"
		"  config = any             name; any (default)\n"
		"  intensity = 100%         any (default)\n"
		"  metric = slowdown_p99    see below\n"
		"  limit = 1.10             at most\n"
		"  confidence = 95%         of the interval (default)\n"
		"  why = ...                the reason for the limit, shown when it is not kept\n"
		"\n"
		"Metrics (pNN: p50 p90 p95 p99 p999 p9999):\n"
		"  pNN             latency beside the aggressor, or alone        limit = 50us\n"
		"  slowdown_pNN    beside over alone, paired by block            limit = 1.10\n"
		"  recovery_pNN    after the aggressor over before it            limit = 1.05\n"
		"  price_pNN       alone in this config over in the first one    limit = 1.05\n"
		"  guarantee_pNN   upper bound under the worst neighbour         limit = 1ms\n"
		"  jitter          p99 over p50, less 1                          limit = 50%\n"
		"  cotenant_share  neighbour's share of the variance             limit = 5%\n"
		"  grade           isolation grade of the config                 limit = B\n"
		"\n"
		"A requirement passes when the whole interval of every cell it names is within "
		"the\n"
		"limit, fails when that of some cell is wholly beyond (corrected for the number "
		"of\n"
		"cells), and is inconclusive otherwise; then it says how many more blocks of the\n"
		"deciding cell would settle it. What did not load or is not there never passes.\n"
		"\n"
		"Options:\n"
		"      --json [F]   write JSON (results-schema/qualify.schema.json) to F; without\n"
		"                   F, or with '-', to standard output\n"
		"      --junit F    write JUnit XML for a CI server\n"
		"\n"
		"Exit status: 0 all pass; 1 some fail; 3 none fails but some are inconclusive; 2\n"
		"when a file can't be read, with the reason.\n",
	.run = run,
};
