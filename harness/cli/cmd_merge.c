/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant merge: parts of one plan, run on several machines, become one result. */
#include <getopt.h>

#include "harness/cli/cli.h"
#include "harness/store/guard.h"
#include "harness/store/merge.h"

struct arguments {
	const char *output;
	char **paths;
	size_t n;
};

static bool merge(void *context, struct ct_error *err)
{
	const struct arguments *arguments = context;

	return ct_merge((const char *const *)arguments->paths, arguments->n, arguments->output,
			err);
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	static const struct option options[] = {{"output", required_argument, NULL, 'o'}, {0}};
	struct arguments arguments = {.output = NULL};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:", options, NULL)) != -1) {
		if (option != 'o')
			return ct_cli_bad_option(argc, argv, option, err);
		arguments.output = optarg;
	}
	arguments.paths = argv + optind;
	arguments.n = (size_t)(argc - optind);
	if (arguments.n == 0)
		return ct_usage(err, "merge: which result files? (see 'cotenant merge --help')");
	if (!arguments.output)
		return ct_usage(err, "merge: where to? Name the result with -o FILE.h5");
	return ct_guarded(merge, &arguments, arguments.output, err);
}

const struct ct_command ct_command_merge = {
	.name = "merge",
	.summary = "join parts of one plan that were run on several machines",
	.usage = "Usage: cotenant merge A.h5 B.h5 ... -o OUT.h5\n"
		 "\n"
		 "Joins results of the same job file, seed and plan that hold different configs:\n"
		 "\n"
		 "  host$  cotenant run suite.ini --config baremetal -o host.h5\n"
		 "  guest$ cotenant run suite.ini --config vm -o guest.h5\n"
		 "  host$  cotenant merge host.h5 guest.h5 -o both.h5\n"
		 "\n"
		 "The result is read like that of one campaign; what each part said about its "
		 "machine\n"
		 "is kept whole. The order of the files makes no difference.\n"
		 "\n"
		 "  -o, --output FILE   the result; must not exist\n"
		 "\n"
		 "Exit status: 0 merged, 2 not parts of one plan, or bad input (nothing is "
		 "written).\n",
	.run = run,
};
