/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant restore: undoes what a crash left on this machine. */
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cli.h"
#include "harness/tenant/leftovers.h"

static void print_line(void *context, const char *line)
{
	(void)context;
	puts(line);
	fflush(stdout); /* a script's own words come after it, not before */
}

/* Installed they are in share/cotenant/scripts; in the source tree one or two folders
 * above a build. */
static const char *find_scripts(char folder[PATH_MAX])
{
	static const char *const places[] = {"../share/cotenant/scripts", "../scripts",
					     "../../scripts"};
	char self[PATH_MAX], candidate[PATH_MAX + 64];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

	if (length < 0)
		return NULL;
	self[length] = '\0';
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		char copy[PATH_MAX];

		snprintf(copy, sizeof copy, "%s", self);
		snprintf(candidate, sizeof candidate, "%s/%s/vf.sh", dirname(copy), places[i]);
		if (realpath(candidate, folder))
			return dirname(folder);
	}
	return NULL;
}

static bool parse(int argc, char **argv, struct ct_leftovers_request *request, struct ct_error *err)
{
	static const struct option options[] = {{"dry-run", no_argument, NULL, 'n'},
						{"force", no_argument, NULL, 'f'},
						{"root", required_argument, NULL, 'r'},
						{0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":n", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			request->dry_run = true;
			break;
		case 'f':
			request->force = true;
			break;
		case 'r':
			request->root = optarg;
			break;
		default:
			return ct_cli_bad_option(argc, argv, option, err);
		}
	}
	return optind == argc ||
	       ct_usage(err, "restore: takes no '%s': it finds by itself what there is",
			argv[optind]);
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	const char *state_dir = getenv("COTENANT_STATE_DIR");
	char scripts[PATH_MAX];
	struct ct_leftovers_request request = {
		.root = "/",
		.state_dir = state_dir ? state_dir : "/run/cotenant",
		.scripts = find_scripts(scripts),
		.say = print_line,
	};
	struct ct_leftovers_tally tally;

	if (!parse(argc, argv, &request, err) || !ct_leftovers_restore(&request, &tally, err))
		return false;
	if (tally.found == 0)
		puts("nothing of cotenant is left on this machine");
	return tally.left == 0 || ct_broken(err,
					    "%zu of %zu things that were found are still there: "
					    "see above for the reason of each",
					    tally.left, tally.found);
}

const struct ct_command ct_command_restore = {
	.name = "restore",
	.summary = "undo what a crash left on this machine",
	.usage = "Usage: cotenant restore [--dry-run] [--force]\n"
		 "\n"
		 "A campaign cleans up behind itself, also when it is killed. Where its guardian "
		 "was\n"
		 "killed as well, or a script of scripts/ was not told to undo its work, this does "
		 "it:\n"
		 "\n"
		 "  control groups        named cotenant-*, with no process in them, are removed\n"
		 "  resctrl groups        named cotenant-*, with no task in them, are removed\n"
		 "  virtual functions     the number that vf.sh found is put back (vf.sh down)\n"
		 "  MIG layouts           mode and layout that mig.sh found (mig.sh down)\n"
		 "  network namespaces    that netns.sh and netns-ranks.sh made are removed\n"
		 "\n"
		 "Nothing else is touched: only what carries our name or was noted in "
		 "/run/cotenant.\n"
		 "\n"
		 "Options:\n"
		 "  -n, --dry-run  say what would be done, and do nothing\n"
		 "      --force    groups made less than a minute ago, and functions in use, too\n"
		 "      --root DIR look for groups below DIR instead (for tests)\n"
		 "\n"
		 "Exit status: 0 nothing is left, 4 something could not be undone (its line says "
		 "why).\n",
	.run = run,
};
