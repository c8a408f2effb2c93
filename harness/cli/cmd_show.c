/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant show: a result in the terminal, its quality first. */
#include <getopt.h>
#include <stdio.h>

#include "harness/cli/cli.h"
#include "harness/decide/coupling.h"
#include "harness/decide/lockin.h"
#include "harness/decide/quality.h"
#include "harness/report/lockin_report.h"
#include "harness/report/summary.h"
#include "harness/store/guard.h"

static const double confidence = 0.95;

static bool show_blocks(const struct ct_summary *summary, struct ct_error *err)
{
	return ct_summary_baselines(summary, err) && ct_summary_matrix(summary, err) &&
	       ct_summary_sensitivity(summary, err) && ct_summary_sentence(summary, err);
}

static bool show(struct ct_results *results, struct ct_error *err)
{
	struct ct_lockin_table lockin = {0};
	struct ct_coupling coupling;
	struct ct_quality quality;
	struct ct_summary summary = {.results = results,
				     .tables = ct_results_tables(results),
				     .coupling = &coupling,
				     .quality = &quality,
				     .style = ct_style_of(stdout),
				     .out = stdout};
	bool ok;

	if (!ct_coupling_make(&coupling, results, confidence, err))
		return false;
	ok = ct_quality_make(&quality, results, &coupling, err) &&
	     ct_summary_quality(&summary, err) &&
	     ct_lockin_table_make(&lockin, results, confidence, err) &&
	     ct_lockin_print(&lockin, summary.tables, stdout, &summary.style, err);
	/* A campaign by lock-in has no blocks for the rest. */
	ok = ok && (lockin.n_pairs > 0 || show_blocks(&summary, err));
	ct_lockin_table_free(&lockin);
	ct_coupling_free(&coupling);
	return ok;
}

static bool open_and_show(void *path, struct ct_error *err)
{
	struct ct_results *results;
	bool ok;

	if (!ct_results_open(&results, path, err))
		return false;
	ok = show(results, err);
	ct_results_close(results);
	return ok;
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	static const struct option options[] = {{0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1)
		return ct_cli_bad_option(argc, argv, option, err);
	if (argc - optind != 1)
		return ct_usage(err, "show: give one result file: 'cotenant show OUT.h5'");
	return ct_guarded(open_and_show, argv[optind], argv[optind], err);
}

const struct ct_command ct_command_show = {
	.name = "show",
	.summary = "show a result: its quality, the victims, who disturbs whom",
	.usage = "Usage: cotenant show OUT.h5\n"
		 "\n"
		 "Prints, in this order: the quality of the measurement (clock, null victim, a\n"
		 "planted delay recovered, blocks that do not count, overlap); each victim alone;\n"
		 "the coupling matrix, slowdown of p50, p99 and p99.9 at the highest intensity "
		 "with\n"
		 "95 % intervals over blocks; the slowdown at every intensity; one sentence.\n"
		 "\n"
		 "A quantile q is shown where every block has at least 1/(1-q) samples a side;\n"
		 "elsewhere it says how many it has. On a terminal a slowdown has a bar (UTF-8) "
		 "and\n"
		 "a colour; NO_COLOR and COLUMNS are honoured; in a pipe the text is plain.\n"
		 "\n"
		 "Exit status: 0; 2 when the file can't be read, with the reason.\n",
	.run = run,
};
