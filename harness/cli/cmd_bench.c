/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant bench: one victim alone, or for a quick look with one aggressor beside it. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/campaign/adhoc.h"
#include "harness/campaign/ground.h"
#include "harness/campaign/phase.h"
#include "harness/cli/cli.h"
#include "harness/cli/counters.h"
#include "harness/core/units.h"
#include "harness/report/json.h"

static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999};
enum { N_QUANTILES = sizeof quantiles / sizeof quantiles[0], MAX_WORDS = 128 };
#define EPOCH_LEAST_NS UINT64_C(10000000)
#define EPOCH_MOST_NS  UINT64_C(10000000000)

struct arguments {
	const char *victim, *aggressor;
	const char *words[MAX_WORDS];
	size_t n_words;
	uint64_t measure_ns, warmup_ns, epoch_ns;
	bool json;
};

/* What one phase came to; a quantile that the samples can't carry is NaN. */
struct summary {
	uint64_t count;
	double min_ns, mean_ns, max_ns, seconds;
	double quantile_ns[N_QUANTILES];
	double asked_rate, achieved_rate;
	enum ct_load load;
	json_t *counters; /* see counters.h */
};

static bool take_word(char *word, struct arguments *arguments, struct ct_error *err)
{
	if (!arguments->victim && !strchr(word, '=')) {
		arguments->victim = word;
		return true;
	}
	if (strncmp(word, "with=", 5) == 0) {
		arguments->aggressor = word + 5;
		return true;
	}
	if (arguments->n_words == MAX_WORDS)
		return ct_usage(err, "bench: more than %d key=value words", MAX_WORDS);
	arguments->words[arguments->n_words++] = word;
	return true;
}

static bool parse(int argc, char **argv, struct arguments *arguments, struct ct_error *err)
{
	static const struct option options[] = {{"time", required_argument, NULL, 't'},
						{"warmup", required_argument, NULL, 'w'},
						{"epoch", required_argument, NULL, 'e'},
						{"json", no_argument, NULL, 'j'},
						{0}};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":t:w:", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return ct_cli_bad_option(argc, argv, option, err);
		if (option == 't' && !ct_parse_time(optarg, &arguments->measure_ns, err))
			return ct_error_in(err, "bench: -t");
		if (option == 'w' && !ct_parse_time(optarg, &arguments->warmup_ns, err))
			return ct_error_in(err, "bench: --warmup");
		if (option == 'e' && !ct_parse_time(optarg, &arguments->epoch_ns, err))
			return ct_error_in(err, "bench: --epoch");
		arguments->json |= option == 'j';
	}
	for (; optind < argc; optind++) {
		if (!take_word(argv[optind], arguments, err))
			return false;
	}
	if (!arguments->victim)
		return ct_usage(err, "bench: which victim? ('cotenant list victims' names them)");
	if (arguments->measure_ns == 0)
		return ct_usage(err, "bench: -t 0: nothing can be measured in no time");
	if (arguments->epoch_ns < EPOCH_LEAST_NS || arguments->epoch_ns > EPOCH_MOST_NS)
		return ct_usage(err, "bench: --epoch: from 10 ms to 10 s");
	return true;
}

static bool summarise(const struct ct_phase_record *phase, struct summary *summary,
		      struct ct_error *err)
{
	struct ct_hist hist;
	bool good;

	*summary = (struct summary){
		.count = phase->count,
		.min_ns = phase->min_ns,
		.mean_ns = phase->mean_ns,
		.max_ns = phase->max_ns,
		.seconds = (double)(phase->end_ns - phase->start_ns) / 1e9,
		.asked_rate = phase->asked_rate,
		.achieved_rate = phase->achieved_rate,
		.load = phase->load,
		.counters = ct_counters_json(phase),
	};
	if (!summary->counters)
		return ct_broken(err, "memory for counters");
	if (!ct_hist_init(&hist, err))
		return false;
	good = ct_hist_merge_sparse(&hist, phase->buckets, phase->n_buckets, err);
	for (size_t i = 0; i < N_QUANTILES; i++)
		summary->quantile_ns[i] = ct_hist_carries(&hist, quantiles[i])
						  ? ct_hist_quantile(&hist, quantiles[i]) / 1e3
						  : NAN;
	ct_hist_free(&hist);
	return good;
}

