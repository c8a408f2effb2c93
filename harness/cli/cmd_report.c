/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant report: one HTML file that people publish. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "harness/cli/cli.h"
#include "harness/cli/output.h"
#include "harness/cli/resources.h"
#include "harness/core/units.h"
#include "harness/decide/tree.h"
#include "harness/report/page.h"
#include "harness/store/guard.h"

enum { MOST_SOURCES = 16, MOST_NOTES = 1 << 20, LABEL_TEXT = 128 };

struct arguments {
	char *const *paths;
	size_t n_paths, n_aliases;
	const char *output, *title, *author, *notes_path, *aliases[MOST_SOURCES];
	char *notes;
	double confidence, margin;
	struct ct_slo slo;
	bool ranked, identify;
};

/* "runs/vm.h5" is called "vm". */
static void label_of(const char *path, char out[LABEL_TEXT])
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	snprintf(out, LABEL_TEXT, "%.*s", (int)(dot > name ? dot - name : (long)strlen(name)),
		 name);
}

static bool write_page(void *context, FILE *out, struct ct_error *err)
{
	return ct_page_write(context, out, err);
}

static bool write_report(const struct arguments *arguments, struct ct_page *page,
			 struct ct_error *err)
{
	char title[LABEL_TEXT + 32];

	snprintf(title, sizeof title, "Variance report: %.100s",
		 page->sources[0].analysis.tables->suite);
	page->title = arguments->title ? arguments->title : title;
	page->author = arguments->author ? arguments->author : "";
	page->notes = arguments->notes ? arguments->notes : "";
	page->slo = arguments->ranked ? &arguments->slo : NULL;
	page->margin = arguments->margin;
	page->identify = arguments->identify;
	return ct_output_write(arguments->output, write_page, page, err);
}

static bool open_source(const struct arguments *arguments, size_t i, struct ct_page_source *source,
			char label[LABEL_TEXT], struct ct_error *err)
{
	label_of(arguments->paths[i], label);
	source->aliased = i < arguments->n_aliases;
	source->label = source->aliased ? arguments->aliases[i] : label;
	if (!ct_results_open(&source->results, arguments->paths[i], err))
		return false;
	if (ct_analysis_make(&source->analysis, source->results, arguments->confidence, err)) {
		if (ct_tree_find(&source->analysis, ct_cli_victim_resources,
				 ct_cli_aggressor_resources, err))
			return true;
		ct_analysis_free(&source->analysis);
	}
	ct_results_close(source->results);
	return false;
}

static bool report(void *context, struct ct_error *err)
{
	const struct arguments *arguments = context;
	struct ct_page_source sources[MOST_SOURCES];
	char labels[MOST_SOURCES][LABEL_TEXT];
	struct ct_page page = {.sources = sources};
	bool ok = true;

	while (ok && page.n_sources < arguments->n_paths) {
		ok = open_source(arguments, page.n_sources, &sources[page.n_sources],
				 labels[page.n_sources], err);
		page.n_sources += ok;
	}
	ok = ok && page.n_sources > 0 && write_report(arguments, &page, err);
	for (size_t i = 0; i < page.n_sources; i++) {
		ct_analysis_free(&sources[i].analysis);
		ct_results_close(sources[i].results);
	}
	return ok;
}

static bool read_notes(struct arguments *arguments, struct ct_error *err)
{
	FILE *in = fopen(arguments->notes_path, "re");
	size_t length;

	if (!in)
		return ct_usage(err, "report: --notes %s: %s", arguments->notes_path,
				strerror(errno));
	arguments->notes = calloc(1, MOST_NOTES + 1);
	if (!arguments->notes) {
		fclose(in);
		return ct_broken_errno(err, "memory for the notes");
	}
	length = fread(arguments->notes, 1, MOST_NOTES, in);
	if (ferror(in) || !feof(in)) {
		ct_usage(err, "report: --notes %s: %s", arguments->notes_path,
			 ferror(in) ? "can't be read: is it a file?" : "longer than 1 MiB");
		fclose(in);
		return false;
	}
	fclose(in);
	return strlen(arguments->notes) == length ||
	       ct_usage(err, "report: --notes %s: not a text file", arguments->notes_path);
}

static bool take_share(const char *name, const char *text, double least, double *share,
		       struct ct_error *err)
{
	if (!ct_parse_share(text, share, err))
		return ct_error_in(err, "report: --%s", name);
	if (!(*share >= least && *share > 0 && *share < 1))
		return ct_usage(err, "report: --%s %s: %s", name, text,
				least > 0 ? "from 50% to below 100%" : "above 0 and below 100%");
	return true;
}

static bool take_option(int option, struct arguments *arguments, struct ct_error *err)
{
	switch (option) {
	case 'o':
		arguments->output = optarg;
		return true;
	case 't':
		arguments->title = optarg;
		return true;
	case 'u':
		arguments->author = optarg;
		return true;
	case 'n':
		arguments->notes_path = optarg;
		return true;
	case 'a':
		if (arguments->n_aliases == MOST_SOURCES)
			return ct_usage(err, "report: more aliases than results");
		arguments->aliases[arguments->n_aliases++] = optarg;
		return true;
	case 'i':
		arguments->identify = true;
		return true;
	case 's':
		arguments->ranked = true;
		return ct_slo_parse(optarg, &arguments->slo, err) || ct_error_in(err, "report");
	case 'm':
		return take_share("margin", optarg, 0, &arguments->margin, err);
	default:
		return take_share("confidence", optarg, 0.5, &arguments->confidence, err);
	}
}

