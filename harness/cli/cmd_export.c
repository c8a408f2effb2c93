/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant export: a result in the formats of other tools. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cli.h"
#include "harness/report/export.h"
#include "harness/store/column.h"
#include "harness/store/guard.h"

typedef bool export_fn(struct ct_results *results, const struct ct_selection *selection, FILE *out,
		       struct ct_error *err);

static const struct {
	const char *name;
	export_fn *write;
} formats[] = {{"csv", ct_export_csv},
	       {"json", ct_export_json},
	       {"hgrm", ct_export_hgrm},
	       {"openmetrics", ct_export_openmetrics},
	       {"markdown", ct_export_markdown}};
enum { N_FORMATS = sizeof formats / sizeof formats[0] };

struct arguments {
	const char *path, *output;
	export_fn *write;
	bool force;
	struct ct_selection selection;
	FILE *out;
};

static bool choose_format(const char *name, struct arguments *arguments, struct ct_error *err)
{
	for (size_t i = 0; i < N_FORMATS; i++) {
		if (strcmp(formats[i].name, name) == 0) {
			arguments->write = formats[i].write;
			return true;
		}
	}
	return ct_usage(err, "export: --format %s: one of csv, json, hgrm, openmetrics, markdown",
			name);
}

static bool choose_role(const char *name, struct ct_selection *selection, struct ct_error *err)
{
	for (int i = 0; ct_role_names[i]; i++) {
		if (strcmp(ct_role_names[i], name) == 0) {
			selection->role = i;
			return true;
		}
	}
	return ct_usage(err, "export: --role %s: one of baseline, treatment, recovery", name);
}

static bool choose_intensity(const char *text, struct ct_selection *selection, struct ct_error *err)
{
	char *end;

	selection->intensity = strtod(text, &end);
	if (end != text && (*end == '\0' || strcmp(end, "%") == 0) && selection->intensity >= 0 &&
	    selection->intensity <= 100)
		return true;
	return ct_usage(err, "export: --intensity %s: a percentage, as in 50%%", text);
}

static bool take_option(int option, struct arguments *arguments, struct ct_error *err)
{
	switch (option) {
	case 'f':
		return choose_format(optarg, arguments, err);
	case 'o':
		arguments->output = optarg;
		return true;
	case 'F':
		arguments->force = true;
		return true;
	case 'c':
		arguments->selection.config = optarg;
		return true;
	case 'v':
		arguments->selection.victim = optarg;
		return true;
	case 'a':
		arguments->selection.aggressor = optarg;
		return true;
	case 'i':
		return choose_intensity(optarg, &arguments->selection, err);
	default:
		return choose_role(optarg, &arguments->selection, err);
	}
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'f'},
						{"output", required_argument, NULL, 'o'},
						{"force", no_argument, NULL, 'F'},
						{"config", required_argument, NULL, 'c'},
						{"victim", required_argument, NULL, 'v'},
						{"aggressor", required_argument, NULL, 'a'},
						{"role", required_argument, NULL, 'r'},
						{"intensity", required_argument, NULL, 'i'},
						{0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:f:", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (!take_option(option, arguments, err))
			return false;
	}
	if (argc - optind != 1)
		return ct_usage(err, "export: give one result file: 'cotenant export OUT.h5 "
				     "--format csv'");
	if (!arguments->write)
		return ct_usage(err,
				"export: which format? --format csv, json, hgrm, openmetrics or "
				"markdown");
	arguments->path = argv[optind];
	return true;
}

static bool check_selection(const struct ct_results_tables *tables,
			    const struct arguments *arguments, struct ct_error *err)
{
	for (uint32_t cell = 0; cell < tables->n_cells; cell++) {
		struct ct_phase_info sample = {.cell = cell};

		if (arguments->selection.role >= 0)
			sample.role = (enum ct_role)arguments->selection.role;
		if (ct_selected(tables, &arguments->selection, &sample))
			return true;
	}
	return ct_usage(err,
			"export: %s has no such cell: 'cotenant show' lists configs, victims, "
			"aggressors and intensities",
			arguments->path);
}

