/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant run: a job file becomes a result file. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "harness/campaign/campaign.h"
#include "harness/cli/cli.h"
#include "harness/core/units.h"
#include "harness/store/store.h"

enum { MAX_SETS = 256 };

struct arguments {
	const char *suite, *output, *configs;
	const char *sets[MAX_SETS];
	size_t n_sets;
	uint64_t seed, budget_ns;
	struct ct_until until;
	bool have_seed, resume;
	enum ct_progress_style progress;
};

static bool parse_progress(const char *word, enum ct_progress_style *style, struct ct_error *err)
{
	static const char *const names[] = {"auto", "bar", "lines", "json", "none"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(word, names[i]) == 0) {
			*style = (enum ct_progress_style)i;
			return true;
		}
	}
	return ct_usage(err, "--progress %s: one of auto, bar, lines, json, none", word);
}

static bool take_option(int option, struct arguments *arguments, struct ct_error *err)
{
	switch (option) {
	case 'o':
		arguments->output = optarg;
		return true;
	case 'c':
		arguments->configs = optarg;
		return true;
	case 's':
		arguments->have_seed = true;
		return ct_parse_count(optarg, &arguments->seed, err) || ct_error_in(err, "--seed");
	case 'b':
		return ct_parse_time(optarg, &arguments->budget_ns, err) ||
		       ct_error_in(err, "--budget");
	case 'u':
		return ct_until_parse(&arguments->until, optarg, err) ||
		       ct_error_in(err, "--until");
	case 'S':
		if (arguments->n_sets == MAX_SETS)
			return ct_usage(err, "run: more than %d times --set", MAX_SETS);
		arguments->sets[arguments->n_sets++] = optarg;
		return true;
	case 'r':
		arguments->resume = true;
		return true;
	case 'q':
		arguments->progress = CT_PROGRESS_NONE;
		return true;
	case 'p':
		return parse_progress(optarg, &arguments->progress, err);
	}
	return true;
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {{"output", required_argument, NULL, 'o'},
						{"config", required_argument, NULL, 'c'},
						{"seed", required_argument, NULL, 's'},
						{"budget", required_argument, NULL, 'b'},
						{"until", required_argument, NULL, 'u'},
						{"set", required_argument, NULL, 'S'},
						{"resume", no_argument, NULL, 'r'},
						{"quiet", no_argument, NULL, 'q'},
						{"progress", required_argument, NULL, 'p'},
						{0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:q", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (!take_option(option, arguments, err))
			return false;
	}
	if (optind >= argc)
		return ct_usage(err, "run: which job file? (see 'cotenant run --help')");
	if (optind + 1 < argc)
		return ct_usage(err, "run: one job file at a time, not '%s' as well",
				argv[optind + 1]);
	arguments->suite = argv[optind];
	if (!arguments->output)
		return ct_usage(err, "run: where to? Name the result with -o FILE.h5");
	return true;
}

/* From the job itself: the same on every machine. 64-bit FNV-1a (RFC 9923 describes it). */
static uint64_t seed_of(const struct ct_job *job)
{
	const char *const texts[] = {job->text, job->overrides};
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < 2; i++) {
		for (const char *c = texts[i]; *c; c++)
			hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	}
	return hash >> 32;
}

/* A resumed campaign goes on with its own seed, replicates and end, whatever is asked now. */
static bool choose_seed(struct arguments *arguments, struct ct_job *job, struct ct_error *err)
{
	if (arguments->resume) {
		struct ct_store_plan planned;

		if (!ct_store_planned(arguments->output, &planned, err))
			return false;
		arguments->budget_ns = 0;
		arguments->seed = planned.seed;
		job->replicates = planned.replicates;
		arguments->until = (struct ct_until){.q = 0};
		return !planned.until[0] || ct_until_parse(&arguments->until, planned.until, err);
	}
	if (arguments->have_seed)
		return true;
	/* Parts of one plan are run on several machines, which can't agree on a drawn number. */
	if (arguments->configs[0]) {
		arguments->seed = seed_of(job);
		return true;
	}
	if (getrandom(&arguments->seed, sizeof arguments->seed, 0) !=
	    (ssize_t)sizeof arguments->seed)
		return ct_broken_errno(err, "random bytes for the seed");
	/* Short enough to be typed again, and whole in every JSON reader. */
	arguments->seed >>= 32;
	return true;
}