static bool measure(struct ct_crew *crew, const struct arguments *arguments,
		    const struct ct_adhoc *adhoc, enum ct_role role, double solo_rate,
		    struct summary *summary, struct ct_error *err)
{
	struct ct_block_record block = {.n_phases = 1};
	const struct ct_phase_plan plan = {
		.role = role,
		.warmup_ns = arguments->warmup_ns,
		.measure_ns = arguments->measure_ns,
		.epoch_ns = arguments->epoch_ns,
		.loads = {{.intensity = adhoc->aggressor.common.intensity,
			   .solo_rate = solo_rate,
			   .blocks = adhoc->aggressor.ops && adhoc->aggressor.ops->blocks}},
		.n_loads = role == CT_ROLE_TREATMENT,
	};
	bool good = ct_phase_run(crew, &plan, &block.phases[0], err) &&
		    summarise(&block.phases[0], summary, err);

	ct_block_record_free(&block);
	return good;
}

static bool nothing_measured(const struct ct_adhoc *adhoc, const struct arguments *arguments,
			     struct ct_error *err)
{
	char measured[CT_UNIT_TEXT];

	return ct_broken(err,
			 "victim '%s': no operation was measured in %s; "
			 "measure for longer (-t)",
			 adhoc->victim.name, ct_format_ns((double)arguments->measure_ns, measured));
}

/* An aggressor must be calibrated while the victim rests: its solo rate is what intensity means. */
static bool measure_both(struct ct_links *links, struct ct_crew *crew,
			 const struct arguments *arguments, const struct ct_adhoc *adhoc,
			 struct summary *alone, struct summary *beside, struct ct_error *err)
{
	double solo_rate = 0;

	if (adhoc->aggressor.ops &&
	    !ct_ground_calibrate(links, &crew->aggressors[0], 0.4, &solo_rate, err))
		return false;
	if (!measure(crew, arguments, adhoc, CT_ROLE_BASELINE, 0, alone, err))
		return false;
	if (alone->count == 0)
		return nothing_measured(adhoc, arguments, err);
	return !adhoc->aggressor.ops ||
	       measure(crew, arguments, adhoc, CT_ROLE_TREATMENT, solo_rate, beside, err);
}

static json_t *summary_json(const struct summary *summary)
{
	json_t *values = json_object();
	char key[16];

	for (size_t i = 0; i < N_QUANTILES; i++) {
		snprintf(key, sizeof key, "%.4g", quantiles[i]);
		json_object_set_new(values, key, ct_json_number(summary->quantile_ns[i]));
	}
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:f, s:O}", "count", (json_int_t)summary->count,
			 "min", ct_json_number(summary->min_ns), "mean",
			 ct_json_number(summary->mean_ns), "max", ct_json_number(summary->max_ns),
			 "quantiles", values, "seconds", summary->seconds, "counters",
			 summary->counters);
}

static const char *load_name(enum ct_load load)
{
	switch (load) {
	case CT_LOAD_NONE:
		return "none";
	case CT_LOAD_HELD:
		return "held";
	case CT_LOAD_CONTENDED:
		return "contended";
	case CT_LOAD_ABSENT:
		break;
	}
	return "absent";
}

