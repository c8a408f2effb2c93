/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant noise: one aggressor alone, and the rate that it achieves. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/campaign/adhoc.h"
#include "harness/campaign/ground.h"
#include "harness/cli/cli.h"
#include "harness/core/units.h"
#include "harness/tenant/protocol.h"

enum { MAX_WORDS = 128 };
static const uint64_t second_ns = UINT64_C(1000000000);

struct arguments {
	const char *aggressor;
	const char *words[MAX_WORDS];
	size_t n_words;
	uint64_t duration_ns;
	bool json;
};

/* Sums of the rows that have arrived. */
struct tally {
	double units, asked, seconds;
	double slowest, fastest; /* rates of single rows, units/s */
};

static bool take_word(char *word, struct arguments *arguments, struct ct_error *err)
{
	if (!arguments->aggressor && !strchr(word, '=')) {
		arguments->aggressor = word;
		return true;
	}
	if (arguments->n_words == MAX_WORDS)
		return ct_usage(err, "noise: more than %d key=value words", MAX_WORDS);
	arguments->words[arguments->n_words++] = word;
	return true;
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {
		{"time", required_argument, NULL, 't'}, {"json", no_argument, NULL, 'j'}, {0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":t:", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (option == 't' && !ct_parse_time(optarg, &arguments->duration_ns, err))
			return ct_error_in(err, "noise: -t");
		arguments->json |= option == 'j';
	}
	for (; optind < argc; optind++) {
		if (!take_word(argv[optind], arguments, err))
			return false;
	}
	if (!arguments->aggressor)
		return ct_usage(err, "noise: which aggressor? ('cotenant list aggressors' names "
				     "them)");
	if (arguments->duration_ns == 0)
		return ct_usage(err, "noise: -t 0: nothing can be loaded in no time");
	return true;
}

static bool take_row(void *context, unsigned type, const void *payload, size_t length,
		     struct ct_error *err)
{
	struct tally *tally = context;
	struct ct_noise_row row;
	double seconds;

	if (type != CT_MSG_NOISE || length != sizeof row)
		return ct_broken(err, "the aggressor sent a row of the wrong size");
	memcpy(&row, payload, sizeof row);
	seconds = (double)(row.end_ns - row.start_ns) / 1e9;
	if (seconds > 0.05) {
		double rate = row.units / seconds;

		if (tally->slowest == 0 || rate < tally->slowest)
			tally->slowest = rate;
		if (rate > tally->fastest)
			tally->fastest = rate;
	}
	tally->units += row.units;
	tally->asked += row.asked_units;
	tally->seconds += seconds;
	return true;
}

/* Below 100 % it has to be known what 100 % is; at 100 % it simply runs flat out. */
static bool load(struct ct_links *links, struct ct_crew *crew, const struct ct_adhoc *adhoc,
		 const struct arguments *arguments, struct ct_error *err)
{
	double intensity = adhoc->aggressor.common.intensity, solo_rate = 0;
	bool constant = adhoc->aggressor.common.pattern == CT_PATTERN_CONSTANT;

	if (intensity >= 100 && constant)
		intensity = 0;
	else if (!ct_ground_calibrate(links, &crew->aggressors[0], 0.5, &solo_rate, err))
		return false;
	return ct_link_ask(links, &crew->aggressors[0], CT_MSG_LOAD,
			   json_pack("{s:f, s:f, s:I, s:I}", "intensity", intensity, "solo_rate",
				     solo_rate, "row_ns", (json_int_t)(second_ns / 10),
				     "longest_ns", (json_int_t)arguments->duration_ns),
			   CT_MSG_LOADED, 30 * second_ns, NULL, err);
}

static bool measure(struct ct_links *links, struct ct_crew *crew, const struct ct_adhoc *adhoc,
		    const struct arguments *arguments, struct tally *tally, struct ct_error *err)
{
	crew->aggressors[0].handler = take_row;
	crew->aggressors[0].context = tally;
	return load(links, crew, adhoc, arguments, err) &&
	       ct_links_serve(links, arguments->duration_ns, err) &&
	       ct_link_ask(links, &crew->aggressors[0], CT_MSG_UNLOAD, NULL, CT_MSG_UNLOADED,
			   30 * second_ns, NULL, err);
}

static void print_json(const struct ct_adhoc *adhoc, const char *cpus, json_int_t threads,
		       const struct tally *tally)
{
	char unit[64];
	json_t *all;
	char *text;

	snprintf(unit, sizeof unit, "%s/s", adhoc->aggressor.ops->unit);
	all = json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:I, s:s}", "schema",
			"cotenant.noise/1", "aggressor", adhoc->aggressor.name, "unit", unit,
			"rate", tally->units / tally->seconds, "seconds", tally->seconds,
			"slowest_rate", tally->slowest, "fastest_rate", tally->fastest, "threads",
			threads, "cpus", cpus);
	text = json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	puts(text ? text : "{}");
	free(text);
	json_decref(all);
}