/* Jansson takes nothing else, and a browser would show something else. */
static bool check_text(const char *what, const char *text, struct ct_error *err)
{
	json_t *string = json_string(text);
	const bool good = string != NULL;

	json_decref(string);
	return good || ct_usage(err, "report: %s is not UTF-8 text", what);
}

static bool check_texts(const struct arguments *arguments, struct ct_error *err)
{
	char label[LABEL_TEXT];

	if ((arguments->title && !check_text("--title", arguments->title, err)) ||
	    (arguments->author && !check_text("--author", arguments->author, err)))
		return false;
	for (size_t i = 0; i < arguments->n_aliases; i++) {
		if (!check_text("--alias", arguments->aliases[i], err))
			return false;
	}
	for (size_t i = arguments->n_aliases; i < arguments->n_paths; i++) {
		label_of(arguments->paths[i], label);
		if (!check_text("the name of a result (--alias gives it another)", label, err))
			return false;
	}
	return true;
}

static bool check_arguments(const struct arguments *arguments, struct ct_error *err)
{
	if (arguments->n_paths == 0)
		return ct_usage(err, "report: give a result file: 'cotenant report OUT.h5 -o "
				     "REPORT.html'");
	if (!arguments->output)
		return ct_usage(err, "report: where to? -o REPORT.html");
	if (arguments->n_paths > MOST_SOURCES)
		return ct_usage(err, "report: at most %d results side by side", MOST_SOURCES);
	if (arguments->n_aliases > arguments->n_paths)
		return ct_usage(err, "report: more aliases than results");
	if (arguments->n_aliases > 0 && arguments->identify)
		return ct_usage(err, "report: --alias hides what --identify shows: give one of "
				     "them");
	if (arguments->n_aliases > 0 && arguments->n_aliases < arguments->n_paths)
		return ct_usage(err,
				"report: --alias for each result or for none (%zu of %zu given): "
				"one that keeps its name tells which the others are",
				arguments->n_aliases, arguments->n_paths);
	return true;
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {{"output", required_argument, NULL, 'o'},
						{"title", required_argument, NULL, 't'},
						{"author", required_argument, NULL, 'u'},
						{"notes", required_argument, NULL, 'n'},
						{"alias", required_argument, NULL, 'a'},
						{"identify", no_argument, NULL, 'i'},
						{"slo", required_argument, NULL, 's'},
						{"margin", required_argument, NULL, 'm'},
						{"confidence", required_argument, NULL, 'c'},
						{0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (!take_option(option, arguments, err))
			return false;
	}
	arguments->paths = argv + optind;
	arguments->n_paths = (size_t)(argc - optind);
	return check_arguments(arguments, err) && check_texts(arguments, err);
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {.paths = argv, .confidence = 0.95, .margin = 0.03};
	bool ok = parse(argc, argv, &arguments, err) &&
		  (!arguments.notes_path || read_notes(&arguments, err)) &&
		  ct_guarded(report, &arguments, arguments.paths[0], err);

	free(arguments.notes);
	if (ok && !ct_page_has_charts())
		fputs("cotenant: this build has no chart library, so the report has tables only: "
		      "install npm (scripts/setup.sh) and run make again\n",
		      stderr);
	return ok;
}

const struct ct_command ct_command_report = {
	.name = "report",
	.summary = "write the variance report of one or more results as one HTML file",
	.usage =
		"Usage: cotenant report OUT.h5 [...] -o REPORT.html [--slo SLO] [--title T]\n"
		"                       [--author A] [--notes FILE.md] [--alias NAME ...] "
		"[--identify]\n"
		"\n"
		"One self-contained file: it opens without network, in light and dark, prints, "
		"and\n"
		"its charts save as SVG and PNG, its tables as CSV. Four sections (instability,\n"
		"coupling, decomposition, guarantee) open with their answer; then come "
		"provenance,\n"
		"method and all data. Numbers are those of 'cotenant analyze --json'.\n"
		"\n"
		"Several results become columns, compared with the first where they can be.\n"
		"\n"
		"Options:\n"
		"  -o, --output FILE      where to write ('-': standard output)\n"
		"      --title TEXT       heading (default: the suite's name)\n"
		"      --author TEXT      who stands for it\n"
		"      --notes FILE.md    Markdown text of yours; raw HTML and images are left "
		"out\n"
		"      --alias NAME       call the first result NAME, the second alias is for the\n"
		"                         second, ...: leaves out what names the hardware\n"
		"      --identify         keep host names, file names and addresses, which are\n"
		"                         otherwise replaced by a word in brackets\n"
		"      --slo SLO          rank configs by [VICTIM:]QUANTILE<=TIME, as p99.9<=50us\n"
		"      --margin M         what matters in comparisons (default 3%)\n"
		"      --confidence P     of every interval and bound (default 95%)\n"
		"\n"
		"Exit status: 0; 2 when a file can't be read or written, with the reason; 4 when\n"
		"the disk is full.\n",
	.run = run,
};