static bool make_plan(struct ct_plan *plan, const struct arguments *arguments,
		      const struct ct_job *job, struct ct_error *err)
{
	if (arguments->until.text[0])
		return ct_plan_make_until(plan, job, &arguments->until, arguments->seed,
					  arguments->budget_ns, err);
	return ct_plan_make(plan, job, arguments->seed, arguments->budget_ns, err);
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {.configs = "", .progress = CT_PROGRESS_AUTO};
	struct ct_job job = {0};
	struct ct_plan plan = {0};
	char *command_line = ct_cli_command_line(argc, argv);
	bool good;

	good = parse(argc, argv, &arguments, err) &&
	       ct_job_load(&job, arguments.suite, arguments.sets, arguments.n_sets, err);
	if (good) {
		good = ct_job_select_configs(&job, arguments.configs, err) &&
		       choose_seed(&arguments, &job, err) &&
		       make_plan(&plan, &arguments, &job, err);
		if (good) {
			const struct ct_campaign_request request = {
				.job = &job,
				.plan = &plan,
				.output = arguments.output,
				.command_line = command_line ? command_line : "cotenant run",
				.resume = arguments.resume,
				.progress = arguments.progress,
			};

			good = ct_campaign_run(&request, err);
		}
		ct_plan_free(&plan);
		ct_job_free(&job);
	}
	free(command_line);
	return good;
}

const struct ct_command ct_command_run = {
	.name = "run",
	.summary = "run a campaign: a job file becomes a result file",
	.usage =
		"Usage: cotenant run SUITE.ini -o OUT.h5 [OPTION ...]\n"
		"\n"
		"Runs every victim beside every aggressor at every intensity under every config of "
		"the\n"
		"job file, in randomised blocks, and stores the latency distributions in OUT.h5.\n"
		"'cotenant plan SUITE.ini' tells before what would be done and how long it takes.\n"
		"\n"
		"  -o, --output FILE     the result; must not exist\n"
		"      --config NAME[,...]  only these configs: the part of the plan that this "
		"machine\n"
		"                        can run; 'cotenant merge' joins the parts. The seed "
		"then\n"
		"                        comes from the job file, unless given\n"
		"      --seed N          order of blocks and random streams; default: drawn, and "
		"stored\n"
		"      --budget TIME     as many replicates as fit into TIME (10m), at least 2\n"
		"      --until Q:MARGIN  stop when it is decided, for each cell, whether quantile "
		"Q is\n"
		"                        slowed by more than MARGIN (p99:2%), with 95 % "
		"confidence\n"
		"                        at whatever time it stops; at most the blocks of the "
		"plan\n"
		"                        or the budget, given to the cells not decided yet\n"
		"      --set KEY=VALUE   overrides the job file: suite.replicates=4,\n"
		"                        victim.dram.working_set=32M, tenant.victim.cpus=core:1\n"
		"      --resume          go on with an interrupted campaign\n"
		"      --progress STYLE  on standard error: bar (live view: cell, latencies so "
		"far,\n"
		"                        load, ETA), lines, json (an object a line; \"event\" "
		"is step,\n"
		"                        phase, block or message), none; auto: bar on a terminal,\n"
		"                        else lines\n"
		"  -q, --quiet           the same as --progress none\n"
		"\n"
		"Ctrl-C ends the campaign and keeps every finished block.\n"
		"Exit status: 0 all blocks measured, 2 bad input (nothing was run), 4 some blocks\n"
		"failed or the machine did (the rest is saved), 130 interrupted (saved).\n",
	.run = run,
};