static void print_text(const struct ct_adhoc *adhoc, const char *cpus, json_int_t threads,
		       const struct tally *tally)
{
	const char *unit = adhoc->aggressor.ops->unit;
	double rate = tally->units / tally->seconds;
	char text[CT_UNIT_TEXT], slow[CT_UNIT_TEXT], fast[CT_UNIT_TEXT];

	printf("%s on CPU %s, %lld thread%s: %s over %.2f s (100 ms windows: %s to %s)\n",
	       adhoc->aggressor.name, cpus, (long long)threads, threads == 1 ? "" : "s",
	       ct_format_rate(rate, unit, text), tally->seconds,
	       ct_format_rate(tally->slowest, unit, slow),
	       ct_format_rate(tally->fastest, unit, fast));
	if (tally->asked > 0 && tally->units < 0.9 * tally->asked)
		printf("It held %.1f %% of the rate that was asked.\n",
		       100 * tally->units / tally->asked);
}

static bool noise(struct ct_links *links, struct ct_ground *ground, struct ct_adhoc *adhoc,
		  const struct arguments *arguments, struct ct_error *err)
{
	struct ct_crew_setup setup = {.avoid_cpus = "", .token = ground->token, .seed = 1};
	struct tally tally = {0};
	const char *cpus;
	struct ct_crew crew;
	json_int_t threads;
	bool good;

	if (!ct_ground_place(ground, links, &adhoc->job, err))
		return false;
	setup.aggressors[setup.n_aggressors++] = ct_actor_of_aggressor(
		&adhoc->aggressor, adhoc->tenants, ground->configs[0].placements);
	if (!ct_ground_step_aside(ground, links, 0, err) ||
	    !ct_crew_open(&crew, links, &setup, err))
		return false;
	cpus = ground->configs[0].placements[adhoc->aggressor.tenant].cpus;
	threads = json_integer_value(json_object_get(crew.aggressor_ready, "threads"));
	good = measure(links, &crew, adhoc, arguments, &tally, err);
	if (good && arguments->json)
		print_json(adhoc, cpus, threads, &tally);
	else if (good)
		print_text(adhoc, cpus, threads, &tally);
	ct_crew_close(&crew);
	return good;
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {.duration_ns = 5 * second_ns};
	struct ct_links links = {.signal_fd = -1};
	struct ct_ground ground = {0};
	struct ct_adhoc adhoc = {0};
	bool good;

	if (!parse(argc, argv, &arguments, err))
		return false;
	good = ct_adhoc_make(&adhoc, NULL, arguments.aggressor, arguments.words, arguments.n_words,
			     err) &&
	       ct_links_init(&links, err) && noise(&links, &ground, &adhoc, &arguments, err);
	ct_ground_free(&ground);
	ct_links_free(&links);
	ct_adhoc_free(&adhoc);
	return good;
}

const struct ct_command ct_command_noise = {
	.name = "noise",
	.summary = "one aggressor alone: the rate that it achieves",
	.usage = "Usage: cotenant noise AGGRESSOR [KEY=VALUE ...] [-t TIME] [--json]\n"
		 "\n"
		 "Runs one aggressor for TIME (default 5s) and says how much it did.\n"
		 "\n"
		 "KEY is a parameter of the aggressor ('cotenant list AGGRESSOR' shows them), one "
		 "that\n"
		 "every aggressor takes (threads, intensity, pattern, frequency, duty), or where "
		 "it runs:\n"
		 "cpus (all), memory, via, address, nic, shared. peer.KEY places its sink, for "
		 "floods.\n"
		 "\n"
		 "  cotenant noise membw cpus=core:1 op=write -t 10s\n"
		 "  cotenant noise membw intensity=25% pattern=square frequency=10Hz\n"
		 "\n"
		 "Ctrl-C ends it.\n"
		 "Exit status: 0 it ran, 2 bad input, 4 it can't run here or "
		 "failed.\n",
	.run = run,
};