static void print_json(const struct ct_adhoc *adhoc, const struct ct_crew *crew, const char *cpus,
		       const struct summary *alone, const struct summary *beside)
{
	json_t *all = json_pack("{s:s, s:s, s:s, s:s}", "schema", "cotenant.bench/1", "victim",
				adhoc->victim.name, "unit", adhoc->victim.ops->unit, "cpus", cpus);
	json_t *stats = summary_json(alone);
	char *text;

	json_object_update(all, stats);
	json_decref(stats);
	json_object_set(all, "clock", json_object_get(crew->victim_ready, "clock"));
	if (json_object_get(crew->victim_ready, "device"))
		json_object_set(all, "device", json_object_get(crew->victim_ready, "device"));
	if (beside) {
		stats = summary_json(beside);
		json_object_set_new(stats, "aggressor", json_string(adhoc->aggressor.name));
		json_object_set_new(stats, "load", json_string(load_name(beside->load)));
		json_object_set_new(stats, "asked_rate", ct_json_number(beside->asked_rate));
		json_object_set_new(stats, "achieved_rate", ct_json_number(beside->achieved_rate));
		json_object_set_new(all, "with", stats);
	}
	text = json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	puts(text ? text : "{}");
	free(text);
	json_decref(all);
}

static void print_cell(double ns)
{
	char text[CT_UNIT_TEXT];

	printf(" %10s", isnan(ns) ? "-" : ct_format_ns(ns, text));
}

static void print_row(const char *name, const struct summary *summary)
{
	printf("%-12s %11llu", name, (unsigned long long)summary->count);
	print_cell(summary->min_ns);
	print_cell(summary->mean_ns);
	for (size_t i = 0; i < N_QUANTILES; i++)
		print_cell(summary->quantile_ns[i]);
	print_cell(summary->max_ns);
	putchar('\n');
}

static void print_ratio(double ratio)
{
	if (isnan(ratio))
		printf(" %10s", "-");
	else
		printf(" %9.3fx", ratio);
}

static void print_ratios(const struct summary *alone, const struct summary *beside)
{
	printf("%-12s %11s %10s", "ratio", "", "");
	print_ratio(beside->mean_ns / alone->mean_ns);
	for (size_t i = 0; i < N_QUANTILES; i++)
		print_ratio(beside->quantile_ns[i] / alone->quantile_ns[i]);
	putchar('\n');
}

static void print_with(const struct ct_adhoc *adhoc, const struct summary *beside)
{
	const char *unit = adhoc->aggressor.ops->unit;
	char achieved[CT_UNIT_TEXT], asked[CT_UNIT_TEXT];

	printf("%s: %s of %s asked%s\n", adhoc->aggressor.name,
	       ct_format_rate(beside->achieved_rate, unit, achieved),
	       ct_format_rate(beside->asked_rate, unit, asked),
	       beside->load == CT_LOAD_ABSENT      ? ": IT DID NOT LOAD, nothing can be said"
	       : beside->load == CT_LOAD_CONTENDED ? " (limited by the contention itself)"
						   : "");
	printf("One look, without replicates: 'cotenant run' tells whether a ratio is real.\n");
}

static void print_text(const struct ct_adhoc *adhoc, const struct ct_crew *crew, const char *cpus,
		       const struct summary *alone, const struct summary *beside)
{
	const json_t *clock = json_object_get(crew->victim_ready, "clock");
	double bytes = (double)json_integer_value(
		json_object_get(crew->victim_ready, "bytes_per_operation"));
	char rate[CT_UNIT_TEXT];

	printf("%s on CPU %s, one sample: %s\n", adhoc->victim.name, cpus,
	       adhoc->victim.ops->sample);
	printf("%-12s %11s %10s %10s %10s %10s %10s %10s %10s %10s\n", "", "samples", "min", "mean",
	       "p50", "p90", "p99", "p99.9", "p99.99", "max");
	print_row("alone", alone);
	if (beside) {
		char name[80];

		snprintf(name, sizeof name, "with %s", adhoc->aggressor.name);
		print_row(name, beside);
		print_ratios(alone, beside);
		print_with(adhoc, beside);
	}
	ct_counters_print((beside ? beside : alone)->counters);
	if (bytes > 0 && !isnan(alone->quantile_ns[0]))
		printf("rate at the median: %s\n",
		       ct_format_rate(bytes * 1e9 / alone->quantile_ns[0], "B", rate));
	printf("clock: %s, resolution %.2g ns, cost %.3g ns a sample\n",
	       json_string_value(json_object_get(clock, "source")),
	       json_real_value(json_object_get(clock, "resolution_ns")),
	       json_real_value(json_object_get(clock, "cost_ns")));
}

