/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant listen: victims alone, for neighbours that nobody declared. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/core/units.h"
#include "harness/listen/listen.h"

enum { MAX_WORDS = 64 };

struct arguments {
	struct ct_listen_request request;
	const char *victims[MAX_WORDS], *settings[MAX_WORDS];
	double percent;
};

static bool parse_percent(const char *text, double *percent, struct ct_error *err)
{
	char *end;

	*percent = strtod(text, &end);
	if (end != text && (*end == '\0' || strcmp(end, "%") == 0) && *percent >= 0.05 &&
	    *percent <= 100)
		return true;
	return ct_usage(err, "listen: --cpu %s: a share of one CPU, 0.05%% to 100%%", text);
}

static bool take_option(int option, struct arguments *arguments, struct ct_error *err)
{
	struct ct_listen_request *request = &arguments->request;

	switch (option) {
	case 'o':
		request->output = optarg;
		return true;
	case 't':
		return ct_parse_time(optarg, &request->duration_ns, err) ||
		       ct_error_in(err, "listen: -t");
	case 'r':
		return ct_parse_time(optarg, &request->rotate_ns, err) ||
		       ct_error_in(err, "listen: --rotate");
	case 'c':
		return parse_percent(optarg, &request->duty, err);
	case 'm':
		request->matrix = optarg;
		return true;
	case 'p':
		request->metrics = optarg;
		return true;
	case 'j':
		request->json = true;
		return true;
	}
	return true;
}

static bool take_words(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	struct ct_listen_request *request = &arguments->request;

	for (int i = optind; i < argc; i++) {
		if (request->n_victims == MAX_WORDS || request->n_settings == MAX_WORDS)
			return ct_usage(err, "listen: more than %d words", MAX_WORDS);
		if (strpbrk(argv[i], "\n[]"))
			return ct_usage(err, "listen: '%s' is neither a victim nor key=value",
					argv[i]);
		if (strchr(argv[i], '='))
			arguments->settings[request->n_settings++] = argv[i];
		else
			arguments->victims[request->n_victims++] = argv[i];
	}
	return true;
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {
		{"output", required_argument, NULL, 'o'}, {"time", required_argument, NULL, 't'},
		{"rotate", required_argument, NULL, 'r'}, {"cpu", required_argument, NULL, 'c'},
		{"matrix", required_argument, NULL, 'm'}, {"metrics", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},         {0}};
	struct ct_listen_request *request = &arguments->request;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:t:", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (!take_option(option, arguments, err))
			return false;
	}
	if (!take_words(argc, argv, arguments, err))
		return false;
	request->victims = arguments->victims;
	request->settings = arguments->settings;
	if (!request->output)
		return ct_usage(err, "listen: where to? Name the result with -o FILE.h5");
	if (request->duration_ns > 0 && request->duration_ns < 1000000000)
		return ct_usage(err, "listen: -t: at least 1s");
	if (request->rotate_ns > 0 && request->rotate_ns < 1000000000)
		return ct_usage(err, "listen: --rotate: at least 1s");
	return true;
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {.request = {.duty = 0.4}};
	char *command_line = ct_cli_command_line(argc, argv);
	bool good;

	arguments.request.command_line = command_line ? command_line : "cotenant listen";
	good = parse(argc, argv, &arguments, err) && ct_listen(&arguments.request, err);
	free(command_line);
	return good;
}

const struct ct_command ct_command_listen = {
	.name = "listen",
	.summary = "listen for neighbours that nobody declared",
	.usage =
		"Usage: cotenant listen [VICTIM ...] [KEY=VALUE ...] [-t TIME] -o OUT.h5\n"
		"\n"
		"Runs victims alone, each for a small share of the time, and tells of every change "
		"of\n"
		"their latencies: when a neighbour came, whom it slowed, what it presses, whom it "
		"is\n"
		"like, and when it went. Nothing is started that disturbs. Neighbours under the "
		"same\n"
		"kernel show in what it counts of everybody as well: forks, faults, interrupts.\n"
		"\n"
		"VICTIM is memory, cache, core, timer, faults (the default: all five) or any name "
		"of\n"
		"'cotenant list victims'. KEY=VALUE is a tenant's: cpus=core:0 (the default), "
		"via=...\n"
		"\n"
		"  -o, --output FILE    the result; with --rotate or without -t FILE-000001.h5 "
		"...\n"
		"  -t, --time TIME      for so long; default: until Ctrl-C, a file an hour\n"
		"      --rotate TIME    a new file after so long\n"
		"      --matrix FILE    a result of suites/listen.ini: neighbours are likened to "
		"its\n"
		"                       aggressors\n"
		"      --cpu PERCENT    of one CPU, for all victims together; default 0.4%\n"
		"      --metrics FILE   an OpenMetrics page, replaced after every minute: for\n"
		"                       node_exporter's textfile collector\n"
		"      --json           events as JSON lines, and a summary\n"
		"\n"
		"Events go to standard output as they are heard, and into the result's log. The "
		"noise\n"
		"score is how much longer the mean operation took than the quiet median.\n"
		"Exit status: 0 (Ctrl-C too: all is saved), 2 bad input, 4 the machine failed.\n",
	.run = run,
};