static bool write_failed(const char *path, int cause, struct ct_error *err)
{
	if (cause == ENOSPC || cause == EDQUOT || cause == EFBIG)
		return ct_broken(err, "%s: %s: make room, or write elsewhere (-o)", path,
				 strerror(cause));
	return ct_usage(err, "%s: %s: write elsewhere (-o)", path, strerror(cause));
}

static bool write_export(void *context, struct ct_error *err)
{
	const struct arguments *arguments = context;
	struct ct_results *results;
	bool ok;

	if (!ct_results_open(&results, arguments->path, err))
		return false;
	ok = check_selection(ct_results_tables(results), arguments, err) &&
	     arguments->write(results, &arguments->selection, arguments->out, err);
	ct_results_close(results);
	errno = 0;
	if (ok && arguments->out != stdout &&
	    (fflush(arguments->out) != 0 || ferror(arguments->out)))
		ok = write_failed(arguments->output, errno ? errno : EIO, err);
	return ok;
}

/* Under another name first, so that the final name never holds half an export. */
static bool export_to_file(struct arguments *arguments, struct ct_error *err)
{
	char *temporary;
	bool ok = false;

	if (!arguments->force && access(arguments->output, F_OK) == 0)
		return ct_usage(err, "%s exists: --force replaces it", arguments->output);
	if (asprintf(&temporary, "%s.tmp", arguments->output) < 0)
		return ct_broken_errno(err, "memory for %s", arguments->output);
	unlink(temporary); /* of an earlier run, or somebody's link: never written through */
	arguments->out = fopen(temporary, "wxe");
	if (!arguments->out) {
		write_failed(arguments->output, errno, err);
		goto out;
	}
	ok = ct_guarded(write_export, arguments, arguments->path, err);
	if (fclose(arguments->out) != 0 && ok)
		ok = write_failed(arguments->output, errno, err);
	if (ok && rename(temporary, arguments->output) != 0)
		ok = write_failed(arguments->output, errno, err);
	if (!ok)
		unlink(temporary);
out:
	free(temporary);
	return ok;
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {.selection = {.intensity = -1, .role = -1}, .out = stdout};

	if (!parse(argc, argv, &arguments, err))
		return false;
	if (arguments.output && strcmp(arguments.output, "-") != 0)
		return export_to_file(&arguments, err);
	return ct_guarded(write_export, &arguments, arguments.path, err);
}

const struct ct_command ct_command_export = {
	.name = "export",
	.summary = "export a result: CSV, JSON, HdrHistogram, OpenMetrics, Markdown",
	.usage =
		"Usage: cotenant export OUT.h5 --format FORMAT [-o FILE] [--force]\n"
		"       [--config C] [--victim V] [--aggressor A] [--intensity P%] [--role R]\n"
		"\n"
		"  csv    a row for every phase, latencies in ns\n"
		"  json   cells with their coupling, and phases "
		"(results-schema/export.schema.json)\n"
		"  hgrm   HdrHistogram's percentile format, in ns, one histogram for every cell "
		"and\n"
		"         role; choose one (--victim dram --aggressor stream --intensity 100%\n"
		"         --role treatment) to get a file that its plotter takes\n"
		"  openmetrics\n"
		"         OpenMetrics 1.0 text in seconds and ratios, with 95 % limits as "
		"families\n"
		"         of their own (..._lower_..., ..._upper_...); what is not known is left "
		"out\n"
		"  markdown\n"
		"         a summary for a pull request: cells, shares of variance, guarantees, "
		"grades\n"
		"\n"
		"-o writes to FILE instead of standard output and refuses one that exists, unless\n"
		"--force is given. R is baseline, treatment or recovery. What openmetrics and "
		"markdown\n"
		"say of a victim or a config as a whole is chosen by --config and --victim only.\n"
		"\n"
		"Exit status: 0; 2 when the file can't be read or written, with the reason; 4 "
		"when\n"
		"the disk is full.\n",
	.run = run,
};