static bool bench(struct ct_links *links, struct ct_ground *ground, struct ct_adhoc *adhoc,
		  const struct arguments *arguments, struct ct_error *err)
{
	const struct ct_config_ground *at;
	struct ct_crew_setup setup = {.token = ground->token, .seed = 1};
	struct summary alone = {0}, beside = {0};
	struct ct_crew crew;
	bool with = adhoc->aggressor.ops != NULL;
	bool good;

	if (!ct_ground_place(ground, links, &adhoc->job, err))
		return false;
	at = &ground->configs[0];
	setup.avoid_cpus = at->victim_cpus;
	setup.noise_cpus = at->noise_cpus;
	setup.victim = ct_actor_of_victim(&adhoc->victim, adhoc->tenants, at->placements);
	if (with)
		setup.aggressors[setup.n_aggressors++] =
			ct_actor_of_aggressor(&adhoc->aggressor, adhoc->tenants, at->placements);
	if (!ct_ground_step_aside(ground, links, 0, err) ||
	    !ct_crew_open(&crew, links, &setup, err))
		return false;
	good = measure_both(links, &crew, arguments, adhoc, &alone, &beside, err);
	if (good && arguments->json)
		print_json(adhoc, &crew, at->placements[adhoc->victim.tenant].cpus, &alone,
			   with ? &beside : NULL);
	else if (good)
		print_text(adhoc, &crew, at->placements[adhoc->victim.tenant].cpus, &alone,
			   with ? &beside : NULL);
	json_decref(alone.counters);
	json_decref(beside.counters);
	ct_crew_close(&crew);
	return good;
}

static bool run(int argc, char **argv, struct ct_error *err)
{
	struct arguments arguments = {
		.measure_ns = UINT64_C(2000000000), .warmup_ns = 300000000, .epoch_ns = 100000000};
	struct ct_links links = {.signal_fd = -1};
	struct ct_ground ground = {0};
	struct ct_adhoc adhoc = {0};
	bool good;

	if (!parse(argc, argv, &arguments, err))
		return false;
	good = ct_adhoc_make(&adhoc, arguments.victim, arguments.aggressor, arguments.words,
			     arguments.n_words, err) &&
	       ct_links_init(&links, err) && bench(&links, &ground, &adhoc, &arguments, err);
	ct_ground_free(&ground);
	ct_links_free(&links);
	ct_adhoc_free(&adhoc);
	return good;
}

const struct ct_command ct_command_bench = {
	.name = "bench",
	.summary = "one victim alone: its latency percentiles",
	.usage =
		"Usage: cotenant bench VICTIM [KEY=VALUE ...] [-t TIME] [--warmup TIME]\n"
		"       [--epoch TIME] [--json]\n"
		"\n"
		"Measures one victim for TIME (default 2s) after a warm-up (default 300ms). What "
		"the\n"
		"kernel and the network function count is read once an epoch (default 100ms).\n"
		"\n"
		"KEY is a parameter of the victim ('cotenant list VICTIM' shows them), one that "
		"every\n"
		"victim takes (rate, arrival, raw), or where it runs: cpus (core:0), memory, via,\n"
		"address, nic, shared. peer.KEY places its other end, for victims that have one;\n"
		"  where there can be several: peers=N, and peer2.KEY places the second.\n"
		"with=AGGRESSOR runs an aggressor beside it for a quick look; with.KEY are its "
		"keys.\n"
		"\n"
		"  cotenant bench mem_latency working_set=1G pages=2M\n"
		"  cotenant bench tcp_rr rate=10kHz cpus=core:0 peer.cpus=core:1 -t 10s\n"
		"  cotenant bench mem_latency with=membw with.intensity=50%\n"
		"\n"
		"A quantile that the samples can't carry is printed as '-' (null in JSON).\n"
		"Exit status: 0 measured, 2 bad input, 4 the victim can't run here, failed, or is\n"
		"too slow for TIME.\n",
	.run = run,
};
